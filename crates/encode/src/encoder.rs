//! From trajectories to ids, without the tokenizer.

use std::collections::HashMap;
use std::fmt::Write;

use crate::joints::Lead;
use crate::proof::{Pieces, prove};
use crate::table::{Rows, SymbolKind, Table};
use crate::template::{Dims, QueryReward, Template, Trajectory, check_shape};
use crate::text::ExampleText;
use crate::{Error, Result, Tokenizer};

/// The label of a position that carries no loss, as TRL and the usual cross-entropy losses expect it.
pub const IGNORED: i32 = -100;

/// The longest row that is copied by one move of fixed size.
const WIDEST_ROW: usize = 32;

/// Which actions carry a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LossOn {
    /// The query's, with the oracle's actions.
    #[default]
    Query,
    /// Also the support's, with the executed actions.
    QueryAndSupport,
}

/// Writes the ids of examples; made once for a template, a tokenizer and a model's dimensions.
///
/// A step is three table rows (observation and comma, action and comma, reward and line end), each copied at a fixed
/// size. Where a marker follows, or an observation is missing, the line end is taken back and the longer literal
/// written, because a run of non-digits must be encoded as a whole.
#[derive(Debug, Clone)]
pub struct Encoder {
    template: Template,
    dims: Dims,
    kind: SymbolKind,
    stride: usize,
    observations: Table,
    actions: Table,
    hidden_actions: Table,
    rewards: Table,
    leads: [[Vec<u32>; 2]; crate::joints::LEADS],
    ends: [Vec<u32>; 2],
    action_ids: Vec<u32>,
    /// The most ids that one step, and that one literal, can take.
    longest_step: usize,
    longest_lead: usize,
    names: HashMap<u32, String>,
}

/// Where the writing has got to.
struct Cursor<'a> {
    ids: &'a mut [u32],
    labels: &'a mut [i32],
    at: usize,
}

impl Encoder {
    /// Bytes that it takes on the heap, nearly.
    pub fn bytes(&self) -> usize {
        let Self {
            template: _,
            dims: _,
            kind: _,
            stride: _,
            observations,
            actions,
            hidden_actions,
            rewards,
            leads,
            ends,
            action_ids,
            longest_step: _,
            longest_lead: _,
            names,
        } = self;
        let tables = [observations, actions, hidden_actions, rewards].map(Table::bytes).into_iter().sum::<usize>();
        let literals = leads.iter().flatten().chain(ends).map(|ids| size_of_val(&ids[..])).sum::<usize>();
        let names = names.values().map(|name| 48 + name.capacity()).sum::<usize>();
        tables + literals + size_of_val(&action_ids[..]) + names
    }

    /// Turns a template into ids and proves that writing them piece by piece gives the tokenizer's own ids.
    ///
    /// # Errors
    /// [`Error::Template`] if the template breaks a rule or `dims` do not fit its fields; [`Error::Merges`] naming the
    /// two neighbours that the tokenizer merges; [`Error::ActionNotOneToken`].
    pub fn compile(template: &Template, tokenizer: &dyn Tokenizer, dims: Dims) -> Result<Self> {
        template.validate()?;
        template.fits(dims)?;
        let mut pieces = prove(template, tokenizer, dims)?;
        begin(&mut pieces, tokenizer)?;
        let encoder = Self::assemble(template, pieces, tokenizer, dims)?;
        crate::sample::check(&encoder, tokenizer)?;
        Ok(encoder)
    }

    fn assemble(template: &Template, pieces: Pieces, tokenizer: &dyn Tokenizer, dims: Dims) -> Result<Self> {
        let join = |row: &[u32], literal: &[u32]| [row, literal].concat();
        let action_rows = |literal: &[u32]| pieces.actions.iter().map(|&id| join(&[id], literal)).collect::<Vec<_>>();
        let observations: Vec<_> = pieces.observations.iter().map(|row| join(row, &pieces.comma)).collect();
        let actions = action_rows(&pieces.comma);
        let hidden_actions = action_rows(&pieces.leads[Lead::HiddenStep as usize][0]);
        let line_end = &pieces.leads[Lead::Step as usize][0];
        let rewards: Vec<_> = pieces.rewards.iter().map(|row| join(row, line_end)).collect();

        let tables = [&observations, &actions, &hidden_actions, &rewards];
        let longest = tables.into_iter().flatten().map(Vec::len).max().unwrap_or(0);
        let stride = longest.next_power_of_two().max(4);
        if stride > WIDEST_ROW {
            let reason =
                format!("a field and the literal after it take {longest} ids; at most {WIDEST_ROW} are supported");
            return Err(Error::Template { field: "reward_width", reason });
        }
        let literals = || pieces.leads.iter().flatten().chain(&pieces.ends);
        let longest_lead = literals().map(Vec::len).max().unwrap_or(0);
        let mut names = HashMap::new();
        for &id in tables.into_iter().flatten().chain(literals()).flatten() {
            names.entry(id).or_insert_with(|| tokenizer.decode(&[id]).unwrap_or_else(|_| format!("<{id}>")));
        }
        let [observations, actions, hidden_actions, rewards] = tables.map(|rows| Table::new(rows, stride));
        let longest_step = observations.longest().max(longest_lead)
            + (actions.longest() + rewards.longest()).max(hidden_actions.longest());
        Ok(Self {
            template: template.clone(),
            dims,
            kind: pieces.kind,
            stride,
            observations,
            actions,
            hidden_actions,
            rewards,
            leads: pieces.leads,
            ends: pieces.ends,
            action_ids: pieces.actions,
            longest_step,
            longest_lead,
            names,
        })
    }

    /// The template it was made for.
    pub fn template(&self) -> &Template {
        &self.template
    }

    /// The dimensions it was made for.
    pub fn dims(&self) -> Dims {
        self.dims
    }

    /// Whether digits are written one by one or fields looked up whole.
    pub fn symbol_kind(&self) -> SymbolKind {
        self.kind
    }

    /// The id of every action symbol, by action.
    pub fn action_ids(&self) -> &[u32] {
        &self.action_ids
    }

    /// The text of ids that this encoder wrote, for reading; an id it never writes is shown as `<id>`.
    pub fn decode(&self, ids: &[u32]) -> String {
        ids.iter().fold(String::new(), |mut text, id| {
            match self.names.get(id) {
                Some(name) => text.push_str(name),
                None => write!(text, "<{id}>").expect("a String takes everything"),
            }
            text
        })
    }

    /// The text of an example, split right after the query marker.
    pub fn text(&self, support: &[Trajectory<'_>], query: &Trajectory<'_>) -> Result<ExampleText> {
        let mut out = ExampleText::default();
        self.write_text(support, query, &mut out)?;
        Ok(out)
    }

    /// As [`Encoder::text`], over the strings of `out`, whose allocations are kept. After an error `out` is unspecified.
    pub fn write_text(&self, support: &[Trajectory<'_>], query: &Trajectory<'_>, out: &mut ExampleText) -> Result<()> {
        self.template.write_text(self.dims, support, query, out)
    }

    /// Appends one example to `ids`, and as many labels to `label_out`: [`IGNORED`] everywhere but at the action
    /// positions that `loss_on` names. There the label is the id of `labels[t]`, the oracle's action at the query's step
    /// `t`, while the ids hold the executed action. (A label belongs to the position it stands at; causal-LM losses
    /// shift by one themselves.)
    ///
    /// After an error both vectors are as they were.
    pub fn push_example(
        &self,
        support: &[Trajectory<'_>],
        query: &Trajectory<'_>,
        labels: &[u8],
        loss_on: LossOn,
        ids: &mut Vec<u32>,
        label_out: &mut Vec<i32>,
    ) -> Result<()> {
        let room = self.example_room(support, query)?;
        let (start, label_start) = (ids.len(), label_out.len());
        ids.resize(start + room, 0);
        label_out.resize(label_start + room, IGNORED);
        let mut cursor = Cursor { ids: &mut ids[start..], labels: &mut label_out[label_start..], at: 0 };
        let written = self.write_example(support, query, labels, loss_on, &mut cursor);
        let written_ids = if written.is_ok() { cursor.at } else { 0 };
        ids.truncate(start + written_ids);
        label_out.truncate(label_start + written_ids);
        written
    }

    /// As [`Encoder::push_example`], to the front of memory that the caller owns: how many ids it took. `ids` and `label_out`
    /// need [`Encoder::example_room`] elements, of which those behind the ids are left in no particular state.
    pub fn fill_example(
        &self,
        support: &[Trajectory<'_>],
        query: &Trajectory<'_>,
        labels: &[u8],
        loss_on: LossOn,
        ids: &mut [u32],
        label_out: &mut [i32],
    ) -> Result<usize> {
        let (room, there) = (self.example_room(support, query)?, ids.len().min(label_out.len()));
        if there < room {
            let reason = format!("room for {there} ids and labels, where an example may take {room}");
            return Err(Error::Shape { what: "output", reason });
        }
        label_out[..room].fill(IGNORED);
        let mut cursor = Cursor { ids, labels: label_out, at: 0 };
        self.write_example(support, query, labels, loss_on, &mut cursor)?;
        Ok(cursor.at)
    }

    /// The elements that writing an example may touch: at least as many as it has ids.
    pub fn example_room(&self, support: &[Trajectory<'_>], query: &Trajectory<'_>) -> Result<usize> {
        Ok(self.room(support)? + check_shape(query)? * self.longest_step + self.stride)
    }

    /// Appends everything up to and including the comma before the query's first action. `first_observation` is -1
    /// where the first action is taken before any observation. After an error `ids` is as it was.
    pub fn push_prompt(&self, support: &[Trajectory<'_>], first_observation: i32, ids: &mut Vec<u32>) -> Result<()> {
        let start = ids.len();
        ids.resize(start + self.room(support)? + self.longest_step + self.stride, 0);
        let mut cursor = Cursor { ids: &mut ids[start..], labels: &mut [], at: 0 };
        let written = self.write_support(support, None, &mut cursor).and_then(|()| {
            let lead = if support.is_empty() { Lead::StartQuery } else { Lead::Query };
            self.write_lead(lead, first_observation, &mut cursor);
            self.write_observation(first_observation, 0, &mut cursor)
        });
        let end = if written.is_ok() { cursor.at } else { 0 };
        ids.truncate(start + end);
        written
    }

    /// Appends one acted step behind a prompt or an earlier step: the action, its reward (ignored where the template
    /// hides it), and the next observation up to and including the comma before the next action. After an error `ids`
    /// is as it was; its `step` is 0.
    pub fn push_step(&self, action: u8, reward: f64, next_observation: i32, ids: &mut Vec<u32>) -> Result<()> {
        let start = ids.len();
        ids.resize(start + self.longest_step + self.longest_lead + 2 * self.stride, 0);
        let mut cursor = Cursor { ids: &mut ids[start..], labels: &mut [], at: 0 };
        let step = Trajectory { observations: &[-1], actions: &[action], rewards: &[reward] };
        let hidden = self.template.query_reward == QueryReward::Hidden;
        let written = self.write_steps(&step, hidden, None, &mut cursor).and_then(|()| {
            let lead = if hidden { Lead::HiddenStep } else { Lead::Step };
            cursor.at -= self.leads[lead as usize][0].len();
            self.write_lead(lead, next_observation, &mut cursor);
            self.write_observation(next_observation, 0, &mut cursor)
        });
        let end = if written.is_ok() { cursor.at } else { 0 };
        ids.truncate(start + end);
        written
    }

    /// The most ids that header, support and query marker can take.
    fn room(&self, support: &[Trajectory<'_>]) -> Result<usize> {
        let mut room = self.longest_lead;
        for trajectory in support {
            room += self.longest_lead + check_shape(trajectory)? * self.longest_step;
        }
        Ok(room)
    }

    fn write_example(
        &self,
        support: &[Trajectory<'_>],
        query: &Trajectory<'_>,
        labels: &[u8],
        loss_on: LossOn,
        cursor: &mut Cursor<'_>,
    ) -> Result<()> {
        if labels.len() != query.actions.len() {
            let reason = format!("{} labels for {} query steps", labels.len(), query.actions.len());
            return Err(Error::Shape { what: "labels", reason });
        }
        self.write_support(support, Some(loss_on), cursor)?;
        let lead = if support.is_empty() { Lead::StartQuery } else { Lead::Query };
        self.write_lead(lead, query.observations[0], cursor);
        let hidden = self.template.query_reward == QueryReward::Hidden;
        self.write_steps(query, hidden, Some(labels), cursor)?;
        let inner = if hidden { Lead::HiddenStep } else { Lead::Step };
        cursor.at -= self.leads[inner as usize][0].len();
        cursor.literal(&self.ends[usize::from(hidden)]);
        Ok(())
    }

    /// The support, ending *before* the line end that belongs to the query's literal.
    fn write_support(
        &self,
        support: &[Trajectory<'_>],
        loss_on: Option<LossOn>,
        cursor: &mut Cursor<'_>,
    ) -> Result<()> {
        for (k, trajectory) in support.iter().enumerate() {
            let lead = if k == 0 { Lead::StartSupport } else { Lead::Support };
            self.write_lead(lead, trajectory.observations[0], cursor);
            let labels = (loss_on == Some(LossOn::QueryAndSupport)).then_some(trajectory.actions);
            self.write_steps(trajectory, false, labels, cursor)?;
            cursor.at -= self.leads[Lead::Step as usize][0].len();
        }
        Ok(())
    }

    /// The literal before an observation field, which swallows the field where there is no observation.
    fn write_lead(&self, lead: Lead, observation: i32, cursor: &mut Cursor<'_>) {
        cursor.literal(&self.leads[lead as usize][usize::from(observation == -1)]);
    }

    fn write_observation(&self, observation: i32, step: usize, cursor: &mut Cursor<'_>) -> Result<()> {
        if observation == -1 {
            return Ok(());
        }
        let ids = match self.observations.row(observation as usize, self.stride) {
            Some(ids) if observation >= 0 => ids,
            _ => return Err(self.observation_error(observation, step)),
        };
        cursor.literal(ids);
        Ok(())
    }

    /// All steps of a trajectory whose lead is written, up to and including the last line end as if a step followed.
    fn write_steps(
        &self,
        trajectory: &Trajectory<'_>,
        hidden: bool,
        labels: Option<&[u8]>,
        cursor: &mut Cursor<'_>,
    ) -> Result<()> {
        // One body for each stride, so that a row is copied by moves of a size known to the compiler.
        match self.stride {
            4 => self.write_rows::<4>(trajectory, hidden, labels, cursor),
            8 => self.write_rows::<8>(trajectory, hidden, labels, cursor),
            16 => self.write_rows::<16>(trajectory, hidden, labels, cursor),
            32 => self.write_rows::<32>(trajectory, hidden, labels, cursor),
            stride => unreachable!("assemble() refuses the stride {stride}"),
        }
    }

    fn write_rows<const N: usize>(
        &self,
        trajectory: &Trajectory<'_>,
        hidden: bool,
        labels: Option<&[u8]>,
        cursor: &mut Cursor<'_>,
    ) -> Result<()> {
        let observations: Rows<'_, N> = self.observations.rows();
        let actions: Rows<'_, N> = if hidden { self.hidden_actions.rows() } else { self.actions.rows() };
        let rewards: Rows<'_, N> = self.rewards.rows();
        let steps = trajectory.actions.len();
        let line_end = &self.leads[if hidden { Lead::HiddenStep } else { Lead::Step } as usize];
        let grid = self.template.grid();
        let mut at = cursor.at;
        for step in 0..steps {
            let observation = trajectory.observations[step];
            if observation == -1 {
                if step > 0 {
                    at -= line_end[0].len();
                    cursor.ids[at..at + line_end[1].len()].copy_from_slice(&line_end[1]);
                    at += line_end[1].len();
                }
            } else {
                // A negative observation becomes an index beyond every table.
                let next = observations.copy(observation as usize, cursor.ids, at);
                at = next.ok_or_else(|| self.observation_error(observation, step))?;
            }
            let action = trajectory.actions[step];
            if let Some(labels) = labels {
                let label = labels[step];
                let id = self.action_ids.get(usize::from(label));
                cursor.labels[at] = *id.ok_or_else(|| self.action_error(label, step))? as i32;
            }
            at = actions.copy(action.into(), cursor.ids, at).ok_or_else(|| self.action_error(action, step))?;
            if !hidden {
                let reward = trajectory.rewards[step];
                let symbol = grid.symbol(reward).ok_or_else(|| grid.error(reward, step))?;
                at = rewards.copy(symbol, cursor.ids, at).expect("every symbol of the field has a row");
            }
        }
        cursor.at = at;
        Ok(())
    }

    #[cold]
    fn observation_error(&self, observation: i32, step: usize) -> Error {
        Error::Observation { observation, step, observations: self.dims.observations }
    }

    #[cold]
    fn action_error(&self, action: u8, step: usize) -> Error {
        Error::Action { action, step, actions: self.dims.actions }
    }
}

impl Cursor<'_> {
    fn literal(&mut self, ids: &[u32]) {
        self.ids[self.at..self.at + ids.len()].copy_from_slice(ids);
        self.at += ids.len();
    }
}

/// Puts the model's beginning of text before the literals that begin a text: once, and nowhere else.
fn begin(pieces: &mut Pieces, tokenizer: &dyn Tokenizer) -> Result<()> {
    let beginning = tokenizer.beginning_of_text();
    let written = pieces.leads.iter().flatten().chain(&pieces.ends).flatten().find(|id| beginning.contains(id));
    if let Some(id) = written {
        let reason = format!(
            "the template's own text holds the token {id} ({:?}), which {} has at the beginning of every context and \
             which is written there already; take it out of the header and the markers",
            tokenizer.decode(&[*id]).unwrap_or_default(),
            tokenizer.name()
        );
        return Err(Error::Template { field: "header", reason });
    }
    for lead in [Lead::StartSupport, Lead::StartQuery] {
        for ids in &mut pieces.leads[lead as usize] {
            ids.splice(..0, beginning.iter().copied());
        }
    }
    Ok(())
}
