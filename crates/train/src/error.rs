//! One error type for the crate; every variant has an exit code and a stable name (`docs/contracts.md`).

use std::path::PathBuf;

/// Whatever ends the process early.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The command line could not be understood.
    #[error("{0}")]
    Usage(String),
    /// The configuration is malformed or inconsistent.
    #[error("{path}: {message}", path = path.display())]
    Config {
        /// The configuration file.
        path: PathBuf,
        /// The field and what it should be.
        message: String,
    },
    /// The output folder belongs to a run of another configuration.
    #[error(
        "{output}: holds a run with another `{field}`; choose another `output`, or remove this folder to start again",
        output = output.display()
    )]
    OtherRun {
        /// The output folder.
        output: PathBuf,
        /// The first top-level field that differs.
        field: String,
    },
    /// The base model is missing, corrupt or of an unsupported kind.
    #[error("{path}: {message}", path = path.display())]
    Base {
        /// The model file.
        path: PathBuf,
        /// What is wrong and what to do.
        message: String,
    },
    /// The adapter is missing, corrupt, or made for another model.
    #[error("{path}: {message}", path = path.display())]
    Adapter {
        /// The adapter's folder or file.
        path: PathBuf,
        /// What is wrong and what to do.
        message: String,
    },
    /// A dataset is malformed.
    #[error("{path}: {message}", path = path.display())]
    Data {
        /// The dataset file.
        path: PathBuf,
        /// The row, what is wrong and what to do.
        message: String,
    },
    /// Examples cannot be made.
    #[error("stream: {0}")]
    Stream(String),
    /// The operating system refused.
    #[error("{path}: cannot {action}: {source}", path = path.display())]
    Io {
        /// What was being done, as a verb.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's own words.
        source: std::io::Error,
    },
    /// The loss or a gradient stopped being finite.
    #[error("step {step}: the {what} is not finite; lower `optimizer.lr`, or lengthen `optimizer.warmup_steps`")]
    NotFinite {
        /// The step, from 1.
        step: u64,
        /// `loss` or `gradient norm`.
        what: &'static str,
    },
    /// A signal asked the trainer to stop, and it has written its checkpoint.
    #[error("stopped by a signal after step {step}; run the same command again to go on from there")]
    Stopped {
        /// Steps done.
        step: u64,
    },
    /// A bug.
    #[error("internal error: {0}; this is a bug in tiresias-train, please report it")]
    Internal(String),
}

impl Error {
    /// The process's exit code.
    pub fn exit(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::Config { .. } | Self::OtherRun { .. } | Self::Stream(_) => 2,
            Self::Base { .. } => 3,
            Self::Adapter { .. } | Self::Data { .. } | Self::Io { .. } => 4,
            Self::NotFinite { .. } => 5,
            Self::Internal(_) => 70,
            Self::Stopped { .. } => 75,
        }
    }

    /// The stable name in the final `error` line.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Usage(_) => "USAGE",
            Self::Config { .. } => "CONFIG",
            Self::OtherRun { .. } => "OTHER_RUN",
            Self::Base { .. } => "BASE_MODEL",
            Self::Adapter { .. } => "ADAPTER",
            Self::Data { .. } => "DATA",
            Self::Stream(_) => "STREAM",
            Self::Io { .. } => "IO",
            Self::NotFinite { .. } => "NOT_FINITE",
            Self::Stopped { .. } => "STOPPED",
            Self::Internal(_) => "INTERNAL",
        }
    }

    /// For `map_err`: an I/O error with what was being done to which path.
    pub fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }
}

/// The crate's result.
pub type Result<T> = std::result::Result<T, Error>;
