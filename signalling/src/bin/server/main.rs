// SPDX-License-Identifier: MPL-2.0
//! `gst-webrtc-signalling-server`: arguments to configuration to server, and nothing more.

use std::{io::IsTerminal, process::ExitCode};

use anyhow::Context;
use clap::Parser;
use gst_plugin_webrtc_signalling::Server;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use args::Args;

mod args;

#[tokio::main]
async fn main() -> ExitCode {
    start_logging();
    match run(Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gst-webrtc-signalling-server: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Serves until SIGINT or SIGTERM.
async fn run(args: Args) -> anyhow::Result<()> {
    let mut interrupted = signal(SignalKind::interrupt()).context("cannot catch SIGINT")?;
    let mut terminated = signal(SignalKind::terminate()).context("cannot catch SIGTERM")?;
    let server = Server::bind(args.into_config()?).await?;
    let shutdown = async {
        tokio::select! {
            _ = interrupted.recv() => {}
            _ = terminated.recv() => {}
        }
    };
    server.serve(shutdown).await;
    Ok(())
}

/// Logs to standard output as [`LOG_VARIABLE`] asks, at level info if it is not set or not valid.
fn start_logging() {
    let filter = EnvFilter::try_from_env(LOG_VARIABLE).unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stdout().is_terminal())
        .init();
}

const LOG_VARIABLE: &str = "WEBRTCSINK_SIGNALLING_SERVER_LOG";
