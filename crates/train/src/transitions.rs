//! Few-shot examples read back from compact ids: which steps were taken, and where in the ids each action stands.

use tiresias_encode::{CompactTokenizer, Template, Tokenizer as _};

/// One step of a trajectory.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// What was seen before the action; `None` where nothing was.
    pub observation: Option<usize>,
    /// The executed action; `None` where it is still to be chosen.
    pub action: Option<usize>,
    /// The reward, in the model's own units; `None` where it was not shown.
    pub reward: Option<f32>,
    /// Whether a trajectory begins here.
    pub first: bool,
    /// The index in the ids at which the action stands, or will.
    pub at: usize,
}

/// Reads the ids of some templates' compact tokenizer.
pub struct Reader {
    templates: Vec<Template>,
    tokenizer: CompactTokenizer,
    /// Characters of each id.
    lengths: Vec<usize>,
}

impl Reader {
    /// For the tokenizer of these templates, in their order.
    pub fn new(templates: &[Template]) -> Result<Self, String> {
        let tokenizer = CompactTokenizer::new(templates).map_err(|e| e.to_string())?;
        let length = |id: usize| tokenizer.decode(&[id as u32]).map(|text| text.len()).map_err(|e| e.to_string());
        let lengths = (0..tokenizer.vocabulary_size()).map(length).collect::<Result<_, _>>()?;
        Ok(Self { templates: templates.to_vec(), tokenizer, lengths })
    }

    /// Number of ids.
    pub fn vocabulary(&self) -> usize {
        self.lengths.len()
    }

    /// All steps in the order of the text. The last one may lack its action.
    pub fn steps(&self, ids: &[u32]) -> Result<Vec<Step>, String> {
        let text = self.tokenizer.decode(ids).map_err(|e| e.to_string())?;
        // The id that begins at a byte of the text; actions are digits, which always begin one.
        let mut ids_at = vec![usize::MAX; text.len() + 1];
        let mut byte = 0;
        for (i, &id) in ids.iter().enumerate() {
            ids_at[byte] = i;
            byte += self.lengths[id as usize];
        }
        ids_at[byte] = ids.len();
        // Headers of several templates may begin alike: the longest that fits is meant.
        let fits = self.templates.iter().filter(|t| text.starts_with(&t.header));
        let template = fits.max_by_key(|t| t.header.len()).ok_or("begins with no template's header")?;
        let mut rest = &text[template.header.len()..];
        let mut steps = Vec::new();
        while !rest.is_empty() {
            let marker = [&template.support_marker, &template.query_marker].into_iter().find(|m| rest.starts_with(*m));
            let first = marker.is_some();
            rest = &rest[marker.map_or(0, String::len)..];
            if rest.is_empty() {
                break;
            }
            let start = text.len() - rest.len();
            let line = rest.split('\n').next().unwrap_or(rest);
            let mut step = step(template, line).ok_or_else(|| format!("{line:?} is no step of the template"))?;
            let comma = line.find(',').unwrap_or(line.len());
            step.at = ids_at[(start + comma + 1).min(text.len())];
            step.first = first;
            steps.push(step);
            rest = &rest[(line.len() + 1).min(rest.len())..];
        }
        Ok(steps)
    }
}

/// `o,a,r`, or `o,` where the action is to be chosen.
fn step(template: &Template, line: &str) -> Option<Step> {
    let mut fields = line.split(',');
    let [observation, action] = [fields.next()?, fields.next()?];
    let missing = |field: &str| !field.is_empty() && field.chars().all(|c| c == template.missing);
    let number = |field: &str| field.parse::<usize>().ok();
    let observation = if missing(observation) { None } else { Some(number(observation)?) };
    let action = if action.is_empty() { None } else { Some(number(action)?) };
    let reward = match fields.next() {
        None | Some("") => None,
        Some(field) if missing(field) => None,
        Some(field) => {
            let symbol = number(field)? as f64 - template.reward_offset as f64;
            Some((symbol / template.reward_scale) as f32)
        }
    };
    fields.next().is_none().then_some(Step { observation, action, reward, first: false, at: 0 })
}
