//! mini-docker and mini-runc beside docker-registry, skopeo, podman, runc and crun.
