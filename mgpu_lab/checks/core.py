"""Exercise checks: `check(name, answer)` says what an answer does right, or gives one hint.

    check("ring-bytes", bytes_sent)       # in the notebook's kernel, where the answer is a number or plain Python
    check("mini-ddp", MiniDDP)            # in a %%ranks cell, where the answer communicates: all ranks call it

A check prints its verdict and returns it. An answer that is not there yet (``...``, None, a function without
a body or one that raises NotImplementedError) is "not attempted yet", so a lesson runs from top to bottom
untouched. A hint names the mistake, never the answer. An answer's own exceptions are raised: their traceback
is the best hint there is.

To add an exercise: put its name and module into ``HOMES``; the module (``lesson_*.py``) holds
``CHECKS: dict[str, Callable[[Any], str]]``. Each function takes the answer and returns what it verified, in one
line, or raises ``Wrong(hint)``. One that runs on ranks ends every phase with ``on_ranks.agree(hint or None)``,
which raises on all ranks what any rank found. What is checked in the notebook's kernel imports no torch.
"""

from __future__ import annotations

import difflib
import dis
import importlib
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mgpu_lab.wire.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

HOMES = {
    "narrow-slot": "lesson_01_setup",
    "hot-card": "lesson_01_setup",
    "small-shm": "lesson_01_setup",
    "any-length": "lesson_01_setup",
    "shard-sizes": "lesson_02_data_parallel",
    "device-zero": "lesson_02_data_parallel",
    "batch-mean": "lesson_02_data_parallel",
    "plain-checkpoint": "lesson_02_data_parallel",
    "ring-bytes": "lesson_03_ring",
    "mini-ddp": "lesson_03_mini_ddp",
    "weighted-gradients": "lesson_03_training",
    "accumulate": "lesson_03_training",
    "evaluate": "lesson_03_evaluate",
    "zero-bytes": "lesson_04_bytes",
    "global-clip": "lesson_04_zero",
    "own-gradients": "lesson_04_zero",
    "flat-optimizer": "lesson_04_flat",
    "quant-bits": "lesson_05_quantise",
    "quantise-any": "lesson_05_quantise",
    "adapt": "lesson_05_adapt",
    "state-gigabytes": "lesson_06_sums",
    "add-up": "lesson_06_sums",
    "bf16-wire": "lesson_06_ranks",
    "skip-together": "lesson_06_ranks",
}
LINE_WIDTH = 100  # beyond it a notebook breaks lines in the middle of words
VALUES = {"narrow-slot", "hot-card", "small-shm", "device-zero"}  # the others' answers are functions or classes
PASSED, WRONG, TO_DO = "passed", "not yet", "to do"
EMPTY_BODY = {"RESUME", "NOP", "LOAD_CONST", "RETURN_CONST", "RETURN_VALUE", "RETURN_GENERATOR"}


class Wrong(Exception):  # noqa: N818 - a verdict on an answer, not an error of this package
    """An answer falls short; the text is the hint that the learner sees."""


def refuse(hint: str | None) -> None:
    """Raise a hint, if there is one."""
    __tracebackhide__ = True
    if hint:
        raise Wrong(hint)


@dataclass(frozen=True)
class Verdict:
    """What a check came to. True where the answer passed.

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
    """Find the check of an exercise."""
    if name not in HOMES:
        close = difflib.get_close_matches(name, HOMES, n=1)
        meant = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(sorted(HOMES))}."
        raise UsageError(f"there is no exercise {name!r}; {meant}")
    module = importlib.import_module(f"mgpu_lab.checks.{HOMES[name]}")
    found: Callable[[Any], str] = module.CHECKS[name]
    return found


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
