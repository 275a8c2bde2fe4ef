"""The ranks of one group as processes: start, ask, renew their process group, replace one, stop.

Not covered: what a cell does and how a stuck one is ended (``run``).
"""

from __future__ import annotations

import contextlib
import itertools
import os
import pathlib
import shutil
import socket
import sys
import time
from concurrent.futures import Future, wait
from typing import TYPE_CHECKING, Any

from mgpu_lab.engine.backends.directories import working_directory
from mgpu_lab.engine.backends.local import shared_template
from mgpu_lab.engine.inbox import Inbox, Member
from mgpu_lab.engine.interrupts import held_back
from mgpu_lab.engine.output import CellOutput
from mgpu_lab.wire import messages
from mgpu_lab.wire.errors import RanksError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

START_TIMEOUT_S = 120.0
LEAVE_TIMEOUT_S = 1.0
_numbers = itertools.count(1)


class Workers:
    """``world_size`` rank processes on one device kind, joined to one process group."""

    def __init__(self, world_size: int, device: str) -> None:
        """Start the processes and wait until their group is up."""
        self.world_size, self.device = world_size, device
        self.template = shared_template()
        self.directory = pathlib.Path(self.template.directory, f"group-{os.getpid()}-{next(_numbers)}")
        self.generation = 0
        self.sampling_s = 0.0
        self.retired: set[str] = set()  # kinds of objects that died with the last process group
        self.inbox = Inbox()
        self.members: dict[int, Member] = {}
        self._requests = itertools.count(1)
        try:
            self.directory.mkdir(mode=0o700)
            self.replace(range(world_size))
        except BaseException:
            self.stop()
            raise

    # ---- asking

    def ask(self, rank: int, make: Callable[..., Any], *args: Any) -> Future[messages.Answer]:
        """Send ``make(request, *args)`` to a rank; the future ends in EOFError if the rank goes."""
        member, request = self.members[rank], next(self._requests)
        future: Future[messages.Answer] = Future()
        member.waiting[request] = future
        member.send(make(request, *args))
        if not member.alive:
            member.give_up()
        return future

    def ask_all(
        self, ranks: Iterable[int], make: Callable[..., Any], *args: Any, timeout_s: float
    ) -> dict[int, messages.Answer]:
        """Ask several ranks; those that have gone or did not answer in time are missing in the result."""
        futures = {rank: self.ask(rank, make, *args) for rank in ranks}
        wait(futures.values(), timeout=timeout_s)
        return {r: f.result() for r, f in futures.items() if f.done() and f.exception() is None}

    def alive(self) -> list[int]:
        """List the ranks whose process lives."""
        return [rank for rank, member in self.members.items() if member.alive]

    def gone(self) -> list[int]:
        """List the ranks whose process has ended."""
        return [rank for rank, member in self.members.items() if not member.alive]

    def set_sampling(self, period_s: float) -> None:
        """Have living ranks send a live sample every ``period_s``, or none (0); new ones will do the same."""
        self.sampling_s = period_s
        for rank in self.alive():
            self.ask(rank, messages.Sampling, period_s)

    # ---- the process group

    def renew(self) -> None:
        """Have all ranks leave their process group and join a new one; variables stay."""
        request = self._next_generation()
        futures = {rank: self.ask(rank, self._join_message, request) for rank in self.members}
        self._wait_until_joined(futures)

    def break_store(self) -> None:
        """End waits on the store: put a link to itself in place of the file; whoever reads it gets an error."""
        first = self.directory / f"store-{self.generation}"
        for path in {first, *self.directory.glob(f"{first.name}.*")}:
            loop = self.directory / f"loop-{path.name}"
            with contextlib.suppress(OSError):
                loop.symlink_to(path)
                loop.rename(path)

    def replace(self, ranks: Iterable[int]) -> None:
        """Start new processes for these ranks, killing the old ones, and give all ranks a new process group."""
        ranks = list(ranks)
        try:
            self.kill(ranks)
            request = self._next_generation()
            futures = {r: self.ask(r, self._join_message, request) for r in self.members if r not in ranks}
            for rank in ranks:
                member = Member(rank, self.template.fork(self._spec(rank, request), self.inbox.notify))
                self.members[rank] = member
                futures[rank] = member.waiting[0] = Future()
                self.inbox.add(member)
            self.members = dict(sorted(self.members.items()))
            self._wait_until_joined(futures)
        except KeyboardInterrupt:  # Stop: what is half made counts as gone, and nobody waits for it
            with held_back():
                self.kill(ranks)
                self.break_store()
            raise

    def kill(self, ranks: Iterable[int]) -> None:
        """Kill processes and wait until they have ended. They stay members, as ranks that are gone."""
        doomed = [self.members[rank] for rank in ranks if rank in self.members]
        for member in doomed:
            member.process.ended_here |= member.alive
            member.process.signal_group(9)
        for member in doomed:
            member.process.exited.wait(2)
            self.inbox.remove(member)

    def stop(self) -> None:
        """End all processes: politely where they listen, by SIGKILL where they do not. Harmless the second time."""
        with held_back():
            if self.inbox.closed:
                return
            for member in self.members.values():
                member.send(messages.Shutdown(0))
            deadline = time.monotonic() + LEAVE_TIMEOUT_S
            for member in self.members.values():
                member.process.exited.wait(max(0.0, deadline - time.monotonic()))
            self.kill(list(self.members))
            self.inbox.close()
            shutil.rmtree(self.directory, ignore_errors=True)

    # ---- inside

    @staticmethod
    def _join_message(request: int, group: messages.JoinGroup) -> messages.JoinGroup:
        return messages.JoinGroup(request, group.generation, group.store_path, group.master_port)

    def _next_generation(self) -> messages.JoinGroup:
        for old in [*self.directory.glob("store-*"), *self.directory.glob("board-*")]:
            with contextlib.suppress(OSError):
                old.unlink()
        self.generation += 1
        store = str(self.directory / f"store-{self.generation}")
        return messages.JoinGroup(0, self.generation, store, free_port())

    def _spec(self, rank: int, group: messages.JoinGroup) -> messages.RankSpec:
        return messages.RankSpec(
            rank=rank,
            world_size=self.world_size,
            device=self.device,
            threads=threads_per_rank(self.world_size),
            directory=str(self.directory),
            environ=dict(os.environ),
            cwd=working_directory(),
            sys_path=list(sys.path),
            group=group,
        )

    def _wait_until_joined(self, futures: dict[int, Future[messages.Answer]]) -> None:
        self.retired = set()
        wait(futures.values(), timeout=START_TIMEOUT_S)
        for rank, future in futures.items():
            why = self._why_not_joined(future)
            if why:
                printed = self.members[rank].output.last_lines(5)
                msg = f"rank {rank} did not come up: {why}. {printed}".strip()
                raise RanksError(msg)
            self.retired.update(future.result().value or ())
        for rank in futures:
            self.members[rank].output = CellOutput()
        if self.sampling_s:
            self.set_sampling(self.sampling_s)

    @staticmethod
    def _why_not_joined(future: Future[messages.Answer]) -> str:
        if not future.done():
            return f"no answer within {START_TIMEOUT_S:.0f} s"
        if future.exception() is not None:
            return "its process ended"
        failure = future.result().failure
        return f"{failure.ename}: {failure.evalue}" if failure else ""


def usable_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads_per_rank(world_size: int) -> int:
    """Share the cores out; an OMP_NUM_THREADS that is set (Binder sets it) stays the upper bound."""
    share = max(1, usable_cores() // world_size)
    limit = os.environ.get("OMP_NUM_THREADS", "")
    return min(share, int(limit)) if limit.isdigit() and int(limit) > 0 else share


def free_port() -> int:
    """Return a port that is free on the loopback address now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
