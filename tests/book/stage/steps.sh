# Runs the steps of a page as the user we are: each is read from STEPS, where a NUL ends it; what it says goes to standard
# output, followed by a NUL, the exit status and a NUL.
set -e
exec 3< "$STEPS" < /dev/null

export PATH=$STAGE/bin:$PROGRAMS:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export TZ=UTC COLUMNS=100 NO_COLOR=1 LC_ALL=C.UTF-8 TERM=dumb
cd "$HOME"
store=/var/lib/mini-docker
[ "$(id -u)" = 0 ] || store=$HOME/.local/share/mini-docker
mkdir -p "${store%/*}"
cp -r "$READY/store" "$store"
# As after a pull: the image's layer is unpacked.
[ -z "$UNPACK" ] || mini-docker rm "$(mini-docker create unboxed:1 2> /dev/null)" > /dev/null
if [ -n "$REGISTRY" ]; then
  cp -r "$READY/registry" "$HOME/.registry"
  mini-docker --root "$HOME/.registry" registry serve --listen 127.0.0.1:5000 --dies-with-parent > .listening 2>&1 &
  disown
  # It may not have made the file yet.
  until grep -qs listening .listening; do sleep 0.02; done
  rm .listening
fi
unset store UNPACK PROGRAMS READY REGISTRY STAGE STEPS WHO OLDPWD

set +e
# A step has our variables, jobs and directory, but not our standard input; a process that it leaves behind does not hold us.
while IFS= read -r -d '' step <&3; do
  eval "$step" 2>&1 3<&-
  printf '\0%d\0' $?
done
