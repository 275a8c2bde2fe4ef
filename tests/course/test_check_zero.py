"""Lesson 04: its ShardedOptimizer equals the plain one; its checks pass the solutions and name every mistake."""

import copy

import pytest
import torch
from answers import assert_hints, assert_passed, cell_with, changed, defined, defined_on_rank
from gloo import on_ranks
from torch import nn

from mgpu_lab.checks.core import TO_DO, judge

SHARDED = cell_with("04_zero.ipynb", "class ShardedOptimizer")
SOLUTIONS = {
    "shard-optimizer": cell_with("solutions/04_zero.ipynb", "class Shard:"),
    "global-clip": cell_with("solutions/04_zero.ipynb", "def clip_to_global_norm"),
    "own-gradients": cell_with("solutions/04_zero.ipynb", "def keep_own_gradients"),
    "flat-optimizer": cell_with("solutions/04_zero.ipynb", "class FlatOptimizer"),
}
SHARD, CLIPS, OWN, FLAT = SOLUTIONS.values()
SQUARES = "torch.zeros((), dtype=torch.float64, device=device)"
GATHER = "dist.all_gather_into_tensor(whole, self.part.detach())"
IN_OTHER_WORDS = [
    ("shard-optimizer", SHARDED),  # the lesson's own
    (
        "global-clip",
        changed(
            CLIPS,
            (
                "dist.all_reduce(squares)",
                "s = [squares + i for i in range(world_size)]; dist.all_gather(s, squares); squares = sum(s)",
            ),
        ),
    ),
    ("global-clip", changed(CLIPS, (SQUARES, "torch.zeros(1)"), (".double()", ""))),
    ("global-clip", changed(CLIPS, ("(max_norm / norm)", "(max_norm / (norm + 1e-6))"))),  # as torch does
    ("own-gradients", changed(OWN, ("dist.get_world_size()", "world_size"))),
    ("flat-optimizer", changed(FLAT, ("dist.get_world_size()", "world_size"))),
    ("flat-optimizer", changed(FLAT, (GATHER, "dist.all_gather_single(whole, self.part.detach())"))),  # torch 2.13
]
# exercise -> mistake -> (what is replaced in the solution, by what, what the hint must say)
MISTAKES = {
    "global-clip": {
        "local norm": ("    dist.all_reduce(squares)\n", "", "norm of its own share"),
        "norms added up": (
            "dist.all_reduce(squares)", "squares.sqrt_(); dist.all_reduce(squares); squares.square_()", "added up"),
        "largest of the norms": ("dist.all_reduce(squares)", "dist.all_reduce(squares, dist.ReduceOp.MAX)", "largest"),
        "squares averaged": (
            "dist.all_reduce(squares)", "dist.all_reduce(squares); squares /= dist.get_world_size()", "averaged"),
        "no root": ("squares.sqrt()", "squares", "root is missing"),
        "small ones made larger": (".clamp(max=1.0)", "", "never makes them larger"),
        "not in place": ("gradient.mul_(", "gradient.mul(", "in place"),
        "norm from after clipping": ("return norm", "return norm.clamp(max=max_norm)", "before clipping"),
        "returns nothing": ("return norm", "return None", "Return the norm"),
        "sent once for each tensor": (
            "dist.all_reduce(squares)", "dist.all_reduce(squares); [dist.all_reduce(squares * 1) for _ in range(24)]",
            "bytes left a rank"),
        "everything gathered": ("dist.all_reduce(squares)",
            "every = [None] * dist.get_world_size(); dist.all_gather_object(every, squares); squares = sum(every)",
            "bytes left a rank"),
        "new tensors in the list": (
            "    for gradient in gradients:\n        gradient.mul_((max_norm / norm).clamp(max=1.0))",
            "    for i, g in enumerate(gradients):\n        gradients[i] = g * (max_norm / norm).clamp(max=1.0)",
            "in place"),
        "the list as well": ("return norm", "return gradients, norm", "no number (tuple)"),
    },
    "shard-optimizer": {
        "nothing is sent": ("dist.broadcast(p.data, src=self.owner[p])", "pass", "old values"),
        "state of everything": ("if self.owner[p] == dist.get_rank()]", "]", "keeps state for"),
        "all_reduce of zeros and values": ("dist.broadcast(p.data, src=self.owner[p])",
            "p.data.mul_(self.owner[p] == dist.get_rank()); dist.all_reduce(p.data)", "Sending each of the"),
        "sent twice": ("dist.broadcast(p.data, src=self.owner[p])",
            "[dist.broadcast(p.data, src=self.owner[p]) for _ in range(2)]", "Sending each of the"),
        "no .local": ("self.local", "self.mine", "as `.local`"),
    },
    "own-gradients": {
        "all_reduce": ("dist.reduce(p.grad, dst=owner[p])", "dist.all_reduce(p.grad)", "throw it away"),
        "nothing dropped": ("if owner[p] == dist.get_rank() else None", "", "does not own"),
        "sum, not mean": ("p.grad / dist.get_world_size() if", "p.grad if", "holds the sum"),
        "divided twice": ("dist.get_world_size() if", "dist.get_world_size() ** 2 if", "twice"),
        "nothing sent": ("dist.reduce(p.grad, dst=owner[p])", "pass", "nothing was added up"),
        "nothing sent, not divided": (
            "dist.reduce(p.grad, dst=owner[p])\n            p.grad = p.grad / dist.get_world_size() if",
            "p.grad = p.grad if", "one rank's gradient"),
        "everything dropped": ("if owner[p] == dist.get_rank() else None", "if False else None", "lost its gradient"),
        "the frozen one gets zeros": ("        if p.grad is not None:\n",
            "        p.grad = torch.zeros_like(p) if p.grad is None else p.grad\n        if True:\n", "frozen"),
        "gathered whole": ("dist.reduce(p.grad, dst=owner[p])",
            "every = [p.grad + 0, p.grad + 1]; dist.all_gather(every, p.grad); p.grad = sum(every)", "gathered whole"),
        "sent twice": ("dist.reduce(p.grad, dst=owner[p])",
            "dist.reduce(p.grad.clone(), dst=owner[p]); dist.reduce(p.grad, dst=owner[p])", "bytes left one of"),
    },
    "flat-optimizer": {
        "not written back": ("p.detach().copy_(new.view_as(p))", "pass", "have not changed"),
        "gradient of the first step only": (
            "self.part.grad = ", "self.part.grad = self.part.grad if self.part.grad is not None else ",
            "renewed before each step"),
        "parts in the wrong order": ("dist.all_gather_into_tensor(whole, self.part.detach())",
            "dist.all_gather_into_tensor(whole, self.part.detach()); whole = whole.roll(self.each)",
            "where its rank belongs"),
        "no .local": ("self.local", "self.mine", "as `.local`"),
        "all_reduce instead of a gather": ("dist.all_gather_into_tensor(whole, self.part.detach())",
            "whole.zero_(); whole.chunk(self.size)[dist.get_rank()].copy_(self.part.detach()); dist.all_reduce(whole)",
            "One all-gather is enough"),
        "gathered twice": ("dist.all_gather_into_tensor(whole, self.part.detach())",
            "[dist.all_gather_into_tensor(whole, self.part.detach()) for _ in range(2)]", "One all-gather is enough"),
    },
}  # fmt: skip
ROUNDED_DOWN = changed(
    FLAT,
    ("-(-sum(self.counts) // self.size)", "sum(self.counts) // self.size"),
    ("whole[: sum(self.counts)]", "torch.nn.functional.pad(whole, (0, 9))[: sum(self.counts)]"),
)
WHOLE_STATE = changed(
    FLAT,
    ("padded.chunk(self.size)[dist.get_rank()]", "padded"),
    ("(whole, self.part.detach())", "(whole, self.part.detach().chunk(self.size)[dist.get_rank()])"),
)


# ---- the lesson's ShardedOptimizer

KINDS = (
    (torch.optim.SGD, {"lr": 0.1, "momentum": 0.9}),
    (torch.optim.Adam, {"lr": 0.01}),
    (torch.optim.AdamW, {"lr": 0.01, "weight_decay": 0.1}),
)


class Tied:
    """A model's parameters: a tied pair (listed once), a frozen one, a scalar and tensors of uneven size."""

    def __init__(self):
        torch.manual_seed(1)
        first, last = nn.Linear(6, 6), nn.Linear(6, 6)
        last.weight = first.weight
        self.model = nn.Sequential(first, nn.Linear(6, 17), nn.Linear(17, 6), nn.LayerNorm(6), last)
        self.model[1].bias.requires_grad_(requires_grad=False)
        self.parameters = list(self.model.parameters())

    def groups(self):
        """Two groups with learning rates of their own."""
        return [{"params": self.parameters[:3]}, {"params": self.parameters[3:], "lr": 0.003}]


def give_gradients(step, *models):
    torch.manual_seed(100 + step)
    for parameters in zip(*(each.parameters for each in models), strict=True):
        gradient = torch.randn_like(parameters[0])
        for p in parameters:
            p.grad = gradient.clone() if p.requires_grad else None


def state_bytes(optimizer):
    values = [value for state in optimizer.state.values() for value in state.values()]
    return sum(value.nbytes for value in values if torch.is_tensor(value) and value.dim())


def in_order(state_dict):
    """All of an optimizer's state as text."""
    return str(sorted(state_dict["state"].items())), str(state_dict["param_groups"])


def same(a, b):
    return all(torch.equal(p, q) for p, q in zip(a.parameters, b.parameters, strict=True))


def steps_with_a_round_trip(kind, defaults, sharded_optimizer):
    """20 steps; after 8 the state goes into a new pair of optimizers, after 14 a learning rate changes."""
    ours, theirs = Tied(), Tied()
    plain = kind(theirs.groups(), **defaults)
    sharded = sharded_optimizer(ours.groups(), kind, **defaults)
    for step in range(20):
        if step == 8:
            saved = copy.deepcopy(sharded.state_dict())
            assert in_order(saved) == in_order(plain.state_dict()), "the state is the plain optimizer's"
            sharded = sharded_optimizer(ours.groups(), kind, **{**defaults, "lr": 9.0})
            sharded.load_state_dict(saved)
        if step == 14:
            sharded.param_groups[1]["lr"] = plain.param_groups[1]["lr"] = 0.001
        give_gradients(step, ours, theirs)
        plain.step()
        sharded.step()
        assert same(ours, theirs), (kind.__name__, step)
    sharded.zero_grad()
    assert all(p.grad is None for p in ours.parameters)
    largest = max(sum(v.nbytes for v in state.values() if v.dim()) for state in plain.state.values())
    return state_bytes(sharded.local), state_bytes(plain), largest


def sharded_runs():
    sharded = defined_on_rank(SHARDED)
    return [steps_with_a_round_trip(kind, defaults, sharded) for kind, defaults in KINDS]


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_sharded_optimizer_equals_the_plain_one(size):
    answers = on_ranks(size, sharded_runs)
    for runs in zip(*answers, strict=True):
        whole, largest = runs[0][1], runs[0][2]
        assert sum(held for held, *_ in runs) == whole, "each number's state lies on one rank"
        for held, *_ in runs:
            assert abs(held - whole / size) <= largest


def two_tensors():
    sharded = defined_on_rank(SHARDED)
    weights = [torch.nn.Parameter(torch.ones(3)), torch.nn.Parameter(torch.ones(5))]
    optimizer = sharded(iter(weights), torch.optim.Adam, lr=0.1)
    for p in weights:
        p.grad = torch.ones_like(p)
    optimizer.step()
    return [p.tolist() for p in weights], state_bytes(optimizer.local)


def test_more_ranks_than_tensors():
    answers = on_ranks(4, two_tensors)
    assert all(values == answers[0][0] for values, _ in answers)
    assert answers[0][0][0][0] == pytest.approx(0.9)
    assert sorted(held for _, held in answers) == [0, 0, 2 * 3 * 4, 2 * 5 * 4]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("dist.broadcast(p.data, src=self.owner[p])", "pass"),
        ("            own.update(", "            dict(own).update("),
        ("        self.all.load_state_dict(whole)\n", ""),
    ],
)
def test_a_broken_sharded_optimizer_is_noticed(old, new):
    assert old in SHARDED
    with pytest.raises(RuntimeError, match=r"AssertionError|KeyError"):
        on_ranks(2, broken_runs, SHARDED.replace(old, new))


def broken_runs(source):
    return steps_with_a_round_trip(*KINDS[1], defined_on_rank(source))


# ---- the checks


@pytest.mark.parametrize("size", [1, 4])  # on 4 it is tried on 1, 2 and 3 as well
def test_the_solutions_pass(size):
    assert all(str(size) in text.split(":")[0] for text in assert_passed(size, list(SOLUTIONS.items())))


def test_right_answers_in_other_words_pass():
    assert_passed(3, IN_OTHER_WORDS)


def test_wrong_answers_are_told_what_is_wrong():
    changes = [(name, *each) for name, mistakes in MISTAKES.items() for each in mistakes.values()]
    cases = [(name, changed(SOLUTIONS[name], (old, new)), hint) for name, old, new, hint in changes]
    cases += [("flat-optimizer", ROUNDED_DOWN, "Mind the padding"), ("flat-optimizer", WHOLE_STATE, "numbers of state")]
    assert_hints(2, cases)


def test_the_right_byte_count_passes():
    assert judge("zero-bytes", defined(cell_with("solutions/04_zero.ipynb", "def bytes_per_rank")))


def stubs():
    return {judge(name, ...).outcome for name in SOLUTIONS}


def test_stubs_wait_for_nothing():
    assert on_ranks(2, stubs) == [{TO_DO}] * 2
