"""What checks see of an answer's communication, however it is called, and what becomes of ranks out of step."""

import contextlib
import threading

import pytest
import torch
import torch.distributed as dist
import torch.distributed._functional_collectives as functional
from gloo import on_ranks
from torch import nn
from torch.distributed import all_reduce as imported_by_hand

from mgpu_lab.checks.core import Wrong
from mgpu_lab.checks.on_ranks import on_each_size
from mgpu_lab.checks.spy import Spy
from mgpu_lab.course import traffic


def four():
    return torch.ones(4)


def in_a_thread():
    thread = threading.Thread(target=imported_by_hand, args=(four(),))
    thread.start()
    thread.join()


def with_a_future():
    dist.all_reduce(four(), async_op=True).get_future().then(lambda future: future.value()[0] / 2).wait()


def polled():
    work = dist.all_reduce(four(), async_op=True)
    while not work.is_completed():
        pass


def by_ddp():
    model = nn.parallel.DistributedDataParallel(nn.Linear(4, 1, bias=False))
    with Spy() as inner:
        model(torch.ones(1, 4)).sum().backward()
    assert [str(each) for each in inner.events] == ["all_reduce(4 x float32)"]


def in_pieces():
    share, whole = torch.empty(2), four()
    dist.reduce_scatter(share, list(whole.chunk(2)))
    dist.all_gather(list(whole.chunk(2)), share)


def point_to_point():
    other, got = 1 - dist.get_rank(), torch.empty(4)
    for work in dist.batch_isend_irecv([dist.P2POp(dist.isend, four(), other), dist.P2POp(dist.irecv, got, other)]):
        work.wait()


WAYS = {  # what is called -> what is seen of it; 16 bytes go over the wire each time
    "by its usual name": (lambda: dist.all_reduce(four()), ["all_reduce"]),
    "imported by hand": (lambda: imported_by_hand(four()), ["all_reduce"]),
    "functional": (lambda: functional.all_reduce(four(), "sum", dist.group.WORLD) + 1, ["all_reduce"]),
    "a method of the group": (lambda: dist.group.WORLD.allreduce([four()]).wait(), ["all_reduce"]),
    "in a thread": (in_a_thread, ["all_reduce"]),
    "a future": (with_a_future, ["all_reduce"]),
    "polled": (polled, ["all_reduce"]),
    "in two pieces": (in_pieces, ["reduce_scatter", "all_gather"]),
    "point to point": (point_to_point, ["recv", "send"]),
}


def seen():
    found = []
    for way, _ in WAYS.values():
        with Spy() as spy, traffic() as sent:
            way()
        found.append((sorted(e.name for e in spy.events), spy.wire_bytes, spy.all_waited_for, sent.wire_bytes))
    by_ddp()
    with Spy() as spy:
        dist.all_reduce(four(), async_op=True)
    dist.barrier()
    return found, spy.all_waited_for


def test_every_way_is_seen():
    for found, left_alone in on_ranks(2, seen):
        assert found == [(sorted(names), 16.0, True, 16.0) for _, names in WAYS.values()]
        assert not left_alone


def rank_1_returns(_):
    if dist.get_rank() == 0:
        imported_by_hand(torch.ones(2))


def rank_1_raises(_):
    if dist.get_rank() == 1:
        raise ValueError("no such thing")
    dist.all_reduce(torch.ones(2))


def different_sizes(_):
    dist.all_reduce(torch.ones(2 + dist.get_rank()))


def different_calls(_):
    if dist.get_rank() == 0:
        functional.all_reduce(torch.ones(2), "sum", dist.group.WORLD)
    else:
        dist.barrier()


def one_backward_too_many(_):
    model = nn.parallel.DistributedDataParallel(nn.Linear(2, 1))
    for _step in range(2 - dist.get_rank()):
        model(torch.ones(1, 2)).sum().backward()


def swallowed(_):
    with contextlib.suppress(Exception):  # what a learner may write
        different_sizes(_)
    dist.all_reduce(torch.ones(1))


def a_hint_of_rank_1(_):
    return "This rank is wrong." if dist.get_rank() == 1 else None


OUT_OF_STEP = {
    rank_1_returns: "with 2 ranks: rank 1 returned after 0 calls, and rank 0 calls all_reduce(2 x float32)",
    rank_1_raises: "with 2 ranks: rank 1 raised ValueError after 0 calls, and rank 0 calls all_reduce",
    different_sizes: "rank 0 calls all_reduce(2 x float32); rank 1 calls all_reduce(3 x float32)",
    different_calls: "rank 0 calls all_reduce(2 x float32); rank 1 calls barrier()",
    one_backward_too_many: "rank 1 returned after",
    swallowed: "rank 0 calls all_reduce(2 x float32); rank 1 calls all_reduce(3 x float32)",
    a_hint_of_rank_1: "This rank is wrong.",
}


def outcomes(trials):
    found = []
    for trial in trials:
        try:
            on_each_size(lambda size, trial=trial: trial(size) if size > 1 else None, "adding up")
            found.append("passed")
        except Wrong as wrong:
            found.append(str(wrong))
        except ValueError as error:
            found.append(f"its own: {error}")
    value = torch.ones(1)
    dist.all_reduce(value)  # the ranks are still in step, and their group is whole
    return found, value.item(), dist.get_world_size()


@pytest.mark.parametrize("size", [2, 3])
def test_ranks_out_of_step_are_told_apart(size):
    for rank, (found, total, world_size) in enumerate(on_ranks(size, outcomes, list(OUT_OF_STEP))):
        assert (total, world_size) == (size, size)
        for trial, text in zip(OUT_OF_STEP, found, strict=True):
            if (rank, trial) == (1, rank_1_raises):
                assert text == "its own: no such thing"
            elif size == 2:
                assert OUT_OF_STEP[trial] in text, (trial, text)
            else:
                assert "rank" in text, (trial, text)
