//! The closed form is where the theory says, and errs as it says.

use proptest::prelude::*;
use tiresias_model::random::Key;
use tiresias_theory::attention::Scratch;
use tiresias_theory::closed_form::{ClosedForm, Pairs, spectrum};
use tiresias_theory::normals::Normals;
use tiresias_theory::prompt::Prompt;
use tiresias_theory::training::{Training, train};

fn lambdas() -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec(0.05..3.0_f64, 1..6)
}

fn diagonal(of: impl Fn(usize) -> f64, d: usize) -> Vec<f64> {
    (0..d * d).map(|at| if at / d == at % d { of(at / d) } else { 0.0 }).collect()
}

proptest! {
    /// The normal equations leave `tr Λ − tr(Γ⁻¹ Λ²)`; the two parts of the error must come to it where M is N.
    #[test]
    fn the_parts_of_the_error_sum_to_what_the_minimum_leaves(lambda in lambdas(), n in 1_usize..200) {
        let closed = ClosedForm::new(&lambda, n);
        let left: f64 = lambda.iter().zip(closed.gamma()).map(|(l, g)| l - l * l / g).sum();
        let sum = closed.gaussian_error(n).total();
        prop_assert!((sum - left).abs() <= 1e-9 * (1.0 + left), "{sum} {left}");
        let at_minimum = closed.population_loss(&diagonal(|k| 1.0 / closed.gamma()[k], lambda.len()));
        prop_assert!((at_minimum - left).abs() <= 1e-9 * (1.0 + left), "{at_minimum} {left}");
    }

    /// Theorem 4.2 writes the bias as `(‖w‖²_{Γ⁻²Λ³} + 2 tr Λ ‖w‖²_{Γ⁻²Λ²} + (tr Λ)² ‖w‖²_{Γ⁻²Λ}) / N²`.
    #[test]
    fn the_bias_is_that_of_the_theorem(lambda in lambdas(), n in 1_usize..200, sign in prop::collection::vec(-2.0..2.0_f64, 5)) {
        let closed = ClosedForm::new(&lambda, n);
        let w = &sign[..lambda.len()];
        let trace: f64 = lambda.iter().sum();
        let norm = |power: i32| -> f64 { (0..w.len()).map(|k| w[k] * w[k] * lambda[k].powi(power) / closed.gamma()[k].powi(2)).sum() };
        let expected = (norm(3) + 2.0 * trace * norm(2) + trace * trace * norm(1)) / (n * n) as f64;
        prop_assert!((closed.bias(w) - expected).abs() <= 1e-9 * (1.0 + expected));
    }

    /// A quadratic with a positive definite form: every step away from its minimum makes it greater by just that form.
    #[test]
    fn gamma_inverse_is_the_minimum(lambda in lambdas(), n in 1_usize..200, seed: u64) {
        let (closed, d) = (ClosedForm::new(&lambda, n), lambda.len());
        let best = diagonal(|k| 1.0 / closed.gamma()[k], d);
        let mut normals = Normals::new(Key(seed), 0);
        let step: Vec<f64> = (0..d * d).map(|_| normals.draw()).collect();
        let moved = |by: f64| closed.population_loss(&best.iter().zip(&step).map(|(a, s)| a + by * s).collect::<Vec<_>>());
        let (up, down, there) = (moved(1.0), moved(-1.0), moved(0.0));
        prop_assert!(up > there && down > there);
        prop_assert!((up - down).abs() <= 1e-8 * up);
    }

    /// By enumeration of all prompts of two pairs out of four.
    #[test]
    fn the_spread_is_the_mean_over_all_prompts(seed: u64, n in 1_usize..50) {
        let mut normals = Normals::new(Key(seed), 0);
        let features: Vec<f64> = (0..8).map(|_| normals.draw()).collect();
        let weights = [normals.draw(), normals.draw()];
        let labels: Vec<f64> = features.chunks_exact(2).map(|x| x[0] * weights[0] + x[1] * weights[1]).collect();
        // Any diagonal is a norm; that it is the second moment only matters to what the mean is.
        let closed = ClosedForm::new(&[0.7, 0.2], n);
        let estimates: Vec<Vec<f64>> = (0..16)
            .map(|at| {
                let mut prompt = Prompt::new(2);
                [at / 4, at % 4].iter().for_each(|&i| prompt.add(&features[2 * i..2 * i + 2], labels[i], 1));
                closed.weights(prompt.correlation(), prompt.length())
            })
            .collect();
        let mean: Vec<f64> = (0..2).map(|k| estimates.iter().map(|e| e[k]).sum::<f64>() / 16.0).collect();
        let expected = estimates.iter().map(|e| 0.7 * (e[0] - mean[0]).powi(2) + 0.2 * (e[1] - mean[1]).powi(2)).sum::<f64>() / 16.0;
        let pairs = Pairs { features: &features, labels: &labels, weights: &weights };
        prop_assert!((pairs.spread(&closed) / 2.0 - expected).abs() <= 1e-9 * (1.0 + expected));
        let along = estimates.iter().map(|e| (e[0] - mean[0] + 3.0 * (e[1] - mean[1])).powi(2)).sum::<f64>() / 16.0;
        prop_assert!((pairs.spread_along(&closed, &[1.0, 3.0]) / 2.0 - along).abs() <= 1e-9 * (1.0 + along));
    }
}

/// Theorem 4.1: gradient descent on the exact loss of `u x_qᵀ U (1/N Σ x y)`, from the theorem's start, ends where `u U = Γ⁻¹` with both
/// balanced, `u = tr(Γ⁻²)^¼`.
#[test]
fn gradient_descent_on_the_population_reaches_gamma_inverse() {
    for (decay, n) in [(0.0, 5), (1.0, 20), (1.0, 200)] {
        let d = 4;
        let lambda = spectrum(d, decay);
        let closed = ClosedForm::new(&lambda, n);
        let gamma = closed.gamma();
        let mut normals = Normals::new(Key(n as u64), 0);
        let theta: Vec<f64> = (0..d * d).map(|_| normals.draw()).collect();
        let square = |at: usize| -> f64 { (0..d).map(|k| theta[at / d * d + k] * theta[at % d * d + k]).sum() };
        let norm = (0..d * d).map(|at| square(at).powi(2)).sum::<f64>().sqrt();
        let sigma = 0.5;
        assert!(sigma * sigma * gamma[0] * (d as f64).sqrt() < 2.0, "the theorem's condition");
        let mut u = sigma;
        let mut m: Vec<f64> = (0..d * d).map(|at| sigma * square(at) / norm).collect();
        for _ in 0..60_000 {
            // Half the gradient of tr(Λ A Γ Λ Aᵀ) − 2 tr(Λ A Λ) in A = u U.
            let slope: Vec<f64> = (0..d * d)
                .map(|at| {
                    let (i, j) = (at / d, at % d);
                    lambda[i] * u * m[at] * gamma[j] * lambda[j] - if i == j { lambda[i] * lambda[j] } else { 0.0 }
                })
                .collect();
            let du: f64 = slope.iter().zip(&m).map(|(s, m)| s * m).sum();
            m.iter_mut().zip(&slope).for_each(|(m, s)| *m -= 0.05 * u * s);
            u -= 0.05 * du;
        }
        let balanced = gamma.iter().map(|g| g.powi(-2)).sum::<f64>().powf(0.25);
        assert!((u - balanced).abs() < 0.03 * balanced, "discrete steps leave the balance roughly: {u} {balanced}");
        for at in 0..d * d {
            let expected = if at / d == at % d { 1.0 / gamma[at / d] } else { 0.0 };
            assert!((u * m[at] - expected).abs() < 1e-6, "decay {decay}, N {n}: {} {expected}", u * m[at]);
        }
    }
}

/// The stated tolerance: the trained layer's mean squared error is within 1 % of the least, its matrix within 5 % of `Γ⁻¹`, and what the theory
/// has at 0 is below 5 % of what stands beside it.
#[test]
fn a_layer_trained_on_prompts_agrees_with_the_closed_form() {
    let (d, n) = (4, 20);
    for decay in [0.0, 1.0] {
        let closed = ClosedForm::new(&spectrum(d, decay), n);
        let how = Training { steps: 800, batch: 256, learning_rate: 0.02 };
        let layer =
            train(&closed, n, &how, Key::named(11, &["test"], &[]), &|_| std::ops::ControlFlow::Continue(())).unwrap();
        let a = layer.effective();
        let exact = diagonal(|k| 1.0 / closed.gamma()[k], d);
        let excess = closed.population_loss(&a) / closed.population_loss(&exact) - 1.0;
        assert!((0.0..0.01).contains(&excess), "excess {excess}");
        let apart =
            a.iter().zip(&exact).map(|(a, e)| (a - e).powi(2)).sum::<f64>() / exact.iter().map(|e| e * e).sum::<f64>();
        assert!(apart.sqrt() < 0.05, "distance {}", apart.sqrt());
        let (value, key_query) = layer.stray();
        assert!(value < 0.05 && key_query < 0.05, "stray {value} {key_query}");
        // And predicts the same for a prompt that neither has seen.
        let mut normals = Normals::new(Key(1), 0);
        let mut prompt = Prompt::new(d);
        let w: Vec<f64> = (0..d).map(|_| normals.draw()).collect();
        for _ in 0..50 {
            let x: Vec<f64> = closed.lambda().iter().map(|l| l.sqrt() * normals.draw()).collect();
            prompt.add(&x, x.iter().zip(&w).map(|(x, w)| x * w).sum(), 1);
        }
        let query: Vec<f64> = closed.lambda().iter().map(|l| l.sqrt() * normals.draw()).collect();
        let estimate = closed.weights(prompt.correlation(), 50);
        let expected: f64 = estimate.iter().zip(&query).map(|(w, x)| w * x).sum();
        let found = layer.predict(&prompt, &query, &mut Scratch::new(d));
        assert!((found - expected).abs() < 0.1 * (1.0 + expected.abs()), "{found} {expected}");
    }
}

#[test]
fn training_stops_when_it_is_told_to() {
    let closed = ClosedForm::new(&[1.0, 1.0], 10);
    let how = Training { steps: 1_000_000, batch: 16, learning_rate: 0.01 };
    let hook = |progress: tiresias_theory::Progress| {
        if progress.done > 2 { std::ops::ControlFlow::Break(()) } else { std::ops::ControlFlow::Continue(()) }
    };
    assert!(train(&closed, 10, &how, Key(1), &hook).is_err());
}
