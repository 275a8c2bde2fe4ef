"""Wings import one way, no modules import each other in a cycle, and the notebook's kernel never loads torch.

Every import counts: at the top of a module, inside a function, for types only, by ``importlib.import_module``, and
a module's name in any other string, since that is how processes are started and names looked up.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

import mgpu_lab

PACKAGE = Path(mgpu_lab.__file__).parent
MAY_IMPORT = {
    "notebook": {"engine", "wire", "metering", "planner", "tables"},
    "engine": {"wire"},
    "wire": set(),
    "rank": {"wire", "metering", "ledger", "listening"},
    "listening": {"wire"},
    "metering": {"figures", "listening", "tables", "wire"},
    "ledger": {"bars", "tables", "wire"},
    "checks": {"ledger", "planner", "verification", "wire", "listening"},
    "course": {"figures", "listening", "ledger", "planner", "tables", "wire"},
    "planner": {"bars", "figures", "reports", "tables", "wire"},
    "verification": {"reports", "wire"},
    "tables": set(),
    "figures": set(),
    "bars": set(),
    "reports": {"tables"},
}
DOORS = {"mgpu_lab", "__main__"}  # what a user imports and runs; they lead everywhere, and no wing leads back to them
STARTED_BY_NAME = {"engine.backends.forkserver -> rank.template"}  # as a process of its own
HEAVY = {"torch", "deepspeed", "transformers", "peft", "bitsandbytes", "accelerate", "vllm"}
MAY_IMPORT_TORCH = {"rank", "ledger", "metering", "checks", "listening", "course"}
TORCH_IN_A_CHILD = {  # are run as programs, or are parts of one; and the wings that they may import besides
    "verification.torch_probe": set(),
    "planner.trace.child": {"course", "ledger"},
    "planner.trace.ddp": set(),
    "planner.trace.model": set(),
}
IN_KERNEL = {"notebook", "engine", "wire", "verification", "planner", "tables", "figures", "bars", "reports", *DOORS}


@dataclass(frozen=True)
class Import:
    """One module's import of another; our own modules go without ``mgpu_lab.``, other packages by their first name."""

    importer: str
    imported: str
    when: str  # "at once", "later" (in a function), "types", "by name" (in a string)


def module_name(path: Path) -> str:
    """``engine/ranks.py`` is ``engine.ranks``; a package's ``__init__`` is the package."""
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts) or "mgpu_lab"


def read(folder: Path) -> dict[str, str]:
    """The sources by module."""
    paths = folder.rglob("*.py")
    return {module_name(path.relative_to(folder)): path.read_text(encoding="utf-8") for path in paths}


def imports(sources: Mapping[str, str]) -> list[Import]:
    """Every import in these sources, none of itself."""
    return [
        Import(importer, imported, when)
        for importer, source in sources.items()
        for name, when in named(ast.parse(source), "at once")
        if (imported := known(name, sources)) != importer
    ]


def named(node: ast.AST, when: str) -> Iterator[tuple[str, str]]:
    """Full names that this part of a module imports, and when."""
    body, later, docstring = [], when, None
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        body, later = node.body if isinstance(node.body, list) else [node.body], "later" if when == "at once" else when
    elif isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
        body, later = node.body, "types"
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(node):
        docstring = node.body[0]
    if isinstance(node, ast.Import):
        yield from ((alias.name, when) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        assert not node.level, "a relative import hides which wing it comes from"
        yield from ((f"{node.module}.{alias.name}", when) for alias in node.names)
    elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
        yield from ((word.value, when) for word in node.args if isinstance(word, ast.Constant))
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield from ((name, "by name") for name in re.findall(r"\bmgpu_lab(?:\.\w+)+", node.value))
    for child in ast.iter_child_nodes(node):
        if child is not docstring:
            yield from named(child, later if child in body else when)


def known(name: str, modules: Iterable[str]) -> str:
    """The module that a full name means: ``mgpu_lab.engine.ranks.Ranks`` is in ``engine.ranks``."""
    parts = name.split(".")
    if parts[0] != "mgpu_lab":
        return parts[0]
    while len(parts) > 1 and ".".join(parts[1:]) not in modules:
        parts.pop()
    return ".".join(parts[1:]) or "mgpu_lab"


def wing(module: str) -> str:
    return module.partition(".")[0]


def own(found: Iterable[Import]) -> list[Import]:
    """The imports between modules of ours."""
    return [each for each in found if wing(each.imported) in {*MAY_IMPORT, *DOORS}]


def may_import(module: str) -> set[str]:
    """The wings that a module may import, its own among them."""
    return {wing(module), *MAY_IMPORT.get(wing(module), ()), *TORCH_IN_A_CHILD.get(module, ())}


def wrong_arrows(found: Iterable[Import]) -> set[str]:
    """Imports that the table does not allow."""
    return {
        f"{each.importer} -> {each.imported}"
        for each in own(found)
        if wing(each.importer) not in DOORS
        if wing(each.imported) not in may_import(each.importer)
    } - STARTED_BY_NAME


def reached(start: str, arrows: Mapping[str, set[str]]) -> set[str]:
    """Every module that this one leads to; itself only if there is a way back."""
    seen, todo = set(), [start]
    while todo:
        new = arrows.get(todo.pop(), set()) - seen
        seen |= new
        todo += new
    return seen


def cycles(found: Iterable[Import]) -> set[str]:
    """Groups of modules that lead to one another. A name in a string imports nothing by itself."""
    arrows: dict[str, set[str]] = {}
    for each in own(found):
        if each.when != "by name":
            arrows.setdefault(each.importer, set()).add(each.imported)
    ways = {module: reached(module, arrows) for module in arrows}
    return {
        " <-> ".join(sorted(other for other in way if module in ways.get(other, ())))
        for module, way in ways.items()
        if module in way
    }


def torch_outside(found: Iterable[Import]) -> set[str]:
    """Modules that import torch, or what imports torch, in a wing that may not."""
    return {
        f"{each.importer} -> {each.imported}"
        for each in found
        if each.imported in HEAVY and wing(each.importer) not in MAY_IMPORT_TORCH
        if each.importer not in TORCH_IN_A_CHILD
    }


def torch_in_kernel(found: Iterable[Import], homes: Iterable[str] = ()) -> set[str]:
    """Modules that import torch as soon as they are loaded, and that the kernel loads sooner or later.

    The kernel loads ``homes``, its own wings and all that these import, in functions too; of other wings only what
    their modules import at once. A module's packages are loaded with it.
    """
    arrows: dict[str, set[str]] = {}
    kernel = {each.importer for each in found if wing(each.importer) in IN_KERNEL} - set(TORCH_IN_A_CHILD)
    for each in found:
        if each.when == "at once" or (each.when == "later" and each.importer in kernel):
            parents = each.imported.split(".") if each.imported not in HEAVY else []
            packages = {".".join(parents[:i]) for i in range(1, len(parents))}
            arrows.setdefault(each.importer, set()).update({each.imported, *packages})
    loaded = {*kernel, *homes}
    loaded |= {module for start in loaded for module in reached(start, arrows)}
    return {f"{module} -> {heavy}" for module in loaded for heavy in arrows.get(module, set()) & HEAVY}


def faults(found: list[Import]) -> set[str]:
    return {*wrong_arrows(found), *cycles(found), *torch_outside(found)}


SOURCES = read(PACKAGE)
FOUND = imports(SOURCES)


def test_imports_go_one_way():
    assert {wing(module) for module in SOURCES} <= {*MAY_IMPORT, *DOORS}, "a wing that the table does not know"
    assert faults(FOUND) == set()


def test_the_kernel_loads_no_torch():
    assert len([each for each in FOUND if each.imported == "torch"]) > 20
    assert torch_in_kernel(FOUND, mgpu_lab._HOMES.values()) == set()


def test_every_module_of_the_kernel_has_a_unit_test():
    tests = read(Path(__file__).parent)
    tested = {each.imported for each in imports({**SOURCES, **tests}) if each.importer in tests}
    wings = {module for module in SOURCES if wing(module) in ("engine", "wire", "notebook") and "." in module}
    assert wings - tested == {"engine.backends", "engine.backends.protocols"}, "a module without a unit test"


def test_test_modules_import_no_other():
    tests = read(Path(__file__).parents[1])
    assert len(tests) > 30
    found = {each.importer for each in imports(tests) if each.imported.startswith("test_") and each.when != "by name"}
    assert found == set()


def test_exceptions_are_still_needed():
    names = {f"{each.importer} -> {each.imported}" for each in FOUND}
    assert names >= STARTED_BY_NAME
    assert names >= {f"{module} -> torch" for module in TORCH_IN_A_CHILD}
    wings = {(each.importer, wing(each.imported)) for each in FOUND}
    assert wings >= {(module, besides) for module, all_of in TORCH_IN_A_CHILD.items() for besides in all_of}


IN_FUNCTION = "def f():\n    from mgpu_lab.{} import x"
FOR_TYPES = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from mgpu_lab.{} import X"
AT_ONCE = "from mgpu_lab.{} import x"
BREAKS = {
    "arrow": ({"engine.run": AT_ONCE.format("rank.process")}, "engine.run -> rank.process"),
    "arrow in a function": ({"rank.shell": IN_FUNCTION.format("engine.run")}, "rank.shell -> engine.run"),
    "arrow for types": ({"wire.errors": FOR_TYPES.format("engine.results")}, "wire.errors -> engine.results"),
    "arrow by import_module": (
        {"tables": "import importlib\nimportlib.import_module('mgpu_lab.wire.errors')"}, "tables -> wire.errors"),
    "arrow unless for types": (
        {"engine.run": "if not TYPE_CHECKING:\n    import mgpu_lab.ledger.table"},
        "engine.run -> ledger.table",
    ),
    "arrow in a string": ({"engine.run": "CODE = 'import mgpu_lab.rank.shell'"}, "engine.run -> rank.shell"),
    "arrow of a module import": ({"ledger.table": "import mgpu_lab.rank.shell as s"}, "ledger.table -> rank.shell"),
    "way back to the door": ({"wire.errors": "from mgpu_lab import Ranks"}, "wire.errors -> mgpu_lab"),
    "cycle of two": (
        {"engine.run": AT_ONCE.format("engine.rescue"), "engine.rescue": FOR_TYPES.format("engine.run")},
        "engine.rescue <-> engine.run"),
    "cycle of three": (
        {"rank.a": AT_ONCE.format("rank.b"), "rank.b": IN_FUNCTION.format("rank.c"),
         "rank.c": "from mgpu_lab.rank import a"},
        "rank.a <-> rank.b <-> rank.c"),
    "torch in the engine": ({"engine.load": "def f():\n    import torch.nn"}, "engine.load -> torch"),
    "torch's types in the engine": (
        {"engine.load": "if TYPE_CHECKING:\n    from torch import Tensor"}, "engine.load -> torch"),
    "arrow of a module beside the child's": (
        {"planner.trace.tracing": AT_ONCE.format("ledger.table")}, "planner.trace.tracing -> ledger.table"),
    "deepspeed by name": ({"wire.x": "import_module('deepspeed.ops')"}, "wire.x -> deepspeed"),
}  # fmt: skip
MODULES = ("rank.process", "rank.shell", "engine.run", "engine.rescue", "engine.results", "wire.errors", "ledger.table")
LAZY = "def f():\n    import torch\nif TYPE_CHECKING:\n    import torch"
KERNEL = {"notebook.x": IN_FUNCTION.format("metering.result"), "metering.result": AT_ONCE.format("metering.parts")}


@pytest.mark.parametrize("name", BREAKS)
def test_each_kind_of_break_is_found(name):
    sources, fault = BREAKS[name]
    assert faults(imports({**dict.fromkeys(MODULES, ""), **sources})) == {fault}


@pytest.mark.parametrize(
    ("sources", "fault"),
    [
        ({**KERNEL, "metering.parts": "try:\n    import torch\nexcept ImportError: pass"}, "metering.parts -> torch"),
        ({**KERNEL, "metering.parts": "", "metering": "class A:\n    import peft"}, "metering -> peft"),
        ({**KERNEL, "metering.parts": LAZY}, None),
    ],
)
def test_torch_at_once_in_what_the_kernel_loads_is_found(sources, fault):
    assert torch_in_kernel(imports(sources)) == ({fault} if fault else set())


def test_what_is_allowed_is_no_fault():
    docstring = '"""Like mgpu_lab.rank.process."""\nimport os'
    sources = {"engine.load": docstring, "rank.process": LAZY + "\nfrom mgpu_lab.wire.errors import LabError"}
    assert faults(imports({"wire.errors": "", **sources})) == set()
