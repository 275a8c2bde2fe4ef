"""DeepSpeed in a lesson: its engines say little, compile nothing on a CPU and are let go when they are closed.

>>> prepare()  # doctest: +SKIP
>>> engine = deepspeed.initialize(model=model, config=config)[0]  # doctest: +SKIP
>>> close(engine)  # doctest: +SKIP

Written for DeepSpeed 0.19.8, Accelerate 1.15 and Transformers 5.23; each function says what it works around.
"""

from __future__ import annotations

import gc
import inspect
import logging
import os
import tempfile
from typing import Any


def prepare() -> None:
    """Call once on each rank, before the first engine.

    DeepSpeed reports every setting of every engine: only its errors are shown. On CPU ranks it would compile an
    extension for shared memory at the first collective, for half a minute or more; gloo does the same work without.
    What the libraries hold is no garbage: ``memory_ledger`` need not look through it again and again.
    """
    import deepspeed

    logging.getLogger("DeepSpeed").setLevel("ERROR")
    logging.getLogger("bitsandbytes").setLevel("ERROR")  # Trainer imports it; it misses optional kernels aloud
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    gc.freeze()


def close(engine: Any) -> None:
    """Let an engine and its memory go, so that the next one is counted alone.

    ``engine.destroy()`` is what a program calls. Two places hold on to a stage 3 engine even so: a stack of modules,
    and a cache of what to release after each module.
    """
    from deepspeed.runtime.zero import parameter_offload
    from deepspeed.runtime.zero.partitioned_param_coordinator import PartitionedParameterCoordinator

    engine.destroy()
    parameter_offload.FWD_MODULE_STACK.clear()
    cached = vars(PartitionedParameterCoordinator)["_PartitionedParameterCoordinator__params_to_release"]
    inspect.getclosurevars(cached).nonlocals["func"].cache_clear()
    gc.collect()


def trainer_options() -> dict[str, Any]:
    """Return arguments for ``TrainingArguments``: a short run with DeepSpeed is quiet, and works on CPU ranks.

    Accelerate leaves DeepSpeed out where it is told to use the CPU: ``TrainingArguments(deepspeed=..., use_cpu=True)``
    trains with DistributedDataParallel, and says nothing. Without ``use_cpu`` it finds no backend on a CPU, and each
    rank takes itself for the only one. So its state is made here, with this group's backend. GPUs need none of this.
    """
    import torch.distributed as dist

    quiet: dict[str, Any] = {"report_to": "none", "disable_tqdm": True, "save_strategy": "no", "logging_strategy": "no"}
    quiet["output_dir"] = tempfile.gettempdir()  # Trainer makes that folder, even where it saves nothing
    if "nccl" in dist.get_backend_config():
        return quiet
    from accelerate import PartialState
    from accelerate.state import AcceleratorState

    os.environ.pop("ACCELERATE_USE_CPU", None)  # for good: Trainer looks again when it is made
    os.environ["ACCELERATE_USE_DEEPSPEED"] = "true"
    try:
        AcceleratorState._reset_state(reset_partial_state=True)  # noqa: SLF001 - TrainingArguments itself calls it
        PartialState(backend=dist.get_backend())
    finally:
        del os.environ["ACCELERATE_USE_DEEPSPEED"]
    quiet["dataloader_pin_memory"] = False  # there is nothing to pin it for, and a warning says so
    return {**quiet, "accelerator_config": {"use_configured_state": True}}
