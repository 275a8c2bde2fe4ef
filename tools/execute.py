"""Execute notebooks in place, each from a fresh kernel, and keep nothing of this machine in them.

`python tools/execute.py notebooks/03_ddp.ipynb ...`; `make notebooks` names them all. A notebook that fails
is left as it was. Of the metadata only what all machines have in common is kept, so that a diff shows
the lesson's change and nothing else.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from notebook_checks import problems

CELL_TIMEOUT_S = 900
READING_S = 10.0  # a reader needs longer for the first cells than the libraries to be loaded beside them
METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def main(names: list[str]) -> int:
    """Execute the named notebooks; 1 where one failed or has a problem that the tests refuse."""
    found = []
    for path in map(Path, names):
        print(f"{path} ...", flush=True)
        try:
            found += execute(path)
        except CellExecutionError as error:
            found.append(f"{path}: not written, a cell failed:\n{error}")
    print("\n".join(found))
    return 1 if found or not names else 0


def execute(path: Path) -> list[str]:
    """Execute one notebook in its own folder, write it, and return its problems."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=CELL_TIMEOUT_S,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        record_timing=False,
        store_widget_state=False,
        coalesce_streams=True,
        on_cell_executed=reader(),
    )
    client.execute()
    clean(notebook)
    nbformat.write(notebook, path)
    return problems(notebook, path)


def reader() -> Callable[..., None]:
    """Return what waits, once, for the loading that `%load_ext` begins, which takes a core from what is timed next.

    It waits behind the first cell on ranks, not before it: ranks that have run nothing would be forked again then, and
    a ledger would not see the constants of packages that they, as in the tests, have imported for themselves.
    """
    waited: list[str] = []

    def read_on(cell: Any, **_: Any) -> None:
        if cell.source.startswith("%%ranks") and not waited:
            waited.append(cell.source)
            time.sleep(READING_S)

    return read_on


def clean(notebook: Any) -> None:
    """Keep tags and the common metadata only."""
    notebook.metadata = nbformat.from_dict(METADATA)
    notebook.nbformat_minor = 5
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict({"tags": cell.metadata.tags} if cell.metadata.get("tags") else {})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
