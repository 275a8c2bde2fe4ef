"""The sentences about ranks: where they wait, how one died, what was done to end a cell.

Not covered: layout (``display``).
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from mgpu_lab.engine.results import named, tag_of, verb

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mgpu_lab.engine.inbox import Member
    from mgpu_lab.engine.rescue import Rescue
    from mgpu_lab.engine.run import CellRun
    from mgpu_lab.wire.messages import Failure, Position


def place(position: Position | None) -> str:
    """Say what a rank is in and where: ``all_reduce(4 x float32), line 5``."""
    if position is None:
        return "an unknown place"
    what = position.collective or (f"`{position.source}`" if position.source else position.function)
    return f"{what}, line {position.line}" if position.line is not None else what


def grouped_by_place(positions: Mapping[int, Position | None]) -> list[tuple[list[int], str]]:
    """Group ranks that stand at the same place."""
    groups: dict[str, list[int]] = {}
    for rank, position in sorted(positions.items()):
        groups.setdefault(place(position), []).append(rank)
    return [(ranks, where) for where, ranks in groups.items()]


def death_text(member: Member) -> str:
    """Tell signal or exit code, the last memory figure, the last lines printed."""
    code = member.process.exit_code
    if member.process.ended_here:
        how = "its process was ended from the notebook, and no new one has come up"
    elif code is None:
        how = "its process ended, nobody saw how"
    elif code < 0:
        how = f"its process was ended by {signal.Signals(-code).name}"
        how += " (often the system's answer to a lack of memory)" if code == -signal.SIGKILL else ""
    else:
        how = f"its process exited with code {code}"
    if member.samples:
        how += f"; last seen with {member.samples[-1].memory_bytes / 2**20:.0f} MiB"
    lines = member.output.last_lines(3)
    return how + (f"; its last lines: {lines!r}" if lines else "") + "."


def note_text(ranks: list[int], running: list[int], rescue: Rescue, failed: Iterable[int] = ()) -> str:
    """Tell where everybody is: which ranks finished, which failed, where the others stand."""
    failed = sorted(failed)
    finished = [rank for rank in ranks if rank not in running and rank not in failed]
    parts = [f"{named(who)} {what}" for who, what in ((finished, "finished"), (failed, "failed")) if who]
    positions = {rank: rescue.position(rank) for rank in running}
    waiting = {rank: p for rank, p in positions.items() if p is not None and p.waiting}
    for here, where in grouped_by_place(waiting):
        parts.append(f"{named(here)} {verb(here, 'waits', 'wait')} in {where}")
    busy = {rank: p for rank, p in positions.items() if rank not in waiting and p is not None}
    for here, where in grouped_by_place(busy):
        parts.append(f"{named(here)} {verb(here, 'is', 'are')} at {where}")
    silent = [rank for rank, p in positions.items() if p is None and rescue.silent(rank)]
    if silent:
        parts.append(f"{named(silent)} {verb(silent, 'does', 'do')} not answer (C code that holds the interpreter)")
    hint = ""
    if len(waiting) == len(running) and running:
        missing = sorted(set(rescue.workers.members) - set(running))
        hint = (
            f": {verb(running, 'it waits', 'they wait')} for a call the others never make"
            if missing
            else ": they wait in different calls, so none can finish"
            if len(grouped_by_place(waiting)) > 1
            else ""
        )
    return "; ".join(parts) + hint + "."


def outcome_notes(cell: CellRun, died: list[int], uneven: str) -> tuple[str, ...]:
    """Tell what was done to end the cell, what was kept and what was lost."""
    notes = []
    rescue, workers = cell.rescue, cell.workers
    killed = sorted(rescue.killed)
    if cell.stopped_s is not None:
        notes.append(f"{cell.stop_reason}: the cell was interrupted on {named(sorted(rescue.interrupted))}.")
    released = [rank for rank in sorted(rescue.released) if rank not in killed]
    waited = {rank: place(rescue.places[rank]) for rank in released if rank in rescue.places}
    waited |= {rank: echo_place(cell.failures[rank]) for rank in cell.echoes() if rank not in waited}
    for where in dict.fromkeys(waited[rank] for rank in sorted(waited)):
        here = [rank for rank in sorted(waited) if waited[rank] == where]
        notes.append(f"{named(here)} {verb(here, 'was', 'were')} waiting in {where}: released.")
    stood = {rank: position for rank in killed if (position := rescue.position(rank)) is not None}
    for here, where in grouped_by_place(stood):
        notes.append(f"{named(here)} stood in {where}.")
    if killed:
        notes.append(
            f"{named(killed)} did not answer and {verb(killed, 'was', 'were')} killed and started anew: "
            f"{verb(killed, 'its', 'their')} variables are lost."
        )
    notes += death_notes(died, sorted(workers.members)) if died else group_notes(cell, uneven)
    return tuple(notes)


def echo_place(failure: Failure) -> str:
    """Say where a rank was that another rank's end let go."""
    what = failure.collective or "communication"
    return f"{what}, line {failure.line}" if failure.line is not None else what


def death_notes(died: list[int], ranks: list[int]) -> list[str]:
    """Tell what is left after a death and how to go on."""
    left = [rank for rank in ranks if rank not in died]
    kept = f" {named(left)} {verb(left, 'keeps its', 'keep their')} variables:" if left else ""
    on = f" `%ranks restart --on {tag_of(died)}` starts only {named(died)} anew;" if left else ""
    return [f"{named(died)} {verb(died, 'is', 'are')} gone.{kept}{on} `%ranks restart` starts all ranks anew."]


def group_notes(cell: CellRun, uneven: str) -> list[str]:
    """Tell that the process group was made anew."""
    again = f" Make again what was made on the old one: {', '.join(sorted(cell.workers.retired))}."
    again = again if cell.workers.retired else ""
    left = cell.leavers() if cell.echoes() and len(cell.leavers()) < len(cell.ranks) else []
    leave = [f"{named(left)} left the process group (destroy_process_group) while others used it."] if left else []
    if cell.rescue.released or cell.rescue.killed or leave:
        return [*leave, f"The process group was made anew; variables are kept.{again}"]
    if uneven and uneven != "left":
        why = f"The ranks did not make the same calls ({uneven}), so the process group was made anew;"
        return [f"{why} variables are kept.{again}"]
    return []
