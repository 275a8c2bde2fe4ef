"""One thread in the kernel reads everything the ranks say: answers, displays, samples, and what they print.

Reading never stops, so a rank never blocks on a full pipe and nothing grows: text is bounded (``output``), of
samples only the last minute is kept. Not covered: what the answers mean (``run``, ``ranks``).
"""

from __future__ import annotations

import collections
import contextlib
import os
import queue
import selectors
import threading
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from mgpu_lab.engine.output import CellOutput
from mgpu_lab.wire import messages

if TYPE_CHECKING:
    from collections.abc import Callable

    from mgpu_lab.engine.backends.local import RankProcess

READ_BYTES = 1 << 16
SAMPLES_KEPT = 300


@dataclass
class Member:
    """The kernel's knowledge of one rank."""

    rank: int
    process: RankProcess
    output: CellOutput = field(default_factory=CellOutput)
    group: messages.GroupState | None = None
    samples: collections.deque[messages.Sample] = field(default_factory=lambda: collections.deque(maxlen=SAMPLES_KEPT))
    waiting: dict[int, Future[messages.Answer]] = field(default_factory=dict)
    last_cell: int | None = None
    outbox: queue.SimpleQueue[Any] = field(default_factory=queue.SimpleQueue)

    @property
    def alive(self) -> bool:
        """Whether the process lives, as far as is known."""
        return not self.process.exited.is_set()

    def send(self, message: Any) -> None:
        """Have a message sent: a rank that reads nothing (stopped, say) must not block whoever sends."""
        self.outbox.put(message)

    def post(self) -> None:
        """Send what is in the outbox, one after another, until a None; the thread that does so is the rank's own."""
        while (message := self.outbox.get()) is not None:
            try:
                self.process.connection.send(message)
            except OSError:  # the rank has gone
                self.give_up()

    def drain(self) -> None:
        """Take in all that has been printed so far."""
        for fd, name in ((self.process.out, "stdout"), (self.process.err, "stderr")):
            with contextlib.suppress(OSError):
                while data := os.read(fd, READ_BYTES):
                    self.output.write(name, data)
                    if len(data) < READ_BYTES:
                        break

    def give_up(self) -> None:
        """Settle what will never be answered."""
        for request in list(self.waiting):
            future = self.waiting.pop(request, None)
            if future is not None and not future.done():
                future.set_exception(EOFError(f"rank {self.rank} has gone"))


class Inbox:
    """Read from all members; wake whoever waits for news."""

    def __init__(self) -> None:
        """Start the thread."""
        self.selector = selectors.DefaultSelector()
        self.news: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.jobs: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self.wake_read, self.wake_write = os.pipe()
        os.set_blocking(self.wake_write, False)
        self.selector.register(self.wake_read, selectors.EVENT_READ, None)
        self.closed = False
        self.thread = threading.Thread(target=self._read, name="mgpu_lab-inbox", daemon=True)
        self.thread.start()

    def add(self, member: Member) -> None:
        """Begin to read from a member and to send to it."""
        threading.Thread(target=member.post, name=f"mgpu_lab-outbox-{member.rank}", daemon=True).start()
        self._do(partial(self._register, member))

    def remove(self, member: Member) -> None:
        """Stop reading from a member and close its pipes."""
        member.send(None)
        done = threading.Event()
        self._do(partial(self._unregister, member, done))
        done.wait(2)

    def close(self) -> None:
        """End the thread."""
        self.closed = True
        self._wake()
        if threading.current_thread() is not self.thread:
            self.thread.join(2)

    def notify(self) -> None:
        """Wake whoever waits; safe in a signal handler."""
        self.news.put("news")

    def wait(self, timeout_s: float) -> None:
        """Wait for news, then take all of it at once."""
        with contextlib.suppress(queue.Empty):
            self.news.get(timeout=timeout_s)
            while True:
                self.news.get_nowait()

    def _do(self, job: Callable[[], None]) -> None:
        self.jobs.put(job)
        self._wake()

    def _wake(self) -> None:
        with contextlib.suppress(OSError):
            os.write(self.wake_write, b"x")

    def _register(self, member: Member) -> None:
        self.selector.register(member.process.connection.fileno(), selectors.EVENT_READ, (member, "connection"))
        self.selector.register(member.process.out, selectors.EVENT_READ, (member, "stdout"))
        self.selector.register(member.process.err, selectors.EVENT_READ, (member, "stderr"))

    def _forget(self, fd: int) -> None:
        with contextlib.suppress(KeyError, ValueError, OSError):
            self.selector.unregister(fd)

    def _unregister(self, member: Member, done: threading.Event) -> None:
        process = member.process
        with contextlib.suppress(OSError, ValueError):
            for fd in (process.connection.fileno(), process.out, process.err):
                self._forget(fd)
            process.close()
        member.give_up()
        done.set()

    def _read(self) -> None:
        while not self.closed:
            for key, _ in self.selector.select():
                if key.data is None:
                    os.read(self.wake_read, 4096)
                    while not self.jobs.empty():
                        self.jobs.get()()
                    continue
                member, source = key.data
                if source == "connection":
                    self._hear(member, key.fd)
                else:
                    self._take(member, source, key.fd)
        self.selector.close()
        os.close(self.wake_read)
        os.close(self.wake_write)

    def _take(self, member: Member, source: str, fd: int) -> None:
        try:
            data = os.read(fd, READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._forget(fd)
            return
        member.output.write(source, data)
        self.notify()

    def _hear(self, member: Member, fd: int) -> None:
        try:
            message = member.process.connection.recv()
        except (EOFError, OSError, ValueError):
            self._forget(fd)
            member.drain()
            member.give_up()
            self.notify()
            return
        except Exception:  # noqa: BLE001 - a message that cannot be read must not end the reading of all others
            return
        match message:
            case messages.Answer():
                member.drain()
                if message.group is not None:
                    member.group = message.group
                future = member.waiting.pop(message.request, None)
                if future is not None:
                    future.set_result(message)
            case messages.Display():
                member.drain()
                member.output.show(message)
                member.send(messages.Receipt(message.receipt))
            case messages.Sample():
                member.samples.append(message)
        self.notify()
