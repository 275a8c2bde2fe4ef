"""Rows of the hardware table by name: found in any spelling, refused with the names meant, shown as a table."""

import dataclasses
import difflib
import re
from collections.abc import Mapping
from typing import Any, TypeVar

from mgpu_lab.tables import Table
from mgpu_lab.wire.errors import UsageError

Row = TypeVar("Row")
ASIDE = ("name", "source", "checked", "notes")  # of a row: these are for `rows["..."]`, a table of them is too wide


class Rows(dict[str, Row]):
    """Rows of one kind, as a dict: `boards["romed8-2t"]` asks for the name meant, `boards` alone shows a table."""

    def __init__(self, what: str, rows: Mapping[str, Row]) -> None:
        super().__init__(rows)
        self.what = what

    def __missing__(self, name: str) -> Row:
        """Return a row whose name is spelled a little differently.

        Raises:
            UsageError: there is none.
        """
        return look_up(self, name, self.what)

    def __repr__(self) -> str:
        return repr(self._table())

    def _repr_html_(self) -> str:
        return self._table().html()

    def _table(self) -> Table:
        names = _columns(next(iter(self.values()))) if self else []
        rows = [[name, *(_said(getattr(row, each)) for each in names)] for name, row in self.items()]
        return Table([self.what, *names], rows)


def _columns(row: Any) -> list[str]:
    """Name a row's fields, and what it computes from them (an outlet's watts)."""
    computed = [name for name, value in vars(type(row)).items() if isinstance(value, property)]
    return [*(field.name for field in dataclasses.fields(row) if field.name not in ASIDE), *computed]


def _said(value: Any) -> str:
    """Write a value into a cell: lanes {2: (16, 4), 4: (8, 8, 8, 8)} are "2: 16+4, 4: 4*8", not known is "-"."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_said(each)}" for key, each in value.items()) or "-"
    if isinstance(value, tuple):
        if len(value) > 1 and len(set(value)) == 1:
            return f"{len(value)}*{value[0]}"
        return "+".join(map(_said, value)) or "-"
    if value is None or value == "":
        return "-"
    return str(value)


def look_up(rows: Mapping[str, Row], name: str, what: str) -> Row:
    """Return a row by its name, in any case, with spaces or dashes.

    Raises:
        UsageError: there is none; the message has the names that were probably meant, and all others.
    """
    known = {_plain_name(each): each for each in rows}
    given = _plain_name(name) if isinstance(name, str) else ""
    if given in known:
        return rows[known[given]]
    meant = [known[each] for each in _close(given, known)]
    hint = f"Did you mean {_either(meant)}? " if meant else ""
    raise UsageError(f"There is no {what} {name!r} in the hardware table. {hint}There are {', '.join(rows)}.")


def _plain_name(name: str) -> str:
    return re.sub(r"[\s_-]+", "-", name.strip().casefold())


def _close(given: str, known: Mapping[str, str]) -> list[str]:
    """Names that hold what was given ("H100" for all kinds of H100), else the one spelled most alike."""
    holding = [each for each in known if len(given) > 1 and given in each]
    return holding or difflib.get_close_matches(given, known, n=1, cutoff=0.6)


def _either(names: list[str]) -> str:
    said = [repr(name) for name in names]
    return said[0] if len(said) == 1 else f"{', '.join(said[:-1])} or {said[-1]}"
