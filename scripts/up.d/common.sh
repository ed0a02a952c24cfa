# shellcheck shell=bash
# shellcheck disable=SC2034  # the variables are used by the files that source this one
# What up and down share: where things are, and processes by their pid files.

UP=$PWD/.run/up
# Metrics and notification first: facts of orders that are told before their queues are there are
# not counted, and nobody hears of them.
SERVICES=(metrics notification inventory payment shipping order gateway)
TARGET=${CARGO_TARGET_DIR:-$PWD/target}

say() { echo "  $*"; }
die() { echo "up: $*" >&2; exit 1; }
step() { printf '== %s (%s s)\n' "$1" "$SECONDS"; }

pid_file() { echo "$UP/pids/$1.pid"; }

# True if the process in the pid file lives and is still the program: the number may have gone to
# somebody else since.
runs() {
    local pid
    [[ -s $(pid_file "$1") ]] || return 1
    pid=$(<"$(pid_file "$1")")
    [[ $(readlink "/proc/$pid/exe" 2>/dev/null) == */"$1"* ]]
}

# Ends it by SIGTERM, and after the grace period of the services by force.
end() {
    runs "$1" || return 0
    local pid tries=400
    pid=$(<"$(pid_file "$1")")
    kill -s TERM "$pid"
    while runs "$1" && ((tries-- > 0)); do
        sleep 0.1
    done
    if runs "$1"; then
        kill -s KILL "$pid"
    fi
    rm -f "$(pid_file "$1")"
}

answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# The port of that name: the usual one, or another if somebody else sits on it. It is remembered.
port() {
    local file=$UP/ports/$1 usual=$2
    mkdir -p "$UP/ports"
    if [[ ! -s $file ]]; then
        while answers "$usual"; do
            usual=$((usual + 100))
        done
        echo "$usual" >"$file"
    fi
    cat "$file"
}

# A secret of that name, made once.
secret() {
    local file=$UP/secrets/$1
    if [[ ! -s $file ]]; then
        (
            umask 077
            mkdir -p "$UP/secrets"
            od -An -N16 -tx1 /dev/urandom | tr -d ' \n' >"$file"
        )
    fi
    cat "$file"
}
