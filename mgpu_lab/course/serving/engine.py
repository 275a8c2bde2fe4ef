"""vLLM in a lesson: is it here, which settings it needs on a CPU, and how it starts on the course's own ranks.

In a cell under ``%%ranks``, on all ranks, each is one worker of the same engine:

>>> with starting_vllm() as said:  # doctest: +SKIP
...     llm = LLM(model=folder, tensor_parallel_size=2, distributed_executor_backend="external_launcher", ...)
>>> said.find("KV cache size: .* tokens")  # doctest: +SKIP
'KV cache size: 21,760 tokens'

vLLM changes the process it runs in for good (``torch.set_num_threads`` does nothing any more, streams and events are
replaced), so ``%ranks restart`` follows. Written for vLLM 0.32.0; of its GPU build this was not tried.
"""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import secrets
import sys
import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from unittest import mock

from mgpu_lab.course.serving.guard import remove, shared_memory_of
from mgpu_lab.course.serving.said import Said, ServingError
from mgpu_lab.wire.errors import UsageError

COMMAND = "make lab EXTRA=serving"
# A worker has the threads that OMP_NUM_THREADS says. If vLLM is to bind them, it wants a NUMA node for each worker.
CPU_SETTINGS = {"VLLM_CPU_OMP_THREADS_BIND": "nobind"}
SETTINGS = {"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "VLLM_LOGGING_COLOR": "0"}


def vllm_missing() -> str | None:
    """Return None where vLLM and the client of its server can be imported, else one line: what is missing, what to do.

    Nothing is imported for it.
    """
    missing = [name for name in ("vllm", "openai") if importlib.util.find_spec(name) is None]
    return f"not run here, {' and '.join(missing)} not installed: `{COMMAND}` adds vLLM (0.6 GB)" if missing else None


def is_cpu_build() -> bool:
    """Return whether the installed vLLM is the build for CPUs."""
    return bool({"vllm-cpu"} & {name for names in metadata.packages_distributions().values() for name in names})


def vllm_settings() -> dict[str, str]:
    """Return the environment variables that vLLM should see: no network, no usage statistics, threads left unbound."""
    return {**SETTINGS, **(CPU_SETTINGS if is_cpu_build() else {})}


class Started:
    """What vLLM said while it started; filled when the block has ended."""

    said = Said("")

    def find(self, pattern: str) -> str:
        """Return the first text in vLLM's log that matches a regular expression."""
        return self.said.find(pattern)


@contextlib.contextmanager
def starting_vllm() -> Iterator[Started]:
    """Start an engine in this block, on all ranks at once; what vLLM says meanwhile is kept, not shown.

    The ranks' process group is vLLM's, too. On a CPU its workers share memory under a name that is the same for every
    start (``external_launcher`` sets VLLM_DIST_IDENT to "//"), and is left behind when a rank is killed; the next start
    then fails with errno 17. So each start gets names of its own, and once all ranks have mapped the memory, the names
    are removed: nothing is left behind, however the ranks end.

    Raises:
        UsageError: vLLM is not installed, or runs on these ranks already.
        ServingError: vLLM did not start, with the error that its log gives.
    """
    if missing := vllm_missing():
        raise UsageError(missing)
    import torch.distributed as dist

    os.environ.update(vllm_settings(), VLLM_ENABLE_V1_MULTIPROCESSING="0")
    mapped_before, started = shared_memory_of([os.getpid()]), Started()
    with _kept_output() as log:
        try:
            with _own_names():
                yield started
                dist.barrier()
        except Exception as error:
            said = _read(log)
            raise ServingError(f"vLLM did not start: {_in_a_line(error) or said.reason()}") from error
        finally:
            remove(shared_memory_of([os.getpid()]) - mapped_before)
        started.said = _read(log)
    logging.getLogger("vllm").setLevel("ERROR")


@contextlib.contextmanager
def _own_names() -> Iterator[None]:
    """Name what vLLM's CPU workers share after this start, alike on all ranks; refuse a second engine."""
    import torch.distributed as dist
    from vllm.distributed import parallel_state

    if parallel_state.model_parallel_is_initialized():
        raise UsageError("vLLM runs on these ranks already, and one process takes one engine: %ranks restart")
    if not is_cpu_build():
        yield
        return
    from vllm.distributed.device_communicators.cpu_communicator import _CPUSHMDistributed as Shared

    launch = [secrets.token_hex(8)]
    dist.broadcast_object_list(launch)
    plain = Shared.make_group_name
    own = staticmethod(lambda group: launch[0] + plain(group).replace("/", ""))
    with mock.patch.object(Shared, "make_group_name", own):
        yield


@contextlib.contextmanager
def _kept_output() -> Iterator[str]:
    """Send what this process writes to a file, below Python too, since half of it comes from C++; yield its name."""
    with tempfile.NamedTemporaryFile(prefix="mgpu-lab-vllm-", suffix=".log") as log:
        _flush()
        kept = [os.dup(1), os.dup(2)]
        try:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
            yield log.name
        finally:
            _flush()
            for at, descriptor in enumerate(kept, 1):
                os.dup2(descriptor, at)
                os.close(descriptor)


def _flush() -> None:
    sys.stdout.flush()
    sys.stderr.flush()


def _read(log: str) -> Said:
    _flush()
    return Said(Path(log).read_text(encoding="utf-8", errors="replace"))


def _in_a_line(error: Exception) -> str:
    words = " ".join(str(error).partition(" [type=")[0].split())  # pydantic goes on with all that it was given
    return f"{type(error).__name__}: {words}" if words else ""
