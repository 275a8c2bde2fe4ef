"""What the kernel knows of one rank, and a question put to several: who has answered, who has gone."""

import collections
import threading
from collections.abc import Callable, Iterable
from typing import Any

from mgpu_lab.engine.backends.protocols import Process
from mgpu_lab.engine.output import CellOutput
from mgpu_lab.wire import messages

SAMPLES_KEPT = 300


class Asked:
    """A question to several ranks. ``wake`` is called when all is heard, or at once where something is wrong."""

    def __init__(self, request: int, ranks: Iterable[int], wake: Callable[[], None] | None = None) -> None:
        self.request = request
        self.pending = set(ranks)
        self.answers: dict[int, messages.Answer] = {}
        self.gone: set[int] = set()
        self.complete = threading.Event()
        self._wake = wake
        self._settle()

    def take(self, rank: int, answer: messages.Answer) -> None:
        self.answers[rank] = answer
        self.pending.discard(rank)
        left = answer.group is not None and not answer.group.initialized
        self._settle(at_once=answer.failure is not None or left)

    def lose(self, rank: int) -> None:
        """Learn that a rank will never answer."""
        self.gone.add(rank)
        self.pending.discard(rank)
        self._settle(at_once=True)

    def wait(self, timeout_s: float) -> dict[int, messages.Answer]:
        """Wait for everybody; return the answers that have come. A signal handler may raise meanwhile."""
        self.complete.wait(timeout_s)
        return dict(self.answers)

    def _settle(self, *, at_once: bool = False) -> None:
        if not self.pending:
            self.complete.set()
        if self._wake is not None and (at_once or not self.pending):
            self._wake()


class Member:
    """One rank as the kernel knows it; the backend's threads tell it what they hear."""

    process: Process

    def __init__(self, rank: int) -> None:
        self.rank = rank
        self.output = CellOutput()
        self.group: messages.GroupState | None = None
        self.samples: collections.deque[messages.Sample] = collections.deque(maxlen=SAMPLES_KEPT)
        self.asked: dict[int, Asked] = {}
        self.last_cell: int | None = None
        self.deaf = False  # nothing more will be heard

    @property
    def alive(self) -> bool:
        return self.process.alive()

    def ask(self, asked: Asked, message: bytes, *, control: bool) -> None:
        """Send a question; one that cannot be answered any more is lost at once."""
        self.asked[asked.request] = asked
        self.process.send(message, control=control)
        if self.deaf or not self.alive:
            self.give_up()

    def take_output(self) -> CellOutput:
        """Return what was printed up to now and begin afresh."""
        before, self.output = self.output, CellOutput()
        return before

    def give_up(self) -> None:
        """Settle what will never be answered."""
        for request in list(self.asked):
            asked = self.asked.pop(request, None)
            if asked is not None:
                asked.lose(self.rank)

    # ---- what a backend's Listener is told

    def heard(self, message: Any) -> None:
        match messages.Answer(message) if isinstance(message, int) else message:
            case messages.Answer() as answer:
                if answer.group is not None:
                    self.group = answer.group
                asked = self.asked.pop(answer.request, None)
                if asked is not None:
                    asked.take(self.rank, answer)
            case messages.Display() as display:
                self.output.show(display)
            case messages.Sample() as sample:
                self.samples.append(sample)

    def printed(self, stream: str, data: bytes) -> None:
        self.output.write(stream, data)

    def hung_up(self) -> None:
        self.deaf = True
        self.give_up()
