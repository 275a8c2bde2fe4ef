"""What may be asked of the ranks: how many, where, which of them, for how long. The rest is refused in one line."""

import operator
import os
from collections.abc import Callable, Iterable

from mgpu_lab.wire.errors import RanksError, UsageError
from mgpu_lab.wire.naming import named, verb

DEVICES = ("auto", "cpu", "cuda")
MAX_RANKS = 64
SHARING = "NCCL_MULTI_RANK_GPU_ENABLE"  # "1" has NCCL 2.30 or newer take several ranks on one GPU


def choose(n: int | None, device: str, gpu_count: Callable[[], int]) -> tuple[str, int, str]:
    """Choose device and number of ranks; return both and one sentence that says why."""
    if device not in DEVICES:
        raise UsageError(f"device is one of {', '.join(DEVICES)}, not {device!r}.")
    if n is not None and (isinstance(n, bool) or not isinstance(n, int) or not 1 <= n <= MAX_RANKS):
        raise UsageError(f"the number of ranks is a whole number from 1 to {MAX_RANKS}, not {n!r}.")
    gpus = gpu_count() if device != "cpu" else 0
    if device == "cuda":
        if gpus and gpus < (n or 1) and os.environ.get(SHARING) == "1":
            return "cuda", n or gpus, f"{n} ranks share {gpus} GPU{'s' if gpus > 1 else ''}, NCCL"
        if gpus < (n or 1):
            found = f"{gpus} GPU{'s' if gpus != 1 else ''}" if gpus else "no GPU that torch can use"
            msg = f"this machine has {found}, one is needed for each rank: use `--device cpu` or fewer ranks."
            raise UsageError(msg)
        return "cuda", n or gpus, f"{n or gpus} ranks on GPUs, NCCL"
    if device == "auto" and gpus > 1 and (n is None or n <= gpus):
        return "cuda", n or gpus, f"{n or gpus} ranks on {n or gpus} of {gpus} GPUs, NCCL"
    count = n or 2
    why = "as asked" if device == "cpu" else {0: "no GPU here", 1: "1 GPU here"}.get(gpus, f"only {gpus} GPUs here")
    return "cpu", count, f"{count} rank{'s' if count > 1 else ''} on the CPU, gloo ({why})"


def already_run(running: tuple[str, int], wanted: tuple[str, int], gone: list[int]) -> str:
    """Say that the ranks which run, by device and number, are those wanted; RanksError where not, or some are gone."""
    device, count = running
    run = f"{count} rank{'s' if count > 1 else ''} already run{'s' if count == 1 else ''}"
    if wanted != running:
        on = {"cpu": "the CPU", "cuda": "GPUs"}
        raise RanksError(
            f"{run} on {on[device]}. For {wanted[1]} on {on[wanted[0]]}, run `%ranks stop` first: it ends these, and "
            "their variables are lost."
        )
    if gone:
        raise RanksError(f"{run}, but {named(gone)} {verb(gone, 'is', 'are')} gone: `%ranks restart`.")
    return f"{run}; variables are kept."


def rank_numbers(on: Iterable[int]) -> list[int]:
    """Return the ranks that are named, each once and in order; UsageError where they are not numbers."""
    try:
        return sorted({operator.index(rank) for rank in on})
    except TypeError:
        raise UsageError(f"ranks are named by a list of their numbers, for example on=[0], not {on!r}.") from None


def check_timeout(timeout: float | None) -> None:
    number = isinstance(timeout, int | float) and not isinstance(timeout, bool)
    if timeout is not None and not (number and timeout > 0):
        raise UsageError(f"the timeout is a positive number of seconds, not {timeout!r}.")


def check_source(source: object) -> None:
    if not isinstance(source, str):
        raise UsageError(f"a cell is text, not {source!r:.80}.")
