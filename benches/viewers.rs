// SPDX-License-Identifier: MPL-2.0
//! What a further viewer costs the sink: CPU of the sink's process for 1, 4 and 16 consumers of 720p30 VP8, and of a
//! 1080p30 H.264 file of 2 Mbit/s that passes through encoded.
//!
//! The consumers run in a process of their own. Prints the share of a core, the encoders running, and the cost of each
//! further viewer as a share of the first. Run by `scripts/bench/viewers`; `raw` or `encoded` as argument runs one.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use gst::prelude::*;

const COUNTS: [usize; 3] = [1, 4, 16];
const SETTLE: Duration = Duration::from_secs(5);
const MEASURE: Duration = Duration::from_secs(10);
/// Joining, settling and measuring on a busy machine.
const FILE: Duration = Duration::from_secs(60);

fn main() -> Result<()> {
    gst::init()?;
    gstrswebrtc::plugin_register_static()?;
    let arguments: Vec<String> = std::env::args().collect();
    match &arguments[1..] {
        [mode, uri, count, ..] if mode == "consume" => consume(uri, count.parse()?),
        // Cargo adds an argument of its own.
        [mode, ..] if mode == "raw" => raw(),
        [mode, ..] if mode == "encoded" => encoded(),
        _ => raw().and_then(|()| encoded()),
    }
}

fn raw() -> Result<()> {
    println!("720p30 encoded to VP8 at 2 Mbit/s");
    measure(
        "video-caps=video/x-vp8 congestion-control=disabled max-bitrate=2000000",
        "videotestsrc is-live=true pattern=ball ! video/x-raw,width=1280,height=720,framerate=30/1",
    )
}

fn encoded() -> Result<()> {
    let file = std::env::temp_dir().join(format!("viewers-{}.mp4", std::process::id()));
    let outcome = make_file(&file).and_then(|()| {
        println!("1080p30 H.264 file of 2 Mbit/s, passed through");
        let source = format!("filesrc location=\"{}\" ! qtdemux ! h264parse", file.display());
        measure("", &source)
    });
    // Left behind, it is only a temporary file too many.
    let _ = std::fs::remove_file(&file);
    outcome
}

/// Encodes the file, long enough for one measurement.
fn make_file(path: &std::path::Path) -> Result<()> {
    let frames = 30 * FILE.as_secs();
    let line = format!(
        "videotestsrc pattern=ball num-buffers={frames} ! video/x-raw,format=I420,width=1920,height=1080,framerate=30/1 \
         ! x264enc speed-preset=ultrafast tune=zerolatency bitrate=2000 vbv-buf-capacity=200 key-int-max=60 \
         ! video/x-h264,profile=constrained-baseline ! h264parse ! mp4mux ! filesink location=\"{}\"",
        path.display()
    );
    let pipeline = gst::parse::launch(&line)?;
    pipeline.set_state(gst::State::Playing)?;
    let ends = [gst::MessageType::Eos, gst::MessageType::Error];
    let bus = pipeline.bus().context("a pipeline has a bus")?;
    let message = bus.timed_pop_filtered(gst::ClockTime::NONE, &ends);
    pipeline.set_state(gst::State::Null)?;
    let kind = message.map(|message| message.type_());
    anyhow::ensure!(kind == Some(gst::MessageType::Eos), "the file could not be made");
    Ok(())
}

/// The parent: serves `source` by a sink with these `properties`, and measures itself.
fn measure(properties: &str, source: &str) -> Result<()> {
    let mut first = None;
    for count in COUNTS {
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let line = format!(
            "webrtcsink name=sink run-signalling-server=true signalling-server-host=127.0.0.1 \
             signalling-server-port={port} stun-server=\"\" {properties} {source} ! sink."
        );
        let pipeline = gst::parse::launch(&line)?
            .downcast::<gst::Pipeline>()
            .expect("a launch line makes a pipeline");
        pipeline.set_state(gst::State::Playing)?;
        let sink = pipeline.by_name("sink").context("it is in the line")?;
        let uri = format!("ws://127.0.0.1:{port}?connect-to-first-producer=true");
        let mut consumers = Consumers::start(&uri, count)?;
        consumers.wait_ready()?;
        std::thread::sleep(SETTLE);
        let (share, encoders) = (cpu_share()?, encoders(&sink));
        let idle_and_first = *first.get_or_insert(share);
        let further = (count > 1).then(|| (share - idle_and_first) / (count - 1) as f64 / idle_and_first);
        println!(
            "{count:>3} viewers: {:>5.1} % of a core, {encoders} encoder(s){}",
            share * 100.0,
            further
                .map(|it| format!(", each further viewer {:.1} % of the first", it * 100.0))
                .unwrap_or_default()
        );
        drop(consumers);
        pipeline.set_state(gst::State::Null)?;
    }
    Ok(())
}

/// CPU time of this process per time, over [`MEASURE`].
fn cpu_share() -> Result<f64> {
    let (start, before) = (Instant::now(), cpu_seconds()?);
    std::thread::sleep(MEASURE);
    Ok((cpu_seconds()? - before) / start.elapsed().as_secs_f64())
}

/// User and system time of this process so far (proc(5): fields 14 and 15, in hundredths on Linux).
fn cpu_seconds() -> Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let ticks = fields[11].parse::<f64>()? + fields[12].parse::<f64>()?;
    Ok(ticks / 100.0)
}

/// How many encoders feed the consumers, by the sink's own statistics: branches that have one.
fn encoders(sink: &gst::Element) -> usize {
    let stats = sink.property::<gst::Structure>("stats");
    let sessions = stats
        .iter()
        .filter_map(|(_, session)| session.get::<gst::Structure>().ok());
    let consumers = sessions.filter_map(|session| session.get::<gst::Structure>("consumer-stats").ok());
    let streams = consumers.filter_map(|consumer| consumer.get::<gst::Array>("streams").ok());
    let branches = streams.flat_map(|streams| {
        let branch = |stream: &gst::glib::SendValue| {
            let stream = stream.get::<gst::Structure>().ok()?;
            stream
                .has_field("encoder")
                .then(|| stream.get::<String>("branch").ok())?
        };
        streams.iter().filter_map(branch).collect::<Vec<_>>()
    });
    branches.collect::<std::collections::BTreeSet<_>>().len()
}

/// The child process with the consumers.
struct Consumers(Child);

impl Consumers {
    fn start(uri: &str, count: usize) -> Result<Self> {
        let child = Command::new(std::env::current_exe()?)
            .args(["consume", uri, &count.to_string()])
            .stdout(Stdio::piped())
            .spawn()?;
        Ok(Self(child))
    }

    fn wait_ready(&mut self) -> Result<()> {
        let output = self.0.stdout.take().context("it is piped")?;
        let line = BufReader::new(output)
            .lines()
            .next()
            .context("the consumers gave up")??;
        anyhow::ensure!(line == "ready", "the consumers said {line}");
        Ok(())
    }
}

impl Drop for Consumers {
    fn drop(&mut self) {
        // Gone already is just as good.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The child: receives without decoding, says `ready` when every consumer gets packets, and stays until killed.
fn consume(uri: &str, count: usize) -> Result<()> {
    let pipelines = (0..count)
        .map(|_| {
            let line = format!(
                "webrtcsrc signaller::uri=\"{uri}\" stun-server=\"\" ! application/x-rtp ! fakesink name=end sync=false"
            );
            let pipeline = gst::parse::launch(&line)?.downcast::<gst::Pipeline>().expect("a launch line");
            pipeline.set_state(gst::State::Playing)?;
            Ok(pipeline)
        })
        .collect::<Result<Vec<_>>>()?;
    let is_receiving = |pipeline: &gst::Pipeline| {
        let last = pipeline
            .by_name("end")
            .map(|end| end.property::<Option<gst::Sample>>("last-sample"));
        last.flatten().is_some()
    };
    let deadline = Instant::now() + Duration::from_secs(60);
    while !pipelines.iter().all(is_receiving) {
        anyhow::ensure!(Instant::now() < deadline, "not every consumer receives");
        std::thread::sleep(Duration::from_millis(50));
    }
    println!("ready");
    std::thread::sleep(Duration::from_secs(600));
    Ok(())
}
