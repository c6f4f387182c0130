//! Products of bf16 operands, by every kernel that this machine has, against sums in f64 of the same rounded numbers.

use proptest::prelude::*;
use tiresias_train::base::Module;
use tiresias_train::bf16::{Kernel, Left, Right, Side, product, round};
use tiresias_train::kernels::{View, ViewMut, Write};
use tiresias_train::lora::{Delta, Lora};

use crate::support::{Toy, assert_close, random_parameters};

fn available() -> impl Iterator<Item = Kernel> {
    Kernel::ALL.into_iter().filter(|kernel| kernel.is_available())
}

/// `start (+)= x·Wᵀ` or `x·W`, with `weight` of `rows × cols` numbers.
fn multiplied(
    kernel: Kernel,
    side: Side,
    x: &[f32],
    weight: &[f32],
    (rows, cols): (usize, usize),
    start: Option<&[f32]>,
    threads: usize,
) -> Vec<f32> {
    let (depth, columns) = if side == Side::Inputs { (cols, rows) } else { (rows, cols) };
    let (mut left, mut right) = (Left::default(), Right::default());
    // Buffers are used again: what is left in them must not show.
    left.pack(View::new(&vec![f32::NAN; 70 * 90], 70, 90));
    right.pack_weight(side, (90, 100), &mut Vec::new(), |_, band| band.fill(f32::NAN));
    let n = x.len() / depth;
    left.pack(View::new(x, n, depth));
    right.pack_weight(side, (rows, cols), &mut Vec::new(), |taken, band| {
        band.copy_from_slice(&weight[taken.start * cols..taken.end * cols]);
    });
    let mut dst = start.map_or_else(|| vec![f32::NAN; n * columns], <[f32]>::to_vec);
    let write = if start.is_some() { Write::Add } else { Write::Set };
    product(kernel, ViewMut::new(&mut dst, n, columns), write, 1.0, &left, &right, threads);
    dst
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whole tiles and ragged edges, both sides, set and added. A sum of k products rounds at most k times.
    #[test]
    fn every_kernel_is_right_to_its_rounding(n in 1usize..70, rows in 1usize..70, cols in 1usize..140, inputs: bool, add: bool, seed in 0u64..1000) {
        let side = if inputs { Side::Inputs } else { Side::Outputs };
        let (depth, columns) = if inputs { (cols, rows) } else { (rows, cols) };
        let (x, weight) = (random_parameters(n * depth, seed, 1.0), random_parameters(rows * cols, seed + 1, 1.0));
        let start = add.then(|| random_parameters(n * columns, seed + 2, 1.0));
        let at = |k: usize, j: usize| if inputs { weight[j * cols + k] } else { weight[k * cols + j] };
        for kernel in available() {
            let dst = multiplied(kernel, side, &x, &weight, (rows, cols), start.as_deref(), 1);
            for i in 0..n {
                for j in 0..columns {
                    let products = (0..depth).map(|k| f64::from(round(x[i * depth + k])) * f64::from(round(at(k, j))));
                    let begun = start.as_ref().map_or(0.0, |start| f64::from(start[i * columns + j]));
                    let (sum, size) = products.fold((begun, begun.abs()), |(sum, size), p| (sum + p, size + p.abs()));
                    let error = (f64::from(dst[i * columns + j]) - sum).abs();
                    let bound = (depth + 1) as f64 * f64::from(f32::EPSILON) * size;
                    prop_assert!(error <= bound, "{kernel}, row {i}, column {j}: {} instead of {sum}", dst[i * columns + j]);
                }
            }
            prop_assert_eq!(&dst, &multiplied(kernel, side, &x, &weight, (rows, cols), start.as_deref(), 3), "{}: threads", kernel);
        }
    }

    /// To the nearest of the two neighbours that leave the lower 16 bits out, and to the even one of two that are as near.
    #[test]
    fn numbers_round_to_the_nearest(x in any::<f32>()) {
        let (below, ours) = (f32::from_bits(x.to_bits() & 0xffff_0000), round(x));
        let above = f32::from_bits((x.to_bits() & 0xffff_0000).wrapping_add(0x1_0000));
        if x.is_finite() && above.is_finite() {
            let apart = |y: f32| (f64::from(y) - f64::from(x)).abs();
            let nearest = match apart(below).total_cmp(&apart(above)) {
                std::cmp::Ordering::Less => below,
                std::cmp::Ordering::Greater => above,
                std::cmp::Ordering::Equal => if below.to_bits() & 0x1_0000 == 0 { below } else { above },
            };
            prop_assert_eq!(ours.to_bits(), nearest.to_bits());
        }
    }
}

/// A training that went astray must be seen to: no rounding makes a number of what is none.
#[test]
fn what_is_no_number_stays_none() {
    for bits in [0x7f80_0001, 0x7fff_ffff, 0xffff_ffff, 0xff80_0001, 0x7fc0_0000] {
        assert!(round(f32::from_bits(bits)).is_nan(), "{bits:x}");
    }
    assert_eq!((round(f32::INFINITY), round(f32::NEG_INFINITY)), (f32::INFINITY, f32::NEG_INFINITY));
    for kernel in available() {
        for (x, w) in [(f32::NAN, 1.0), (1.0, f32::NAN), (f32::INFINITY, 0.0)] {
            let y = multiplied(kernel, Side::Inputs, &[x, 1.0], &[w, 2.0], (1, 2), None, 1);
            assert!(y[0].is_nan(), "{kernel}: {x} and {w} give {}", y[0]);
        }
    }
}

/// An adapter's product is added to its weight with 16 bits, of which the weight keeps 8.
#[test]
fn adapters_are_merged_more_exactly_than_weights_are_rounded() {
    let base = Toy::new().base();
    let lora = Lora::new(&base.shape, base.layers.len(), 5, 8.0, &Module::ALL);
    let parameters = random_parameters(lora.parameters(), 1, 1.0);
    for pair in lora.pairs() {
        let weight = random_parameters(pair.outputs * pair.inputs, 2, 1.0);
        let mut reference = weight.clone();
        lora.merge(pair, &parameters, &mut reference);
        for kernel in available() {
            let (mut merged, mut delta) = (weight.clone(), Delta::default());
            lora.begin_merge(pair, &parameters, &mut delta);
            for start in (0..pair.outputs).step_by(32) {
                let rows = start..(start + 32).min(pair.outputs);
                let band = &mut merged[start * pair.inputs..rows.end * pair.inputs];
                lora.merge_in_bf16(kernel, pair, &parameters, rows, &mut delta, band);
            }
            // Five products of up to 1.6, each off by up to about 2⁻¹⁶ of itself.
            assert_close(&merged, &reference, 2.0 * 8.0 / 65536.0);
        }
    }
}

#[test]
fn kernels_go_by_their_names() {
    for kernel in Kernel::ALL {
        assert_eq!(kernel.name().parse(), Ok(kernel));
    }
    assert!("avx".parse::<Kernel>().unwrap_err().contains("`avx`"));
    assert!(Kernel::Portable.is_available() && Kernel::best().is_available());
}

/// Which of the two is faster follows from what the operating system says of the processor.
#[test]
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn bf16_is_chosen_where_the_processor_gains_by_it() {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap();
    let has = |words: &str| info.split_whitespace().any(|word| word == words);
    let (amx, avx512) = (has("amx_bf16") && has("avx512_bf16"), has("avx512_bf16") && has("AuthenticAMD"));
    assert_eq!(Kernel::outruns_f32(), amx || avx512);
}
