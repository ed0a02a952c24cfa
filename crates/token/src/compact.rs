//! The outer form of a token: three segments, and a header that says three things.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::error::TokenError;
use crate::strict_json::{self, Fault};

/// The longest name of a key; longer ones are not even looked up.
const KID_BYTES_MAX: usize = 128;

/// A token taken apart; nothing of it is verified.
pub(crate) struct Compact<'token> {
    /// What is signed: header and claims as they stand.
    pub(crate) message: &'token [u8],
    header: &'token str,
    claims: &'token str,
    /// As it stands in the token.
    pub(crate) signature: &'token str,
}

/// What a header says.
pub(crate) struct Header {
    pub(crate) alg: String,
    pub(crate) kid: String,
    pub(crate) typ: Option<String>,
}

impl<'token> Compact<'token> {
    pub(crate) fn split(token: &'token str) -> Result<Self, TokenError> {
        let (message, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let (header, claims) = message.split_once('.').ok_or(TokenError::Malformed)?;
        let whole = [header, claims, signature]
            .iter()
            .all(|segment| !segment.is_empty() && !segment.contains('.'));
        if !whole {
            return Err(TokenError::Malformed);
        }
        Ok(Self {
            message: message.as_bytes(),
            header,
            claims,
            signature,
        })
    }

    pub(crate) fn header(&self) -> Result<Header, TokenError> {
        let mut members =
            strict_json::object(&decode(self.header)?).map_err(|fault| match fault {
                Fault::Malformed => TokenError::HeaderMalformed,
                Fault::Duplicate => TokenError::DuplicateMember,
            })?;
        let mut take = |name| match members.remove(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(TokenError::HeaderMalformed),
        };
        let (alg, kid, typ) = (take("alg")?, take("kid")?, take("typ")?);
        if !members.is_empty() {
            return Err(TokenError::HeaderRefused);
        }
        let kid = kid.filter(|kid| !kid.is_empty());
        let kid = kid.ok_or(TokenError::KeyMissing)?;
        if kid.len() > KID_BYTES_MAX {
            return Err(TokenError::KeyUnknown);
        }
        let alg = alg.ok_or(TokenError::AlgorithmRefused)?;
        Ok(Header { alg, kid, typ })
    }

    pub(crate) fn claims(&self) -> Result<Vec<u8>, TokenError> {
        decode(self.claims)
    }
}

/// The decoder refuses padding, foreign characters and bits that say nothing: a segment has one
/// spelling.
fn decode(segment: &str) -> Result<Vec<u8>, TokenError> {
    URL_SAFE_NO_PAD
        .decode(segment)
        .map_err(|_spelling| TokenError::Malformed)
}
