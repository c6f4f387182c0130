//! How fast examples become ids, beside the floor that the machine's memory sets.
//!
//! `cargo run --release -p tiresias-encode --example encode_rate`
//!
//! Every id costs four bytes, its label four more; a step reads thirteen (observation, action, reward). The floor is the
//! time to write as many bytes over the same buffers with a fill, which is as fast as a core writes.

use std::hint::black_box;
use std::time::Instant;

use tiresias_encode::{CompactTokenizer, Dims, Encoder, LossOn, Template, Trajectory};

const EXAMPLES: usize = 2048;
const SUPPORT: usize = 4;
const HORIZON: usize = 20;
const ROUNDS: usize = 15;

/// The fastest of several rounds, in seconds.
fn fastest(mut work: impl FnMut()) -> f64 {
    let time = |work: &mut dyn FnMut()| {
        let start = Instant::now();
        work();
        start.elapsed().as_secs_f64()
    };
    (0..ROUNDS).map(|_| time(&mut work)).fold(f64::INFINITY, f64::min)
}

fn main() -> tiresias_encode::Result<()> {
    let template = Template::default();
    let dims = Dims { observations: 10, actions: 3 };
    // One id for a digit, one for a literal, as with SmolLM2 but for the longer markers: no model file is needed.
    let tokenizer = CompactTokenizer::new(std::slice::from_ref(&template))?;
    let encoder = Encoder::compile(&template, &tokenizer, dims)?;

    // A cheap generator of states, so that branches and table rows are not always the same.
    let mut state = 1_u64;
    let mut draw = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let steps = EXAMPLES * (SUPPORT + 1) * HORIZON;
    let observations: Vec<i32> = (0..steps).map(|_| draw(10) as i32).collect();
    let actions: Vec<u8> = (0..steps).map(|_| draw(3) as u8).collect();
    let rewards: Vec<f64> = (0..steps).map(|_| (draw(51) as f64 - 20.0) / 10.0).collect();
    let trajectories: Vec<Trajectory<'_>> = (0..steps / HORIZON)
        .map(|k| {
            let range = k * HORIZON..(k + 1) * HORIZON;
            Trajectory {
                observations: &observations[range.clone()],
                actions: &actions[range.clone()],
                rewards: &rewards[range],
            }
        })
        .collect();

    let (mut ids, mut labels) = (Vec::new(), Vec::new());
    let mut encode = || {
        ids.clear();
        labels.clear();
        for example in trajectories.chunks_exact(SUPPORT + 1) {
            let (support, query) = (&example[..SUPPORT], &example[SUPPORT]);
            encoder
                .push_example(support, query, query.actions, LossOn::Query, &mut ids, &mut labels)
                .expect("every value is in range");
        }
        black_box((&ids, &labels));
    };
    encode();
    let seconds = fastest(&mut encode);

    let count = ids.len();
    let floor = fastest(|| {
        ids.fill(7);
        labels.fill(-100);
        black_box((&mut ids, &mut labels));
    });
    let bytes = 8 * count;
    println!(
        "{EXAMPLES} examples of {SUPPORT} + 1 trajectories of {HORIZON} steps: {count} ids, {bytes} bytes with labels\n\
         encode     {:8.1} million ids/s  {:6.2} GB/s  {:.1} million steps/s\n\
         fill       {:8.1} million ids/s  {:6.2} GB/s  the floor: the same bytes, no thought\n\
         encoding takes {:.2} times the floor",
        count as f64 / seconds / 1e6,
        bytes as f64 / seconds / 1e9,
        steps as f64 / seconds / 1e6,
        count as f64 / floor / 1e6,
        bytes as f64 / floor / 1e9,
        seconds / floor,
    );
    Ok(())
}
