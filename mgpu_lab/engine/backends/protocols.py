"""The seam below the engine: a ``Backend`` starts rank processes and carries bytes, a ``Rendezvous`` lets them meet.

What stands above knows neither process ids nor descriptors, addresses, interfaces, directories or files: another
implementation (several machines) takes the place of the local one without a line of the engine changing.
"""

from __future__ import annotations

from typing import Any, Protocol

from mgpu_lab.wire.messages import FileMeeting, JoinGroup


class Listener(Protocol):
    """Whoever wants to hear of one process; called from the backend's own threads, where it must not wait."""

    def heard(self, message: Any) -> None:
        """Take a message of the rank; what it had printed before has been told."""

    def printed(self, stream: str, data: bytes) -> None:
        """Take bytes of ``stdout`` or ``stderr``."""

    def hung_up(self) -> None:
        """Learn that nothing more will be heard."""


class Process(Protocol):
    """One rank's process."""

    pid: int  # on its own machine; to be shown, not to be used
    device_name: str

    def send(self, message: bytes, *, control: bool) -> None:
        """Have a pickled message delivered to the main thread or the control thread; never waits for the reader."""

    def signal(self, number: int, *, children: bool = False) -> None:
        """Send a signal to this process and no other, or also to the children in its process group."""

    def kill(self) -> None:
        """End it and its children by SIGKILL, as a decision taken here: ``end`` then does not count as a death."""

    def alive(self) -> bool:
        """Whether it has not ended, as far as is known."""

    def wait_ended(self, timeout_s: float) -> bool:
        """Wait until its end and the manner of it are known."""

    def end(self) -> End:
        """Return how it ended."""

    def starved(self) -> bool:
        """Whether since ``begin_clock`` it has wanted to run and had less than its share of a processor."""

    def begin_clock(self) -> None:
        """Note how much processor time it has had up to now."""

    def dump_stack(self) -> None:
        """Have a process whose C code holds the interpreter write down where it stands."""

    def stack_line(self) -> int | None:
        """Return the cell's line it then wrote; None where there is none."""

    def close(self) -> None:
        """Stop listening and let go of everything that belonged to it."""


class End(Protocol):
    """How a process ended."""

    code: int | None  # exit code, or the negative signal; None: nobody saw
    decided_here: bool


class Rendezvous(Protocol):
    """Where the ranks of one group meet, one generation of their process group after another."""

    def next(self, generation: int) -> FileMeeting:
        """Clear up after the last generation and return where the next one meets."""

    def break_store(self) -> None:
        """End every wait on the current generation's store: whoever waits there gets an error."""

    def close(self) -> None:
        """Remove what is left."""


class Backend(Protocol):
    """Where rank processes come from."""

    def gpu_count(self) -> int:
        """Count the GPUs that torch can use, without initialising CUDA in this process."""

    def alive(self) -> bool:
        """Whether processes can be started."""

    def warm(self, wait_s: float = 0.0) -> bool:
        """Whether a process started now, or ``wait_s`` from now at the latest, comes with every package imported."""

    def rendezvous(self) -> Rendezvous:
        """Make a meeting place for one group of ranks."""

    def start(self, rank: int, world_size: int, device: str, join: JoinGroup, listener: Listener) -> Process:
        """Start one rank, which begins by joining its group; RanksError where none can be started."""
