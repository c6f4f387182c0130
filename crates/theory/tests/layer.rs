//! The layer is the paper's, and its gradient is one.

use proptest::prelude::*;
use tiresias_model::random::Key;
use tiresias_theory::attention::{Layer, Scratch};
use tiresias_theory::normals::Normals;
use tiresias_theory::prompt::Prompt;

const D: usize = 3;

struct Case {
    layer: Layer,
    pairs: Vec<([f64; D], f64)>,
    query: [f64; D],
}

fn case(seed: u64, length: usize) -> Case {
    let mut normals = Normals::new(Key(seed), 0);
    let mut layer = Layer::zero(D);
    layer.numbers_mut().for_each(|number| *number = normals.draw());
    let pairs = (0..length).map(|_| (std::array::from_fn(|_| normals.draw()), normals.draw())).collect();
    Case { layer, pairs, query: std::array::from_fn(|_| normals.draw()) }
}

fn prompt_of(pairs: &[([f64; D], f64)]) -> Prompt {
    let mut prompt = Prompt::new(D);
    pairs.iter().for_each(|(x, y)| prompt.add(x, *y, 1));
    prompt
}

type Matrix = Vec<Vec<f64>>;

fn times(a: &Matrix, b: &Matrix) -> Matrix {
    a.iter().map(|row| (0..b[0].len()).map(|j| (0..b.len()).map(|k| row[k] * b[k][j]).sum()).collect()).collect()
}

fn transposed(a: &Matrix) -> Matrix {
    (0..a[0].len()).map(|j| a.iter().map(|row| row[j]).collect()).collect()
}

proptest! {
    /// `f(E) = E + W^PV E (Eᵀ W^KQ E) / M`, written out with whole matrices whose other entries are anything.
    #[test]
    fn prediction_is_the_last_entry_of_attention(seed: u64, length in 1_usize..6, other in -3.0..3.0_f64) {
        let Case { layer, pairs, query } = case(seed, length);
        let column = |k: usize| -> Vec<f64> {
            let of = |(x, y): &([f64; D], f64)| if k < D { x[k] } else { *y };
            pairs.iter().map(of).chain([if k < D { query[k] } else { 0.0 }]).collect()
        };
        let e: Matrix = (0..=D).map(column).collect();
        let value: Matrix = (0..=D).map(|i| if i == D { layer.value.clone() } else { vec![other; D + 1] }).collect();
        let key_query: Matrix = (0..=D).map(|i| (0..=D).map(|j| if j < D { layer.key_query[i * D + j] } else { other }).collect()).collect();
        let attention = times(&times(&times(&value, &e), &transposed(&e)), &times(&key_query, &e));
        let expected = e[D][length] + attention[D][length] / length as f64;
        let found = layer.predict(&prompt_of(&pairs), &query, &mut Scratch::new(D));
        prop_assert!((found - expected).abs() <= 1e-9 * (1.0 + expected.abs()), "{found} {expected}");
    }

    #[test]
    fn gradient_agrees_with_central_differences(seed: u64, length in 1_usize..6, y in -3.0..3.0_f64) {
        let Case { layer, pairs, query } = case(seed, length);
        let prompt = prompt_of(&pairs);
        let loss = |layer: &Layer| (layer.predict(&prompt, &query, &mut Scratch::new(D)) - y).powi(2) / 2.0;
        let mut gradient = Layer::zero(D);
        let told = layer.descend(&prompt, &query, y, &mut gradient, &mut Scratch::new(D));
        prop_assert!((told - loss(&layer)).abs() <= 1e-9 * (1.0 + told));
        let scale = gradient.numbers().fold(1.0_f64, |most, g| most.max(g.abs()));
        for (at, found) in gradient.numbers().enumerate() {
            let moved = |by: f64| {
                let mut other = layer.clone();
                *other.numbers_mut().nth(at).unwrap() += by;
                loss(&other)
            };
            // Without rounding a central difference of this quartic errs by h² times its third derivative.
            let h = 1e-5;
            let expected = (moved(h) - moved(-h)) / (2.0 * h);
            prop_assert!((found - expected).abs() <= 1e-5 * scale, "number {at}: {found} {expected}");
        }
    }

    #[test]
    fn a_pair_added_n_times_is_n_pairs(seed: u64, n in 1_usize..5) {
        let Case { layer, pairs, query } = case(seed, 2);
        let mut at_once = prompt_of(&pairs[..1]);
        at_once.add(&pairs[1].0, pairs[1].1, n);
        let one_by_one = prompt_of(&[&pairs[..1], &vec![pairs[1]; n]].concat());
        let predict = |prompt: &Prompt| layer.predict(prompt, &query, &mut Scratch::new(D));
        prop_assert_eq!(at_once.length(), n + 1);
        prop_assert!((predict(&at_once) - predict(&one_by_one)).abs() <= 1e-9 * (1.0 + predict(&at_once).abs()));
    }
}

#[test]
fn normals_have_the_moments_of_the_normal_distribution() {
    const N: usize = 1 << 18;
    let mut normals = Normals::new(Key::named(5, &["normals"], &[]), 3);
    let draws: Vec<f64> = (0..N).map(|_| normals.draw()).collect();
    let mean = |of: &dyn Fn(f64) -> f64| draws.iter().map(|&z| of(z)).sum::<f64>() / N as f64;
    let within = |what: &str, found: f64, expected: f64, deviation: f64| {
        assert!((found - expected).abs() < 5.0 * deviation / (N as f64).sqrt(), "{what}: {found}");
    };
    within("mean", mean(&|z| z), 0.0, 1.0);
    within("variance", mean(&|z| z * z), 1.0, 2.0_f64.sqrt());
    within("third", mean(&|z| z.powi(3)), 0.0, 15.0_f64.sqrt());
    within("fourth", mean(&|z| z.powi(4)), 3.0, 96.0_f64.sqrt());
    // Beside it, and with a draw between: nothing of one tells of the other.
    for lag in [1, 2] {
        let product = draws.windows(lag + 1).map(|w| w[0] * w[lag]).sum::<f64>() / N as f64;
        within("product", product, 0.0, 1.0);
    }
    let share = |bound: f64| draws.iter().filter(|z| z.abs() < bound).count() as f64 / N as f64;
    within("share within 1", share(1.0), 0.682_689_492, 0.4655);
    within("share within 2", share(2.0), 0.954_499_736, 0.2084);
}
