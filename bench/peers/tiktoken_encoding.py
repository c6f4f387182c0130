"""tiktoken on the same examples as text, on one thread.

Its own vocabularies are downloads, so it gets the vocabulary of the GGUF file: a token's id is its rank, because merges
come in the order of the ids. The pattern is GPT-2's with every digit apart, as that model's tokenizer splits text.
"""

import tiktoken

import vocabulary
from measure import arguments, rate, report

PATTERN = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"

args = arguments("--gguf")
tokens, _ = vocabulary.read(args.gguf)
texts, ids = vocabulary.examples(args.inputs)

# GPT-2's letters for bytes: the printable ones stand for themselves, the rest follow from 256 on.
printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
others = [byte for byte in range(256) if byte not in printable]
letters = {chr(byte): byte for byte in printable} | {chr(256 + i): byte for i, byte in enumerate(others)}
ranks = {bytes(letters[c] for c in token): i for i, token in enumerate(tokens) if all(c in letters for c in token)}

encoding = tiktoken.Encoding("gguf", pat_str=PATTERN, mergeable_ranks=ranks, special_tokens={})


def encode():
    return encoding.encode_ordinary_batch(texts, num_threads=1)


assert [i for row in encode() for i in row] == ids, "the same ids"
report(rate(encode, len(ids), args.seconds), "ids/s", f"tiktoken {tiktoken.__version__}")
