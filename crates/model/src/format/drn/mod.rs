//! The explicit DRN format of Storm (Hensel, Junges, Katoen, Quatmann and Volk, STTT 2022), for MDPs and POMDPs.
//!
//! A text is a header of `@` entries and a model of lines ([`line`]): states, their actions, and where these lead.

mod header;
mod line;
mod states;

use super::diagnostic::{Fault, Source};
use crate::Explicit;

/// Whether a text is of this format: its first line that is no comment begins with `@`.
pub(super) fn begins(text: &[u8]) -> bool {
    line::Lines::new(text).next().is_some_and(|line| line.text.starts_with(b"@"))
}

/// The model in a text, and its repairs. Time and memory proportional to the text.
pub(super) fn read(source: &Source) -> Result<(Explicit, Vec<Fault>), Fault> {
    if source.text.len() > u32::MAX as usize {
        return Err(Fault::new(0..0, "the file is larger than 4 GiB", ""));
    }
    let mut lines = line::Lines::new(source.text);
    let header = header::header(&mut lines)?;
    states::states(source, &mut lines, &header)
}
