//! Links mini-runc statically: an engine executes a runtime four times for each container, and each
//! time the dynamic linker would take longer than the work.

#![allow(clippy::print_stdout, reason = "this is how a build script speaks to Cargo")]

#[path = "../static_link.rs"]
mod static_link;

fn main() -> std::io::Result<()> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=../static_link.rs");
    for argument in static_link::arguments()? {
        println!("cargo:rustc-link-arg-bins={argument}");
        println!("cargo:rustc-link-arg-benches={argument}");
    }
    if let Some(argument) = static_link::runtime_entry() {
        println!("cargo:rustc-link-arg-bins={argument}");
    }
    Ok(())
}
