// SPDX-License-Identifier: MPL-2.0
//! `Retry-After` (RFC 9110, section 10.2.3) and how long to wait because of it. Pure; called from any thread.
//!
//! Waiting itself is the client's machine's. A server may ask for any time; both ends are bounded, as the field is text
//! from the network.

use std::time::{Duration, SystemTime};

/// Longest pause between two tries, whatever a server asks for: a stream that comes back is found within a minute.
const LONGEST: Duration = Duration::from_secs(60);
/// Shortest pause: a server that asks for none must not be flooded.
const SHORTEST: Duration = Duration::from_millis(500);

/// How long a `Retry-After` field asks to wait, given in seconds or as a date.
pub(crate) fn parse(field: &str, now: SystemTime) -> Option<Duration> {
    let field = field.trim();
    if let Ok(seconds) = field.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(field).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

/// The pause before try number `attempt` (0 is the first repetition): exponential back-off that starts at what the
/// server asked for (draft-ietf-wish-whep-03, section 4.2).
pub(crate) fn pause(asked: Duration, attempt: u32) -> Duration {
    let factor = 1u32 << attempt.min(16);
    asked.max(SHORTEST).saturating_mul(factor).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_dates_are_understood() {
        let now = httpdate::parse_http_date("Wed, 21 Oct 2015 07:28:00 GMT").unwrap();
        let cases = [
            ("0", Some(0)),
            (" 120 ", Some(120)),
            ("Wed, 21 Oct 2015 07:28:30 GMT", Some(30)),
            ("Wed, 21 Oct 2015 07:00:00 GMT", Some(0)),
            ("soon", None),
            ("-3", None),
            ("", None),
        ];
        for (field, seconds) in cases {
            assert_eq!(parse(field, now), seconds.map(Duration::from_secs), "{field}");
        }
    }

    #[test]
    fn pauses_double_up_to_a_minute() {
        let pauses: Vec<_> = (0..4)
            .map(|n| pause(Duration::from_secs(10), n).as_secs())
            .collect();
        assert_eq!(pauses, [10, 20, 40, 60]);
        assert_eq!(pause(Duration::MAX, u32::MAX), LONGEST);
        assert_eq!(pause(Duration::ZERO, 0), SHORTEST);
    }
}
