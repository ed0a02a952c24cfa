//! Authorization codes: good for a minute, for one client, once.

use time::OffsetDateTime;
use tradepost_types::ClientId;

use crate::domain::pkce::Challenge;

/// A code as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCode {
    /// For which client it was made.
    pub client: ClientId,
    /// Where the user was sent with it.
    pub redirect_uri: String,
    /// What the client has to show.
    pub challenge: Challenge,
    /// When it runs out.
    pub expires_at: OffsetDateTime,
    /// Whether it was used.
    pub is_used: bool,
}

/// What a client presents for a code.
#[derive(Debug, Clone)]
pub struct Redemption<'a> {
    /// The client.
    pub client: ClientId,
    /// Where it says the user was sent.
    pub redirect_uri: &'a str,
    /// What it shows.
    pub verifier: &'a str,
}

/// Why a code is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CodeFault {
    /// It was used: two have it, so what it gave is taken back.
    #[error("the code was used")]
    Used,
    /// It ran out.
    #[error("the code has expired")]
    Expired,
    /// It is another client's.
    #[error("the code was made for another client")]
    Client,
    /// It was sent to another place.
    #[error("the redirect URI is another one")]
    Redirect,
    /// The verifier does not meet the challenge.
    #[error("the verifier does not meet the challenge")]
    Verifier,
}

impl StoredCode {
    /// Whether it may be used now by who presents it.
    ///
    /// # Errors
    /// [`CodeFault`].
    pub fn check(&self, redemption: &Redemption<'_>, now: OffsetDateTime) -> Result<(), CodeFault> {
        if self.is_used {
            return Err(CodeFault::Used);
        }
        if self.expires_at <= now {
            return Err(CodeFault::Expired);
        }
        if self.client != redemption.client {
            return Err(CodeFault::Client);
        }
        if self.redirect_uri != redemption.redirect_uri {
            return Err(CodeFault::Redirect);
        }
        if !self.challenge.is_met_by(redemption.verifier) {
            return Err(CodeFault::Verifier);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use time::Duration;

    use super::*;

    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const PLACE: &str = "https://shop.example/callback";
    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    fn code(client: ClientId) -> StoredCode {
        let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
        StoredCode {
            client,
            redirect_uri: PLACE.to_owned(),
            challenge: Challenge::parse(Some(challenge), Some("S256")).unwrap(),
            expires_at: NOW + Duration::seconds(60),
            is_used: false,
        }
    }

    #[test]
    fn a_code_is_for_one_client_one_place_one_verifier_and_one_minute() {
        let client = ClientId::new();
        let good = Redemption {
            client,
            redirect_uri: PLACE,
            verifier: VERIFIER,
        };
        let later = NOW + Duration::seconds(60);
        let other_client = Redemption {
            client: ClientId::new(),
            ..good.clone()
        };
        let elsewhere = Redemption {
            redirect_uri: "https://shop.example/callback/",
            ..good.clone()
        };
        let unproved = Redemption {
            verifier: "",
            ..good.clone()
        };

        assert_eq!(code(client).check(&good, NOW), Ok(()));
        assert_eq!(code(client).check(&good, later), Err(CodeFault::Expired));
        assert_eq!(
            code(client).check(&other_client, NOW),
            Err(CodeFault::Client)
        );
        assert_eq!(
            code(client).check(&elsewhere, NOW),
            Err(CodeFault::Redirect)
        );
        assert_eq!(code(client).check(&unproved, NOW), Err(CodeFault::Verifier));
    }

    #[test]
    fn a_used_code_says_so_whoever_presents_it_and_whenever() {
        let used = StoredCode {
            is_used: true,
            ..code(ClientId::new())
        };
        let stranger = Redemption {
            client: ClientId::new(),
            redirect_uri: "",
            verifier: "",
        };

        let later = NOW + Duration::DAY;
        assert_eq!(used.check(&stranger, later), Err(CodeFault::Used));
    }
}
