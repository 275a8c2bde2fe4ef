"""Lesson 01's check on ranks: an all-reduce of two other collectives passes, and every wrong one is told why."""

import numpy as np
import pytest
import torch
from answers import assert_hints, assert_passed, changed, nested

from mgpu_lab.checks.core import judge

GOOD = """
def pieces_of(x, extra=0):
    size = dist.get_world_size()
    share = -(-len(x) // size) + extra
    padded = torch.cat([x, x.new_zeros(share * size - len(x))])
    return list(padded.split(share))

def gathered(share):
    found = [torch.empty_like(share) for _ in range(dist.get_world_size())]
    dist.all_gather(found, share)
    return torch.cat(found)

def reduced(pieces):
    share = torch.empty_like(pieces[0])
    dist.reduce_scatter(share, pieces)
    return share

def good(x):
    x.copy_(gathered(reduced(pieces_of(x)))[: len(x)])
"""
IN_SHARES = """
def all_reduced(x):
    share = -(-len(x) // world_size)
    padded = torch.cat([x, x.new_zeros(share * world_size - len(x))])
    mine, whole = padded[:share].clone(), torch.empty_like(padded)
    dist.reduce_scatter(mine, list(padded.split(share)))
    dist.all_gather(list(whole.split(share)), mine)
    x.copy_(whole[: len(x)])
"""
PIECES, SCATTER = "list(padded.split(share))", "reduce_scatter(mine, list(padded.split(share)))"
IN_OTHER_WORDS = [
    changed(IN_SHARES, (SCATTER, f"reduce_scatter(input_list={PIECES}, output=mine)")),
    changed(
        IN_SHARES,
        (SCATTER, "reduce_scatter_tensor(mine, padded)"),
        ("all_gather(list(whole.split(share)), mine)", "all_gather_into_tensor(whole, mine)"),
    ),
]
NOT_WAITED = changed(IN_SHARES, (SCATTER, f"reduce_scatter(mine, {PIECES}, async_op=True); dist.barrier()"))
BROKEN = {
    "cheats": ("dist.all_reduce(x)", "all_reduce did it"),
    "returns only": ("return gathered(reduced(pieces_of(x)))[: len(x)].clone()", "x does not hold it"),
    "takes the mean": ("good(x); x /= dist.get_world_size()", "That is the mean"),
    "forgets the tail": ("""
        whole = len(x) - len(x) % dist.get_world_size()
        if whole: good(x[:whole])
        """, "Pad before you cut"),
    "pads too much": ("x.copy_(gathered(reduced(pieces_of(x, extra=5)))[: len(x)])", "pad less"),
    "forgets to gather": ("""
        share = reduced(pieces_of(x))
        begin = dist.get_rank() * len(share)
        x[begin : begin + len(share)] = share[: len(x[begin : begin + len(share)])]
        """, "shares of all ranks"),
    "does nothing": ("gathered(reduced(pieces_of(x)))", "write the sum back into x"),
    "gathers everything": ("""
        found = [torch.empty_like(x) for _ in range(dist.get_world_size())]
        dist.all_gather(found, x)
        x.copy_(sum(found))
        """, "they are: 1 x all_gather"),
    "reverses the shares": ("""
        share = len(pieces_of(x)[0])
        x.copy_(torch.cat(gathered(reduced(pieces_of(x))).split(share)[::-1])[: len(x)])
        """, "in rank order"),
}  # fmt: skip


def hinted(names):
    return [("any-length", nested((f"{GOOD}\ndef answer(x):",), BROKEN[name][0]), BROKEN[name][1]) for name in names]


@pytest.mark.parametrize("size", [1, 4])  # on 4 it is tried on 1, 2 and 3 as well
def test_any_length_passes_on_all_world_sizes(size):
    assert_passed(size, [("any-length", answer) for answer in (GOOD, IN_SHARES, *IN_OTHER_WORDS)])


@pytest.mark.parametrize("size", [2, 4])
def test_any_length_catches(size):
    assert_hints(size, [*hinted(BROKEN), ("any-length", NOT_WAITED, "never waited for")])


def test_one_rank_has_less_to_get_wrong():
    assert_hints(1, hinted(["cheats", "gathers everything", "pads too much"]))


@pytest.mark.parametrize("kind", [torch.tensor, np.float32])
def test_numbers_may_be_tensors(kind):
    assert judge("narrow-slot", {"gpu": 1, "times_longer": kind(8.0)})
    assert judge("device-zero", {"on_device_0": kind(16_240_000), "sent_for_replicas": kind(20_000_000)})
