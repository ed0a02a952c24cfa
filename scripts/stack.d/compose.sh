# shellcheck shell=bash
# The servers as containers of deploy/compose.yaml, one project for each directory.

# Prints what is missing here for containers, if anything is.
compose_lacks() {
    if ! command -v docker >/dev/null; then
        echo "there is no docker command here"
    elif ! docker info >/dev/null 2>&1; then
        echo "Docker's engine does not answer; 'docker info' says why"
    elif ! docker compose version >/dev/null 2>&1; then
        echo "Docker's Compose plugin is missing; 'docker compose version' says why"
    fi
}

compose() {
    docker compose --project-name "$(stack_name)" --env-file "$DIR/compose.env" \
        --file "$HERE/../deploy/compose.yaml" "$@" </dev/null
}

# The last line of what Compose says is the reason of a failure.
compose_or_die() {
    local log=$DIR/compose.log
    compose "$@" >"$log" 2>&1 || die "docker compose $1: $(tail -n 1 "$log"); see $log"
}

compose_start() {
    local part
    for part in "$@"; do
        claim_port "$part" >/dev/null
    done
    compose_write_env
    for part in "$@"; do
        compose_fetch "$part"
        say "$part: starting"
    done
    compose_or_die up --detach --wait "$@"
    for part in "$@"; do
        say "$part: ready"
    done
}

compose_write_env() {
    (
        umask 077
        cat >"$DIR/compose.env" <<TEXT
TRADEPOST_STACK_PASSWORD=$(password)
TRADEPOST_STACK_POSTGRES_PORT=$(port_of postgres)
TRADEPOST_STACK_RABBITMQ_PORT=$(port_of rabbitmq)
TRADEPOST_STACK_REDIS_PORT=$(port_of redis)
TEXT
    )
}

# An image that is there already is not asked for again: that would need the network.
compose_fetch() {
    local image
    image=$(compose config --images "$1")
    if ! docker image inspect "$image" >/dev/null 2>&1; then
        say "$1: fetching the image $image"
        compose_or_die pull --quiet "$1"
    fi
}

compose_running() {
    local container
    [[ -s $DIR/compose.env ]] || return 1
    container=$(compose ps --quiet "$1")
    [[ -n $container && $(docker inspect --format '{{.State.Health.Status}}' "$container") == healthy ]]
}

compose_stop() {
    [[ -s $DIR/compose.env && -n $(compose ps --quiet "$1") ]] || return 0
    if [[ $IMMEDIATE == yes ]]; then
        compose_or_die kill "$1"
    else
        compose_or_die stop "$1"
    fi
}

compose_wipe() {
    [[ -s $DIR/compose.env ]] || return 0
    compose_or_die rm --force "$1"
    # Not all parts have one.
    docker volume rm --force "$(stack_name)_$1" >/dev/null
    rm -f "$DIR/$1.url"
}

compose_signal() { compose_or_die kill --signal "$2" "$1"; }

compose_rabbitmqctl() { compose exec --no-TTY rabbitmq rabbitmqctl "$@"; }
