"""What travels between the notebook's kernel and a rank.

Every message is a frozen dataclass, pickled over a socket pair that no other process can connect to. A rank has two
such channels: requests, which its main thread answers, and control messages, which its control thread answers at any
moment. Values of the learner's own (push, pull) travel as bytes that only the two ends which asked for them unpickle.
"""

from __future__ import annotations

import signal
import sys
from dataclasses import dataclass
from typing import Any

# asks a rank's fault handler for all stacks, also while C code holds the interpreter
STACK_SIGNAL = signal.SIGRTMIN + 7 if sys.platform == "linux" else signal.SIGUSR2


@dataclass(frozen=True)
class FileMeeting:
    """Where the ranks of one machine meet: files in a private directory; ``master_*`` is for pasted scripts."""

    directory: str
    generation: int
    master_addr: str
    master_port: int


@dataclass(frozen=True)
class RankSpec:
    """All a process needs to become rank ``rank`` of ``world_size``, number ``local_rank`` on its machine."""

    rank: int
    world_size: int
    local_rank: int
    local_world_size: int
    machine: int  # torchrun's GROUP_RANK
    interface: str  # the network interface that gloo uses; empty: gloo's own choice
    device: str  # "cpu" or "cuda"
    gpu: int  # number of its GPU, if it has one: several ranks may share it
    threads: int
    scratch: str  # a private directory on the rank's machine
    stack_file: str  # where the fault handler writes the stacks of a rank whose C code holds the interpreter
    environ: dict[str, str]
    cwd: str
    sys_path: list[str]
    group: JoinGroup

    @property
    def device_name(self) -> str:
        """The device as torch names it: ``cuda:3`` or ``cpu``."""
        return f"cuda:{self.gpu}" if self.device == "cuda" else "cpu"


@dataclass(frozen=True)
class GpuCount:
    """What a process is forked for that only counts the GPUs which torch can use, so that nobody initialises CUDA."""


# ---- requests: kernel -> rank, answered by the rank's main thread


@dataclass(frozen=True)
class JoinGroup:
    """Leave the process group, if any, and join generation ``generation`` where ``meeting`` says."""

    request: int
    generation: int
    meeting: FileMeeting


@dataclass(frozen=True)
class Execute:
    """Run a cell."""

    request: int
    source: str
    execution_count: int


@dataclass(frozen=True)
class Push:
    """Put names into the namespace; ``payload`` is a pickled dict."""

    request: int
    payload: bytes


@dataclass(frozen=True)
class Pull:
    """Ask for the value of a name, refused above ``max_bytes``."""

    request: int
    name: str
    max_bytes: int


@dataclass(frozen=True)
class Complete:
    """Ask for completions of ``code`` at ``cursor``."""

    request: int
    code: str
    cursor: int


@dataclass(frozen=True)
class Inspect:
    """Ask for the help of ``name``."""

    request: int
    name: str
    detail: int


@dataclass(frozen=True)
class Kind:
    """Ask for the type of ``name``'s value, as ``builtins.list``; None where there is no such variable."""

    request: int
    name: str


@dataclass(frozen=True)
class Record:
    """Ask for what the recorder ``name`` (``meter``, ``timeline``, ``clock``) has recorded."""

    request: int
    name: str


@dataclass(frozen=True)
class Shutdown:
    """Leave the group and exit. Sent on both channels: a main thread that runs a cell does not hear it."""

    request: int = 0


# ---- control messages: kernel -> rank, answered by the control thread, also while the main thread is blocked


@dataclass(frozen=True)
class Where:
    """Ask where the main thread stands."""

    request: int


@dataclass(frozen=True)
class ListSockets:
    """Ask for the connected TCP sockets, since some of generation ``generation``'s are about to be cut.

    From here on an error in communication is taken for the echo of that: the first rank to cut wakes all others.
    """

    request: int
    generation: int


@dataclass(frozen=True)
class CutSockets:
    """Shut down these sockets, if the rank is still in ``generation``; abort NCCL groups."""

    request: int
    generation: int
    pairs: frozenset[tuple[str, str]]


@dataclass(frozen=True)
class Sampling:
    """Switch the live samples of memory and throughput on (period in seconds) or off (0)."""

    request: int
    period_s: float


@dataclass(frozen=True)
class Attend:
    """The cell takes a while: flush half-written lines and take samples until it has ended."""

    request: int


CONTROL = (Where, ListSockets, CutSockets, Sampling, Attend)


# ---- rank -> kernel


@dataclass(frozen=True)
class Failure:
    """An error in a cell; out of a call that communicates, it may be the echo of another rank's end."""

    ename: str
    evalue: str
    traceback: tuple[str, ...]
    line: int | None
    in_communication: bool = False
    collective: str | None = None


@dataclass(frozen=True)
class GroupState:
    """What the kernel must know of the rank's process group after a cell."""

    generation: int
    initialized: bool
    calls: tuple[tuple[str, int], ...]  # how many collectives each group has seen


@dataclass(frozen=True)
class Retired:
    """What died with a process group: the kind of object, and the variable that holds it, empty where none does."""

    kind: str
    variable: str = ""


@dataclass(frozen=True)
class Answer:
    """The answer to ``request``: a value, or a failure. ``group`` is None where it is as last told.

    Where there is nothing to tell, the request's number alone travels: most cells of most ranks end so.
    """

    request: int
    value: Any = None
    failure: Failure | None = None
    group: GroupState | None = None


@dataclass(frozen=True)
class Display:
    """A rich display. Its place among the printed lines is where ``mark(number)`` stands in stdout."""

    data: dict[str, Any]
    metadata: dict[str, Any]
    display_id: str | None = None
    update: bool = False
    number: int = 0


MARK_BEGIN, MARK_END = b"\0mgpu_lab display ", b"\0"


def mark(number: int) -> bytes:
    """Return what a rank writes to stdout in the place of a display, so that no one need wait for the other."""
    return MARK_BEGIN + str(number).encode() + MARK_END


@dataclass(frozen=True)
class Position:
    """Where a rank's main thread stands."""

    line: int | None  # line of the cell
    source: str  # that line's text
    function: str  # innermost function
    collective: str | None  # the collective it is in, with its arguments
    waiting: bool  # in communication as far as the stack tells
    mark: tuple[Any, ...]  # changes whenever the main thread moves on
    cpu_s: float  # processor time of the process, less the control thread's


@dataclass(frozen=True)
class Sample:
    """One live sample: memory in bytes, throughput, and the state of the main thread."""

    time_s: float
    busy: bool
    memory_bytes: int
    peak_bytes: int
    capacity_bytes: int
    reserved_bytes: int = 0
    free_bytes: int = 0
    items_per_s: float | None = None
    unit: str = ""
    step_s: float | None = None
    waiting_share: float | None = None
    utilisation: float | None = None
    power_w: float | None = None
    temperature_c: float | None = None
