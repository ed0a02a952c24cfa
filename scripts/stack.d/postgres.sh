# shellcheck shell=bash
# The private PostgreSQL cluster. Its server refuses to run as root, so root lends it the role
# of the user "postgres".

postgres_package() { echo postgresql; }

postgres_installed() { [[ -n $(postgres_bin) ]]; }

# The newest installed version's programs.
postgres_bin() {
    local newest
    newest=$(find /usr/lib/postgresql -maxdepth 3 -name pg_ctl 2>/dev/null | sort -V | tail -n 1)
    newest=${newest:-$(command -v pg_ctl || true)}
    [[ -z $newest ]] || dirname "$newest"
}

as_postgres() {
    if ((EUID == 0)); then
        # From a directory that it may enter; otherwise every program complains.
        (cd / && runuser -u postgres -- "$@")
    else
        "$@"
    fi
}

# DIR/postgres, unless the user "postgres" cannot get there.
postgres_home() { remembered postgres.home choose_postgres_home; }

choose_postgres_home() {
    if ((EUID != 0)) || as_postgres test -x "$DIR"; then
        echo "$DIR/postgres"
    else
        echo "/var/lib/$(stack_name)/postgres"
    fi
}

postgres_running() {
    local home pid_file
    [[ -s $DIR/postgres.home ]] || return 1
    home=$(postgres_home)
    pid_file=$home/data/postmaster.pid
    [[ -s $pid_file ]] || return 1
    # The first line is the server's process; a stale file survives a crash.
    head -n 1 "$pid_file" >"$DIR/postgres.pid"
    lives "$DIR/postgres.pid" "$home/data"
}

postgres_ctl() {
    local home
    home=$(postgres_home)
    as_postgres "$(postgres_bin)/pg_ctl" -D "$home/data" -l "$home/log" "$@"
}

postgres_init() {
    local home=$1
    mkdir -p "$home"
    if ((EUID == 0)); then
        chown postgres "$home"
        [[ $home == "$DIR"/* ]] || chmod 755 "$(dirname "$home")"
    fi
    say "postgres: making the cluster"
    rm -rf "$home/data.new"
    (umask 077 && password >"$home/password")
    ((EUID != 0)) || chown postgres "$home/password"
    as_postgres "$(postgres_bin)/initdb" --pgdata "$home/data.new" \
        --username postgres --pwfile "$home/password" --auth scram-sha-256 \
        --encoding UTF8 --locale C.UTF-8 >>"$DIR/start.log" 2>&1 ||
        die "initdb failed; see $DIR/start.log"
    rm "$home/password"
    as_postgres tee -a "$home/data.new/postgresql.conf" >/dev/null <<CONF
# Added by scripts/stack.
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
$(<"$SERVERS/postgresql.conf")
CONF
    as_postgres mv "$home/data.new" "$home/data"
}

postgres_start() {
    local home port
    home=$(postgres_home)
    [[ -d $home/data ]] || postgres_init "$home"
    port=$(claim_port postgres)
    detached_postgres "$port" || die "postgres did not start; see $home/log"
}

postgres_write_url() {
    write_url postgres POSTGRES_URL \
        "postgres://postgres:$(password)@127.0.0.1:$(port_of postgres)/postgres"
}

postgres_pid_file() { echo "$DIR/postgres.pid"; }

# pg_ctl itself puts the server in the background and waits until it is ready.
detached_postgres() {
    (
        exec {LOCK}>&- </dev/null >>"$DIR/start.log" 2>&1
        postgres_ctl -w -t 60 -o "-p $1" start
    )
}

postgres_stop() {
    if postgres_running; then
        local mode=fast
        [[ $IMMEDIATE == no ]] || mode=immediate
        postgres_ctl -w -t 60 -m "$mode" stop >>"$DIR/start.log" 2>&1
    fi
}

postgres_wipe() {
    local home
    [[ -s $DIR/postgres.home ]] || return 0
    home=$(postgres_home)
    rm -rf "$home" "$DIR"/postgres.{home,pid,url}
    [[ $home == "$DIR"/* ]] || rmdir "$(dirname "$home")"
}
