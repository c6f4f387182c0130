//! Standard normal numbers: Box and Muller, "A note on the generation of random normal deviates", 1958.

use tiresias_model::random::{Key, unit53};

/// Normal numbers number 0, 1, … of one stream of a key. Logarithm, sine and cosine are `libm`'s: the same bits on every system.
#[derive(Debug, Clone)]
pub struct Normals {
    key: Key,
    stream: u64,
    next: u32,
    spare: Option<f64>,
}

impl Normals {
    /// Stream number `stream` of a key.
    pub fn new(key: Key, stream: u64) -> Self {
        Self { key, stream, next: 0, spare: None }
    }

    /// The next number.
    pub fn draw(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        let [a, b, c, d] = self.key.block(self.stream, self.next, 0);
        self.next += 1;
        // 1 - u lies in (0, 1], where the logarithm is finite.
        let radius = (-2.0 * libm::log(1.0 - unit53(a, b))).sqrt();
        let (sin, cos) = libm::sincos(std::f64::consts::TAU * unit53(c, d));
        self.spare = Some(radius * sin);
        radius * cos
    }

    /// Fills `x` with independent normal numbers of these standard deviations.
    pub fn fill(&mut self, deviations: &[f64], x: &mut [f64]) {
        for (x, deviation) in x.iter_mut().zip(deviations) {
            *x = deviation * self.draw();
        }
    }
}
