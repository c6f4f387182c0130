//! `tiresias.json`: what a trained folder says of itself, sealed, with the hash of each of its files.

use std::path::Path;

use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::files;

/// The name of the file. Folders of other programs lack it.
pub const ABOUT: &str = "tiresias.json";

/// Its contents: what made the folder, and the hash of each of its files.
pub fn about(mut made_from: Value, files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    made_from["files"] = files.iter().map(|(name, bytes)| ((*name).to_owned(), json!(files::sha256(bytes)))).collect();
    files::seal(&made_from)
}

/// What a folder says of itself, if it says anything. Refuses a folder whose files were changed.
pub fn check(folder: &Path, files: &[(&str, &[u8])]) -> Result<Option<Value>> {
    let path = folder.join(ABOUT);
    let Some(bytes) = files::read_if_present(&path)? else { return Ok(None) };
    let fail = |path: &Path, message: String| Err(Error::Adapter { path: path.to_owned(), message });
    let about = match files::unseal(&bytes) {
        Ok(about) => about,
        Err(why) => return fail(&path, format!("{why}; train again, or remove this file if the change was meant")),
    };
    match files.iter().find(|(name, bytes)| about["files"][*name] != json!(files::sha256(bytes))) {
        None => Ok(Some(about)),
        Some((name, _)) => fail(
            &folder.join(name),
            format!(
                "is damaged: its SHA-256 is not the one in `{ABOUT}`; train again, or remove `{ABOUT}` if the change was meant"
            ),
        ),
    }
}
