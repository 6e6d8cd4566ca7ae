# containerd with what runs containers: no CRI, and of the snapshotters overlayfs and the plain one.
cat > /run/containerd.toml <<TOML
version = 2
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs", "io.containerd.tracing.processor.v1.otlp"]
[plugins."io.containerd.internal.v1.opt"]
  path = "/var/lib/containerd/opt"
TOML
containerd --config /run/containerd.toml > /run/log 2>&1 3<&- &
soon ctr version > /dev/null
ctr image import /run/box.tar > /dev/null
BOX=docker.io/library/box:latest
