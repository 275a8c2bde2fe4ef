"""Write the two parts of README.md that follow from the code: the fault table and the package's tree.

`python tools/readme.py` writes them; tests/unit/test_readme.py fails where they are old. The table is read from
tests/support/fault_rows.py, the tree from the first line of each module's docstring.
"""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"


def main() -> int:
    """Rewrite README.md."""
    README.write_text(current(README.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


def current(text: str) -> str:
    """Return the README with both parts as they must be now."""
    text = between(text, "fault table", fault_table())
    return between(text, "tree", f"```\n{tree()}\n```")


def between(text: str, name: str, content: str) -> str:
    """Put content between the markers of that name."""
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    found = re.search(f"{re.escape(begin)}(.*?){re.escape(end)}", text, re.DOTALL)
    if found is None:
        raise SystemExit(f"README.md lacks the markers {begin} and {end}")
    return f"{text[: found.start()]}{begin}\n{content}\n{text[found.end() - len(end) :]}"


def fault_table() -> str:
    """Return the fault matrix as a Markdown table."""
    rows = fault_rows().ROWS
    safe = sum(not row.lost for row in rows)
    summary = f"{len(rows)} faults; {safe} of them lose nothing. The table."
    lines = [f"<details><summary>{summary}</summary>", ""]
    lines += ["| what the cell does | ends | variables | full set again by |", "|---|---|---|---|"]
    for row in rows:
        where = "all ranks" if len(row.lost) > 1 else f"rank {row.lost[0]}" if row.lost else ""
        kept = f"lost on {where}: {row.why}" if row.lost else "kept"
        again = f"`{row.restart}`" if row.restart else "nothing to do"
        lines.append(f"| {row.name} | {row.ends} | {kept} | {again} |".replace("|  |", "| |"))
    return "\n".join([*lines, "", "</details>"])


def fault_rows() -> ModuleType:
    """Import tests/support/fault_rows.py."""
    spec = importlib.util.spec_from_file_location("fault_rows", ROOT / "tests" / "support" / "fault_rows.py")
    if spec is None or spec.loader is None:
        raise SystemExit("tests/support/fault_rows.py is not there")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def tree() -> str:
    """Return one line per module: its name and what it is for."""
    package = ROOT / "mgpu_lab"
    lines = [line(path, path.name) for path in sorted(package.glob("*.py"))]
    for folder in sorted(path.parent for path in package.rglob("*/__init__.py")):
        depth = "  " * (len(folder.relative_to(package).parts) - 1)
        lines.append(line(folder / "__init__.py", f"{depth}{folder.name}/"))
        inner = sorted(path for path in folder.glob("*.py") if path.stem != "__init__")
        lines += [line(path, f"{depth}  {path.name}") for path in inner]
    return "\n".join(lines)


def line(path: Path, name: str) -> str:
    """Return a module's line of the tree."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return f"{name:<20} {text.splitlines()[0].rstrip('.') if text else ''}".rstrip()


if __name__ == "__main__":
    sys.exit(main())
