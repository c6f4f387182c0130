//! `tiresias-train`: the candle trainer and decision server (`docs/contracts.md`).

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tiresias_train::config::{DecideConfig, TrainConfig};
use tiresias_train::error::{Error, Result};
use tiresias_train::events::{self, Event};
use tiresias_train::{serve, train};

/// The candle trainer and decision server of Tiresias.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    mode: Mode,
}

#[derive(Subcommand)]
enum Mode {
    /// Train a low-rank adapter over a 4-bit base; resumes what an earlier run of the same configuration left.
    Train {
        /// A JSON configuration.
        #[arg(long)]
        config: PathBuf,
    },
    /// Answer decision requests, a JSON line each, from standard input.
    Decide {
        /// A JSON configuration.
        #[arg(long)]
        config: PathBuf,
    },
}

fn main() -> ExitCode {
    let result = std::panic::catch_unwind(run)
        .unwrap_or_else(|_| Err(Error::Internal("a panic, described on standard error above".into())));
    let Err(error) = result else { return ExitCode::SUCCESS };
    eprintln!("tiresias-train: {error}");
    // If standard output itself is gone there is nobody left to tell.
    let _ = events::print(&Event::error(&error).line());
    ExitCode::from(error.exit())
}

fn run() -> Result<()> {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(e) if !e.use_stderr() => {
            return e.print().map_err(Error::io("write to", "standard output"));
        }
        Err(e) => return Err(Error::Usage(e.to_string())),
    };
    match cli.mode {
        Mode::Train { config } => train::run(&TrainConfig::load(&config)?),
        Mode::Decide { config } => serve::run(&DecideConfig::load(&config)?, std::io::stdin().lock()),
    }
}
