//! Writes `baseline.binpb`: what is promised to callers from now on. Run it after a release, never
//! to silence `nothing_that_was_promised_is_broken`.

#![expect(clippy::print_stdout, reason = "a tool for people")]

use std::path::Path;

use prost::Message;
use prost_types::FileDescriptorSet;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut set = FileDescriptorSet::decode(tradepost_proto::FILE_DESCRIPTOR_SET)?;
    set.file
        .retain(|file| file.name().starts_with("tradepost/") || file.name().starts_with("google/"));
    for file in &mut set.file {
        // Comments and places in the text are no promise.
        file.source_code_info = None;
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("baseline.binpb");
    std::fs::write(&path, set.encode_to_vec())?;
    println!(
        "{} files are promised in {}",
        set.file.len(),
        path.display()
    );
    Ok(())
}
