"""Exercise checks: `check(name, answer)` says what an answer does right, or gives one hint.

    check("ring-bytes", bytes_sent)       # in the notebook's kernel, where the answer is a number or plain Python
    check("mini-ddp", MiniDDP)            # in a %%ranks cell, where the answer communicates: all ranks call it

A check prints its verdict and returns it. An answer that is not there yet (``...``, None, a function without
a body or one that raises NotImplementedError) is "not attempted yet", so a lesson runs from top to bottom
untouched. A hint names the mistake, never the code. An answer's own exceptions are raised: their traceback
is the best hint there is.

To add an exercise: put its name and module into ``LESSONS``. The module (``lesson_*.py``) holds a function of that
name, with underscores; it takes the answer and returns in one line what it verified, or raises ``Wrong(hint)``. One
that runs on ranks tries the answer by ``on_ranks.on_each_size(trial, what)``: a trial returns a hint or None, and what
any rank found is raised on all of them. What is checked in the notebook's kernel imports no torch. Right and wrong
answers to try it on go into ``tests/course/answers/``.
"""

import difflib
import dis
import importlib
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mgpu_lab.wire.errors import UsageError

LESSONS = {
    "lesson_01_machines": "narrow-slot hot-card",
    "lesson_01_shm": "small-shm",
    "lesson_01_any_length": "any-length",
    "lesson_02_shards": "shard-sizes",
    "lesson_02_bytes": "device-zero",
    "lesson_02_mean": "batch-mean",
    "lesson_02_checkpoint": "plain-checkpoint",
    "lesson_03_ring": "ring-bytes",
    "lesson_03_mini_ddp": "mini-ddp",
    "lesson_03_average": "naive-ddp flat-ddp",
    "lesson_03_weighted": "weighted-gradients",
    "lesson_03_accumulate": "accumulate",
    "lesson_03_evaluate": "evaluate",
    "lesson_04_bytes": "zero-bytes",
    "lesson_04_shard": "shard-optimizer",
    "lesson_04_clip": "global-clip",
    "lesson_04_owners": "own-gradients",
    "lesson_04_flat": "flat-optimizer",
    "lesson_05_quantise": "quant-bits quantise-any",
    "lesson_05_adapt": "adapt",
    "lesson_05_linear": "lora-linear",
    "lesson_06_scaler": "loss-scaler",
    "lesson_06_sums": "state-gigabytes add-up",
    "lesson_06_wire": "bf16-wire",
    "lesson_06_skip": "skip-together",
    "lesson_07_row_parallel": "row-parallel",
    "lesson_07_vocab": "vocab-parallel",
    "lesson_07_schedule": "schedule-1f1b",
    "lesson_07_mesh": "choose-mesh",
    "lesson_08_paged": "paged-kv",
    "lesson_08_batching": "continuous-batching",
    "lesson_08_heads": "few-kv-heads",
    "lesson_08_ways": "replicas-or-tp",
    "lesson_09_fit": "fit-70b",
    "lesson_09_rig": "rig-faults",
    "lesson_09_break_even": "break-even",
    "lesson_09_refute": "refute",
}
HOMES = {name: module for module, names in LESSONS.items() for name in names.split()}
LINE_WIDTH = 100  # beyond it a notebook breaks lines in the middle of words
VALUES = {
    "narrow-slot",
    "hot-card",
    "small-shm",
    "device-zero",
    "choose-mesh",
    "replicas-or-tp",
    "fit-70b",
    "rig-faults",
    "refute",
}  # the others' answers are functions or classes
PASSED, WRONG, TO_DO = "passed", "not yet", "to do"
EMPTY_BODY = {"RESUME", "NOP", "LOAD_CONST", "RETURN_CONST", "RETURN_VALUE", "RETURN_GENERATOR"}


class Wrong(Exception):  # noqa: N818 - a verdict on an answer, not an error of this package
    """An answer falls short; the text is the hint that the learner sees."""


def refuse(hint: str | None) -> None:
    __tracebackhide__ = True
    if hint:
        raise Wrong(hint)


@dataclass(frozen=True)
class Verdict:
    """The outcome of a check. True where the answer passed.

    >>> bool(Verdict("ring-bytes", "passed", "2 to 8 ranks"))
    True
    """

    name: str
    outcome: str
    text: str

    def __bool__(self) -> bool:
        return self.outcome == PASSED

    def __str__(self) -> str:
        return f"{self.name}: {self.outcome}. {self.text}"

    def _ipython_display_(self) -> None:
        """Show nothing more: `check` has printed it already."""


def check(name: str, answer: Any) -> Verdict:
    """Check an answer, print the verdict and return it.

    Raises:
        UsageError: there is no exercise of this name.
    """
    __tracebackhide__ = True
    verdict = judge(name, answer)
    print(textwrap.fill(str(verdict), LINE_WIDTH, break_long_words=False, break_on_hyphens=False))
    return verdict


def judge(name: str, answer: Any) -> Verdict:
    """Check an answer without printing."""
    __tracebackhide__ = True
    run = checker(name)
    if is_stub(answer):
        return Verdict(name, TO_DO, "Not attempted yet.")
    if name not in VALUES and not callable(answer):
        kind = type(answer).__name__
        return Verdict(name, WRONG, f"Hand over the function or class itself, not what it returns ({kind}).")
    try:
        return Verdict(name, PASSED, run(answer))
    except Wrong as wrong:
        return Verdict(name, WRONG, str(wrong))
    except NotImplementedError:
        return Verdict(name, TO_DO, "Not attempted yet.")


def checker(name: str) -> Callable[[Any], str]:
    if name not in HOMES:
        close = difflib.get_close_matches(name, HOMES, n=1)
        meant = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(sorted(HOMES))}."
        raise UsageError(f"there is no exercise {name!r}; {meant}")
    run: Callable[[Any], str] = getattr(
        importlib.import_module(f"mgpu_lab.checks.{HOMES[name]}"), name.replace("-", "_")
    )
    return run


def is_stub(answer: Any) -> bool:
    """Whether an answer is still the lesson's placeholder.

    >>> is_stub(...), is_stub(0), is_stub(lambda: None)
    (True, False, True)
    """
    if answer is None or answer is ...:
        return True
    code = getattr(answer, "__code__", None)
    body = list(dis.get_instructions(code)) if code is not None else []
    returned = [each.argval for each in body if each.opname in ("LOAD_CONST", "RETURN_CONST")]
    empty = bool(body) and all(each.opname in EMPTY_BODY for each in body)
    return empty and all(value is None or value is ... for value in returned)
