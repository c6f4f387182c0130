"""What most people would type: peft and transformers' Trainer, with padded batches and logits at every position, on the same base and
the same rows. `python plain.py BASE ROWS STEPS f32|bf16|nf4` prints one line of JSON."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from ours import LORA, LR, summary
from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training
from shapes import BATCH
from transformers import AutoModelForCausalLM, BitsAndBytesConfig, Trainer, TrainerCallback, TrainingArguments


class Watch(TrainerCallback):
    """The time of every step."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        self._began = time.monotonic()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.seconds.append(time.monotonic() - self._began)


def collate(rows: list[dict[str, list[int]]]) -> dict[str, torch.Tensor]:
    longest = max(len(row["input_ids"]) for row in rows)

    def padded(field: str, with_what: int) -> torch.Tensor:
        return torch.tensor([row[field] + [with_what] * (longest - len(row[field])) for row in rows])

    mask = torch.tensor([[1] * len(row["input_ids"]) + [0] * (longest - len(row["input_ids"])) for row in rows])
    return {"input_ids": padded("input_ids", 0), "labels": padded("labels", -100), "attention_mask": mask}


def run(base: Path, rows: list[dict[str, list[int]]], steps: int, arithmetic: str) -> dict[str, Any]:
    cuda = torch.cuda.is_available()
    dtype = torch.float32 if arithmetic == "f32" else torch.bfloat16
    loading: dict[str, Any] = {"dtype": dtype, "device_map": {"": 0 if cuda else "cpu"}}
    if arithmetic == "nf4":
        loading["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=torch.bfloat16
        )
    model: Any = AutoModelForCausalLM.from_pretrained(base, **loading)
    if arithmetic == "nf4":
        model = prepare_model_for_kbit_training(model, gradient_checkpointing_kwargs={"use_reentrant": False})
    model.enable_input_require_grads()
    lora: Any = {"r": LORA["r"], "lora_alpha": LORA["alpha"], "target_modules": LORA["targets"]}
    model = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", lora_dropout=0.0, **lora))
    watch = Watch()
    with tempfile.TemporaryDirectory() as output:
        arguments = TrainingArguments(
            output_dir=output,
            max_steps=steps,
            per_device_train_batch_size=BATCH,
            learning_rate=LR,
            lr_scheduler_type="constant",
            max_grad_norm=1.0,
            weight_decay=0.0,
            gradient_checkpointing=True,
            gradient_checkpointing_kwargs={"use_reentrant": False},
            bf16=arithmetic != "f32",
            use_cpu=not cuda,
            logging_steps=1,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            remove_unused_columns=False,
        )
        trainer = Trainer(model=model, args=arguments, train_dataset=rows, data_collator=collate, callbacks=[watch])
        trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    tokens = sum(len(row["input_ids"]) for row in rows)
    return summary(losses, watch.seconds, tokens, torch.cuda.max_memory_allocated() if cuda else None)


if __name__ == "__main__":
    base, data, steps, arithmetic = sys.argv[1:]
    found = run(Path(base), [json.loads(line) for line in Path(data).read_text().splitlines()], int(steps), arithmetic)
    print("\n" + json.dumps(found))
