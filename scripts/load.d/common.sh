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

# build_load PROFILE: `quick` is that of scripts/up, whose crates are built already. For figures it is
# `release`: the load shares the machine with what it measures.
build_load() {
    echo "building the load program; the first time takes minutes" >&2
    cargo build --locked --profile "$1" --quiet -p tradepost-load --bin load
    LOAD=$(realpath "$TARGET/$1/load")
    export LOAD
}

# Figures of a shop that was built for a quick start would be taken for the shop's.
require_release() {
    local profile=release
    if [[ -r $UP/profile ]]; then
        profile=$(<"$UP/profile")
    fi
    if [[ $profile != release ]]; then
        echo "what runs is built as '$profile'; figures are of scripts/up --release" >&2
        return 1
    fi
}
