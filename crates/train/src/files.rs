//! Files that are whole or absent: written under a temporary name, flushed to the disk, renamed.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::base::hex;
use crate::error::{Error, Result};

/// An object as indented JSON whose first member, `seal`, is the SHA-256 of the text without it: a file that is read back says itself
/// whether it is what was written.
pub fn seal(value: &Value) -> Vec<u8> {
    let text = format!("{value:#}\n");
    format!("{{\n  \"seal\": \"{}\",{}", hex(&Sha256::digest(&text)), &text[1..]).into_bytes()
}

/// What a sealed text holds, or why it is not what was sealed.
pub fn unseal(bytes: &[u8]) -> std::result::Result<Value, String> {
    let changed = || "is damaged: it is not the text that was sealed".to_owned();
    let (digest, rest) = bytes
        .strip_prefix(b"{\n  \"seal\": \"")
        .and_then(|rest| rest.split_at_checked(64))
        .and_then(|(digest, rest)| Some((digest, rest.strip_prefix(b"\",")?)))
        .ok_or_else(changed)?;
    let text = [b"{", rest].concat();
    if digest != hex(&Sha256::digest(&text)).as_bytes() {
        return Err(changed());
    }
    serde_json::from_slice(&text).map_err(|e| e.to_string())
}

/// SHA-256 of bytes, in lower-case hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Writes a file so that its name always stands for whole contents, old or new.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let temporary = temporary_name(path);
    let mut file = File::create(&temporary).map_err(Error::io("create", &temporary))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(Error::io("write", &temporary))?;
    fs::rename(&temporary, path).map_err(Error::io("rename to", path))?;
    sync_parent(path)
}

/// Writes a folder of files so that its name always stands for the whole set.
pub fn write_folder(path: &Path, files: &[(&str, Vec<u8>)]) -> Result<()> {
    let temporary = temporary_name(path);
    remove_folder(&temporary)?;
    create_folder(&temporary)?;
    for (name, bytes) in files {
        write(&temporary.join(name), bytes)?;
    }
    remove_folder(path)?;
    fs::rename(&temporary, path).map_err(Error::io("rename to", path))?;
    sync_parent(path)
}

/// Makes a folder and those above it.
pub fn create_folder(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(Error::io("create the folder", path))
}

/// Removes a folder and what it holds, if it exists.
pub fn remove_folder(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove the folder", path)(e)),
        _ => Ok(()),
    }
}

/// The contents of a file that may be absent.
pub fn read_if_present(path: &Path) -> Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Error::io("read", path)(e)),
    }
}

fn temporary_name(path: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".tmp");
    path.with_file_name(name)
}

/// A rename lasts once the folder that holds the name is on the disk. Only Unix can open a folder for that.
fn sync_parent(path: &Path) -> Result<()> {
    match path.parent().filter(|p| cfg!(unix) && !p.as_os_str().is_empty()) {
        Some(parent) => File::open(parent).and_then(|f| f.sync_all()).map_err(Error::io("flush the folder", parent)),
        None => Ok(()),
    }
}
