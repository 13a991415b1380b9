// SPDX-License-Identifier: MPL-2.0
//! The command line.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, bail};

/// What to serve, and how.
pub(crate) struct Arguments {
    /// Of a file or stream with audio and video.
    pub(crate) uri: String,
    pub(crate) does_fec: bool,
    pub(crate) does_retransmission: bool,
    pub(crate) controls_congestion: bool,
    /// Where statistics are served.
    pub(crate) listen: SocketAddr,
    /// Another signalling server than the one on this machine.
    pub(crate) signaller: Option<String>,
}

/// What the command line comes to.
pub(crate) enum Parsed {
    Run(Arguments),
    /// The user only asked something.
    Say(&'static str),
}

/// Reads the command line, without the program's name.
///
/// # Errors
/// When it is not what [`USAGE`] says.
pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Parsed> {
    let mut uri = None;
    let mut arguments = Arguments {
        uri: String::new(),
        does_fec: true,
        does_retransmission: true,
        controls_congestion: true,
        listen: SocketAddr::from(([127, 0, 0, 1], 8484)),
        signaller: None,
    };
    while let Some(word) = words.next() {
        match word.as_str() {
            "--help" => return Ok(Parsed::Say(USAGE)),
            "--version" => return Ok(Parsed::Say(env!("CARGO_PKG_VERSION"))),
            "--disable-fec" => arguments.does_fec = false,
            "--disable-retransmission" => arguments.does_retransmission = false,
            "--disable-congestion-control" => arguments.controls_congestion = false,
            "--listen" => arguments.listen = words.next().context("--listen needs an address")?.parse()?,
            "--signaller" => arguments.signaller = Some(words.next().context("--signaller needs a URI")?),
            option if option.starts_with('-') => bail!("unknown option {option}\n{USAGE}"),
            _ if uri.is_none() => uri = Some(word),
            _ => bail!("one URI is enough\n{USAGE}"),
        }
    }
    arguments.uri = uri.context(USAGE)?;
    Ok(Parsed::Run(arguments))
}

const USAGE: &str = "\
usage: webrtcsink-stats-server [OPTIONS] <URI>

  <URI>                         of a file or stream with audio and video

  --disable-fec                 no forward error correction
  --disable-retransmission      no retransmission
  --disable-congestion-control  bitrates stay as they are
  --listen <ADDRESS>            where statistics are served (127.0.0.1:8484)
  --signaller <URI>             signalling server (ws://127.0.0.1:8443)
  --help, --version";
