# The escape arcade: tries every way out behind one wall, and says of each whether it led out.
#
#   usage: bash arcade.sh WALL SECRET       on a stage, as root
#
# Prints for each way `WAY<tab>out|held<tab>what the kernel said to the call that decided`. The attacker is `escape`
# (tests/book/src/bin/escape); it is not believed where its success can be seen from outside: a secret that nobody in there
# was told, a process that is dead, the host's name, its mounts, a file of the image, who a program runs as.
wall=$1 secret=$2
id=54321
as_user="setpriv --reuid $id --regid $id --clear-groups"

umask 022
mkdir -p -m 755 /tmp/outside volume upper work merged
(umask 077; echo "$secret" > /tmp/outside/secret)
lab-03 rootfs prison --with sh=busybox,cat=busybox,sleep=busybox,escape > said 2>&1 || { cat said; exit 1; }
mkdir -p prison/srv prison/mnt prison/tmp
# As it is on most machines: what is mounted anywhere is mounted everywhere.
mount --make-rshared /

# Runs the attacker behind the wall. Descriptor 9 is the mistake of whoever has built it.
enter() {
  local limits="--memory 64m"
  case $wall in
    none)       "$@" ;;
    lab-01)     lab-01 run -muipnC -- "$@" ;;
    user)       $as_user lab-01 run -muipnC --map-root -- "$@" ;;
    lab-02)     lab-02 limit $limits --pids 20 -- "$@" ;;
    chroot)     lab-03 chroot prison -- "$@" ;;
    pivot)      lab-03 pivot prison -- "$@" ;;
    lab-04)     lab-04 mount --lower prison --upper upper --work work merged -- lab-03 pivot merged -- "$@" ;;
    lab-05)     lab-05 enter --all --join-cgroup "$container" -- "$@" ;;
    lab-06)     lab-06 run $limits --pids 20 -v ./volume:/srv prison -- "$@" ;;
    privileged) mini-docker run --rm --privileged $limits --pids-limit 20 -v arcade:/srv arcade "$@" ;;
    lab-07)     mini-docker run --rm $limits --pids-limit 20 -v arcade:/srv arcade "$@" ;;
  esac 9< /
}

# Where the attacker finds a file to write to (of an image, of a volume), and where the host sees the same.
image=/etc/motd program=/srv/program image_here=prison/etc/motd program_here=volume/program
case $wall in
  none | lab-01 | user | lab-02) image=$PWD/prison/etc/motd program=$PWD/volume/program ;;
  chroot | pivot) program_here=prison/srv/program ;;
  lab-04) program_here=upper/srv/program ;;
  lab-05)
    lab-06 run --memory 64m --pids 20 -v ./volume:/srv prison -- sleep 4242 > /dev/null 2>&1 &
    until container=$(pgrep -xf 'sleep 4242'); do sleep 0.02; done ;;
  privileged | lab-07)
    echo intact > prison/etc/motd
    tar -C prison -c . | mini-docker import - arcade > said 2>&1 || { cat said; exit 1; }
    mini-docker volume create arcade > /dev/null
    program_here=$(mini-docker volume inspect -f '{{.Mountpoint}}' arcade)/program ;;
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
  kill -0 "${victim:-0}" 2> /dev/null && [ -n "${victim:-}" ] || { sleep 1000 > /dev/null 2>&1 & victim=$!; }
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
    setuid)   [ "$($as_user sh -c '"$1" whoami' sh "$program_here" 2>&1)" = 'uid 0' ] ;;
    *)        [[ $said == *'escape: got '* ]] ;;
  esac
}

image_is_intact() {
  case $wall in
    privileged | lab-07) [ "$(mini-docker run --rm arcade cat /etc/motd)" = intact ] ;;
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
  grep ' - tmpfs escaped ' /proc/self/mountinfo | cut -d' ' -f5 | while read -r at; do umount "$at"; done
}

for way in climb descriptor proc kill hostname mount image setuid device sysctl processes memory group userns; do
  prepare
  case $way in
    kill) what=$victim ;;
    image) what=$image ;;
    setuid) what=$program ;;
    *) what= ;;
  esac
  said=$(enter escape $way $what 2>&1)
  status=$?
  # A process that was killed may be there for a moment.
  [ $way != kill ] || [[ $said != *'escape: got '* ]] || wait $victim 2> /dev/null
  came_out $way && verdict=out || verdict=held
  printf '%s\t%s\t%s\n' $way $verdict "$(answer)"
  clean
done
