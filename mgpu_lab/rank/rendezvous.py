"""How a rank meets the others: the store they share, and the log of calls that they compare."""

import functools
import pathlib
from typing import Any, Protocol
from urllib.parse import quote

from mgpu_lab.rank.call_log import Board
from mgpu_lab.wire.messages import FileMeeting


class CallLog(Protocol):
    """What each rank of one process group is about to call."""

    def differing(self, number: int, text: str) -> dict[int, str]:
        """Write call ``number``; return what each rank wrote there so far if one of them makes another call."""

    def close(self) -> None:
        """Let go of it."""


class Rendezvous(Protocol):
    """One generation's meeting place, seen from a rank."""

    def environ(self) -> dict[str, str]:
        """Return MASTER_ADDR and MASTER_PORT as torchrun would set them."""

    def store(self, attempt: int) -> Any:
        """Return a torch store; ``attempt`` counts the groups that the cells themselves make in this generation."""

    def call_log(self, attempt: int, group: str) -> CallLog | None:
        """Open a group's log of calls; None where that is impossible (a full disk)."""


class FileRendezvous:
    """A store and call logs that are files in a private directory."""

    def __init__(self, meeting: FileMeeting, rank: int, world_size: int) -> None:
        self.meeting, self.rank, self.world_size = meeting, rank, world_size
        self.directory = pathlib.Path(meeting.directory)

    def environ(self) -> dict[str, str]:
        return {"MASTER_ADDR": self.meeting.master_addr, "MASTER_PORT": str(self.meeting.master_port)}

    def store(self, attempt: int) -> Any:
        """Return a ``FileStore``: no port to collide, and nobody else can connect."""
        import torch.distributed as dist

        path = self.directory / f"store-{self.meeting.generation}{f'.{attempt}' if attempt else ''}"
        return dist.FileStore(str(path), self.world_size)  # type: ignore[attr-defined]

    def call_log(self, attempt: int, group: str) -> Board | None:
        path = self.directory / f"calls-{self.meeting.generation}.{attempt}-{quote(group, safe='')}"
        try:
            return Board(path, self.rank, self.world_size)
        except OSError:
            return None


@functools.singledispatch
def meet(meeting: object, _rank: int, _world_size: int) -> Rendezvous:
    """Return the rendezvous that a meeting of this kind describes."""
    raise TypeError(f"a rank knows no meeting {type(meeting).__name__}")


@meet.register
def _(meeting: FileMeeting, rank: int, world_size: int) -> Rendezvous:
    return FileRendezvous(meeting, rank, world_size)
