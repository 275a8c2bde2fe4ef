"""The ranks of one group: start them, ask them, renew their process group, replace one, stop."""

import contextlib
import itertools
import pickle
import queue
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from mgpu_lab.engine.backends.protocols import Backend
from mgpu_lab.engine.interrupts import held_back
from mgpu_lab.engine.member import Asked, Member
from mgpu_lab.wire import messages
from mgpu_lab.wire.errors import RanksError

START_TIMEOUT_S = 120.0
LEAVE_TIMEOUT_S = 1.0


class Members(Mapping[int, Member]):
    """``world_size`` ranks on one kind of device, joined to one process group; a mapping from rank to member."""

    def __init__(self, backend: Backend, world_size: int, device: str) -> None:
        """Start the processes and wait until their group is up."""
        self.backend, self.world_size, self.device = backend, world_size, device
        self.rendezvous = backend.rendezvous()
        self.generation = 0
        self.sampling_s = 0.0
        self.retired: tuple[messages.Retired, ...] = ()  # what died with the last process group
        self._members: dict[int, Member] = {}
        self.news: queue.SimpleQueue[None] = queue.SimpleQueue()
        self.stopped = self.started_warm = False
        self._requests = itertools.count(1)
        try:
            self.replace(range(world_size))
        except BaseException:
            self.stop()
            raise

    def __getitem__(self, rank: int) -> Member:
        return self._members[rank]

    def __iter__(self) -> Iterator[int]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    # ---- asking

    def ask(
        self, ranks: Iterable[int], make: Callable[..., Any], *args: Any, wake: Callable[[], None] | None = None
    ) -> Asked:
        """Send ``make(request, *args)`` to ranks; those that go without an answer end up in ``gone``."""
        ranks = list(ranks)
        asked = Asked(next(self._requests), ranks, wake)
        self._send(ranks, asked, make(asked.request, *args))
        return asked

    def notify(self) -> None:
        """Wake whoever waits for news; safe in a signal handler."""
        self.news.put(None)

    def wait_for_news(self, timeout_s: float) -> None:
        """Wait for news, then take all of it at once."""
        with contextlib.suppress(queue.Empty):
            self.news.get(timeout=timeout_s)
            while True:
                self.news.get_nowait()

    def alive(self) -> list[int]:
        return [rank for rank, member in self.items() if member.alive]

    def gone(self) -> list[int]:
        return [rank for rank, member in self.items() if not member.alive]

    def set_sampling(self, period_s: float) -> None:
        """Have living ranks send a live sample every ``period_s``, or none (0); new ones will do the same."""
        self.sampling_s = period_s
        self.ask(self.alive(), messages.Sampling, period_s)

    # ---- the process group

    def renew(self) -> None:
        """Have all ranks leave their process group and join a new one; variables stay."""
        generation, meeting = self._next_generation()
        try:
            self._wait_until_joined(self.ask(self, messages.JoinGroup, generation, meeting))
        except BaseException:
            self.rendezvous.break_store()  # or those that have begun to join wait for the others
            raise

    def replace(self, ranks: Iterable[int]) -> None:
        """Start new processes for these ranks, killing the old ones, and give all ranks a new process group."""
        ranks = list(ranks)
        self.started_warm = self.backend.warm()
        try:
            self.kill(ranks)
            others = [rank for rank in self if rank not in ranks]
            asked = Asked(next(self._requests), [*others, *ranks])
            join = messages.JoinGroup(asked.request, *self._next_generation())
            self._send(others, asked, join)
            for rank in ranks:
                self._start(rank, join, asked)
            self._members = dict(sorted(self.items()))
            self._wait_until_joined(asked)
        except KeyboardInterrupt:  # Stop: what is half made counts as gone, and nobody waits for it
            with held_back():
                self.kill(ranks)
                self.rendezvous.break_store()
            raise
        except RanksError:
            self.rendezvous.break_store()
            raise

    def kill(self, ranks: Iterable[int]) -> None:
        """Kill processes and wait until they have ended. They stay members, as ranks that are gone."""
        doomed = [self[rank] for rank in ranks if rank in self]
        for member in doomed:
            member.process.kill()
        for member in doomed:
            member.process.wait_ended(2)
            member.process.close()
            member.hung_up()

    def stop(self) -> None:
        """End all processes: politely where they listen, by SIGKILL where they do not. Harmless the second time."""
        with held_back():
            if self.stopped:
                return
            self.stopped = True
            shutdown = pickle.dumps(messages.Shutdown())
            for member in self.values():
                member.process.send(shutdown, control=False)
                member.process.send(shutdown, control=True)
            deadline = time.monotonic() + LEAVE_TIMEOUT_S
            for member in self.values():
                member.process.wait_ended(max(0.0, deadline - time.monotonic()))
            self.kill(list(self))
            self.rendezvous.close()

    def forget_output(self) -> None:
        """Drop what ranks have printed while they joined their group."""
        for member in self.values():
            member.take_output()

    # ---- inside

    def _send(self, ranks: Iterable[int], asked: Asked, message: Any) -> None:
        data = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
        for rank in ranks:
            self[rank].ask(asked, data, control=isinstance(message, messages.CONTROL))

    def _next_generation(self) -> tuple[int, messages.FileMeeting]:
        self.generation += 1
        return self.generation, self.rendezvous.next(self.generation)

    def _start(self, rank: int, join: messages.JoinGroup, asked: Asked) -> None:
        member = Member(rank)
        member.asked[asked.request] = asked
        member.process = self.backend.start(rank, self.world_size, self.device, join, member)
        self._members[rank] = member

    def _wait_until_joined(self, asked: Asked) -> None:
        answers = asked.wait(START_TIMEOUT_S)
        for rank in self:
            if why := why_not_joined(answers.get(rank), gone=rank in asked.gone):
                raise RanksError(f"rank {rank} did not come up: {why}. {self[rank].output.last_lines(5)}".strip())
        self.retired = tuple({each for answer in answers.values() for each in answer.value or ()})
        if self.sampling_s:
            self.set_sampling(self.sampling_s)


def why_not_joined(answer: messages.Answer | None, *, gone: bool) -> str:
    if answer is None:
        return "its process ended" if gone else f"no answer within {START_TIMEOUT_S:.0f} s"
    return f"{answer.failure.ename}: {answer.failure.evalue}" if answer.failure else ""
