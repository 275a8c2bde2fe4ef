"""Lesson 06's checks: right answers pass, wrong ones are caught by a hint that names the mistake."""

import pytest
import torch
from answers import assert_hints, assert_passed, nested, verdicts

from mgpu_lab import Ranks
from mgpu_lab.checks.core import WRONG, judge

# ---- add-up


def total_of(gradients, dtype=torch.float32, divide_by=1):
    total, count = None, 0
    for gradient in gradients:
        if total is None:
            total = torch.zeros_like(gradient, dtype=dtype)
        total += gradient if divide_by == 1 else gradient / divide_by
        count += 1
    return total, count


def mean_of(gradients, dtype=torch.float32):
    total, count = total_of(gradients, dtype)
    return total / count


def add_up(gradients):
    total, count = total_of(gradients)
    return total.div_(count).bfloat16()


def add_up_with_a_copy(gradients):
    total, count = 0.0, 0
    for gradient in gradients:
        total = total + gradient.float()
        count += 1
    return (total / count).bfloat16()


def divides_the_rounded_sum(gradients):
    total, count = total_of(gradients)
    return total.bfloat16() / count


def forgets_the_first(gradients):
    next(gradients)
    total, count = total_of(gradients)
    return (total / (count + 1)).bfloat16()


SUMS = {
    "The sum runs in bf16": lambda gradients: mean_of(gradients, torch.bfloat16),
    "Each gradient is divided in bf16": lambda gradients: total_of(gradients, divide_by=48)[0].bfloat16(),
    "Rounded twice": divides_the_rounded_sum,
    "This is the sum": lambda gradients: total_of(gradients)[0].bfloat16(),
    "to come back in bf16": mean_of,
    "earlier gradients were still held": lambda gradients: torch.stack(list(gradients)).float().mean(0).bfloat16(),
    "fp32 tensors were alive at once": lambda gradients: torch.stack([g.float() for g in gradients]).mean(0).bfloat16(),
    "fp64 takes twice": lambda gradients: mean_of(gradients, torch.float64).bfloat16(),
    "counted once": forgets_the_first,
    "Return one tensor": lambda gradients: add_up(gradients).mean(),
}


@pytest.mark.parametrize("answer", [add_up, add_up_with_a_copy])
def test_the_right_sums_pass(answer):
    assert judge("add-up", answer), judge("add-up", answer)


@pytest.mark.parametrize("hint", SUMS)
def test_wrong_sums_get_a_hint(hint):
    verdict = judge("add-up", SUMS[hint])
    assert (verdict.outcome, hint in verdict.text) == (WRONG, True), verdict


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
WIRE_INTO_ONE_TENSOR = """
mine = exchanged(pieces(x)).float().mean(0).bfloat16()
whole = torch.empty_like(pieces(x)).view(-1)
dist.all_gather_into_tensor(whole, mine)
x.copy_(whole[: len(x)])
"""
WRONG_WIRES = {
    "packs objects": ("""
        every = [None] * dist.get_world_size()
        dist.all_gather_object(every, x)
        x.copy_(torch.stack(every).float().mean(0))
        """, "one exchange and one gather"),
    "reduces in bf16": ("dist.all_reduce(x); x /= dist.get_world_size()", "all_reduce adds up on its way"),
    "reduces in fp32": (
        "wide = x.float(); dist.all_reduce(wide); x.copy_(wide / dist.get_world_size())",
        "all_reduce adds up on its way"),
    "exchanges fp32": (
        "x.copy_(gathered((exchanged(pieces(x).float()).mean(0)).bfloat16())[: len(x)])", "only bf16 may travel"),
    "gathers everything": ("""
        size = dist.get_world_size()
        x.copy_((gathered(x).view(size, -1).float().sum(0) / size).bfloat16())
        """, "more than one share"),
    "forgets to divide": (
        "x.copy_(gathered(exchanged(pieces(x)).float().sum(0).bfloat16())[: len(x)])", "That is the sum"),
    "rounds twice": (
        "x.copy_(gathered(exchanged(pieces(x)).float().sum(0).bfloat16() / dist.get_world_size())[: len(x)])",
        "Rounded twice"),
    "sums in bf16": ("""
        versions = exchanged(pieces(x))
        total = versions[0].clone()
        for version in versions[1:]: total += version
        x.copy_(gathered(total / dist.get_world_size())[: len(x)])
        """, "The sum was made in bf16"),
    "divides before": ("""
        versions = exchanged(pieces(x) / dist.get_world_size())
        x.copy_(gathered(versions.float().sum(0).bfloat16())[: len(x)])
        """, "Divided before the sum"),
    "returns only": ("return gathered(mean_share(x))[: len(x)]", "write the mean back into x"),
    "cuts the tail": ("""
        whole = len(x) - len(x) % dist.get_world_size()
        if whole: wire(x[:whole])
        """, "Pad before you cut"),
    "reverses the shares": ("""
        mine = mean_share(x)
        x.copy_(torch.cat(gathered(mine).split(len(mine))[::-1])[: len(x)])
        """, "in rank order"),
    "one number at a time": ("for number in x: wire(number.view(1))", "one exchange and one gather"),
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
STEP_WITHOUT_A_FLAG = """
for gradient in gradients:
    dist.all_reduce(gradient)
if not all(gradient.isfinite().all() for gradient in gradients):
    return scale / 2
finish(unscaled(gradients, scale * dist.get_world_size()), apply, reduce=False)
return scale
"""
WRONG_STEPS = {
    "applies one vector": (
        "return step(gradients, scale, lambda ready: apply([torch.cat([each.flatten() for each in ready])]))",
        "one tensor for each gradient"),
    "never skips": ("finish(unscaled(gradients, scale), apply); return scale", "and apply was called"),
    "misses nan": ("""
        if bad_anywhere(gradients, lambda gradient: ~gradient.isinf()): return scale / 2
        finish(unscaled(gradients, scale), apply)
        return scale
        """, "A nan on rank 0, and apply was called"),
    "never halves": ("step(gradients, scale, apply); return scale", "halved after a skipped step"),
    "always halves": ("step(gradients, scale, apply); return scale / 2", "kept when the step is taken"),
    "returns nothing": ("step(gradients, scale, apply)", "Return the next scale"),
}  # fmt: skip
# a step of what is done where all numbers are finite
WRONG_WHERE_FINITE = {
    "clips before unscaling": (
        "finish(gradients, lambda ready: apply(unscaled(ready, scale)))", "Clipped before unscaling"),
    "never unscales": ("finish(gradients, apply)", "still multiplied by the scale"),
    "never clips": ("""
        for gradient in unscaled(gradients, scale * dist.get_world_size()): dist.all_reduce(gradient)
        apply(gradients)
        """, "are not clipped"),
    "never reduces": (
        "finish(unscaled(gradients, scale), apply, reduce=False)", "where is the mean over ranks"),
    "sums over ranks": (
        "finish(unscaled(gradients, scale), apply, per_rank=1 / dist.get_world_size())", "The mean is asked for"),
    "clips each tensor": ("""
        for gradient in unscaled(gradients, scale * dist.get_world_size()):
            dist.all_reduce(gradient)
            torch.nn.utils.clip_grad_norm_(as_parameters([gradient]), 1.0)
        apply(gradients)
        """, "one for all tensors"),
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
RIGHT = [("bf16-wire", WIRE), ("bf16-wire", nested((WIRE_HEAD,), WIRE_INTO_ONE_TENSOR))]
RIGHT += [("skip-together", STEP), ("skip-together", nested((STEP_HEAD,), STEP_WITHOUT_A_FLAG))]
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
