//! The tightest bounds seen on the value at the start distribution.

use tiresias_model::Model;

/// `lower <= V(b0) <= upper`; the lower never falls and the upper never rises.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bracket {
    pub lower: f64,
    pub upper: f64,
}

impl Bracket {
    /// What holds before any sweep.
    pub fn crude(model: &Model) -> Self {
        let (lower, upper) = model.value_range();
        Self { lower, upper }
    }

    /// Intersects with bounds that are proven too. Where rounding makes the two miss each other by a hair, the old ones give way
    /// no further than to one point.
    pub fn tighten(&mut self, lower: f64, upper: f64) {
        let (lower, upper) = (self.lower.max(lower), self.upper.min(upper));
        if lower <= upper {
            (self.lower, self.upper) = (lower, upper);
        } else {
            let point = f64::midpoint(lower, upper).clamp(self.lower, self.upper);
            (self.lower, self.upper) = (point, point);
        }
    }
}
