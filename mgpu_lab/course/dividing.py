"""Divide a Transformers Llama among ranks: DDP, FSDP2 or tensor parallelism, as the plans of this course count it."""

from __future__ import annotations

from typing import Any

from mgpu_lab.wire.errors import UsageError


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
    for layer in model.model.layers:
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
    by_name = {"input_kwarg_layouts": {"hidden_states": whole}, "desired_input_kwarg_layouts": {"hidden_states": whole}}
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
