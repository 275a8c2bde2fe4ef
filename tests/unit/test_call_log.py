"""Ranks compare their calls on a board: differences are found, half-written slots are not taken for one."""

import os
from types import SimpleNamespace

import pytest

from mgpu_lab.listening import calls
from mgpu_lab.rank.call_log import SLOT, SLOTS, Board, checksum_of, told
from mgpu_lab.rank.collectives import Collectives, text_of
from mgpu_lab.wire.errors import CollectiveMismatchError, StaleGroupError


@pytest.fixture
def boards(tmp_path):
    return [Board(tmp_path / "board", rank, 2) for rank in range(2)]


def test_equal_calls_pass(boards):
    for number in range(1, 3 * SLOTS):
        assert boards[0].differing(number, f"all_reduce({number} x float32) at 3") == {}
        assert boards[1].differing(number, f"all_reduce({number} x float32) at 7") == {}


def test_different_calls_are_told(boards):
    boards[0].differing(1, "all_reduce(4 x float32) at 3")
    both = {0: "all_reduce(4 x float32) at 3", 1: "all_reduce(8 x float32) at 5"}
    assert boards[1].differing(1, "all_reduce(8 x float32) at 5") == both


def test_a_rank_far_ahead_is_not_compared(boards):
    boards[0].differing(1 + SLOTS, "barrier() at 9")
    assert boards[1].differing(1, "all_reduce(8 x float32) at 5") == {}


def test_who_calls_what_is_told_in_words():
    written = {0: "all_reduce(4 x float32) at 3", 1: "barrier() at 5", 2: "all_reduce(4 x float32) at 3"}
    assert told(written) == "ranks 0, 2 call all_reduce(4 x float32), line 3; rank 1 calls barrier(), line 5"


@pytest.mark.parametrize("kept_bytes", [8, 12, 14, 20])
def test_a_slot_that_is_half_written_is_left_out(boards, kept_bytes):
    """Its beginning is new, the rest is from 256 calls ago."""
    boards[1].differing(5, "all_reduce(8192 x float32) at 5")
    raw = b"all_reduce(4096 x float32) at 5"
    new = SLOT.pack(5 + SLOTS, checksum_of(5 + SLOTS, raw), len(raw), raw)
    os.pwrite(boards[1].fd, new[:kept_bytes], 5 * boards[1].row_bytes + SLOT.size)
    assert boards[0].differing(5 + SLOTS, "all_reduce(4096 x float32) at 5") == {}
    os.pwrite(boards[1].fd, new, 5 * boards[1].row_bytes + SLOT.size)
    assert boards[0].differing(5 + SLOTS, "all_reduce(1 x float32) at 5") != {}


MAX, SUM = SimpleNamespace(name="MAX"), SimpleNamespace(name="SUM")
TENSOR = SimpleNamespace(numel=lambda: 4, dtype="torch.float32")


@pytest.mark.parametrize(
    ("name", "parameters", "args", "kwargs", "text"),
    [
        ("all_reduce", "tensor op group", (TENSOR,), {}, "all_reduce(4 x float32)"),
        ("all_reduce", "tensor op group", (), {"op": MAX, "tensor": TENSOR}, "all_reduce(4 x float32, max)"),
        ("all_reduce", "tensor op group", (TENSOR, SUM), {}, "all_reduce(4 x float32)"),
        ("broadcast", "tensor src", (TENSOR, 1), {}, "broadcast(4 x float32, src=1)"),
        ("reduce", "tensor dst op", ([TENSOR], 0), {}, "reduce(list, no tensor, dst=0)"),
        ("send", "tensor dst", (TENSOR,), {"dst": 1}, "send(4 x float32, dst=1)"),
        ("barrier", "group", (), {}, "barrier()"),
    ],
)
def test_calls_are_told_by_what_must_agree(name, parameters, args, kwargs, text):
    positions = {each: i for i, each in enumerate(parameters.split())}
    assert text_of(calls.Call(name, positions, args, kwargs)) == text


class Group:
    group_name = "0"


@pytest.fixture
def ranks(tmp_path, monkeypatch):
    """The collectives of two ranks with one group, played without torch."""
    monkeypatch.setattr(calls, "_installed", True)
    group, member = Group(), SimpleNamespace(WORLD=object(), NON_GROUP_MEMBER=object())
    world = SimpleNamespace(default_pg=group, pg_map={group})
    found = [Collectives() for _ in range(2)]
    for rank, each in enumerate(found):
        each.begin_generation(lambda group, rank=rank: Board(tmp_path / group, rank, 2))
        each.c10d = SimpleNamespace(_world=world, GroupMember=member)
    return found


def listened_by(listener, name, function, *args, **kwargs):
    calls.add(listener)
    try:
        return calls.wrapped(name, function)(*args, **kwargs)
    finally:
        calls.remove(listener)


def test_a_different_call_is_refused_before_it_is_made(ranks):
    listened_by(ranks[0], "barrier", lambda: None)
    with pytest.raises(CollectiveMismatchError, match=r"rank 0 calls barrier\(\), line .*; rank 1 calls all_reduce\("):
        listened_by(ranks[1], "all_reduce", lambda tensor: pytest.fail(f"was called with {tensor}"), TENSOR)
    assert ranks[1].failed == "all_reduce(4 x float32)"
    assert [each.counts for each in ranks] == [{"0": 1}] * 2
    assert ranks[1].blocked_s > 0


def test_a_call_of_a_group_that_is_gone_is_refused(ranks):
    with pytest.raises(StaleGroupError, match="not alive any more"):
        listened_by(ranks[0], "barrier", lambda _: None, group=Group())


def test_the_call_that_runs_is_named_and_a_send_counts_once(ranks):
    isend = calls.wrapped("isend", lambda tensor: tensor and ranks[0].current)
    assert listened_by(ranks[0], "send", isend, TENSOR) == "send(4 x float32)"
    assert listened_by(ranks[0], "batch_isend_irecv", isend, TENSOR) == "batch_isend_irecv(4 x float32)"
    assert (ranks[0].point_to_point, ranks[0].counts, ranks[0].current) == ({"0": 2}, {}, None)


def test_messages_are_counted_by_group(ranks):
    isend = lambda tensor, **_: tensor  # noqa: E731
    for group in (None, SimpleNamespace(group_name="7")):
        listened_by(ranks[0], "isend", isend, TENSOR, group=group)
    assert ranks[0].point_to_point == {"0": 1, "7": 1}
