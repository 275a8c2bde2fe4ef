"""Write the parts of docs/ that follow from the code: the fault tables and the package's tree.

`python tools/docs.py` writes them; tests/unit/test_docs.py fails where they are old. The tables are read from
tests/support/fault_rows.py, the tree from the first line of each module's docstring, in the order of the wings in
docs/architecture.md.
"""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "mgpu_lab"
PAGES = (ROOT / "docs/faults.md", ROOT / "docs/tree.md")
PART = re.compile(r"(<!-- generated: ([\w ]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def main() -> int:
    for page in PAGES:
        page.write_text(current(page.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


def current(text: str) -> str:
    """Return the page with each generated part as it must be now."""
    return PART.sub(lambda found: f"{found[1]}\n{part(found[2])}\n\n{found[3]}", text)


def part(name: str) -> str:
    """Return the part that `<!-- generated: NAME -->` stands for: `faults in all`, `faults KIND` or `tree`."""
    if name == "tree":
        return tree()
    if name == "faults in all":
        return f"{len(rows())} faults; in {sum(not row.lost for row in rows())} of them no variable is lost."
    return fault_table(name.removeprefix("faults "))


def fault_table(kind: str) -> str:
    lines = ["| what the cell does | how it ends | the variables | back to full strength with |", "|---|---|---|---|"]
    for row in rows():
        if kind_of(row) == kind:
            who = "every rank" if len(row.lost) > 1 else f"rank {row.lost[0]}" if row.lost else ""
            kept = f"{who} loses its own: {row.why}" if row.lost else "kept"
            again = f"`{row.restart}`" if row.restart else "no command"
            ends = row.ends if row.ends[0].isalpha() else f"`{row.ends}`"
            lines.append(f"| {row.name.partition(': ')[2]} | {ends} | {kept} | {again} |")
    return "\n".join(lines)


def kind_of(row: Any) -> str:
    """Return the first word of a row's name, which says what kind of fault it is."""
    return str(row.name).partition(":")[0]


@cache
def rows() -> tuple[Any, ...]:
    """Return the rows of tests/support/fault_rows.py."""
    spec = importlib.util.spec_from_file_location("fault_rows", ROOT / "tests/support/fault_rows.py")
    if spec is None or spec.loader is None:
        raise SystemExit("tests/support/fault_rows.py is not there")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return tuple(module.ROWS)


def tree() -> str:
    """Return each wing with one line for each of its modules."""
    order = list(wings())
    folders = sorted({path.parent for path in PACKAGE.rglob("*.py")}, key=lambda folder: (place(folder, order), folder))
    return "\n\n".join(wing(folder) for folder in folders)


def place(folder: Path, order: list[str]) -> int:
    """Return where a folder comes in the tree: the package itself first, a wing not in the table last."""
    name = folder.relative_to(PACKAGE).parts[:1]
    return -1 if not name else order.index(name[0]) if name[0] in order else len(order)


def wing(folder: Path) -> str:
    name = folder.relative_to(ROOT).as_posix()
    head = f"### `{name}/`\n\n{purpose(folder / '__init__.py')}.\n\n| module | what it is for |\n|---|---|"
    modules = sorted(path for path in folder.glob("*.py") if path.stem != "__init__")
    return "\n".join([head, *(f"| [`{path.name}`](../{name}/{path.name}) | {purpose(path)} |" for path in modules)])


def purpose(path: Path) -> str:
    """Return the first line of a module's docstring, as Markdown."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return text.partition("\n")[0].rstrip(".").replace("``", "`").replace("|", r"\|")


def wings() -> dict[str, set[str]]:
    """Read docs/architecture.md's table of wings: each with the wings that it may import."""
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    table = re.findall(r"^\| `([\w.]+)/?` \|[^|]*\|([^|]*)\|$", text, re.MULTILINE)
    return {name.removesuffix(".py"): set(re.findall(r"[a-z]+", imports)) for name, imports in table}


if __name__ == "__main__":
    sys.exit(main())
