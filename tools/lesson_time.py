"""How long a lesson takes: what its header states, and what its words, lines and predictions come to.

    python tools/lesson_time.py            # a line for each lesson

Reading is 200 words a minute, a line of code 12 seconds, a prediction two minutes; an exercise takes what its heading
says, ``(10 min)``. A section whose heading begins with ``Deeper:`` can be skipped: what is outside must not need it.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mgpu_lab.notebook.code_names import names_of

Notebook = Any  # nbformat brings no types
WORDS_PER_MINUTE, LINE_S, PREDICTION_MINUTES = 200, 12, 2
ALLOWED = 0.2  # of the computed minutes
MOST_CORE_MINUTES, MOST_IN_LESSON_02 = 60, 30
STATED = {
    "core path": r"[Cc]ore path (\d+) min",
    "Deeper": r"Deeper (\d+) min",
    "exercises": r"exercises (\d+) min",
}
HEADING = re.compile(r"^(#{1,6})\s+(.*)$", re.MULTILINE)
EXERCISE = re.compile(r"^Exercise \d+\b.*\((\d+) min\)$")
NAMELESS = re.compile(r"(?m)^[%!].*$")  # magics and shell lines: no Python


@dataclass
class Part:
    """A piece of a cell under one heading: a cell with two headings is two pieces."""

    cell: int
    kind: str  # "core path", "Deeper", "exercises"
    text: str = ""
    code: str = ""


def parts(notebook: Notebook) -> Iterator[Part]:
    """Cut the notebook at its headings."""
    kind, deeper_level, in_exercise = "core path", 0, False
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type == "code":
            yield Part(index, "exercises" if in_exercise else kind, code=cell.source)
            continue
        pieces = cut(cell.source)
        for level, title, text in pieces:
            if level:
                in_exercise = bool(EXERCISE.match(title))
                if deeper_level and level <= deeper_level:
                    kind, deeper_level = "core path", 0
                if title.startswith("Deeper:"):
                    kind, deeper_level = "Deeper", deeper_level or level
            yield Part(index, "exercises" if in_exercise else kind, text=text)


def cut(source: str) -> list[tuple[int, str, str]]:
    """Return (level of the heading, its title, text with the heading) for each piece; level 0 before the first."""
    fenced = [match.span() for match in re.finditer(r"(?ms)^```.*?^```", source)]
    marks = [m for m in HEADING.finditer(source) if not any(a <= m.start() < b for a, b in fenced)]
    starts = [m.start() for m in marks] + [len(source)]
    pieces = [(0, "", source[: starts[0]])] if source[: starts[0]].strip() else []
    for mark, end in zip(marks, starts[1:], strict=True):
        pieces.append((len(mark[1]), mark[2].strip(), source[mark.start() : end]))
    return pieces


def minutes(notebook: Notebook) -> dict[str, float]:
    """Compute the minutes of each kind."""
    found = dict.fromkeys(STATED, 0.0)
    for part in parts(notebook):
        if part.kind != "exercises":
            found[part.kind] += words(part.text) / WORDS_PER_MINUTE + lines(part.code) * LINE_S / 60
            found[part.kind] += PREDICTION_MINUTES * len(predictions(part.code))
    titles = [title for cell in notebook.cells if cell.cell_type == "markdown" for _, title, _ in cut(cell.source)]
    found["exercises"] = sum(float(match[1]) for title in titles if (match := EXERCISE.match(title)))
    return found


def words(text: str) -> int:
    """Count words, those of tables and of pictures' descriptions too; marks alone are none."""
    return sum(any(letter.isalnum() for letter in word) for word in text.split())


def lines(code: str) -> int:
    """Count lines that are neither empty nor a comment alone."""
    return sum(bool(line.strip()) and not line.lstrip().startswith("#") for line in code.splitlines())


def predictions(code: str) -> list[str]:
    """Name the slots for guesses: assigned at the top of a cell of the notebook, and holding ``...``."""
    if code.startswith("%%"):
        return []
    found = []
    for statement in tree(code).body:
        if isinstance(statement, ast.Assign) and holds_dots(statement.value):
            found += [
                each.id for target in statement.targets for each in ast.walk(target) if isinstance(each, ast.Name)
            ]
    return found


def holds_dots(value: ast.expr) -> bool:
    return any(isinstance(each, ast.Constant) and each.value is ... for each in ast.walk(value))


def tree(code: str) -> ast.Module:
    """Read a cell's Python; lines that only IPython understands are left out."""
    try:
        return ast.parse(NAMELESS.sub("", code))
    except SyntaxError:
        return ast.Module(body=[], type_ignores=[])


def problems(notebook: Notebook, path: Path) -> list[str]:
    """Return what is untrue or missing in the header's minutes, and what the core path lacks without Deeper."""
    return [*header_problems(notebook, path), *slot_problems(notebook), *skipping_problems(notebook)]


def header_problems(notebook: Notebook, path: Path) -> list[str]:
    """Compare the stated minutes with the computed ones."""
    header, computed, found = notebook.cells[0].source, minutes(notebook), []
    for kind, pattern in STATED.items():
        stated = re.search(pattern, header)
        if stated is None:
            found.append(f"the header does not say: {kind} ... min")
        elif abs(int(stated[1]) - computed[kind]) > max(ALLOWED * computed[kind], 1):
            found.append(f"the header says {kind} {stated[1]} min; they come to {computed[kind]:.0f}")
    most = MOST_IN_LESSON_02 if path.name.startswith("02") else MOST_CORE_MINUTES
    if computed["core path"] > most:
        found.append(f"the core path takes {computed['core path']:.0f} min, more than {most}")
    return found


def slot_problems(notebook: Notebook) -> list[str]:
    """Every prediction is shown again later, on the core path where it stands there."""
    found, pieces = [], list(parts(notebook))
    for place, part in enumerate(pieces):
        later = [each.code for each in pieces[place + 1 :] if part.kind in (each.kind, "Deeper")]
        asked = predictions(part.code) if part.kind != "exercises" else []
        unanswered = [name for name in asked if not any(re.search(rf"\b{name}\b", code) for code in later)]
        found += [f"cell {part.cell}: nothing answers the prediction {name}" for name in unanswered]
    return found


def skipping_problems(notebook: Notebook) -> list[str]:
    """Name what core path and exercises use and a Deeper section alone defines, on the ranks and in the notebook."""
    found = []
    for on_ranks in (True, False):
        known, from_deeper = set[str](), set[str]()
        for part in parts(notebook):
            if not part.code or part.code.startswith("%%ranks") != on_ranks:
                continue
            names = names_of(part.code.partition("\n")[2] if on_ranks else part.code)
            if part.kind == "Deeper":
                from_deeper |= names.sets
                continue
            missing = sorted((names.needs | names.later) & from_deeper - known)
            found += [f"cell {part.cell}: {name} is defined in a Deeper section only" for name in missing]
            known |= names.sets
    return found


def main() -> int:
    import nbformat

    root = Path(__file__).resolve().parents[1]
    status = 0
    for path in sorted(root.glob("notebooks/*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        found = minutes(notebook)
        print(path.name, ", ".join(f"{kind} {value:.0f} min" for kind, value in found.items()))
        for problem in problems(notebook, path):
            status = 1
            print("   ", problem)
    return status


if __name__ == "__main__":
    sys.exit(main())
