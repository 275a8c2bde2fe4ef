"""Lesson 01's checks: right answers pass, wrong ones are caught by a hint that names the mistake."""

import numpy as np
import pytest
import torch
import torch.distributed as dist
from gloo import on_ranks

from mgpu_lab.checks.core import judge
from mgpu_lab.verification import example

GIB = 1024**3


def slot(gpu=1, times=8.0):
    return {"gpu": gpu, "times_longer": times}


def card(gpu=2, reason="heat", times=3 * 1290 / (4 * 765)):
    return {"gpu": gpu, "reason": reason, "times_faster": times}


RIGHT = [
    ("narrow-slot", slot()),
    ("narrow-slot", slot(times=31.5 / 3.94)),
    ("hot-card", card()),
    ("hot-card", card(times=1.26)),
    ("small-shm", "--shm-size=8g"),
    ("small-shm", "docker run --shm-size 1GB"),
    ("small-shm", "--ipc=host"),
    ("small-shm", "-v /dev/shm:/dev/shm"),
    ("small-shm", "--tmpfs /dev/shm:size=4g"),
    ("small-shm", "docker run --gpus all --shm-size='8g' image"),
    ("small-shm", "--shm-size=8GiB --ulimit memlock=-1"),
    ("small-shm", f"--shm-size={2 * GIB}"),
    ("small-shm", "--tmpfs /dev/shm:rw,size=8g"),
    ("small-shm", "-v /dev/shm:/dev/shm:rw"),
    ("narrow-slot", slot(gpu=np.int64(1), times=np.float32(8))),
    ("narrow-slot", slot(times=torch.tensor(8.0))),
    ("hot-card", card(reason="Heat")),
]
WRONG = [
    ("narrow-slot", slot(gpu=0), "has all of its lanes"),
    ("narrow-slot", slot(times=4), "counted lanes"),
    ("narrow-slot", slot(times=2), "compared generations"),
    ("narrow-slot", slot(times=1), "the slot is the limit"),
    ("narrow-slot", slot(times=0.125), "Turned round"),
    ("narrow-slot", slot(times=16), "twice"),
    ("narrow-slot", slot(times=3), "Two things differ"),
    ("narrow-slot", slot(times="8"), "with a number"),
    ("narrow-slot", {"gpu": 1}, "times_longer is still open"),
    ("narrow-slot", 8.0, "with a dictionary"),
    ("hot-card", card(gpu=3), "far below the rest"),
    ("hot-card", card(reason="power"), "at its power limit"),
    ("hot-card", card(times=0.75), "nobody to wait for"),
    ("hot-card", card(times=1290 / 765), "three batches, not four"),
    ("hot-card", card(times=4 * 765 / (3 * 1290)), "Turned round"),
    ("hot-card", card(times=(1305 + 1320 + 1290) / (1305 + 1320 + 1290 + 765)), "as if nobody waited"),
    ("hot-card", card(times=3 * 1320 / (4 * 765)), "slowest of them"),
    ("hot-card", card(times=4 / 3 * 1290 / 765), "3/4, not 4/3"),
    ("hot-card", card(times=9), "times the slowest clock"),
    ("narrow-slot", slot(gpu="1"), "number of the GPU"),
    ("small-shm", "--shm-size=1.2.3g", "cannot be read"),
    ("small-shm", "--shm-size=.", "cannot be read"),
    ("small-shm", 8, "as text"),
    ("small-shm", "--memory=8g", "limit of its own"),
    ("small-shm", "-m 8g", "limit of its own"),
    ("small-shm", "--shm-size=64m", "still too little"),
    ("small-shm", "--shm-size=8", "reads bytes"),
    ("small-shm", "--shm-size=big", "cannot be read"),
    ("small-shm", "--ulimit memlock=-1", "which one?"),
    ("small-shm", "--tmpfs /tmp:size=8g", "have room"),
    ("small-shm", "--ipc=private", "which word"),
    ("small-shm", "--gpus all", "The GPUs are there"),
    ("small-shm", "--privileged", "far too small"),
]


@pytest.mark.parametrize(("name", "answer"), RIGHT)
def test_right_answers_pass(name, answer):
    assert judge(name, answer), judge(name, answer)


@pytest.mark.parametrize(("name", "answer", "words"), WRONG)
def test_wrong_answers_get_a_hint_that_names_the_mistake(name, answer, words):
    verdict = judge(name, answer)
    assert verdict.outcome == "not yet"
    assert words in verdict.text


def test_the_examples_hold_what_the_checks_ask_for():
    lanes = [(gpu.pcie_generation, gpu.pcie_width) for gpu in example("card_in_x4_slot").hardware.gpus]
    assert lanes == [(4, 16), (3, 4)]
    assert [gpu.sm_clock_mhz for gpu in example("throttling").hardware.gpus] == [1305, 1320, 765, 1290]
    assert example("shm_64mb").host.shm_bytes == GIB // 16


# ---- any-length: answers that communicate


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


def cheats(x):
    dist.all_reduce(x)


def returns_only(x):
    return gathered(reduced(pieces_of(x)))[: len(x)].clone()


def takes_the_mean(x):
    good(x)
    x /= dist.get_world_size()


def forgets_the_tail(x):
    whole = len(x) - len(x) % dist.get_world_size()
    if whole:
        good(x[:whole])


def pads_too_much(x):
    x.copy_(gathered(reduced(pieces_of(x, extra=5)))[: len(x)])


def forgets_to_gather(x):
    share = reduced(pieces_of(x))
    begin = dist.get_rank() * len(share)
    x[begin : begin + len(share)] = share[: len(x[begin : begin + len(share)])]


def does_nothing(x):
    gathered(reduced(pieces_of(x)))


def gathers_everything(x):
    found = [torch.empty_like(x) for _ in range(dist.get_world_size())]
    dist.all_gather(found, x)
    x.copy_(sum(found))


def reverses_the_shares(x):
    share = len(pieces_of(x)[0])
    x.copy_(torch.cat(gathered(reduced(pieces_of(x))).split(share)[::-1])[: len(x)])


BROKEN = {
    cheats: "all_reduce did it",
    returns_only: "x does not hold it",
    takes_the_mean: "That is the mean",
    forgets_the_tail: "Pad before you cut",
    pads_too_much: "pad less",
    forgets_to_gather: "shares of all ranks",
    does_nothing: "write the sum back into x",
    gathers_everything: "they are: 1 x all_gather",
    reverses_the_shares: "in rank order",
}


def judge_all():
    """Verdicts of all answers on one rank: outcome and text."""
    return {answer.__name__: vars(judge("any-length", answer)) for answer in (good, *BROKEN)}


@pytest.fixture(scope="module", params=[1, 2, 3, 4])
def verdicts(request):
    return request.param, on_ranks(request.param, judge_all)


def test_any_length_passes_on_all_world_sizes(verdicts):
    _, found = verdicts
    assert all(each["good"]["outcome"] == "passed" for each in found), found


@pytest.mark.parametrize("answer", BROKEN, ids=lambda answer: answer.__name__)
def test_any_length_catches(verdicts, answer):
    size, found = verdicts
    if size == 1 and answer not in {cheats, gathers_everything, pads_too_much}:
        return  # one rank has nothing to get wrong here
    texts = {each[answer.__name__]["text"] for each in found}
    assert len(texts) == 1  # all ranks say the same
    assert BROKEN[answer] in texts.pop()
