//! The best of many α-vectors, found soon.

use std::sync::OnceLock;

use super::vectors::{Part, VectorBounds};
use crate::belief::screen::{FEW, Screen};

/// A [`Screen`] for every stage and cell of the bounds, made when it is first asked for.
#[derive(Debug)]
pub(crate) struct Screens {
    /// `[stage][cell]`.
    stages: Vec<Vec<OnceLock<Screen>>>,
}

impl Screens {
    pub fn new(bounds: &VectorBounds) -> Self {
        let empty = |parts: &Vec<Part>| parts.iter().map(|_| OnceLock::new()).collect();
        Self { stages: bounds.stages.iter().map(|stage| empty(&stage.parts)).collect() }
    }

    /// What [`VectorBounds::lower`] says, bit for bit.
    pub fn lower(&self, bounds: &VectorBounds, stage: usize, belief: &[(u32, f64)]) -> f64 {
        bounds.lower_by(stage, belief, |stage, cell, part, own| {
            if part.vectors() < FEW {
                return part.best(0..part.vectors(), own, &mut Vec::new()).1;
            }
            let screen = self.stages[stage][cell].get_or_init(|| Screen::new(part.rows.len(), &part.by_vector()));
            screen.best(own, |i| part.product(i, own)).1
        })
    }
}
