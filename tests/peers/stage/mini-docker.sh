# mini-docker, which brings its runtime along: RUNTIME is the program itself.
put_before docker "exec $RUNTIME \"\$@\""
docker load -q -i /run/box.tar > /run/log
