"""Which cells are Python as they stand: IPython need not look for magics, prompts and shell commands in them."""

from __future__ import annotations

import ast
import builtins
from typing import TYPE_CHECKING, Any

from IPython.core.autocall import IPyAutocall
from IPython.core.macro import Macro

if TYPE_CHECKING:
    from collections.abc import Mapping


def is_plain(source: str, names: Mapping[str, Any]) -> bool:
    """Whether IPython would run ``source`` unchanged and without an event loop; ``names``: what the cell can see.

    Whatever parses has no magic, no ``!`` and no ``?`` in it. Left to IPython are also the cells that may await, that
    it shifts or strips (leading blanks, ``In [1]:``), and single expressions that may be a magic's or a macro's name,
    such as ``ls`` or ``exit``.
    """
    if source[:1].isspace() or source.startswith("In [") or "await" in source or "async" in source:
        return False
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    if "\n" in source.strip("\n") or not (body and isinstance(body[0], ast.Expr)):
        return True
    return is_known(body[0].value, names)


def is_known(expression: ast.expr, names: Mapping[str, Any]) -> bool:
    """Whether the leftmost name of an expression is the name of an ordinary value; True where it has none."""
    while not isinstance(expression, ast.Name):
        inner = next(ast.iter_child_nodes(expression), None)
        if not isinstance(inner, ast.expr):
            return True
        expression = inner
    if expression.id in names:
        return not isinstance(names[expression.id], (IPyAutocall, Macro))
    return hasattr(builtins, expression.id)
