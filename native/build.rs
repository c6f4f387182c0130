//! Passes Node's linker settings on, and refuses exports that would let a panic end the process.

use std::fs;
use std::path::Path;

fn main() {
    napi_build::setup();
    println!("cargo:rerun-if-changed=src");
    check(Path::new("src"));
}

/// `tiresias_guard::napi` is `napi-derive`'s with a guard on every function; only it may name the other.
fn check(folder: &Path) {
    for entry in fs::read_dir(folder).expect("the sources are readable") {
        let path = entry.expect("the sources are readable").path();
        if path.is_dir() {
            check(&path);
        } else {
            let text = fs::read_to_string(&path).expect("sources are UTF-8");
            assert!(!text.contains("unguarded"), "{}: exports go through tiresias_guard::napi", path.display());
        }
    }
}
