"""Lesson 06's checks on ranks: on 1 and on 4, all say the same. What they catch: ``answers/``, ``test_answers``."""

import pytest
from answers import assert_hints, assert_passed, nested, verdicts

from mgpu_lab import Ranks

# ---- bf16-wire: answers are source, since a rank defines them

WIRE = """
def pieces(x):
    size = dist.get_world_size()
    share = -(-len(x) // size)
    return torch.cat([x, x.new_zeros(share * size - len(x))]).view(size, share)

def exchanged(sent):
    versions = torch.empty_like(sent)
    dist.all_to_all_single(versions, sent)
    return versions

def gathered(mine):
    shares = [torch.empty_like(mine) for _ in range(dist.get_world_size())]
    dist.all_gather(shares, mine)
    return torch.cat(shares)

def mean_share(x):
    return (exchanged(pieces(x)).float().sum(0) / dist.get_world_size()).bfloat16()

def wire(x):
    x.copy_(gathered(mean_share(x))[: len(x)])
"""
WRONG_WIRES = {
    "reduces in bf16": ("dist.all_reduce(x); x /= dist.get_world_size()", "all_reduce adds up on its way"),
    "gathers everything": ("""
        size = dist.get_world_size()
        x.copy_((gathered(x).view(size, -1).float().sum(0) / size).bfloat16())
        """, "more than one share"),
    "returns only": ("return gathered(mean_share(x))[: len(x)]", "write the mean back into x"),
    "cuts the tail": ("""
        whole = len(x) - len(x) % dist.get_world_size()
        if whole: wire(x[:whole])
        """, "Pad before you cut"),
}  # fmt: skip


# ---- skip-together

STEP = """
def finish(gradients, apply, *, reduce=True, per_rank=1.0):
    for gradient in gradients:
        if reduce:
            dist.all_reduce(gradient)
            gradient.div_(dist.get_world_size() * per_rank)
    torch.nn.utils.clip_grad_norm_(as_parameters(gradients), 1.0)
    apply(gradients)

def as_parameters(gradients):
    found = []
    for gradient in gradients:
        found.append(torch.zeros_like(gradient))
        found[-1].grad = gradient
    return found

def unscaled(gradients, scale):
    for gradient in gradients:
        gradient.div_(scale)
    return gradients

def bad_anywhere(gradients, test=torch.isfinite):
    bad = 1.0 - torch.stack([test(gradient).all() for gradient in gradients]).all().float()
    dist.all_reduce(bad, op=dist.ReduceOp.MAX)
    return bool(bad)

def skipping(update):
    def step(gradients, scale, apply):
        if bad_anywhere(gradients):
            return scale / 2
        update(gradients, scale, apply)
        return scale

    return step

@skipping
def step(gradients, scale, apply):
    finish(unscaled(gradients, scale), apply)
"""
WRONG_STEPS = {
    "never skips": ("finish(unscaled(gradients, scale), apply); return scale", "and apply was called"),
    "misses nan": ("""
        if bad_anywhere(gradients, lambda gradient: ~gradient.isinf()): return scale / 2
        finish(unscaled(gradients, scale), apply)
        return scale
        """, "A nan on rank 0, and apply was called"),
    "returns nothing": ("step(gradients, scale, apply)", "Return the next scale"),
}  # fmt: skip
# a step of what is done where all numbers are finite
WRONG_WHERE_FINITE = {
    "sums over ranks": (
        "finish(unscaled(gradients, scale), apply, per_rank=1 / dist.get_world_size())", "The mean is asked for"),
    "clips before the mean": ("""
        torch.nn.utils.clip_grad_norm_(as_parameters(unscaled(gradients, scale)), 1.0)
        for gradient in gradients:
            dist.all_reduce(gradient)
            gradient.div_(dist.get_world_size())
        apply(gradients)
        """, "norm to be clipped is that of the mean"),
}  # fmt: skip
WIRE_HEAD, STEP_HEAD = f"{WIRE}\ndef answer(x):", f"{STEP}\ndef answer(gradients, scale, apply):"
SKIPPING_HEAD = f"{STEP}\n@skipping\ndef answer(gradients, scale, apply):"
RIGHT = [("bf16-wire", WIRE), ("skip-together", STEP)]
MISTAKES = [
    (name, nested((head,), code), words)
    for name, head, wrong in (
        ("bf16-wire", WIRE_HEAD, WRONG_WIRES),
        ("skip-together", STEP_HEAD, WRONG_STEPS),
        ("skip-together", SKIPPING_HEAD, WRONG_WHERE_FINITE),
    )
    for code, words in wrong.values()
]


@pytest.mark.parametrize("size", [1, 4])
def test_right_answers_pass_on_all_world_sizes(size):
    assert_passed(size, RIGHT)


def test_wrong_answers_get_the_same_hint_on_all_ranks():
    assert_hints(4, MISTAKES)


def test_wrong_answers_are_judged_on_one_rank_too():
    verdicts(1, MISTAKES)  # one rank does not show every mistake


DECIDES_ALONE = """
from mgpu_lab import check


def step(gradients, scale, apply):
    if not all(gradient.isfinite().all() for gradient in gradients):
        return scale / 2
    for gradient in gradients:
        dist.all_reduce(gradient)
        gradient /= scale * dist.get_world_size()
    norm = torch.cat([gradient.flatten() for gradient in gradients]).norm().clamp(min=1.0)
    apply([gradient / norm for gradient in gradients])
    return scale


check("skip-together", step)
"""


def test_a_rank_that_decides_alone_is_named_and_no_rank_waits():
    with Ranks(2, device="cpu") as ranks:
        result = ranks.run(DECIDES_ALONE, timeout=60)
        assert result.ok
        for each in result:
            said = " ".join(each.stdout.split())
            assert said.startswith("skip-together: not yet. An inf on the last rank, with 2 ranks: ")
            assert "rank 1 returned after 0 calls, and rank 0 calls all_reduce(5 x float32)" in said
        assert ranks.run("dist.barrier(); print('alive')", timeout=60).ok
