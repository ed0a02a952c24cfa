//! The header `Prefer: wait=N` (RFC 7240): how long an answer may wait for what it tells.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::HeaderValue;
use axum::http::header::HeaderMap;
use axum::http::request::Parts;
use utoipa::IntoParams;

use super::router::Shared;

/// The longest wait; a longer one is taken for this.
const WAIT_SECONDS_MAX: u64 = 60;

/// How long the caller would like to wait; not at all when it does not say, or says it malformed:
/// the RFC wants preferences ignored that are not understood.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, IntoParams)]
#[into_params(parameter_in = Header)]
pub(super) struct Prefer {
    /// `wait=N`: answer when the order is confirmed or will not be, but after N seconds at the
    /// latest (0 to 60, more is taken for 60).
    #[param(rename = "Prefer", required = false, value_type = String, example = "wait=10")]
    wait_seconds: Option<u64>,
}

impl Prefer {
    /// What the headers of a request prefer.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        read(headers)
    }

    /// How long to wait, if at all.
    pub(super) fn wait(self) -> Option<Duration> {
        self.wait_seconds.map(Duration::from_secs)
    }

    /// The value of `Preference-Applied`, for a wait that was granted.
    pub(super) fn applied(self) -> Option<HeaderValue> {
        let seconds = self.wait_seconds?;
        HeaderValue::try_from(format!("wait={seconds}")).ok()
    }
}

impl FromRequestParts<Shared> for Prefer {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &Shared) -> Result<Self, Infallible> {
        Ok(read(&parts.headers))
    }
}

/// The first preference of a name counts.
fn read(headers: &HeaderMap) -> Prefer {
    let lines = headers.get_all("prefer").iter();
    let preferences = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','));
    let mut waits = preferences.filter_map(|preference| {
        // Parameters of a preference stand behind a semicolon; `wait` has none.
        let (preference, _parameters) = preference.split_once(';').unwrap_or((preference, ""));
        let (name, value) = preference.split_once('=')?;
        name.trim().eq_ignore_ascii_case("wait").then_some(value)
    });
    Prefer {
        wait_seconds: waits.next().and_then(seconds),
    }
}

fn seconds(value: &str) -> Option<u64> {
    let digits = value.trim().trim_matches('"');
    let well_formed = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    // More digits than a number holds are more seconds than we wait.
    well_formed.then(|| {
        digits.parse().map_or(WAIT_SECONDS_MAX, |seconds: u64| {
            seconds.min(WAIT_SECONDS_MAX)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lines: &[&'static str]) -> Option<u64> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append("prefer", HeaderValue::from_static(line));
        }
        read(&headers).wait_seconds
    }

    #[test]
    fn a_wait_is_found_among_other_preferences() {
        assert_eq!(of(&["wait=5"]), Some(5));
        assert_eq!(of(&["respond-async, Wait = \"7\" ; x=y"]), Some(7));
        assert_eq!(of(&["handling=strict", "wait=0"]), Some(0));
    }

    #[test]
    fn the_first_wait_counts() {
        assert_eq!(of(&["wait=5, wait=6"]), Some(5));
        assert_eq!(of(&["wait=5", "wait=6"]), Some(5));
    }

    #[test]
    fn a_long_wait_is_cut() {
        assert_eq!(of(&["wait=61"]), Some(60));
        assert_eq!(of(&["wait=99999999999999999999999"]), Some(60));
    }

    #[test]
    fn what_is_malformed_counts_as_absent() {
        for line in [
            "wait", "wait=", "wait=-1", "wait=+1", "wait=1.5", "wait=x", "waits=3",
        ] {
            assert_eq!(of(&[line]), None, "{line:?}");
        }
    }
}
