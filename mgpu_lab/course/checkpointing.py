"""Activation checkpointing of a Transformers decoder, as the planner, the trace and the ranks of a lesson mean it.

- "none": autograd keeps what it needs.
- "full": of each decoder layer only its input is kept; backward runs the layer's forward again
  (`torch.utils.checkpoint`, not reentrant).
- "selective": each decoder layer is checkpointed, but what attention gives, what a collective of tensor parallelism
  gives, and every second matrix product (the 1st, 3rd, 5th ...) are kept, too. In a Llama these are the products of
  q, v, gate and down; k, o and up are computed again. This is torchtitan's policy (pytorch/torchtitan,
  torchtitan/distributed/activation_checkpoint.py at cfb93265, "every second mm"), with two additions: matrix
  products with a bias count, too, and all-reduces are kept as reduce-scatters are, so that nothing is sent twice.
"""

from __future__ import annotations

from typing import Any, Literal

from mgpu_lab.wire.errors import UsageError

Mode = Literal["none", "selective", "full"]
PRODUCTS = ("aten.mm.default", "aten.addmm.default")
KEPT = (
    "aten._scaled_dot_product_flash_attention_for_cpu.default",
    "aten._scaled_dot_product_flash_attention.default",
    "aten._scaled_dot_product_efficient_attention.default",
    "aten._scaled_dot_product_cudnn_attention.default",
    "aten._scaled_dot_product_fused_attention_overrideable.default",
    "_c10d_functional.reduce_scatter_tensor.default",
    "_c10d_functional.all_reduce.default",
)


def checkpoint_layers(model: Any, mode: Mode) -> None:
    """Make the decoder layers of a Transformers model keep less for backward: "none", "selective" or "full".

    Call it before the model is wrapped by DDP, `fully_shard` or `parallelize_module`. The model must be in training
    mode when it runs. The hooks of a layer (FSDP's gathering) stay outside of what is computed again.

    Raises:
        UsageError: another mode, or a model that has no layers to checkpoint.
    """
    if mode not in ("none", "selective", "full"):
        raise UsageError(f'checkpointing is "none", "selective" or "full", not {mode!r}.')
    if mode == "none":
        return
    names = ("activation_checkpointing_enable", "gradient_checkpointing_enable")  # since Transformers 5.2x; before
    enable = next((getattr(model, name) for name in names if hasattr(model, name)), None)
    if enable is None:
        raise UsageError(f"checkpoint_layers needs a Transformers model, not a {type(model).__name__}.")
    enable({"use_reentrant": False} | ({"context_fn": selective_contexts} if mode == "selective" else {}))


def selective_contexts() -> tuple[Any, Any]:
    """Return what `torch.utils.checkpoint` runs a layer's forward and its repetition within; a pair for each call."""
    from torch.utils.checkpoint import CheckpointPolicy, create_selective_checkpoint_contexts

    products = 0

    def policy(_: Any, operation: Any, *__: Any, **___: Any) -> CheckpointPolicy:
        nonlocal products
        name = str(operation)
        products += name in PRODUCTS
        kept = products % 2 == 1 if name in PRODUCTS else name in KEPT
        return CheckpointPolicy.MUST_SAVE if kept else CheckpointPolicy.PREFER_RECOMPUTE

    contexts: Any = create_selective_checkpoint_contexts
    first, again = contexts(policy)
    return first, again
