// SPDX-License-Identifier: MPL-2.0
//! Encoders keep the bitrate they are told, also when the picture is the hardest there is.

use super::*;
use crate::codec::catalogue;

/// What `codec` puts out of noise, as a share of its target, over four seconds.
fn share_of_target(codec: Codec, factory: &str, kbps: u64) -> Option<f64> {
    gst::init().unwrap();
    let found = catalogue()
        .encoders(codec)
        .iter()
        .find(|found| found.name() == factory)
        .cloned();
    let Some(encoder) = found else {
        eprintln!("{factory} is not installed: not tried");
        return None;
    };
    let catalogue = Catalogue::scan().with_encoders(codec, vec![encoder]);
    let noise = "videotestsrc is-live=true pattern=snow ! video/x-raw,format=I420,width=320,height=240,framerate=30/1";
    let rig = Rig::with_catalogue(catalogue, noise);
    let viewer = rig.viewer("a", codec, kbps);
    // Counted at the input: encoders skip frames where nothing else helps.
    let fed = || rig.pushed.lock().unwrap().len();
    let start = fed();
    wait_for("five seconds of noise", || fed() >= start + 150);
    assert!(viewer.count() > 5, "{factory} puts out {} frames", viewer.count());
    let sent = average(&viewer.seen());
    eprintln!("{factory} told {kbps} kbit/s puts out {sent}");
    Some(sent.ratio(Bitrate::from_kbps(kbps)))
}

/// Over everything but the first second, which holds the key frame.
fn average(seen: &[Seen]) -> Bitrate {
    let start = seen[0].pts + gst::ClockTime::SECOND.nseconds();
    let rest: Vec<_> = seen.iter().filter(|seen| seen.pts >= start).collect();
    let duration = Duration::from_nanos(rest[rest.len() - 1].pts - rest[0].pts);
    let bits: usize = rest[1..].iter().map(|seen| seen.size * 8).sum();
    Bitrate::from_bps((bits as f64 / duration.as_secs_f64()) as u64)
}

#[test]
fn noise_stays_within_the_target() {
    for (codec, factory) in [
        (Codec::Vp8, "vp8enc"),
        (Codec::Vp9, "vp9enc"),
        (Codec::H264, "x264enc"),
        (Codec::H264, "openh264enc"),
    ] {
        if let Some(share) = share_of_target(codec, factory, 1000) {
            assert!(
                (0.3..1.3).contains(&share),
                "{factory}: {share:.2} times the target"
            );
        }
    }
}
