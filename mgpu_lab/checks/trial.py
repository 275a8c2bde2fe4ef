"""Try an answer on ranks without getting stuck: every collective is agreed on before it is made.

Each trial runs in a process group of its own, which is the default one meanwhile. Before a collective of any group
is made, the ranks tell each other through the store what they are about to call. Where they differ, or where a rank
has left the trial already, ``Desynchronised`` is raised on all of them: no rank waits for one that does not come.
Messages from rank to rank are not compared; one that never comes ends with the group's time limit.
"""

import re
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import torch.distributed as dist
from torch.distributed import distributed_c10d as c10d

from mgpu_lab.checks.core import Wrong
from mgpu_lab.listening import groups
from mgpu_lab.listening.group_calls import GroupCall
from mgpu_lab.wire.errors import CollectiveMismatchError, LabError
from mgpu_lab.wire.naming import named

LIMIT = timedelta(seconds=30)  # for one wait in the trial's group
PAUSE_S = 0.001
UNCOMPARED = ("send", "recv")  # each is called on one side only
WITHOUT_SIZES = ("all_to_all",)  # may be uneven
SAME = "All ranks of a group must make the same calls in the same order, with the same sizes and types."


class Desynchronised(LabError):  # noqa: N818 - a verdict on an answer, not an error of this package
    """The ranks do not make the same calls."""


class Meeting:
    """Where the ranks of one trial leave word for each other: keys in the store of the real process group."""

    def __init__(self, store: Any, size: int) -> None:
        """Give the trial a place of its own; all ranks do this after they made the trial's group together."""
        count = c10d._world.group_count  # noqa: SLF001 - counts groups on all ranks alike
        self.store = c10d.PrefixStore(f"mgpu_lab/trial/{count}", store)
        self.rank, self.size = dist.get_rank(), size

    def leave(self, how: str) -> None:
        """Say that this rank makes no further call, and why."""
        self.store.set(f"left/{self.rank}", how)

    def how_left(self, rank: int) -> str | None:
        if rank >= self.size:
            return "takes no part in this trial"
        key = f"left/{rank}"
        return self.store.get(key).decode() if self.store.check([key]) else None

    def exchange(self, hint: str | None, ranks: int) -> list[str]:
        """Return every rank's hint, empty where it has none; waits for all."""
        self.store.set(f"hint/{self.rank}", hint or "")
        keys = [f"hint/{rank}" for rank in range(ranks)]
        pause_s = PAUSE_S
        while not self.store.check(keys):
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, 0.05)
        return [self.store.get(key).decode() for key in keys]


class Guard:
    """Hears this rank's calls and lets each pass when all ranks of its group are about to make the same."""

    follows_work = False

    def __init__(self, meeting: Meeting) -> None:
        self.meeting, self.counts = meeting, dict[str, int]()
        self.verdict: str | None = None

    def heard(self, call: GroupCall) -> None:
        """Raise Desynchronised, on all ranks, where they do not agree; again at every later call."""
        __tracebackhide__ = True
        if self.verdict is None and call.name not in UNCOMPARED:
            name = str(call.group.group_name)
            number = self.counts[name] = self.counts.get(name, 0) + 1
            self.verdict = self.compare(number, call)
        if self.verdict is not None:
            raise Desynchronised(self.verdict)

    def compare(self, number: int, call: GroupCall) -> str | None:
        """Tell the other ranks of call ``number`` of its group and wait for theirs; return what is wrong with them."""
        text = call.name if call.name in WITHOUT_SIZES else str(call)
        ranks = dist.get_process_group_ranks(call.group)
        store, place = self.meeting.store, f"{call.group.group_name}/{number}"
        store.set(f"{place}/{self.meeting.rank}", text)
        missing, left = [rank for rank in ranks if rank != self.meeting.rank], dict[int, str]()
        while missing:
            left = {rank: how for rank in missing if (how := self.meeting.how_left(rank))}
            missing = [rank for rank in missing if not store.check([f"{place}/{rank}"])]
            if any(rank in missing for rank in left):
                gone = [rank for rank in left if rank in missing]
                return f"{ended(gone, left[gone[0]], number - 1)}, and rank {self.meeting.rank} calls {call}. {SAME}"
            time.sleep(PAUSE_S if missing else 0)
        return differing({rank: store.get(f"{place}/{rank}").decode() for rank in ranks})


def ended(ranks: list[int], how: str, calls: int) -> str:
    return f"{named(ranks)} {how} after {calls} call{'' if calls == 1 else 's'}"


def differing(calls: dict[int, str]) -> str | None:
    """Say who calls what where ranks differ; None where they agree.

    >>> differing({0: "barrier()", 1: "barrier()"})
    >>> differing({0: "barrier()", 1: "all_reduce(2 x float32)"}).partition(". ")[0]
    'rank 0 calls barrier(); rank 1 calls all_reduce(2 x float32)'
    """
    kinds = dict[str, list[int]]()
    for rank, text in calls.items():
        kinds.setdefault(text, []).append(rank)
    if len(kinds) == 1:
        return None
    told = [f"{named(ranks)} call{'s' if len(ranks) == 1 else ''} {text}" for text, ranks in kinds.items()]
    return f"{'; '.join(told)}. {SAME}"


def attempt(trial: Callable[[], str | None], meeting: Meeting) -> tuple[str | None, BaseException | None]:
    """Run this rank's part; return its hint (one that begins with ``!`` comes before others') and its own error."""
    guard, how = Guard(meeting), "was interrupted"
    try:
        with groups.listening(guard):
            hint = hint_of(trial)
    except (Desynchronised, CollectiveMismatchError) as error:
        how = "did not make the same call"
        return f"!{error}", None
    except Exception as error:  # noqa: BLE001 - the answer's own: raised on this rank, told to the others
        how = f"raised {type(error).__name__}"
        if timed_out(error):
            return f"!rank {meeting.rank} waited {LIMIT.seconds} s for what no rank sent.", None
        if "closed by peer" in str(error):  # gloo's words
            told = f"lost its partner, which had waited {LIMIT.seconds} s for what no rank sent or had raised an error"
            return f"rank {meeting.rank} {told}.", None
        return f"rank {meeting.rank} raised {type(error).__name__}: {str(error).partition(chr(10))[0]}", error
    else:
        how = "returned"
        return hint if guard.verdict is None else f"!{guard.verdict}", None
    finally:
        meeting.leave(how)


def hint_of(trial: Callable[[], str | None]) -> str | None:
    """Return a trial's hint, also where it is raised."""
    try:
        return trial()
    except Wrong as wrong:
        return str(wrong)


def timed_out(error: BaseException) -> bool:
    return isinstance(error, RuntimeError) and re.search("[Tt]imed out|[Tt]imeout", str(error)) is not None
