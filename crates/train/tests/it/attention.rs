//! Attention against its definition, and cached positions against whole sequences.

use proptest::prelude::*;
use tiresias_train::attention::{self, Heads, Scratch};
use tiresias_train::bf16::Kernel;

use crate::support::{assert_close, random_parameters};

const SHAPE: Heads = Heads::new(6, 2, 8);

/// The definition, in f64.
fn plain(shape: Heads, q: &[f32], k: &[f32], v: &[f32], n: usize, total: usize) -> Vec<f32> {
    let (qw, kw, dim) = (shape.q_width(), shape.kv_width(), shape.dim);
    let mut out = vec![0.0; n * qw];
    for i in 0..n {
        for head in 0..shape.heads {
            let kv = head / 3 * dim;
            let score = |j: usize| {
                let sum = (0..dim).map(|c| f64::from(q[i * qw + head * dim + c]) * f64::from(k[j * kw + kv + c]));
                (sum.sum::<f64>() / f64::from(shape.scalar).sqrt()).exp()
            };
            let sees = |j: usize| total - n + i - j < shape.window.unwrap_or(usize::MAX);
            let p: Vec<f64> = (0..=total - n + i).map(|j| if sees(j) { score(j) } else { 0.0 }).collect();
            let z: f64 = p.iter().sum();
            for c in 0..dim {
                let value = p.iter().enumerate().map(|(j, p)| p * f64::from(v[j * kw + kv + c])).sum::<f64>() / z;
                out[i * qw + head * dim + c] = value as f32;
            }
        }
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn matches_its_definition(
        total in 1usize..150,
        cached in 0usize..150,
        window in prop::option::of(1usize..150),
        seed in 0u64..1000,
    ) {
        let shape = Heads { window, scalar: if window.is_some() { 5.0 } else { SHAPE.scalar }, ..SHAPE };
        let n = total - cached.min(total - 1);
        let q = random_parameters(n * SHAPE.q_width(), seed, 3.0);
        let k = random_parameters(total * SHAPE.kv_width(), seed + 1, 3.0);
        let v = random_parameters(total * SHAPE.kv_width(), seed + 2, 3.0);
        let (mut out, mut lse) = (vec![0.0; q.len()], vec![0.0; n * SHAPE.heads]);
        attention::forward(shape, &q, &k, &v, &mut out, &mut lse, &mut Scratch::default());
        assert_close(&out, &plain(shape, &q, &k, &v, n, total), 1e-5);
    }
}

/// Derivatives over more than one block of queries, along random directions.
#[test]
fn backward_matches_finite_differences() {
    for window in [None, Some(1), Some(9), Some(70)] {
        backward_matches(Heads { window, ..SHAPE });
    }
}

fn backward_matches(shape: Heads) {
    let n = 100;
    let (qn, kn) = (n * SHAPE.q_width(), n * SHAPE.kv_width());
    let inputs = [random_parameters(qn, 1, 1.0), random_parameters(kn, 2, 1.0), random_parameters(kn, 3, 1.0)];
    let dout = random_parameters(qn, 4, 1.0);
    let forward = |[q, k, v]: &[Vec<f32>; 3]| {
        let (mut out, mut lse) = (vec![0.0; qn], vec![0.0; n * SHAPE.heads]);
        attention::forward(shape, q, k, v, &mut out, &mut lse, &mut Scratch::default());
        (out, lse)
    };
    let value =
        |x: &[Vec<f32>; 3]| forward(x).0.iter().zip(&dout).map(|(o, d)| f64::from(*o) * f64::from(*d)).sum::<f64>();
    let (out, lse) = forward(&inputs);
    let saved = attention::Backward { q: &inputs[0], k: &inputs[1], v: &inputs[2], out: &out, lse: &lse, dout: &dout };
    let (mut dq, mut dk, mut dv) = (vec![1.0; qn], vec![1.0; kn], vec![1.0; kn]);
    attention::backward(shape, &saved, &mut dq, &mut dk, &mut dv, &mut Scratch::default());
    for (which, gradient) in [&dq, &dk, &dv].into_iter().enumerate() {
        let direction = random_parameters(gradient.len(), 9, 1.0);
        let expected: f64 = gradient.iter().zip(&direction).map(|(g, d)| f64::from(*g) * f64::from(*d)).sum();
        let moved = |h: f32| {
            let mut moved = inputs.clone();
            moved[which].iter_mut().zip(&direction).for_each(|(x, d)| *x += h * d);
            value(&moved)
        };
        let h = 3e-3;
        let slope = (moved(h) - moved(-h)) / (2.0 * f64::from(h));
        assert!(
            (slope - expected).abs() < 2e-3 * expected.abs().max(1.0),
            "{shape:?}, input {which}: {slope} and {expected}"
        );
    }
}

fn size(x: &[f32]) -> f64 {
    x.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt()
}

/// Products in bf16 round their operands to 8 bits and change nothing else: results are off by a few times 2⁻⁹ of their size.
#[test]
fn attention_in_bf16_is_that_in_f32_but_for_rounding() {
    for (window, n) in [(None, 1), (None, 150), (Some(1), 100), (Some(9), 100), (Some(70), 150)] {
        let shape = Heads { window, ..SHAPE };
        let (qn, kn) = (n * SHAPE.q_width(), n * SHAPE.kv_width());
        let [q, dout] = [1, 4].map(|seed| random_parameters(qn, seed, 1.0));
        let [k, v] = [2, 3].map(|seed| random_parameters(kn, seed, 1.0));
        let at = |bf16| {
            let mut scratch = Scratch::default();
            scratch.bf16 = bf16;
            let (mut out, mut lse) = (vec![7.0; qn], vec![7.0; n * SHAPE.heads]);
            // Twice, because buffers are used again.
            for _ in 0..2 {
                attention::forward(shape, &q, &k, &v, &mut out, &mut lse, &mut scratch);
            }
            let saved = attention::Backward { q: &q, k: &k, v: &v, out: &out, lse: &lse, dout: &dout };
            let (mut dq, mut dk, mut dv) = (vec![7.0; qn], vec![7.0; kn], vec![7.0; kn]);
            for _ in 0..2 {
                attention::backward(shape, &saved, &mut dq, &mut dk, &mut dv, &mut scratch);
            }
            [out, lse, dq, dk, dv]
        };
        let exact = at(None);
        for kernel in Kernel::ALL.into_iter().filter(|kernel| kernel.is_available()) {
            for (which, (ours, exact)) in at(Some(kernel)).iter().zip(&exact).enumerate() {
                let difference: Vec<f32> = ours.iter().zip(exact).map(|(a, b)| a - b).collect();
                // Where rows see themselves alone queries and keys change nothing.
                let apart = size(&difference) / size(exact).max(size(&dout));
                assert!(apart < 1e-2, "{kernel}, {shape:?}, {n} rows, result {which}: {apart}");
            }
        }
    }
}
