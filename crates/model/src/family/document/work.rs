//! A bound on what one task takes, whatever its document says.

use super::wrong::Wrong;
use crate::json::Step;

/// Numbers, branches and rewards of one task that are worked out, at most.
const MOST: u64 = 1 << 24;

/// What was spent on a task.
#[derive(Debug, Default)]
pub(super) struct Work(u64);

impl Work {
    /// Spends so much for what stands at `path`, or says that there is no more.
    pub fn spend(&mut self, much: u64, path: &[Step]) -> Result<(), Wrong> {
        self.0 += much;
        if self.0 <= MOST {
            return Ok(());
        }
        Err(Wrong::new(
            path,
            format!("a task has more than {MOST} numbers, branches and rewards: make the model smaller"),
        ))
    }

    /// What was spent so far.
    pub fn spent(&self) -> u64 {
        self.0
    }
}
