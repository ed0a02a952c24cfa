# shellcheck shell=bash
# What replay and bench share: the running stack and the program that loads it.

# shellcheck source=scripts/up.d/common.sh
source scripts/up.d/common.sh

# The address of the gateway that scripts/up started, unless one is given by environment.
find_gateway() {
    if [[ -n ${TRADEPOST_GATEWAY_URL:-} ]]; then
        return
    fi
    if [[ ! -r $UP/env ]]; then
        echo "nothing is up; run scripts/up, or set TRADEPOST_GATEWAY_URL" >&2
        return 1
    fi
    # shellcheck disable=SC1091
    source "$UP/env"
    if [[ -r $UP/secrets/api-key ]]; then
        TRADEPOST_API_KEY=$(<"$UP/secrets/api-key")
        export TRADEPOST_API_KEY
    fi
}

# With optimisation also where the stack runs without: the load shares the machine with it.
build_load() {
    echo "building the load program; the first time takes minutes" >&2
    cargo build --locked --release --quiet -p tradepost-load --bin load
    LOAD=$(realpath "$TARGET/release/load")
    export LOAD
}
