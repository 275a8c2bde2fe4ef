"""What is alive while a step is played through on paper: named tensors come and go, the fullest moment is kept."""

from collections import Counter
from collections.abc import Iterable

from mgpu_lab.planner.memory.planned import PlannedMemory, PlannedRow

Row = tuple[str, str]  # category, name
KEPT: Row = ("activations", "kept for backward")
WORKING: Row = ("activations", "forward and backward")
STEPPING: Row = ("other", "temporary in the optimizer's step")
LOOSE: Row = ("other", "made without autograd")
BEFORE: Row = ("other", "from before the block")
INPUT: Row = ("other", "inputs, and copies made in C++")
SENT: Row = ("other", "communication buffers")


class Tape:
    """Live tensors by name, bytes by row, and the rows of the fullest moment since `start`."""

    def __init__(self) -> None:
        self.live: dict[str, tuple[Row, int]] = {}
        self.rows: Counter[Row] = Counter()
        self.total = 0
        self.start()

    def start(self) -> None:
        """Begin to look for a fullest moment."""
        self.most, self.most_rows = -1, Counter[Row]()
        self.look()

    def look(self) -> None:
        """Remember the moment if it is the fullest."""
        if self.total > self.most:
            self.most, self.most_rows = self.total, self.rows.copy()

    def make(self, name: str, size_bytes: float, row: Row = WORKING) -> None:
        """A tensor comes to life."""
        self.put(name, size_bytes, row)
        self.look()

    def put(self, name: str, size_bytes: float, row: Row = WORKING) -> None:
        """Add a tensor and look later: what comes with others at once, or takes another's place."""
        if name in self.live:
            raise KeyError(f"{name} is alive already")
        self.live[name] = (row, int(size_bytes))
        self.rows[row] += int(size_bytes)
        self.total += int(size_bytes)

    def free(self, *names: str) -> None:
        """Let tensors go."""
        for name in names:
            row, size = self.live.pop(name)
            self.rows[row] -= size
            self.total -= size

    def add(self, name: str, size_bytes: float, row: Row) -> None:
        """Grow a tensor that may be there already: gradients of one row."""
        old = self.live.pop(name, (row, 0))[1]
        self.live[name] = (row, old + int(size_bytes))
        self.rows[row] += int(size_bytes)
        self.total += int(size_bytes)
        self.look()

    def memory(self, moment: str, overhead: Iterable[PlannedRow] = (), source: str = "") -> PlannedMemory:
        """Return the fullest moment under a name."""
        rows = tuple(PlannedRow(*row, size, source) for row, size in self.most_rows.items() if size)
        return PlannedMemory(moment, rows, tuple(overhead))
