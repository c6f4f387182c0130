//! The last check of a compiled encoder: made-up examples, encoded in both ways.

use crate::encoder::{Encoder, LossOn};
use crate::{Error, Result, Tokenizer, Trajectory};

/// Encodes a few examples that hold every observation and action at least once (up to the sample's length), missing
/// observations and a spread of rewards, and compares them with the tokenizer.
pub(crate) fn check(encoder: &Encoder, tokenizer: &dyn Tokenizer) -> Result<()> {
    let (template, dims) = (encoder.template(), encoder.dims());
    let steps = 64_usize;
    for round in 0..3_usize {
        let observations: Vec<i32> = (0..3 * steps)
            .map(|i| if (i + round).is_multiple_of(7) { -1 } else { ((i * 13 + round * 5) % dims.observations) as i32 })
            .collect();
        let actions: Vec<u8> = (0..3 * steps).map(|i| ((i * 7 + round) % dims.actions) as u8).collect();
        let rewards: Vec<f64> = (0..3 * steps)
            .map(|i| ((i * 97 + round * 31) % template.reward_symbols()) as f64)
            .map(|symbol| (symbol - template.reward_offset as f64) / template.reward_scale)
            .collect();
        let cut = |k: usize| {
            let range = k * steps..(k + 1) * steps;
            Trajectory {
                observations: &observations[range.clone()],
                actions: &actions[range.clone()],
                rewards: &rewards[range],
            }
        };
        let support = &[cut(0), cut(1)][..round];
        let query = cut(2);
        let text = encoder.text(support, &query)?.whole();
        let (mut ids, mut labels) = (Vec::new(), Vec::new());
        encoder.push_example(support, &query, query.actions, LossOn::Query, &mut ids, &mut labels)?;
        let wanted = [tokenizer.beginning_of_text(), &tokenizer.encode(&text)?].concat();
        if ids != wanted {
            let position = ids.iter().zip(&wanted).take_while(|(a, b)| a == b).count();
            return Err(Error::WholeText { tokenizer: tokenizer.name().into(), position, text });
        }
    }
    Ok(())
}
