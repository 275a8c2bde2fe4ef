"""How code objects that come from a cell are known: by the file name that IPython gives them."""

CELL_FILE_PREFIX = "<ipython-input-"


def is_cell_file(filename: str) -> bool:
    """Whether a code object's file name is one IPython gives to a cell."""
    return filename.startswith(CELL_FILE_PREFIX)
