"""How a code object's file name tells that it is a cell's."""

CELL_FILE_PREFIX = "<ipython-input-"


def is_cell_file(filename: str) -> bool:
    return filename.startswith(CELL_FILE_PREFIX)
