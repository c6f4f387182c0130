"""The byte-level BPE vocabulary inside a GGUF file, and the texts and ids that every tokenizer must agree on."""

import json

import gguf


def read(path):
    """Tokens in the order of their ids, and merges in the order of their ranks, both in GPT-2's printable letters."""
    fields = gguf.GGUFReader(path).fields
    return fields["tokenizer.ggml.tokens"].contents(), fields["tokenizer.ggml.merges"].contents()


def examples(inputs):
    return json.loads((inputs / "texts.json").read_text()), json.loads((inputs / "ids.json").read_text())
