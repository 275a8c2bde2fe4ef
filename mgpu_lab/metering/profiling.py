"""torch.profiler for one block: all threads of this process, marks at the block's ends, the trace it exports."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import os
import pathlib
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from mgpu_lab.wire.errors import UsageError

NAME = re.compile(r'^( *"name": )"(.*)",$', re.MULTILINE)  # of an event, on a line by itself


def profiler_here() -> tuple[Any, Callable[[], object]]:
    """Return torch's profiler, and what waits for this process's GPU, if it uses one."""
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # else it says on stderr when it starts and stops
    import torch
    import torch.distributed as dist
    from torch.profiler import ProfilerActivity, profile

    in_use = torch.cuda.is_initialized() or (dist.is_initialized() and "nccl" in dist.get_backend_config())  # type: ignore[no-untyped-call]
    on_gpu = in_use and torch.cuda.is_available()
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    settings = {"record_shapes": True, "experimental_config": of_all_threads()}
    profiler = profile(activities=activities, acc_events=True, **settings)  # else torch 2.11 warns that it does not
    return profiler, torch.cuda.synchronize if on_gpu else lambda: None


def of_all_threads() -> Any:
    """Return what has the profiler hear threads that the block starts or finds, too; None where torch cannot.

    A call of gloo that ends when such a profiler has stopped leaves it alone; with the usual one the process crashes.
    """
    from torch._C._profiler import _ExperimentalConfig

    try:
        return _ExperimentalConfig(profile_all_threads=True)
    except TypeError:  # torch 2.6
        return None


@contextmanager
def started(profiler: Any) -> Iterator[None]:
    """Run the profiler while the block runs. Torch has one at a time: a second replaces the first, which then crashes.

    Seen with torch 2.13: two nested ones, and the process ends with SIGSEGV when the first is stopped.
    """
    if is_running():
        raise UsageError("torch.profiler runs already, and there can be one at a time: end it before timeline().")
    profiler.start()
    try:
        yield
    finally:
        if not is_running():
            raise UsageError("a profiler was used in the block of timeline(), which needs torch's only one for itself.")
        profiler.stop()


def is_running() -> bool:
    """Whether any profiler of torch's runs. Its public function says nothing of those of all threads."""
    from torch.autograd import profiler

    return bool(profiler._is_profiler_enabled)  # noqa: SLF001


def mark(name: str) -> tuple[int, int]:
    """Put a mark into the trace; return the times between which it was put."""
    from torch.profiler import record_function

    before_ns = time.time_ns()
    with record_function(name):
        pass
    return before_ns, time.time_ns()


def exported(profiler: Any) -> str:
    """Return the profiler's trace as it writes it."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "trace.json")
        profiler.export_chrome_trace(str(path))
        return path.read_text(encoding="utf-8")


def give_memory_back() -> None:
    """Give memory back: a profiler is a circle of references and holds 15 MB for a step of 4,000 events."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):  # glibc keeps what is freed
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def parsed(text: str) -> dict[str, Any]:
    r"""Read a trace, also where an annotation's name holds a quote, which torch writes as it is.

    >>> parsed('{"traceEvents": [{\n    "name": "layer "a"",\n    "ts": 1}]}')
    {'traceEvents': [{'name': 'layer "a"', 'ts': 1}]}
    """
    try:
        trace: dict[str, Any] = json.loads(text)
    except json.JSONDecodeError:
        trace = json.loads(NAME.sub(lambda found: f"{found[1]}{json.dumps(found[2])},", text))
    return trace


@contextmanager
def uncollected() -> Iterator[None]:
    """Keep Python's collector of garbage out of a block that makes very many objects: it takes half of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
