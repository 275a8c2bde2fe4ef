"""Names that a cell sets and needs, in the order in which Python comes to them."""

import pytest
from cells import cell

from mgpu_lab.notebook.code_names import names_of

LESSON = """
    import os.path as p, sys
    from torch import nn as layers
    total: int
    for i, (a, *rest) in enumerate(rows):
        total += a
    with open(path) as file, lock: pass
    try:
        pass
    except ValueError as e:
        print(e, rows)
"""
FUNCTION = """
    @decorated
    def f(x: Kind, *args, y=default, **kwargs) -> None:
        global counted
        counted = counted + x + step
        inner = [z for z in kwargs]
        def g(): return h(inner, os)
        import os
        return later
    f(1)
"""
CLASS = """
    class Net(Base):
        width = 4
        size = width + other
        def forward(self): return helper(self.width, [i for i in outside])
"""


@pytest.mark.parametrize(
    ("source", "sets", "needs", "later"),
    [
        ("x = y", "x", "y", ""),
        ("x = 1\nx", "x", "", ""),
        ("x\nx = 1", "x", "x", ""),
        ("x = x + 1", "x", "x", ""),
        ("x += y", "x", "x y", ""),
        ("x[i] += y.z", "", "x i y", ""),
        ("(n := 3) + n", "n", "", ""),
        ("[i * k for i in xs if i]; [(q := j) for j in ys]", "q", "k xs ys", ""),
        ("{k: v for k, v in pairs}", "", "pairs", ""),
        ("key = lambda x: x + shift", "key", "", "shift"),
        ("[lambda: i + j for i in xs]", "", "xs", "j"),
        ("def f(): return x\nx = 1", "f x", "", ""),
        ("match point:\n    case [a, *b] | {'k': a, **b}: pass\n    case Other() as c: a", "a b c", "point Other", ""),
        ("print(len(__name__))", "", "", ""),
        (LESSON, "p sys layers i a rest total file e", "rows total path lock", ""),
        (FUNCTION, "f counted", "decorated Kind default", "step h later"),
        (CLASS, "Net", "Base other", "helper outside"),
        ("files = !ls {folder}\n%time x = 1", "files", "", ""),
        ("await f(x)", "", "f x", ""),
        ("%%bash\nif true; then", "", "", ""),
        ("for", "", "", ""),
        ("\0", "", "", ""),
    ],
)
def test_names(source, sets, needs, later):
    found = names_of(cell(source))
    assert (set(sets.split()), set(needs.split()), set(later.split())) == (found.sets, found.needs, found.later)
