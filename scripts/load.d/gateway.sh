# shellcheck shell=bash
# shellcheck disable=SC2034  # the variables are used by the files that source this one
# The gateway alone, before a stub of the order service: a database, a Redis and a tenant of its own,
# the gateway on one core, and everything else on another.

UP=$PWD/.run/bench
SERVICES=(gateway)
PROFILE=dist
GATEWAY_CORE=0
LOAD_CORE=1

# shellcheck source=scripts/up.d/services.sh
source scripts/up.d/services.sh
# shellcheck source=scripts/up.d/account.sh
source scripts/up.d/account.sh

stop_gateway_bench() {
    end gateway
    taskset -c "$LOAD_CORE" scripts/stack stop --immediate --wipe --dir "$UP/stack" </dev/null >/dev/null
    rm -rf "$UP"
}

start_gateway() {
    end gateway
    write_environments
    # The stub is every service; later lines count.
    echo "TRADEPOST_GATEWAY__UPSTREAMS__PAYMENT_URL=$(url_of order)" >>"$UP/env.d/gateway"
    PIN="taskset -c $GATEWAY_CORE" launch gateway
    await_ready gateway
}

# What the load says who it is with: a key that the gateway is given to believe.
publish_key() {
    # shellcheck disable=SC1091
    (
        set -a
        source "$UP/env.d/gateway"
        "$TARGET/$PROFILE/gateway" rotate-keys --key-stdin <"$(key "$1")" >>"$UP/logs/gateway.log" 2>&1
    ) || die "the key cannot be published; see $UP/logs/gateway.log"
}

# The first of two keys of access tokens; key() makes the other.
es256_key() {
    (
        umask 077
        openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$UP/secrets/es256.pem" 2>/dev/null
    )
}

# bench_gateway ARGS of the load program.
bench_gateway() {
    if (($(nproc) < 2)); then
        die "the gateway and its load need a core each; this machine has one"
    fi
    ensure_packages curl:curl jq:jq openssl:openssl taskset:util-linux
    echo "building the gateway, the whole program optimised at once; the first time takes a quarter of an hour" >&2
    cargo build --locked --profile "$PROFILE" --quiet -p tradepost-gateway --bin gateway
    TARGET=$(realpath "$TARGET")
    mkdir -p "$UP"
    exec {LOCK}>"$UP/lock"
    flock -n "$LOCK" || die "another bench of the gateway is at work"
    trap stop_gateway_bench EXIT
    taskset -c "$LOAD_CORE" scripts/stack start --only postgres,redis --dir "$UP/stack" </dev/null >&2
    [[ -r $UP/stack/redis/pid ]] ||
        die "this bench keeps the servers off the gateway's core, which it cannot in containers; install them"
    eval "$(scripts/stack env --dir "$UP/stack")"
    mkdir -p "$UP/secrets" "$UP/logs" "$UP/pids"
    write_environments
    provision gateway
    es256_key
    start_gateway
    open_tenant
    publish_key eddsa
    publish_key es256
    start_gateway
    taskset -c "$LOAD_CORE" "$LOAD" bench gateway \
        --gateway "127.0.0.1:$(grpc_port gateway)" --pid "$(<"$(pid_file gateway)")" \
        --redis "$(<"$UP/stack/redis/pid")" \
        --stub "127.0.0.1:$(grpc_port order)" --key "$(key es256)" --key "$(key eddsa)" \
        --issuer "$(url_of gateway)" --tenant "$(<"$UP/secrets/tenant")" "$@"
}
