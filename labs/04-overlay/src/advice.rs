//! What an errno of mounting an overlay means, and what mends it.
//!
//! The kernel has one EINVAL for a dozen reasons and tells them only to its log (dmesg). The
//! sources are Documentation/filesystems/overlayfs.rst and fs/overlayfs/super.c, params.c.

use ground::Errno;

/// Advice for `errno` of mount(2) with the type overlay, or of fsconfig(2) and its family.
pub(crate) fn mount(errno: Errno) -> Option<&'static str> {
    Some(match errno {
        Errno::EINVAL => {
            "the kernel tells the reason only to its log (dmesg | tail). Usually one of these:\n\
             - work is not on the same mount as upper: put both into one directory\n\
             - upper is on an overlay, on NFS or on FAT: take a tmpfs or a disk of the host\n\
             - more than 500 lower layers, or a single one without upper\n\
             - the third overlay upon each other: two is the most\n\
             - work still holds work/incompat/volatile from a volatile mount: make a new upper and work\n\
             - redirect_dir or metacopy beside userxattr\n\
             - an option that this kernel does not have"
        }
        Errno::ELOOP => {
            "one layer is inside another, or given twice: layers must be separate trees"
        }
        Errno::ESTALE => {
            "upper was used above other lower layers before (index=on remembers them): mount it \
             above those, or with index=off"
        }
        Errno::ENODEV => {
            "this kernel has no overlay file system: modprobe overlay, or see `grep overlay /proc/filesystems`"
        }
        Errno::EPERM => {
            "mounting needs CAP_SYS_ADMIN: start the outer container with --cap-add SYS_ADMIN. In a \
             user namespace overlays need Linux 5.11 or newer; before, fuse-overlayfs does the same \
             as a program"
        }
        Errno::EBUSY => {
            "another overlay has this upper or work directory in use: unmount that one first"
        }
        Errno::ENOENT => "a layer or the mount point is missing: make it first",
        Errno::ENOTDIR => "layers and the mount point must be directories",
        Errno::EACCES => "a directory on the way to a layer cannot be searched by this user",
        Errno::ENOMEM => {
            "too many layers for this kernel's memory (Linux 5.10 says so from 501 on)"
        }
        Errno::ENOSYS => {
            "this kernel has no fsopen(2) (Linux 5.2+): keep the layers in one directory under short names"
        }
        Errno::EROFS => "upper is on a read-only file system: take another, or leave upper out",
        Errno::EOPNOTSUPP => {
            "the file system of upper lacks what an overlay needs: take a tmpfs or a disk of the host"
        }
        _ => return None,
    })
}
