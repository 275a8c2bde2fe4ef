"""Lesson 06's checks: right answers pass, wrong ones are caught by a hint that names the mistake."""

import functools

import pytest
import torch
import torch.distributed as dist
from answers import assert_hints, assert_passed, verdicts

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


def add_up(gradients):
    total, count = total_of(gradients)
    return total.div_(count).bfloat16()


def add_up_with_a_copy(gradients):
    total, count = 0.0, 0
    for gradient in gradients:
        total = total + gradient.float()
        count += 1
    return (total / count).bfloat16()


def in_bf16(gradients):
    total, count = total_of(gradients, torch.bfloat16)
    return total / count


def divides_first(gradients):
    return total_of(gradients, divide_by=48)[0].bfloat16()


def divides_the_rounded_sum(gradients):
    total, count = total_of(gradients)
    return total.bfloat16() / count


def sums(gradients):
    return total_of(gradients)[0].bfloat16()


def stays_in_fp32(gradients):
    total, count = total_of(gradients)
    return total / count


def stacks(gradients):
    return torch.stack(list(gradients)).float().mean(0).bfloat16()


def keeps_fp32_copies(gradients):
    return torch.stack([gradient.float() for gradient in gradients]).mean(0).bfloat16()


def in_fp64(gradients):
    total, count = total_of(gradients, torch.float64)
    return (total / count).bfloat16()


def forgets_the_first(gradients):
    next(gradients)
    total, count = total_of(gradients)
    return (total / (count + 1)).bfloat16()


def returns_a_number(gradients):
    return add_up(gradients).mean()


SUMS = {
    in_bf16: "The sum runs in bf16",
    divides_first: "Each gradient is divided in bf16",
    divides_the_rounded_sum: "Rounded twice",
    sums: "This is the sum",
    stays_in_fp32: "to come back in bf16",
    stacks: "earlier gradients were still held",
    keeps_fp32_copies: "fp32 tensors were alive at once",
    in_fp64: "fp64 takes twice",
    forgets_the_first: "counted once",
    returns_a_number: "Return one tensor",
}


@pytest.mark.parametrize("answer", [add_up, add_up_with_a_copy])
def test_the_right_sums_pass(answer):
    assert judge("add-up", answer), judge("add-up", answer)


@pytest.mark.parametrize("answer", SUMS, ids=lambda answer: answer.__name__)
def test_wrong_sums_get_a_hint(answer):
    verdict = judge("add-up", answer)
    assert (verdict.outcome, SUMS[answer] in verdict.text) == (WRONG, True), verdict


# ---- bf16-wire


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


def wire(x):
    mine = (exchanged(pieces(x)).float().sum(0) / dist.get_world_size()).bfloat16()
    x.copy_(gathered(mine)[: len(x)])


def wire_into_one_tensor(x):
    mine = (exchanged(pieces(x)).float().mean(0)).bfloat16()
    whole = torch.empty_like(pieces(x)).view(-1)
    dist.all_gather_into_tensor(whole, mine)
    x.copy_(whole[: len(x)])


def packs_objects(x):
    every = [None] * dist.get_world_size()
    dist.all_gather_object(every, x)
    x.copy_(torch.stack(every).float().mean(0))


def reduces_in_bf16(x):
    dist.all_reduce(x)
    x /= dist.get_world_size()


def reduces_in_fp32(x):
    wide = x.float()
    dist.all_reduce(wide)
    x.copy_(wide / dist.get_world_size())


def exchanges_fp32(x):
    x.copy_(gathered((exchanged(pieces(x).float()).mean(0)).bfloat16())[: len(x)])


def gathers_everything(x):
    size = dist.get_world_size()
    x.copy_((gathered(x).view(size, -1).float().sum(0) / size).bfloat16())


def forgets_to_divide(x):
    x.copy_(gathered(exchanged(pieces(x)).float().sum(0).bfloat16())[: len(x)])


def rounds_twice(x):
    x.copy_(gathered(exchanged(pieces(x)).float().sum(0).bfloat16() / dist.get_world_size())[: len(x)])


def sums_in_bf16(x):
    versions = exchanged(pieces(x))
    total = versions[0].clone()
    for version in versions[1:]:
        total += version
    x.copy_(gathered(total / dist.get_world_size())[: len(x)])


def divides_before(x):
    versions = exchanged(pieces(x) / dist.get_world_size())
    x.copy_(gathered(versions.float().sum(0).bfloat16())[: len(x)])


def returns_only(x):
    mine = (exchanged(pieces(x)).float().sum(0) / dist.get_world_size()).bfloat16()
    return gathered(mine)[: len(x)]


def cuts_the_tail(x):
    whole = len(x) - len(x) % dist.get_world_size()
    if whole:
        wire(x[:whole])


def reverses_the_shares(x):
    mine = (exchanged(pieces(x)).float().sum(0) / dist.get_world_size()).bfloat16()
    x.copy_(torch.cat(gathered(mine).split(len(mine))[::-1])[: len(x)])


def one_number_at_a_time(x):
    for number in x:
        wire(number.view(1))


WIRES = {
    packs_objects: "bytes can be counted",
    reduces_in_bf16: "all_reduce adds up on its way",
    reduces_in_fp32: "all_reduce adds up on its way",
    exchanges_fp32: "only bf16 may travel",
    gathers_everything: "more than one share",
    forgets_to_divide: "That is the sum",
    rounds_twice: "Rounded twice",
    sums_in_bf16: "The sum was made in bf16",
    divides_before: "Divided before the sum",
    returns_only: "write the mean back into x",
    cuts_the_tail: "Pad before you cut",
    reverses_the_shares: "in rank order",
    one_number_at_a_time: "one exchange and one gather",
}


# ---- skip-together


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
    """Make a step of what is done where all numbers are finite."""

    @functools.wraps(update)
    def step(gradients, scale, apply):
        if bad_anywhere(gradients):
            return scale / 2
        update(gradients, scale, apply)
        return scale

    return step


@skipping
def step(gradients, scale, apply):
    finish(unscaled(gradients, scale), apply)


def step_without_a_flag(gradients, scale, apply):
    for gradient in gradients:
        dist.all_reduce(gradient)
    if not all(gradient.isfinite().all() for gradient in gradients):
        return scale / 2
    finish(unscaled(gradients, scale * dist.get_world_size()), apply, reduce=False)
    return scale


def applies_one_vector(gradients, scale, apply):
    return step(gradients, scale, lambda ready: apply([torch.cat([each.flatten() for each in ready])]))


def never_skips(gradients, scale, apply):
    finish(unscaled(gradients, scale), apply)
    return scale


def misses_nan(gradients, scale, apply):
    if bad_anywhere(gradients, lambda gradient: ~gradient.isinf()):
        return scale / 2
    finish(unscaled(gradients, scale), apply)
    return scale


@skipping
def clips_before_unscaling(gradients, scale, apply):
    finish(gradients, lambda ready: apply(unscaled(ready, scale)))


@skipping
def never_unscales(gradients, _, apply):
    finish(gradients, apply)


@skipping
def never_clips(gradients, scale, apply):
    for gradient in unscaled(gradients, scale * dist.get_world_size()):
        dist.all_reduce(gradient)
    apply(gradients)


@skipping
def never_reduces(gradients, scale, apply):
    finish(unscaled(gradients, scale), apply, reduce=False)


@skipping
def sums_over_ranks(gradients, scale, apply):
    finish(unscaled(gradients, scale), apply, per_rank=1 / dist.get_world_size())


@skipping
def clips_each_tensor(gradients, scale, apply):
    for gradient in unscaled(gradients, scale * dist.get_world_size()):
        dist.all_reduce(gradient)
        torch.nn.utils.clip_grad_norm_(as_parameters([gradient]), 1.0)
    apply(gradients)


@skipping
def clips_before_the_mean(gradients, scale, apply):
    torch.nn.utils.clip_grad_norm_(as_parameters(unscaled(gradients, scale)), 1.0)
    for gradient in gradients:
        dist.all_reduce(gradient)
        gradient.div_(dist.get_world_size())
    apply(gradients)


def never_halves(gradients, scale, apply):
    step(gradients, scale, apply)
    return scale


def always_halves(gradients, scale, apply):
    step(gradients, scale, apply)
    return scale / 2


def returns_nothing(gradients, scale, apply):
    step(gradients, scale, apply)


STEPS = {
    applies_one_vector: "one tensor for each gradient",
    never_skips: "and apply was called",
    misses_nan: "A nan on rank 0, and apply was called",
    clips_before_unscaling: "Clipped before unscaling",
    never_unscales: "still multiplied by the scale",
    never_clips: "are not clipped",
    never_reduces: "where is the mean over ranks",
    sums_over_ranks: "The mean is asked for",
    clips_each_tensor: "one for all tensors",
    clips_before_the_mean: "norm to be clipped is that of the mean",
    never_halves: "halved after a skipped step",
    always_halves: "kept when the step is taken",
    returns_nothing: "Return the next scale",
}
RIGHT = [("bf16-wire", wire), ("bf16-wire", wire_into_one_tensor)]
RIGHT += [("skip-together", step), ("skip-together", step_without_a_flag)]
MISTAKES = [("bf16-wire", answer, words) for answer, words in WIRES.items()]
MISTAKES += [("skip-together", answer, words) for answer, words in STEPS.items()]


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


def test_a_rank_that_decides_alone_is_caught_and_the_others_released():
    with Ranks(2, device="cpu") as ranks:
        result = ranks.run(DECIDES_ALONE, timeout=60)
        assert not result.ok
        errors = " ".join(str(each.error) for each in result)
        assert "an inf on the last rank" in errors
        assert "did not make the same calls" in errors
        assert ranks.run("dist.barrier(); print('alive')", timeout=60).ok
