"""Lay the lessons into my_notebooks/ without outputs: a learner works there, and the git checkout stays as it is.

`python tools/working_copy.py`; `make lab` does it each time. What a learner has changed is never touched: when the
course has a new version of such a file, it is laid beside it. Deleted there, a file comes back as the course has it.
Other files in my_notebooks/ are the learner's own.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Literal

from run_pip import ROOT, say

COURSE, COPY = ROOT / "notebooks", ROOT / "my_notebooks"
LAID = ".laid.json"  # in the copy: the hash of each file as the course last laid it
Action = Literal["keep", "write", "lay beside"]


def main() -> int:
    """Bring my_notebooks/ up to date; 1 after a one-line error."""
    try:
        for line in lay(COURSE, COPY):
            say(line)
    except OSError as error:
        print(f"mgpu_lab: {COPY} could not be written: {error}", file=sys.stderr)
        return 1
    return 0


def lay(course: Path, copy: Path) -> Iterator[str]:
    """Bring the copy up to date with the course; yield what the learner should know, a line each."""
    laid, written = read_laid(copy), 0
    for source in course_files(course):
        name, content = source.relative_to(course).as_posix(), clean(source)
        action = decide(digest(content), digest_of(copy / name), laid.get(name))
        if action == "write":
            write(copy / name, content)
            written += 1
        elif action == "lay beside":
            beside = free_name(copy, name, laid)
            write(copy / beside, content)
            laid[beside] = digest(content)
            yield f"{name} has a new version. You changed yours, so it stays; the new one is {copy.name}/{beside}"
        laid[name] = digest(content)
        write(copy / LAID, json.dumps(laid, indent=1).encode())  # each time: stopped at any moment, it is true
    if written:
        yield f"new in {copy.name}/, your working copy: {written} file{'s' * (written > 1)} of the course"


def decide(new: str, present: str | None, laid: str | None) -> Action:
    """Say what to do with one file: hashes of the course's version, of the copy now, and of what was laid last."""
    if present is None:
        return "write"
    if new in (present, laid):
        return "keep"
    return "write" if present == laid else "lay beside"


def free_name(copy: Path, name: str, laid: Mapping[str, str]) -> str:
    """Return "03_ddp.new.ipynb", or with a number where the learner has changed the one that lies there."""
    path, number = PurePosixPath(name), 1
    while True:
        beside = str(path.with_suffix(f".new{number if number > 1 else ''}{path.suffix}"))
        if digest_of(copy / beside) in (None, laid.get(beside)):
            return beside
        number += 1


def course_files(course: Path) -> list[Path]:
    """List the files of the course, without what Jupyter and Python leave behind."""
    files = [path for path in course.rglob("*") if path.is_file()]
    return sorted(path for path in files if not {".ipynb_checkpoints", "__pycache__"} & {*path.parts})


def clean(source: Path) -> bytes:
    """Return a file's content; that of a notebook without outputs and execution counts."""
    if source.suffix != ".ipynb":
        return source.read_bytes()
    notebook = json.loads(source.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell |= {"outputs": [], "execution_count": None}
    return (json.dumps(notebook, indent=1, ensure_ascii=False) + "\n").encode()


def read_laid(copy: Path) -> dict[str, str]:
    """Return what was laid, {} where that is not known: then every differing file counts as changed."""
    try:
        return dict(json.loads((copy / LAID).read_text()))
    except (OSError, ValueError):
        return {}


def write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_bytes(content)
    temporary.replace(path)


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def digest_of(path: Path) -> str | None:
    return digest(path.read_bytes()) if path.exists() else None


if __name__ == "__main__":
    sys.exit(main())
