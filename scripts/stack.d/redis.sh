# shellcheck shell=bash
# The private Redis: a cache that may vanish at any moment, so it writes nothing to disk.

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
save ""
appendonly no
maxmemory 128mb
maxmemory-policy allkeys-lru
CONF
    detached redis-server "$home/redis.conf"
    await "Redis's start" 15 answers "$port"
    write_url redis REDIS_URL "redis://:$(password)@127.0.0.1:$port/0"
}

redis_stop() {
    [[ -s $DIR/redis.port ]] || return 0
    terminate "$DIR/redis/pid" "127.0.0.1:$(port_of redis)" TERM
}

redis_wipe() { rm -rf "$DIR/redis" "$DIR/redis.url"; }
