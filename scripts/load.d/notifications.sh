# shellcheck shell=bash
# shellcheck disable=SC2034  # the variables are used by the files that this one sources
# The notification service alone: a database and a Redis of its own, and nodes that the load program
# starts and stops, with tokens and trust as everywhere. Load and nodes share the machine.

UP=$PWD/.run/bench
SERVICES=(notification)
PROFILE=${PROFILE:-dist}

# shellcheck source=scripts/up.d/services.sh
source scripts/up.d/services.sh

stop_notifications_bench() {
    scripts/stack stop --immediate --wipe --dir "$UP/stack" </dev/null >/dev/null
    rm -rf "$UP"
}

# bench_notifications [--without-redis] ARGS of the load program.
bench_notifications() {
    local parts=postgres,redis
    if [[ ${1:-} == --without-redis ]]; then
        parts=postgres
        shift
        echo "nodes have no Redis, as one has that is alone" >&2
    fi
    ensure_packages curl:curl jq:jq openssl:openssl taskset:util-linux
    echo "building the service, the whole program optimised at once; the first time takes a quarter of an hour" >&2
    cargo build --locked --profile "$PROFILE" --quiet -p tradepost-notification --bin notification
    TARGET=$(realpath "$TARGET")
    mkdir -p "$UP"
    exec {LOCK}>"$UP/lock"
    flock -n "$LOCK" || die "another bench of a service is at work"
    trap stop_notifications_bench EXIT
    scripts/stack start --only "$parts" --dir "$UP/stack" </dev/null >&2
    eval "$(scripts/stack env --dir "$UP/stack")"
    # Facts of orders are no part of this.
    unset AMQP_URL
    if [[ $parts == postgres ]]; then
        unset REDIS_URL
    fi
    mkdir -p "$UP/secrets" "$UP/logs" "$UP/pids"
    write_environments
    provision notification
    # A file for each connection, and some for the rest.
    ulimit -Sn "$(ulimit -Hn)"
    "$LOAD" bench notifications --program "$TARGET/$PROFILE/notification" \
        --environment "$UP/env.d/notification" --log "$UP/logs/notification.log" \
        --key "$(key operator)" "$@"
}
