//! Without this, cargo would not see that a migration file was added.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
