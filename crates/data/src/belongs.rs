//! Whether trajectories are of a model's world: its names, its horizon.

use tiresias_model::{Model, Space};

use crate::{DataError, Trajectories};

impl Trajectories {
    /// Checks that a model is one that was fitted to such records: symbols and actions have its names, in its order, and it has as many
    /// decisions as the longest episode. A fitted model may have observations behind the recorded ones, in which episodes end.
    ///
    /// [`DataError::Invalid`] says what differs.
    pub fn belongs_to(&self, model: &Model) -> Result<(), DataError> {
        let (symbols, seen) = (self.observation_space(), model.observations().unwrap_or(model.states()));
        same("observations", symbols, seen, seen.len() - symbols.len().min(seen.len()))?;
        same("actions", self.action_space(), model.actions(), 0)?;
        match model.horizon().filter(|&horizon| horizon < self.longest()) {
            None => Ok(()),
            Some(horizon) => {
                let longest = self.longest();
                Err(DataError::Invalid(format!("the model has {horizon} decisions, and an episode has {longest}")))
            }
        }
    }
}

/// The log's names are the model's, which may have `more` behind them.
fn same(what: &str, logged: &Space, model: &Space, more: usize) -> Result<(), DataError> {
    let differs = |i: usize| (i < model.len()).then(|| model.name(i)) != Some(logged.name(i));
    let ends = (logged.len()..model.len()).all(|i| model.name(i).starts_with("ended"));
    if logged.len() + more != model.len() || !ends || (0..logged.len()).any(differs) {
        let found: Vec<String> = (0..model.len().min(10)).map(|i| model.name(i)).collect();
        let expected: Vec<String> = (0..logged.len().min(10)).map(|i| logged.name(i)).collect();
        return Err(DataError::Invalid(format!(
            "its {what} are {}, and the log's {}; a policy for logs is one of a model that was fitted to logs with these names",
            found.join(", "),
            expected.join(", ")
        )));
    }
    Ok(())
}
