"""Which cells are Python as they stand: IPython need not look for magics, prompts and shell commands in them."""

import ast
import builtins
from collections.abc import Callable, Mapping
from typing import Any

from IPython.core.autocall import IPyAutocall
from IPython.core.macro import Macro


def plain_tree(
    source: str, names: Mapping[str, Any], parse: Callable[[str], ast.Module] = ast.parse
) -> ast.Module | None:
    """Return the syntax tree of a cell that IPython would run unchanged and without an event loop; else None.

    ``names`` are those that the cell can see. Whatever parses has no magic, no ``!`` and no ``?`` in it. Left to
    IPython are also the cells that may await, that it shifts or strips (leading blanks, ``In [1]:``), and single
    expressions that may be a magic's or a macro's name, such as ``ls`` or ``exit``.
    """
    if source[:1].isspace() or source.startswith("In [") or "await" in source or "async" in source:
        return None
    try:
        tree = parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    first = tree.body[0] if tree.body else None
    one_line = "\n" not in source.strip("\n")
    return None if one_line and isinstance(first, ast.Expr) and not is_known(first.value, names) else tree


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
