//! What recorded decisions are like.

use serde::{Deserialize, Serialize};

use crate::{NOTHING, Trajectories};

/// Symbols and pairs told one by one.
const TOLD: usize = 200;

/// What recorded decisions are like: sizes, coverage, imbalance.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Number of episodes.
    pub episodes: usize,
    /// Number of decisions.
    pub steps: usize,
    /// Number of tasks; 1 where no column names them.
    pub tasks: usize,
    /// Decisions an episode.
    pub lengths: Lengths,
    /// Share of episodes that ended by themselves.
    pub terminated: f64,
    /// Share of steps before which nothing was seen.
    pub nothing_seen: f64,
    /// Whether it is known how likely each action was.
    pub propensities: bool,
    /// Least, mean and largest reward.
    pub rewards: [f64; 3],
    /// Least, mean and largest undiscounted sum of an episode's rewards.
    pub returns: [f64; 3],
    /// What the observation columns became.
    pub columns: Vec<Symbols>,
    /// The symbols, by how often they were seen, and how many there are.
    pub observations: Vec<SymbolUse>,
    /// How many symbols there are.
    pub observation_count: usize,
    /// The actions, in their order.
    pub actions: Vec<ActionUse>,
    /// Pairs of symbol and action.
    pub coverage: Coverage,
}

/// How many decisions episodes have.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Lengths {
    /// The shortest.
    pub least: usize,
    /// The middle one.
    pub median: usize,
    /// Their mean.
    pub mean: f64,
    /// The longest.
    pub most: usize,
}

/// What an observation column became.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Symbols {
    /// The column, or columns.
    pub column: String,
    /// Where one interval ends and the next begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edges: Option<Vec<f64>>,
    /// Centres, in the columns' own units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub centres: Option<Vec<Vec<f64>>>,
    /// Rows in which it is missing.
    pub missing: u64,
}

/// How often a symbol was seen before a decision.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SymbolUse {
    /// Its name.
    pub name: String,
    /// How often.
    pub count: u64,
}

/// How often an action was taken.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ActionUse {
    /// Its name.
    pub name: String,
    /// How often.
    pub count: u64,
    /// Its share of all steps.
    pub share: f64,
}

/// Which actions were taken after which symbols.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Coverage {
    /// Pairs that occur.
    pub seen: usize,
    /// Pairs of a symbol that occurs and any action.
    pub possible: usize,
    /// Pairs that do not occur, by how often their symbol does; the first ones.
    pub absent: Vec<(String, String)>,
}

/// Counts everything: O(steps). `columns` says what observation columns became.
pub fn report(all: &Trajectories, columns: Vec<Symbols>) -> Report {
    let steps = all.columns();
    let (symbols, actions) = (all.observation_space(), all.action_space());
    let mut seen = vec![0_u64; symbols.len()];
    let mut pairs = vec![0_u64; symbols.len() * actions.len()];
    let mut taken = vec![0_u64; actions.len()];
    let mut nothing = 0_u64;
    for (&observation, &action) in steps.observations.iter().zip(&steps.actions) {
        taken[usize::from(action)] += 1;
        if observation == NOTHING {
            nothing += 1;
        } else {
            seen[observation as usize] += 1;
            pairs[observation as usize * actions.len() + usize::from(action)] += 1;
        }
    }
    let mut by_count: Vec<usize> = (0..symbols.len()).collect();
    by_count.sort_by_key(|&symbol| (std::cmp::Reverse(seen[symbol]), symbol));
    let absent = by_count
        .iter()
        .filter(|&&symbol| seen[symbol] > 0)
        .flat_map(|&symbol| (0..actions.len()).map(move |action| (symbol, action)))
        .filter(|&(symbol, action)| pairs[symbol * actions.len() + action] == 0)
        .take(TOLD)
        .map(|(symbol, action)| (symbols.name(symbol), actions.name(action)))
        .collect();
    let mut lengths: Vec<usize> = steps.offsets.windows(2).map(|pair| pair[1] - pair[0]).collect();
    lengths.sort_unstable();
    let returns = all.episodes().map(|episode| episode.rewards.iter().sum::<f64>());
    let count = steps.actions.len() as f64;
    Report {
        episodes: all.len(),
        steps: all.steps(),
        tasks: steps.tasks.iter().max().map_or(1, |&last| last as usize + 1),
        lengths: Lengths {
            least: lengths[0],
            median: lengths[lengths.len() / 2],
            mean: count / all.len() as f64,
            most: lengths[lengths.len() - 1],
        },
        terminated: steps.terminated.iter().filter(|&&ended| ended).count() as f64 / all.len() as f64,
        nothing_seen: nothing as f64 / count,
        propensities: all.has_propensities(),
        rewards: range(steps.rewards.iter().copied()),
        returns: range(returns),
        columns,
        observations: by_count
            .iter()
            .take(TOLD)
            .map(|&symbol| SymbolUse { name: symbols.name(symbol), count: seen[symbol] })
            .collect(),
        observation_count: symbols.len(),
        actions: (0..actions.len())
            .map(|action| ActionUse {
                name: actions.name(action),
                count: taken[action],
                share: taken[action] as f64 / count,
            })
            .collect(),
        coverage: Coverage {
            seen: pairs.iter().filter(|&&count| count > 0).count(),
            possible: seen.iter().filter(|&&count| count > 0).count() * actions.len(),
            absent,
        },
    }
}

/// Least, mean and largest.
fn range(numbers: impl Iterator<Item = f64>) -> [f64; 3] {
    let (mut least, mut sum, mut most, mut count) = (f64::INFINITY, 0.0, f64::NEG_INFINITY, 0_u64);
    for number in numbers {
        (least, sum, most, count) = (least.min(number), sum + number, most.max(number), count + 1);
    }
    [least, sum / count as f64, most]
}
