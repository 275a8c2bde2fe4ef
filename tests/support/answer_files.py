"""Answers to the exercises in many styles, right ones and wrong ones: ``tests/course/answers/<check>.py``.

Cells are separated by ``# %% right: what it is like`` or ``# %% wrong: what it is like -> words of its hint``. The
answer is what a cell defines last: a function, a class, a name. Cells see what a cell on a rank sees. ``wrong from 3``
heads an answer that gives the right result on fewer than 3 ranks, such as a sum of two numbers that is rounded once.
"""

from __future__ import annotations

import ast
import re
import traceback
from dataclasses import dataclass
from pathlib import Path

from answers import names_of_a_rank
from gloo import on_ranks

from mgpu_lab.checks.core import PASSED, judge

FOLDER = Path(__file__).resolve().parents[1] / "course" / "answers"
HEAD = re.compile(r"(?m)^# %% (right|wrong)(?: from (\d))?: *(.*?)(?: -> (.*))?$\n")


@dataclass(frozen=True)
class Answer:
    """One cell. ``words`` stand in the hint, or in the error that the answer itself raises."""

    right: bool
    like: str
    words: str
    source: str
    from_ranks: int = 1


@dataclass(frozen=True)
class Judged:
    """What one rank's check said."""

    passed: bool
    text: str


def checks() -> list[str]:
    """Name the checks that have answers."""
    return sorted(path.stem for path in FOLDER.glob("*.py"))


def read(check: str) -> list[Answer]:
    return parsed((FOLDER / f"{check}.py").read_text(encoding="utf-8"))


def parsed(text: str) -> list[Answer]:
    """Cut a file into its answers.

    >>> [(answer.right, answer.words) for answer in parsed("# %% wrong: a sum -> the mean\\nx = 1\\n")]
    [(False, 'the mean')]
    """
    heads = list(HEAD.finditer(text))
    ends = [*(head.start() for head in heads[1:]), len(text)]
    return [
        Answer(head[1] == "right", head[3], head[4] or "", text[head.end() : end].strip() + "\n", int(head[2] or 1))
        for head, end in zip(heads, ends, strict=False)
    ]


def judged(check: str, answers: list[Answer], size: int) -> list[list[Judged]]:
    """Judge answers on so many ranks: for each answer, what each rank said."""
    by_rank = on_ranks(size, judge_all, check, [answer.source for answer in answers], timeout_s=900)
    return [list(each) for each in zip(*by_rank, strict=True)]


def judge_all(check: str, sources: list[str]) -> list[Judged]:
    """On a rank: judge each answer as a cell would; what it raises is caught."""
    return [judge_one(check, source) for source in sources]


def judge_one(check: str, source: str) -> Judged:
    names = names_of_a_rank()
    try:
        exec(compile(source, "<answer>", "exec"), names)  # noqa: S102 - an answer
        verdict = judge(check, names[defined_last(source)])
    except Exception as error:  # noqa: BLE001 - whatever an answer raises
        return Judged(passed=False, text=traceback.format_exception_only(error)[-1])
    return Judged(verdict.outcome == PASSED, f"{verdict.outcome}. {verdict.text}")


def defined_last(source: str) -> str:
    """Name the last function, class or variable that a cell defines at its top."""
    last = ""
    for statement in ast.parse(source).body:
        if isinstance(statement, ast.FunctionDef | ast.ClassDef):
            last = statement.name
        elif isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            last = statement.targets[0].id
    return last


def chosen(answers: list[Answer], size: int, *, everyone: bool = True) -> list[Answer]:
    """Take the answers that mean something on so many ranks: all, or a third of the right and one wrong for each hint.

    >>> some = parsed("# %% wrong: a -> sum\\nx = 1\\n# %% wrong: b -> sum\\nx = 2\\n# %% wrong: c -> mean\\nx = 3\\n")
    >>> [answer.like for answer in chosen(some, 2, everyone=False)]
    ['a', 'c']
    """
    fitting = [answer for answer in answers if answer.from_ranks <= size]
    if everyone:
        return fitting
    right, wrong = ([answer for answer in fitting if answer.right is kind] for kind in (True, False))
    return right[::3] + list({answer.words: answer for answer in reversed(wrong)}.values())[::-1]


def failures(check: str, size: int, *, everyone: bool = True) -> list[str]:
    """Say which answers are misjudged on so many ranks: all ranks must pass a right one, and none a wrong one."""
    answers, found = chosen(read(check), size, everyone=everyone), []
    for answer, said in zip(answers, judged(check, answers, size), strict=True):
        texts = " | ".join(dict.fromkeys(each.text.strip() for each in said))
        if answer.right and not all(each.passed for each in said):
            found.append(f"right, refused: {answer.like}: {texts}")
        elif not answer.right and any(each.passed for each in said):
            found.append(f"wrong, accepted: {answer.like}")
        elif not answer.right and not any(answer.words in each.text for each in said):
            found.append(f"wrong, caught by another hint than {answer.words!r}: {answer.like}: {texts}")
    return found
