"""Which names a cell sets, and which it needs from earlier cells: read from its syntax tree, nothing is run."""

import ast
import builtins
import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from IPython.core.inputtransformer2 import TransformerManager

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
BUILTINS = frozenset(dir(builtins)) | {"__name__", "__file__", "get_ipython"}


@dataclass(frozen=True)
class CellNames:
    """``needs``: read before the cell sets them; ``later``: read when a function of the cell is called."""

    sets: frozenset[str] = frozenset()
    needs: frozenset[str] = frozenset()
    later: frozenset[str] = frozenset()


def names_of(source: str) -> CellNames:
    r"""Return a cell's names; none where it is nothing that can be read.

    >>> names = names_of("total += step\ndef f(x): return x + other")
    >>> sorted(names.sets), sorted(names.needs), sorted(names.later)
    (['f', 'total'], ['step', 'total'], ['other'])
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        try:
            tree = ast.parse(TransformerManager().transform_cell(source))
        except Exception:  # noqa: BLE001 - a cell in another language, say
            return CellNames()
    reader = _Reader()
    reader.visit(tree)
    later = reader.later - reader.sets - BUILTINS
    return CellNames(frozenset(reader.sets), frozenset(reader.needs - BUILTINS), frozenset(later))


@dataclass
class _Reader(ast.NodeVisitor):
    """Reads statements in the order in which Python runs them."""

    sets: set[str] = field(default_factory=set)
    needs: set[str] = field(default_factory=set)
    later: set[str] = field(default_factory=set)
    inner: list[set[str]] = field(default_factory=list)  # names of a class or comprehension that is being read

    def visit(self, node: ast.AST) -> None:
        match node:
            case ast.Name():
                self.name(node)
            case ast.NamedExpr():
                self.visit(node.value)
                self.sets.add(node.target.id)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
                self.function(node)
            case ast.ClassDef():
                self.all([*node.decorator_list, *node.bases, *node.keywords])
                with self.inside():
                    self.all(node.body)
                self.set(node.name)
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
                with self.inside():
                    self.all(parts_of(node))
            case ast.Import() | ast.ImportFrom():
                for alias in node.names:
                    self.set(imported(alias))
            case ast.ExceptHandler() | ast.MatchAs() | ast.MatchStar():
                self.set(node.name or "")
                self.generic_visit(node)
            case _:
                self.all(parts_of(node))

    def all(self, nodes: Iterable[ast.AST | None]) -> None:
        for node in nodes:
            if node is not None:
                self.visit(node)

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """Let names be set in a scope of their own."""
        self.inner.append(set())
        yield
        self.inner.pop()

    def set(self, name: str) -> None:
        (self.inner[-1] if self.inner else self.sets).add(name)

    def name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Store):
            self.set(node.id)
        elif not any(node.id in names for names in (self.sets, *self.inner)):
            self.needs.add(node.id)

    def function(self, node: Function) -> None:
        """Read what stands at a function's head now, and what its body takes from outside for later."""
        heads = [] if isinstance(node, ast.Lambda) else [*node.decorator_list, node.returns]
        annotations = [each.annotation for each in arguments_of(node)]
        self.all([*heads, *node.args.defaults, *node.args.kw_defaults, *annotations])
        self.later |= read_in(node).difference(*self.inner)
        self.sets |= shared_by(node)
        if not isinstance(node, ast.Lambda):
            self.set(node.name)


def parts_of(node: ast.AST) -> list[ast.AST | None]:
    """Return a node's parts in the order in which Python comes to them."""
    parts: list[ast.AST | None]
    match node:
        case ast.Assign():
            parts = [node.value, *node.targets]
        case ast.AugAssign():
            parts = [loaded(node.target), node.value, node.target]
        case ast.AnnAssign():
            parts = [node.annotation, node.value, node.target if node.value is not None else None]
        case ast.For() | ast.AsyncFor():
            parts = [node.iter, node.target, *node.body, *node.orelse]
        case ast.DictComp():
            parts = [*node.generators, node.key, node.value]
        case ast.ListComp() | ast.SetComp() | ast.GeneratorExp():
            parts = [*node.generators, node.elt]
        case ast.comprehension():
            parts = [node.iter, node.target, *node.ifs]
        case _:
            parts = list(ast.iter_child_nodes(node))
    return parts


def loaded(target: ast.expr) -> ast.AST | None:
    """Return what `target += 1` reads where the target is a name."""
    return ast.Name(target.id, ast.Load()) if isinstance(target, ast.Name) else None


def imported(alias: ast.alias) -> str:
    return alias.asname or alias.name.partition(".")[0]


def arguments_of(function: Function) -> list[ast.arg]:
    arguments = function.args
    rest = [each for each in (arguments.vararg, arguments.kwarg) if each is not None]
    return [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, *rest]


def shared_by(function: Function) -> set[str]:
    return {name for each in ast.walk(function) if isinstance(each, ast.Global) for name in each.names}


def read_in(function: Function) -> set[str]:
    """Return the names that a function's body takes from outside, as far as is certain."""
    body: list[ast.AST] = [function.body] if isinstance(function, ast.Lambda) else list(function.body)
    read: set[str] = set()
    own = {each.arg for each in arguments_of(function)}
    for each in (inner for statement in body for inner in ast.walk(statement)):
        match each:
            case ast.Name():
                (read if isinstance(each.ctx, ast.Load) else own).add(each.id)
            case ast.arg():
                own.add(each.arg)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef() | ast.ExceptHandler():
                own.add(each.name or "")
            case ast.Import() | ast.ImportFrom():
                own |= {imported(alias) for alias in each.names}
    return read - (own - shared_by(function))
