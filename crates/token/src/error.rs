//! Why a token is refused. No text here repeats a part of the token.

use thiserror::Error;

/// Why a token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TokenError {
    /// It is longer than 8 KB.
    #[error("the token is too long")]
    TooLarge,
    /// It is not three segments of base64url without padding, or one of them is empty.
    #[error("the token is not three segments of base64url without padding")]
    Malformed,
    /// Its header is no JSON object, or has a member of the wrong type.
    #[error("the token's header is malformed")]
    HeaderMalformed,
    /// Its header has a member that is not `alg`, `kid` or `typ`: a key of its own (`jwk`, `jku`,
    /// `x5u`, `x5c`), other rules (`crit`, `b64`, `zip`), anything.
    #[error("the token's header has a member that is not allowed")]
    HeaderRefused,
    /// Its header or its claims have a member twice.
    #[error("the token has a member twice")]
    DuplicateMember,
    /// Its `alg` is none of ours, or not the one of the key.
    #[error("the token's algorithm is refused")]
    AlgorithmRefused,
    /// It names no key.
    #[error("the token names no key")]
    KeyMissing,
    /// The key it names is not known, or not any more.
    #[error("the token's key is not known")]
    KeyUnknown,
    /// It is a token of another kind: an ID token is no access token.
    #[error("the token is of another type")]
    TypeWrong,
    /// The signature is not one of the key it names.
    #[error("the token's signature is wrong")]
    SignatureWrong,
    /// Its claims are no JSON object, or a claim has the wrong type, or one is missing that the
    /// reader needs.
    #[error("the token's claims are malformed")]
    ClaimsMalformed,
    /// A registered claim is missing.
    #[error("the token has no claim {0}")]
    ClaimMissing(&'static str),
    /// Another one has issued it.
    #[error("the token has another issuer")]
    IssuerWrong,
    /// It is meant for others.
    #[error("the token is meant for others")]
    AudienceWrong,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
    /// Its time has not come.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// It says that it comes from the future.
    #[error("the token was issued in the future")]
    IssuedInFuture,
    /// It lives longer than any token may, or ends before it begins.
    #[error("the token's lifetime is not allowed")]
    LifetimeRefused,
}

impl TokenError {
    /// The reason for programs.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::TooLarge => "TOKEN_TOO_LARGE",
            Self::Malformed => "TOKEN_MALFORMED",
            Self::HeaderMalformed => "TOKEN_HEADER_MALFORMED",
            Self::HeaderRefused => "TOKEN_HEADER_REFUSED",
            Self::DuplicateMember => "TOKEN_DUPLICATE_MEMBER",
            Self::AlgorithmRefused => "TOKEN_ALGORITHM_REFUSED",
            Self::KeyMissing => "TOKEN_KEY_MISSING",
            Self::KeyUnknown => "TOKEN_KEY_UNKNOWN",
            Self::TypeWrong => "TOKEN_TYPE_WRONG",
            Self::SignatureWrong => "TOKEN_SIGNATURE_WRONG",
            Self::ClaimsMalformed => "TOKEN_CLAIMS_MALFORMED",
            Self::ClaimMissing(_) => "TOKEN_CLAIM_MISSING",
            Self::IssuerWrong => "TOKEN_ISSUER_WRONG",
            Self::AudienceWrong => "TOKEN_AUDIENCE_WRONG",
            Self::Expired => "TOKEN_EXPIRED",
            Self::NotYetValid => "TOKEN_NOT_YET_VALID",
            Self::IssuedInFuture => "TOKEN_ISSUED_IN_FUTURE",
            Self::LifetimeRefused => "TOKEN_LIFETIME_REFUSED",
        }
    }
}
