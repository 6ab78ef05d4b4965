#!/usr/bin/env bash
# Two hosts of two ranks on one machine: network namespaces with names, shared memory and
# addresses of their own; mpiexec's remote shell enters them. Needs root.
. "$LLM_SRC/tests/lib.sh"

[ "$(id -u)" -eq 0 ] || skip_all "network namespaces need root"
command -v ip >where || skip_all "no ip command (iproute2)"
name=llm$$
net=10.77.$(($$ % 250 + 1))
bin="$LLM_BIN/tests/mpi"

close_hosts() {
    for i in 1 2; do ip netns del $name-$i; done
    ip link del br$name
} >closed 2>&1
trap 'status=$?; close_hosts; (exit $status); tap_end' EXIT

open_hosts() {
    ip link add br$name type bridge && ip addr add $net.254/24 dev br$name &&
        ip link set br$name up || return 1
    for i in 1 2; do
        ip netns add $name-$i &&
            ip link add v$name-$i type veth peer name eth0 netns $name-$i &&
            ip link set v$name-$i master br$name up &&
            ip -n $name-$i addr add $net.$i/24 dev eth0 &&
            ip -n $name-$i link set eth0 up && ip -n $name-$i link set lo up || return 1
    done
}
if ! open_hosts >opened 2>&1; then
    close_hosts
    skip_all "no network namespaces here: $(tail -n 1 opened)"
fi

# Called like ssh: options, host, command.
cat >enter <<END
#!/bin/bash
while [[ \$1 == -* ]]; do shift; done
n=\${1##*.}
shift
exec ip netns exec $name-\$n unshare --uts --ipc --mount sh -c \\
    "hostname host\$n; mount -t tmpfs tmpfs /dev/shm; \$*"
END
chmod +x enter

export UCX_TLS=tcp,self UCX_NET_DEVICES=eth0
on_hosts() {
    timeout 60 mpiexec -launcher ssh -launcher-exec "$PWD/enter" -localhost $net.254 \
        -hosts $net.1,$net.2 -ppn 2 -n 4 "$@"
}
ok "two hosts start" on_hosts hostname
is "two ranks each" "$(on_hosts hostname | sort | uniq -c | tr -s ' \n' ' ')" " 2 host1 2 host2 "
ok "communicator" on_hosts "$bin/comm"
ok "reduction" on_hosts "$bin/reduce"
good=0
for i in 0 1 2 3; do
    on_hosts "$bin/job" end 75:$i >out 2>err
    [ $? -eq 75 ] && good=$((good + 1))
done
is "endings with the agreed status" $good 4
expect_code 1 on_hosts "$bin/job" silent 2
like "a silent rank of the other host is named" "$(cat err)" "silent: rank 2 on host2"
