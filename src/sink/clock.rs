// SPDX-License-Identifier: MPL-2.0
//! Which clock timestamps follow, as descriptions tell it (RFC 7273).
//!
//! Reading a clock's address is all that touches GStreamer; the texts and the offset are pure. Descriptions are
//! completed by `negotiate/describe`, payloaders set by `session/outlet`; here is only what to say of a clock.

use gst::prelude::*;

/// A clock as a receiver can follow it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sink) enum ClockSource {
    /// An NTP server.
    Ntp {
        /// Host name or address.
        address: String,
        /// UDP port.
        port: u16,
    },
    /// A PTP domain.
    Ptp {
        /// Identity of the grandmaster.
        grandmaster: u64,
        /// Number of the domain.
        domain: u8,
    },
    /// A clock nobody else has.
    Local,
}

impl ClockSource {
    /// What `clock` is.
    pub(in crate::sink) fn of(clock: &gst::Clock) -> Self {
        if let Some(ntp) = clock.downcast_ref::<gst_net::NtpClock>() {
            let address = ntp.property::<Option<String>>("address").unwrap_or_default();
            let port = u16::try_from(ntp.property::<i32>("port")).unwrap_or(NTP_PORT);
            return Self::Ntp { address, port };
        }
        if let Some(ptp) = clock.downcast_ref::<gst_net::PtpClock>() {
            let domain = u8::try_from(ptp.domain()).unwrap_or_default();
            return Self::Ptp {
                grandmaster: ptp.grandmaster_clock_id(),
                domain,
            };
        }
        Self::Local
    }

    /// Value of `a=ts-refclk` (section 4.8).
    pub(in crate::sink) fn reference(&self) -> String {
        match self {
            Self::Ntp {
                address,
                port: NTP_PORT,
            } => format!("ntp={address}"),
            Self::Ntp { address, port } => format!("ntp={address}:{port}"),
            Self::Ptp { grandmaster, domain } => {
                let bytes: Vec<_> = grandmaster
                    .to_be_bytes()
                    .iter()
                    .map(|byte| format!("{byte:02X}"))
                    .collect();
                let domain = if *domain == 0 {
                    String::new()
                } else {
                    format!(":{domain}")
                };
                format!("ptp=IEEE1588-2008:{}{domain}", bytes.join("-"))
            }
            Self::Local => "local".to_owned(),
        }
    }

    /// Value of `a=mediaclk` (section 5).
    pub(in crate::sink) fn media_clock(&self) -> &'static str {
        match self {
            Self::Local => "sender",
            _ => "direct=0",
        }
    }

    /// What a payloader adds to its timestamps so that they count from the clock's own zero; nothing for a clock that
    /// nobody else has.
    pub(in crate::sink) fn timestamp_offset(
        &self,
        base_time: gst::ClockTime,
        clock_rate: u32,
    ) -> Option<u32> {
        if *self == Self::Local {
            return None;
        }
        let ticks = (u128::from(base_time.nseconds()) * u128::from(clock_rate)).div_ceil(1_000_000_000);
        // RTP timestamps wrap (RFC 3550, section 5.1).
        Some((ticks % (1 << 32)) as u32)
    }
}

/// RFC 5905, section 7.2.
const NTP_PORT: u16 = 123;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_name_the_clock() {
        let cases = [
            (
                ClockSource::Ntp {
                    address: "ntp.example".into(),
                    port: 123,
                },
                "ntp=ntp.example",
                "direct=0",
            ),
            (
                ClockSource::Ntp {
                    address: "192.0.2.1".into(),
                    port: 1234,
                },
                "ntp=192.0.2.1:1234",
                "direct=0",
            ),
            (
                ClockSource::Ptp {
                    grandmaster: 0x0011_22ff_fe33_4455,
                    domain: 0,
                },
                "ptp=IEEE1588-2008:00-11-22-FF-FE-33-44-55",
                "direct=0",
            ),
            (
                ClockSource::Ptp {
                    grandmaster: 1,
                    domain: 3,
                },
                "ptp=IEEE1588-2008:00-00-00-00-00-00-00-01:3",
                "direct=0",
            ),
            (ClockSource::Local, "local", "sender"),
        ];
        for (source, reference, media_clock) in cases {
            assert_eq!(
                (source.reference().as_str(), source.media_clock()),
                (reference, media_clock)
            );
        }
    }

    #[test]
    fn offsets_count_from_the_clocks_zero_and_wrap() {
        let ntp = ClockSource::Ntp {
            address: "a".into(),
            port: 123,
        };
        let offset = |nanos| ntp.timestamp_offset(gst::ClockTime::from_nseconds(nanos), 90_000);
        assert_eq!(offset(0), Some(0));
        assert_eq!(offset(1), Some(1));
        assert_eq!(offset(1_000_000_000), Some(90_000));
        let wrapped = (3_900_000_000u128 * 90_000 % (1 << 32)) as u32;
        assert_eq!(offset(3_900_000_000 * 1_000_000_000), Some(wrapped));
    }

    #[test]
    fn a_local_clock_has_no_offset_to_share() {
        assert_eq!(
            ClockSource::Local.timestamp_offset(gst::ClockTime::SECOND, 90_000),
            None
        );
    }

    #[test]
    fn the_system_clock_is_local() {
        gst::init().unwrap();
        assert_eq!(ClockSource::of(&gst::SystemClock::obtain()), ClockSource::Local);
    }
}
