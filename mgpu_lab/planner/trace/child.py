"""Run one rank's real training step without its tensors' bytes: a fake process group, fake tensors. Runs as a program.

A request comes as JSON on standard input (`trace/tracing.py` writes it), the answer goes to standard output.
Three steps run. The first makes the optimizer's state, and fills DTensor's cache of sharding decisions, which makes
tensors of global shape that would be counted; the second finds the moments that take the most, the third asks there
who owns what.
"""

import json
import sys
import warnings
from collections.abc import Mapping
from typing import Any

import torch
import torch.distributed as dist
from torch._subclasses.fake_tensor import FakeTensorMode, unset_fake_temporarily
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.testing._internal.distributed.fake_pg import FakeStore

from mgpu_lab.course.dividing import Training, Way, trained
from mgpu_lab.course.training_step import FollowedStep, followed_step, forward, optimizer_step
from mgpu_lab.ledger.storages import counting_fakes
from mgpu_lab.planner.trace.ddp import with_fake_ddp
from mgpu_lab.planner.trace.model import maker, no_packed_sequences
from mgpu_lab.wire.errors import UsageError


def traced(request: Mapping[str, Any]) -> FollowedStep:
    """Return the step that was followed."""
    dist.init_process_group("fake", store=FakeStore(), rank=0, world_size=request["world_size"])
    tensor = request["tensor_parallel"]
    sizes = (request["world_size"] // tensor, tensor)
    mesh = init_device_mesh("cpu", sizes, mesh_dim_names=("dp", "tp"))  # outside the fake mode: it holds real tensors
    keep_meshes_real()
    no_packed_sequences()
    with FakeTensorMode(), counting_fakes():
        batches = [
            torch.zeros(request["micro_batch"], request["seq_len"], dtype=torch.long)
            for _ in range(request["accumulation"])
        ]
        training = divided(request, mesh, batches[0])
        optimizer_step(training.model, training.optimizer, batches, training.autocast_dtype)
        first = follow(training, batches, ())
        return follow(training, batches, first.numbers)


def keep_meshes_real() -> None:
    """Let FSDP join its mesh with that of tensor parallelism outside the fake mode: a mesh is a tensor of numbers."""
    kind: Any = DeviceMesh
    join = kind._concatenate  # noqa: SLF001

    def outside(meshes: Any) -> Any:
        with unset_fake_temporarily():
            return join(meshes)

    kind._concatenate = staticmethod(outside)  # noqa: SLF001


def divided(request: Mapping[str, Any], mesh: Any, ids: torch.Tensor) -> Training:
    way = Way(*(request[name] for name in ("method", "dtype", "master", "checkpointing")))

    def one_step(model: Any) -> None:
        forward(model, ids, way.autocast_dtype).backward()

    return trained(maker(request["model"]), way, mesh["dp"], mesh["tp"], with_fake_ddp(one_step))


def follow(training: Training, batches: list[torch.Tensor], asked_at: Any) -> FollowedStep:
    return followed_step(training.model, training.optimizer, batches, training.autocast_dtype, asked_at)


def answer(step: FollowedStep) -> dict[str, Any]:
    """Return what goes back as JSON."""
    rows = {
        moment: [[row.category, row.name, row.size_bytes] for row in rows if row.size_bytes]
        for moment, rows in step.moments.items()
    }
    sent = {name: [step.sent.calls[name], step.sent.bytes[name]] for name in step.sent.calls}
    return {"moments": rows, "traffic": sent}


def main() -> None:
    warnings.simplefilter("ignore")
    try:
        said = answer(traced(json.load(sys.stdin)))
    except UsageError as error:
        said = {"error": str(error)}
    json.dump(said, sys.stdout)


if __name__ == "__main__":
    main()
