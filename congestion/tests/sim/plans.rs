// SPDX-License-Identifier: MPL-2.0
//! The test cases of RFC 8867, sections 5.1 to 5.8, as plans.

use std::time::Duration;

use congestion::units::Bitrate;

use super::flow::FlowPlan;
use super::link::LinkPlan;
use super::world::{Plan, TcpKind, TcpPlan};

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn plan(duration: u64, forward: LinkPlan, flows: Vec<FlowPlan>) -> Plan {
    let jitter = Duration::from_millis(30);
    let backward = LinkPlan {
        jitter,
        ..LinkPlan::constant(Bitrate::from_kbps(20_000))
    };
    Plan {
        duration: seconds(duration),
        forward: LinkPlan { jitter, ..forward },
        backward,
        flows,
        tcp: Vec::new(),
    }
}

/// 5.1: one flow, a capacity that varies.
pub fn variable_capacity() -> Plan {
    let link = LinkPlan::steps(&[(0, 1000), (40, 2500), (60, 600), (80, 1000)]);
    plan(100, link, vec![FlowPlan::new()])
}

/// 5.2: two flows, a capacity that varies.
pub fn variable_capacity_two_flows() -> Plan {
    let link = LinkPlan::steps(&[(0, 4000), (25, 2000), (50, 3500), (75, 1000), (100, 2000)]);
    plan(125, link, vec![FlowPlan::new(), FlowPlan::new()])
}

/// 5.3: media in both directions, so that feedback meets a queue.
pub fn congested_feedback() -> Plan {
    let forward = LinkPlan::steps(&[(0, 2000), (20, 1000), (40, 500), (60, 2000)]);
    let backward = LinkPlan::steps(&[(0, 2000), (35, 800), (70, 2000)]);
    let jitter = Duration::from_millis(30);
    let flows = vec![
        FlowPlan::new(),
        FlowPlan {
            backward: true,
            ..FlowPlan::new()
        },
    ];
    Plan {
        backward: LinkPlan { jitter, ..backward },
        ..plan(100, forward, flows)
    }
}

/// 5.4: three flows that start one after the other.
pub fn competing_flows() -> Plan {
    let flow = |start| FlowPlan {
        start: seconds(start),
        ..FlowPlan::new()
    };
    plan(
        120,
        LinkPlan::constant(Bitrate::from_kbps(3500)),
        vec![flow(0), flow(20), flow(40)],
    )
}

/// 5.5: five flows of different round trips.
pub fn round_trip_fairness() -> Plan {
    let flow = |(n, ms): (u64, u64)| FlowPlan {
        start: seconds(10 * n),
        delay: Duration::from_millis(ms),
        ..FlowPlan::new()
    };
    let flows = [10, 25, 50, 100, 150]
        .into_iter()
        .enumerate()
        .map(|(n, ms)| flow((n as u64, ms)));
    plan(300, LinkPlan::constant(Bitrate::from_kbps(4000)), flows.collect())
}

/// 5.6: beside a TCP connection that lasts.
pub fn long_tcp() -> Plan {
    let tcp = TcpPlan {
        start: seconds(20),
        stop: seconds(120),
        delay: Duration::from_millis(50),
        kind: TcpKind::Long,
    };
    Plan {
        tcp: vec![tcp],
        ..plan(
            120,
            LinkPlan::constant(Bitrate::from_kbps(2000)),
            vec![FlowPlan::new()],
        )
    }
}

/// 5.7: two flows beside ten TCP connections that come and go.
pub fn short_tcp() -> Plan {
    let tcp = |n: u64| TcpPlan {
        start: seconds(if n < 2 { 0 } else { 3 * n }),
        stop: seconds(300),
        delay: Duration::from_millis(50),
        kind: TcpKind::Short {
            mean_pause: seconds(10),
        },
    };
    let flows = vec![FlowPlan::new(), FlowPlan::new()];
    Plan {
        tcp: (0..10).map(tcp).collect(),
        ..plan(300, LinkPlan::constant(Bitrate::from_kbps(2000)), flows)
    }
}

/// 5.8: three flows, one of which pauses.
pub fn pause_and_resume() -> Plan {
    let paused = FlowPlan {
        pause: Some((seconds(40), seconds(60))),
        ..FlowPlan::new()
    };
    let flows = vec![paused, FlowPlan::new(), FlowPlan::new()];
    plan(120, LinkPlan::constant(Bitrate::from_kbps(3500)), flows)
}

/// Random loss on a link that is otherwise wide enough.
pub fn random_loss(loss_ratio: f64, one_way: Duration) -> Plan {
    let link = LinkPlan {
        loss_ratio,
        ..LinkPlan::constant(Bitrate::from_kbps(4000))
    };
    plan(
        60,
        link,
        vec![FlowPlan {
            delay: one_way,
            ..FlowPlan::new()
        }],
    )
}
