//! A cloud from models that were written one by one, as when every member is a `.pomdp` file of its own.

use crate::{Kernel, Model, ModelError, Reward, Space};

/// How far numbers that all members must share may differ: what rounding in a text file does.
const TOLERANCE: f64 = 1e-9;

impl Model {
    /// The ambiguous model whose cloud are all dynamics of `models`, in order, with ambiguity attitude `alpha` in [0, 1].
    ///
    /// The members must agree in everything but transitions and observations: the spaces with their names, start, discount,
    /// horizon, terminal states, rewards. [`ModelError::Cloud`] names the first that does not agree with model 0, and in what.
    /// A reward per transition may be given for different transitions, those that each member allows; it is then the union.
    pub fn cloud(models: &[Model], alpha: f64) -> Result<Model, ModelError> {
        let Some((first, others)) = models.split_first() else {
            let what = "models of the cloud (at least one)".into();
            return Err(ModelError::Shape { what, expected: 1, found: 0 });
        };
        let mut parts = first.to_builder();
        parts.alpha = alpha;
        if let Some(i) = models.iter().position(|model| model.ambiguity().is_some()) {
            let problem = "has an ambiguity set of its own; a model has a set or a cloud, not both".into();
            return Err(ModelError::Cloud { model: i, name: models[i].name().into(), problem });
        }
        for (i, other) in others.iter().enumerate() {
            let problem = |problem| ModelError::Cloud { model: i + 1, name: other.name().into(), problem };
            check_shared(first, other).map_err(problem)?;
            parts.reward = shared_reward(&parts.reward, &models[..=i], other).map_err(problem)?;
            parts.dynamics.extend_from_slice(other.dynamics());
        }
        parts.build()
    }
}

/// Everything but rewards that the members of a cloud share.
fn check_shared(first: &Model, other: &Model) -> Result<(), String> {
    same_space("states", first.states(), other.states())?;
    same_space("actions", first.actions(), other.actions())?;
    match (first.observations(), other.observations()) {
        (Some(first), Some(other)) => same_space("observations", first, other)?,
        (None, None) => {}
        (Some(_), None) => return Err("has no observations, model 0 has some".into()),
        (None, Some(_)) => return Err("has observations, model 0 has none".into()),
    }
    if first.horizon() != other.horizon() {
        let text = |horizon: Option<usize>| horizon.map_or("no horizon".into(), |h| format!("horizon {h}"));
        return Err(format!("has {}, model 0 has {}", text(other.horizon()), text(first.horizon())));
    }
    same_numbers("discount", &[first.discount()], &[other.discount()], |_| String::new())?;
    let state = |s: usize| format!(" of state {}", first.states().name(s));
    same_numbers("start probability", first.start(), other.start(), state)?;
    let differs = (0..first.states().len()).find(|&s| first.is_terminal(s) != other.is_terminal(s));
    if let Some(s) = differs {
        let (is, was) = if other.is_terminal(s) { ("is", "is not") } else { ("is not", "is") };
        return Err(format!("state {} {is} terminal, in model 0 it {was}", first.states().name(s)));
    }
    let final_reward = |model: &Model| match model.final_reward() {
        [] => vec![0.0; model.states().len()],
        given => given.to_vec(),
    };
    same_numbers("final reward", &final_reward(first), &final_reward(other), state)
}

fn same_space(what: &str, first: &Space, other: &Space) -> Result<(), String> {
    if first.len() != other.len() {
        return Err(format!("has {} {what}, model 0 has {}", other.len(), first.len()));
    }
    match (0..first.len()).find(|&i| first.name(i) != other.name(i)) {
        Some(i) => {
            Err(format!("has {what} of other names: number {i} is {}, in model 0 {}", other.name(i), first.name(i)))
        }
        None => Ok(()),
    }
}

fn same_numbers(what: &str, first: &[f64], other: &[f64], place: impl Fn(usize) -> String) -> Result<(), String> {
    match first.iter().zip(other).position(|(a, b)| !close(*a, *b)) {
        Some(i) => Err(format!("{what}{} is {}, in model 0 {}", place(i), other[i], first[i])),
        None => Ok(()),
    }
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= TOLERANCE * (1.0 + a.abs())
}

/// One reward for the models so far, whose reward is `reward`, and another one.
fn shared_reward(reward: &Reward, before: &[Model], other: &Model) -> Result<Reward, String> {
    let (states, actions) = (other.states().len(), other.actions().len());
    let of = |r: usize| {
        format!(" of state {} and action {}", other.states().name(r % states), other.actions().name(r / states))
    };
    let dense = |values: &[f64]| -> Vec<f64> {
        if values.len() == actions { values.iter().flat_map(|&r| vec![r; states]).collect() } else { values.to_vec() }
    };
    match (reward, other.reward()) {
        (Reward::Action(a) | Reward::StateAction(a), Reward::Action(b) | Reward::StateAction(b)) => {
            same_numbers("reward", &dense(a), &dense(b), of).map(|()| reward.clone())
        }
        (Reward::Transition(a), Reward::Transition(b)) => {
            let possible =
                |model: &Model, r: usize, next: usize| model.dynamics().iter().any(|d| d.transition.get(r, next) > 0.0);
            union(a, b, |r, next| before.iter().any(|m| possible(m, r, next)), |r, next| possible(other, r, next))
                .map(Reward::Transition)
                .map_err(|(r, next)| {
                    format!(
                        "reward{} on moving to state {} differs from that of model 0",
                        of(r),
                        other.states().name(next)
                    )
                })
        }
        (Reward::Full(a), Reward::Full(b)) => {
            let observations = other.observations().map_or(1, Space::len);
            let possible = |model: &Model, r: usize, column: usize| {
                let (next, o) = (column / observations, column % observations);
                model.dynamics().iter().any(|d| {
                    let seen = d.observation.as_ref().map_or(0.0, |q| q.get(r / states * states + next, o));
                    seen > 0.0 && d.transition.get(r, next) > 0.0
                })
            };
            union(a, b, |r, c| before.iter().any(|m| possible(m, r, c)), |r, c| possible(other, r, c))
                .map(Reward::Full)
                .map_err(|(r, c)| {
                    let next = other.states().name(c / observations);
                    format!(
                        "reward{} on moving to state {next} with observation number {} differs from that of model 0",
                        of(r),
                        c % observations
                    )
                })
        }
        (a, b) => Err(format!("gives its rewards as {}, model 0 as {}", form(b), form(a))),
    }
}

fn form(reward: &Reward) -> &'static str {
    match reward {
        Reward::Action(_) => "R(a)",
        Reward::StateAction(_) => "R(s,a)",
        Reward::Transition(_) => "R(s,a,s')",
        Reward::Full(_) => "R(s,a,s',o)",
    }
}

/// Entries of either; where one has none although the cell is possible there, it says 0, and so must the other. The error is the
/// first cell that differs.
fn union(
    a: &Kernel,
    b: &Kernel,
    possible_in_a: impl Fn(usize, usize) -> bool,
    possible_in_b: impl Fn(usize, usize) -> bool,
) -> Result<Kernel, (usize, usize)> {
    let mut all = Kernel::with_capacity(a.columns(), a.rows(), a.entries().max(b.entries()));
    for r in 0..a.rows() {
        let mut row: Vec<(usize, f64)> = a.pairs(r).collect();
        for &(column, value) in &row {
            let other = b.get(r, column);
            if !close(value, other) && (other != 0.0 || possible_in_b(r, column)) {
                return Err((r, column));
            }
        }
        for (column, value) in b.pairs(r) {
            if a.get(r, column) != 0.0 {
                continue;
            }
            if !close(value, 0.0) && possible_in_a(r, column) {
                return Err((r, column));
            }
            row.push((column, value));
        }
        all.push_row(row);
    }
    Ok(all)
}
