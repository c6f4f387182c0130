"""Ids that transformers gives, with the tokenizer that it makes of a GGUF file's metadata: templates' texts and random strings.

    pip install transformers==5.24.0 gguf==0.19.0 torch
    python3 hugging_face_ids.py gemma-3-270m-q4_k_m.gguf > gemma-3-270m-ids.json
"""

import json
import os
import random
import sys

from transformers import AutoTokenizer

TEXTS = [
    "0123456789",
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
    "<start_of_turn>user\n5<end_of_turn>\n",
    "",
]

# Letters, digits, punctuation, white space, accents that combine, scripts of all kinds, emoji, and what nobody has assigned.
RANGES = [(0x20, 0x7E), (0x30, 0x39), (0x09, 0x0D), (0xA0, 0x24F), (0x300, 0x36F), (0x370, 0x5FF), (0x600, 0x6FF), (0x900, 0x97F), (0x0E00, 0x0E7F)]
RANGES += [(0x2000, 0x206F), (0x2190, 0x21FF), (0x3040, 0x30FF), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0x1F300, 0x1F6FF), (0x10000, 0x10FFF), (0xFFF0, 0xFFFD)]


def strings(count):
    draw = random.Random(0)
    for _ in range(count):
        runs = [draw.choice(RANGES) for _ in range(draw.randint(1, 5))]
        yield "".join(chr(draw.randint(*run)) for run in runs for _ in range(draw.randint(1, 6)))


def main():
    path = os.path.abspath(sys.argv[1])
    tokenizer = AutoTokenizer.from_pretrained(os.path.dirname(path), gguf_file=os.path.basename(path))
    whole = tokenizer("0").input_ids
    beginning = whole[: len(whole) - len(tokenizer.encode("0", add_special_tokens=False))]
    rows = [{"text": text, "ids": tokenizer.encode(text, add_special_tokens=False)} for text in [*TEXTS, *strings(300)]]
    lines = ",\n".join("  " + json.dumps(row, ensure_ascii=False) for row in rows)
    print(f'{{"file": {json.dumps(os.path.basename(path))}, "beginning": {json.dumps(beginning)}, "rows": [\n{lines}\n]}}')


main()
