"""Ask ranks that run no cell: which of them are meant, what they answer, and what they refuse."""

import signal
from collections.abc import Callable, Iterable
from typing import Any

from mgpu_lab.engine.arguments import rank_numbers
from mgpu_lab.engine.members import Members
from mgpu_lab.engine.run import death_of
from mgpu_lab.engine.sentences import death_text
from mgpu_lab.wire.errors import RanksError, UsageError
from mgpu_lab.wire.messages import Answer
from mgpu_lab.wire.naming import named, tag_of, verb

ANSWER_TIMEOUT_S, HELP_TIMEOUT_S = 60.0, 2.0


def pick(members: Members, on: Iterable[int] | None, *, must_live: bool = True) -> list[int]:
    """Return the ranks that ``on`` names, all for None; UsageError or RanksError where they cannot be asked."""
    everyone = list(members)
    chosen = everyone if on is None else rank_numbers(on)
    if not chosen:
        raise UsageError("name at least one rank, for example on=[0].")
    if absent := [rank for rank in chosen if rank not in everyone]:
        msg = f"there is no {named(absent)}: {len(everyone)} ranks run, numbered 0 to {len(everyone) - 1}."
        raise UsageError(msg)
    gone = members.gone()
    if must_live and (lost := [rank for rank in chosen if rank in gone]):
        left = f", or run on the others with `--on {tag_of(members.alive())}`" if members.alive() else ""
        raise RanksError(
            f"{named(lost)} {verb(lost, 'is', 'are')} gone ({death_text(death_of(members[lost[0]]))}) "
            f"`%ranks restart` starts all ranks again, `%ranks restart --on {tag_of(gone)}` only the missing{left}."
        )
    return chosen


def ask_first(members: Members, make: Callable[..., Any], *args: Any) -> Any:
    """Return what the lowest living rank answers; None where there is none or it takes too long."""
    alive = members.alive()
    answer = asked(members, alive[:1], make, *args, timeout_s=HELP_TIMEOUT_S).get(alive[0]) if alive else None
    return answer.value if answer is not None else None


def answers_of(members: Members, ranks: list[int], make: Callable[..., Any], *args: Any) -> list[Any]:
    """Return what these ranks answer, in this order; UsageError with what they refuse, equal refusals told once."""
    answers = asked(members, ranks, make, *args, timeout_s=ANSWER_TIMEOUT_S)
    if missing := [rank for rank in ranks if rank not in answers]:
        msg = f"{named(missing)} did not answer within {ANSWER_TIMEOUT_S:.0f} s, or died: see `%ranks status`."
        raise RanksError(msg)
    refusals: dict[str, list[int]] = {}
    for rank in ranks:
        if (failure := answers[rank].failure) is not None:
            refusals.setdefault(failure.evalue, []).append(rank)
    if refusals:
        raise UsageError("; ".join(f"{named(who)}: {text}" for text, who in refusals.items()))
    return [answers[rank].value for rank in ranks]


def asked(
    members: Members, ranks: list[int], make: Callable[..., Any], *args: Any, timeout_s: float
) -> dict[int, Answer]:
    """Ask; interrupt the ranks that have not answered when time is up or Stop is pressed."""
    question = members.ask(ranks, make, *args)
    try:
        return question.wait(timeout_s)
    finally:
        for rank in list(question.pending):
            members[rank].process.signal(signal.SIGINT)
