"""How the ranks of one machine meet: a store and a call log, both files in a private directory."""

import contextlib
import itertools
import os
import pathlib
import shutil
import socket

from mgpu_lab.wire.messages import FileMeeting

LOOPBACK = "127.0.0.1"
_numbers = itertools.count(1)


class FileRendezvous:
    """The meeting place of one group of ranks: a directory with a new store for each generation."""

    def __init__(self, parent: str) -> None:
        self.directory = pathlib.Path(parent, f"group-{os.getpid()}-{next(_numbers)}")
        self.directory.mkdir(mode=0o700)
        self.generation = 0

    def next(self, generation: int) -> FileMeeting:
        """Remove the last generation's files and return where the next one meets."""
        for old in [*self.directory.glob("store-*"), *self.directory.glob("calls-*")]:
            with contextlib.suppress(OSError):
                old.unlink()
        self.generation = generation
        return FileMeeting(str(self.directory), generation, LOOPBACK, free_port())

    def break_store(self) -> None:
        """End waits on the store: put a link to itself in place of the file; whoever reads it gets an error."""
        first = self.directory / f"store-{self.generation}"
        for path in {first, *self.directory.glob(f"{first.name}.*")}:
            loop = self.directory / f"loop-{path.name}"
            with contextlib.suppress(OSError):
                loop.symlink_to(path)
                loop.rename(path)

    def close(self) -> None:
        shutil.rmtree(self.directory, ignore_errors=True)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind((LOOPBACK, 0))
        return int(sock.getsockname()[1])
