// SPDX-License-Identifier: MPL-2.0
//! The server as users start it: a process of its own, whose log is read.

use std::{
    io::{BufRead, BufReader, Read},
    net::{Ipv4Addr, SocketAddr},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::{Arc, Condvar, Mutex},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::DEADLINE;

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_gst-webrtc-signalling-server");

const LOG_VARIABLE: &str = "WEBRTCSINK_SIGNALLING_SERVER_LOG";

/// A running server; killed when dropped.
pub(crate) struct Process {
    child: Child,
    pub(crate) address: SocketAddr,
    log: Arc<Log>,
    reader: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Log {
    text: Mutex<String>,
    grown: Condvar,
}

impl Process {
    /// Starts the server on a port of its own and waits until it listens.
    pub(crate) fn start(arguments: &[&str], level: &str) -> Self {
        let mut command = Command::new(BINARY);
        command
            .args(["--host", "127.0.0.1", "--port", "0"])
            .args(arguments)
            .env(LOG_VARIABLE, level);
        Self::spawn(command)
    }

    /// Starts the server with a limit on its open files.
    pub(crate) fn start_with_files(files: usize) -> Self {
        let mut command = Command::new("sh");
        let script = format!("ulimit -n {files} && exec {BINARY} --host 127.0.0.1 --port 0");
        command.args(["-c", &script]).env(LOG_VARIABLE, "info");
        Self::spawn(command)
    }

    fn spawn(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let log = Arc::<Log>::default();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let sink = log.clone();
        let reader = thread::spawn(move || {
            let mut line = Vec::new();
            while stdout.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
                sink.text
                    .lock()
                    .unwrap()
                    .push_str(&String::from_utf8_lossy(&line));
                sink.grown.notify_all();
                line.clear();
            }
        });
        let unknown = (Ipv4Addr::LOCALHOST, 0).into();
        let mut process = Self {
            child,
            address: unknown,
            log,
            reader: Some(reader),
        };
        // From here on a failure kills the child.
        let line = process.wait_for("Listening on: ");
        process.address = line.rsplit(' ').next().unwrap().trim().parse().unwrap();
        process
    }

    /// Waits for a line that contains a text, and returns it.
    pub(crate) fn wait_for(&self, text: &str) -> String {
        self.log.wait_for(text)
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([&format!("-{name}"), &self.child.id().to_string()])
            .status();
        assert!(status.unwrap().success());
    }

    /// Waits for the end of the process. Returns its status and its whole log.
    pub(crate) fn wait(mut self) -> (ExitStatus, String) {
        let end = Instant::now() + DEADLINE;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < end, "the server does not end");
            thread::sleep(Duration::from_millis(20));
        };
        self.reader.take().unwrap().join().unwrap();
        let log = self.log.text.lock().unwrap().clone();
        (status, log)
    }

    /// How many files it has open.
    pub(crate) fn open_files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id()))
            .unwrap()
            .count()
    }

    /// How much memory it uses (proc(5), VmRSS).
    pub(crate) fn memory_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

impl Log {
    fn wait_for(&self, wanted: &str) -> String {
        let end = Instant::now() + DEADLINE;
        let mut text = self.text.lock().unwrap();
        loop {
            if let Some(line) = text.lines().find(|line| line.contains(wanted)) {
                return line.to_owned();
            }
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no {wanted:?} in:\n{text}");
            text = self.grown.wait_timeout(text, left).unwrap().0;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs the server with arguments that must make it end by itself.
pub(crate) fn run(arguments: &[&str]) -> Output {
    let mut child = Command::new(BINARY)
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let end = Instant::now() + DEADLINE;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > end {
            child.kill().unwrap();
            let mut log = String::new();
            child.stdout.take().unwrap().read_to_string(&mut log).unwrap();
            panic!("{arguments:?} does not end:\n{log}");
        }
        thread::sleep(Duration::from_millis(20));
    }
    child.wait_with_output().unwrap()
}
