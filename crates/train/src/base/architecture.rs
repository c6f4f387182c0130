//! What a decoder computes, as data: its shape, and what sets one family apart from another.

use crate::attention::Heads;
use crate::data::Limits;
use crate::kernels::{Activation, Rope};

/// The seven linear maps of a Llama layer, in the order of their use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)] // each is its name
pub enum Module {
    QProj,
    KProj,
    VProj,
    OProj,
    GateProj,
    UpProj,
    DownProj,
}

impl Module {
    /// All of them; `ALL[m as usize] == m`.
    pub const ALL: [Self; 7] =
        [Self::QProj, Self::KProj, Self::VProj, Self::OProj, Self::GateProj, Self::UpProj, Self::DownProj];

    /// Hugging Face's name of the module within a layer.
    pub fn path(self) -> &'static str {
        match self {
            Self::QProj => "self_attn.q_proj",
            Self::KProj => "self_attn.k_proj",
            Self::VProj => "self_attn.v_proj",
            Self::OProj => "self_attn.o_proj",
            Self::GateProj => "mlp.gate_proj",
            Self::UpProj => "mlp.up_proj",
            Self::DownProj => "mlp.down_proj",
        }
    }
}

/// How the layers of one kind attend.
#[derive(Clone, Debug)]
pub struct Span {
    /// The sliding window ([`Heads::window`]).
    pub window: Option<usize>,
    /// Rotary frequencies, one a pair of dimensions.
    pub frequencies: Vec<f64>,
}

/// The numbers that fix what a decoder computes, but for its weights.
#[derive(Clone, Debug)]
pub struct Shape {
    /// Number of token ids.
    pub vocabulary: usize,
    /// Longest sequence the model was made for.
    pub context: usize,
    /// Width of the residual stream.
    pub hidden: usize,
    /// Width inside the feed-forward block.
    pub ffn: usize,
    /// Attention heads; [`Shape::heads_of`] adds a layer's window.
    pub heads: Heads,
    /// ε of the root-mean-square norms.
    pub eps: f32,
    /// What the feed-forward block's gate goes through.
    pub activation: Activation,
    /// What embeddings are multiplied by.
    pub embedding_scale: f32,
    /// The kinds of attention.
    pub spans: Vec<Span>,
    /// Of each decoder layer, which kind it has.
    pub layers: Vec<usize>,
}

impl Shape {
    /// `(outputs, inputs)` of a module.
    pub fn of(&self, module: Module) -> (usize, usize) {
        let (q, kv) = (self.heads.q_width(), self.heads.kv_width());
        match module {
            Module::QProj => (q, self.hidden),
            Module::KProj | Module::VProj => (kv, self.hidden),
            Module::OProj => (self.hidden, q),
            Module::GateProj | Module::UpProj => (self.ffn, self.hidden),
            Module::DownProj => (self.hidden, self.ffn),
        }
    }

    /// The attention of one layer.
    pub fn heads_of(&self, layer: usize) -> Heads {
        Heads { window: self.spans[self.layers[layer]].window, ..self.heads }
    }

    /// What the model can read.
    pub fn limits(&self) -> Limits {
        Limits { vocabulary: self.vocabulary, context: self.context }
    }

    /// Rotary tables for sequences of up to `length` tokens, one for each of the spans.
    pub fn ropes(&self, length: usize) -> Vec<Rope> {
        self.spans.iter().map(|span| Rope::new(&span.frequencies, length)).collect()
    }

    /// What of it no model has.
    pub(super) fn check(&self) -> Result<(), String> {
        let scalar = self.heads.scalar;
        if !(scalar.is_finite() && scalar > 0.0) {
            return Err(format!("impossible attention scale: scores over the root of {scalar}"));
        }
        if self.spans.iter().any(|span| span.window == Some(0)) {
            return Err("impossible sliding window of 0 positions".into());
        }
        if self.spans.iter().flat_map(|span| &span.frequencies).any(|f| !f.is_finite()) {
            return Err("impossible rotary frequencies: its rope's base or scaling is no positive number".into());
        }
        if self.hidden == 0 || self.ffn == 0 || self.vocabulary == 0 || self.context == 0 {
            let Self { hidden, ffn, vocabulary, context, .. } = self;
            return Err(format!("impossible shape: width {hidden}, {ffn} inside, {vocabulary} ids, context {context}"));
        }
        Ok(())
    }
}

/// Heads as a header says them.
pub(super) fn heads(heads: usize, kv_heads: usize, dim: usize) -> Result<Heads, String> {
    if heads == 0
        || kv_heads == 0
        || !heads.is_multiple_of(kv_heads)
        || !(2..=1 << 14).contains(&dim)
        || !dim.is_multiple_of(2)
    {
        return Err(format!("impossible attention shape: {heads} heads, {kv_heads} key heads, head width {dim}"));
    }
    Ok(Heads::new(heads, kv_heads, dim))
}

/// What sets one family of decoders apart from another, beyond the numbers in its file.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools)] // the columns of a table
pub struct Family {
    /// `model_type` in `config.json`.
    pub model_type: &'static str,
    /// `general.architecture` in a GGUF file.
    pub gguf: &'static str,
    /// Whether GGUF files hold the two halves of a query's or key's head interleaved.
    pub interleaved: bool,
    /// What its gate goes through.
    pub activation: Activation,
    /// Whether embeddings are multiplied by the root of their width.
    pub scales_embeddings: bool,
    /// What `transformers` leaves out of every norm's weight.
    pub norm_offset: f32,
    /// Whether each head's queries and keys are normed.
    pub head_norms: bool,
    /// Whether what a block adds to the residual stream is normed.
    pub output_norms: bool,
    /// Which maps have biases whatever the file says.
    pub biases: &'static [Module],
    /// The head is the embeddings where `config.json` does not say.
    pub tied: bool,
    /// The base of rotary frequencies where the file does not say …
    pub theta: f64,
    /// … and in layers with a sliding window, if those have another one.
    pub local_theta: Option<f64>,
    /// Which layers have a sliding window where the file says how wide.
    pub windows: Windows,
    /// What scores are divided by the root of where `config.json` may say something else than the heads' width.
    pub query_scalar: Option<f32>,
    /// What `config.json` calls the gate's activation.
    pub activation_key: &'static str,
}

/// Which layers have a sliding window.
#[derive(Clone, Copy, Debug)]
pub enum Windows {
    /// None: what the file says of one is not for the model.
    Never,
    /// All.
    Always,
    /// Those from one on that the file names, if it says so.
    From,
    /// Of every so many layers all but the last, if the file does not say which.
    AllBut(usize),
}

const LLAMA: Family = Family {
    model_type: "llama",
    gguf: "llama",
    interleaved: true,
    activation: Activation::Silu,
    scales_embeddings: false,
    norm_offset: 0.0,
    head_norms: false,
    output_norms: false,
    biases: &[],
    tied: false,
    theta: 10_000.0,
    local_theta: None,
    windows: Windows::Never,
    query_scalar: None,
    activation_key: "hidden_act",
};

/// Every family that is computed.
pub const FAMILIES: [Family; 5] = [
    LLAMA,
    // As GGUF files these are Llamas, and the first of a name is taken.
    Family { model_type: "mistral", windows: Windows::Always, ..LLAMA },
    Family {
        model_type: "qwen2",
        gguf: "qwen2",
        interleaved: false,
        biases: &[Module::QProj, Module::KProj, Module::VProj],
        windows: Windows::From,
        ..LLAMA
    },
    Family {
        model_type: "qwen3",
        gguf: "qwen3",
        interleaved: false,
        head_norms: true,
        windows: Windows::From,
        ..LLAMA
    },
    Family {
        model_type: "gemma3_text",
        gguf: "gemma3",
        interleaved: false,
        activation: Activation::GeluTanh,
        scales_embeddings: true,
        norm_offset: 1.0,
        head_norms: true,
        output_norms: true,
        tied: true,
        theta: 1_000_000.0,
        local_theta: Some(10_000.0),
        windows: Windows::AllBut(6),
        query_scalar: Some(256.0),
        activation_key: "hidden_activation",
        ..LLAMA
    },
];

impl Family {
    /// The family with this name, or which there are.
    pub(super) fn find(name: Option<&str>, of: impl Fn(&Self) -> &'static str) -> Result<&'static Self, String> {
        static ALL: [Family; FAMILIES.len()] = FAMILIES;
        let found = name.and_then(|name| ALL.iter().find(|family| of(family) == name));
        found.ok_or_else(|| {
            let mut names: Vec<_> = ALL.iter().map(of).collect();
            names.dedup();
            let name = name.unwrap_or("none named");
            format!("unsupported architecture `{name}` (supported: {})", names.join(", "))
        })
    }

    /// What embeddings of a width are multiplied by.
    pub(super) fn embedding_scale(&self, hidden: usize) -> f32 {
        if self.scales_embeddings { (hidden as f32).sqrt() } else { 1.0 }
    }
}
