"""One more sentence below an error: on which side a missing name exists, what a misspelt magic was meant to be.

Nothing is asked and nothing is read before such an error happens.
"""

from __future__ import annotations

import contextlib
import difflib
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any

from mgpu_lab.engine.journal import Step
from mgpu_lab.engine.ranks import Ranks
from mgpu_lab.engine.results import RunResult
from mgpu_lab.notebook.code_names import names_of
from mgpu_lab.notebook.options import CELL
from mgpu_lab.wire import given
from mgpu_lab.wire.naming import named

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

NOT_FOUND = re.compile(r"(?:Line magic function|Cell magic) `(%+)(\w+)` not found")
MODULE = "builtins.module"
CODE = {"builtins.function", "builtins.type", "builtins.builtin_function_or_method", "builtins.method"}


class Hints:
    """The hints of one notebook. ``lost`` are cells whose ranks have been stopped."""

    def __init__(self, shell: InteractiveShell, ranks: Callable[[], Ranks | None]) -> None:
        self.shell, self.ranks = shell, ranks
        self.lost: list[Step] = []

    def install(self) -> None:
        self.shell.events.register("post_run_cell", self.after_cell)

    def remove(self) -> None:
        with contextlib.suppress(ValueError):
            self.shell.events.unregister("post_run_cell", self.after_cell)

    def after_cell(self, result: Any) -> None:
        """Print a hint below the error of a notebook's cell, where there is one."""
        error = result.error_in_exec
        if error is None:
            return
        cell = str(getattr(result.info, "raw_cell", ""))
        hint = self.for_name(error) if isinstance(error, NameError) else misspelt(str(error), cell)
        if hint:
            print(hint, file=sys.stderr, flush=True)

    def for_name(self, error: NameError) -> str:
        """Say that the name exists on the ranks; nothing where it does not, or where a library has missed it."""
        tb = error.__traceback__
        while tb is not None and tb.tb_next is not None:
            tb = tb.tb_next
        name, ranks = error.name, self.ranks()
        if not name or tb is None or tb.tb_frame.f_globals is not self.shell.user_global_ns:
            return ""
        kinds = ranks.kinds(name) if ranks is not None else {}
        return missing_here(name, kinds, len(ranks) if ranks is not None else 0)

    def for_result(self, result: RunResult) -> list[str]:
        """Say for each name that ranks did not find where it is: on other ranks, in the notebook, or lost."""
        ranks, hints = self.ranks(), []
        for name, missed in result.missing_names().items():
            steps = [*self.lost, *(step for rank in missed for step in (ranks.lost.get(rank, ()) if ranks else ()))]
            lost = any(name in names_of(step.source).sets for step in steps)
            kinds = ranks.kinds(name) if ranks is not None else {}
            if hint := missing_there(name, missed, kinds, self.shell.user_ns, lost=lost):
                hints.append(hint)
        return hints


def missing_here(name: str, kinds: Mapping[int, str], world_size: int) -> str:
    """Say where a name is that the notebook lacks; ``kinds`` are the types of its values on the ranks that have it."""
    if not kinds and name not in given.NAMES:
        return ""
    some = 0 < len(kinds) < world_size
    where = named(kinds) if some else "the ranks"
    run = f"begin the cell with {CELL}"
    if name in given.MODULES:
        fetch = f"write `{given.MODULES[name]}` here"
    elif not kinds or any(kind == MODULE or kind.startswith("__main__.") for kind in kinds.values()):
        fetch = ""  # pickle cannot take it across
    elif CODE & set(kinds.values()):
        fetch = "define it here, too"
    else:
        fetch = f"take its values with ranks.pull({name!r}{f', on={sorted(kinds)}' if some else ''})"
    return f"`{name}` exists on {where}, not in the notebook: {run}{', or ' if fetch else ''}{fetch}."


def missing_there(
    name: str,
    missed: list[int],
    kinds: Mapping[int, str],
    notebook: Mapping[str, Any],
    *,
    lost: bool,
) -> str:
    """Say where a name is that the ranks ``missed``, or what became of it."""
    if lost:
        whose = "the ranks were" if len(missed) > 1 else f"{named(missed)} was"
        return f"`{name}` was lost when {whose} restarted: run the cell that defines it again."
    if kinds:
        return f"`{name}` exists on {named(kinds)}, not on {named(missed)}: run the cell that defines it on all ranks."
    if name not in notebook or name.startswith("_"):
        return ""
    return f"`{name}` {how_to_send(name, notebook[name])}."


def how_to_send(name: str, value: Any) -> str:
    """Say how a value of the notebook comes to the ranks."""
    if isinstance(value, Ranks):
        return f"drives the ranks from the notebook: use it in a cell without {CELL}"
    there = "exists in the notebook, not on the ranks:"
    if isinstance(value, ModuleType):
        same = value.__name__ == name
        line = f"import {value.__name__}" if same else f"import {value.__name__} as {name}"
        return f"{there} write `{line}` in a {CELL} cell"
    if isinstance(value, type) or callable(value):
        what = value if hasattr(value, "__qualname__") else type(value)
        own = getattr(what, "__module__", "__main__") == "__main__"
        return f"{there} {'define' if own else 'import'} it in a {CELL} cell{'' if own else ', too'}"
    if type(value).__module__ == "__main__":
        return f"{there} make it in a {CELL} cell"
    return f"{there} ranks.push({name}={name}), or define it in a {CELL} cell"


def misspelt(message: str, cell: str) -> str:
    """Say what a magic that IPython did not find was probably meant to be; empty where it was not one of ours."""
    found = NOT_FOUND.match(message)
    if found is None:
        return ""
    if found[2] == "ranks" or (found[1] == "%" and f"\n%%{found[2]}" in cell and near(found[2], ["ranks"])):
        return f"{CELL} must be the first line of its cell: move what stands above it below, or into another cell."
    return f"Did you mean {'%%' if f'%%{found[2]}' in cell else '%'}ranks?" if near(found[2], ["ranks"]) else ""


def near(word: str, words: Iterable[str]) -> bool:
    return bool(difflib.get_close_matches(word.lower(), list(words), n=1, cutoff=0.7))
