"""How a notebook cell's code is named in frames and tracebacks."""

CELL_FILE_PREFIX = "<ipython-input-"


def is_cell_file(filename: str) -> bool:
    """Whether a code object's file name is one IPython gives to a cell."""
    return filename.startswith(CELL_FILE_PREFIX)
