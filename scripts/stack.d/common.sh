# shellcheck shell=bash
# shellcheck disable=SC2034  # the variables are used by the files that source this one
# What all parts of the stack need: arguments, files, ports, processes.

COMMAND=help
DIR=
# What Tradepost sets of the servers, in containers or not.
SERVERS=$HERE/../deploy/servers
PARTS=(postgres rabbitmq redis)
REST=()
WIPE=no
IMMEDIATE=no

say() { echo "stack: $*" >&2; }
die() { say "$*"; exit 1; }

# A server outlives this script. It must not keep files open that the caller had open by chance:
# a lock, or the pipe at whose end somebody waits.
close_inherited_files() {
    local path fd
    for path in /proc/"$$"/fd/*; do
        fd=${path##*/}
        # 0-2 are the standard ones, 255 is bash's own handle of the script.
        if ((fd > 2 && fd != 255)); then
            exec {fd}>&-
        fi
    done
}

parse_arguments() {
    COMMAND=${1:-help}
    shift || true
    while (($# > 0)); do
        case $1 in
            --dir) DIR=${2:?--dir needs a directory}; shift 2 ;;
            --only) IFS=, read -ra PARTS <<<"${2:?--only needs a list}"; shift 2 ;;
            --wipe) WIPE=yes; shift ;;
            --immediate) IMMEDIATE=yes; shift ;;
            --) shift; REST=("$@"); break ;;
            *) die "unknown argument: $1" ;;
        esac
    done
    DIR=$(realpath -m "${DIR:-$HERE/../.run/stack}")
    local part
    for part in "${PARTS[@]}"; do
        [[ $part =~ ^(postgres|rabbitmq|redis)$ ]] || die "unknown part: $part"
    done
}

# One start or stop at a time in a directory.
locked() {
    mkdir -p "$DIR"
    exec {LOCK}>"$DIR.lock"
    flock "$LOCK"
    "$@"
}

# Runs a server's start command in the background: without our lock, our output or our session.
detached() {
    (
        exec {LOCK}>&- </dev/null >>"$DIR/start.log" 2>&1
        exec setsid "$@"
    ) &
}

# Prints the content of DIR/NAME; makes it first, with the output of the command, if need be.
remembered() {
    local file=$DIR/$1
    shift
    if [[ ! -s $file ]]; then
        (umask 077 && "$@" >"$file.new")
        mv "$file.new" "$file"
    fi
    cat "$file"
}

random_hex() { od -An -N16 -tx1 /dev/urandom | tr -d ' \n'; }

# A name of this stack's own, for what is outside of its directory.
stack_name() { echo "tradepost-$(sha256sum <<<"$DIR" | cut -c 1-12)"; }

password() { remembered password random_hex; }

answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# Below the range the kernel hands out, so that no client socket sits on it by chance.
free_port() {
    local port
    while true; do
        port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
        if ! answers "$port"; then
            echo "$port"
            return
        fi
    done
}

port_of() { remembered "$1.port" free_port; }

# For a part that is not running: its remembered port, or a new one if somebody else sits on it.
claim_port() {
    if answers "$(port_of "$1")"; then
        rm -f "$DIR/$1.port"
    fi
    port_of "$1"
}

# Waits until the command succeeds.
await() {
    local what=$1 seconds=$2
    shift 2
    local tries=$((seconds * 10))
    while ! "$@"; do
        ((tries-- > 0)) || die "$what did not happen within $seconds s; see the logs in $DIR"
        sleep 0.1
    done
}

# True if the process in the pid file lives and its command line names our directory or port: the
# number may have gone to somebody else since.
lives() {
    local pid_file=$1 mark=$2 pid
    [[ -s $pid_file ]] || return 1
    pid=$(<"$pid_file")
    tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF -- "$mark"
}

# True once nothing is left of a process that could hold a file or a port. It loses its command line
# first and its sockets last, so `lives` says too early that it is over. A zombie is over, unless one
# of its threads is not.
ended() {
    ! grep -hs '^State:' /proc/"$1"/task/*/status | grep -qv '[ZX] ('
}

# Ends that process: by the signal, and after some seconds by force.
terminate() {
    local pid_file=$1 mark=$2 signal=$3 pid
    lives "$pid_file" "$mark" || return 0
    pid=$(<"$pid_file")
    kill -s "$signal" "$pid"
    local tries=200
    while ! ended "$pid" && ((tries-- > 0)); do
        sleep 0.1
    done
    if ! ended "$pid"; then
        kill -s KILL "$pid"
        await "the end of process $pid" 5 ended "$pid"
    fi
}

write_env() {
    local part
    (
        umask 077
        for part in postgres rabbitmq redis; do
            if [[ -s $DIR/$part.url ]]; then
                cat "$DIR/$part.url"
            fi
        done >"$DIR/env.new"
    )
    mv "$DIR/env.new" "$DIR/env"
}

write_url() {
    (umask 077 && echo "export $2='$3'" >"$DIR/$1.url")
}
