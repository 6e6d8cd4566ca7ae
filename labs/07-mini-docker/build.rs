//! How the programs are linked. `mini-docker-monitor` is there once for each container, and what the
//! dynamic linker writes into its memory would be there as often; `mini-init` runs inside containers,
//! whose libraries are not ours; `mini-docker-runtime` begins and ends all the time: they are static.
//!
//! `mini-docker` asks the C library for users and for addresses, and what answers there may be one of
//! the machine's own libraries (man 5 nsswitch.conf), which a static program cannot load. It is started
//! several times for each container: at a fixed address it has fewer words to be relocated.

#![allow(clippy::print_stdout, reason = "this is how a build script speaks to Cargo")]

mod static_link;

fn main() -> std::io::Result<()> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=static_link.rs");
    for argument in static_link::arguments()? {
        for program in ["mini-docker-monitor", "mini-docker-runtime", "mini-init"] {
            println!("cargo:rustc-link-arg-bin={program}={argument}");
        }
    }
    if let Some(argument) = static_link::runtime_entry() {
        println!("cargo:rustc-link-arg-bin=mini-docker-runtime={argument}");
    }
    println!("cargo:rustc-link-arg-bin=mini-docker=-no-pie");
    Ok(())
}
