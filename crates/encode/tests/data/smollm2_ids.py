"""Ids of SmolLM2's tokenizer from an implementation of its own: byte-level BPE in plain Python.

    python3 -m pip install gguf regex tokenizers
    python3 smollm2_ids.py SmolLM2-135M-Instruct.Q4_1.gguf > smollm2_ids.json

The merging below is written from the published algorithm and shares no code with the library under test. As a second
opinion each text also goes through the Python `tokenizers` package, whose pre-tokenizer is set up separately here.
"""

import json
import sys

import gguf
import regex
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers

TEXTS = [
    "0123456789",
    ",",
    "\n",
    "\n\n",
    ",-",
    "mdp\n#\n5,1,20\n3,0,20\n?\n7,2,50\n",
    "pomdp\n#\nx,1,20\n03,0,00\n#\nx,2,99\n14,0,07\n?\nx,1,xx\n00,0,xx\n",
    "apomdp\n?\n9,9,99999\n",
    "S:1,2,3\nQ:4,5,6\n",
    "support 1,2,3\nquery 4,5,6\n",
    "x,0,--\n--,0,xx\n__,1,nn\n",
    "Hello, world! It's 2024; don't panic.",
    "  two spaces\tand a tab \n and lines\n\n\nend ",
    "naïve café – 42 °C, Ω≈π",
    "日本語 123",
    "<|im_start|>user\n5<|im_end|>\n",
]

SPLIT = regex.compile(r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")


def byte_letters():
    """GPT-2's printable letter for every byte."""
    keep = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters, extra = {}, 256
    for byte in range(256):
        letters[byte] = chr(byte if byte in keep else extra)
        extra += byte not in keep
    return letters


def read(path):
    fields = gguf.GGUFReader(path).fields
    strings = lambda key: [bytes(fields[key].parts[i]).decode() for i in fields[key].data]
    kinds = fields["tokenizer.ggml.token_type"]
    assert strings("tokenizer.ggml.pre") == ["smollm"]
    tokens = strings("tokenizer.ggml.tokens")
    special = [t for t, i in zip(tokens, kinds.data) if int(kinds.parts[i][0]) in (3, 4)]
    return tokens, [tuple(m.split(" ")) for m in strings("tokenizer.ggml.merges")], special


def encode(text, ids, ranks, letters, special):
    pieces = []
    for part in regex.split("(" + "|".join(map(regex.escape, special)) + ")", text):
        if part in special:
            pieces.append(ids[part])
            continue
        for run in regex.findall(r"\p{N}|\P{N}+", part):  # every digit on its own, then the usual rules
            for word in SPLIT.findall(run):
                symbols = [letters[b] for b in word.encode()]
                while len(symbols) > 1:
                    ranked = [(ranks.get(pair, 1 << 60), i) for i, pair in enumerate(zip(symbols, symbols[1:]))]
                    rank, i = min(ranked)
                    if rank == 1 << 60:
                        break
                    symbols[i : i + 2] = [symbols[i] + symbols[i + 1]]
                pieces.extend(ids[s] for s in symbols)
    return pieces


def main():
    tokens, merges, special = read(sys.argv[1])
    ids = {token: i for i, token in enumerate(tokens)}
    ranks = {pair: i for i, pair in enumerate(merges)}
    letters = byte_letters()
    library = Tokenizer(models.BPE(vocab=ids, merges=merges))
    library.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    library.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in special])
    rows = []
    for text in TEXTS:
        found = encode(text, ids, ranks, letters, special)
        assert found == library.encode(text, add_special_tokens=False).ids, text
        rows.append({"text": text, "ids": found})
    print("[\n" + ",\n".join("  " + json.dumps(row, ensure_ascii=False) for row in rows) + "\n]")


main()
