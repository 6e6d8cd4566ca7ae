# A user's own systemd with a bus and nothing else, as `user@1000.service` has it. It asks each of $RUNTIMES for the
# container of $CONFIG, and says what systemd and the kernel say of its group. Begins as root, and begins again as the user:
# so $SCRIPT is this text.
set -eu
service=/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service
export HOME=/run/home XDG_RUNTIME_DIR=/run/user/1000
export DBUS_SESSION_BUS_ADDRESS=unix:path=$XDG_RUNTIME_DIR/bus
export SYSTEMD_UNIT_PATH=$XDG_RUNTIME_DIR/units:$XDG_RUNTIME_DIR/systemd/transient

soon() { n=0; until "$@" > /dev/null 2>&1; do n=$((n + 1)); [ $n -lt 300 ] || { echo "never: $*"; exit 1; }; sleep 0.1; done; }

as_root() {
  modprobe autofs4 # it would do this itself, and may not
  mkdir -p $service/init.scope /run/systemd/system $XDG_RUNTIME_DIR/units $HOME/box/rootfs/bin
  for group in /sys/fs/cgroup /sys/fs/cgroup/user.slice /sys/fs/cgroup/user.slice/user-1000.slice; do
    echo "+memory +pids" > $group/cgroup.subtree_control
  done
  for group in $service $service/init.scope; do
    for file in "" $(cat /sys/kernel/cgroup/delegate); do [ ! -e $group/$file ] || chown 1000:1000 $group/$file; done
  done
  cd $XDG_RUNTIME_DIR/units
  printf '%s\n' '[Unit]' 'DefaultDependencies=no' 'Wants=dbus.socket dbus.service' > stage.target
  printf '%s\n' '[Unit]' 'DefaultDependencies=no' '[Socket]' "ListenStream=$XDG_RUNTIME_DIR/bus" > dbus.socket
  printf '%s\n' '[Unit]' 'DefaultDependencies=no' '[Service]' \
    'ExecStart=/usr/bin/dbus-daemon --session --nofork --nopidfile --address=systemd:' > dbus.service
  for name in basic sysinit shutdown sockets timers paths slices; do touch $name.target; done
  cd $HOME/box
  cp /bin/busybox rootfs/bin/sleep
  mkdir rootfs/proc rootfs/dev rootfs/sys
  printf %s "$CONFIG" > config.json
  chown -R 1000:1000 $HOME $XDG_RUNTIME_DIR
  chmod 700 $XDG_RUNTIME_DIR
  echo $$ > $service/init.scope/cgroup.procs
  exec setpriv --reuid 1000 --regid 1000 --clear-groups --inh-caps=-all sh -c "$SCRIPT"
}

as_user() {
  cd $HOME/box
  /lib/systemd/systemd --user --unit=stage.target > $HOME/log 2>&1 &
  soon systemctl --user is-active dbus.service
  for runtime in $RUNTIMES; do
    runtime() { "$runtime" --root $XDG_RUNTIME_DIR/state --systemd-cgroup "$@"; }
    basename "$runtime"
    runtime create box < /dev/null > $HOME/said 2>&1 || cat $HOME/said
    runtime start box
    group=$(cut -d: -f3 /proc/$(runtime state box | grep '"pid"' | tr -dc 0-9)/cgroup)
    echo ${group#/user.slice/user-1000.slice/}
    cat /sys/fs/cgroup$group/pids.max /sys/fs/cgroup$group/memory.max
    systemctl --user show -p ActiveState -p Slice -p TasksMax -p MemoryMax mini-box.scope
    runtime update --pids-limit 10 box
    cat /sys/fs/cgroup$group/pids.max
    systemctl --user show -p TasksMax mini-box.scope
    runtime delete --force box
    soon test ! -e /sys/fs/cgroup$group
    systemctl --user list-units --plain --no-legend --all 'mini-*.scope'
  done
}

if [ "$(id -u)" = 0 ]; then as_root; else as_user; fi
