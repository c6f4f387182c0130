//! Lines on standard output, and their durable copy in `metrics.jsonl`.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::base::hex;
use crate::config::{BACKEND, CONTRACT};
use crate::error::{Error, Result};

/// One line of either mode; see `docs/contracts.md`.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[allow(missing_docs)] // the contract describes each field
pub enum Event {
    Backend {
        contract: u32,
        name: &'static str,
        version: &'static str,
        can: &'static [&'static str],
        bases: &'static [&'static str],
        hardware: Hardware,
    },
    Start {
        parameters: usize,
        trainable: usize,
        examples: usize,
        resumed_from: u64,
        steps: u64,
        arithmetic: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        kernel: Option<&'static str>,
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

/// What is computed on.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Hardware {
    /// The processor.
    Cpu {
        /// Worker threads.
        threads: usize,
        /// The matrix-product rate of these threads, where it was measured.
        #[serde(skip_serializing_if = "Option::is_none")]
        matmul_peak_gflops: Option<f64>,
    },
}

impl Event {
    /// The first line, by which a process of either mode says what it is.
    pub fn backend(threads: usize, matmul_peak_gflops: Option<f64>) -> Self {
        Self::Backend {
            contract: CONTRACT,
            name: BACKEND,
            version: env!("CARGO_PKG_VERSION"),
            can: &["train", "decide", "full-parameter"],
            bases: &["gguf", "safetensors"],
            hardware: Hardware::Cpu { threads, matmul_peak_gflops },
        }
    }

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

/// How far the metrics have come: their first bytes, and the SHA-256 of those.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mark {
    bytes: u64,
    sha256: String,
}

/// `metrics.jsonl`, appended to over restarts.
pub struct Metrics {
    path: PathBuf,
    file: File,
    bytes: u64,
    digest: Sha256,
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
        let digest = Sha256::new().chain_update(&bytes[..whole]);
        Ok(Self { path: path.to_owned(), file, bytes: whole as u64, digest })
    }

    /// How far they have come; costs nothing that grows with them.
    pub fn mark(&self) -> Mark {
        Mark { bytes: self.bytes, sha256: hex(&self.digest.clone().finalize()) }
    }

    /// Whether the file begins with just the bytes that the mark was made of.
    pub fn begin_with(&self, mark: &Mark) -> Result<bool> {
        Ok(self.first(mark.bytes)?.is_some_and(|bytes| hex(&Sha256::digest(&bytes)) == mark.sha256))
    }

    /// Forgets what came after the first bytes: steps that are done again say their lines again.
    pub fn cut(&mut self, mark: &Mark) -> Result<()> {
        let bytes = self.first(mark.bytes)?.unwrap_or_default();
        self.file.set_len(bytes.len() as u64).map_err(Error::io("cut", &self.path))?;
        (self.bytes, self.digest) = (bytes.len() as u64, Sha256::new().chain_update(&bytes));
        Ok(())
    }

    fn first(&self, count: u64) -> Result<Option<Vec<u8>>> {
        let mut bytes = std::fs::read(&self.path).map_err(Error::io("read", &self.path))?;
        if (bytes.len() as u64) < count {
            return Ok(None);
        }
        bytes.truncate(count as usize);
        Ok(Some(bytes))
    }

    /// One line, to standard output and to the file.
    pub fn emit(&mut self, event: &Event) -> Result<()> {
        self.record(event)?;
        print(&event.line())
    }

    /// One line, to the file alone.
    pub fn record(&mut self, event: &Event) -> Result<()> {
        let line = format!("{}\n", event.line());
        self.file.write_all(line.as_bytes()).map_err(Error::io("write", &self.path))?;
        self.bytes += line.len() as u64;
        self.digest.update(&line);
        Ok(())
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
