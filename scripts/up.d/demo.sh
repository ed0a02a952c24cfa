# shellcheck shell=bash
# A small catalogue, one order, and where to look.

# sku | name | pence | grams | units
DEMO_ITEMS=(
    'TEA-EG-100|Earl Grey, 100 g|650|120|500'
    'TEA-DJ-050|Darjeeling first flush, 50 g|890|70|200'
    'POT-STN-1L|Stoneware teapot, 1 l|3400|1150|40'
    'CUP-POR-02|Porcelain cups, pair|2150|600|80'
    'TIN-ROUND|Round tea tin|480|90|1000'
)

# curl with the API key, which stands in no argument of a process.
authorized() { curl -H @<(printf 'Authorization: Bearer %s' "$(<"$UP/secrets/api-key")") "$@"; }

# call METHOD PATH KEY BODY [HEADER...]: prints the answer's body, fails unless it is a success.
call() {
    local method=$1 path=$2 key=$3 body=$4 header status extra=()
    shift 4
    for header in "$@"; do
        extra+=(-H "$header")
    done
    status=$(authorized -sS -o "$UP/answer.json" -w '%{http_code}' -X "$method" "$(url_of gateway)$path" \
        -H 'Content-Type: application/json' -H "Idempotency-Key: $key" "${extra[@]}" -d "$body")
    if [[ $status != 2* ]]; then
        cat "$UP/answer.json" >&2
        die "$method $path answered $status"
    fi
    cat "$UP/answer.json"
}

load_catalogue() {
    local item sku name price grams units
    for item in "${DEMO_ITEMS[@]}"; do
        IFS='|' read -r sku name price grams units <<<"$item"
        call PUT "/v1/items/$sku" "demo-item-$sku" "$(jq -nc --arg name "$name" \
            --argjson price "$price" --argjson grams "$grams" \
            '{name: $name, price: {currency_code: "GBP", minor_units: $price},
              weight_grams: $grams, active: true}')" >/dev/null
        # The key makes a second run of this script leave the stock alone.
        call POST "/v1/items/$sku/stock-movements" "demo-stock-$sku" \
            "$(jq -nc --argjson units "$units" '{kind: "RECEIVED", quantity: $units, reference: "demo"}')" \
            >/dev/null
    done
    say "${#DEMO_ITEMS[@]} items"
}

place_order() {
    local order id state
    order=$(call POST /v1/orders "demo-order-$(date +%s%N)" '{
        "customer_ref": "demo-customer", "currency_code": "GBP", "payment_method": "pm_card_visa",
        "lines": [{"sku": "TEA-EG-100", "quantity": 2}, {"sku": "POT-STN-1L", "quantity": 1}],
        "shipping_address": {"recipient": "Ada Example", "lines": ["1 Sample Street"],
            "city": "London", "postal_code": "N1 9GU", "country_code": "GB"}}' 'Prefer: wait=30')
    id=$(jq -r .order_id <<<"$order")
    state=$(jq -r .state <<<"$order")
    say "$id, $(jq -r '.total | "\(.minor_units / 100) \(.currency_code)"' <<<"$order")"
    authorized -fsS "$(url_of gateway)/v1/orders/$id/timeline" |
        jq -r '.events[] | "  \(.version | tostring | (" " * (2 - length)) + .)  \(.create_time[11:23])  \(.state)  \(.description)"'
    [[ $state =~ ^(CONFIRMED|CAPTURING|SHIPPED|DELIVERED)$ ]] || die "the order is $state, not CONFIRMED"
}

print_addresses() {
    local url name
    url=$(url_of gateway)
    cat <<TEXT
== up after $SECONDS s
  API              $url/v1/orders
  API key          $UP/secrets/api-key, in: Authorization: Bearer KEY
  people           $OWNER_EMAIL, $OPERATOR_EMAIL; passwords in $UP/secrets/*-password
  API, documented  $url/docs
  live, on a page  $url/demo: log in as the owner
  WebSocket        ws${url#http}/v1/notifications/ws, for people who have logged in
  the card provider's log  $UP/provider.log
  metrics, health  $(for name in "${SERVICES[@]}"; do printf '%s :%s  ' "$name" "$(admin_port "$name")"; done)
  gRPC, reflected  $(for name in order inventory payment shipping metrics notification; do printf '%s :%s  ' "$name" "$(grpc_port "$name")"; done)
  logs             $UP/logs
  next             scripts/replay FILE, scripts/audit, scripts/bench orders, scripts/down [--wipe]
TEXT
}
