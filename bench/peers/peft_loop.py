"""A QLoRA training step as one writes it by hand with transformers and peft: a padded batch, logits at the labelled positions alone,
AdamW. `python peft_loop.py BASE.gguf ROWS STEPS f32|bf16 LORA` prints a line a step."""

import json
import sys
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

torch.set_num_threads(1)
base, path, steps, arithmetic, lora = sys.argv[1:]
rows = [json.loads(line) for line in Path(path).read_text().splitlines()]
lora = json.loads(lora)
dtype = torch.float32 if arithmetic == "f32" else torch.bfloat16

gguf = Path(base)
model = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=dtype)
config = LoraConfig(task_type="CAUSAL_LM", r=lora["r"], lora_alpha=lora["alpha"], target_modules=lora["targets"], lora_dropout=0.0)
model = get_peft_model(model, config)
model.train()
weights = [weight for weight in model.parameters() if weight.requires_grad]
optimizer = torch.optim.AdamW(weights, lr=1e-3, weight_decay=0.0)

ids = torch.tensor([row["input_ids"] for row in rows])
labels = torch.tensor([row["labels"] for row in rows])
row, column = torch.nonzero(labels != -100, as_tuple=True)
targets = labels[row, column]
decoder, head = model.get_base_model().model, model.get_base_model().lm_head

for step in range(1, int(steps) + 1):
    with torch.autocast("cpu", torch.bfloat16, enabled=arithmetic == "bf16"):
        hidden = decoder(input_ids=ids, use_cache=False).last_hidden_state
        # The logits at a position predict the next one's label.
        logits = head(hidden[row, column - 1])
    loss = torch.nn.functional.cross_entropy(logits.float(), targets)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(weights, 1.0)
    optimizer.step()
    optimizer.zero_grad()
    print(json.dumps({"event": "step", "step": step, "loss": loss.item()}), flush=True)
