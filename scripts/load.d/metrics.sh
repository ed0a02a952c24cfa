# shellcheck shell=bash
# shellcheck disable=SC2034  # the variables are used by the files that source this one
# The metrics service alone: a database of its own, and a process that the load program starts and
# stops, with tokens and trust as everywhere. Load and service share the machine.

UP=$PWD/.run/bench
SERVICES=(metrics)
PROFILE=${PROFILE:-dist}

# shellcheck source=scripts/up.d/services.sh
source scripts/up.d/services.sh

stop_metrics_bench() {
    if [[ $KEEP == yes ]]; then
        scripts/stack stop --dir "$UP/stack" </dev/null >/dev/null
        echo "what was stored is kept in $UP, until a run without --keep" >&2
        return
    fi
    scripts/stack stop --immediate --wipe --dir "$UP/stack" </dev/null >/dev/null
    rm -rf "$UP"
}

# bench_metrics NAME [--keep] ARGS of the load program.
bench_metrics() {
    local name=$1
    shift
    KEEP=no
    if [[ ${1:-} == --keep ]]; then
        KEEP=yes
        shift
    fi
    ensure_packages curl:curl jq:jq openssl:openssl taskset:util-linux
    echo "building the service, the whole program optimised at once; the first time takes a quarter of an hour" >&2
    cargo build --locked --profile "$PROFILE" --quiet -p tradepost-metrics --bin metrics
    TARGET=$(realpath "$TARGET")
    mkdir -p "$UP"
    exec {LOCK}>"$UP/lock"
    flock -n "$LOCK" || die "another bench of a service is at work"
    trap stop_metrics_bench EXIT
    scripts/stack start --only postgres --dir "$UP/stack" </dev/null >&2
    eval "$(scripts/stack env --dir "$UP/stack")"
    mkdir -p "$UP/secrets" "$UP/logs" "$UP/pids"
    write_environments
    provision metrics
    if [[ $name == analytics ]]; then
        TRADEPOST_BENCH_ADMIN_URL=${POSTGRES_URL%/*}/metrics
        export TRADEPOST_BENCH_ADMIN_URL
    fi
    "$LOAD" bench "$name" --program "$TARGET/$PROFILE/metrics" \
        --environment "$UP/env.d/metrics" --log "$UP/logs/metrics.log" \
        --key "$(key operator)" "$@"
}
