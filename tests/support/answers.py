"""Answers to the lessons' exercises, and what their checks say: the notebooks' own, and others in many words.

An answer is a function or class, or the source of a cell that defines one. In a test module it stands at the top,
where a rank's process can import it.
"""

import ast
import sys
import textwrap
from pathlib import Path
from typing import Any

import nbformat
from gloo import on_ranks

from mgpu_lab.checks.core import PASSED, WRONG, judge

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"


def cell_with(notebook: str, text: str) -> str:
    """The code of the one cell that holds this text, without its magic and its check."""
    cells = nbformat.read(NOTEBOOKS / notebook, as_version=4).cells
    found = [cell.source for cell in cells if cell.cell_type == "code" and text in cell.source]
    assert len(found) == 1, (notebook, text, len(found))
    return found[0].removeprefix("%%ranks\n").split("\ncheck(")[0]


def changed(source: str, *pairs: tuple[str, str]) -> str:
    """Replace each old text, which must be there, by the new one."""
    for old, new in pairs:
        assert old in source, old
        source = source.replace(old, new)
    return source


def nested(heads: tuple[str, ...], body: str) -> str:
    """Put a block of code under one head, or under several, each below the one before."""
    body = textwrap.dedent(body).strip()
    for head in reversed(heads):
        body = f"{head}\n{textwrap.indent(body, '    ')}"
    return body


def defined(source: str, names: dict[str, Any] | None = None) -> Any:
    """Run a cell; return the last function or class that it defines."""
    names = {} if names is None else names
    exec(source, names)  # noqa: S102 - an answer
    definitions = [each for each in ast.parse(source).body if isinstance(each, ast.FunctionDef | ast.ClassDef)]
    return names[definitions[-1].name]


def names_of_a_rank() -> dict[str, Any]:
    """Where a cell on a rank runs: in __main__, which holds a rank's names."""
    import torch
    import torch.distributed as dist

    names = vars(sys.modules["__main__"])
    names |= {"torch": torch, "nn": torch.nn, "dist": dist, "device": torch.device("cpu")}
    names |= {"rank": dist.get_rank(), "world_size": dist.get_world_size()}
    return names


def defined_on_rank(source: str) -> Any:
    """Define an answer as a cell on a rank would."""
    return defined(source, names_of_a_rank())


def judged(cases: list[tuple[Any, ...]]) -> list[tuple[str, str]]:
    """On a rank: judge each (exercise, answer, ...) in turn."""
    answers = [(each[0], defined_on_rank(each[1]) if isinstance(each[1], str) else each[1]) for each in cases]
    return [(verdict.outcome, verdict.text) for verdict in (judge(*each) for each in answers)]


def verdicts(size: int, cases: list[tuple[Any, ...]]) -> list[tuple[str, str]]:
    """What all ranks say to each (exercise, answer, ...)."""
    found: list[list[tuple[str, str]]] = on_ranks(size, judged, [each[:2] for each in cases])
    assert all(each == found[0] for each in found), "all ranks say the same"
    return found[0]


def assert_passed(size: int, cases: list[tuple[Any, ...]]) -> list[str]:
    """See that each (exercise, answer) passes on ranks; return what was verified."""
    found = verdicts(size, cases)
    for case, verdict in zip(cases, found, strict=True):
        assert verdict[0] == PASSED, (case, verdict)
    return [text for _, text in found]


def assert_hints(size: int, cases: list[tuple[Any, ...]]) -> None:
    """See that each wrong (exercise, answer, words) is told, on all ranks, what is wrong: a hint with these words."""
    for case, (outcome, text) in zip(cases, verdicts(size, cases), strict=True):
        assert (outcome, case[2] in text) == (WRONG, True), (case, text)
