"""Does PEFT itself load an adapter folder, with every tensor in its place, and do the logits change as the decider says?

    venv/bin/pip install torch transformers gguf peft
    venv/bin/python peft_check.py MODEL.gguf ADAPTER_FOLDER TIRESIAS_TRAIN_BINARY
"""

import json
import os
import subprocess
import sys
import tempfile

import peft
import torch
import transformers
from safetensors import safe_open

gguf, adapter, binary = (os.path.abspath(path) for path in sys.argv[1:4])
base = transformers.AutoModelForCausalLM.from_pretrained(
    os.path.dirname(gguf), gguf_file=os.path.basename(gguf), dtype=torch.float32
).eval()
ids = [37, 28, 33, 28, 34, 32, 198, 35, 28, 32, 28, 34, 32, 198]
candidates = [32, 33, 34, 35, 36]


def logprobs(model):
    with torch.no_grad():
        return model(torch.tensor([ids])).logits[0, -1].double().log_softmax(-1)[candidates]


plain = logprobs(base)
model = peft.PeftModel.from_pretrained(base, adapter).eval()
with safe_open(os.path.join(adapter, "adapter_model.safetensors"), "pt") as file:
    ours = set(file.keys())
theirs = set(peft.get_peft_model_state_dict(model))
assert ours == theirs, sorted(ours ^ theirs)[:8]
adapted = logprobs(model)

with tempfile.NamedTemporaryFile("w", suffix=".json") as config:
    json.dump({"contract": 2, "backend": "candle", "base": {"path": gguf}, "adapter": adapter, "threads": 2}, config)
    config.flush()
    request = {"id": 1, "op": "open", "contexts": [ids], "candidates": candidates}
    out = subprocess.run([binary, "decide", "--config", config.name], input=json.dumps(request), capture_output=True, text=True)
decider = torch.tensor(json.loads(out.stdout.splitlines()[-1])["logprobs"][0], dtype=torch.double)

print(json.dumps({
    "peft": peft.__version__, "torch": torch.__version__, "tensors": len(ours),
    "largest_change_by_adapter": (adapted - plain).abs().max().item(),
    "largest_difference_to_decider": (adapted - decider).abs().max().item(),
}))
assert (adapted - plain).abs().max() > 1e-2 and (adapted - decider).abs().max() < 1e-3
