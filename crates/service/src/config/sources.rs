//! Where the values come from, and their layering into one tree.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use figment::providers::{Format, Toml};
use figment::value::{Dict, Value};

use super::load::Problem;

/// The raw sources of a configuration, as `run` finds them or a test makes them up.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The TOML file of `--config`.
    pub file: Option<PathBuf>,
    /// The `.env` file, if there may be one.
    pub dotenv: Option<PathBuf>,
    /// The environment.
    pub environment: Vec<(String, String)>,
}

/// All sources in one tree, with the origin of each value.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub(super) values: Dict,
    pub(super) origins: BTreeMap<String, String>,
    pub(super) problems: Vec<Problem>,
}

impl Sources {
    /// The environment of this process, and `.env` in its working directory.
    #[must_use]
    pub fn of_process(file: Option<PathBuf>) -> Self {
        let environment = std::env::vars_os()
            .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Self {
            file,
            dotenv: Some(PathBuf::from(".env")),
            environment,
        }
    }

    /// Layers the sources for `service`.
    pub(super) fn layer(&self, service: &str) -> Tree {
        let mut tree = Tree::default();
        if let Some(path) = &self.file {
            let origin = path.display().to_string();
            let parsed = fs::read_to_string(path)
                .map_err(|error| format!("cannot be read: {error}"))
                .and_then(|text| {
                    Toml::from_str::<Dict>(&text).map_err(|error| format!("is not TOML: {error}"))
                });
            match parsed {
                Ok(values) => tree.merge_file(values, &origin),
                Err(message) => tree.problems.push(Problem::new("", message, Some(origin))),
            }
        }
        let prefix = format!("TRADEPOST_{}__", service.replace('-', "_").to_uppercase());
        let dotenv = self.read_dotenv(&mut tree);
        tree.merge_variables(&dotenv, &prefix, ".env: ");
        tree.merge_variables(&self.environment, &prefix, "environment: ");
        tree
    }

    fn read_dotenv(&self, tree: &mut Tree) -> Vec<(String, String)> {
        let Some(path) = self.dotenv.as_ref().filter(|path| path.exists()) else {
            return Vec::new();
        };
        let mut variables = Vec::new();
        let lines = match dotenvy::from_path_iter(path) {
            Ok(lines) => lines,
            Err(error) => {
                tree.dotenv_problem(&error);
                return variables;
            }
        };
        for line in lines {
            match line {
                Ok(variable) => variables.push(variable),
                Err(error) => tree.dotenv_problem(&error),
            }
        }
        variables
    }
}

impl Tree {
    fn dotenv_problem(&mut self, error: &dotenvy::Error) {
        // The error's text would quote the line, which may hold a secret.
        let message = match error {
            dotenvy::Error::LineParse(_, at) => format!("a line cannot be parsed at column {at}"),
            dotenvy::Error::Io(error) => format!("cannot be read: {error}"),
            dotenvy::Error::EnvVar(_) | _ => "cannot be parsed".to_owned(),
        };
        self.problems
            .push(Problem::new("", message, Some(".env".to_owned())));
    }

    fn merge_file(&mut self, values: Dict, origin: &str) {
        note_origins(&values, "", origin, &mut self.origins);
        self.values = values;
    }

    fn merge_variables(&mut self, variables: &[(String, String)], prefix: &str, source: &str) {
        let mut seen = BTreeMap::new();
        for (name, value) in variables {
            let Some(key) = name.strip_prefix(prefix) else {
                continue;
            };
            let origin = format!("{source}{name}");
            let key = key.to_lowercase().replace("__", ".");
            let (key, value) = match key.strip_suffix("_file") {
                None => (key, value.clone()),
                Some(of_secret) => match fs::read_to_string(value) {
                    Ok(text) => (of_secret.to_owned(), text.trim_end().to_owned()),
                    Err(error) => {
                        let message = format!("its file {value:?} cannot be read: {error}");
                        self.problems
                            .push(Problem::new(of_secret, message, Some(origin)));
                        continue;
                    }
                },
            };
            if let Some(other) = seen.insert(key.clone(), origin.clone()) {
                let message = format!("is given twice, also by {other}");
                self.problems
                    .push(Problem::new(&key, message, Some(origin)));
                continue;
            }
            let path: Vec<&str> = key.split('.').collect();
            insert(&mut self.values, &path, Value::from(value));
            self.origins.insert(key, origin);
        }
    }
}

fn note_origins(values: &Dict, parent: &str, origin: &str, origins: &mut BTreeMap<String, String>) {
    for (key, value) in values {
        let path = match parent {
            "" => key.clone(),
            parent => format!("{parent}.{key}"),
        };
        if let Value::Dict(_, inner) = value {
            note_origins(inner, &path, origin, origins);
        }
        origins.insert(path, origin.to_owned());
    }
}

/// Puts a value at a path, making the tables on the way.
pub(super) fn insert(values: &mut Dict, path: &[&str], value: Value) {
    let Some((first, rest)) = path.split_first() else {
        return;
    };
    if rest.is_empty() {
        values.insert((*first).to_owned(), value);
        return;
    }
    let inner = values
        .entry((*first).to_owned())
        .or_insert_with(|| Value::from(Dict::new()));
    if !matches!(inner, Value::Dict(..)) {
        *inner = Value::from(Dict::new());
    }
    if let Value::Dict(_, inner) = inner {
        insert(inner, rest, value);
    }
}

/// Takes the value at a path away.
pub(super) fn remove(values: &mut Dict, path: &[&str]) -> Option<Value> {
    let (first, rest) = path.split_first()?;
    if rest.is_empty() {
        return values.remove(*first);
    }
    match values.get_mut(*first) {
        Some(Value::Dict(_, inner)) => remove(inner, rest),
        _ => None,
    }
}
