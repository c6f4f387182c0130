//! An example as text: the readable twin of its ids.

use crate::template::{Dims, QueryReward, Template, Trajectory, WIDEST, check_shape};
use crate::{Error, Result};

/// The text of an example, split right after the query marker.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExampleText {
    /// Header, support and query marker.
    pub prompt: String,
    /// The query's steps.
    pub completion: String,
}

impl ExampleText {
    /// The whole text.
    pub fn whole(&self) -> String {
        [self.prompt.as_str(), self.completion.as_str()].concat()
    }
}

impl Template {
    /// Writes an example over `out`, keeping its allocations.
    pub(crate) fn write_text(
        &self,
        dims: Dims,
        support: &[Trajectory<'_>],
        query: &Trajectory<'_>,
        out: &mut ExampleText,
    ) -> Result<()> {
        let (mut prompt, mut completion) = (reused(&mut out.prompt), reused(&mut out.completion));
        prompt.extend_from_slice(self.header.as_bytes());
        for trajectory in support {
            prompt.extend_from_slice(self.support_marker.as_bytes());
            self.write_steps(dims, trajectory, QueryReward::Shown, &mut prompt)?;
        }
        prompt.extend_from_slice(self.query_marker.as_bytes());
        self.write_steps(dims, query, self.query_reward, &mut completion)?;
        [out.prompt, out.completion] =
            [prompt, completion].map(|text| String::from_utf8(text).expect("digits and texts"));
        Ok(())
    }

    fn write_steps(
        &self,
        dims: Dims,
        trajectory: &Trajectory<'_>,
        shown: QueryReward,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let grid = self.grid();
        let mut missing = [0; 4];
        let missing = self.missing.encode_utf8(&mut missing).as_bytes();
        for step in 0..check_shape(trajectory)? {
            match trajectory.observations[step] {
                -1 => (0..self.observation_width).for_each(|_| out.extend_from_slice(missing)),
                o if o >= 0 && (o as usize) < dims.observations => number(out, o as usize, self.observation_width),
                observation => return Err(Error::Observation { observation, step, observations: dims.observations }),
            }
            let action = trajectory.actions[step];
            if usize::from(action) >= dims.actions {
                return Err(Error::Action { action, step, actions: dims.actions });
            }
            out.push(b',');
            number(out, action.into(), 1);
            out.push(b',');
            if shown == QueryReward::Shown {
                let reward = trajectory.rewards[step];
                let symbol = grid.symbol(reward).ok_or_else(|| grid.error(reward, step))?;
                number(out, symbol, self.reward_width);
            } else {
                (0..self.reward_width).for_each(|_| out.extend_from_slice(missing));
            }
            out.push(b'\n');
        }
        Ok(())
    }
}

/// The memory of a text, emptied. Bytes are pushed more cheaply than characters, and checked as a whole at the end.
fn reused(text: &mut String) -> Vec<u8> {
    let mut bytes = std::mem::take(text).into_bytes();
    bytes.clear();
    bytes
}

/// Writes `value`, which has at most `width` digits, with leading zeros. Formatting machinery would cost more than the
/// rest of an example.
fn number(out: &mut Vec<u8>, mut value: usize, width: u32) {
    let mut digits = [b'0'; WIDEST as usize];
    let digits = &mut digits[..width as usize];
    // From the right: a division by a constant is cheap, one by a power that is looked up is not.
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
    out.extend_from_slice(digits);
}
