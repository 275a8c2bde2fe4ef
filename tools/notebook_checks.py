"""What a committed notebook must be: each check takes a notebook and returns its problems, one line each.

Used by tests/unit/test_notebooks.py and by tools/execute.py. It does not run anything (nbval does), nor does it
judge whether a lesson is good (CONTRIBUTING.md says how that is reviewed).
"""

from __future__ import annotations

import json
import re
import socket
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

Notebook = Any  # nbformat brings no types
MAX_LINES, MOST_LINES, MEDIAN_LINES = 40, 15, 5  # none over, 90% within, median at most
RAISES = {"raises-exception", "nbval-raises-exception"}
KEPT_AS_TEXT = ("text/", "application/json", "image/svg+xml")  # the rest of an output is binary, or code of a widget
EMBEDDED = re.compile(r"data:image/\w+;base64,[\w+/=]+")  # an image's letters may happen to spell a place
PLACES = r"/home/\w|/Users/\w|/root/|/tmp/|[A-Z]:\\Users|\.venv/|site-packages"


def is_lesson(path: Path) -> bool:
    """Return whether `path` is a lesson; solutions need not keep to its frame and its short cells."""
    return path.parent.name != "solutions"


def problems(notebook: Notebook, path: Path) -> list[str]:
    """Return every problem of the notebook that lies at `path`."""
    checks: list[Callable[[Notebook], list[str]]] = [execution, outputs, metadata, longest_cell, headings, images]
    if is_lesson(path):
        checks += [cell_lengths, frame]
    return [f"{path}: {found}" for check in checks for found in check(notebook)] + [
        f"{path}: {found}" for found in missing_files(notebook, path.parent)
    ]


def execution(notebook: Notebook) -> list[str]:
    """Every code cell executed, in order, from a fresh kernel: nbval lets unexecuted cells pass."""
    counts = [cell.execution_count for _, cell in code_cells(notebook)]
    if not counts:
        return ["no code cell"]
    if counts != list(range(1, len(counts) + 1)):
        return [f"execution counts are {counts}, not 1 to {len(counts)}"]
    return []


def outputs(notebook: Notebook) -> list[str]:
    """No error that was not asked for, no warning, nothing that names the machine it ran on."""
    found = []
    for index, cell in code_cells(notebook):
        raises = RAISES & set(cell.metadata.get("tags", []))
        if not raises and any(output.output_type == "error" for output in cell.outputs):
            found.append(f"cell {index}: an error in the output, and no raises-exception tag")
        text = "\n".join(output_texts(cell.outputs))
        if "Warning" in text:
            found.append(f"cell {index}: a warning in the output")
        if leak := machine_words().search(text):
            found.append(f"cell {index}: the output names this machine: {leak.group(0)}")
    return found


def metadata(notebook: Notebook) -> list[str]:
    """No saved widget state (GitHub and nbconvert trip over it), and the plain kernel's name."""
    found = []
    if "widgets" in notebook.metadata:
        found.append("metadata.widgets is saved")
    name = notebook.metadata.get("kernelspec", {}).get("name")
    if name != "python3":
        found.append(f"the kernel is {name}, not python3")
    return found


def longest_cell(notebook: Notebook) -> list[str]:
    """No code cell over 40 lines."""
    return [
        f"cell {index}: {lines(cell)} lines of code, more than {MAX_LINES}"
        for index, cell in code_cells(notebook)
        if lines(cell) > MAX_LINES
    ]


def cell_lengths(notebook: Notebook) -> list[str]:
    """Short cells: a median of at most 5 lines, and 90% within 15."""
    lengths = [lines(cell) for _, cell in code_cells(notebook)]
    if not lengths:
        return []
    found = []
    if (median := statistics.median(lengths)) > MEDIAN_LINES:
        found.append(f"the median code cell has {median:g} lines, more than {MEDIAN_LINES}")
    share = sum(length <= MOST_LINES for length in lengths) / len(lengths)
    if share < 0.9:  # noqa: PLR2004 - the 90% of the line above
        found.append(f"{share:.0%} of the code cells have {MOST_LINES} lines or fewer, less than 90%")
    return found


def headings(notebook: Notebook) -> list[str]:
    """One title, first of all headings, and no level skipped on the way down."""
    levels = [(index, len(marks)) for index, text in markdown(notebook) for marks in heading_marks(text)]
    if not levels or levels[0][1] != 1:
        return ["the first heading is not a title (#)"]
    found = [f"cell {index}: a second title" for index, level in levels[1:] if level == 1]
    for (_, above), (index, level) in pairwise(levels):
        if level > above + 1:
            found.append(f"cell {index}: a heading of level {level} right under one of level {above}")
    return found


def frame(notebook: Notebook) -> list[str]:
    """The first cell asks and promises (how long it takes: lesson_time.py); the last one sums up."""
    texts = [text for _, text in markdown(notebook)]
    if not texts or notebook.cells[0].cell_type != "markdown":
        return ["the first cell is not text"]
    wanted = {
        "questions": r"\bquestions?\b",
        "objectives": r"\bobjectives?\b",
    }
    found = [
        f"the first cell has no {what}" for what, form in wanted.items() if not re.search(form, texts[0], re.IGNORECASE)
    ]
    if not re.search(r"key points", texts[-1], re.IGNORECASE):
        found.append("the last text cell has no key points")
    return found


def images(notebook: Notebook) -> list[str]:
    """Every image of a text cell and of an HTML output says in words what it shows."""
    found = []
    for index, text in markdown(notebook):
        found += [
            f"cell {index}: an image without alt text"
            for alt in re.findall(r"!\[([^\]]*)\]\(", text)
            if not alt.strip()
        ]
        found += [f"cell {index}: {tag} without alt text" for tag in tags_without_alt(text)]
    for index, cell in code_cells(notebook):
        html = "\n".join("".join(o.data["text/html"]) for o in cell.outputs if "text/html" in o.get("data", {}))
        found += [f"cell {index}: the output's {tag} without alt text" for tag in tags_without_alt(html)]
    return found


def missing_files(notebook: Notebook, folder: Path) -> list[str]:
    """Every local picture or file that the text links to is there."""
    found = []
    for index, text in markdown(notebook):
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)|\bsrc=[\"']([^\"']+)", text):
            name = "".join(target)
            if not re.match(r"[a-z]+:", name) and not (folder / name).exists():
                found.append(f"cell {index}: {name} is not there")
    return found


def code_cells(notebook: Notebook) -> Iterator[tuple[int, Any]]:
    """Yield the place and the cell of every code cell that holds something."""
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type == "code" and cell.source.strip():
            yield index, cell


def markdown(notebook: Notebook) -> Iterator[tuple[int, str]]:
    """Yield the place and the text of every markdown cell, without its code."""
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown":
            yield (index, re.sub(r"^(```|~~~).*?^\1|`[^`\n]*`", "", cell.source, flags=re.MULTILINE | re.DOTALL))


def heading_marks(text: str) -> list[str]:
    """Return the # signs of each heading, also of HTML's own (`<h2>` counts as ##)."""
    found = re.findall(r"^ {0,3}(#{1,6})\s|<h([1-6])[\s>]", text, re.MULTILINE | re.IGNORECASE)
    return [marks or "#" * int(level) for marks, level in found]


def tags_without_alt(html: str) -> list[str]:
    """Return `<img>` for every image tag whose alt is missing or empty."""
    return [
        "<img>"
        for tag in re.findall(r"<img\b[^>]*>", html, re.IGNORECASE)
        if not re.search(r"\balt=[\"']\s*[^\"'\s]", tag)
    ]


def output_texts(cell_outputs: list[Any]) -> Iterator[str]:
    """Yield every text of a cell's outputs: streams, errors, and what a display shows as text."""
    for output in cell_outputs:
        if output.output_type == "stream":
            yield output.text
        elif output.output_type == "error":
            yield from (output.evalue, *output.traceback)
        else:
            shown = {mime: value for mime, value in output.data.items() if mime.startswith(KEPT_AS_TEXT)}
            texts = (value if isinstance(value, str) else json.dumps(value) for value in shown.values())
            yield from (EMBEDDED.sub("", text) for text in texts)


def machine_words() -> re.Pattern[str]:
    """Return what finds this machine in a text: its folders, its name, and folders that every machine has."""
    folders = {str(Path.cwd()), str(Path.cwd().parent), str(Path.home()), tempfile.gettempdir(), sys.base_prefix}
    words = [re.escape(folder.rstrip("/")) + "/" for folder in folders if len(folder) > 1]
    name = socket.gethostname()
    if len(name) > 3 and name not in {"localhost", "jupyter"}:  # noqa: PLR2004 - a shorter name is any word
        words.append(rf"\b{re.escape(name)}\b")
    return re.compile("|".join([*sorted(words, key=len, reverse=True), PLACES]))


def lines(cell: Any) -> int:
    """Return the number of lines of a cell's code."""
    return len(cell.source.strip("\n").splitlines())
