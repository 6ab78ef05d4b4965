# shellcheck shell=bash
# Hosts on one machine: network namespaces with names, shared memory and addresses of their own, joined by a bridge;
# mpiexec's remote shell enters them. Needs root. They go when the test ends, however it ends.

host_prefix=llm$$
host_net=10.77.$(($$ % 250 + 1))
host_count=0

close_hosts() {
    for ((i = 1; i <= host_count; i++)); do
        ip netns pids $host_prefix-$i 2>>closed | xargs -r kill -9
        ip netns del $host_prefix-$i
    done
    ip link del br$host_prefix
} >>closed 2>&1

link_hosts() {
    ip link add br$host_prefix type bridge && ip addr add $host_net.254/24 dev br$host_prefix &&
        ip link set br$host_prefix up || return 1
    for ((i = 1; i <= host_count; i++)); do
        ip netns add $host_prefix-$i &&
            ip link add v$host_prefix-$i type veth peer name eth0 netns $host_prefix-$i &&
            ip link set v$host_prefix-$i master br$host_prefix up &&
            ip -n $host_prefix-$i addr add $host_net.$i/24 dev eth0 &&
            ip -n $host_prefix-$i link set eth0 up && ip -n $host_prefix-$i link set lo up || return 1
    done
}

open_hosts() { # N; ends the test where that cannot be
    [ "$(id -u)" -eq 0 ] || skip_all "network namespaces need root"
    command -v ip >where || skip_all "no ip command (iproute2)"
    host_count=$1
    trap 'status=$?; close_hosts; (exit $status); tap_end' EXIT
    if ! link_hosts >opened 2>&1; then
        close_hosts
        skip_all "no network namespaces here: $(tail -n 1 opened)"
    fi
    # Called like ssh: options, host, command.
    cat >enter <<END
#!/bin/bash
while [[ \$1 == -* ]]; do shift; done
n=\${1##*.}
shift
exec ip netns exec $host_prefix-\$n unshare --uts --ipc --mount sh -c \\
    "hostname host\$n; mount -t tmpfs tmpfs /dev/shm; \$*"
END
    chmod +x enter
    export UCX_TLS=tcp,self UCX_NET_DEVICES=eth0
}

# Runs a command on the first N hosts, PPN ranks each.
on_hosts() { # N PPN CMD…
    local n=$1 ppn=$2 list
    shift 2
    list=$(seq -s, -f "$host_net.%g" "$n")
    timeout 90 mpiexec -launcher ssh -launcher-exec "$PWD/enter" -localhost $host_net.254 -hosts "$list" -ppn "$ppn" \
        -n $((n * ppn)) "$@"
}

# The link between a host and all others.
cut_link() { # HOST
    ip link set "v$host_prefix-$1" down
}
mend_link() { # HOST; until a connection is refused again, not unreachable
    ip link set "v$host_prefix-$1" up
    for _ in $(seq 40); do
        ip neigh flush dev "br$host_prefix"
        ip -n "$host_prefix-$1" neigh flush dev eth0
        ip netns exec "$host_prefix-$1" timeout 1 bash -c ": </dev/tcp/$host_net.254/9" 2>&1 | grep -q refused && return
        sleep 0.25
    done
}
cap_link() { # HOST RATE: both ways
    tc qdisc add dev "v$host_prefix-$1" root tbf rate "$2" burst 64kb latency 500ms &&
        ip netns exec "$host_prefix-$1" tc qdisc add dev eth0 root tbf rate "$2" burst 64kb latency 500ms
}
