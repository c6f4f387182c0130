//! An example as text: the readable twin of its ids.

use crate::template::{Dims, QueryReward, Template, Trajectory, check_shape};
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
        out.prompt.clear();
        out.completion.clear();
        out.prompt.push_str(&self.header);
        for trajectory in support {
            out.prompt.push_str(&self.support_marker);
            self.write_steps(dims, trajectory, QueryReward::Shown, &mut out.prompt)?;
        }
        out.prompt.push_str(&self.query_marker);
        self.write_steps(dims, query, self.query_reward, &mut out.completion)
    }

    fn write_steps(&self, dims: Dims, trajectory: &Trajectory<'_>, shown: QueryReward, out: &mut String) -> Result<()> {
        let grid = self.grid();
        for step in 0..check_shape(trajectory)? {
            match trajectory.observations[step] {
                -1 => (0..self.observation_width).for_each(|_| out.push(self.missing)),
                o if o >= 0 && (o as usize) < dims.observations => number(out, o as usize, self.observation_width),
                observation => return Err(Error::Observation { observation, step, observations: dims.observations }),
            }
            let action = trajectory.actions[step];
            if usize::from(action) >= dims.actions {
                return Err(Error::Action { action, step, actions: dims.actions });
            }
            out.push(',');
            number(out, action.into(), 1);
            out.push(',');
            if shown == QueryReward::Shown {
                let reward = trajectory.rewards[step];
                let symbol = grid.symbol(reward).ok_or_else(|| grid.error(reward, step))?;
                number(out, symbol, self.reward_width);
            } else {
                (0..self.reward_width).for_each(|_| out.push(self.missing));
            }
            out.push('\n');
        }
        Ok(())
    }
}

/// Writes `value`, which has at most `width` digits, with leading zeros. Formatting machinery would cost more than the
/// rest of an example.
fn number(out: &mut String, value: usize, width: u32) {
    let mut unit = 10_usize.pow(width - 1);
    while unit > 0 {
        out.push(char::from(b'0' + (value / unit % 10) as u8));
        unit /= 10;
    }
}
