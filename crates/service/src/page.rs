//! Keyset pages: `page_size` and the opaque `page_token` of list calls.
//!
//! A token holds the key of the last row seen, and a checksum over that key and the fingerprint
//! of the filter. It is no secret and grants nothing: whoever forges one only skips rows of the
//! tenant's own list. The checksum is there to refuse accidents clearly.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use tonic::{Code, Status};

use crate::error::{Failure, PLATFORM_DOMAIN};

/// The page size when the caller does not say (`page_size` 0).
pub const PAGE_SIZE_DEFAULT: u32 = 50;
/// The largest page; a larger wish is cut to it.
pub const PAGE_SIZE_MAX: u32 = 500;

/// The longest token that is looked at.
const TOKEN_LEN_MAX: usize = 2048;
const CHECKSUM_LEN: usize = 8;

/// Which page of a list is asked for; `K` is the key the list is ordered by.
#[derive(Debug, Clone)]
pub struct PageRequest<K> {
    /// How many rows the page has at most.
    pub size: u32,
    /// The key of the last row of the page before; `None` for the first page.
    pub after: Option<K>,
    filter: [u8; 32],
}

/// One page and the token of the next; an empty token is the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows of the page.
    pub items: Vec<T>,
    /// What to send as `page_token` for the next page.
    pub next_page_token: String,
}

impl<K: Serialize + DeserializeOwned> PageRequest<K> {
    /// Reads the paging fields of a request. `filter` is anything that is the same for the same
    /// filter and order, such as the encoded filter message.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT`, with reason `INVALID_FIELD` for a negative size and
    /// `PAGE_TOKEN_INVALID` for a token that was changed, cut or made for another filter.
    pub fn parse(page_size: i32, page_token: &str, filter: &[u8]) -> Result<Self, Status> {
        let size = u32::try_from(page_size).map_err(|_negative| {
            let message = "page_size must not be negative";
            Failure::new(
                Code::InvalidArgument,
                "INVALID_FIELD",
                PLATFORM_DOMAIN,
                message,
            )
            .field("page_size", "must not be negative")
        })?;
        let filter: [u8; 32] = Sha256::digest(filter).into();
        let after = match page_token {
            "" => None,
            token => Some(decode(token, &filter).ok_or_else(token_invalid)?),
        };
        let size = match size {
            0 => PAGE_SIZE_DEFAULT,
            wish => wish.min(PAGE_SIZE_MAX),
        };
        Ok(Self {
            size,
            after,
            filter,
        })
    }

    /// How many rows to ask the database for: one more than the page has tells whether there is
    /// another page.
    #[must_use]
    pub const fn limit(&self) -> i64 {
        self.size as i64 + 1
    }

    /// Makes the page out of the rows found with [`limit`](Self::limit).
    #[must_use]
    pub fn page<T>(&self, mut rows: Vec<T>, key: impl FnOnce(&T) -> K) -> Page<T> {
        let size = usize::try_from(self.size).unwrap_or(usize::MAX);
        if rows.len() > size {
            rows.truncate(size);
            return self.short(rows, key);
        }
        Page {
            items: rows,
            next_page_token: String::new(),
        }
    }

    /// A page that ends before it is full, because its rows took all the work that a page may take.
    /// What comes behind its last row, if anything does, is on the next.
    #[must_use]
    pub fn short<T>(&self, rows: Vec<T>, key: impl FnOnce(&T) -> K) -> Page<T> {
        let last = rows.last();
        let next_page_token = last.map_or_else(String::new, |row| encode(&key(row), &self.filter));
        Page {
            items: rows,
            next_page_token,
        }
    }
}

fn token_invalid() -> Failure {
    let message = "the page token does not belong to this list and filter; start again without";
    Failure::new(
        Code::InvalidArgument,
        "PAGE_TOKEN_INVALID",
        PLATFORM_DOMAIN,
        message,
    )
    .field(
        "page_token",
        "must be one that this list has returned for the same filter",
    )
}

fn checksum(key: &[u8], filter: &[u8; 32]) -> [u8; CHECKSUM_LEN] {
    let digest = Sha256::new()
        .chain_update(filter)
        .chain_update(key)
        .finalize();
    let mut checksum = [0; CHECKSUM_LEN];
    for (to, from) in checksum.iter_mut().zip(digest) {
        *to = from;
    }
    checksum
}

fn encode<K: Serialize>(key: &K, filter: &[u8; 32]) -> String {
    // A key is a small struct of plain values; if it cannot be written, the list ends early.
    let Ok(key) = serde_json::to_vec(key) else {
        return String::new();
    };
    let mut token = checksum(&key, filter).to_vec();
    token.extend_from_slice(&key);
    URL_SAFE_NO_PAD.encode(token)
}

fn decode<K: DeserializeOwned>(token: &str, filter: &[u8; 32]) -> Option<K> {
    if token.len() > TOKEN_LEN_MAX {
        return None;
    }
    let token = URL_SAFE_NO_PAD.decode(token).ok()?;
    let (found, key) = token.split_at_checked(CHECKSUM_LEN)?;
    (found == checksum(key, filter)).then(|| serde_json::from_slice(key).ok())?
}
