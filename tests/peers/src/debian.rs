//! A real Debian, as an image that skopeo and umoci have made.

use std::path::Path;

use crate::{apart, docker_registry::DockerRegistry};

/// The mirrors are those of the machine's own apt. What is not needed to run programs stays out, so
/// that some 120 MB are left.
const BUILD: &str = r#"
    exec 2>&1
    . /etc/os-release
    apt-get indextargets --format '$(REPO_URI) $(CODENAME) $(COMPONENT)' 'Identifier: Packages' |
        sort -u | grep " $VERSION_CODENAME main" |
        sed 's,^,deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ,' > "$DIR/sources"
    mmdebstrap --quiet --mode=root --variant=apt \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' \
        "$VERSION_CODENAME" "$DIR/rootfs.tar" "$DIR/sources"
    umoci init --layout "$DIR/oci"
    umoci new --image "$DIR/oci:debian"
    umoci raw add-layer --image "$DIR/oci:debian" "$DIR/rootfs.tar"
    umoci config --image "$DIR/oci:debian" --config.cmd /bin/sh \
        --config.env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
    skopeo copy --quiet --dest-tls-verify=false "oci:$DIR/oci:debian" "docker://$REFERENCE"
"#;

/// Makes the image in `directory` and pushes it.
///
/// # Panics
/// When one of the programs fails, with what they said.
pub fn push(registry: &DockerRegistry, name: &str, directory: &Path) -> String {
    let reference = registry.reference(name);
    apart(BUILD, &[("DIR", directory), ("REFERENCE", Path::new(&reference))]).success();
    reference
}
