"""References for every family of bases: a tiny random model each, as `transformers` writes it, and log-probabilities, loss and the
gradients of PEFT's adapters on it, by Hugging Face and PyTorch in f64.

    python3 -m venv venv && venv/bin/pip install torch transformers peft
    venv/bin/python families.py families

Every folder holds config.json, *.safetensors and reference.json. The adapters' values follow a formula that the test repeats.
"""

import json
import math
import pathlib
import shutil
import sys

import peft
import torch
import transformers

COMMON = dict(vocab_size=13, hidden_size=12, intermediate_size=20, num_attention_heads=4, num_key_value_heads=2, head_dim=6,
              max_position_embeddings=64, rms_norm_eps=1e-5, bos_token_id=None, eos_token_id=None, pad_token_id=None)

# Sequences are longer than the context that `original_max_position_embeddings` names, and than the sliding windows.
FAMILIES = {
    "llama": (transformers.LlamaConfig(
        **COMMON, num_hidden_layers=2, tie_word_embeddings=False, attention_bias=True, mlp_bias=True,
        rope_parameters=dict(rope_type="llama3", rope_theta=500.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                             original_max_position_embeddings=16)), torch.float32),
    "mistral": (transformers.MistralConfig(**COMMON, num_hidden_layers=2, sliding_window=7), torch.bfloat16),
    "qwen2": (transformers.Qwen2Config(**{k: v for k, v in COMMON.items() if k != "head_dim"}, num_hidden_layers=3, use_sliding_window=True,
                                       sliding_window=9, max_window_layers=1, tie_word_embeddings=True) , torch.float16),
    "qwen3": (transformers.Qwen3Config(**COMMON, num_hidden_layers=2), torch.float32),
    "gemma3": (transformers.Gemma3TextConfig(
        **COMMON, num_hidden_layers=3, sliding_window=8, layer_types=["sliding_attention", "full_attention", "sliding_attention"],
        query_pre_attn_scalar=10,
        rope_parameters=dict(full_attention=dict(rope_type="linear", rope_theta=1000.0, factor=4.0),
                             sliding_attention=dict(rope_type="default", rope_theta=100.0))), torch.float32),
}
# Four heads of three would have no halves to turn.
FAMILIES["qwen2"][0].num_attention_heads = 2
FAMILIES["qwen2"][0].num_key_value_heads = 1

MODULES = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
           "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"]


def randomise(model, seed):
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in model.named_parameters():
        values = torch.randn(tensor.shape, generator=generator, dtype=torch.float64)
        if tensor.dim() == 2:
            values *= 0.35
        elif name.endswith("bias"):
            values *= 0.2
        else:
            values = 0.25 * values + (0.0 if "Gemma" in type(model).__name__ else 1.0)
        tensor.data.copy_(values)


def adapt(model):
    config = peft.LoraConfig(r=2, lora_alpha=3, target_modules=[module.split(".")[-1] for module in MODULES], task_type="CAUSAL_LM")
    model = peft.get_peft_model(model, config)
    tensors, at, names = dict(model.named_parameters()), 0, []
    for layer in range(model.config.num_hidden_layers):
        for module in MODULES:
            for part in ("lora_A", "lora_B"):
                name = f"base_model.model.model.layers.{layer}.{module}.{part}.default.weight"
                tensor = tensors[name]
                values = [0.5 * math.sin(12.9898 * i + 1.0) for i in range(at, at + tensor.numel())]
                tensor.data = torch.tensor(values, dtype=torch.float64).reshape(tensor.shape)
                at += tensor.numel()
                names.append(name)
    assert {name for name, tensor in tensors.items() if tensor.requires_grad} == set(names)
    return model, names


out = pathlib.Path(sys.argv[1])
for seed, (name, (config, dtype)) in enumerate(FAMILIES.items()):
    folder = out / name
    shutil.rmtree(folder, ignore_errors=True)
    model = transformers.AutoModelForCausalLM.from_config(config)
    randomise(model, seed)
    # Of several files where there is room for it.
    model.to(dtype).save_pretrained(folder, max_shard_size="12KB" if name == "llama" else "5GB")
    (folder / "generation_config.json").unlink(missing_ok=True)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float64, attn_implementation="eager")

    # Two sequences, labels at some positions only and not always what the input holds.
    sequences = [[(7 * i + i * i // 3 + 1) % 13 for i in range(30)], [3, 3, 1, 10, 0, 6, 4]]
    labels = [[p % 3 == 2 and (ids[p] * 5 + 1) % 13 or -100 for p in range(len(ids))] for ids in sequences]
    with torch.no_grad():
        plain = [model(torch.tensor([ids])).logits[0].log_softmax(-1) for ids in sequences]
    model, names = adapt(model)
    total, count = 0.0, 0
    for ids, wanted in zip(sequences, labels):
        rows = model(torch.tensor([ids])).logits[0].log_softmax(-1)
        for p, label in enumerate(wanted):
            if p > 0 and label >= 0:
                total, count = total - rows[p - 1, label], count + 1
    (total / count).backward()
    tensors = dict(model.named_parameters())
    reference = {
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "peft": peft.__version__,
        "sequences": sequences,
        "labels": labels,
        "logprobs": [[[round(x, 7) for x in row] for row in rows.tolist()] for rows in plain],
        "loss": (total / count).item(),
        "gradients": {n.replace(".default", ""): [float(f"{x:.6g}") for x in tensors[n].grad.flatten().tolist()] for n in names},
    }
    (folder / "reference.json").write_text(json.dumps(reference, separators=(",", ":")) + "\n")
