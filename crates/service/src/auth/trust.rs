//! Whom a server believes, and how far.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use arc_swap::ArcSwap;
use serde::Deserialize;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;
use tradepost_token::{Jwk, KeySet, Policy, TokenError, Verifier};

use super::caller::Caller;
use super::{LIFETIME, SKEW, TYP};
use crate::files::Files;

/// How many good signatures are remembered.
const SIGNATURES_MAX: u64 = 50_000;
/// The right in a trust file that stands for all.
const ALL: &str = "*";

/// The trust file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    issuers: Vec<Issuer>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Issuer {
    issuer: String,
    /// What the issuer's tokens may allow at most; `*` for anything.
    rights: Vec<String>,
    keys: Vec<Jwk>,
}

/// What an issuer may say at most.
enum Bound {
    All,
    These(HashSet<String>),
}

type Bounds = HashMap<String, Bound>;

/// Why a call is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disbelief {
    Token(TokenError),
    /// The issuer says what it may not say.
    BeyondBound,
}

/// The issuers a server believes.
pub(crate) struct Trust {
    files: Files,
    verifier: Verifier<Caller>,
    bounds: ArcSwap<Bounds>,
}

impl Trust {
    /// Reads the trust file of the service `audience`.
    pub(crate) fn load(path: &Path, audience: &str) -> anyhow::Result<Arc<Self>> {
        let files = Files::new([path]);
        let contents = files.read().context("the trust file cannot be read")?;
        let (keys, bounds) = parse(&contents)
            .with_context(|| format!("the trust file {} cannot be used", path.display()))?;
        let policy = Policy {
            // Every key is bound to its own issuer.
            issuer: String::new(),
            audience: audience.to_owned(),
            typ: TYP,
            lifetime_max: LIFETIME,
            skew: SKEW,
        };
        Ok(Arc::new(Self {
            files: files.seen(&contents),
            verifier: Verifier::new(policy, keys, SIGNATURES_MAX),
            bounds: ArcSwap::from_pointee(bounds),
        }))
    }

    /// Who is behind a token.
    pub(crate) fn believe(
        &self,
        token: &str,
        now: OffsetDateTime,
    ) -> Result<Arc<Caller>, Disbelief> {
        let caller = self.verifier.verify(token, now).map_err(Disbelief::Token)?;
        let within = match self.bounds.load().get(&caller.issuer) {
            Some(Bound::All) => true,
            Some(Bound::These(rights)) => caller.rights.iter().all(|right| rights.contains(right)),
            // Its keys are about to go.
            None => false,
        };
        if within {
            Ok(caller)
        } else {
            Err(Disbelief::BeyondBound)
        }
    }

    /// Follows the file until shutdown; what cannot be used changes nothing.
    pub(crate) async fn follow(self: Arc<Self>, poll: Duration, shutdown: CancellationToken) {
        self.files
            .clone()
            .follow("auth.trust", poll, shutdown, |contents| {
                let (keys, bounds) = parse(contents)?;
                self.bounds.store(Arc::new(bounds));
                self.verifier.replace_keys(keys);
                Ok(())
            })
            .await;
    }
}

fn parse(contents: &[Vec<u8>]) -> anyhow::Result<(KeySet, Bounds)> {
    let text = contents.first().map(Vec::as_slice).unwrap_or_default();
    let document: Document = serde_json::from_slice(text)?;
    let mut keys = Vec::new();
    let mut bounds = Bounds::new();
    for Issuer {
        issuer,
        rights,
        keys: of_issuer,
    } in document.issuers
    {
        anyhow::ensure!(!issuer.is_empty(), "an issuer has no name");
        let bound = if rights.iter().any(|right| right == ALL) {
            Bound::All
        } else {
            Bound::These(rights.into_iter().collect())
        };
        keys.extend(of_issuer.into_iter().map(|key| (issuer.clone(), key)));
        let twice = bounds.insert(issuer.clone(), bound);
        anyhow::ensure!(twice.is_none(), "the issuer {issuer:?} stands there twice");
    }
    anyhow::ensure!(!keys.is_empty(), "it has no key: nobody could call");
    Ok((KeySet::of_issuers(keys)?, bounds))
}
