"""Lint and format the `%%ranks` cells of the notebooks, which ruff leaves out: it does not know the magic.

`python tools/ruff_ranks.py` checks, with `--fix` it writes. It hands ruff copies of the notebooks with
these cells only, without the magic line. Undefined names pass: a rank has some that no cell makes.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat

ROOT = Path(__file__).resolve().parent.parent
MAGIC = "%%ranks"


def main(*, fix: bool) -> int:
    """Return 0 where every `%%ranks` cell is well formed."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copies = {path: copy_rank_cells(path, folder) for path in sorted((ROOT / "notebooks").rglob("*.ipynb"))}
        codes = [ruff(folder, "check", "--ignore=F821", *(["--fix"] if fix else []))]
        codes += [ruff(folder, "format", *([] if fix else ["--diff"]))]
        if fix:
            for path, copy in copies.items():
                take_back(path, copy)
    return max(codes)


def copy_rank_cells(path: Path, folder: Path) -> Path:
    """Write a copy of the notebook at the same place below `folder`, its other cells emptied."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        cell.source = cell.source.partition("\n")[2] if is_rank_cell(cell) else ""
    copy = folder / path.relative_to(ROOT)
    copy.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, copy)
    return copy


def take_back(path: Path, copy: Path) -> None:
    """Put the code that ruff wrote into the copy back under the cell's own magic line."""
    notebook = nbformat.read(path, as_version=4)
    changed = False
    for cell, ruffed in zip(notebook.cells, nbformat.read(copy, as_version=4).cells, strict=True):
        if is_rank_cell(cell):
            magic, line_end, _ = cell.source.partition("\n")
            source = f"{magic}{line_end}{ruffed.source}"
            changed |= source != cell.source
            cell.source = source
    if changed:
        nbformat.write(notebook, path)


def is_rank_cell(cell: Any) -> bool:
    """Return whether this is code for the ranks."""
    first_line: str = cell.source.partition("\n")[0]
    return cell.cell_type == "code" and first_line.split()[:1] == [MAGIC]


def ruff(folder: Path, *arguments: str) -> int:
    """Run ruff on the copies with the project's settings."""
    command = [sys.executable, "-m", "ruff", *arguments, "--no-cache", "--config", str(ROOT / "pyproject.toml"), "."]
    return subprocess.run(command, cwd=folder, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(fix="--fix" in sys.argv[1:]))
