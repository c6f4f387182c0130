"""A GGUF file as a transformers Llama: weights made dense, rows of q and k in Hugging Face's order, shape from the metadata."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gguf import GGMLQuantizationType, GGUFReader, GGUFValueType
from gguf.quants import dequantize
from transformers import LlamaConfig, LlamaForCausalLM

MODULES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
"""GGUF's names of a layer's linear maps, by transformers' names."""


def permuted(rows: np.ndarray, heads: int) -> np.ndarray:
    """Rows of q or k as GGUF has them: it interleaves the two halves of each head, because its rope turns neighbours."""
    return rows.reshape(heads, 2, -1, rows.shape[-1]).swapaxes(1, 2).reshape(rows.shape)


def unpermuted(rows: np.ndarray, heads: int) -> np.ndarray:
    """Rows of q or k in Hugging Face's order again."""
    return rows.reshape(heads, -1, 2, rows.shape[-1]).swapaxes(1, 2).reshape(rows.shape)


class _Reader(GGUFReader):
    """The library's reader, but a tokenizer's lists are passed over: it makes several objects of each of their hundred thousand
    texts, which takes seconds, and nobody here asks for them."""

    def _get_field_parts(self, orig_offs: int, raw_type: int) -> Any:
        if raw_type != GGUFValueType.ARRAY:
            return super()._get_field_parts(orig_offs, raw_type)
        kind, count = GGUFValueType(int(self._get(orig_offs, np.uint32)[0])), int(self._get(orig_offs + 4, np.uint64)[0])
        at = orig_offs + 12
        if count < 1000 or kind == GGUFValueType.ARRAY or self.byte_order != "I":
            return super()._get_field_parts(orig_offs, raw_type)
        if kind == GGUFValueType.STRING:
            view: memoryview = self.data.data
            size = len(self.data)
            for _ in range(count):
                at += 8 + int.from_bytes(view[at : at + 8], sys.byteorder)
                if at > size:
                    raise ValueError("a list of texts goes past the end of the file")
        else:
            at += count * np.dtype(self.gguf_scalar_to_np[kind]).itemsize
        return at - orig_offs, [self.data[orig_offs:at]], [], [GGUFValueType.ARRAY, kind]


class GgufBase:
    """The file, opened. Raises ValueError for whatever is not computed here."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            if file.read(4) != b"GGUF":
                raise ValueError("not a readable GGUF file: it does not begin with GGUF; fetch it again")
        try:
            reader = _Reader(path)
        except Exception as error:  # the reader has no error of its own: a hostile file may raise anything
            raise ValueError(f"not a readable GGUF file: {error}; fetch it again") from error
        self._fields = {name: field for name, field in reader.fields.items() if not name.startswith("tokenizer.")}
        self._tensors = {tensor.name: tensor for tensor in reader.tensors}
        if (kind := self._value("general.architecture")) != "llama":
            raise ValueError(f"unsupported architecture `{kind}` in a GGUF file (supported: llama); name another model")
        self.name: str = self._value("general.name") or "base"
        self.config = self._config()
        first = self._tensors.get("blk.0.attn_q.weight")
        self.quantization = GGMLQuantizationType(first.tensor_type).name if first is not None else "none"
        self.parameters = sum(int(np.prod(tensor.shape)) for name, tensor in self._tensors.items() if name != "rope_freqs.weight")

    def _value(self, key: str) -> Any:
        field = self._fields.get(key)
        return None if field is None else field.contents()

    def _number(self, key: str, default: Any = None) -> Any:
        value = self._value(f"llama.{key}")
        if value is None and default is None:
            raise ValueError(f"has no `llama.{key}`; fetch it again, or name another model")
        return default if value is None else value

    def _config(self) -> LlamaConfig:
        hidden, heads = self._number("embedding_length"), self._number("attention.head_count")
        if not heads:
            raise ValueError("impossible attention shape: 0 heads; fetch it again")
        kv_heads, width = self._number("attention.head_count_kv", heads), self._number("attention.key_length", hidden // heads)
        if heads % kv_heads or width % 2:
            raise ValueError(f"impossible attention shape: {heads} heads, {kv_heads} key heads, head width {width}; fetch it again")
        for key in ("attention.value_length", "rope.dimension_count"):
            if (value := self._number(key, width)) != width:
                raise ValueError(f"unsupported `llama.{key}` {value} (supported: the head width, {width}); name another model")
        if self._number("rope.scaling.type", "none") != "none":
            raise ValueError(f"unsupported rope scaling `{self._number('rope.scaling.type')}`; name another model")
        embedding = self._tensors.get("token_embd.weight")
        if embedding is None:
            raise ValueError("has no tensor `token_embd.weight`; fetch it again")
        return LlamaConfig(
            vocab_size=int(embedding.shape[1]),
            hidden_size=hidden,
            intermediate_size=self._number("feed_forward_length"),
            num_hidden_layers=self._number("block_count"),
            num_attention_heads=heads,
            num_key_value_heads=kv_heads,
            head_dim=width,
            max_position_embeddings=self._number("context_length"),
            rms_norm_eps=self._number("attention.layer_norm_rms_epsilon"),
            rope_parameters={"rope_type": "default", "rope_theta": float(self._number("rope.freq_base", 10_000.0))},
            tie_word_embeddings="output.weight" not in self._tensors,
            bos_token_id=None,
            eos_token_id=None,
        )

    def _dense(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        tensor = self._tensors.get(name)
        if tensor is None:
            raise ValueError(f"has no tensor `{name}`; fetch it again, or name another model")
        kind = GGMLQuantizationType(tensor.tensor_type)
        found = tuple(int(n) for n in reversed(tensor.shape))
        if found != shape:
            raise ValueError(f"tensor `{name}` is {found}, but the header says {shape}; fetch it again")
        try:
            return np.asarray(dequantize(tensor.data.view(np.ndarray), kind), dtype=np.float32).reshape(shape)
        except NotImplementedError:
            raise ValueError(f"tensor `{name}`: unsupported quantisation {kind.name}; name another model") from None

    def load(self, dtype: torch.dtype) -> LlamaForCausalLM:
        """The model."""
        config: Any = self.config
        names = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight"}
        if not config.tie_word_embeddings:
            names["lm_head.weight"] = "output.weight"
        for i in range(config.num_hidden_layers):
            names[f"model.layers.{i}.input_layernorm.weight"] = f"blk.{i}.attn_norm.weight"
            names[f"model.layers.{i}.post_attention_layernorm.weight"] = f"blk.{i}.ffn_norm.weight"
            for module, name in MODULES.items():
                names[f"model.layers.{i}.{module}.weight"] = f"blk.{i}.{name}.weight"
        # A model with tensors that nobody asks for (biases, experts) would be computed wrongly.
        surplus = sorted(set(self._tensors) - set(names.values()) - {"rope_freqs.weight"})
        if surplus:
            raise ValueError(f"unsupported tensor `{surplus[0]}` ({len(surplus)} of its kind or others); name another model")
        # Only the shape is needed: every weight is replaced.
        with torch.device("meta"):
            model = LlamaForCausalLM(config)
        shapes = {name: tuple(weight.shape) for name, weight in model.state_dict().items()}
        state = {}
        for name, stored in names.items():
            rows = self._dense(stored, shapes[name])
            if name.endswith("q_proj.weight"):
                rows = unpermuted(rows, config.num_attention_heads)
            elif name.endswith("k_proj.weight"):
                rows = unpermuted(rows, config.num_key_value_heads)
            state[name] = torch.from_numpy(np.array(rows, order="C")).to(dtype)
        if config.tie_word_embeddings:
            state["lm_head.weight"] = state["model.embed_tokens.weight"]
        model.load_state_dict(state, assign=True, strict=True)
        model.tie_weights()
        # The rotary tables are no weights, so that they are still without values.
        rotary = type(model.model.rotary_emb)(config)
        if "rope_freqs.weight" in self._tensors:
            rotary.inv_freq /= torch.tensor(self._dense("rope_freqs.weight", (config.head_dim // 2,)))
        model.model.rotary_emb = rotary
        return model
