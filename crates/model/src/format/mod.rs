//! Model files: which formats there are, and reading and writing them.
//!
//! | format | usual suffixes | |
//! | --- | --- | --- |
//! | [`Format::Pomdp`] | `.pomdp`, `.mdp`, in any case | the text format of pomdp-solve |
//! | [`Format::Pomdpx`] | `.pomdpx` | the XML format of APPL: factored, some state variables observed |
//! | [`Format::Json`] | `.json` | this project's own, see `docs/model-format.md` |
//!
//! The explicit DRN format of Storm is read by [`read_drn`]: its models have no discount and are none of ours, but [`Explicit`].
//!
//! [`Model::from_file`] takes a path, [`read`] a text. What is wrong with a text comes back as a [`Diagnostic`]: file, line,
//! column, the text under a caret and what was expected there; one message per cause.

mod diagnostic;
mod drn;
mod json;
mod pomdp;
mod pomdpx;
mod rewards;
mod sheet;
pub mod xml;

use std::borrow::Cow;
use std::path::Path;

use thiserror::Error;
use tiresias_text::Unmarked;

pub use self::diagnostic::{Diagnostic, Severity};
use self::diagnostic::{Fault, Source};
pub(crate) use self::json::noticed;
use crate::{Explicit, Model, ModelBuilder, ModelError};

/// A format of model files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The text format of pomdp-solve, `.pomdp`, MDP files included.
    Pomdp,
    /// The XML format of APPL, `.pomdpx`.
    Pomdpx,
    /// `tiresias.model/1`.
    Json,
}

impl Format {
    /// By how the text begins: `<`, `{`, or a statement of a `.pomdp` text after its comments. Where that leaves it open, by the
    /// suffix of the name, and a `.pomdp` text without one.
    pub fn of(name: &str, text: &[u8]) -> Self {
        let text = text.unmarked().trim_ascii_start();
        match text.first() {
            Some(b'{') => Self::Json,
            Some(b'<') => Self::Pomdpx,
            _ if pomdp::begins(text) => Self::Pomdp,
            _ => {
                let suffix = Path::new(name).extension().map(std::ffi::OsStr::to_ascii_lowercase);
                match suffix.as_ref().and_then(|suffix| suffix.to_str()) {
                    Some("pomdpx") => Self::Pomdpx,
                    Some("json") => Self::Json,
                    _ => Self::Pomdp,
                }
            }
        }
    }
}

/// What a file leaves open.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadOptions {
    /// Number of decisions, in place of what the file says; a `.pomdp` or POMDPX file says nothing. A discount of 1 needs one.
    pub horizon: Option<usize>,
    /// The format, where it is known; found by [`Format::of`] otherwise.
    pub format: Option<Format>,
}

/// A model and what was repaired to get it.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The model. Its name is the file's, without folder and suffix, unless the file says another.
    pub model: Model,
    /// The format it was in.
    pub format: Format,
    /// Repairs of rounding, and what a format says that the model cannot hold.
    pub warnings: Vec<Diagnostic>,
}

/// Why a file gives no model.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum FormatError {
    /// The file could not be read.
    #[error("{path}: {reason}")]
    Unreadable {
        /// The path as it was given.
        path: String,
        /// The operating system's words.
        reason: String,
    },
    /// The text is wrong at one place.
    #[error("{0}")]
    Text(Box<Diagnostic>),
    /// The text is well formed, the model in it is not.
    #[error("{file}: {error}")]
    Model {
        /// The file's name.
        file: String,
        /// What is wrong with the model.
        error: ModelError,
    },
    /// A file, or a folder of them, is none that a family of models can be made of.
    #[error("{path}: {problem}")]
    Family {
        /// The file or the folder.
        path: String,
        /// Why not.
        problem: String,
    },
}

/// Reads a text in the format that [`Format::of`] finds. `name` is the file's, for messages.
///
/// # Examples
///
/// ```
/// let text = "discount: 0.9\nstates: 2\nactions: stay\nT: stay identity\nR: stay : 1 : * 3";
/// let loaded = tiresias_model::format::read("two.mdp", text.as_bytes(), &Default::default()).unwrap();
/// assert_eq!(loaded.model.expected_reward(0), [0.0, 3.0]);
/// let error = tiresias_model::format::read("two.mdp", b"discount: 2", &Default::default()).unwrap_err();
/// assert!(error.to_string().contains("two.mdp:1:11"));
/// ```
pub fn read(name: &str, text: &[u8], options: &ReadOptions) -> Result<Loaded, FormatError> {
    let text = text.unmarked();
    let source = Source { file: name, text };
    if let Some(kind) = not_a_text(text) {
        return Err(source.located(Fault::new(0..0, format!("this is {kind}"), "expected a text in UTF-8")));
    }
    if options.format.is_none() && drn::begins(text) {
        let message = "this is a DRN file, whose model has no discount: it takes an objective";
        let fault = Fault::new(0..0, message, "DRN")
            .note("such as `tiresias solve FILE --objective 'Pmax=? [F \"goal\"]'`; the other commands do not read it");
        return Err(source.located(fault));
    }
    let format = options.format.unwrap_or_else(|| Format::of(name, text));
    let (mut builder, warnings) = match format {
        Format::Pomdp => located(&source, pomdp::read(&source, options))?,
        Format::Pomdpx => {
            let text = decoded(text);
            let source = Source { file: name, text: text.as_bytes() };
            located(&source, pomdpx::read(&text, options))?
        }
        Format::Json => located(&source, json::read(&source, options))?,
    };
    if builder.name.is_empty() {
        builder.name = Path::new(name).file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    }
    let model = builder.build().map_err(|error| match json::refused(text, &error) {
        Some(fault) if format == Format::Json => source.located(fault),
        _ => FormatError::Model { file: name.into(), error },
    })?;
    Ok(Loaded { model, format, warnings })
}

/// Whether a text is one for [`read_drn`].
pub fn is_drn(text: &[u8]) -> bool {
    drn::begins(text.unmarked())
}

/// Reads a text in the explicit DRN format of Storm: an MDP or a POMDP without a discount, and what was repaired to get it. `name` is
/// the file's, for messages.
///
/// # Examples
///
/// ```
/// let text = "@type: MDP\n@nr_states\n2\n@model\nstate 0 init\n\taction a\n\t\t0 : 0.5\n\t\t1 : 0.5\nstate 1 goal\n\taction a\n\t\t1 : 1\n";
/// let (model, warnings) = tiresias_model::format::read_drn("coin.drn", text.as_bytes()).unwrap();
/// assert_eq!((model.states(), model.labelled("goal"), warnings.len()), (2, Some(&[1][..]), 0));
/// ```
pub fn read_drn(name: &str, text: &[u8]) -> Result<(Explicit, Vec<Diagnostic>), FormatError> {
    let text = text.unmarked();
    let source = Source { file: name, text };
    if let Some(kind) = not_a_text(text) {
        return Err(source.located(Fault::new(0..0, format!("this is {kind}"), "expected a text in UTF-8")));
    }
    let (mut model, faults) = drn::read(&source).map_err(|fault| source.located(fault))?;
    model.name = Path::new(name).file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    Ok((model, faults.into_iter().map(|fault| source.warning(fault)).collect()))
}

/// What a file is that is certainly no text of ours, by its first bytes.
fn not_a_text(bytes: &[u8]) -> Option<&'static str> {
    const KINDS: [(&[u8], &str); 8] = [
        (b"\x1f\x8b", "a file packed with gzip; unpack it first"),
        (b"\xfd7zXZ", "a file packed with xz; unpack it first"),
        (b"\x28\xb5\x2f\xfd", "a file packed with zstd; unpack it first"),
        (b"BZh", "a file packed with bzip2; unpack it first"),
        (b"PK\x03\x04", "a zip archive; unpack it first"),
        (b"%PDF-", "a PDF document"),
        (b"\xff\xfe", "a text in UTF-16; save it as UTF-8"),
        (b"\xfe\xff", "a text in UTF-16; save it as UTF-8"),
    ];
    KINDS.iter().find(|(magic, _)| bytes.starts_with(magic)).map(|(_, kind)| *kind)
}

/// UTF-8, or Latin-1 where it is not: what XML files of this kind declare and seldom use.
fn decoded(text: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(text) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(text.iter().map(|&byte| char::from(byte)).collect()),
    }
}

impl Source<'_> {
    fn located(&self, fault: Fault) -> FormatError {
        FormatError::Text(Box::new(self.error(fault)))
    }
}

type Parts<W> = (ModelBuilder, Vec<W>);

fn located(source: &Source, parts: Result<Parts<Fault>, Fault>) -> Result<Parts<Diagnostic>, FormatError> {
    match parts {
        Ok((builder, faults)) => Ok((builder, faults.into_iter().map(|fault| source.warning(fault)).collect())),
        Err(fault) => Err(source.located(fault)),
    }
}

impl Model {
    /// Reads a model file; the format is found by [`Format::of`].
    pub fn from_file(path: impl AsRef<Path>, options: &ReadOptions) -> Result<Loaded, FormatError> {
        let name = path.as_ref().to_string_lossy();
        let text = std::fs::read(path.as_ref())
            .map_err(|error| FormatError::Unreadable { path: name.to_string(), reason: error.to_string() })?;
        read(&name, &text, options)
    }

    /// The model as a `.pomdp` text: one line an entry, numbers that read back bit for bit. [`ModelError::Name`] when the
    /// format has no way to say some part of it (several models, a final reward, names with spaces). A horizon is left out.
    pub fn to_pomdp(&self) -> Result<String, ModelError> {
        pomdp::write(self)
    }
}

impl Explicit {
    /// Reads a DRN file ([`read_drn`]).
    pub fn from_file(path: impl AsRef<Path>) -> Result<(Self, Vec<Diagnostic>), FormatError> {
        let name = path.as_ref().to_string_lossy();
        let text = std::fs::read(path.as_ref())
            .map_err(|error| FormatError::Unreadable { path: name.to_string(), reason: error.to_string() })?;
        read_drn(&name, &text)
    }
}
