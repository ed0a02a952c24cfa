# shellcheck shell=bash
# A tenant to try things with: the first operator by command, the tenant by the operator, and an API
# key by the tenant's owner. Made once; the secrets are under .run/up/secrets, for their owner only.

OPERATOR_EMAIL=operator@example.com
OWNER_EMAIL=owner@example.com
KEY_SCOPE='orders:place orders:read orders:cancel orders:price items:read items:write inventory:adjust payments:read payments:refund shipments:read events:write metrics:read analytics:read notifications:send notifications:manage'

# post PATH KEY TOKEN BODY: prints the answer's body, fails unless it is a success. Secrets come by
# standard input, since everybody can read the arguments of a process.
post() {
    local path=$1 key=$2 token=$3 body=$4 status
    # A header without a value is not sent.
    local authorization="Authorization:${token:+ Bearer $token}"
    status=$(curl -sS -o "$UP/secrets/answer.json" -w '%{http_code}' -K - <<TEXT
url = "$(url_of gateway)$path"
request = "POST"
header = "Content-Type: application/json"
header = "Idempotency-Key: $key"
header = "$authorization"
data = "${body//\"/\\\"}"
TEXT
    )
    if [[ $status != 2* ]]; then
        jq -r '"\(.reason): \(.detail)"' "$UP/secrets/answer.json" >&2
        die "POST $path answered $status"
    fi
    cat "$UP/secrets/answer.json"
    rm -f "$UP/secrets/answer.json"
}

# log_in EMAIL: prints an access token; the password is in PASSWORD.
log_in() {
    post /v1/auth/login login '' "$(jq -nc --arg email "$1" '{email: $email, password: $ENV.PASSWORD}')" |
        jq -r .access_token
}

# create_operator: with the password made for it. One that is there already stays as it is.
create_operator() {
    (
        set -a
        # shellcheck disable=SC1091
        source "$UP/env.d/gateway"
        "$TARGET/$PROFILE/gateway" create-operator --email "$OPERATOR_EMAIL" --password-stdin \
            <<<"$(secret operator-password)" >>"$UP/logs/gateway.log" 2>&1
    ) || die "the operator cannot be made; see $UP/logs/gateway.log"
}

# The tenant and its owner; the id of the tenant is then in secrets/tenant.
open_tenant() {
    local operator
    if [[ -s $UP/secrets/tenant ]]; then
        return
    fi
    if [[ ! -e $UP/secrets/operator-made ]]; then
        create_operator
        touch "$UP/secrets/operator-made"
    fi
    operator=$(PASSWORD=$(secret operator-password) log_in "$OPERATOR_EMAIL")
    # The keys make a second try after a failure find what the first has made.
    post /v1/tenants up-tenant "$operator" "$(PASSWORD=$(secret owner-password) \
        jq -nc --arg email "$OWNER_EMAIL" '{name: "Demo", plan: "internal", owner_email: $email,
            owner_password: $ENV.PASSWORD}')" | jq -r .tenant_id >"$UP/secrets/tenant"
}

open_account() {
    local file=$UP/secrets/api-key owner
    if [[ -s $file ]]; then
        say "$(<"$UP/secrets/tenant"), as before"
        return
    fi
    open_tenant
    owner=$(PASSWORD=$(secret owner-password) log_in "$OWNER_EMAIL")
    (
        umask 077
        post /v1/api-keys "up-key-$(date +%s)" "$owner" "$(jq -nc --arg scope "$KEY_SCOPE" \
            '{name: "scripts/up", scope: $scope}')" | jq -r .secret >"$file"
    )
    say "$(<"$UP/secrets/tenant"), owner $OWNER_EMAIL"
}
