# dockerd, to which the runtime is an added one and the default. It has a network: a link that leads nowhere.
put_before docker 'exec /usr/bin/docker --host unix:///run/docker.sock "$@"'
echo 1 > /proc/sys/net/ipv4/ip_forward
ip link add uplink type bridge
ip address add 10.99.0.1/24 dev uplink
ip link set uplink up
# Where the kernel has no nftables for IPv4 its older tables do (the guest).
for program in iptables ip6tables; do
  $program -t nat -N PROBE 2> /dev/null && $program -t nat -X PROBE || put_before $program "exec $program-legacy \"\$@\""
done
dockerd --add-runtime "mini=$RUNTIME" --default-runtime mini --host unix:///run/docker.sock \
  --storage-driver overlay2 --pidfile /run/docker.pid > /run/log 2>&1 3<&- &
soon docker version > /dev/null
docker load -q -i /run/box.tar > /dev/null
