"""The sentences about ranks: where they wait, how one died, what was done to end a cell. Pure: facts in, words out."""

import signal
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from mgpu_lab.wire.messages import Failure, GroupState, Position, Retired
from mgpu_lab.wire.naming import named, tag_of, verb

LEFT = "left"
FOR_EVER = "for a call the others never make"
IN_DIFFERENT = "they wait in different calls, so none can finish"


@dataclass(frozen=True)
class Death:
    """How a process ended, and what was last known of it."""

    code: int | None  # exit code, or the negative signal; None: nobody saw
    decided_here: bool = False
    memory_bytes: int | None = None
    last_lines: str = ""


@dataclass(frozen=True)
class Outcome:
    """What was done to end a cell, and what became of the group."""

    everyone: tuple[int, ...]  # the ranks of the group
    stop_reason: str = ""  # empty: it was not stopped
    interrupted: tuple[int, ...] = ()
    waited: dict[int, str] = field(default_factory=dict)  # ranks that were let go, and where they had waited
    killed: tuple[int, ...] = ()
    stood: dict[int, Position] = field(default_factory=dict)  # where killed ranks stood
    died: tuple[int, ...] = ()
    left: tuple[int, ...] = ()  # ranks that left the group while others used it
    released: bool = False
    uneven: str = ""  # how the ranks' calls differ
    retired: tuple[Retired, ...] = ()  # what died with the group


def place(position: Position | None) -> str:
    """Say what a rank is in and where: ``all_reduce(4 x float32), line 5``."""
    if position is None:
        return "an unknown place"
    what = position.collective or (f"`{position.source}`" if position.source else position.function)
    return f"{what}, line {position.line}" if position.line is not None else what


def grouped_by_place(positions: Mapping[int, Position | None]) -> list[tuple[list[int], str]]:
    groups: dict[str, list[int]] = {}
    for rank, position in sorted(positions.items()):
        groups.setdefault(place(position), []).append(rank)
    return [(ranks, where) for where, ranks in groups.items()]


def death_text(death: Death) -> str:
    """Tell signal or exit code, the last memory figure, the last lines printed."""
    if death.decided_here:
        how = "its process was ended from the notebook, and no new one has come up"
    elif death.code is None:
        how = "its process ended, nobody saw how"
    elif death.code < 0:
        how = f"its process was ended by {signal.Signals(-death.code).name}"
        how += " (often the system's answer to a lack of memory)" if death.code == -signal.SIGKILL else ""
    else:
        how = f"its process exited with code {death.code}"
    if death.memory_bytes is not None:
        how += f"; last seen with {death.memory_bytes / 2**20:.0f} MiB"
    return how + (f"; its last lines: {death.last_lines!r}" if death.last_lines else "") + "."


def where_text(
    ranks: Iterable[int],
    positions: Mapping[int, Position | None],
    silent: Iterable[int],
    failed: Iterable[int],
    everyone: Iterable[int],
) -> str:
    """Tell where everybody is: which of ``ranks`` finished, which failed, where the others (``positions``) stand."""
    failed = sorted(failed)
    finished = [rank for rank in ranks if rank not in positions and rank not in failed]
    parts = [f"{named(who)} {what}" for who, what in ((finished, "finished"), (failed, "failed")) if who]
    waiting = {rank: p for rank, p in positions.items() if p is not None and p.waiting}
    for here, where in grouped_by_place(waiting):
        parts.append(f"{named(here)} {verb(here, 'waits', 'wait')} in {where}")
    busy = {rank: p for rank, p in positions.items() if rank not in waiting and p is not None}
    for here, where in grouped_by_place(busy):
        parts.append(f"{named(here)} {verb(here, 'is', 'are')} at {where}")
    if mute := [rank for rank in silent if positions.get(rank) is None]:
        parts.append(f"{named(mute)} {verb(mute, 'does', 'do')} not answer (C code that holds the interpreter)")
    hint = hint_text(waiting, everyone) if waiting and len(waiting) == len(positions) else ""
    return "; ".join(parts) + hint + "."


def note_text(where: str) -> str:
    """Return what stands in the cell while nobody prints: where everybody is, and what to do if that cannot end."""
    ends = f"{FOR_EVER}.", f"{IN_DIFFERENT}."
    return f"{where} Press Stop to end the cell: variables are kept." if where.endswith(ends) else where


def hint_text(waiting: Mapping[int, Position | None], everyone: Iterable[int]) -> str:
    """Say why nobody can go on, where all that run wait."""
    if set(everyone) - set(waiting):
        return f": {verb(waiting, 'it waits', 'they wait')} {FOR_EVER}"
    return f": {IN_DIFFERENT}" if len(grouped_by_place(waiting)) > 1 else ""


def outcome_notes(outcome: Outcome) -> tuple[str, ...]:
    """Tell what was done to end the cell, what was kept and what was lost."""
    notes = []
    if outcome.stop_reason:
        notes.append(f"{outcome.stop_reason}: the cell was interrupted on {named(sorted(outcome.interrupted))}.")
    for where in dict.fromkeys(outcome.waited[rank] for rank in sorted(outcome.waited)):
        here = [rank for rank in sorted(outcome.waited) if outcome.waited[rank] == where]
        notes.append(f"{named(here)} {verb(here, 'was', 'were')} waiting in {where}: released.")
    for here, where in grouped_by_place(outcome.stood):
        notes.append(f"{named(here)} stood in {where}.")
    if killed := outcome.killed:
        notes.append(
            f"{named(killed)} did not answer and {verb(killed, 'was', 'were')} killed and started again: "
            f"{verb(killed, 'its', 'their')} variables are lost."
        )
    return (*notes, *(death_notes(outcome.died, outcome.everyone) if outcome.died else group_notes(outcome)))


def echo_place(failure: Failure) -> str:
    """Say where a rank was that another rank's end let go."""
    what = failure.collective or "communication"
    return f"{what}, line {failure.line}" if failure.line is not None else what


def death_notes(died: tuple[int, ...], everyone: tuple[int, ...]) -> list[str]:
    """Tell what is left after a death and how to go on."""
    left = [rank for rank in everyone if rank not in died]
    kept = f" {named(left)} {verb(left, 'keeps its', 'keep their')} variables:" if left else ""
    on = f" `%ranks restart --on {tag_of(died)}` starts only {named(died)} again;" if left else ""
    return [f"{named(died)} {verb(died, 'is', 'are')} gone.{kept}{on} `%ranks restart` starts all ranks again."]


def group_notes(outcome: Outcome) -> list[str]:
    """Tell that the process group was recreated."""
    again = f" Recreate what was made on the old one: {retired_text(outcome.retired)}." if outcome.retired else ""
    left = outcome.left
    leave = [f"{named(left)} left the process group (destroy_process_group) while others used it."] if left else []
    if outcome.released or outcome.killed or leave:
        others = " on the other ranks" if outcome.killed else ""
        return [*leave, f"The process group was recreated; variables are kept{others}.{again}"]
    if outcome.uneven and outcome.uneven != LEFT:
        why = f"The ranks did not make the same calls ({outcome.uneven}), so the process group was recreated;"
        return [f"{why} variables are kept.{again}"]
    return []


def retired_text(retired: Iterable[Retired]) -> str:
    """Name what died with a group by its variables: `ddp` (DistributedDataParallel); by its kind where none holds it.

    >>> retired_text([Retired("DeviceMesh"), Retired("DDP", "net"), Retired("DDP")])
    '`net` (DDP), DeviceMesh'
    """
    variables: dict[str, set[str]] = {}
    for each in retired:
        variables.setdefault(each.kind, set()).update([each.variable] if each.variable else [])
    return ", ".join(
        f"{', '.join(f'`{name}`' for name in sorted(names))} ({kind})" if names else kind
        for kind, names in sorted(variables.items())
    )


def uneven_calls(states: Mapping[int, GroupState]) -> str:
    """Say where ranks have made different numbers of calls on one group, or ``LEFT``; empty where they agree."""
    if any(not state.initialized for state in states.values()):
        return LEFT
    for name in {name for state in states.values() for name, _ in state.calls}:
        counts = {r: dict(s.calls)[name] for r, s in states.items() if name in dict(s.calls)}
        if len(set(counts.values())) > 1:
            return ", ".join(f"rank {rank} made {count}" for rank, count in counts.items())
    return ""
