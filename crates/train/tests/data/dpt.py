"""Reference for the Decision-Pretrained Transformer's network: logits, loss and all gradients by Hugging Face's GPT-2, in f64.

    python3 -m venv venv && venv/bin/pip install torch transformers
    venv/bin/python dpt.py > dpt.json

As in Lee et al. 2023: one linear map makes a token of (state, action, next state, reward), GPT-2 follows, one linear map gives the
actions; only the positions are zero. Parameters and inputs follow formulas that the test repeats.
"""

import json
import math
import sys

import torch
import transformers

OBSERVATIONS, ACTIONS, WIDTH, LAYERS, HEADS = 4, 3, 8, 2, 2
INPUTS = 2 * OBSERVATIONS + ACTIONS + 1
SEQUENCES, LABELS = [5, 1, 7], [2, 0, 1]

config = transformers.GPT2Config(
    vocab_size=1, n_positions=16, n_embd=WIDTH, n_layer=LAYERS, n_head=HEADS, resid_pdrop=0, embd_pdrop=0, attn_pdrop=0,
)
config._attn_implementation = "eager"
gpt2 = transformers.GPT2Model(config).double().eval()
gpt2.wpe.weight.data.zero_()
embed, predict = torch.nn.Linear(INPUTS, WIDTH).double(), torch.nn.Linear(WIDTH, ACTIONS).double()

found = {f"transformer.{name}": tensor for name, tensor in gpt2.named_parameters() if name not in ("wte.weight", "wpe.weight")}
names = ["embed_transition.weight", "embed_transition.bias"]
for layer in range(LAYERS):
    for part in ("ln_1", "attn.c_attn", "attn.c_proj", "ln_2", "mlp.c_fc", "mlp.c_proj"):
        names += [f"transformer.h.{layer}.{part}.weight", f"transformer.h.{layer}.{part}.bias"]
names += ["transformer.ln_f.weight", "transformer.ln_f.bias", "pred_actions.weight", "pred_actions.bias"]
# Linear keeps outputs × inputs, GPT-2 and the file inputs × outputs.
turned = {"embed_transition.weight": embed.weight, "pred_actions.weight": predict.weight}
tensors = found | turned | {"embed_transition.bias": embed.bias, "pred_actions.bias": predict.bias}
assert set(names) == set(tensors)

at = 0
for name in names:
    tensor = tensors[name]
    values = torch.tensor([math.sin(12.9898 * i + 1.0) for i in range(at, at + tensor.numel())], dtype=torch.float64)
    values = 1.0 + 0.2 * values if ".ln_" in name and name.endswith("weight") else 0.6 * values
    tensor.data = values.reshape(tensor.shape[::-1]).T.contiguous() if name in turned else values.reshape(tensor.shape)
    at += tensor.numel()

total, logits, row = 0.0, [], 0
for length, label in zip(SEQUENCES, LABELS):
    tokens = [[math.cos(0.7 * (INPUTS * (row + i) + j)) for j in range(INPUTS)] for i in range(length)]
    row += length
    tokens = torch.tensor([tokens], dtype=torch.float64)
    out = predict(gpt2(inputs_embeds=embed(tokens)).last_hidden_state)[0]
    logits += [[round(x, 9) for x in r] for r in out.tolist()]
    total = total - out.log_softmax(-1)[:, label].mean()
loss = total / len(SEQUENCES)
loss.backward()

json.dump({
    "torch": torch.__version__,
    "transformers": transformers.__version__,
    "logits": logits,
    "loss": loss.item(),
    "gradients": {
        name: [float(f"{x:.8g}") for x in (tensors[name].grad.T if name in turned else tensors[name].grad).flatten().tolist()]
        for name in names
    },
}, sys.stdout, separators=(",", ":"))
print()
