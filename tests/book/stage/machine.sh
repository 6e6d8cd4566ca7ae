# PID 1 of a stage: makes of our namespaces a machine that nobody else sees, and becomes the user that the page speaks of.
#
# In the environment: PROGRAMS, READY and STAGE, directories; STEPS, a file; WHO, a place. Everything is in namespaces
# of its own, and what is written lies in a tmpfs: it is gone with us.
set -e

# What may lie below directories that are about to be covered, or below /root, where users cannot go.
mount -t tmpfs -o mode=755 run /run
mkdir /run/programs /run/ready /run/stage /run/lock /run/home
mount --bind "$PROGRAMS" /run/programs
mount --bind "$READY" /run/ready
mount --bind "$STAGE" /run/stage
cp "$STEPS" /run/steps
export PROGRAMS=/run/programs READY=/run/ready STAGE=/run/stage STEPS=/run/steps

for directory in /var/lib /mnt /home; do mount -t tmpfs -o mode=755 tmpfs "$directory"; done
for directory in /tmp /var/tmp /dev/shm; do mount -t tmpfs -o mode=1777 tmpfs "$directory"; done
mkdir /mnt/etc /mnt/work /mnt/mnt
mount -t overlay -o lowerdir=/etc,upperdir=/mnt/etc,workdir=/mnt/work overlay /etc
mount --bind /mnt/mnt /mnt
mount -t sysfs sysfs /sys

# Our own control groups as a machine's: the cgroup namespace has made them the root.
cgroups() {
  local names path
  if ! grep -qv '^0::' /proc/self/cgroup; then
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
    return
  fi
  mount -t tmpfs -o mode=755 cgroup /sys/fs/cgroup
  while IFS=: read -r _ names path; do
    path=/sys/fs/cgroup/${names#name=}
    case $names in
      '') mkdir "${path}unified"; mount -t cgroup2 cgroup2 "${path}unified" ;;
      name=*) mkdir "$path"; mount -t cgroup -o "none,$names" cgroup "$path" ;;
      *) mkdir "$path"; mount -t cgroup -o "$names" cgroup "$path" ;;
    esac
  done < /proc/self/cgroup
}
cgroups

hostname host
printf '%s\n' '127.0.0.1 localhost' '127.0.1.1 host' > /etc/hosts
: > /etc/resolv.conf
ip link set lo up
umask 022

if [ "$WHO" = Root ]; then
  export HOME=/run/home
  exec bash "$STAGE/steps.sh"
fi
id=54321
echo "learner:x:$id:$id::/home/learner:/bin/sh" >> /etc/passwd
echo "learner:x:$id:" >> /etc/group
for file in /etc/subuid /etc/subgid; do
  : > $file
  [ "$WHO" != Subids ] || echo learner:100000:65536 > $file
done
mkdir -m 700 -p /home/learner /run/user/$id
chown $id:$id /home/learner /run/user/$id
# Anybody may open it on a distribution.
mount -t tmpfs -o mode=755 tmpfs /dev/net
mknod -m 666 /dev/net/tun c 10 200
export HOME=/home/learner USER=learner XDG_RUNTIME_DIR=/run/user/$id
# Without no_new_privs, for newuidmap(1) is a set-user-ID program.
exec setpriv --reuid $id --regid $id --clear-groups --inh-caps=-all bash "$STAGE/steps.sh"
