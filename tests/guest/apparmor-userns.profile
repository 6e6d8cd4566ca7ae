# What Ubuntu does since 23.10 to a program that has no profile of its own and makes a user namespace: it
# gets one, and no capability in it. There the kernel changes the profile at the moment of the unshare;
# here a program is started with it: aa-exec -p unboxed-userns -- COMMAND.
#
# newuidmap and newgidmap are run from outside of the namespace, so nothing keeps them from writing the maps.
profile unboxed-userns flags=(attach_disconnected,mediate_deleted) {
  / rw,
  /** rwlkmix,
  /usr/bin/new{u,g}idmap Ux,
  network,
  signal,
  ptrace,
  mount,
  umount,
  pivot_root,
  deny capability,
}
