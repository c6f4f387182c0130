//! One test binary for the whole crate, so that it links once.
#![allow(missing_docs)]

mod attention;
mod bases;
mod bf16;
mod decide;
mod dpt;
mod gradients;
mod inputs;
mod network;
mod optimizer;
mod peft;
mod quantized;
mod random_base;
mod resume;
mod smollm2;
mod support;
