//! The Rust files of the repository.

use std::path::{Path, PathBuf};
use std::{fs, io};

/// One Rust file.
#[derive(Debug, Clone)]
pub struct Source {
    /// The path from the root of the repository, with forward slashes.
    pub path: String,
    /// The whole text.
    pub text: String,
}

impl Source {
    /// A file that is not on disk, to show that a rule can fail.
    #[must_use]
    pub fn new(path: &str, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }

    /// The code lines with their numbers from 1: no comments, and nothing from the file's test
    /// module on, which by habit stands last.
    pub fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text
            .lines()
            .enumerate()
            .map(|(index, line)| (index + 1, line))
            .take_while(|(_, line)| line.trim() != "#[cfg(test)]")
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    /// Whether the whole file is test code.
    #[must_use]
    pub fn is_test(&self) -> bool {
        self.path.contains("/tests/") || self.path.ends_with("/tests.rs")
    }
}

/// The root of the repository.
#[must_use]
pub fn repository_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every Rust file of the workspace.
///
/// # Errors
/// When a folder or file cannot be read.
pub fn sources() -> io::Result<Vec<Source>> {
    let root = repository_root();
    let mut found = Vec::new();
    for folder in ["proto", "crates", "services", "tests"] {
        collect(&root, &root.join(folder), &mut found)?;
    }
    Ok(found)
}

fn collect(root: &Path, folder: &Path, found: &mut Vec<Source>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            if path.file_name().is_none_or(|name| name != "target") {
                collect(root, &path, found)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let inside = path.strip_prefix(root).unwrap_or(&path);
            let name = inside.to_string_lossy().replace('\\', "/");
            found.push(Source {
                path: name,
                text: fs::read_to_string(&path)?,
            });
        }
    }
    Ok(())
}
