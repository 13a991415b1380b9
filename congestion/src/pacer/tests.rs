// SPDX-License-Identifier: MPL-2.0
//! The pacer in simulated time.

use super::*;

const RATE: Bitrate = Bitrate::from_kbps(1000);
const PACKET: DataSize = DataSize::from_bytes(1250);

fn at(ms: u64) -> Timestamp {
    Timestamp::from_millis(ms)
}

fn cluster(rate_kbps: u64, bytes: u64) -> ProbeCluster {
    let (rate, size) = (Bitrate::from_kbps(rate_kbps), DataSize::from_bytes(bytes));
    ProbeCluster {
        id: ProbeId(7),
        rate,
        size,
        min_packets: 5,
    }
}

/// Follows the pacer until `until`; returns when what was sent, with the sizes of padding.
fn drain(pacer: &mut Pacer<u32>, from: Timestamp, until: Timestamp) -> Vec<(Timestamp, Step<u32>)> {
    let (mut now, mut sent) = (from, Vec::new());
    while now <= until {
        match pacer.poll(now) {
            Step::Wait(next) => {
                assert!(next > now, "a wait must end later");
                now = next;
            }
            Step::Idle => break,
            step => sent.push((now, step)),
        }
    }
    sent
}

#[test]
fn an_empty_pacer_idles() {
    assert_eq!(Pacer::<u32>::new(RATE).poll(at(5)), Step::Idle);
}

#[test]
fn a_key_frame_is_spread_at_the_refill_rate() {
    let mut pacer = Pacer::new(RATE);
    for n in 0..50 {
        pacer.push(at(0), Class::Video, PACKET, n).unwrap();
    }
    let sent = drain(&mut pacer, at(0), at(2000));
    assert_eq!(sent.len(), 50);
    let took = sent.last().unwrap().0.millis_since(at(0));
    // 46 packets, after 40 ms of credit, of 10 ms each at the target, 1.05 times as fast.
    assert!((430.0..445.0).contains(&took), "{took}");
}

#[test]
fn audio_never_waits_and_retransmissions_go_before_video() {
    let mut pacer = Pacer::new(RATE);
    for n in 0..20 {
        pacer.push(at(0), Class::Video, PACKET, n).unwrap();
    }
    while matches!(pacer.poll(at(0)), Step::Send(..)) {}
    pacer.push(at(1), Class::Retransmission, PACKET, 100).unwrap();
    pacer
        .push(at(1), Class::Audio, DataSize::from_bytes(120), 200)
        .unwrap();
    assert_eq!(pacer.poll(at(1)), Step::Send(200, None));
    let sent = drain(&mut pacer, at(1), at(40));
    assert_eq!(sent[0].1, Step::Send(100, None));
}

#[test]
fn silence_saves_up_no_more_than_one_frame() {
    let mut pacer = Pacer::new(RATE);
    pacer.poll(at(0));
    for n in 0..20 {
        pacer.push(at(60_000), Class::Video, PACKET, n).unwrap();
    }
    let at_once = drain(&mut pacer, at(60_000), at(60_000)).len();
    assert_eq!(at_once, 4, "40 ms of credit");
}

#[test]
fn a_probe_sends_media_first_then_padding_at_its_rate() {
    let mut pacer = Pacer::new(RATE);
    pacer.push(at(0), Class::Video, PACKET, 1).unwrap();
    pacer.probe(cluster(2000, 3750));
    let sent = drain(&mut pacer, at(0), at(1000));
    assert_eq!(sent[0].1, Step::Send(1, Some(ProbeId(7))));
    assert!(
        sent[1..]
            .iter()
            .all(|(_, step)| matches!(step, Step::Pad(_, ProbeId(7))))
    );
    let took = sent.last().unwrap().0.millis_since(at(0));
    assert!(
        (12.0..16.0).contains(&took),
        "3750 bytes at 2 Mbit/s take 15 ms, took {took}"
    );
}

#[test]
fn a_probe_without_padding_ends() {
    let mut pacer = Pacer::<u32>::new(RATE);
    pacer.padding_unavailable();
    pacer.probe(cluster(2000, 3750));
    assert_eq!(pacer.poll(at(0)), Step::Idle);
}

/// Ten seconds of more pictures than leave, and probes, with a target that changes: what left when, and the targets.
fn flood(pace: Pace, rate: impl Fn(u64) -> Bitrate) -> Vec<(u64, u64)> {
    let (mut pacer, mut log) = (Pacer::new(rate(0)), Vec::new());
    for ms in 0..10_000 {
        pacer.set_rate(at(ms), rate(ms), pace);
        // Pictures pause for a second now and then, so that there is something to catch up with.
        if ms % 33 == 0 && ms / 1000 % 4 != 3 {
            // More than leaves: the queue overflows now and then.
            let _overflows = (0..8)
                .filter(|&n| pacer.push(at(ms), Class::Video, PACKET, n).is_err())
                .count();
        }
        if ms % 700 == 0 {
            pacer.probe(cluster(3000, 7500));
        }
        loop {
            match pacer.poll(at(ms)) {
                Step::Send(..) => log.push((ms, PACKET.bytes() * 8)),
                Step::Pad(size, _) => log.push((ms, size.bytes() * 8)),
                Step::Wait(_) | Step::Idle => break,
            }
        }
    }
    log
}

#[test]
fn any_second_carries_at_most_1_15_times_the_target() {
    let steady = |_| RATE;
    let jumping = |ms: u64| {
        if (ms / 400).is_multiple_of(3) {
            RATE * 4.0
        } else {
            RATE
        }
    };
    let cases: [(Pace, &dyn Fn(u64) -> Bitrate); 4] = [
        (Pace::Even, &steady),
        (Pace::Hasty, &steady),
        (Pace::Even, &jumping),
        (Pace::Hasty, &jumping),
    ];
    for (pace, rate) in cases {
        let (log, mut first, mut bits) = (flood(pace, rate), 0, 0);
        for &(end, size) in &log {
            bits += size;
            while end - log[first].0 >= 1000 {
                bits -= log[first].1;
                first += 1;
            }
            let allowed: u64 = (end..end + 1000)
                .map(|ms| rate(ms.saturating_sub(1000)).bps() / 1000)
                .sum();
            assert!(
                bits as f64 <= allowed as f64 * 1.15,
                "{bits} of {allowed} in the second to {end}, {pace:?}"
            );
        }
    }
}

#[test]
fn in_haste_a_key_frame_takes_its_time_at_two_and_a_half_times_the_target() {
    let mut pacer = Pacer::new(RATE);
    pacer.set_rate(at(0), RATE, Pace::Hasty);
    for n in 0..50 {
        pacer.push(at(0), Class::Video, PACKET, n).unwrap();
    }
    let sent = drain(&mut pacer, at(0), at(2000));
    let took = sent.last().unwrap().0.millis_since(at(0));
    // 46 packets, after 40 ms of credit, of 4 ms each.
    assert!((180.0..190.0).contains(&took), "{took}");
}

#[test]
fn haste_ends_when_the_second_is_used_up() {
    let mut pacer = Pacer::new(RATE);
    pacer.set_rate(at(0), RATE, Pace::Hasty);
    for n in 0..200 {
        pacer.push(at(0), Class::Video, PACKET, n).unwrap();
    }
    let sent = drain(&mut pacer, at(0), at(900));
    let kbit = sent.len() as u64 * PACKET.bytes() * 8 / 1000;
    assert!((1080..=1140).contains(&kbit), "{kbit} kbit");
}

#[test]
fn a_probe_after_a_raise_is_a_whole_one() {
    let mut pacer = Pacer::<u32>::new(RATE);
    pacer.poll(at(0));
    pacer.poll(at(5000));
    pacer.set_rate(at(5000), RATE * 3.0, Pace::Even);
    pacer.probe(cluster(6000, 15_000));
    let sent = drain(&mut pacer, at(5000), at(5100));
    let bytes = sent.iter().map(|(_, step)| match step {
        Step::Pad(size, _) => size.bytes(),
        _ => 0,
    });
    // The credit is still that of the old target.
    assert!(bytes.sum::<u64>() >= 15_000);
}

#[test]
fn stale_video_is_dropped_whole_and_audio_goes_on() {
    let mut pacer = Pacer::new(Bitrate::from_bps(1000));
    for n in 0..5 {
        pacer.push(at(0), Class::Video, PACKET, n).unwrap();
    }
    pacer.poll(at(0));
    assert_eq!(
        pacer.push(at(3500), Class::Video, PACKET, 9),
        Err(Overflow { packets: 6 })
    );
    assert_eq!(pacer.queued(), DataSize::ZERO);
    assert_eq!(pacer.push(at(3500), Class::Audio, PACKET, 10), Ok(()));
    assert_eq!(pacer.poll(at(3500)), Step::Send(10, None));
}

#[test]
fn a_stale_retransmission_is_forgotten() {
    let mut pacer = Pacer::new(RATE);
    pacer.push(at(0), Class::Retransmission, PACKET, 1).unwrap();
    pacer.push(at(400), Class::Retransmission, PACKET, 2).unwrap();
    assert_eq!(pacer.poll(at(600)), Step::Send(2, None));
    assert_eq!(pacer.queued(), DataSize::ZERO);
}

#[test]
fn a_zero_rate_waits_without_spinning() {
    let mut pacer = Pacer::new(Bitrate::ZERO);
    pacer.push(at(0), Class::Video, PACKET, 0).unwrap();
    let Step::Wait(until) = pacer.poll(at(0)) else {
        panic!("no wait")
    };
    assert!(until >= at(2900));
}

#[test]
fn waiting_is_the_age_of_the_oldest() {
    let mut pacer = Pacer::new(RATE);
    pacer.push(at(10), Class::Video, PACKET, 0).unwrap();
    pacer.push(at(20), Class::Retransmission, PACKET, 1).unwrap();
    assert_eq!(pacer.waiting(at(50)), Duration::from_millis(40));
    pacer.clear();
    assert_eq!(pacer.waiting(at(50)), Duration::ZERO);
}
