"""The board on which ranks compare their calls: differences are found, half-written slots are not taken for one."""

import os

import pytest

from mgpu_lab.rank.board import SLOT, SLOTS, Board, checksum_of, told


@pytest.fixture
def boards(tmp_path):
    return [Board(tmp_path / "board", rank, 2) for rank in range(2)]


def test_equal_calls_pass(boards):
    for number in range(1, 3 * SLOTS):
        assert boards[0].differing(number, f"all_reduce({number} x float32) at 3") == {}
        assert boards[1].differing(number, f"all_reduce({number} x float32) at 7") == {}


def test_different_calls_are_told(boards):
    boards[0].differing(1, "all_reduce(4 x float32) at 3")
    assert boards[1].differing(1, "all_reduce(8 x float32) at 5") == {
        0: "all_reduce(4 x float32) at 3",
        1: "all_reduce(8 x float32) at 5",
    }


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
