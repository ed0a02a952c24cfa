# shellcheck shell=bash
# Installing what is missing with apt, without letting the packages start anything.

install_missing() {
    local part lack packages=()
    for part in "${PARTS[@]}"; do
        if ! "${part}_installed"; then
            packages+=("$("${part}_package")")
        fi
    done
    ((${#packages[@]} > 0)) || return 0
    if ! command -v apt-get >/dev/null; then
        lack=$(compose_lacks)
        die "missing: ${packages[*]}; there is no apt-get to install them, and ${lack:-this stack is none of containers}"
    fi
    say "installing with apt: ${packages[*]}"
    without_service_starts apt_install "${packages[@]}"
}

as_root() {
    if ((EUID == 0)); then
        "$@"
    else
        command -v sudo >/dev/null || die "root or sudo is needed to run: $*"
        sudo "$@"
    fi
}

apt_install() {
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
}

# Debian starts a server when its package is installed, unless policy-rc.d says no.
without_service_starts() {
    local policy=/usr/sbin/policy-rc.d
    if [[ -e $policy ]]; then
        "$@" >>"$DIR/install.log" 2>&1 || die "apt-get failed; see $DIR/install.log"
        return
    fi
    local result=0
    (
        trap 'as_root rm -f "$policy"' EXIT
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
        as_root chmod 755 "$policy"
        "$@"
    ) >>"$DIR/install.log" 2>&1 || result=$?
    ((result == 0)) || die "apt-get failed; see $DIR/install.log"
}
