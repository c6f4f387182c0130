"""Every architecture that is let in is computed as transformers computes it: packed, and from sessions' caches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import support
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from tiresias_peft import bases, data, packing, train
from tiresias_peft.adapters import Adapters
from tiresias_peft.config import MODULES, BaseConfig, LoraSettings
from tiresias_peft.decide import Decider

MORE: dict[str, dict[str, Any]] = {
    # Windows shorter than the rows.
    "mistral": {"sliding_window": 9},
    "gemma3_text": {"sliding_window": 9, "layer_types": ["sliding_attention", "full_attention"], "query_pre_attn_scalar": 16},
    "smollm3": {"no_rope_layers": [1, 0], "use_sliding_window": False},
}


def write(kind: str, path: Path) -> Any:
    torch.manual_seed(2)
    config = AutoConfig.for_model(
        kind,
        **support.SIZES,
        initializer_range=0.15,
        pad_token_id=0,
        **MORE.get(kind, {}),
    )
    model = AutoModelForCausalLM.from_config(config).eval()
    model.save_pretrained(path)
    return model


@pytest.mark.parametrize("kind", bases.ARCHITECTURES)
def test_an_architecture_is_computed_right(kind: str, tmp_path: Path) -> None:
    own = write(kind, tmp_path / "base")
    about = bases.about(BaseConfig(tmp_path / "base", None))
    model = bases.load(about, "f32", support.CPU)
    examples = [data.Example(np.array(r["input_ids"]), np.array(r["labels"])) for r in support.rows(5)]
    ids = examples[0].ids.tolist()
    with torch.no_grad():
        alone = [own(torch.from_numpy(e.ids)[None]).logits[0, e.targets() - 1].float() for e in examples]
        assert (train.packed_logits(model, packing.pack(examples)) - torch.cat(alone)).abs().max() < 1e-4
        wanted = own(torch.tensor([ids])).logits[0].log_softmax(-1)
    decider = Decider(model, about.vocabulary, about.context, support.CPU)
    sessions, first = decider.open([ids[:12], [*ids[:12], 3]], [1, 2])
    rest = decider.extend(sessions[:1], [ids[12:]])
    assert (torch.tensor(first[0]) - wanted[11, [1, 2]]).abs().max() < 1e-4
    assert (torch.tensor(rest[0]) - wanted[-1, [1, 2]]).abs().max() < 1e-4
    assert Adapters(model, LoraSettings(2, 4, MODULES)).parameters() > 0
