//! Where the target does what the data do not show.

use std::collections::BTreeMap;

use crate::log::{Log, Probability, Units};
use crate::work::Workers;
use crate::{Error, Gap, Refusal};

/// Places named in a refusal, and episodes named of each.
const NAMED: usize = 10;

/// What of one place was found so far.
#[derive(Debug, Clone, Default)]
struct Place {
    steps: usize,
    mass: f64,
    first: Vec<u64>,
}

/// All steps at which the target does what nobody did.
#[derive(Debug, Default)]
pub(crate) struct Overlap {
    /// By layer of stages, symbol and action.
    places: BTreeMap<(usize, usize, usize), Place>,
    /// Steps with at least one such action.
    pub steps: usize,
    /// The target's probabilities of such actions, summed over all steps.
    pub mass: f64,
}

impl Overlap {
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The refusal that names the places with the most steps; `width` stages are a layer.
    pub fn refusal<P: Probability>(&self, log: &Log<P>, width: usize) -> Refusal {
        let mut places: Vec<_> = self.places.iter().collect();
        // Stable: equally many steps go by place.
        places.sort_by_key(|(_, place)| std::cmp::Reverse(place.steps));
        let total = places.len();
        places.truncate(NAMED);
        let gap = |(&(layer, symbol, action), place): (&(usize, usize, usize), &Place)| Gap {
            observation: log.observation(symbol),
            action: action as u8,
            stages: (layer * width, ((layer + 1) * width).min(log.horizon)),
            steps: place.steps,
            probability: place.mass / place.steps as f64,
            first: place.first.clone(),
        };
        Refusal::Support { gaps: places.into_iter().map(gap).collect(), total }
    }
}

/// Goes through all steps for actions with more than negligible probability under the target that are `missing(stage, symbol, action)`;
/// where nothing is at `(stage, symbol)`, `whole` may say so to spare looking. `width` stages are a layer. O(steps · actions).
pub(crate) fn scan<P: Probability>(
    log: &Log<P>,
    units: &Units,
    workers: &Workers,
    width: usize,
    whole: impl Fn(usize, usize) -> bool + Sync,
    missing: impl Fn(usize, usize, usize) -> bool + Sync,
) -> Result<Overlap, Error> {
    let parts = workers.map("weights", units.episodes.clone(), |_, episodes| {
        let mut found = Overlap::default();
        for episode in episodes {
            for (stage, step) in log.trajectories.range(episode).enumerate() {
                let symbol = log.symbol(step);
                if whole(stage, symbol) {
                    continue;
                }
                let before = found.mass;
                for (action, &p) in log.row(step).iter().enumerate() {
                    let p: f64 = p.into();
                    if p <= log.negligible || !missing(stage, symbol, action) {
                        continue;
                    }
                    let place = found.places.entry((stage / width, symbol, action)).or_default();
                    place.steps += 1;
                    place.mass += p;
                    let origin = log.origin(episode);
                    if place.first.len() < NAMED && place.first.last() != Some(&origin) {
                        place.first.push(origin);
                    }
                    found.mass += p;
                }
                found.steps += usize::from(found.mass > before);
            }
        }
        found
    })?;
    Ok(parts.into_iter().fold(Overlap::default(), |mut all, part| {
        all.steps += part.steps;
        all.mass += part.mass;
        for (key, place) in part.places {
            let known = all.places.entry(key).or_default();
            known.steps += place.steps;
            known.mass += place.mass;
            known.first.extend(place.first);
            known.first.truncate(NAMED);
        }
        all
    }))
}
