"""Lesson 04: its ShardedOptimizer equals the plain one; its checks pass the solutions and name every mistake."""

import copy

import pytest
from gloo import on_ranks
from test_check_ddp import cell_with

from mgpu_lab.checks.core import PASSED, TO_DO, WRONG, judge

SHARDED = cell_with("04_zero.ipynb", "class ShardedOptimizer")
NAMES = {
    "global-clip": "clip_to_global_norm",
    "own-gradients": "keep_own_gradients",
    "flat-optimizer": "FlatOptimizer",
}
SOLUTIONS = {
    "global-clip": cell_with("solutions/04_zero.ipynb", "def clip_to_global_norm"),
    "own-gradients": cell_with("solutions/04_zero.ipynb", "def keep_own_gradients"),
    "flat-optimizer": cell_with("solutions/04_zero.ipynb", "class FlatOptimizer"),
}
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
            "dist.all_reduce(squares)", "dist.all_reduce(squares); dist.all_reduce(squares.clone())",
            "One number per rank"),
        "everything gathered": (
            "dist.all_reduce(squares)",
            "every = [None] * dist.get_world_size(); dist.all_gather_object(every, squares); squares = sum(every)",
            "one all_reduce is enough"),
        "one number of each rank gathered": (
            "dist.all_reduce(squares)",
            "s = [squares + i for i in range(dist.get_world_size())]; dist.all_gather(s, squares); squares = sum(s)",
            "one all_reduce is enough"),
        "new tensors in the list": (
            "    for gradient in gradients:\n        gradient.mul_((max_norm / norm).clamp(max=1.0))",
            "    for i, g in enumerate(gradients):\n        gradients[i] = g * (max_norm / norm).clamp(max=1.0)",
            "in place"),
        "the list as well": ("return norm", "return gradients, norm", "no number (tuple)"),
    },
    "own-gradients": {
        "all_reduce": ("dist.reduce(p.grad, dst=owner[p])", "dist.all_reduce(p.grad)", "throw it away"),
        "nothing dropped": (
            "if owner[p] == dist.get_rank() else None", "", "does not own"),
        "sum, not mean": ("p.grad / dist.get_world_size() if", "p.grad if", "holds the sum"),
        "divided twice": ("dist.get_world_size() if", "dist.get_world_size() ** 2 if", "twice"),
        "nothing sent": ("dist.reduce(p.grad, dst=owner[p])", "pass", "nothing was added up"),
        "nothing sent, not divided": (
            "dist.reduce(p.grad, dst=owner[p])\n            p.grad = p.grad / dist.get_world_size() if",
            "p.grad = p.grad if", "one rank's gradient"),
        "everything dropped": ("if owner[p] == dist.get_rank() else None", "if False else None", "lost its gradient"),
        "the frozen one gets zeros": (
            "        if p.grad is not None:\n",
            "        p.grad = torch.zeros_like(p) if p.grad is None else p.grad\n        if True:\n", "frozen"),
        "gathered whole": (
            "dist.reduce(p.grad, dst=owner[p])",
            "every = [p.grad + 0, p.grad + 1]; dist.all_gather(every, p.grad); p.grad = sum(every)",
            "gathered whole"),
        "sent twice": (
            "dist.reduce(p.grad, dst=owner[p])",
            "dist.reduce(p.grad.clone(), dst=owner[p]); dist.reduce(p.grad, dst=owner[p])", "bytes were sent"),
    },
    "flat-optimizer": {
        "not written back": ("p.detach().copy_(new.view_as(p))", "pass", "have not changed"),
        "gradient of the first step only": (
            "self.part.grad = ", "self.part.grad = self.part.grad if self.part.grad is not None else ",
            "renewed before each step"),
        "parts in the wrong order": (
            "dist.all_gather_into_tensor(whole, self.part.detach())",
            "dist.all_gather_into_tensor(whole, self.part.detach()); whole = whole.roll(self.each)",
            "where its rank belongs"),
        "no .local": ("self.local", "self.mine", "as `.local`"),
        "all_reduce instead of a gather": (
            "dist.all_gather_into_tensor(whole, self.part.detach())",
            "whole.zero_(); whole.chunk(self.size)[dist.get_rank()].copy_(self.part.detach()); dist.all_reduce(whole)",
            "one all-gather is enough"),
        "gathered twice": (
            "dist.all_gather_into_tensor(whole, self.part.detach())",
            "[dist.all_gather_into_tensor(whole, self.part.detach()) for _ in range(2)]", "2 all-gathers"),
    },
}  # fmt: skip
FLAT = SOLUTIONS["flat-optimizer"]
REBUILT = {
    "rounded down": (
        FLAT.replace("-(-sum(self.counts) // self.size)", "sum(self.counts) // self.size").replace(
            "whole[: sum(self.counts)]", "torch.nn.functional.pad(whole, (0, 9))[: sum(self.counts)]"
        ),
        "Mind the padding",
    ),
    "state for everything": (
        FLAT.replace("padded.chunk(self.size)[dist.get_rank()]", "padded").replace(
            "(whole, self.part.detach())", "(whole, self.part.detach().chunk(self.size)[dist.get_rank()])"
        ),
        "numbers of state",
    ),
}
BYTES_WRONG = {
    "everything divided": (lambda p, n, _: 16 * p / n, "everything is divided"),
    "no masters": (
        lambda p, n, s: p * (4 + 8 / n if s == 1 else 2 + 10 / n if s == 2 else 12 / n if s else 12), "master weights"),
    "plain fp32": (lambda p, *_: 16 * p if _[1] == 0 else p * (8 + 8 / _[0]), "plain fp32"),
    "fp32 gradients": (lambda p, *_: 18 * p, "counted in fp32"),
    "no gradients": (lambda p, *_: 14 * p, "gradients are missing"),
    "stage 1 as 2": (lambda p, n, s: p * (16, 2 + 14 / n, 2 + 14 / n, 16 / n)[s], "gradients are not shared out yet"),
    "stage 2 as 1": (lambda p, n, s: p * (16, 4 + 12 / n, 4 + 12 / n, 16 / n)[s], "gradients should be shared out"),
    "stage 3 as 2": (lambda p, n, s: p * (16, 4 + 12 / n, 2 + 14 / n, 2 + 14 / n)[s], "weights should be shared out"),
    "all ranks together": (lambda p, n, _: 16 * p * n, "all ranks hold together"),
    "parameters": (lambda p, *_: p, "number of parameters"),
    "no number": (lambda *_: "16", "must return a number"),
}  # fmt: skip


def defined(source, name):
    """Define an answer as a cell on a rank would."""
    import torch
    import torch.distributed as dist

    names = {"torch": torch, "dist": dist, "device": torch.device("cpu")}
    exec(source, names)  # noqa: S102 - the lesson's own code
    return names[name]


def verdicts(named_sources):
    """Judge each (exercise, source) in turn."""
    return [
        (verdict.outcome, verdict.text)
        for name, source in named_sources
        for verdict in [judge(name, defined(source, NAMES[name]))]
    ]


# ---- the lesson's ShardedOptimizer


class Tied:
    """A model's parameters: a tied pair (listed once), a frozen one, a scalar and tensors of uneven size."""

    def __init__(self):
        import torch
        from torch import nn

        torch.manual_seed(1)
        first, last = nn.Linear(6, 6), nn.Linear(6, 6)
        last.weight = first.weight
        self.model = nn.Sequential(first, nn.Linear(6, 17), nn.Linear(17, 6), nn.LayerNorm(6), last)
        self.model[1].bias.requires_grad_(requires_grad=False)
        self.parameters = list(self.model.parameters())

    def groups(self):
        """Two groups with learning rates of their own."""
        return [{"params": self.parameters[:3]}, {"params": self.parameters[3:], "lr": 0.003}]


def kinds():
    import torch

    return [
        (torch.optim.SGD, {"lr": 0.1, "momentum": 0.9}),
        (torch.optim.Adam, {"lr": 0.01}),
        (torch.optim.AdamW, {"lr": 0.01, "weight_decay": 0.1}),
    ]


def give_gradients(step, *models):
    import torch

    torch.manual_seed(100 + step)
    for parameters in zip(*(each.parameters for each in models), strict=True):
        gradient = torch.randn_like(parameters[0])
        for p in parameters:
            p.grad = gradient.clone() if p.requires_grad else None


def state_bytes(optimizer):
    import torch

    values = [value for state in optimizer.state.values() for value in state.values()]
    return sum(value.nbytes for value in values if torch.is_tensor(value) and value.dim())


def in_order(state_dict):
    """All of an optimizer's state as text."""
    return str(sorted(state_dict["state"].items())), str(state_dict["param_groups"])


def same(a, b):
    import torch

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
    sharded = defined(SHARDED, "ShardedOptimizer")
    return [steps_with_a_round_trip(kind, defaults, sharded) for kind, defaults in kinds()]


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_sharded_optimizer_equals_the_plain_one(size):
    answers = on_ranks(size, sharded_runs)
    for runs in zip(*answers, strict=True):
        whole, largest = runs[0][1], runs[0][2]
        assert sum(held for held, *_ in runs) == whole, "each number's state lies on one rank"
        for held, *_ in runs:
            assert abs(held - whole / size) <= largest


def two_tensors():
    import torch

    sharded = defined(SHARDED, "ShardedOptimizer")
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
    kind, defaults = kinds()[1]
    return steps_with_a_round_trip(kind, defaults, defined(source, "ShardedOptimizer"))


# ---- the checks


def right_ones():
    return verdicts(list(SOLUTIONS.items()))


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_the_solutions_pass(size):
    for answers in on_ranks(size, right_ones):
        for outcome, text in answers:
            assert outcome == PASSED, text
            assert str(size) in text.split(":")[0]


@pytest.mark.parametrize("name", list(NAMES))
def test_wrong_answers_are_told_what_is_wrong(name):
    mistakes = MISTAKES[name]
    assert len(mistakes) >= 5
    for mistake, (old, _, _) in mistakes.items():
        assert old in SOLUTIONS[name], mistake
    variants = [(name, SOLUTIONS[name].replace(old, new)) for old, new, _ in mistakes.values()]
    answers = on_ranks(2, verdicts, variants)
    assert answers[0] == answers[1], "all ranks say the same"
    for (mistake, (*_, hint)), (outcome, text) in zip(mistakes.items(), answers[0], strict=True):
        assert outcome == WRONG, (mistake, text)
        assert hint in text, (mistake, text)


@pytest.mark.parametrize("mistake", list(BYTES_WRONG))
def test_wrong_byte_counts_are_told_what_is_wrong(mistake):
    function, hint = BYTES_WRONG[mistake]
    verdict = judge("zero-bytes", function)
    assert verdict.outcome == WRONG
    assert hint in verdict.text


def test_the_right_byte_count_passes():
    function = defined(cell_with("solutions/04_zero.ipynb", "def bytes_per_rank"), "bytes_per_rank")
    assert judge("zero-bytes", function)


def test_rebuilt_flat_optimizers_are_told_what_is_wrong():
    variants = [("flat-optimizer", source) for source, _ in REBUILT.values()]
    for answers in on_ranks(2, verdicts, variants):
        for (_, hint), (outcome, text) in zip(REBUILT.values(), answers, strict=True):
            assert outcome == WRONG
            assert hint in text


SQUARES = "torch.zeros((), dtype=torch.float64, device=device)"
CLIPS = SOLUTIONS["global-clip"]


def other_clips():
    in_fp32 = CLIPS.replace(SQUARES, "torch.zeros(1)").replace(".double()", "")
    as_torch_does = CLIPS.replace("(max_norm / norm)", "(max_norm / (norm + 1e-6))")
    assert CLIPS not in {in_fp32, as_torch_does}
    return verdicts([("global-clip", in_fp32), ("global-clip", as_torch_does)])


def test_clipping_as_exact_as_torch_s_passes():
    assert {outcome for answers in on_ranks(2, other_clips) for outcome, _ in answers} == {PASSED}


def stubs():
    return [judge(name, ...).outcome for name in NAMES]


def test_stubs_wait_for_nothing():
    assert on_ranks(2, stubs) == [[TO_DO] * len(NAMES)] * 2
    assert judge("zero-bytes", ...).outcome == TO_DO
