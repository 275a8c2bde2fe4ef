"""The sentences a learner reads when a cell did not end by itself."""

import pytest

from mgpu_lab.engine.sentences import (
    Death,
    Outcome,
    death_text,
    note_text,
    outcome_notes,
    place,
    retired_text,
    uneven_calls,
    where_text,
)
from mgpu_lab.wire.messages import GroupState, Position, Retired


def at(line, what="", *, waiting=True, source="x = 1"):
    return Position(line, source, "f", what or None, waiting, (), 0.0)


@pytest.mark.parametrize(
    ("position", "text"),
    [
        (None, "an unknown place"),
        (at(5, "all_reduce(4 x float32)"), "all_reduce(4 x float32), line 5"),
        (at(2), "`x = 1`, line 2"),
        (at(None, source=""), "f"),
    ],
)
def test_place(position, text):
    assert place(position) == text


@pytest.mark.parametrize(
    ("death", "text"),
    [
        (Death(3), "its process exited with code 3."),
        (Death(-9), "its process was ended by SIGKILL (often the system's answer to a lack of memory)."),
        (Death(None), "its process ended, nobody saw how."),
        (Death(-9, decided_here=True), "its process was ended from the notebook, and no new one has come up."),
        (
            Death(-11, memory_bytes=2**21, last_lines="bye"),
            "its process was ended by SIGSEGV; last seen with 2 MiB; its last lines: 'bye'.",
        ),
    ],
)
def test_death(death, text):
    assert death_text(death) == text


@pytest.mark.parametrize(
    ("positions", "silent", "failed", "text"),
    [
        ({0: at(3, "barrier()")}, [], [1], (
            "ranks 2-3 finished; rank 1 failed; "
            "rank 0 waits in barrier(), line 3: it waits for a call the others never make."
        )),
        ({rank: at(2 + rank % 2, "barrier()") for rank in range(4)}, [], [], (
            "ranks 0, 2 wait in barrier(), line 2; ranks 1, 3 wait in barrier(), line 3: "
            "they wait in different calls, so none can finish."
        )),
        ({rank: at(2, "barrier()") for rank in range(4)}, [], [], "ranks 0-3 wait in barrier(), line 2."),
        ({0: at(2, "barrier()"), 1: at(4, waiting=False), 2: None}, [2], [], (
            "rank 3 finished; rank 0 waits in barrier(), line 2; rank 1 is at `x = 1`, line 4; "
            "rank 2 does not answer (C code that holds the interpreter)."
        )),
    ],
)  # fmt: skip
def test_where(positions, silent, failed, text):
    assert where_text(range(4), positions, silent, failed, range(4)) == text


ALL_AGAIN = "`%ranks restart` starts all ranks again."
RECREATED = "process group was recreated; variables are kept."
NOTES = {
    "nothing happened": (Outcome((0, 1)), ()),
    "released": (
        Outcome((0, 1), waited={0: "barrier(), line 2"}, released=True, retired=(Retired("DeviceMesh"),)),
        (
            "rank 0 was waiting in barrier(), line 2: released.",
            f"The {RECREATED} Recreate what was made on the old one: DeviceMesh.",
        ),
    ),
    "stopped": (
        Outcome((0, 1), stop_reason="Stop was pressed", interrupted=(1, 0)),
        ("Stop was pressed: the cell was interrupted on ranks 0-1.",),
    ),
    "killed": (
        Outcome((0, 1), killed=(1,), stood={1: at(3, waiting=False)}),
        (
            "rank 1 stood in `x = 1`, line 3.",
            "rank 1 did not answer and was killed and started again: its variables are lost.",
            "The process group was recreated; variables are kept on the other ranks.",
        ),
    ),
    "died": (
        Outcome((0, 1), died=(1,)),
        (f"rank 1 is gone. rank 0 keeps its variables: `%ranks restart --on 1` starts only rank 1 again; {ALL_AGAIN}",),
    ),
    "all died": (Outcome((0, 1), died=(0, 1)), (f"ranks 0-1 are gone. {ALL_AGAIN}",)),
    "left": (
        Outcome((0, 1), left=(1,)),
        ("rank 1 left the process group (destroy_process_group) while others used it.", f"The {RECREATED}"),
    ),
    "uneven": (
        Outcome((0, 1), uneven="rank 0 made 1, rank 1 made 2"),
        (f"The ranks did not make the same calls (rank 0 made 1, rank 1 made 2), so the {RECREATED}",),
    ),
    "all left, by themselves": (Outcome((0, 1), uneven="left"), ()),
}


@pytest.mark.parametrize("name", NOTES)
def test_notes(name):
    outcome, notes = NOTES[name]
    assert outcome_notes(outcome) == notes


@pytest.mark.parametrize(
    ("positions", "told"),
    [
        ({0: at(3, "barrier()")}, True),
        ({0: at(3, "barrier()"), 1: at(4, "barrier()")}, True),
        ({0: at(3, "barrier()"), 1: at(3, "barrier()")}, False),  # it may end
        ({0: at(3, "barrier()"), 1: at(4, waiting=False)}, False),
    ],
)
def test_what_to_do_is_told_where_nobody_can_go_on(positions, told):
    where = where_text(positions, positions, [], [], range(2))
    assert note_text(where) == where + " Press Stop to end the cell: variables are kept." * told


def test_what_died_with_a_group_is_named_by_its_variables():
    retired = [Retired("DDP", "net"), Retired("DDP", "ema"), Retired("DDP"), Retired("DeviceMesh")]
    assert retired_text(retired) == "`ema`, `net` (DDP), DeviceMesh"


@pytest.mark.parametrize(
    ("states", "text"),
    [
        ([(True, {"0": 3}), (True, {"0": 3})], ""),
        ([(True, {"0": 3}), (True, {"0": 4})], "rank 0 made 3, rank 1 made 4"),
        ([(True, {"0": 3, "sub": 1}), (True, {"0": 3})], ""),  # a group that only one of them is in
        ([(True, {"0": 3}), (False, {})], "left"),
    ],
)
def test_uneven_calls(states, text):
    told = {rank: GroupState(1, joined, tuple(calls.items())) for rank, (joined, calls) in enumerate(states)}
    assert uneven_calls(told) == text
