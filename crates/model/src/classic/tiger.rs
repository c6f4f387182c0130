//! Tiger: Kaelbling, Littman, Cassandra, "Planning and acting in partially observable stochastic domains", AIJ 101 (1998).

use super::sketch::{Sketch, names};
use crate::{Model, ModelError};

const LISTEN: usize = 0;
/// Listening hears the tiger behind the right door this often.
const HEARING: f64 = 0.85;

/// Listening costs 1 and tells the tiger's door with probability 0.85. Opening a door gives 10, or -100 when the tiger is
/// behind it, and the problem begins anew.
pub(super) fn model() -> Result<Model, ModelError> {
    Sketch {
        name: "tiger".into(),
        states: names(["tiger-left", "tiger-right"]),
        actions: names(["listen", "open-left", "open-right"]),
        observations: names(["hear-left", "hear-right"]),
        start: vec![0.5, 0.5],
        terminal: Vec::new(),
        next: |action, door| if action == LISTEN { vec![(door, 1.0)] } else { vec![(0, 0.5), (1, 0.5)] },
        seen: |action, door| {
            let right = if action == LISTEN { HEARING } else { 0.5 };
            vec![(door, right), (1 - door, 1.0 - right)]
        },
        reward: |action, door, _| match action {
            LISTEN => -1.0,
            _ if action - 1 == door => -100.0,
            _ => 10.0,
        },
    }
    .build()
}
