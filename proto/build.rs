//! Compiles the protos with protox, so that a fresh machine needs no protoc, and keeps the
//! descriptor set for reflection and for the tests that lint it.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

use prost::Message as _;

fn proto_files(folder: &Path, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            proto_files(&path, found)?;
        } else if path
            .extension()
            .is_some_and(|extension| extension == "proto")
        {
            found.push(path);
        }
    }
    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "a build script is told its folders by cargo"
)]
fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=tradepost");
    let mut files = Vec::new();
    proto_files(Path::new("tradepost"), &mut files)?;
    files.sort();

    let descriptors = protox::compile(&files, ["."])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("descriptors.binpb"), descriptors.encode_to_vec())?;

    let mut config = prost_build::Config::new();
    // Messages between services are recognised by their full name.
    config.enable_type_names();
    // Bodies of webhooks and messages are shared, not copied.
    config.bytes(["."]);
    tonic_prost_build::configure()
        .include_file("tradepost.rs")
        .codec_path("crate::codec::MessageCodec")
        .compile_fds_with_config(descriptors, config)?;
    Ok(())
}
