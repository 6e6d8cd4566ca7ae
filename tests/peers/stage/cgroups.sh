# Our own control groups as a machine's: the cgroup namespace has made them the root. With HIDE_V2 a cgroup v2 beside v1
# is out of sight.
mount -t sysfs sysfs /sys
cgroups() {
  local names path
  if ! grep -qv '^0::' /proc/self/cgroup; then
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
    sed 's/[^ ]*/+&/g' /sys/fs/cgroup/cgroup.controllers > /sys/fs/cgroup/cgroup.subtree_control
    return
  fi
  mount -t tmpfs -o mode=755 cgroup /sys/fs/cgroup
  while IFS=: read -r _ names path; do
    path=/sys/fs/cgroup/${names#name=}
    case $names in
      '') [ -n "$HIDE_V2" ] || { mkdir "${path}unified"; mount -t cgroup2 cgroup2 "${path}unified"; } ;;
      name=*) mkdir "$path"; mount -t cgroup -o "none,$names" cgroup "$path" ;;
      *) mkdir "$path"; mount -t cgroup -o "$names" cgroup "$path" ;;
    esac
  done < /proc/self/cgroup
}
cgroups
