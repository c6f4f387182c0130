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
    product(kernel, ViewMut::new(&mut dst, n, columns), write, &left, &right, threads);
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

    /// A row, or what of it begins at a tile, comes back as it was rounded.
    #[test]
    fn rows_come_back_rounded(n in 1usize..40, width in 1usize..140, from in 0usize..4, seed in 0u64..1000) {
        let column = (32 * from).min(width / 32 * 32);
        let x = random_parameters(n * width, seed, 1.0);
        let mut left = Left::default();
        left.begin(n, width);
        for (i, row) in x.chunks_exact(width).enumerate() {
            left.put_row(i, column, &row[column..]);
            left.put_row(i, 0, &row[..column]);
        }
        for (i, row) in x.chunks_exact(width).enumerate() {
            let mut back = vec![f32::NAN; width - column];
            left.row(i, column, &mut back);
            prop_assert_eq!(back, row[column..].iter().copied().map(round).collect::<Vec<_>>());
        }
    }

    /// What came row by row as a left operand may be summed over its rows as well.
    #[test]
    fn a_turned_operand_is_summed_over_its_rows(n in 1usize..100, width in 1usize..70, r in 1usize..20, seed in 0u64..1000) {
        let (t, x) = (random_parameters(n * r, seed, 1.0), random_parameters(n * width, seed + 1, 1.0));
        let (mut left, mut rows, mut turned) = (Left::default(), Left::default(), Right::default());
        rows.pack(View::new(&vec![f32::NAN; 90 * 80], 90, 80));
        turned.turn(&rows);
        rows.begin(n, width);
        x.chunks_exact(width).enumerate().for_each(|(i, row)| rows.put_row(i, 0, row));
        turned.turn(&rows);
        left.pack(View::new(&t, n, r).t());
        for kernel in available() {
            let mut dst = vec![f32::NAN; r * width];
            product(kernel, ViewMut::new(&mut dst, r, width), Write::Set, &left, &turned, 1);
            for (i, ours) in dst.iter().enumerate() {
                let at = |k: usize| f64::from(round(t[k * r + i / width])) * f64::from(round(x[k * width + i % width]));
                let (sum, size) = (0..n).map(at).fold((0.0, 0.0), |(sum, size), p| (sum + p, size + p.abs()));
                let bound = (n + 1) as f64 * f64::from(f32::EPSILON) * size;
                prop_assert!((f64::from(*ours) - sum).abs() <= bound, "{kernel}, number {i}: {ours} instead of {sum}");
            }
        }
    }

    /// Some columns, or some rows, of a right operand are multiplied with as if there were no others.
    #[test]
    fn parts_of_an_operand_are_operands(n in 1usize..40, from in 0usize..3, count in 1usize..70, more in 0usize..40, other in 1usize..70, seed in 0u64..1000) {
        let (start, all) = (32 * from, 32 * from + count + more);
        let matrix = random_parameters(all * other, seed, 1.0);
        let (lies, taken) = (View::new(&matrix, all, other), View::new(&matrix[start * other..], count, other));
        let (mut left, mut whole, mut part) = (Left::default(), Right::default(), Right::default());
        for kernel in available() {
            for by_rows in [true, false] {
                let (depth, columns) = if by_rows { (count, other) } else { (other, count) };
                left.pack(View::new(&random_parameters(n * depth, seed + 1, 1.0), n, depth));
                whole.pack(if by_rows { lies } else { lies.t() });
                part.pack(if by_rows { taken } else { taken.t() });
                let [mut ours, mut alone] = [vec![f32::NAN; n * columns], vec![f32::NAN; n * columns]];
                let span = start..start + count;
                let of_whole = if by_rows { whole.rows(span) } else { whole.columns(span) };
                product(kernel, ViewMut::new(&mut ours, n, columns), Write::Set, &left, of_whole, 1);
                product(kernel, ViewMut::new(&mut alone, n, columns), Write::Set, &left, &part, 1);
                prop_assert_eq!(ours, alone, "{}", kernel);
            }
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
            // Parts of 32 rows, in two of columns.
            for start in (0..pair.outputs).step_by(32) {
                let rows = start..(start + 32).min(pair.outputs);
                for columns in [0..32, 32..pair.inputs] {
                    let lies = |row: usize| row * pair.inputs + columns.start..row * pair.inputs + columns.end;
                    let mut part: Vec<f32> = rows.clone().flat_map(|row| weight[lies(row)].to_vec()).collect();
                    Lora::merge_in_bf16(kernel, &delta, rows.clone(), columns.clone(), &mut part);
                    for (row, part) in rows.clone().zip(part.chunks(columns.len())) {
                        merged[lies(row)].copy_from_slice(part);
                    }
                }
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
