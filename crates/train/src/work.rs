//! How much arithmetic a step needs, and how much this machine can do.

use std::time::{Duration, Instant};

use crate::base::{Module, Shape};
use crate::gradient::Example;
use crate::kernels::{View, ViewMut, Write, matmul};
use crate::lora::Lora;

/// Floating-point operations that a step over these examples cannot do without: every frozen product forward and once backward
/// (its input's gradient), the adapters' gradients, causal attention (two products forward, four backward) and the head at the
/// labelled rows. Decoding weights, merging adapters and recomputation are overhead, not work.
pub fn necessary_flops(shape: &Shape, layers: usize, lora: &Lora, examples: &[&Example]) -> f64 {
    let size = |m: Module| (shape.of(m).0 * shape.of(m).1) as f64;
    let linear: f64 = Module::ALL.into_iter().map(size).sum::<f64>() * layers as f64;
    let low_rank: f64 = lora.pairs().iter().map(|p| (lora.r * (p.inputs + p.outputs)) as f64).sum();
    let per_token = 4.0 * linear + 4.0 * low_rank;
    let per_label = 4.0 * (shape.vocabulary * shape.hidden) as f64;
    let of = |e: &&Example| {
        let (n, labels) = (e.needed() as f64, e.targets().count() as f64);
        n * per_token + attention(shape, e.needed()) + labels * per_label
    };
    examples.iter().map(of).sum()
}

/// The same where every weight is trained: each product also gives its weight's gradient, and so does the head.
pub fn flops_of_all(shape: &Shape, layers: usize, examples: &[&Example]) -> f64 {
    let size = |m: Module| (shape.of(m).0 * shape.of(m).1) as f64;
    let per_token = 6.0 * Module::ALL.into_iter().map(size).sum::<f64>() * layers as f64;
    let per_label = 6.0 * (shape.vocabulary * shape.hidden) as f64;
    let of = |e: &&Example| {
        let (n, labels) = (e.needed() as f64, e.targets().count() as f64);
        n * per_token + attention(shape, e.needed()) + labels * per_label
    };
    examples.iter().map(of).sum()
}

/// Attention's products over one sequence, two forward and four backward, of the pairs of positions that see each other.
fn attention(shape: &Shape, n: usize) -> f64 {
    let pairs = |window: usize| {
        let (n, seen) = (n as f64, window.min(n) as f64);
        seen * (seen + 1.0) / 2.0 + (n - seen) * seen
    };
    let pairs: f64 = shape.layers.iter().map(|&layer| pairs(shape.spans[layer].window.unwrap_or(n))).sum();
    2.0 * 6.0 * shape.heads.q_width() as f64 * pairs
}

/// The matrix-product rate of the current rayon pool in GFLOP/s: every thread multiplies cache-sized matrices on its own, as
/// training does. Each thread's best product counts, so that other programs' turns on the processor hardly do. Nobody waits long for it.
pub fn peak_gflops() -> f64 {
    const SIZE: usize = 512;
    const PRODUCTS: usize = 100;
    const ENOUGH: Duration = Duration::from_millis(200);
    let began = Instant::now();
    let best = rayon::broadcast(|_| {
        let (a, b, mut c) = (vec![0.5; SIZE * SIZE], vec![0.25; SIZE * SIZE], vec![0.0; SIZE * SIZE]);
        let seconds = (0..PRODUCTS).take_while(|&n| n == 0 || began.elapsed() < ENOUGH).map(|_| {
            let started = Instant::now();
            let (a, b) = (View::new(&a, SIZE, SIZE), View::new(&b, SIZE, SIZE));
            matmul(ViewMut::new(&mut c, SIZE, SIZE), Write::Set, 1.0, a, b, 1);
            started.elapsed().as_secs_f64()
        });
        seconds.fold(f64::INFINITY, f64::min)
    });
    best.iter().map(|seconds| (2 * SIZE.pow(3)) as f64 / seconds / 1e9).sum()
}
