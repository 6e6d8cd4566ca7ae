//! Links the programs statically. `mini-docker` is started anew for each command, and several times
//! for a container: two in five of its page faults were the dynamic linker's. `mini-docker-monitor` is
//! there once for each container, and what that linker writes into its memory would be there as often;
//! `mini-init` runs inside containers, whose libraries are not ours.

#![allow(clippy::print_stdout, reason = "this is how a build script speaks to Cargo")]

mod static_link;

fn main() -> std::io::Result<()> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=static_link.rs");
    for argument in static_link::arguments()? {
        for program in ["mini-docker", "mini-docker-monitor", "mini-init"] {
            println!("cargo:rustc-link-arg-bin={program}={argument}");
        }
    }
    Ok(())
}
