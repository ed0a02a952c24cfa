//! The crash points, as the source names them.

use std::fs;
use std::path::{Path, PathBuf};

use crate::Service;

/// A place where a process can be made to die.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Point {
    /// Its name.
    pub name: String,
    /// The one service whose code it is in; `None` for the crates that all services share.
    pub service: Option<Service>,
}

impl Point {
    /// Whether a process of that service has the point in it.
    #[must_use]
    pub fn is_in(&self, service: Service) -> bool {
        self.service.is_none_or(|own| own == service)
    }
}

/// Every crash point of the source, sorted.
///
/// # Panics
/// If the source cannot be read or has none.
#[must_use]
pub fn points() -> Vec<Point> {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let mut points = in_folder(&root.join("crates"), None);
    for service in Service::ALL {
        let folder = root.join("services").join(service.name());
        points.extend(in_folder(&folder, Some(service)));
    }
    points.sort();
    points.dedup();
    assert!(!points.is_empty(), "no crash point in {}", root.display());
    points
}

fn in_folder(folder: &Path, service: Option<Service>) -> Vec<Point> {
    let mut points = Vec::new();
    for file in sources(folder) {
        let text = fs::read_to_string(&file).unwrap();
        let names = text.split("tradepost_crash::point(\"").skip(1);
        // A documentation comment shows how a point is written; it is none.
        let code = names.zip(text.split("tradepost_crash::point(\""));
        for (after, before) in code {
            let line = before.rsplit('\n').next().unwrap_or_default();
            if !line.trim_start().starts_with("//") {
                let name = after.split('"').next().unwrap_or_default().to_owned();
                points.push(Point { name, service });
            }
        }
    }
    points
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}
