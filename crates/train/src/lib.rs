//! The candle trainer and decision server of Tiresias: `QLoRA` over a 4-bit GGUF base, on the CPU.
//!
//! Training flows `config` → `base` + `data` → `gradient` (`layer`, `attention`, `head` over `kernels`) → `optimizer` →
//! `checkpoint` and `peft`; `train` is the loop. Deciding reuses `layer` and `head` with kept keys and values: `decide` holds the
//! sessions, `serve` the request loop.
//!
//! candle reads the GGUF file and decodes rare block formats. The layer's derivatives are written by hand instead of recorded by
//! an autograd: candle's quantised product, softmax, norm and rope have no backward, and a hand-written pass keeps its buffers,
//! adds residuals inside the matrix product and stops recomputing where nothing more is needed.

pub mod about;
pub mod attention;
pub mod base;
pub mod bf16;
pub mod causal;
pub mod checkpoint;
pub mod config;
pub mod data;
pub mod decide;
pub mod dpt;
pub mod dpt_network;
pub mod error;
pub mod events;
pub mod files;
pub mod gradient;
pub mod head;
pub mod kernels;
pub mod layer;
pub mod layout;
pub mod learner;
pub mod lora;
pub mod model_folder;
pub mod network;
pub mod operand;
pub mod optimizer;
pub mod peft;
pub mod qlora;
pub mod quantized;
pub mod rng;
pub mod serve;
pub mod source;
pub mod stream;
pub mod tile;
pub mod train;
pub mod transitions;
pub mod work;
