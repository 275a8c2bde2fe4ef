"""Make the Transformers model that a trace runs: from a shape, or from a factory of the user's. Runs in the child."""

import importlib
from collections.abc import Callable, Mapping
from typing import Any

import torch

NORM_EPS = 1e-5


def maker(model: Mapping[str, Any]) -> Callable[[torch.dtype], Any]:
    """Return what makes the model in a dtype: `{"shape": {...}}` or `{"factory": "module:name"}`."""
    if "factory" in model:
        return from_factory(str(model["factory"]))
    config = config_of(model["shape"])

    def make(dtype: torch.dtype) -> Any:
        from transformers import AutoModelForCausalLM

        kinds: Any = AutoModelForCausalLM
        return kinds.from_config(config, dtype=dtype)

    return make


def no_packed_sequences() -> None:
    """Tell Transformers what it would read off the positions, which a fake tensor lacks: nothing is packed.

    Otherwise it makes a causal mask [tokens, tokens], repeats keys and values for it, and takes another attention.
    """
    from transformers import masking_utils

    there: Any = masking_utils
    there.find_packed_sequence_indices = lambda _: None


def from_factory(name: str) -> Callable[[torch.dtype], Any]:
    module, _, function = name.partition(":")
    factory = getattr(importlib.import_module(module), function)
    return lambda dtype: factory().to(dtype)


def config_of(shape: Mapping[str, Any]) -> Any:
    """Return the config of a shape's kind: GPT-2, Qwen2 (biases in q, k, v), else Llama."""
    from transformers import GPT2Config, LlamaConfig, Qwen2Config

    if shape["learned_positions"]:
        sizes = {"n_layer": shape["layers"], "n_embd": shape["width"], "n_head": shape["heads"]}
        sizes |= {"n_positions": shape["context"], "n_inner": shape["intermediate"], "vocab_size": shape["vocabulary"]}
        return GPT2Config(**sizes, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, use_cache=False)
    kind: Any = Qwen2Config if shape["qkv_bias"] else LlamaConfig
    return kind(
        num_hidden_layers=shape["layers"],
        hidden_size=shape["width"],
        intermediate_size=shape["intermediate"],
        num_attention_heads=shape["heads"],
        num_key_value_heads=shape["kv_heads"],
        head_dim=shape["head_size"],
        vocab_size=shape["vocabulary"],
        max_position_embeddings=shape["context"],
        tie_word_embeddings=shape["tied"],
        rms_norm_eps=NORM_EPS,
        use_cache=False,
    )
