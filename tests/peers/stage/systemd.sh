# systemd as PID 1 of a PID namespace, with a bus and nothing else; podman asks it for scopes. Who talks to it has to see
# processes by the same numbers, so the commands of a session are put inside.
mkdir -p /run/units /run/dbus /etc/containers
printf '%s\n' '[Unit]' 'DefaultDependencies=no' 'Wants=dbus.socket dbus.service' > /run/units/stage.target
printf '%s\n' '[Unit]' 'DefaultDependencies=no' '[Socket]' 'ListenStream=/run/dbus/system_bus_socket' > /run/units/dbus.socket
printf '%s\n' '[Unit]' 'DefaultDependencies=no' '[Service]' \
  'ExecStart=/usr/bin/dbus-daemon --system --nofork --nopidfile --address=systemd:' > /run/units/dbus.service
for name in basic sysinit shutdown sockets timers paths slices; do touch "/run/units/$name.target"; done

# Becomes systemd. On v2 it has to be alone in the group that it takes for the root.
boot() {
  local init='exec /lib/systemd/systemd --system --unit=stage.target --show-status=0'
  set -- --mount --pid --fork --kill-child --mount-proc
  if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    mkdir /sys/fs/cgroup/machine
    echo $BASHPID > /sys/fs/cgroup/machine/cgroup.procs
    set -- --cgroup "$@"
    init="umount /sys/fs/cgroup; mount -t cgroup2 cgroup2 /sys/fs/cgroup
      touch /run/born
      until [ -e /run/alone ]; do sleep 0.1; done
      $init"
  fi
  exec env -i PATH="$PATH" container=stage SYSTEMD_UNIT_PATH=/run/units:/run/systemd/transient SYSTEMD_LOG_TARGET=null \
    unshare "$@" bash -c "$init"
}
# It would do this itself, and say so on the console.
[ ! -e /sys/fs/cgroup/cgroup.controllers ] || modprobe autofs4
boot < /dev/null > /run/log.systemd 2>&1 &
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
  mkdir /sys/fs/cgroup/beside
  soon test -e /run/born
  echo $! > /sys/fs/cgroup/beside/cgroup.procs
  touch /run/alone
fi
soon systemctl is-active -q dbus.service
MACHINE=$(pgrep -xf '/lib/systemd/systemd --system .*')
# Who comes later has a group there, as who logs in has one.
SESSION=/sys/fs/cgroup/machine/session
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then mkdir $SESSION; fi
put_before within "[ ! -e $SESSION ] || echo \$\$ > $SESSION/cgroup.procs
exec nsenter --mount --pid --cgroup --target $MACHINE \"\$@\""
put_before systemctl 'exec within /usr/bin/systemctl "$@"'
# There is no journal to log to.
printf '%s\n' '[containers]' 'log_driver = "k8s-file"' > /etc/containers/containers.conf
put_before podman "exec within /usr/bin/podman --runtime $RUNTIME --cgroup-manager systemd --events-backend file \"\$@\""
podman load -q -i /run/box.tar > /run/log 2>&1
