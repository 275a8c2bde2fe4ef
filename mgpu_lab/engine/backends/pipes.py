"""Carry bytes between the kernel and its rank processes: one thread that never stops reading and never waits to write.

Reading never stops, so a rank never blocks on a full pipe; what cannot be written at once is written when the rank
reads again, so a rank that reads nothing (stopped, say) holds nobody up. A frame is what ``multiprocessing``'s
``Connection`` at the rank's end understands: a length in four bytes (or -1 and eight bytes), then a pickle.
"""

import collections
import contextlib
import os
import pickle
import queue
import select
import selectors
import socket
import struct
import threading
from collections.abc import Callable
from functools import partial

from mgpu_lab.engine.backends.protocols import Listener

READ_BYTES = 1 << 16
MOST_BYTES = 1 << 22
SHORT, LONG = struct.Struct("!i"), struct.Struct("!iQ")


class Channel:
    """One end of a socket pair: frames go out without waiting and come in as they arrive."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)  # noqa: FBT003 - the stdlib's own signature
        self.sock = sock
        self.received = bytearray()
        self.unsent: collections.deque[memoryview] = collections.deque()
        self.lock = threading.Lock()

    def send(self, message: bytes) -> bool:
        """Send a frame; return whether all of it has gone. OSError where nobody is at the other end."""
        head = SHORT.pack(len(message)) if len(message) < 1 << 31 else LONG.pack(-1, len(message))
        with self.lock:
            self.unsent.append(memoryview(head + message))
            return self.flush()

    def flush(self) -> bool:
        """Send what the other end has room for; return whether all of it has gone. The caller holds the lock."""
        with contextlib.suppress(BlockingIOError):
            while self.unsent:
                sent = self.sock.send(self.unsent[0])
                if rest := self.unsent.popleft()[sent:]:
                    self.unsent.appendleft(rest)
        return not self.unsent

    def receive(self) -> list[bytes]:
        """Return the frames that are complete; EOFError once nothing more can come."""
        try:
            data = self.sock.recv(min(MOST_BYTES, max(READ_BYTES, self._missing())))
        except BlockingIOError:
            return []
        except OSError:
            data = b""
        if not data:
            raise EOFError
        self.received += data
        frames = []
        while (size := self._frame()) is not None:
            begin, end = size
            frames.append(bytes(memoryview(self.received)[begin:end]))
            del self.received[:end]
        return frames

    def pending(self) -> bool:
        """Whether there is something to read, be it the end."""
        try:
            self.sock.recv(1, socket.MSG_PEEK)
        except OSError:
            return False
        return True

    def _frame(self) -> tuple[int, int] | None:
        head = self._head()
        return head if head is not None and len(self.received) >= head[1] else None

    def _missing(self) -> int:
        head = self._head()
        return head[1] - len(self.received) if head is not None else 0

    def _head(self) -> tuple[int, int] | None:
        """Return where the first frame's pickle begins and ends."""
        if len(self.received) < SHORT.size:
            return None
        (size,) = SHORT.unpack_from(self.received)
        if size >= 0:
            return SHORT.size, SHORT.size + size
        if len(self.received) < LONG.size:
            return None
        return LONG.size, LONG.size + int(LONG.unpack_from(self.received)[1])


class Line:
    """All connections of one process, and who listens to it."""

    def __init__(self, requests: Channel, control: Channel, out: int, err: int, listener: Listener) -> None:
        self.requests, self.control, self.listener = requests, control, listener
        self.streams = {out: "stdout", err: "stderr"}
        self.hung_up = False
        self.printing = select.poll()
        for fd in self.streams:
            self.printing.register(fd, select.POLLIN)

    def drain(self) -> None:
        """Take in all that has been printed so far."""
        for fd, _ in self.printing.poll(0):
            with contextlib.suppress(OSError):
                while data := os.read(fd, READ_BYTES):
                    self.listener.printed(self.streams[fd], data)
                    if len(data) < READ_BYTES:
                        break

    def hear(self, channel: Channel) -> None:
        """Pass on what has come; what was printed before comes before it. EOFError once nothing more can come."""
        frames = channel.receive()
        if frames and channel is self.requests:
            self.drain()
        for frame in frames:
            with contextlib.suppress(Exception):  # a message that cannot be read must not end the reading of all others
                self.listener.heard(pickle.loads(frame))  # noqa: S301 - from our own fork, over a pair without address

    def hang_up(self) -> None:
        """Pass on what is still to be read, then tell the listener, once, that nothing more will come."""
        if self.hung_up:
            return
        self.hung_up = True
        with contextlib.suppress(EOFError):
            while self.requests.pending():
                self.hear(self.requests)
        self.drain()
        self.listener.hung_up()


class Pipes:
    """The thread that reads from all lines, and writes what could not be written at once."""

    def __init__(self) -> None:
        self.selector = selectors.DefaultSelector()
        self.jobs: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self.wake_read, self.wake_write = os.pipe()
        os.set_blocking(self.wake_write, False)
        self.selector.register(self.wake_read, selectors.EVENT_READ, None)
        self.thread = threading.Thread(target=self._read, name="mgpu_lab-pipes", daemon=True)
        self.thread.start()

    def do(self, job: Callable[[], None]) -> None:
        """Have the thread carry out a job."""
        self.jobs.put(job)
        with contextlib.suppress(OSError):
            os.write(self.wake_write, b"x")

    def add(self, line: Line) -> None:
        self.do(partial(self._register, line))

    def send(self, channel: Channel, message: bytes) -> None:
        """Send a frame, or as much of it as there is room for; the rest follows. OSError where nobody reads."""
        if not channel.send(message):
            self.do(partial(self._write_when_ready, channel))

    def remove(self, line: Line, close: Callable[[], None]) -> None:
        """Stop reading, then close; wait for that."""
        done = threading.Event()

        def job() -> None:
            line.hung_up = True  # its descriptors may soon be another's
            for fd in (line.requests.sock.fileno(), line.control.sock.fileno(), *line.streams):
                self._forget(fd)
            close()
            done.set()

        self.do(job)
        if threading.current_thread() is not self.thread:  # a finalizer may run in any thread
            done.wait(2)

    def _register(self, line: Line) -> None:
        for channel in (line.requests, line.control):
            self.selector.register(channel.sock.fileno(), selectors.EVENT_READ, (line, channel))
        for fd, name in line.streams.items():
            self.selector.register(fd, selectors.EVENT_READ, (line, name))

    def _write_when_ready(self, channel: Channel) -> None:
        with contextlib.suppress(KeyError, ValueError, OSError):
            key = self.selector.get_key(channel.sock.fileno())
            self.selector.modify(key.fd, selectors.EVENT_READ | selectors.EVENT_WRITE, key.data)

    def _forget(self, fd: int) -> None:
        with contextlib.suppress(KeyError, ValueError, OSError):
            self.selector.unregister(fd)

    def _read(self) -> None:
        while True:
            woken = False
            for key, events in self.selector.select():
                if key.data is None:
                    woken = bool(os.read(self.wake_read, 4096))
                    continue
                line, source = key.data
                if isinstance(source, str):
                    self._take(line, source, key.fd)
                    continue
                if events & selectors.EVENT_WRITE:
                    self._write(line, source, key.fd)
                if events & selectors.EVENT_READ:
                    self._hear(line, source, key.fd)
            while woken and not self.jobs.empty():  # not before the last key: a job may close its descriptor
                with contextlib.suppress(Exception):  # no job may end this thread
                    self.jobs.get()()

    def _write(self, line: Line, channel: Channel, fd: int) -> None:
        try:
            with channel.lock:
                done = channel.flush()
        except OSError:  # reading will say that nobody is there
            done = True
        if done:
            with contextlib.suppress(KeyError, ValueError, OSError):
                self.selector.modify(fd, selectors.EVENT_READ, (line, channel))

    def _hear(self, line: Line, channel: Channel, fd: int) -> None:
        try:
            line.hear(channel)
        except EOFError:
            self._forget(fd)
            if channel is line.requests:
                line.hang_up()

    def _take(self, line: Line, name: str, fd: int) -> None:
        try:
            data = os.read(fd, READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            line.listener.printed(name, data)
        else:
            self._forget(fd)
