//! How byte-level tokenizers cut a text before they merge, by the name that GGUF files give it (`tokenizer.ggml.pre`).
//!
//! The names are llama.cpp's (<https://github.com/ggml-org/llama.cpp/blob/master/src/llama-vocab.cpp>), the expressions those of the
//! models' own `tokenizer.json`. They are applied one after the other: each cuts the pieces that the one before left, and what lies
//! between its matches is a piece too.

use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{PreTokenizerWrapper, SplitDelimiterBehavior};

/// What a name stands for.
pub(crate) struct PreTokenizer {
    /// The cuts.
    pub(crate) splits: &'static [&'static str],
    /// Whether a word that is in the vocabulary is taken whole, without merging.
    pub(crate) whole_words: bool,
    /// Whether contexts begin with the beginning-of-text token where the file does not say.
    pub(crate) beginning: bool,
}

const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN2: &str =
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN35: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const TEKKEN: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const GPT4O: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const DEEPSEEK3: &str = r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"##;

/// What a name stands for, if it is known.
pub(crate) fn named(name: &str) -> Option<PreTokenizer> {
    let plain = |splits| Some(PreTokenizer { splits, whole_words: false, beginning: false });
    match name {
        "gpt-2" | "phi-2" | "mpt" | "olmo" | "jais" | "gigachat" | "mellum" | "trillion" | "exaone4" | "a.x-4.0"
        | "granite-docling" | "modern-bert" => plain(&[GPT2]),
        // Every digit on its own, then as GPT-2.
        "smollm" | "starcoder" | "refact" | "command-r" | "codeshell" | "exaone" | "minerva-7b" | "mellum2" => {
            plain(&[r"\p{N}", GPT2])
        }
        "llama-bpe" | "llama3" | "llama-v3" | "falcon3" | "falcon-h1" | "pixtral" | "midm-2.0" | "lfm2" => {
            Some(PreTokenizer { splits: &[LLAMA3], whole_words: true, beginning: true })
        }
        "dbrx" | "smaug-bpe" | "chatglm-bpe" | "glm4" => plain(&[LLAMA3]),
        "qwen2" | "deepseek-r1-qwen" | "megrez" | "stablelm2" | "hunyuan" | "solar-open" | "kormo" | "grok-2" => {
            plain(&[QWEN2])
        }
        "qwen35" => plain(&[QWEN35]),
        "tekken" => Some(PreTokenizer { splits: &[TEKKEN], whole_words: true, beginning: true }),
        "gpt-4o" | "llama4" | "kanana2" => plain(&[GPT4O]),
        "deepseek-v3" | "hunyuan-dense" => plain(&[r"\p{N}{1,3}", "[一-龥぀-ゟ゠-ヿ]+", DEEPSEEK3]),
        "falcon" => plain(&[r"[\p{P}$+<=>^~|`]+", GPT2, "[0-9][0-9][0-9]"]),
        "default" => plain(&[r"[\p{P}$+<=>^~|]+", GPT2, r"\p{N}+", "[0-9][0-9][0-9]"]),
        _ => None,
    }
}

impl PreTokenizer {
    /// The cuts and, behind them, bytes as letters.
    pub(crate) fn steps(&self) -> tokenizers::Result<Vec<PreTokenizerWrapper>> {
        let split = |expression: &&str| {
            let pattern = SplitPattern::Regex((*expression).into());
            Split::new(pattern, SplitDelimiterBehavior::Isolated, false).map(PreTokenizerWrapper::from)
        };
        let cuts = self.splits.iter().map(split);
        cuts.chain([Ok(ByteLevel::new(false, true, false).into())]).collect()
    }
}
