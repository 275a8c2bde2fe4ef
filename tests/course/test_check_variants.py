"""Answers as learners write them: right ones in other words pass, and mistakes beside the usual ones are named."""

import copy
import sys

import pytest
from gloo import on_ranks
from test_check_ddp import MINI, SOLUTIONS
from test_check_zero import SOLUTIONS as ZERO

from mgpu_lab.checks.core import PASSED, WRONG, judge

FLAT = ZERO["flat-optimizer"]
IN_SHARES = """
def f(x):
    share = -(-len(x) // world_size)
    padded = torch.cat([x, x.new_zeros(share * world_size - len(x))])
    mine, whole = padded[:share].clone(), torch.empty_like(padded)
    dist.reduce_scatter(mine, list(padded.split(share)))
    dist.all_gather(list(whole.split(share)), mine)
    x.copy_(whole[: len(x)])
"""
MINI_CALL = "dist.all_reduce(flat, async_op=True)"
GATHER = "dist.all_gather_into_tensor(whole, self.part.detach())"
# exercise, what is told apart, the answer
RIGHT = [
    ("mini-ddp", "world_size", MINI.replace("dist.get_world_size()", "world_size")),
    (
        "mini-ddp",
        "all by name",
        MINI.replace(MINI_CALL, "dist.all_reduce(op=dist.ReduceOp.SUM, tensor=flat, async_op=True)"),
    ),
    (
        "evaluate",
        "rank, world_size",
        SOLUTIONS["evaluate"].replace("dist.get_rank() :: dist.get_world_size()", "rank::world_size"),
    ),
    ("own-gradients", "world_size", ZERO["own-gradients"].replace("dist.get_world_size()", "world_size")),
    ("flat-optimizer", "world_size", FLAT.replace("dist.get_world_size()", "world_size")),
    ("flat-optimizer", "torch 2.13's name", FLAT.replace(GATHER, "dist.all_gather_single(whole, self.part.detach())")),
    (
        "any-length",
        "all by name",
        IN_SHARES.replace("(mine, list(padded.split(share)))", "(input_list=list(padded.split(share)), output=mine)"),
    ),
    (
        "any-length",
        "one tensor",
        IN_SHARES.replace(
            "reduce_scatter(mine, list(padded.split(share)))", "reduce_scatter_tensor(mine, padded)"
        ).replace("all_gather(list(whole.split(share)), mine)", "all_gather_into_tensor(whole, mine)"),
    ),
]
STEP = """
def f(gradients, scale, apply):
    flat = torch.cat([gradient.flatten() for gradient in gradients]) / scale
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    if not flat.isfinite().all():
        return scale / 2
    apply([flat / flat.norm().clamp(min=1.0)])
    return scale
"""
WIRE = """
def f(x):
    every = [None] * dist.get_world_size()
    dist.all_gather_object(every, x)
    x.copy_(torch.stack(every).float().mean(0))
"""
MISTAKES = [
    ("mini-ddp", MINI.replace("dist.get_world_size()", "3"), "number of ranks written into the code"),
    ("mini-ddp", MINI.replace(f"(flat, {MINI_CALL})", f"(flat, waited({MINI_CALL}))"), "before the next one starts"),
    (
        "mini-ddp",
        MINI.replace("self.module, self.b", "module = copy.deepcopy(module); self.module, self.b"),
        "handed in",
    ),
    (
        "mini-ddp",
        MINI.replace(
            "p.register_post_accumulate_grad_hook(self.arrived)", "p.register_hook(lambda g, p=p: self.arrived(p))"
        ),
        "runs before that",
    ),
    (
        "any-length",
        IN_SHARES.replace("list(padded.split(share)))", "list(padded.split(share)), async_op=True); dist.barrier()"),
        "never waited for",
    ),
    ("skip-together", STEP, "one tensor for each gradient"),
    ("bf16-wire", WIRE, "bytes can be counted"),
]


def waited(work):
    """A work that has been waited for already."""
    work.wait()
    return work


def verdicts(cases):
    """Judge each answer, defined as a cell would: in __main__, which holds a rank's names."""
    import torch
    import torch.distributed as dist

    names = vars(sys.modules["__main__"])
    names |= {"torch": torch, "dist": dist, "device": torch.device("cpu"), "nn": torch.nn}
    names |= {"copy": copy, "waited": waited}
    names |= {"rank": dist.get_rank(), "world_size": dist.get_world_size()}
    found = []
    for name, source in cases:
        exec(source, names)  # noqa: S102 - an answer
        answer = names[
            source.split("class " if "\nclass " in f"\n{source}" else "def ", 1)[1].split("(")[0].split(":")[0]
        ]
        verdict = judge(name, answer)
        found.append((verdict.outcome, verdict.text))
    return found


@pytest.mark.parametrize("size", [2, 3])
def test_right_answers_in_other_words_pass(size):
    for answers in on_ranks(size, verdicts, [(name, source) for name, _, source in RIGHT]):
        for (name, what, _), (outcome, text) in zip(RIGHT, answers, strict=True):
            assert outcome == PASSED, (name, what, text)


def test_mistakes_are_named():
    answers = on_ranks(3, verdicts, [(name, source) for name, source, _ in MISTAKES])
    assert answers[0] == answers[1] == answers[2], "all ranks say the same"
    for (name, _, hint), (outcome, text) in zip(MISTAKES, answers[0], strict=True):
        assert outcome == WRONG, (name, hint, text)
        assert hint in text, (name, hint, text)
