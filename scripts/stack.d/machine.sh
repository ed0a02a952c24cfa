# shellcheck shell=bash
# The servers as processes of this machine: each as its own file here says.

machine_start() {
    local part
    for part in "$@"; do
        say "$part: starting"
        "${part}_start"
        say "$part: ready"
    done
}

machine_running() { "${1}_running"; }

machine_stop() { "${1}_stop"; }

machine_wipe() { "${1}_wipe"; }

machine_signal() { kill -s "$2" "$(<"$("${1}_pid_file")")"; }

machine_rabbitmqctl() { rabbitmq_ctl "$@"; }
