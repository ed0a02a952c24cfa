# shellcheck shell=bash
# The environment of every program, its database, its start.

grpc_port() {
    case $1 in
        gateway) port gateway 7080 ;;
        order) port order 7051 ;;
        inventory) port inventory 7052 ;;
        payment) port payment 7053 ;;
        shipping) port shipping 7054 ;;
        metrics) port metrics 7055 ;;
        notification) port notification 7056 ;;
    esac
}

admin_port() {
    case $1 in
        gateway) port gateway-admin 7090 ;;
        order) port order-admin 7091 ;;
        inventory) port inventory-admin 7092 ;;
        payment) port payment-admin 7093 ;;
        shipping) port shipping-admin 7094 ;;
        metrics) port metrics-admin 7095 ;;
        notification) port notification-admin 7096 ;;
    esac
}

# Where the notification service speaks WebSocket.
live_port() { port notification-live 7057; }

# Where the gateway says who may come in, for services that clients reach directly.
access_port() { port gateway-access 7050; }

provider_port() { port provider-sim 7099; }

url_of() { echo "http://127.0.0.1:$(grpc_port "$1")"; }

# postgres://USER:PASSWORD@HOST:PORT/DATABASE of a role of a service, on the server of POSTGRES_URL.
database_url() {
    local server=${POSTGRES_URL#*@}
    echo "postgres://$1_$2:$(secret "$1-$2")@${server%%/*}/$1"
}

# The private key of that name, made once. It signs the internal tokens of a caller.
key() {
    local file=$UP/secrets/$1.pem
    if [[ ! -s $file ]]; then
        (
            umask 077
            mkdir -p "$UP/secrets"
            openssl genpkey -algorithm ed25519 -out "$file" 2>/dev/null
        )
    fi
    echo "$file"
}

# trusted NAME KEY RIGHT...: the entry of an issuer in the trust file. The public half of an
# Ed25519 key is the last 32 bytes of its DER form.
trusted() {
    local name=$1 file x
    file=$(key "$2")
    x=$(openssl pkey -in "$file" -pubout -outform DER | tail -c 32 | base64 -w0 | tr '+/' '-_' | tr -d '=')
    shift 2
    jq -n --arg issuer "$name" --arg x "$x" \
        '{issuer: $issuer, rights: $ARGS.positional, keys: [{kty: "OKP", crv: "Ed25519", x: $x}]}' \
        --args "$@"
}

# Whom the services believe. Written anew beside the old one: a service reads it when it changes.
write_trust() {
    (
        umask 077
        {
            trusted gateway gateway \
                orders:place orders:read orders:cancel orders:price orders:operate \
                items:read items:write inventory:adjust payments:read payments:refund \
                payments:webhook shipments:read events:write metrics:read analytics:read \
                analytics:read_any tenants:write notifications:read notifications:read_any \
                notifications:send notifications:manage
            trusted order order items:read
            trusted notification notification access:admit
            trusted operator/local operator '*'
        } | jq -s '{issuers: .}' >"$UP/trust.json.next"
        mv "$UP/trust.json.next" "$UP/trust.json"
    )
}

with_database() {
    local name=$1 prefix=TRADEPOST_${1^^}__
    cat <<TEXT
${prefix}DATABASE__URL='$(database_url "$name" app)'
${prefix}DATABASE__SYSTEM_URL='$(database_url "$name" system)'
${prefix}DATABASE__OWNER_URL='$(database_url "$name" owner)'
TEXT
    # A bench of a service alone has no broker.
    if [[ $name != gateway && -n ${AMQP_URL:-} ]]; then
        echo "${prefix}MESSAGING__URL='$AMQP_URL'"
    fi
}

# What the gateway seals its secrets under: 32 bytes in base64, made once.
master_key() {
    local file=$UP/secrets/master-key
    if [[ ! -s $file ]]; then
        (
            umask 077
            mkdir -p "$UP/secrets"
            head -c 32 /dev/urandom | base64 -w0 >"$file"
        )
    fi
    cat "$file"
}

environment() {
    local name=$1 prefix=TRADEPOST_${1^^}__ other
    echo "${prefix}SERVER__LISTEN_ADDR=127.0.0.1:$(grpc_port "$name")"
    echo "${prefix}SERVER__ADMIN_ADDR=127.0.0.1:$(admin_port "$name")"
    echo "${prefix}SERVER__AUTH__TRUST_PATH='$UP/trust.json'"
    case $name in
        gateway)
            echo "${prefix}SERVER__AUTH__KEY_PATH='$(key gateway)'"
            if [[ -n ${REDIS_URL:-} ]]; then
                echo "${prefix}REDIS__URL='$REDIS_URL'"
            fi
            for other in order inventory payment shipping metrics notification; do
                echo "${prefix}UPSTREAMS__${other^^}_URL=$(url_of "$other")"
            done
            echo "${prefix}UPSTREAMS__NOTIFICATION_LIVE_URL=http://127.0.0.1:$(live_port)"
            # One loader on this machine stands for many callers.
            echo "${prefix}RATE_LIMITS__ADDRESS_PER_SECOND=50000"
            echo "${prefix}IDENTITY__ISSUER=$(url_of gateway)"
            echo "${prefix}ACCESS__LISTEN_ADDR=127.0.0.1:$(access_port)"
            echo "${prefix}IDENTITY__MASTER_KEY=$(master_key)"
            with_database "$name"
            return
            ;;
        order)
            echo "${prefix}SERVER__AUTH__KEY_PATH='$(key order)'"
            echo "${prefix}INVENTORY__URL=$(url_of inventory)"
            ;;
        payment)
            echo "${prefix}PROVIDER__BASE_URL=http://127.0.0.1:$(provider_port)"
            echo "${prefix}PROVIDER__SECRET_KEY=sk_test_$(secret provider-key)"
            echo "${prefix}PROVIDER__WEBHOOK_SECRET=whsec_$(secret provider-webhook)"
            ;;
        metrics)
            mkdir -p "$UP/archive"
            echo "${prefix}LIVE__SNAPSHOT_PATH='$UP/live.snapshot'"
            echo "${prefix}RETENTION__STORE_URL='file://$UP/archive'"
            if [[ -n ${REDIS_URL:-} ]]; then
                echo "${prefix}REDIS__URL='$REDIS_URL'"
            fi
            ;;
        notification)
            echo "${prefix}SERVER__AUTH__KEY_PATH='$(key notification)'"
            echo "${prefix}LIVE__LISTEN_ADDR=127.0.0.1:$(live_port)"
            echo "${prefix}ACCESS__URL=http://127.0.0.1:$(access_port)"
            if [[ -n ${REDIS_URL:-} ]]; then
                echo "${prefix}REDIS__URL='$REDIS_URL'"
            fi
            ;;
    esac
    with_database "$name"
}

# What the other scripts need to find their way.
write_environments() {
    local name
    mkdir -p "$UP/env.d" "$UP/logs" "$UP/pids"
    write_trust
    (
        umask 077
        for name in "${SERVICES[@]}"; do
            environment "$name" >"$UP/env.d/$name"
        done
        {
            echo "export POSTGRES_URL='$POSTGRES_URL'"
            echo "export AMQP_URL='${AMQP_URL:-}'"
            echo "export REDIS_URL='${REDIS_URL:-}'"
            echo "export TRADEPOST_GATEWAY_URL=$(url_of gateway)"
            echo "export TRADEPOST_PROVIDER_URL=http://127.0.0.1:$(provider_port)"
            echo "export TRADEPOST_PROVIDER_LOG='$UP/provider.log'"
            echo "export TRADEPOST_OPERATOR_KEY='$(key operator)'"
            echo "export TRADEPOST_NOTIFICATION_LIVE_ADDR=127.0.0.1:$(live_port)"
            for name in "${SERVICES[@]}"; do
                echo "export TRADEPOST_${name^^}_ADDR=127.0.0.1:$(grpc_port "$name")"
                echo "export TRADEPOST_${name^^}_ADMIN_ADDR=127.0.0.1:$(admin_port "$name")"
            done
        } >"$UP/env"
    )
}

# Runs a program in the background, without our lock, our output or our session.
launch() {
    local name=$1
    shift
    (
        exec {LOCK}>&- </dev/null >>"$UP/logs/$name.log" 2>&1
        if [[ -r $UP/env.d/$name ]]; then
            set -a
            # shellcheck disable=SC1090
            source "$UP/env.d/$name"
        fi
        # shellcheck disable=SC2086  # several words: the program that pins it, and where to
        exec setsid ${PIN:-} "$TARGET/$PROFILE/$name" "$@"
    ) &
    echo $! >"$(pid_file "$name")"
}

# True if the process in the pid file runs the program that was just built: that file, not one that
# it has replaced since, nor another profile's.
is_current() {
    runs "$1" &&
        [[ $(readlink "/proc/$(<"$(pid_file "$1")")/exe") == "$(realpath "$TARGET/$PROFILE/$1")" ]]
}

# Starts it unless it runs already from the program that was just built.
start() {
    local name=$1
    if is_current "$name"; then
        say "$name: already running"
        return
    fi
    end "$name"
    launch "$@"
    say "$name: started"
}

provision() {
    (
        set -a
        # shellcheck disable=SC1090
        source "$UP/env.d/$1"
        "$TARGET/$PROFILE/$1" provision --admin-url-file /dev/stdin <<<"$POSTGRES_URL" \
            2>>"$UP/logs/$1.log"
    ) || die "the database of $1 cannot be made; see $UP/logs/$1.log"
}

ready() { curl -fsS -o /dev/null "http://127.0.0.1:$(admin_port "$1")/readyz" 2>/dev/null; }

await_ready() {
    local tries=300
    until ready "$1"; do
        runs "$1" || die "$1 has ended; see $UP/logs/$1.log"
        ((tries-- > 0)) || die "$1 is not ready after 30 s; see $UP/logs/$1.log"
        sleep 0.1
    done
}

# It answers once it has read its log again, which takes seconds when many orders are in it: until
# then a payment would wait for it.
await_provider() {
    local tries=1200 told=
    until curl -s -o /dev/null "http://127.0.0.1:$(provider_port)/"; do
        runs provider-sim || die "provider-sim has ended; see $UP/logs/provider-sim.log"
        ((tries-- > 0)) || die "provider-sim has not read its log within two minutes; see $UP/logs/provider-sim.log"
        if ((tries == 1190)); then
            told=yes
            say "provider-sim: reading its log, $(du -h "$UP/provider.log" | cut -f1)"
        fi
        sleep 0.1
    done
    [[ -z $told ]] || say "provider-sim: ready"
}

start_all() {
    local name
    start provider-sim --listen "127.0.0.1:$(provider_port)" --log "$UP/provider.log" \
        --secret-key "sk_test_$(secret provider-key)" \
        --webhook-url "$(url_of gateway)/v1/webhooks/payments" \
        --webhook-secret "whsec_$(secret provider-webhook)"
    for name in "${SERVICES[@]}"; do
        if ! runs "$name"; then
            provision "$name"
        fi
        start "$name"
    done
    for name in "${SERVICES[@]}"; do
        await_ready "$name"
    done
    await_provider
    say "all are ready"
}
