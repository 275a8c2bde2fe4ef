"""The stages of `torch.distributed.pipelining` that run a model, and the buffers they receive into.

A stage allocates a buffer for each micro-batch before its first step and keeps it for all later ones. What it keeps of
a forward pass until the backward pass hangs on an autograd graph, and is found there.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

RECEIVED = ("other", "pipeline receive buffers")


def stages_of(model: torch.nn.Module) -> list[Any]:
    """List the live stages whose module is this model or a part of it; quick where no pipeline was ever loaded."""
    module = sys.modules.get("torch.distributed.pipelining.stage")
    base = getattr(module, "_PipelineStageBase", None)
    if base is None:
        return []
    parts, kinds = {id(part) for part in model.modules()}, {id(kind) for kind in kinds_of(base)}
    stages = [thing for thing in gc.get_objects() if id(type(thing)) in kinds]  # isinstance asks an ABC: slow
    return [stage for stage in stages if id(getattr(stage, "submod", None)) in parts]


def kinds_of(base: type) -> Iterator[type]:
    """Yield a class and all that inherit from it."""
    yield base
    narrower: list[type] = type.__subclasses__(base)
    for each in narrower:
        yield from kinds_of(each)


def receive_buffers(stage: Any) -> Iterator[torch.Tensor]:
    """Yield the buffers for activations from the stage before and for their gradients from the stage after."""
    for name in ("args_recv_info", "grad_recv_info"):
        for infos in getattr(stage, name, {}).values():
            for info in infos:
                buffer = getattr(info, "buffer", None)
                if buffer is not None:
                    yield buffer
