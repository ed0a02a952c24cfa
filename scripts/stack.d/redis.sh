# shellcheck shell=bash
# The private Redis.

redis_package() { echo redis-server; }

redis_installed() { command -v redis-server >/dev/null; }

# Its process title names its address, not its configuration.
redis_running() {
    [[ -s $DIR/redis.port ]] && lives "$DIR/redis/pid" "127.0.0.1:$(port_of redis)"
}

redis_start() {
    local home=$DIR/redis port
    port=$(claim_port redis)
    mkdir -p "$home"
    (umask 077 && cat >"$home/redis.conf") <<CONF
bind 127.0.0.1
port $port
requirepass $(password)
dir $home
pidfile $home/pid
logfile $home/log
daemonize yes
$(<"$SERVERS/redis.conf")
CONF
    detached redis-server "$home/redis.conf"
    await "Redis's start" 15 answers "$port"
}

redis_write_url() {
    write_url redis REDIS_URL "redis://:$(password)@127.0.0.1:$(port_of redis)/0"
}

redis_pid_file() { echo "$DIR/redis/pid"; }

redis_stop() {
    local signal=TERM
    [[ -s $DIR/redis.port ]] || return 0
    [[ $IMMEDIATE == no ]] || signal=KILL
    terminate "$DIR/redis/pid" "127.0.0.1:$(port_of redis)" "$signal"
}

redis_wipe() { rm -rf "$DIR/redis" "$DIR/redis.url"; }
