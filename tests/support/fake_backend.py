"""A backend without processes, for unit tests: its ranks answer from a script, at once or when told to."""

from __future__ import annotations

import pickle
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from mgpu_lab.wire import messages

IDLE = messages.Position(None, "", "wait", None, waiting=False, mark=(), cpu_s=0.0)


@dataclass
class FakeEnd:
    code: int | None = None
    decided_here: bool = False


@dataclass
class FakeProcess:
    """Answers what ``FakeBackend.answers`` says for the kind of message; None keeps it waiting."""

    rank: int
    backend: FakeBackend
    listener: Any
    pid: int = 0
    device_name: str = "cpu"
    heard: list[Any] = field(default_factory=list)
    signals: list[int] = field(default_factory=list)
    ended: FakeEnd | None = None

    def send(self, message: bytes, *, control: bool) -> None:
        if self.ended is not None:
            return
        request = pickle.loads(message)  # noqa: S301 - made by the test itself
        assert control == isinstance(request, messages.CONTROL + (messages.Shutdown,) * control)
        self.heard.append(request)
        answer = self.backend.answers.get(type(request), lambda *_: messages.Answer(request.request))
        if (found := answer(self, request)) is not None:
            self.listener.heard(found)

    def signal(self, number: int, *, children: bool = False) -> None:  # noqa: ARG002
        self.signals.append(number)
        if number == signal.SIGKILL:
            self.die(-9)
        if self.backend.on_signal is not None and self.ended is None:
            self.backend.on_signal(self, number)

    def kill(self) -> None:
        if self.ended is None:
            self.die(-9, decided_here=True)

    def die(self, code: int, *, decided_here: bool = False) -> None:
        self.ended = FakeEnd(code, decided_here)
        self.listener.hung_up()

    def alive(self) -> bool:
        return self.ended is None

    def wait_ended(self, _timeout_s: float) -> bool:
        return self.ended is not None

    def end(self) -> FakeEnd:
        return self.ended or FakeEnd()

    def starved(self) -> bool:
        return False

    def begin_clock(self) -> None:
        """Nothing to note."""

    def dump_stack(self) -> None:
        """Noted as a signal."""
        self.signals.append(0)

    def stack_line(self) -> int | None:
        return 7 if 0 in self.signals else None

    def close(self) -> None:
        """Nothing is open."""


class FakeRendezvous:
    def __init__(self) -> None:
        self.generations: list[int] = []
        self.broken = 0
        self.closed = False

    def next(self, generation: int) -> messages.FileMeeting:
        self.generations.append(generation)
        return messages.FileMeeting("nowhere", generation, "127.0.0.1", 1)

    def break_store(self) -> None:
        self.broken += 1

    def close(self) -> None:
        self.closed = True


class FakeBackend:
    """Makes fake processes and keeps them in ``processes``, in the order of their start."""

    def __init__(self) -> None:
        self.answers: dict[type, Callable[[FakeProcess, Any], messages.Answer | None]] = {
            messages.Where: lambda _, request: messages.Answer(request.request, IDLE),
            messages.ListSockets: lambda _, request: messages.Answer(request.request, frozenset()),
        }
        self.on_signal: Callable[[FakeProcess, int], None] | None = None
        self.processes: list[FakeProcess] = []
        self.meeting = FakeRendezvous()
        self.is_warm = True

    def gpu_count(self) -> int:
        return 0

    def alive(self) -> bool:
        return True

    def warm(self, _wait_s: float = 0.0) -> bool:
        return self.is_warm

    def rendezvous(self) -> FakeRendezvous:
        return self.meeting

    def start(self, rank: int, _size: int, _device: str, join: messages.JoinGroup, listener: Any) -> FakeProcess:
        process = FakeProcess(rank, self, listener, pid=100 + len(self.processes))
        self.processes.append(process)
        joined = self.answers.get(messages.JoinGroup, lambda _, request: messages.Answer(request.request))
        if (answer := joined(process, join)) is not None:
            listener.heard(answer)
        return process

    def of(self, rank: int) -> FakeProcess:
        return next(each for each in reversed(self.processes) if each.rank == rank)
