//! What trajectories with visible states come to: counts of moves, sums of rewards.

use tiresias_data::{Episode, NOTHING, Trajectories};
use tiresias_model::{Kernel, ModelError, Space, SparseRows, memory};

use crate::FitError;

/// Sufficient statistics of an MDP. Rows are `a * S + s`; S counts the state in which episodes end, which is the last, where there is one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Counts {
    pub states: usize,
    /// The state in which episodes end.
    pub ended: Option<usize>,
    /// Episodes by the state they begin in, length S.
    pub first: Vec<f64>,
    /// Moves by row and next state.
    pub moved: SparseRows,
    /// Moves by row.
    pub moves: Vec<f64>,
    /// Rewards by row: how many, and their sum.
    pub paid: Vec<f64>,
    pub earned: Vec<f64>,
    /// Steps whose state was not seen, and steps without a next state.
    pub unseen: usize,
}

/// A step whose state was seen.
struct Step {
    row: usize,
    next: Option<usize>,
    reward: f64,
}

impl Counts {
    /// Counts some of the episodes, as often as they are named. O(steps + A·S).
    pub fn of(data: &Trajectories, episodes: &[usize]) -> Result<Self, FitError> {
        let ended = data.columns().terminated.contains(&true).then(|| data.observation_space().len());
        let states = data.observation_space().len() + usize::from(ended.is_some());
        let rows = data.action_space().len() * states;
        memory::check(memory::product(&[rows, 40]), || format!("counts of {states} states"), "merge some states")?;

        let (mut first, mut paid, mut earned) = (vec![0.0; states], vec![0.0; rows], vec![0.0; rows]);
        let mut unseen = 0;
        let mut ends = vec![0_usize; rows + 1];
        for &index in episodes {
            let episode = data.episode(index);
            match usize::try_from(episode.observations[0]) {
                Ok(state) => first[state] += 1.0,
                Err(_) => return Err(FitError::NoFirst { episode: index }),
            }
            for step in steps(episode, states, ended) {
                paid[step.row] += 1.0;
                earned[step.row] += step.reward;
                ends[step.row + 1] += usize::from(step.next.is_some());
            }
            unseen += episode.observations.iter().filter(|&&seen| seen == NOTHING).count();
        }
        let moves: Vec<f64> = ends[1..].iter().map(|&count| count as f64).collect();

        // A counting sort of the moves by row: `places` is where the next move of a row goes.
        (0..rows).for_each(|row| ends[row + 1] += ends[row]);
        let mut places = ends.clone();
        let mut nexts = vec![0_u32; ends[rows]];
        for &index in episodes {
            for Step { row, next, .. } in steps(data.episode(index), states, ended) {
                if let Some(next) = next {
                    nexts[places[row]] = next as u32;
                    places[row] += 1;
                }
            }
        }
        let mut moved = Kernel::with_capacity(states, rows, 0);
        for pair in ends.windows(2) {
            moved.push_row(nexts[pair[0]..pair[1]].iter().map(|&next| (next as usize, 1.0)));
        }
        Ok(Self { states, ended, first, moved, moves, paid, earned, unseen })
    }

    /// Number of moves.
    pub fn transitions(&self) -> usize {
        self.moves.iter().sum::<f64>() as usize
    }

    /// Whether a row is of the state in which episodes end, where nothing is done.
    pub fn is_over(&self, row: usize) -> bool {
        self.ended == Some(row % self.states)
    }

    /// Mean rewards by row, each shrunk towards the mean of all: `(Σ r + weight · mean) / (n + weight)`, the mean where that is 0 / 0.
    pub fn rewards(&self, weight: f64) -> Vec<f64> {
        let steps = self.paid.iter().sum::<f64>().max(1.0);
        shrunk_to(self.earned.iter().sum::<f64>() / steps, &self.paid, &self.earned, weight)
    }

    /// The logarithm of the probability that `kernel` gives these moves; -∞ where it rules one out.
    pub fn log_likelihood(&self, kernel: &Kernel) -> f64 {
        let row = |row| self.moved.pairs(row).map(|(next, n)| n * kernel.get(row, next).ln()).sum::<f64>();
        (0..self.moved.rows()).map(row).sum()
    }
}

fn steps(episode: Episode<'_>, states: usize, ended: Option<usize>) -> impl Iterator<Item = Step> + use<'_> {
    (0..episode.len()).filter_map(move |t| {
        let state = usize::try_from(episode.observations[t]).ok()?;
        let next = if t + 1 == episode.len() && episode.terminated {
            ended
        } else {
            usize::try_from(episode.seen_after(t)).ok()
        };
        Some(Step { row: usize::from(episode.actions[t]) * states + state, next, reward: episode.rewards[t] })
    })
}

/// Means of `n` numbers with these sums, each shrunk towards `mean` as if `weight` more had been seen that are equal to it: the posterior
/// mean of a normal mean whose prior has that centre and the variance of a number divided by `weight`. `mean` where there is nothing else.
pub(crate) fn shrunk_to(mean: f64, n: &[f64], sums: &[f64], weight: f64) -> Vec<f64> {
    let one = |(n, sum): (&f64, &f64)| if n + weight > 0.0 { (sum + weight * mean) / (n + weight) } else { mean };
    n.iter().zip(sums).map(one).collect()
}

/// The elements of `space` and one called `ended`, or `ended-2` and so on where that name is taken.
pub(crate) fn with_ended(what: &str, space: &Space) -> Result<Space, ModelError> {
    let mut name = String::from("ended");
    for number in 2.. {
        if space.index(&name).is_none() {
            break;
        }
        name = format!("ended-{number}");
    }
    Space::named(what, (0..space.len()).map(|i| space.name(i)).chain([name]))
}
