"""A rank's end of a channel to the kernel: wait, hear, say. A rank whose kernel has gone ends."""

import contextlib
import os
import pickle
import select
import struct
import threading
from multiprocessing.connection import Connection
from typing import Any, NoReturn

HEAD, LONG_HEAD = struct.Struct("!i"), struct.Struct("!iQ")  # as Connection has them
SHORT_BYTES, LARGEST_READ = 1 << 14, 1 << 22


class Voice:
    """One channel to the kernel; a rank whose kernel has gone ends."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.pid = os.getpid()
        self.sending = threading.Lock()
        self.rest = b""  # of what was read, the beginning of the next message
        self.poller = select.poll()
        self.poller.register(connection.fileno(), select.POLLIN)

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for a message, or the end; a signal handler of the cell's own may raise here, a ``TimeoutError`` too."""
        try:
            return bool(self.rest) or bool(self.poller.poll(None if timeout_s is None else 1e3 * timeout_s))
        except OSError:
            if is_open(self.connection.fileno()):
                raise
            self.end()

    def hear(self) -> Any:
        """Return the next message; a short one that is there takes a single read."""
        try:
            data, self.rest = self.rest or self.read(), b""
            while len(data) < HEAD.size:
                data += self.read()
            (size,) = HEAD.unpack_from(data)
            if not 0 <= size <= len(data) - HEAD.size:
                return pickle.loads(self.long(data))  # noqa: S301 - from the kernel, over a pair without address
        except OSError:
            self.end()
        end = HEAD.size + size
        self.rest = data[end:]
        return pickle.loads(data[HEAD.size : end])  # noqa: S301 - as above

    def long(self, data: bytes) -> bytearray:
        """Return the rest of a message that begins with ``data``, whose length is in four or in twelve bytes."""
        (size,), begin = HEAD.unpack_from(data), HEAD.size
        if size < 0:
            while len(data) < LONG_HEAD.size:
                data += self.read()
            begin, size = LONG_HEAD.size, LONG_HEAD.unpack_from(data)[1]
        found = bytearray(data[begin : begin + size])
        self.rest = data[begin + size :]
        while len(found) < size:
            found += self.read(min(size - len(found), LARGEST_READ))
        return found

    def read(self, most: int = SHORT_BYTES) -> bytes:
        """Read what is there; end where the kernel has gone."""
        return os.read(self.connection.fileno(), most) or self.end()

    def say(self, message: Any) -> None:
        """Send; a fork of the rank (a DataLoader worker) must not speak for it."""
        if os.getpid() != self.pid:
            return
        try:
            with self.sending:
                self.send(pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL))
        except OSError:
            self.end()

    def send(self, data: bytes) -> None:
        """Send one frame, a short one in a single step: with many ranks its cost counts."""
        if len(data) < SHORT_BYTES:
            data = HEAD.pack(len(data)) + data
            while data:
                data = data[os.write(self.connection.fileno(), data) :]
        else:
            self.connection.send_bytes(data)

    def end(self) -> NoReturn:
        """End without delay: nobody is left to answer to, or this is a cell's fork that has come to the cell's end."""
        os._exit(0)

    def forget(self) -> None:
        """Close it in a child forked by the cell, which would hold it open."""
        with contextlib.suppress(OSError):
            os.close(self.connection.fileno())


def is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True
