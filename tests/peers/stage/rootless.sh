# podman as an ordinary user with subordinate ids, who exists only here.
echo learner:x:54321:54321::/home/learner:/bin/sh >> /etc/passwd
echo learner:x:54321: >> /etc/group
for file in /etc/subuid /etc/subgid; do echo learner:100000:65536 > $file; done
mkdir -p /home/learner /run/user/54321
chown 54321:54321 /home/learner /run/user/54321
chmod 700 /run/user/54321
# Everybody may use it on a distribution; slirp4netns waits for ever where it cannot.
mount -t tmpfs -o mode=755 tmpfs /dev/net
mknod -m 666 /dev/net/tun c 10 200
put_before as_learner 'cd /home/learner
exec setpriv --reuid 54321 --regid 54321 --clear-groups --inh-caps=-all \
  env HOME=/home/learner USER=learner XDG_RUNTIME_DIR=/run/user/54321 "$@"'
put_before podman "exec as_learner /usr/bin/podman --runtime $RUNTIME --cgroup-manager cgroupfs --events-backend file \"\$@\""
# Its containers share their mounts with the machine, as those of a distribution do.
mount --make-rshared /
podman load -q -i /run/box.tar > /run/log 2>&1
