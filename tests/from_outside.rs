// SPDX-License-Identifier: MPL-2.0
//! The built plugin, loaded from its file by other programs: the README's launch lines as they stand there, Python.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The launch lines of a document's shell blocks.
fn lines(document: &str) -> Vec<String> {
    document
        .lines()
        .filter(|line| line.starts_with("gst-launch-1.0 "))
        .map(str::to_owned)
        .collect()
}

/// The folder with the plugin and the server of this build.
fn build_folder() -> PathBuf {
    let executable = std::env::current_exe().unwrap();
    executable.ancestors().nth(2).unwrap().to_owned()
}

fn built(name: &str) -> PathBuf {
    let path = build_folder().join(name);
    assert!(
        path.exists(),
        "{} is missing: run cargo build --workspace first",
        path.display()
    );
    path
}

#[test]
fn the_lines_that_send_and_receive_work_as_pasted() {
    built("libgstrswebrtc.so");
    let lines = lines(include_str!("../README.md"));
    let send = lines
        .iter()
        .find(|line| line.contains("webrtcsink name=ws meta="))
        .expect("a line that sends");
    let receive: Vec<_> = lines.iter().filter(|line| line.contains("ID")).collect();
    assert!(receive.len() >= 2, "lines that receive: {receive:?}");
    let output = isolated("pasted-lines.sh")
        .arg(built("gst-webrtc-signalling-server"))
        .arg(send)
        .args(&receive)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    let shown = String::from_utf8_lossy(&output.stdout);
    assert_eq!(
        shown
            .lines()
            .filter(|line| line.starts_with("pictures: "))
            .count(),
        receive.len(),
        "{shown}{text}"
    );
}

/// A script of `tests/interop` in a network of its own, with the plugin of this build.
fn isolated(script: &str) -> Command {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop");
    let mut command = Command::new(folder.join("isolated.sh"));
    command
        .arg(folder.join(script))
        .env("GST_PLUGIN_PATH", build_folder());
    command
}

/// The server's line comes before or after the client's; with the name of older documentation the client works as well.
#[cfg(all(feature = "whip", feature = "whep"))]
#[test]
fn the_lines_of_whip_and_whep_work_as_pasted() {
    built("libgstrswebrtc.so");
    let lines = lines(include_str!("../docs/whip-whep.md"));
    let line = |element: &str| {
        let found = lines.iter().find(|line| line.contains(element));
        found.unwrap_or_else(|| panic!("a line with {element}")).clone()
    };
    let old = line("whipclientsink").replace("whipclientsink", "whipwebrtcsink");
    for (port, server, client) in [
        ("8080", line("whipserversrc"), line("whipclientsink")),
        ("8080", line("whipserversrc"), old),
        ("9090", line("whepserversink"), line("whepclientsrc")),
    ] {
        let output = isolated("pasted-pair.sh")
            .args([port, &server, &client])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{text}");
    }
}

#[test]
fn a_signaller_can_be_written_in_python() {
    built("libgstrswebrtc.so");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/signaller.py");
    let output = Command::new(script)
        .env("GST_PLUGIN_PATH", build_folder())
        .output()
        .unwrap();
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("end session"), "the session's end is told: {text}");
}
