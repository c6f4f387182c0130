//! Block formats, the frozen linear map, and GGUF's row order.

use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};
use proptest::prelude::*;
use tiresias_train::base::{Module, unpermuted};
use tiresias_train::bf16::{Kernel, Side};
use tiresias_train::kernels::{Activation, Write, exp, gated, gated_backward};
use tiresias_train::layer::{Linear, Pass, Weight, Weights};
use tiresias_train::lora::Lora;
use tiresias_train::operand::Operand;
use tiresias_train::qlora::Adapted;
use tiresias_train::quantized::Quantized;

use crate::support::{CONTEXT, Toy, assert_close, random_parameters};

fn quantize(values: &[f32], rows: usize, cols: usize, dtype: GgmlDType) -> (Quantized, Vec<f32>) {
    let tensor = Tensor::from_slice(values, (rows, cols), &Device::Cpu).unwrap();
    let tensor = QTensor::quantize(&tensor, dtype).unwrap();
    let dense = tensor.dequantize(&Device::Cpu).unwrap().flatten_all().unwrap().to_vec1().unwrap();
    (Quantized::from_qtensor(&tensor).unwrap(), dense)
}

/// Our decoders and candle's agree to the last bits (a fused multiply-add rounds once where candle rounds twice).
#[test]
fn formats_decode_as_in_candle() {
    for dtype in [
        GgmlDType::F32,
        GgmlDType::F16,
        GgmlDType::BF16,
        GgmlDType::Q4_0,
        GgmlDType::Q4_1,
        GgmlDType::Q5_0,
        GgmlDType::Q5_1,
        GgmlDType::Q8_0,
        GgmlDType::Q4K,
        GgmlDType::Q6K,
    ] {
        let (rows, cols) = (6, 512);
        let (quantized, dense) = quantize(&random_parameters(rows * cols, 1, 3.0), rows, cols, dtype);
        assert_eq!((quantized.rows(), quantized.cols(), quantized.dtype()), (rows, cols, dtype));
        let mut ours = Vec::new();
        quantized.dequantize_into(&mut ours);
        assert_close(&ours, &dense, 1e-6);
        let mut part = vec![0.0; 2 * cols];
        quantized.dequantize_rows(3..5, &mut part);
        assert_eq!(part, ours[3 * cols..5 * cols]);
        let mut block = vec![0.0; 2 * 256];
        quantized.dequantize_part(3..5, 256..512, &mut block);
        assert_eq!(block, [&ours[3 * cols + 256..4 * cols], &ours[4 * cols + 256..5 * cols]].concat());
    }
}

proptest! {
    /// Every half-precision scale, subnormal ones too, decodes exactly.
    #[test]
    fn scales_decode_exactly(exponent in -24i32..14, mantissa in 1u16..1024) {
        let scale = f32::from(mantissa) * 2f32.powi(exponent - 10);
        let (quantized, dense) = quantize(&[scale; 32], 1, 32, GgmlDType::Q8_0);
        let mut ours = Vec::new();
        quantized.dequantize_into(&mut ours);
        prop_assert_eq!(ours, dense);
    }

    #[test]
    fn exponentials_are_right_to_a_few_units(x in -86f32..87.0) {
        let (ours, truth) = (f64::from(exp(x)), f64::from(x).exp());
        prop_assert!((ours / truth - 1.0).abs() < 4e-7, "exp({x}) = {ours}, not {truth}");
    }
}

#[test]
fn exponentials_keep_not_a_number_and_stay_finite() {
    assert!(exp(f32::NAN).is_nan());
    assert_eq!(exp(0.0), 1.0);
    assert!(exp(-1e30) < 1e-37 && exp(1e30).is_finite());
}

/// Both gates and their derivatives against their definitions in f64.
#[test]
fn gates_match_their_definitions() {
    let gelu = |x: f64| 0.5 * x * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3))).tanh());
    let silu = |x: f64| x / (1.0 + (-x).exp());
    let (g, u, d) = (random_parameters(500, 1, 12.0), random_parameters(500, 2, 2.0), random_parameters(500, 3, 2.0));
    for (activation, plain) in [(Activation::Silu, &silu as &dyn Fn(f64) -> f64), (Activation::GeluTanh, &gelu)] {
        let (mut dg, mut du, mut again) = (g.clone(), u.clone(), d.clone());
        let mut out = vec![0.0; 500];
        gated(activation, &g, &u, &mut out);
        gated_backward(activation, &mut dg, &mut du, &mut again);
        let wide = |i: usize| (f64::from(g[i]), f64::from(u[i]), f64::from(d[i]));
        let all = |f: &dyn Fn((f64, f64, f64)) -> f64| (0..500).map(|i| f(wide(i)) as f32).collect::<Vec<f32>>();
        let slope = |x: f64| (plain(x + 1e-5) - plain(x - 1e-5)) / 2e-5;
        for found in [&out, &again] {
            assert_close(found, &all(&|(g, u, _)| plain(g) * u), 1e-5);
        }
        assert_close(&dg, &all(&|(g, u, d)| d * u * slope(g)), 1e-5);
        assert_close(&du, &all(&|(g, _, d)| d * plain(g)), 1e-5);
    }
}

/// `y = x·Wᵀ` and `dx = dy·W` of the frozen quantised map, with and without an adapter, in f32 and in bf16, against dense sums in f64.
#[test]
fn quantised_linear_matches_dense_forward_and_backward() {
    let base = Toy::new().base();
    let ropes = base.shape.ropes(CONTEXT);
    // Two operands off by up to 2⁻⁹ of themselves each, in sums of up to 96 products of about 1/8: about 2⁻⁸ times their root mean square.
    for (targets, bf16, tolerance) in [
        (&[][..], None, 1e-5),
        (&Module::ALL[..], None, 1e-5),
        (&[], Some(Kernel::best()), 2e-2),
        (&Module::ALL, Some(Kernel::best()), 2e-2),
    ] {
        let lora = Lora::new(&base.shape, base.layers.len(), 4, 8.0, targets);
        let parameters = random_parameters(lora.parameters(), 2, 0.3);
        let weights = Adapted { base: &base, lora: &lora, parameters: &parameters, bf16 };
        let pass = Pass { weights: &weights, ropes: &ropes, threads: 1 };
        for module in Module::ALL {
            let (outputs, inputs) = base.shape.of(module);
            let n = 5;
            let (x, dy) = (random_parameters(n * inputs, 3, 1.0), random_parameters(n * outputs, 4, 1.0));
            let (mut rows, mut scratch) = (Operand::default(), Weight::default());
            let mut frozen = Vec::new();
            base.layers[1].linear[module as usize].dequantize_into(&mut frozen);
            let low_rank = |o: usize, i: usize| {
                lora.pair(1, module).map_or(0.0, |p| {
                    let (a, b) = (&parameters[p.a.clone()], &parameters[p.b.clone()]);
                    (0..4).map(|r| b[o * 4 + r] * a[r * inputs + i]).sum::<f32>() * lora.scale
                })
            };
            let dense: Vec<f32> = (0..outputs * inputs).map(|j| frozen[j] + low_rank(j / inputs, j % inputs)).collect();
            weights.begin(1, module, &mut scratch);
            if let Linear::Dense(w) = weights.linear(1, module, Side::Inputs, 0..outputs, &mut scratch) {
                assert_close(w, &dense, 1e-5);
            }

            let at = |o: usize, i: usize| f64::from(dense[o * inputs + i]);
            let mut y = vec![7.0; n * outputs];
            pass.linear(1, rows.of(bf16, &x, inputs), [(module, &mut y)], Write::Set, &mut scratch);
            let row =
                |t: usize, o: usize| (0..inputs).map(|i| f64::from(x[t * inputs + i]) * at(o, i)).sum::<f64>() as f32;
            assert_close(&y, &(0..n * outputs).map(|j| row(j / outputs, j % outputs)).collect::<Vec<_>>(), tolerance);

            let mut dx = vec![0.5; n * inputs];
            pass.input_gradient(1, module, rows.of(bf16, &dy, outputs), &mut dx, Write::Add, &mut scratch);
            let col = |t: usize, i: usize| {
                0.5 + (0..outputs).map(|o| f64::from(dy[t * outputs + o]) * at(o, i)).sum::<f64>() as f32
            };
            assert_close(&dx, &(0..n * inputs).map(|j| col(j / inputs, j % inputs)).collect::<Vec<_>>(), tolerance);
        }
    }
}

/// llama.cpp's converter writes row `(half, i)` of a head at `(i, half)`; undoing that on the blocks gives the rows back.
#[test]
fn unpermutation_inverts_the_converter() {
    let (heads, dim, cols) = (3, 8, 32);
    let original = random_parameters(heads * dim * cols, 5, 1.0);
    let mut converted = vec![0.0; original.len()];
    for head in 0..heads {
        for half in 0..2 {
            for i in 0..dim / 2 {
                let (from, to) = (head * dim + half * dim / 2 + i, head * dim + 2 * i + half);
                converted[to * cols..(to + 1) * cols].copy_from_slice(&original[from * cols..(from + 1) * cols]);
            }
        }
    }
    let (expected, _) = quantize(&original, heads * dim, cols, GgmlDType::Q4_1);
    let (file, _) = quantize(&converted, heads * dim, cols, GgmlDType::Q4_1);
    let (mut a, mut b) = (Vec::new(), Vec::new());
    expected.dequantize_into(&mut a);
    unpermuted(&file, dim).dequantize_into(&mut b);
    assert_eq!(a, b);
    assert_ne!(converted, original);
}
