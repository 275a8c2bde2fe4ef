"""The model and the text that lesson 04 trains: a Llama of one million parameters, and the Zen of Python as bytes."""

from __future__ import annotations

import codecs
import contextlib
import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

SIZES: dict[str, Any] = {"vocab_size": 256, "hidden_size": 192, "intermediate_size": 512, "num_attention_heads": 4}


def build(layers: int = 2, seed: int = 0) -> Any:
    """Return a Transformers Llama of 984,000 fp32 parameters (2 layers), equal on all ranks, where they compute."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    return LlamaForCausalLM(LlamaConfig(num_hidden_layers=layers, use_cache=False, **SIZES)).to(device_here())


def zen() -> Tensor:
    """Return the Zen of Python, which every Python has, one byte for each letter: uint8 [856], on the CPU."""
    import torch

    with contextlib.redirect_stdout(io.StringIO()):  # it prints itself
        import this
    return torch.tensor(list(codecs.decode(this.s, "rot13").encode()), dtype=torch.uint8)


def device_here() -> Any:
    import torch
    import torch.distributed as dist

    on_gpu = dist.is_initialized() and "nccl" in dist.get_backend_config()
    return torch.device("cuda", torch.cuda.current_device()) if on_gpu else torch.device("cpu")
