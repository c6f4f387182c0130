//! Lines on standard output, and their durable copy in `metrics.jsonl`.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::{Error, Result};

/// One line of either mode; see `docs/contracts.md`.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[allow(missing_docs)] // the contract describes each field
pub enum Event {
    Start {
        contract: u32,
        parameters: usize,
        trainable: usize,
        examples: usize,
        resumed_from: u64,
        steps: u64,
        threads: usize,
        matmul_peak_gflops: f64,
    },
    Step {
        step: u64,
        loss: f64,
        accuracy: f64,
        grad_norm: f64,
        lr: f64,
        tokens: u64,
        labels: u64,
        seconds: f64,
        tokens_per_second: f64,
    },
    Checkpoint {
        step: u64,
        path: String,
    },
    Done {
        step: u64,
        adapter: String,
        loss: f64,
        tokens: u64,
        seconds: f64,
        tokens_per_second: f64,
        matmul_share: f64,
        peak_rss_bytes: u64,
    },
    Ready {
        contract: u32,
        vocabulary: usize,
        context: usize,
        adapter: bool,
    },
    Error {
        code: &'static str,
        message: String,
        exit: u8,
    },
}

impl Event {
    /// The last line before a non-zero exit.
    pub fn error(error: &Error) -> Self {
        Self::Error { code: error.code(), message: error.to_string(), exit: error.exit() }
    }

    /// The line, without its newline.
    pub fn line(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|e| format!(r#"{{"event":"error","message":"{e}"}}"#))
    }
}

/// Writes a line to standard output at once.
pub fn print(line: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).map_err(Error::io("write to", "standard output"))
}

/// `metrics.jsonl`, appended to over restarts.
pub struct Metrics {
    path: PathBuf,
    file: File,
}

impl Metrics {
    /// Opens the file and drops a last line that a crash left unfinished.
    pub fn open(path: &Path) -> Result<Self> {
        let fail = || Error::io("open", path);
        let mut file = OpenOptions::new().create(true).append(true).read(true).open(path).map_err(fail())?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(fail())?;
        let whole = bytes.iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1);
        file.set_len(whole as u64).and_then(|()| file.seek(SeekFrom::End(0))).map_err(fail())?;
        Ok(Self { path: path.to_owned(), file })
    }

    /// One line, to standard output and to the file.
    pub fn emit(&mut self, event: &Event) -> Result<()> {
        self.record(event)?;
        print(&event.line())
    }

    /// One line, to the file alone.
    pub fn record(&mut self, event: &Event) -> Result<()> {
        self.file.write_all(format!("{}\n", event.line()).as_bytes()).map_err(Error::io("write", &self.path))
    }

    /// Makes what was written so far last through a power cut.
    pub fn sync(&self) -> Result<()> {
        self.file.sync_all().map_err(Error::io("flush", &self.path))
    }
}

/// The most memory that this process has had resident, in bytes; 0 where the system does not tell.
pub fn peak_rss_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|l| l.split_whitespace().next()?.parse::<u64>().ok()).map_or(0, |kib| kib * 1024)
}
