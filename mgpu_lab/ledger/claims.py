"""Who claims what: the parts of a model and of an optimizer, each under a category and a name.

Knows FSDP2, tensor parallel weights (DTensor), DeepSpeed's ZeRO optimizers, peft and bitsandbytes by their looks and
imports none of them. FSDP1 it does not know; pipeline stages are in `stages`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from torch.nn.parameter import is_lazy

from mgpu_lab.ledger.owners import Owners, tensors_in

if TYPE_CHECKING:
    import torch

MASTERS = "{dtype} master weights"
WIDE_BYTES = 4  # of one number: below it, a wider copy is kept

# Attributes of an optimizer that wraps another: the first pattern found in the name decides.
OPTIMIZER_ATTRIBUTES = (
    (r"norm|overflow|scale|tracker", "other", "norms and flags"),
    (r"temp_grad|pin_buffer|for_cpu_offload|for_gpu_offload", "other", "offload staging buffers"),
    (r"ipg_|bucket|extra_large", "other", "{stage} bucket"),
    (r"grad", "gradients", "{stage} gradient partition, {dtype}"),
    (r"fp32|master|single_partition", "optimizer_state", MASTERS),
    (r"bit16|fp16|bf16|lp_param", "parameters", "weights, {dtype}"),
)
STATE_NAMES = {"step": "step counters", **dict.fromkeys(("exp_avg", "exp_avg_sq", "max_exp_avg_sq"), "Adam moments")}
GRADIENTS = ("gradients", "gradients, {dtype}")
GATHERED = ("parameters", "gathered weights, {dtype}")
SHARD = ("parameters", "shard, {dtype}")
# the copy that a module computes with, and the part of it kept where `reshard_after_forward` is a number
GATHERED_BY_FSDP = ("_unsharded_param", "_unsharded_inner_tensors", "all_gather_outputs", "_sharded_post_forward_param")


def is_quantised(parameter: Any) -> bool:
    """Whether bitsandbytes has packed this parameter into 4 or 8 bits."""
    return getattr(parameter, "quant_state", None) is not None or getattr(parameter, "SCB", None) is not None


def is_sharded(parameter: Any) -> bool:
    """Whether this is a DTensor of which the rank holds a part: one that tensor parallelism has cut."""
    sizes = getattr(getattr(parameter, "device_mesh", None), "shape", ())
    placements = getattr(parameter, "placements", ())
    return any(size > 1 and not one.is_replicate() for one, size in zip(placements, sizes, strict=False))


def logical_count(parameter: Any) -> int:
    """How many numbers the whole parameter stands for: unsharded, unpacked."""
    if is_lazy(parameter):
        return 0
    state = getattr(parameter, "quant_state", None)
    if state is not None:
        return int(state.shape.numel())
    return int(getattr(parameter, "ds_numel", None) or parameter.numel())


def claim_weight(owners: Owners, name: str, parameter: Any) -> None:
    """Claim one parameter: LoRA, a ZeRO-3 partition, a packed weight with its scales, or just a weight."""
    if "lora_" in name:
        owners.claim(parameter, "parameters", "LoRA, {dtype}")
    if getattr(parameter, "ds_tensor", None) is not None:
        owners.claim(parameter.ds_tensor, "parameters", "ZeRO-3 partition, {dtype}")
        owners.claim(parameter, *GATHERED)
    if getattr(parameter, "quant_state", None) is not None:
        claim_packed(owners, parameter)
    if is_sharded(parameter):
        owners.claim(parameter, *SHARD)
    owners.claim(parameter, "parameters", "weights, {dtype}")
    if is_quantised(parameter):
        owners.claim(vars(parameter), "parameters", "scales, {dtype}")


def claim_packed(owners: Owners, parameter: Any) -> None:
    """Claim a 4-bit weight, its scales, the scales of its scales, and the tables of levels."""
    state = parameter.quant_state
    nested = getattr(state, "state2", None)
    owners.claim(parameter, "parameters", f"{state.quant_type} packed weights")
    owners.claim(state.absmax, "parameters", "absmax")
    owners.claim(getattr(nested, "absmax", None), "parameters", "absmax of absmax")
    owners.claim([vars(state), nested and vars(nested)], "parameters", "code tables")


def fsdp_records(model: torch.nn.Module) -> Iterator[Any]:
    """Yield the records that `fully_shard` keeps of each parameter."""
    for module in model.modules():
        ask = getattr(module, "_get_fsdp_state", None)
        state = ask() if callable(ask) else None
        groups = getattr(state, "_fsdp_param_groups", None) or [getattr(state, "_fsdp_param_group", None)]
        for group in groups:
            yield from getattr(group, "fsdp_params", ())


def claim_fsdp(owners: Owners, record: Any) -> None:
    """Claim the shard, the gathered copy while there is one, and gradients on their way."""
    owners.claim(record.sharded_param, *SHARD)
    for name in GATHERED_BY_FSDP:
        owners.claim(getattr(record, name, None), *GATHERED)
    owners.claim(getattr(record, "unsharded_accumulated_grad", None), *GRADIENTS)


def chain_of_optimizers(optimizer: Any) -> list[Any]:
    """List the optimizers wrapped in this one, innermost first."""
    chain: list[Any] = []
    left = [optimizer]
    while left:
        one = left.pop()
        if hasattr(one, "__dict__") and all(one is not known for known in chain):
            chain.append(one)
            left += [value for value in vars(one).values() if is_optimizer(value)]
    return chain[::-1]


def is_optimizer(value: Any) -> bool:
    return hasattr(value, "param_groups") and hasattr(value, "state")


def keeps_masters(chain: list[Any], parameters: Sequence[torch.Tensor]) -> bool:
    """Whether what these optimizers update may be copies of the model's parameters: or it is another model's.

    A wrapper (DeepSpeed's, or one's own) holds the parameters beside its copies. A plain optimizer does not, but
    copies are worth the bytes only where they are of the parameters' shapes and wider.
    """
    ours = {id(parameter) for parameter in parameters}
    beside = [value for one in chain for name, value in vars(one).items() if name not in {"param_groups", "state"}]
    if any(id(tensor) in ours for value in beside if not is_optimizer(value) for tensor in tensors_in(value)):
        return True
    narrow = {tuple(parameter.shape) for parameter in parameters if parameter.itemsize < WIDE_BYTES}
    groups = [group for one in chain for group in getattr(one, "param_groups", [])]
    copies = [weight for group in groups for weight in group["params"] if id(weight) not in ours]
    return all(tuple(copy.shape) in narrow and copy.itemsize >= WIDE_BYTES for copy in copies)


def claim_optimizer(owners: Owners, optimizer: Any, *, masters_of_model: bool = True) -> None:
    """Claim master weights, their gradients, the state by its keys, and a wrapper's tensors by attribute."""
    masters = [weight for group in getattr(optimizer, "param_groups", []) for weight in group["params"]]
    if not masters_of_model:
        others = [master for master in masters if master.is_leaf]
        owners.claim([other.grad for other in others], "gradients", "gradients of weights not of this model, {dtype}")
        owners.claim(others, "optimizer_state", "weights not of this model, {dtype}")
    claim_masters(owners, masters)
    for values in getattr(optimizer, "state", {}).values():
        for key, value in values.items() if isinstance(values, Mapping) else ():
            owners.claim(value, "optimizer_state", STATE_NAMES.get(key, str(key)))
    for name, value in vars(optimizer).items():
        if name not in {"param_groups", "state", "module"} and not is_optimizer(value):
            claim_attribute(owners, optimizer, name, value)


def claim_masters(owners: Owners, masters: list[Any]) -> None:
    """Claim what an optimizer updates: the model's own parameters are claimed already, so these are others."""
    owners.claim([master.grad for master in masters if master.is_leaf], *GRADIENTS)
    owners.claim(masters, "optimizer_state", MASTERS)


def claim_attribute(owners: Owners, optimizer: Any, name: str, value: Any) -> None:
    for pattern, category, label in OPTIMIZER_ATTRIBUTES:
        if re.search(pattern, name):
            if category == "optimizer_state":
                claim_masters(owners, list(tensors_in(value)))
            owners.claim(value, category, label.replace("{stage}", zero_stage(optimizer)))
            return
    if not type(optimizer).__module__.startswith("deepspeed"):
        owners.claim(value, "optimizer_state", name)


def zero_stage(optimizer: Any) -> str:
    """Name the stage of DeepSpeed's optimizer: "ZeRO-3"."""
    if "Stage3" in type(optimizer).__name__:
        return "ZeRO-3"
    return str(getattr(optimizer, "zero_stage_string", "optimizer's"))
