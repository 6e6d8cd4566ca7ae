# PID 1 of a stage: furnishes a machine for an engine, then runs one step after the other.
#
# In the environment: RUNTIME, the low-level runtime; ENGINE, the script that prepares the engine; SESSIONS, files that
# steps may want; MINI_DOCKER, the program that x-rays what others have made; HIDE_V2, whether a cgroup v2 beside v1 is
# out of sight. Steps come on standard input, each ended by a NUL; what they say goes to standard output, followed by a
# NUL, the exit status and a NUL.
#
# Everything is in namespaces of its own, and what is written lies in a tmpfs: it is gone with us.
set -e
exec 3<&0 </dev/null

# What may lie below directories that are about to be covered.
mount -t tmpfs -o mode=755 run /run
mkdir -p /run/bin /run/home /run/lock
# The small programs are mini-docker's, and lie beside it.
for program in "$RUNTIME" "${RUNTIME%/*}"/mini-{init,docker-monitor}; do
  [ -e "$program" ] || continue
  touch "/run/bin/${program##*/}"
  mount --bind "$program" "/run/bin/${program##*/}"
done
RUNTIME=/run/bin/${RUNTIME##*/}
if [ ! -e /run/bin/mini-docker ]; then touch /run/bin/mini-docker; mount --bind "$MINI_DOCKER" /run/bin/mini-docker; fi
cp -r "$SESSIONS" /run/sessions

for directory in /var/lib /mnt /home; do mount -t tmpfs -o mode=755 tmpfs "$directory"; done
for directory in /tmp /var/tmp /dev/shm; do mount -t tmpfs -o mode=1777 tmpfs "$directory"; done
mkdir /mnt/etc /mnt/work
mount -t overlay -o lowerdir=/etc,upperdir=/mnt/etc,workdir=/mnt/work overlay /etc
. "${0%/*}/cgroups.sh"

hostname stage
ip link set lo up
export HOME=/run/home PATH=/run/bin:/usr/sbin:/usr/bin:/sbin:/bin
umask 022

# An image called "box": busybox, and two lines of JSON. Every engine can load it.
image() (
  mkdir -p /run/image/rootfs
  cd /run/image/rootfs
  mkdir -p bin etc tmp proc sys dev root srv
  chmod 1777 tmp
  cp /bin/busybox bin/busybox
  bin/busybox --install bin
  printf '%s\n' root:x:0:0:root:/root:/bin/sh nobody:x:65534:65534:nobody:/:/bin/sh > etc/passwd
  printf '%s\n' root:x:0: nogroup:x:65534: > etc/group
  cd ..
  tar -C rootfs --owner 0 --group 0 -cf layer.tar .
  local diff_id id
  diff_id=$(sha256sum layer.tar | cut -d' ' -f1)
  printf '{"architecture":"amd64","os":"linux","config":{"Env":["PATH=/bin"],"Cmd":["sh"]},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
    "$diff_id" > config.json
  id=$(sha256sum config.json | cut -d' ' -f1)
  mv config.json "$id.json"
  printf '[{"Config":"%s.json","RepoTags":["docker.io/library/box:latest"],"Layers":["layer.tar"]}]' "$id" > manifest.json
  tar -cf /run/box.tar manifest.json "$id.json" layer.tar
  rm -r /run/image
)
image

# Tries a command until it succeeds, for at most 20 s; only its last words count.
soon() {
  local said status tries=0
  until said=$("$@" 2>&1); do
    status=$?
    [ $((tries += 1)) -le 100 ] || { printf '%s\n' "$said"; return $status; }
    sleep 0.2
  done
  [ -z "$said" ] || printf '%s\n' "$said"
}

# Gives a command a terminal of 33 rows and 77 columns; its first argument is what is typed. That a fifo is open for writing
# too keeps the end of input from arriving.
typing() {
  local typed=$1 keys=/run/keys.$RANDOM status=0; shift
  mkfifo "$keys"
  { sleep 0.5; printf '%s' "$typed"; } 1<> "$keys" &
  script -qec "stty rows 33 cols 77 -echo; $(printf '%q ' "$@")" /dev/null <> "$keys" || status=$?
  rm "$keys"
  return $status
}

# Puts a program before others of its name: NAME SCRIPT.
put_before() { printf '#!/bin/sh\n%s\n' "$2" > "/run/bin/$1"; chmod 755 "/run/bin/$1"; }

# The one that is in every image, as not every machine has another.
put_before wget 'exec busybox wget "$@"'

. "$ENGINE"
set +e
# The step has our variables and functions, but not our standard input.
while IFS= read -r -d '' step <&3; do
  eval "$step" 2>&1 3<&-
  printf '\0%d\0' $?
done
