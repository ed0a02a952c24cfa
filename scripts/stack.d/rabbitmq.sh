# shellcheck shell=bash
# The private RabbitMQ node: own name, cookie, ports, data and port mapper (epmd).

rabbitmq_package() { echo rabbitmq-server; }

rabbitmq_installed() { [[ -n $(rabbitmq_bin) ]]; }

# Not the wrappers of /usr/sbin: they insist on the system's user and directories.
rabbitmq_bin() {
    local candidate
    for candidate in /usr/lib/rabbitmq/bin "$(dirname "$(command -v rabbitmq-server || echo /none/x)")"; do
        if [[ -x $candidate/rabbitmq-server ]]; then
            echo "$candidate"
            return
        fi
    done
}

# Lets RabbitMQ's programs see nothing of the system's configuration. Call it in a subshell.
rabbitmq_environment() {
    local home=$DIR/rabbitmq
    export HOME=$home
    export ERL_EPMD_PORT ERL_EPMD_ADDRESS=127.0.0.1
    ERL_EPMD_PORT=$(port_of epmd)
    export RABBITMQ_NODENAME RABBITMQ_DIST_PORT
    RABBITMQ_NODENAME=tradepost-$(port_of rabbitmq)@localhost
    RABBITMQ_DIST_PORT=$(port_of rabbitmq-dist)
    export RABBITMQ_CONF_ENV_FILE=$home/none
    export RABBITMQ_CONFIG_FILE=$home/rabbitmq.conf
    export RABBITMQ_ADVANCED_CONFIG_FILE=$home/none.config
    export RABBITMQ_ENABLED_PLUGINS_FILE=$home/enabled_plugins
    export RABBITMQ_MNESIA_BASE=$home/data RABBITMQ_LOG_BASE=$home/log
    export RABBITMQ_PID_FILE=$home/pid
    # Idle schedulers must not spin: many nodes may share a small machine.
    export RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none \
-kernel inet_dist_use_interface {127,0,0,1}"
    export RABBITMQ_CTL_ERL_ARGS="+S 1:1 +sbwt none"
    cd /
}

rabbitmq_ctl() {
    (rabbitmq_environment && "$(rabbitmq_bin)/rabbitmqctl" "$@")
}

rabbitmq_running() {
    [[ -s $DIR/rabbitmq.port ]] && lives "$DIR/rabbitmq/pid" "$DIR/rabbitmq" &&
        answers "$(port_of rabbitmq)"
}

rabbitmq_configure() {
    local home=$1 port=$2
    mkdir -p "$home/data" "$home/log"
    cp "$SERVERS/enabled_plugins" "$home/enabled_plugins"
    (umask 077 && cat >"$home/rabbitmq.conf") <<CONF
listeners.tcp.1 = 127.0.0.1:$port
default_user = tradepost
default_pass = $(password)
log.file.level = info
$(<"$SERVERS/rabbitmq.conf")
CONF
}

rabbitmq_start() {
    local home=$DIR/rabbitmq port
    # A node that is up but not yet, or no longer, answering would hold the data.
    rabbitmq_stop
    if [[ -d $home/data ]]; then
        # The node's name, and with it the place of its data, contains the port: keep it.
        port=$(port_of rabbitmq)
        ! answers "$port" || die "port $port is taken by another program; stop it or --wipe"
    else
        port=$(claim_port rabbitmq)
    fi
    claim_port rabbitmq-dist >/dev/null
    rabbitmq_configure "$home" "$port"
    detached_rabbitmq
    await "RabbitMQ's start" 90 rabbitmq_running
}

rabbitmq_write_url() {
    write_url rabbitmq AMQP_URL "amqp://tradepost:$(password)@127.0.0.1:$(port_of rabbitmq)/%2f"
}

rabbitmq_pid_file() { echo "$DIR/rabbitmq/pid"; }

# As under systemd, the script then becomes the node instead of staying as its parent.
detached_rabbitmq() {
    (
        rabbitmq_environment
        export RUNNING_UNDER_SYSTEMD=true
        detached "$(rabbitmq_bin)/rabbitmq-server"
    )
}

rabbitmq_stop() {
    local home=$DIR/rabbitmq signal=TERM
    [[ $IMMEDIATE == no ]] || signal=KILL
    terminate "$home/pid" "$home" "$signal"
    rm -f "$home/pid"
    if [[ -s $DIR/epmd.port ]] && command -v epmd >/dev/null; then
        # It refuses while a node is registered, and that is well.
        ERL_EPMD_PORT=$(port_of epmd) epmd -kill >>"$DIR/start.log" 2>&1 || true
    fi
}

rabbitmq_wipe() { rm -rf "$DIR/rabbitmq" "$DIR/rabbitmq.url"; }
