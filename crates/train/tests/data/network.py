"""Reference for a Llama trained from nothing: log-probabilities, loss and all gradients by Hugging Face and PyTorch, in f64.

    python3 -m venv venv && venv/bin/pip install torch transformers
    venv/bin/python network.py > network.json

The parameters follow a formula that the test repeats, so that the file holds results only.
"""

import json
import math

import torch
import transformers

config = transformers.LlamaConfig(
    vocab_size=11, hidden_size=8, intermediate_size=12, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1,
    max_position_embeddings=64, rms_norm_eps=1e-5, rope_theta=10000.0, tie_word_embeddings=True,
)
config._attn_implementation = "eager"
model = transformers.LlamaForCausalLM(config).double()
tensors = dict(model.named_parameters())

names = ["model.embed_tokens.weight"]
for layer in range(2):
    names += [f"model.layers.{layer}.{module}.weight" for module in (
        "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
        "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj", "input_layernorm", "post_attention_layernorm")]
names.append("model.norm.weight")
assert set(names) == set(tensors), set(names) ^ set(tensors)

at = 0
for name in names:
    tensor = tensors[name]
    values = [math.sin(12.9898 * i + 1.0) for i in range(at, at + tensor.numel())]
    values = torch.tensor(values, dtype=torch.float64).reshape(tensor.shape)
    tensor.data = 1.0 + 0.2 * values if tensor.dim() == 1 else 0.6 * values
    at += tensor.numel()

# Two sequences, labels at some positions only and not always what the input holds.
sequences = [[1, 4, 9, 0, 3, 10, 2, 2, 7, 5, 6, 8], [3, 3, 1, 10, 0, 6, 4]]
labels = [[p % 3 == 2 and (ids[p] * 5 + 1) % 11 or -100 for p in range(len(ids))] for ids in sequences]

total, count, logprobs = 0.0, 0, []
for ids, wanted in zip(sequences, labels):
    rows = model(torch.tensor([ids])).logits[0].log_softmax(-1)
    logprobs.append([[round(x, 9) for x in row] for row in rows.tolist()])
    for p, label in enumerate(wanted):
        if p > 0 and label >= 0:
            total, count = total - rows[p - 1, label], count + 1
(total / count).backward()

json.dump({
    "torch": torch.__version__,
    "transformers": transformers.__version__,
    "sequences": sequences,
    "labels": labels,
    "logprobs": logprobs,
    "loss": (total / count).item(),
    "gradients": {name: [float(f"{x:.8g}") for x in tensors[name].grad.flatten().tolist()] for name in names},
}, __import__("sys").stdout, separators=(",", ":"))
print()
