# The escape arcade: tries every way out behind one wall, and says of each whether it led out.
#
#   usage: bash arcade.sh WALL SECRET WAY..       on a stage or in a guest, as root
#
# Prints for each way `WAY<tab>out|held<tab>what the kernel said to the call that decided`. The attacker is `escape`
# (tests/book/src/bin/escape); it is not believed where its success can be seen from outside: a secret that nobody in there
# was told, a process that is dead, the host's name, its mounts, a file of the image, who a program runs as.
wall=$1 secret=$2
shift 2
id=54321

umask 022
# The programs may lie where only root can go. A stage shows them elsewhere; in a guest all directories are a copy.
way=$(command -v escape)
while way=${way%/*}; [ ! -d /run/stage ] && [ -n "$way" ]; do chmod o+x "$way" 2> /dev/null; done
mkdir -p -m 755 /home/learner /tmp/outside
network=
if [ ! -d /run/stage ]; then
  # A guest's root is an overlay, which cannot be the upper layer of another; and its kernel has no NAT.
  for directory in /home/learner /var/lib/mini-docker; do mount -t tmpfs -o mode=755 tmpfs $directory; done
  network='--network none'
fi
case $wall in user*) cd /home/learner ;; esac
mkdir -p -m 755 volume upper work merged
(umask 077; echo "$secret" > /tmp/outside/secret)
lab-03 rootfs prison --with sh=busybox,cat=busybox,sleep=busybox,escape > said 2>&1 || { cat said; exit 1; }
mkdir -p prison/srv prison/mnt prison/tmp
# A stranger made the image, in which a link leads out, and two archives: names that climb; a name that is absolute, and one
# that leads through a link of the archive.
ln -s /tmp/outside prison/data
archive() { tar "-$1Pf" "$2.tar" --transform "s|.*|$3|" said; }
archive c dots ../../../../../../../../../../../../tmp/outside/unpacked-dots
archive c links /tmp/outside/unpacked-absolute
tar -rPf links.tar --transform 's|.*|out|S' prison/data
archive r links out/unpacked-link
# As it is on most machines: what is mounted anywhere is mounted everywhere.
mount --make-rshared /

# An ordinary user, on cgroup v2 in a group that was delegated.
case $wall in user*) chown -hR $id:$id /home/learner /tmp/outside ;; esac
own_group=/sys/fs/cgroup/learner
limits="--memory 64m" tasks="--pids 20" container_tasks="--pids-limit 20"
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
  mkdir -p $own_group/shell
  for group in $own_group $own_group/shell; do
    chown $id:$id $group $group/cgroup.procs $group/cgroup.subtree_control
  done
else
  own_group=
  case $wall in user*) limits='' tasks='' container_tasks='' ;; esac
fi
# An array and no function: a process that is started in the background keeps its PID.
as_user=(env HOME=/home/learner bash -c '[ -z "$1" ] || echo $$ > "$1/shell/cgroup.procs"
  shift
  exec setpriv --reuid "$1" --regid "$1" --clear-groups --inh-caps=-all "${@:2}"' bash "$own_group" $id)
# Whoever builds the wall: root, or the user.
builder=()
case $wall in user*) builder=("${as_user[@]}") ;; esac

# Runs the attacker behind the wall. Descriptor 9 is the mistake of whoever has built it.
enter() {
  case $wall in
    none)       "$@" ;;
    lab-01)     lab-01 run -muipnC -- "$@" ;;
    lab-02)     lab-02 limit $limits $tasks -- "$@" ;;
    chroot)     lab-03 chroot prison -- "$@" ;;
    pivot)      lab-03 pivot prison -- "$@" ;;
    lab-04)     lab-04 mount --lower prison --upper upper --work work merged -- lab-03 pivot merged -- "$@" ;;
    lab-05)     lab-05 enter --all --join-cgroup "$container" -- "$@" ;;
    lab-06)     lab-06 run $limits $tasks -v "./volume:$mounted" prison -- "$@" ;;
    privileged) mini-docker run --rm --privileged $network $limits $container_tasks -v "arcade:$mounted" arcade "$@" ;;
    lab-07)     mini-docker run --rm $network $limits $container_tasks -v "arcade:$mounted" arcade "$@" ;;
    user)       "${as_user[@]}" "$@" ;;
    user-01)    "${as_user[@]}" lab-01 run -muipnC --map-root -- "$@" ;;
    user-06)    "${as_user[@]}" lab-06 run $limits $tasks -v "./volume:$mounted" prison -- "$@" ;;
    user-07)    docker run --rm --network none $limits $container_tasks -v "arcade:$mounted" arcade "$@" ;;
  esac 9< /
}
# Where a container has its volume.
mounted=/srv

docker() { "${builder[@]}" mini-docker "$@"; }

# Gives the container a volume below the link of its image. Where a lab cannot, it is prepared by path, as a script would.
with_volume() {
  case $wall in
    lab-05 | lab-06) wall=lab-06 mounted=/data/made enter escape volume /data/made/program ;;
    privileged | lab-07 | user-06 | user-07) mounted=/data/made enter escape volume /data/made/program ;;
    *) "${builder[@]}" mkdir -p prison/data/made && echo 'escape: got mkdir("prison/data/made") = ok' ;;
  esac
}

# Unpacks one of the stranger's archives; again as a script would where a lab knows no archives.
unpack() { # ARCHIVE
  case $wall in
    privileged | lab-07 | user-07)
      docker import - evil < $1.tar > /dev/null && docker create --network none evil none > /dev/null &&
        echo 'escape: got import, create = ok' ;;
    *)
      mkdir -p -m 777 unpacked
      "${builder[@]}" tar -xPf $1.tar -C unpacked && echo 'escape: got tar -x = ok' ;;
  esac
}

# Where the attacker finds a file to write to (of an image, of a volume), and where the host sees the same.
image=/etc/motd program=/srv/program image_here=prison/etc/motd program_here=volume/program
case $wall in
  none | lab-01 | lab-02 | user | user-01) image=$PWD/prison/etc/motd program=$PWD/volume/program ;;
  chroot | pivot) program_here=prison/srv/program ;;
  lab-04) program_here=upper/srv/program ;;
  lab-05)
    lab-06 run --memory 64m --pids 20 -v ./volume:/srv prison -- sleep 4242 > /dev/null 2>&1 &
    until container=$(pgrep -xf 'sleep 4242'); do sleep 0.02; done ;;
  privileged | lab-07 | user-07)
    echo intact > prison/etc/motd
    tar -C prison -c . | docker import - arcade > said 2>&1 || { cat said; exit 1; }
    docker volume create arcade > /dev/null
    program_here=$(docker volume inspect -f '{{.Mountpoint}}' arcade)/program ;;
esac

# The host as it is before an attack.
prepare() {
  hostname host
  echo intact > prison/etc/motd
  chmod 666 prison/etc/motd
  local place
  for place in volume/program prison/srv/program "$program_here"; do
    [ ! -d "${place%/*}" ] || install -o $id -g $id -m 755 "$(command -v escape)" "$place"
  done
  case $wall in user*) chown $id:$id prison/etc/motd ;; esac
  kill -0 "${victim:-0}" 2> /dev/null && [ -n "${victim:-}" ] || { "${builder[@]}" sleep 1000 > /dev/null 2>&1 & victim=$!; }
}

# Whether the attack came out, by what the host sees.
came_out() {
  case $1 in
    climb | descriptor | proc) [[ $said == *"$secret"* ]] ;;
    kill)     ! kill -0 $victim 2> /dev/null ;;
    hostname) [ "$(hostname)" = escaped ] ;;
    mount)    grep -q ' - tmpfs escaped ' /proc/self/mountinfo ;;
    image)    ! image_is_intact ;;
    # setpriv still has its capabilities when it looks for a program; a shell has none left.
    setuid)   [ "$("${as_user[@]}" sh -c '"$1" whoami' sh "$program_here" 2>&1)" = 'uid 0' ] ;;
    volume)   [ -e /tmp/outside/made ] ;;
    dots | links) compgen -G '/tmp/outside/unpacked-*' > /dev/null ;;
    *)        [[ $said == *'escape: got '* ]] ;;
  esac
}

image_is_intact() {
  case $wall in
    privileged | lab-07 | user-07) [ "$(docker run --rm --network none arcade cat /etc/motd)" = intact ] ;;
    *) [ "$(cat $image_here)" = intact ] ;;
  esac
}

# The kernel's last word; whom it has killed says nothing.
answer() {
  local words
  words=$(grep -o 'escape: .*' <<< "$said" | sed "s/^escape: [a-z]* //; s/: $secret//")
  [ -n "$words" ] || { [ "$status" = 137 ] && words=SIGKILL; }
  echo "${words:-$(head -n 1 <<< "$said")}"
}

clean() {
  rm -rf /tmp/outside/made /tmp/outside/unpacked-*
  grep ' - tmpfs escaped ' /proc/self/mountinfo | cut -d' ' -f5 | while read -r at; do umount "$at"; done
}

for way; do
  prepare
  case $way in
    kill) what=$victim ;;
    image) what=$image ;;
    setuid) what=$program ;;
    *) what= ;;
  esac
  case $way in
    volume) said=$(with_volume 2>&1) ;;
    dots | links) said=$(unpack $way 2>&1) ;;
    *) said=$(enter escape $way $what 2>&1) ;;
  esac
  status=$?
  # A process that was killed may be there for a moment.
  [ $way != kill ] || [[ $said != *'escape: got '* ]] || wait $victim 2> /dev/null
  came_out $way && verdict=out || verdict=held
  printf '%s\t%s\t%s\n' $way $verdict "$(answer)"
  clean
done
