"""`trace_training`: run one rank's real training code without its tensors' bytes, and count what it holds and sends.

The code runs in a child process, since this one loads no torch: PyTorch's fake process group and FakeTensorMode in
place of ranks and memory, the Transformers model, DDP, FSDP2 or `parallelize_module`, AdamW, and the memory ledger's
own tracker.
"""

import inspect
import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from mgpu_lab.planner.memory.planned import PlannedMemory, PlannedRow, highest
from mgpu_lab.planner.options import refuse_amount, refuse_unknown
from mgpu_lab.planner.recipe import Recipe, refuse_mismatch
from mgpu_lab.planner.shapes import ModelShape, model_shape
from mgpu_lab.wire.errors import LabError, UsageError

CHILD = "mgpu_lab.planner.trace.child"
TIMEOUT_S = 600.0
SOURCE = "trace"
ONLY = {"method": ("ddp", "fsdp"), "adapter": (None,), "optimizer": ("adamw",), "offload": ("none",)}


@dataclass(frozen=True)
class TracedTraining:
    """What one rank held and sent in one optimizer step, as the memory ledger and `traffic()` count it.

    `moments` are the largest moments of forward, backward and the optimizer's step; `memory` is the largest of all.
    `traffic` holds calls and bytes by collective: {"all_gather": (65, 16060522496)}.
    """

    recipe: Recipe
    moments: tuple[PlannedMemory, ...]
    traffic: Mapping[str, tuple[int, int]]
    shape: ModelShape | None = None  # None for a factory's model

    @property
    def memory(self) -> PlannedMemory:
        """Bytes by category at the moment that takes the most."""
        return highest(self.moments)

    @property
    def peak_bytes(self) -> int:
        """All tensors at the peak."""
        return self.memory.total


def trace_training(
    model: Any, world_size: int = 8, *, seq_len: int = 8192, timeout_s: float = TIMEOUT_S, **recipe: Any
) -> TracedTraining:
    """Run one rank of a training step for real, but for the bytes: no GPU, no other rank; 1B in about half a minute.

    Args:
        model: what `plan_training` takes, or a function that returns a Transformers decoder: one that the child can
            import, so not one of a notebook's own.
        world_size: how many ranks there are.
        seq_len: tokens of a sequence.
        timeout_s: seconds after which to give up.
        recipe: method ("ddp" or "fsdp"), micro_batch, accumulation, dtype, master, checkpointing, tensor_parallel,
            see `Recipe`. What else a plan takes is not traced: ZeRO (DeepSpeed needs real tensors), pipelines,
            adapters, offloading.

    The tensors are those of a CPU. On CUDA attention keeps a few more small ones (its random state), and other kernels
    may be chosen; bytes outside tensors (CUDA's context, NCCL's buffers, the allocator's slack) are not counted.

    Raises:
        UsageError: an option that does not exist or is not traced, or sizes that do not divide.
        LabError: the child failed or took longer than `timeout_s`.
    """
    refuse_amount("timeout_s", timeout_s)
    how = checked(world_size, seq_len, recipe)
    if callable(model):
        shape = None
        asked: dict[str, Any] = {"factory": importable(model)}
    else:
        shape = model_shape(model)
        refuse_mismatch(shape, how)
        refuse_kind(shape, how)
        asked = {"shape": asdict(shape)}
    said = ask_child(asdict(how) | {"model": asked}, timeout_s)
    traffic = {name: (int(calls), int(sent)) for name, (calls, sent) in sorted(said["traffic"].items())}
    return TracedTraining(how, tuple(memory_at(*each) for each in said["moments"].items()), traffic, shape)


def checked(world_size: int, seq_len: int, recipe: Mapping[str, Any]) -> Recipe:
    refuse_unknown("trace_training", recipe, [name for name in Recipe.__dataclass_fields__ if name != "deepspeed"])
    how = Recipe(world_size=world_size, seq_len=seq_len, **recipe)
    for name, traced in ONLY.items():
        if getattr(how, name) not in traced:
            known = " or ".join(map(repr, traced))
            raise UsageError(f"{name}={getattr(how, name)!r} cannot be traced, only {known}; plan_training plans it.")
    if how.pipeline_parallel > 1:
        raise UsageError("A pipeline cannot be traced: its stages wait for each other. plan_training plans it.")
    if how.method == "ddp" and 1 < how.tensor_parallel < world_size:
        raise UsageError('method="ddp" does not take what tensor parallelism has cut; choose method="fsdp".')
    return how


def refuse_kind(shape: ModelShape, how: Recipe) -> None:
    if shape.experts or shape.output_bias or (shape.all_biases and not shape.learned_positions):
        raise UsageError(f"{shape.name} cannot be traced: only dense decoders like Llama, Qwen2 and GPT-2 can.")
    if shape.learned_positions and how.tensor_parallel > 1:
        raise UsageError(f"{shape.name} cannot be traced with tensor parallelism: its plan is for decoders like Llama.")


def importable(factory: Callable[..., Any]) -> str:
    """Return "module:name" of a function, for the child."""
    module, name = getattr(factory, "__module__", None), getattr(factory, "__qualname__", "")
    if not module or module == "__main__" or not name.isidentifier() or inspect.isclass(factory):
        raise UsageError("trace_training's factory must be a function of a module that can be imported.")
    return f"{module}:{name}"


def ask_child(request: Mapping[str, Any], timeout_s: float) -> dict[str, Any]:
    """Run the child, and return what it says."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", CHILD],
            input=json.dumps(request),
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise LabError(f"The trace took longer than {timeout_s:g} s (timeout_s); fewer layers take less.") from None
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise LabError(f"The trace's process failed: {last}")
    said: dict[str, Any] = json.loads(done.stdout)
    if "error" in said:
        raise UsageError(said["error"])
    return said


def memory_at(moment: str, rows: list[list[Any]]) -> PlannedMemory:
    return PlannedMemory(moment, tuple(PlannedRow(category, name, size, SOURCE) for category, name, size in rows))
