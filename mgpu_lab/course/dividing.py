"""Divide a Transformers Llama among ranks: DDP, FSDP2 or tensor parallelism, as the plans of this course count it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mgpu_lab.course.checkpointing import Mode, checkpoint_layers
from mgpu_lab.course.training_step import adamw
from mgpu_lab.wire.errors import UsageError


@dataclass(frozen=True)
class Training:
    """A model that is divided, its optimizer, and the dtype for `torch.autocast` where DDP trains mixed."""

    model: Any
    optimizer: Any
    autocast_dtype: Any = None


@dataclass(frozen=True)
class Way:
    """How to train: "ddp" or "fsdp", what computes ("bf16", "fp16", "fp32"), what the optimizer updates.

    `master` is "fp32", or None for `dtype` itself.
    """

    method: str
    dtype: str = "bf16"
    master: str | None = "fp32"
    checkpointing: Mode = "none"

    @property
    def dtypes(self) -> tuple[Any, Any]:
        """What computes, and what the optimizer updates."""
        import torch

        known = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}
        return known[self.dtype], known[self.master or self.dtype]

    @property
    def autocast_dtype(self) -> Any:
        """The dtype for `torch.autocast`: DDP has no mixed precision of its own."""
        computed, updated = self.dtypes
        return computed if self.method == "ddp" and computed != updated else None


def trained(
    make_model: Callable[[Any], Any],
    way: Way,
    data_mesh: Any = None,
    tensor_mesh: Any = None,
    ddp: Callable[[Any, Any], Any] | None = None,
) -> Training:
    """Make a model and divide it: tensor parallelism first, where there is a mesh for it, then DDP or FSDP.

    `make_model(dtype)` returns a Transformers decoder. A mesh of one rank, or None, divides nothing; FSDP is applied
    all the same, for its mixed precision. `ddp` takes the place of `with_ddp`.
    """
    import torch

    computed, updated = way.dtypes
    model = make_model(updated).train()
    checkpoint_layers(model, way.checkpointing)
    if tensor_mesh is not None and tensor_mesh.size() > 1:
        model = with_tensor_parallel(model, tensor_mesh)
    if way.method == "fsdp":
        model = with_fsdp(model, data_mesh, *((computed, torch.float32) if way.dtype != "fp32" else ()))
    elif data_mesh is not None and data_mesh.size() > 1:
        model = (ddp or with_ddp)(model, data_mesh.get_group())
    return Training(model, adamw(model), way.autocast_dtype)


def with_ddp(model: Any, group: Any = None) -> Any:
    """Wrap a model in DistributedDataParallel with its defaults: buckets of 25 MiB, the first of 1 MiB."""
    from torch.nn.parallel import DistributedDataParallel

    return DistributedDataParallel(model, process_group=group)


def with_fsdp(model: Any, mesh: Any, param_dtype: Any = None, reduce_dtype: Any = None) -> Any:
    """Shard each decoder layer, then the rest, with FSDP2; gathered again in backward, but for the rest.

    `param_dtype` is what is gathered and computed with, `reduce_dtype` what gradients are summed in; None: as it is.
    """
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    policy = MixedPrecisionPolicy(param_dtype=param_dtype, reduce_dtype=reduce_dtype)
    for layer in layers_of(model):
        fully_shard(layer, mesh=mesh, mp_policy=policy)
    return fully_shard(model, mesh=mesh, mp_policy=policy)


def with_tensor_parallel(model: Any, mesh: Any) -> Any:
    """Divide attention by heads, the MLP by features, embedding and head by the vocabulary.

    Two all-reduces a layer and direction; one for the embedding, an all-gather for the logits, which every rank gets
    whole, and an all-reduce for the gradient of what enters the head. Norms stay whole.

    Raises:
        UsageError: the ranks do not divide the heads, the KV heads, the MLP's features or the vocabulary.
    """
    from torch.distributed.tensor import Replicate
    from torch.distributed.tensor.parallel import (
        ColwiseParallel,
        PrepareModuleInput,
        RowwiseParallel,
        parallelize_module,
    )

    refuse_uneven(model.config, mesh.size())
    whole = Replicate()
    by_name: dict[str, Any] = {
        "input_kwarg_layouts": {"hidden_states": whole},
        "desired_input_kwarg_layouts": {"hidden_states": whole},
    }
    plan: dict[str, Any] = {
        "self_attn": PrepareModuleInput(**by_name),
        "mlp": PrepareModuleInput(input_layouts=whole, desired_input_layouts=whole),
        **{f"self_attn.{name}_proj": ColwiseParallel() for name in "qkv"},
        **{f"mlp.{name}_proj": ColwiseParallel() for name in ("gate", "up")},
        **{name: RowwiseParallel() for name in ("self_attn.o_proj", "mlp.down_proj")},
    }
    for layer in model.model.layers:
        parallelize_module(layer, mesh, plan)
    ends = {
        "model.embed_tokens": RowwiseParallel(input_layouts=whole),
        "lm_head": ColwiseParallel(output_layouts=whole),
    }
    parallelize_module(model, mesh, ends)
    if model.config.tie_word_embeddings:
        model.lm_head.weight = model.model.embed_tokens.weight
    return model


def layers_of(model: Any) -> Any:
    """Return a decoder's layers: `model.layers` of a Llama, `transformer.h` of a GPT-2."""
    return getattr(model.base_model, "layers", None) or model.base_model.h


def refuse_uneven(config: Any, ranks: int) -> None:
    sizes = {
        "heads": config.num_attention_heads,
        "KV heads": config.num_key_value_heads,
        "MLP features": config.intermediate_size,
        "words of the vocabulary": config.vocab_size,
    }
    for what, number in sizes.items():
        if number % ranks:
            raise UsageError(f"tensor_parallel={ranks} does not divide the {number} {what}.")
