"""Which cells an exported script leaves out: those that failed, and exercises; and what the others miss then."""

import ast
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from mgpu_lab.engine.journal import Step
from mgpu_lab.notebook.code_names import BUILTINS, names_of
from mgpu_lab.wire import given

FAILED, EXERCISE = "failed in the notebook", "is an exercise"
NOT_WRITTEN = re.compile(r"^# set (\w+) here", re.MULTILINE)  # a pushed value that no text gives back
PATH_LENGTH = 200


@dataclass(frozen=True)
class Need:
    """Cell ``cell`` needs ``name``, which only cell ``setter`` has set, and that is not in the script."""

    cell: int
    name: str
    setter: int
    pushed: bool = False  # not by a cell but from the notebook

    def __str__(self) -> str:
        """Say it in a sentence."""
        by = "was pushed from the notebook" if self.pushed else f"only cell {self.setter} set, and that is left out"
        return f"cell {self.cell} needs `{self.name}`, which {by}"


def left_out(steps: list[Step]) -> dict[int, str]:
    """Return the numbers of the cells that are left out, counted from 1, and why.

    An exercise stays where a later cell needs what it defines.
    """
    out = {number: FAILED for number, step in enumerate(steps, 1) if step.failed}
    out |= {number: EXERCISE for number, step in enumerate(steps, 1) if not step.failed and checks(step.source)}
    while wanted := {need.setter for need in unmet(steps, out) if out.get(need.setter) == EXERCISE}:
        out = {number: why for number, why in out.items() if number not in wanted}
    return out


def unmet(steps: list[Step], out: Iterable[int]) -> list[Need]:
    """Return what cells of the script need, and only a cell or push that is not in it has set: each name once."""
    have, needs = {*BUILTINS, *given.NAMES, "os"}, []
    gone: dict[str, tuple[int, bool]] = {}
    read = [names_of(step.source) for step in steps]
    for number, (step, names) in enumerate(zip(steps, read, strict=True), 1):
        if number in out:
            gone |= dict.fromkeys(names.sets, (number, False))
            continue
        needs += [Need(number, name, *gone[name]) for name in sorted(names.needs - have) if name in gone]
        gone |= dict.fromkeys(NOT_WRITTEN.findall(step.source) if step.is_push else [], (number, True))
        have |= {*names.sets, *(need.name for need in needs)}
    for number, names in enumerate(read, 1):
        if number not in out:
            needs += [Need(number, name, *gone[name]) for name in sorted(names.later - have) if name in gone]
            have |= {need.name for need in needs}
    return sorted(needs, key=lambda need: need.cell)


def checks(source: str) -> list[ast.stmt]:
    """Return a cell's statements that hand an answer to an exercise's check: ``check("name", answer)``."""
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError):
        return []
    return [each for each in body if isinstance(each, ast.Expr) and is_check(each.value)]


def is_check(node: ast.expr) -> bool:
    named = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "check"
    first = node.args[0] if named and isinstance(node, ast.Call) and node.args else None
    return isinstance(first, ast.Constant) and isinstance(first.value, str)


def without_checks(source: str) -> str:
    """Make comments of an exercise's checks."""
    lines = source.split("\n")
    for each in checks(source):
        for i in range(each.lineno - 1, each.end_lineno or each.lineno):
            lines[i] = f"# {lines[i]}"
    return "\n".join(lines)


def relative_paths(sources: Iterable[str], exists: Callable[[str], bool]) -> list[str]:
    """Return the texts in these cells that are paths relative to the folder in which they ran."""
    found: dict[str, None] = {}
    for source in sources:
        try:
            nodes = list(ast.walk(ast.parse(source)))
        except (SyntaxError, ValueError):
            continue
        texts = [each.value for each in nodes if isinstance(each, ast.Constant) and isinstance(each.value, str)]
        found |= dict.fromkeys(text for text in texts if looks_like_a_path(text) and exists(text))
    return list(found)


def looks_like_a_path(text: str) -> bool:
    written = text.isprintable() and text == text.strip() and len(text) <= PATH_LENGTH
    return written and ("/" in text.strip("./") or "." in text.strip("./")) and not Path(text).is_absolute()


def exists(text: str) -> bool:
    try:
        return Path(text).exists()
    except (OSError, ValueError):
        return False
