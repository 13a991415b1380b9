// SPDX-License-Identifier: MPL-2.0
//! What is measured: links, ways of congestion control and consumers.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use testkit::link::Plan;

use super::figures::Figures;
use super::plot;
use super::run::{Receiver, Run, run};
use super::viewer;

/// One measurement.
pub(crate) struct Case {
    /// What it is chosen by, and called in files.
    pub(crate) name: &'static str,
    /// `congestion-control` of the sink.
    pub(crate) control: &'static str,
    /// What carries media.
    pub(crate) forward: Plan,
    /// What carries reports back.
    pub(crate) backward: Plan,
    pub(crate) length: Duration,
    pub(crate) receiver: Receiver,
    /// `video-caps` of the sink.
    pub(crate) codec: &'static str,
}

impl Case {
    /// Runs it, prints its figures and draws it. Says aloud where the consumer is not installed.
    pub(crate) fn measure(&self) -> Result<()> {
        if self.receiver == Receiver::Chromium && !viewer::is_installed() {
            println!(
                "{:24} NOT RUN: Chromium or the packages of tests/interop are missing",
                self.name
            );
            return Ok(());
        }
        let run = run(self)?;
        println!("{:24} {}", self.name, Figures::of(self, &run));
        self.draw(&run)
    }

    fn draw(&self, run: &Run) -> Result<()> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/congestion");
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join(format!("{}.svg", self.name)), plot::svg(self, run))?;
        Ok(())
    }

    fn with(self, name: &'static str, control: &'static str, receiver: Receiver) -> Self {
        Self {
            name,
            control,
            receiver,
            ..self
        }
    }
}

/// Every case, in the order of printing.
pub(crate) fn all() -> Vec<Case> {
    use Receiver::{Chromium, Webrtcbin};
    let mut h264 = lossy(25).with("loss-50ms-h264-chromium", "gcc", Chromium);
    h264.codec = "video/x-h264";
    vec![
        variable_capacity().with("5.1-gcc", "gcc", Webrtcbin),
        variable_capacity().with("5.1-homegrown", "homegrown", Webrtcbin),
        variable_capacity().with("5.1-disabled", "disabled", Webrtcbin),
        variable_capacity().with("5.1-chromium", "gcc", Chromium),
        lossy(25).with("loss-50ms-chromium", "gcc", Chromium),
        h264,
        lossy(120).with("loss-240ms-chromium", "gcc", Chromium),
    ]
}

/// RFC 8867, section 5.1.
fn variable_capacity() -> Case {
    Case {
        name: "",
        control: "",
        forward: Plan::variable_capacity(),
        backward: Plan::clear(Duration::from_millis(50)),
        length: Duration::from_secs(100),
        receiver: Receiver::Webrtcbin,
        codec: "video/x-vp8",
    }
}

/// 5 % of random loss on 2 Mbit/s, `one_way_ms` each way.
fn lossy(one_way_ms: u64) -> Case {
    let delay = Duration::from_millis(one_way_ms);
    Case {
        forward: Plan::bottleneck(2_000_000, delay, Duration::from_millis(300)).losing(0.05),
        backward: Plan::clear(delay),
        length: Duration::from_secs(50),
        ..variable_capacity()
    }
}
