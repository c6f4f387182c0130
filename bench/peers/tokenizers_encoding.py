"""Hugging Face `tokenizers` from Python on the same examples as text, with the same vocabulary, on one thread."""

import tokenizers
from tokenizers import Tokenizer, models, pre_tokenizers

import vocabulary
from measure import arguments, rate, report

args = arguments("--gguf")
tokens, merges = vocabulary.read(args.gguf)
texts, ids = vocabulary.examples(args.inputs)

pairs = [tuple(merge.split(" ")) for merge in merges]
tokenizer = Tokenizer(models.BPE({token: i for i, token in enumerate(tokens)}, pairs))
tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
    [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
)


def encode():
    return tokenizer.encode_batch_fast(texts, add_special_tokens=False)


assert [i for encoding in encode() for i in encoding.ids] == ids, "the same ids"
report(rate(encode, len(ids), args.seconds), "ids/s", f"tokenizers {tokenizers.__version__} (Python)")
