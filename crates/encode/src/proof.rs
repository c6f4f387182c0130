//! The set-up proof: the ids of every symbol and literal of a template, and that putting them side by side gives what
//! the tokenizer gives for the whole text.
//!
//! Why neighbours are enough: a merge across a boundary can only happen between two adjacent pieces, and the first such
//! merge depends on those two alone, as everything before it happened inside one piece. So if no pair of neighbours
//! merges, no text does. Texts that are matched whole before any merging (added tokens) are compared with the template
//! on their own. Pre-tokenizers split by what stands within a character or two of the boundary, which the pairs show as
//! well. An encoded sample text is compared at the end all the same (see `sample.rs`).

use std::collections::HashMap;

use crate::joints::{Joint, Joints, LEADS, Lead, Side};
use crate::table::SymbolKind;
use crate::{Dims, Error, Result, Template, Tokenizer};

/// The widest field that is looked up as whole numbers; each is encoded several times at set-up.
const WIDEST_NUMBER: u32 = 4;

/// Up to this many pairs of neighbours of a literal are all tried together; beyond it, each side on its own.
const PAIRS: usize = 100;

/// The ids of everything that a text is made of.
pub(crate) struct Pieces {
    pub kind: SymbolKind,
    /// Whole fields, by observation, action and reward symbol.
    pub observations: Vec<Vec<u32>>,
    pub actions: Vec<u32>,
    pub rewards: Vec<Vec<u32>>,
    pub comma: Vec<u32>,
    /// As [`Joints::leads`]; empty where the literal cannot occur.
    pub leads: [[Vec<u32>; 2]; LEADS],
    /// As [`Joints::ends`].
    pub ends: [Vec<u32>; 2],
}

/// What a symbol's text is in ids.
type Symbol = (String, Vec<u32>);

/// All symbols that can stand in each field.
struct Fields {
    observations: Vec<Symbol>,
    actions: Vec<Symbol>,
    rewards: Vec<Symbol>,
}

impl Fields {
    fn beside(&self, side: Side) -> &[Symbol] {
        match side {
            Side::Edge => &[],
            Side::Observation => &self.observations,
            Side::Action => &self.actions,
            Side::Reward => &self.rewards,
        }
    }
}

/// Finds and proves the pieces of a template.
pub(crate) fn prove(template: &Template, tokenizer: &dyn Tokenizer, dims: Dims) -> Result<Pieces> {
    let joints = template.joints();
    // Symbols are encoded behind the usual beginning of a text, as some tokenizers treat a first character differently.
    let anchor = joints.leads[Lead::StartSupport as usize][0].clone();
    let anchor_ids = tokenizer.encode(&anchor)?;
    let proof = Proof { tokenizer, anchor, anchor_ids };
    proof.whole_texts(template, &joints)?;
    match proof.digits(template) {
        Ok(digits) => {
            let fields = digit_fields(&digits, template, dims);
            let literals = proof.literals(&joints, &fields)?;
            proof.distinct(&fields, &literals)?;
            let spell = |value: usize, width: u32| {
                let text = format!("{value:0width$}", width = width as usize);
                text.bytes().map(|digit| digits[usize::from(digit - b'0')]).collect()
            };
            let fields = Spelled {
                observations: (0..dims.observations).map(|o| spell(o, template.observation_width)).collect(),
                actions: digits[..dims.actions].to_vec(),
                rewards: (0..template.reward_symbols()).map(|r| spell(r, template.reward_width)).collect(),
            };
            Ok(fields.pieces(SymbolKind::Digit, &joints, &literals))
        }
        Err(why) => {
            let fields = proof.numbers(template, dims, why)?;
            let literals = proof.literals(&joints, &fields)?;
            proof.distinct(&fields, &literals)?;
            let ids = |symbols: Vec<Symbol>| symbols.into_iter().map(|(_, ids)| ids).collect::<Vec<_>>();
            let fields = Spelled {
                observations: ids(fields.observations),
                actions: ids(fields.actions).concat(),
                rewards: ids(fields.rewards),
            };
            Ok(fields.pieces(SymbolKind::Number, &joints, &literals))
        }
    }
}

/// The ids of all whole fields.
struct Spelled {
    observations: Vec<Vec<u32>>,
    actions: Vec<u32>,
    rewards: Vec<Vec<u32>>,
}

impl Spelled {
    fn pieces(self, kind: SymbolKind, joints: &Joints, literals: &HashMap<String, Vec<u32>>) -> Pieces {
        let ids = |text: &String| literals.get(text).cloned().unwrap_or_default();
        Pieces {
            kind,
            observations: self.observations,
            actions: self.actions,
            rewards: self.rewards,
            comma: ids(&joints.comma),
            leads: std::array::from_fn(|lead| [ids(&joints.leads[lead][0]), ids(&joints.leads[lead][1])]),
            ends: [ids(&joints.ends[0]), ids(&joints.ends[1])],
        }
    }
}

/// Every field holds a digit on each of its sides.
fn digit_fields(digits: &[u32; 10], template: &Template, dims: Dims) -> Fields {
    let symbols =
        |count: usize| digits[..count].iter().zip(0..).map(|(id, d): (_, u32)| (d.to_string(), vec![*id])).collect();
    let observations = if template.observation_width == 1 { dims.observations } else { 10 };
    Fields { observations: symbols(observations), actions: symbols(dims.actions), rewards: symbols(10) }
}

/// The maximal runs of digits and of other characters.
fn runs(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let digits = rest.bytes().next()?.is_ascii_digit();
        let end = rest.find(|c: char| c.is_ascii_digit() != digits).unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        rest = after;
        Some(run)
    })
}

struct Proof<'a> {
    tokenizer: &'a dyn Tokenizer,
    anchor: String,
    anchor_ids: Vec<u32>,
}

impl Proof<'_> {
    /// The ids of the ten digits, if each is one id and neighbours stay apart.
    fn digits(&self, template: &Template) -> Result<[u32; 10]> {
        let mut digits = [0; 10];
        for (value, digit) in digits.iter_mut().enumerate() {
            let text = value.to_string();
            let ids = self.after(&[], &text)?;
            let [id] = ids[..] else {
                let wide = template.observation_width > WIDEST_NUMBER;
                let field = if wide { "observation_width" } else { "reward_width" };
                let reason = format!(
                    "the tokenizer {} writes {text:?} as {ids:?}; fields of more than {WIDEST_NUMBER} digits need digits \
                     of one id each",
                    self.tokenizer.name()
                );
                return Err(Error::Template { field, reason });
            };
            *digit = id;
        }
        // A group of three needs a pair to grow from in every byte-pair vocabulary, but not in every pre-tokenizer; a
        // longer one only where it is matched as a whole text.
        let widest = template.observation_width.max(template.reward_width) as usize;
        let windows = (2..=widest.min(3))
            .flat_map(|width| (0..10_usize.pow(width as u32)).map(move |value| format!("{value:0width$}")));
        let whole = self.tokenizer.whole_texts().iter().filter(|text| text.len() <= widest);
        for text in windows.chain(whole.filter(|text| text.bytes().all(|b| b.is_ascii_digit())).cloned()) {
            let apart: Vec<u32> = text.bytes().map(|digit| digits[usize::from(digit - b'0')]).collect();
            let together = self.after(&[], &text)?;
            if together != apart {
                let (left, right) = text.split_at(text.len() - 1);
                return Err(self.merges(left, right, together, apart));
            }
        }
        Ok(digits)
    }

    /// Refuses a text that becomes one id wherever it stands and that can stand across the template's pieces. Neighbours
    /// do not show it: it need not grow from a merge of two.
    fn whole_texts(&self, template: &Template, joints: &Joints) -> Result<()> {
        let literals: Vec<String> = joints.all().into_iter().map(|joint| joint.text).collect();
        let widths = [template.observation_width, template.action_width, template.reward_width].map(|w| w as usize);
        for text in self.tokenizer.whole_texts() {
            let runs: Vec<&str> = runs(text).collect();
            let last = runs.len() - 1;
            let fits = |(i, run): (usize, &&str)| match (run.as_bytes()[0].is_ascii_digit(), i == 0, i == last) {
                (true, false, false) => widths.contains(&run.len()),
                (true, ..) => widths.iter().any(|width| run.len() <= *width),
                (false, true, _) => literals.iter().any(|literal| literal.ends_with(run)),
                (false, _, true) => literals.iter().any(|literal| literal.starts_with(run)),
                (false, false, false) => literals.iter().any(|literal| literal == run),
            };
            if last == 0 || !runs.iter().enumerate().all(fits) {
                continue;
            }
            let together = self.tokenizer.encode(text)?;
            let apart = [self.tokenizer.encode(runs[0])?, self.tokenizer.encode(&text[runs[0].len()..])?].concat();
            // A word that the pre-tokenizer takes apart never comes up whole.
            if together != apart {
                return Err(self.merges(runs[0], runs[1], together, apart));
            }
        }
        Ok(())
    }

    /// Every number of every field, for a tokenizer that does not write digit by digit, as `why` tells.
    fn numbers(&self, template: &Template, dims: Dims, why: Error) -> Result<Fields> {
        if template.observation_width.max(template.reward_width) > WIDEST_NUMBER {
            return Err(why);
        }
        let symbols = |count: usize, width: u32| -> Result<Vec<Symbol>> {
            (0..count)
                .map(|value| {
                    let text = format!("{value:0width$}", width = width as usize);
                    let ids = self.after(&[], &text)?;
                    Ok((text, ids))
                })
                .collect()
        };
        let actions = symbols(dims.actions, 1)?;
        if let Some((action, ids)) = actions.iter().find(|(_, ids)| ids.len() != 1) {
            let tokenizer = self.tokenizer.name().into();
            return Err(Error::ActionNotOneToken { tokenizer, action: action.clone(), ids: ids.clone() });
        }
        Ok(Fields {
            observations: symbols(dims.observations, template.observation_width)?,
            actions,
            rewards: symbols(template.reward_symbols(), template.reward_width)?,
        })
    }

    /// The ids of every literal, each proven beside all its neighbours.
    fn literals(&self, joints: &Joints, fields: &Fields) -> Result<HashMap<String, Vec<u32>>> {
        let mut literals = HashMap::new();
        for joint in joints.all() {
            let ids = self.literal(&joint, fields, literals.get(&joint.text))?;
            literals.insert(joint.text, ids);
        }
        Ok(literals)
    }

    /// The ids of one literal; the same as `known` where the text was seen between other fields.
    fn literal(&self, joint: &Joint, fields: &Fields, known: Option<&Vec<u32>>) -> Result<Vec<u32>> {
        let (left, right) = (fields.beside(joint.left), fields.beside(joint.right));
        let Some(first) = left.first() else {
            let ids = self.tokenizer.encode(&joint.text)?;
            for (text, symbol) in right {
                let together = self.tokenizer.encode(&format!("{}{text}", joint.text))?;
                self.equal(&joint.text, text, together, &[&ids, symbol])?;
            }
            return Ok(ids);
        };
        let ids = match known {
            Some(ids) => ids.clone(),
            None => self.after(std::slice::from_ref(first), &joint.text)?,
        };
        for symbol in left {
            let together = self.tokenizer.encode(&format!("{}{}{}", self.anchor, symbol.0, joint.text))?;
            self.equal(&symbol.0, &joint.text, together, &[&self.anchor_ids, &symbol.1, &ids])?;
        }
        let tried = if left.len() * right.len() <= PAIRS { left } else { &left[..1] };
        for (before, before_ids) in tried {
            for (after, after_ids) in right {
                let together = self.tokenizer.encode(&format!("{}{before}{}{after}", self.anchor, joint.text))?;
                self.equal(&joint.text, after, together, &[&self.anchor_ids, before_ids, &ids, after_ids])?;
            }
        }
        Ok(ids)
    }

    /// Checks that no two symbols of a field, and no two literals, have the same ids.
    fn distinct(&self, fields: &Fields, literals: &HashMap<String, Vec<u32>>) -> Result<()> {
        let mut sorted: Vec<Symbol> = literals.iter().map(|(text, ids)| (text.clone(), ids.clone())).collect();
        // The map's order is random; the error should not be.
        sorted.sort();
        for symbols in [&fields.observations, &fields.actions, &fields.rewards, &sorted] {
            let mut seen: HashMap<&[u32], &str> = HashMap::new();
            for (text, ids) in symbols {
                if let Some(first) = seen.insert(ids, text) {
                    let (first, second) = (first.to_owned(), text.clone());
                    return Err(Error::Indistinct {
                        tokenizer: self.tokenizer.name().into(),
                        first,
                        second,
                        ids: ids.clone(),
                    });
                }
            }
        }
        Ok(())
    }

    /// The ids that `text` adds behind the anchor and `before`.
    fn after(&self, before: &[Symbol], text: &str) -> Result<Vec<u32>> {
        let mut prefix = self.anchor.clone();
        let mut prefix_ids = self.anchor_ids.clone();
        for (symbol, ids) in before {
            prefix.push_str(symbol);
            prefix_ids.extend_from_slice(ids);
        }
        let mut together = self.tokenizer.encode(&format!("{prefix}{text}"))?;
        if together.starts_with(&prefix_ids) && together.len() > prefix_ids.len() {
            return Ok(together.split_off(prefix_ids.len()));
        }
        prefix_ids.extend(self.tokenizer.encode(text).unwrap_or_default());
        let left = before.last().map_or(self.anchor.as_str(), |(symbol, _)| symbol);
        Err(self.merges(left, text, together, prefix_ids))
    }

    fn equal(&self, left: &str, right: &str, together: Vec<u32>, apart: &[&[u32]]) -> Result<()> {
        let apart = apart.concat();
        if together == apart { Ok(()) } else { Err(self.merges(left, right, together, apart)) }
    }

    fn merges(&self, left: &str, right: &str, together: Vec<u32>, apart: Vec<u32>) -> Error {
        Error::Merges {
            tokenizer: self.tokenizer.name().into(),
            left: left.into(),
            right: right.into(),
            together,
            apart,
        }
    }
}
