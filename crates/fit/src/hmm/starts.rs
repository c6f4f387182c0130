//! Where the search for hidden states begins.

use tiresias_model::random::{Draws, Key};

use super::tables::{Parameters, Prior, Rewards, Size, Tables};

/// Start `number` of a model of this size. Number 0 takes state `s` to show mostly symbol `s` (modulo their number) and all else to be nearly
/// even, as where observations are the state with errors. The others draw every distribution evenly, and symbols of a state that
/// are alike for all actions: whatever was done, a state is known by what it shows.
pub(crate) fn start(size: Size, number: usize, prior: &Prior, rewards_seen: bool, seed: u64) -> Parameters {
    let Size { states, actions, symbols, .. } = size;
    let mut draws = Draws::new(Key::named(seed, &["fit", "start"], &[states as u64, number as u64]));
    let named = number == 0;
    let usual: Vec<f64> = (0..states)
        .flat_map(|s| {
            let parameter = |o| if named && s % symbols == o { 1.0 + symbols as f64 } else { 1.0 };
            let mut row: Vec<f64> = (0..symbols).map(parameter).collect();
            draws.dirichlet(&mut row);
            row
        })
        .collect();

    let mut chances = Tables::zeros(size);
    let (firsts, moves) = (if size.firsts { states } else { 0 }, actions * states);
    let mut row_number = 0;
    chances.each_row(|row| {
        let symbol_row = match row_number {
            r if (1..=firsts).contains(&r) => Some(r - 1),
            r if r > firsts + moves => Some((r - 1 - firsts - moves) % states),
            _ => None,
        };
        match symbol_row {
            Some(state) => {
                let usual = &usual[state * symbols..][..symbols];
                row.iter_mut().zip(usual).for_each(|(p, usual)| *p = 0.5 + 2.0 * symbols as f64 * usual);
            }
            None => row.fill(if named { 20.0 } else { 1.0 }),
        }
        draws.dirichlet(row);
        row_number += 1;
    });

    let rewards = rewards_seen.then(|| {
        let away = if named { 0.1 } else { 1.0 } * prior.reward_variance.sqrt();
        let means = (0..actions * size.width()).map(|row| {
            // The padding has the mean of all, so that the prior says nothing of it.
            if row % size.width() < states { prior.reward_mean + away * draws.normal() } else { prior.reward_mean }
        });
        Rewards { means: means.collect(), variance: prior.reward_variance }
    });
    Parameters { chances, rewards }
}
