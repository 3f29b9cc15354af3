//! Takes the program in Rust out of the page.

use std::{env, error::Error, fs, path::Path};

const PAGE: &str = "../../src/docs/forwarding.md";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={PAGE}");
    let page = fs::read_to_string(PAGE)?;
    let (_, block) = page.split_once("```rust,ignore\n").ok_or("no program in Rust")?;
    let (program, _) = block.split_once("```").ok_or("a program without an end")?;
    let out = env::var_os("OUT_DIR").ok_or("no OUT_DIR")?;
    Ok(fs::write(Path::new(&out).join("page.rs"), program)?)
}
