//! Sets the condition that only this package sets.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-cfg=private_tests");
    // The crate has more features than this package.
    println!("cargo::rustc-check-cfg=cfg(feature, values(any()))");
}
