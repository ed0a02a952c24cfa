//! One-time codes of RFC 6238, the codes that stand in for them, and how often one may guess.

use secrecy::{ExposeSecret, SecretString};
use time::{Duration, OffsetDateTime};
use totp_rs::{Algorithm, Builder, Secret, Totp};

/// How many bytes a secret has: 160 bits, as RFC 4226 recommends.
pub const SECRET_LEN: usize = 20;
/// How many digits a code has.
pub const DIGITS: u8 = 6;
/// How long a code is shown.
pub const STEP_SECONDS: u64 = 30;
/// How many steps a clock may be off, either way.
const SKEW: u16 = 1;
/// Who issues the secret, as an authenticator shows it.
pub const ISSUER: &str = "Tradepost";

/// The shared secret of one user.
#[derive(Debug)]
pub struct TotpSecret(Totp);

/// The number of a time step: codes bear it, and each works once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Step(i64);

impl Step {
    /// The form that tables hold.
    #[must_use]
    pub const fn number(self) -> i64 {
        self.0
    }

    /// Reads the form that tables hold.
    #[must_use]
    pub const fn from_number(number: i64) -> Self {
        Self(number)
    }
}

/// Why a code is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CodeFault {
    /// It is another one, or too old, or not a code at all.
    #[error("the code is wrong")]
    Wrong,
    /// It, or a later one, was used.
    #[error("the code was used")]
    Used,
}

impl TotpSecret {
    /// The secret of these bytes.
    #[must_use]
    pub fn new(bytes: [u8; SECRET_LEN]) -> Self {
        let builder = Builder::new()
            .with_algorithm(Algorithm::SHA1)
            .with_digits(DIGITS)
            .with_skew(SKEW)
            .with_step_duration(STEP_SECONDS)
            .with_secret(Secret::new_stack(bytes));
        // All of it is constant and compliant: there is nothing left for `build` to refuse.
        Self(builder.build_noncompliant())
    }

    /// The step a code belongs to, if it is right at `now` and later than the last that was used.
    ///
    /// # Errors
    /// [`CodeFault`].
    pub fn check(
        &self,
        code: &str,
        last: Option<Step>,
        now: OffsetDateTime,
    ) -> Result<Step, CodeFault> {
        let is_code = code.len() == usize::from(DIGITS) && code.bytes().all(|c| c.is_ascii_digit());
        let seconds = u64::try_from(now.unix_timestamp()).unwrap_or_default();
        let found = is_code.then(|| self.0.check(code, seconds)).flatten();
        let step = found.and_then(|step| i64::try_from(step).ok());
        let step = Step(step.ok_or(CodeFault::Wrong)?);
        match last {
            Some(last) if step <= last => Err(CodeFault::Used),
            Some(_) | None => Ok(step),
        }
    }

    /// The code of that moment: what the user's device shows.
    #[must_use]
    pub fn code(&self, now: OffsetDateTime) -> String {
        let seconds = u64::try_from(now.unix_timestamp()).unwrap_or_default();
        self.0.generate(seconds).to_string()
    }

    /// For typing it in.
    #[must_use]
    pub fn base32(&self) -> SecretString {
        self.0.secret().to_base32().into()
    }

    /// For scanning it: the URL that authenticators read, for an account of that name.
    #[must_use]
    pub fn otpauth_url(&self, account: &str) -> SecretString {
        let secret = self.base32();
        let secret = secret.expose_secret();
        let account = percent_encoded(account);
        format!(
            "otpauth://totp/{ISSUER}:{account}?secret={secret}&issuer={ISSUER}\
             &algorithm=SHA1&digits={DIGITS}&period={STEP_SECONDS}"
        )
        .into()
    }
}

/// Authenticators read `+` as itself, so a blank must be `%20`.
fn percent_encoded(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a text does not fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}

/// How many codes stand in for a lost device.
pub const RECOVERY_CODES: usize = 10;
/// How many bytes of randomness each has.
pub const RECOVERY_CODE_BYTES: usize = 10;
/// Crockford's base32: no letter looks like a digit.
const RECOVERY_ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const RECOVERY_GROUP: usize = 4;

/// A code that stands in for a lost device: `xxxx-xxxx-xxxx-xxxx`, 80 bits, good once.
#[derive(Debug, Clone)]
pub struct RecoveryCode(SecretString);

impl RecoveryCode {
    /// The code of these bytes.
    #[must_use]
    pub fn new(bytes: [u8; RECOVERY_CODE_BYTES]) -> Self {
        let mut wide = [0; 16];
        for (to, from) in wide.iter_mut().skip(16 - RECOVERY_CODE_BYTES).zip(bytes) {
            *to = from;
        }
        let bits = u128::from_be_bytes(wide);
        let letters = (0..16_u32).rev().map(|position| {
            let digit = ((bits >> (5 * position)) & 0x1f) as usize;
            char::from(*RECOVERY_ALPHABET.get(digit).unwrap_or(&b'0'))
        });
        Self(letters.collect::<String>().into())
    }

    /// Reads what a person wrote down and typed: case, blanks and dashes do not matter, nor which
    /// of `0` and `o`, `1`, `l` and `i` it is. `None` when it cannot be a code.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let letters = text.chars().filter(|letter| !" -".contains(*letter));
        let read: Option<String> = letters
            .map(|letter| match letter.to_ascii_lowercase() {
                'o' => Some('0'),
                'i' | 'l' => Some('1'),
                letter => u8::try_from(letter)
                    .ok()
                    .filter(|byte| RECOVERY_ALPHABET.contains(byte))
                    .map(char::from),
            })
            .collect();
        read.filter(|read| read.len() == 16)
            .map(|read| Self(read.into()))
    }

    /// What is hashed.
    #[must_use]
    pub fn canonical(&self) -> &[u8] {
        self.0.expose_secret().as_bytes()
    }

    /// In groups, to be shown once.
    #[must_use]
    pub fn render(&self) -> SecretString {
        let letters: Vec<char> = self.0.expose_secret().chars().collect();
        let groups = letters.chunks(RECOVERY_GROUP).map(String::from_iter);
        groups.collect::<Vec<_>>().join("-").into()
    }
}

/// How many wrong codes in a row cost nothing.
pub const FREE_FAILURES: i32 = 5;
const FIRST_PAUSE: Duration = Duration::seconds(30);
const PAUSE_MAX: Duration = Duration::minutes(15);

/// The guesses at one user's codes. Never a lock for good: that would be a way to lock others out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Guesses {
    /// How many in a row were not right. A guess counts before it is looked at, so that many at
    /// once are counted one by one.
    pub failures: i32,
    /// Until when no guess is looked at.
    pub paused_until: Option<OffsetDateTime>,
}

impl Guesses {
    /// Counts one more guess at `now`.
    ///
    /// # Errors
    /// How long there is to wait: the guess is not looked at.
    pub fn guess(self, now: OffsetDateTime) -> Result<Self, Duration> {
        if let Some(until) = self.paused_until
            && until > now
        {
            return Err(until - now);
        }
        let failures = self.failures.saturating_add(1);
        let beyond = failures - FREE_FAILURES;
        let paused_until = (beyond >= 0).then(|| {
            let doublings = u32::try_from(beyond).unwrap_or_default().min(10);
            let pause = FIRST_PAUSE * 2_i32.pow(doublings);
            now + pause.min(PAUSE_MAX)
        });
        Ok(Self {
            failures,
            paused_until,
        })
    }
}

#[cfg(test)]
mod tests;
