"""Whose bytes are counted: a model and its optimizer, held weakly."""

import os
import re
import weakref
from typing import Any

import torch
import torch.distributed as dist

from mgpu_lab.ledger.caches import claim_caches
from mgpu_lab.ledger.claims import (
    GRADIENTS,
    chain_of_optimizers,
    claim_fsdp,
    claim_optimizer,
    claim_weight,
    fsdp_records,
    is_quantised,
    keeps_masters,
    logical_count,
)
from mgpu_lab.ledger.owners import BUCKETS, Owners
from mgpu_lab.ledger.stages import RECEIVED, receive_buffers, stages_of
from mgpu_lab.ledger.storages import shape_of
from mgpu_lab.wire.errors import UsageError


class Subject:
    """Says who owns what at the moment it is asked."""

    def __init__(self, model: Any, optimizer: Any = None) -> None:
        if not isinstance(model, torch.nn.Module):
            raise UsageError(f"memory_ledger needs a model (a torch.nn.Module), not a {type(model).__name__}.")
        if optimizer is None and hasattr(model, "zero_optimization_stage"):  # a DeepSpeed engine has its own
            optimizer = getattr(model, "optimizer", None)
        self._model = weakref.ref(model)
        self._optimizers = [weakref.ref(one) for one in checked(optimizer)]
        self.caches: list[weakref.ref[Any]] = []
        self._stages = [weakref.ref(stage) for stage in stages_of(model)]
        self.rank = dist.get_rank() if dist.is_initialized() else int(os.environ.get("RANK", "0"))
        counts = [(logical_count(parameter), is_quantised(parameter)) for parameter in model.parameters()]
        self.parameter_count = sum(count for count, _ in counts)
        self.quantised_count = sum(count for count, quantised in counts if quantised)

    @property
    def model(self) -> torch.nn.Module:
        """The model, as long as someone else holds it."""
        model: torch.nn.Module | None = self._model()
        if model is None:
            raise UsageError("The model of this ledger is gone. Call memory_ledger again with the one you train.")
        return model

    @property
    def is_ddp(self) -> bool:
        return isinstance(self.model, torch.nn.parallel.DistributedDataParallel)

    def optimizers(self) -> list[Any]:
        """List the optimizer and those it wraps, innermost first."""
        return [part for one in self._optimizers for part in chain_of_optimizers(one())]

    def bucket_sizes(self) -> list[int]:
        """Ask DDP for the bytes of its buckets: its C++ half holds them where Python cannot see.

        Not to be called while DDP itself runs an operation: it holds the lock that this waits for.
        """
        if not self.is_ddp:
            return []
        log = self.model._get_ddp_logging_data()  # type: ignore[operator]  # noqa: SLF001
        sizes = log.get("rebuilt_bucket_sizes") or log.get("bucket_sizes") or ""
        return [int(size) for size in re.findall(r"\d+", sizes)]

    def owners(self) -> Owners:
        model = self.model
        named = list(model.named_parameters())
        shapes = {shape_of(parameter) for _, parameter in named}
        owners = Owners(str(named[0][1].device) if named else "cpu", shapes)
        owners.bucket_views = bool(getattr(model, "gradient_as_bucket_view", False))
        for record in fsdp_records(model):
            claim_fsdp(owners, record)
        for name, parameter in named:
            claim_weight(owners, name, parameter)
        for _, parameter in named:
            owners.claim(parameter.grad, "gradients", BUCKETS if owners.bucket_views else GRADIENTS[1])
        owners.claim(list(model.buffers()), "buffers", "buffers, {dtype}")
        parameters = [parameter for _, parameter in named]
        for one in self._optimizers:
            chain = chain_of_optimizers(one())
            masters_of_model = keeps_masters(chain, parameters)
            for part in chain:
                claim_optimizer(owners, part, masters_of_model=masters_of_model)
        for stage in self._stages:
            owners.claim_idle([*receive_buffers(stage())], *RECEIVED)
        claim_caches(owners, self.caches)
        return owners


def checked(optimizer: Any) -> list[Any]:
    """List the optimizers given: none, one, or several in a list; refuse what cannot be one."""
    given = list(optimizer) if isinstance(optimizer, (list, tuple)) else [] if optimizer is None else [optimizer]
    for one in given:
        known = isinstance(one, (type, torch.nn.Module, torch.Tensor)) or callable(one)
        if known or not hasattr(one, "__dict__") or not hasattr(one, "__weakref__"):
            what = one.__name__ if isinstance(one, type) else type(one).__name__
            raise UsageError(f"memory_ledger's optimizer is an optimizer, or a list of some, not {what}.")
    return given
