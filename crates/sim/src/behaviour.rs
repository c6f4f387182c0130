//! Behaviour policies: how the decision-maker of a recorded trajectory acts.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;
use tiresias_model::random::unit32;

/// `oracle`, `random`, `epsilon:x` (uniform with probability x, else the oracle), or `mixture:oracle=0.5,random=0.5`, from
/// which one component is drawn per trajectory.
#[derive(Debug, Clone, PartialEq)]
pub struct Behaviour {
    /// (cumulative weight, ε): every behaviour is a mixture of ε-perturbed oracles; ε = 0 is the oracle, ε = 1 uniform.
    components: Vec<(f64, f64)>,
    name: String,
}

/// A behaviour's name that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("behaviour {text:?}: {problem}; expected oracle, random, epsilon:X with X in [0, 1], or mixture:NAME=WEIGHT,…")]
pub struct BehaviourError {
    text: String,
    problem: String,
}

impl Behaviour {
    /// The oracle.
    pub fn oracle() -> Self {
        Self { components: vec![(1.0, 0.0)], name: "oracle".into() }
    }

    /// Uniformly random actions.
    pub fn random() -> Self {
        Self { components: vec![(1.0, 1.0)], name: "random".into() }
    }

    /// Whether any decision may consult the oracle.
    pub fn needs_oracle(&self) -> bool {
        self.components.iter().any(|&(_, epsilon)| epsilon < 1.0)
    }

    /// The ε of every trajectory, when it is the same for all.
    pub(crate) fn only_epsilon(&self) -> Option<f64> {
        let (_, first) = self.components[0];
        self.components.iter().all(|&(_, epsilon)| epsilon == first).then_some(first)
    }

    /// The ε of the trajectory whose component draw is `word`.
    pub(crate) fn epsilon(&self, word: u32) -> f64 {
        let u = unit32(word);
        let last = self.components.last().expect("a behaviour has a component");
        self.components.iter().find(|&&(cumulative, _)| u < cumulative).unwrap_or(last).1
    }
}

impl fmt::Display for Behaviour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl FromStr for Behaviour {
    type Err = BehaviourError;

    fn from_str(text: &str) -> Result<Self, BehaviourError> {
        let error = |problem: String| BehaviourError { text: text.into(), problem };
        let one = |name: &str| -> Result<f64, BehaviourError> {
            match name.split_once(':') {
                None if name == "oracle" => Ok(0.0),
                None if name == "random" => Ok(1.0),
                Some(("epsilon", x)) => match x.parse::<f64>() {
                    Ok(x) if (0.0..=1.0).contains(&x) => Ok(x),
                    _ => Err(error(format!("{x:?} is not a number in [0, 1]"))),
                },
                _ => Err(error(format!("{name:?} is unknown"))),
            }
        };
        let Some(list) = text.strip_prefix("mixture:") else {
            return Ok(Self { components: vec![(1.0, one(text)?)], name: text.into() });
        };
        let mut components = Vec::new();
        for part in list.split(',') {
            let (name, weight) = part.rsplit_once('=').ok_or_else(|| error(format!("{part:?} has no =WEIGHT")))?;
            match weight.parse::<f64>() {
                Ok(w) if w > 0.0 && w.is_finite() => components.push((w, one(name)?)),
                _ => return Err(error(format!("weight {weight:?} is not a positive number"))),
            }
        }
        let total: f64 = components.iter().map(|&(w, _)| w).sum();
        let mut cumulative = 0.0;
        for (weight, _) in &mut components {
            cumulative += *weight / total;
            *weight = cumulative;
        }
        Ok(Self { components, name: text.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_form() {
        assert_eq!("oracle".parse(), Ok(Behaviour::oracle()));
        assert_eq!("random".parse(), Ok(Behaviour::random()));
        let mixture: Behaviour = "mixture:oracle=1,epsilon:0.25=1,random=2".parse().unwrap();
        assert_eq!(mixture.components, vec![(0.25, 0.0), (0.5, 0.25), (1.0, 1.0)]);
        assert_eq!(mixture.epsilon(0), 0.0);
        assert_eq!(mixture.epsilon(u32::MAX / 3), 0.25);
        assert_eq!(mixture.epsilon(u32::MAX), 1.0);
        assert_eq!(mixture.to_string(), "mixture:oracle=1,epsilon:0.25=1,random=2");
    }

    #[test]
    fn names_what_it_cannot_read() {
        for (text, part) in [
            ("greedy", "\"greedy\" is unknown"),
            ("epsilon:2", "\"2\" is not a number in [0, 1]"),
            ("epsilon:x", "\"x\" is not a number"),
            ("mixture:oracle", "has no =WEIGHT"),
            ("mixture:oracle=0", "not a positive number"),
        ] {
            let message = text.parse::<Behaviour>().unwrap_err().to_string();
            assert!(message.contains(part), "{message}");
        }
    }
}
