"""Lesson 03's checks: the lesson's own answers pass on 1 to 4 ranks, and every wrong one is told what is wrong."""

import pytest
import torch
import torch.distributed as dist
from answers import assert_hints, assert_passed, cell_with, changed, defined, defined_on_rank, nested
from gloo import on_ranks
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from mgpu_lab.checks.core import TO_DO, judge

MINI = cell_with("03_ddp.ipynb", "class MiniDDP")
SOLUTIONS = {
    "naive-ddp": cell_with("solutions/03_ddp.ipynb", "def average_gradients"),
    "flat-ddp": cell_with("solutions/03_ddp.ipynb", "def flat_average"),
    "mini-ddp": MINI,
    "weighted-gradients": cell_with("solutions/03_ddp.ipynb", "def weighted_average"),
    "accumulate": cell_with("solutions/03_ddp.ipynb", "def my_accumulate"),
    "evaluate": cell_with("solutions/03_ddp.ipynb", "def evaluate"),
}
BY_NAME = "dist.all_reduce(op=dist.ReduceOp.SUM, tensor=flat, async_op=True)"
IN_OTHER_WORDS = [
    ("mini-ddp", changed(MINI, ("dist.all_reduce(flat, async_op=True)", BY_NAME))),
    ("evaluate", changed(SOLUTIONS["evaluate"], ("dist.get_rank() :: dist.get_world_size()", "rank::world_size"))),
]
# put before the lesson's class, for the mistakes that need it
HELP = """
import copy

def waited(work):
    work.wait()
    return work

"""

# mistake -> (what is replaced in the lesson's class, by what, what the hint must say)
MINI_WRONG = {
    "broadcast by replacing the tensors": (
        "dist.broadcast(tensor.detach(), src=0)", "dist.broadcast(tensor.detach().clone(), src=0)", "not rank 0's"),
    "division by a number in the code": ("/ dist.get_world_size()", "/ 2", "number of ranks written into the code"),
    "divided twice": ("/ dist.get_world_size()", "/ dist.get_world_size() ** 2", "2 times too small"),
    "results put back in the wrong order": (
        "zip(bucket, marks, means, strict=True)", "zip(bucket, marks, [m.flip(0) for m in means], strict=True)",
        "come back to the place"),
    "a copy of the model": ("self.module, self.b", "module = copy.deepcopy(module); self.module, self.b", "handed in"),
    "a tensor's own hook": (
        "p.register_post_accumulate_grad_hook(self.arrived)", "p.register_hook(lambda g, p=p: self.arrived(p))",
        "runs before that"),
    "waited for at once": (
        "(flat, dist.all_reduce(flat, async_op=True))", "(flat, waited(dist.all_reduce(flat, async_op=True)))",
        "waited for while backward"),
}  # fmt: skip
WRONG_CODE = {
    "weighted-gradients": {
        "mean of means": ("dist.all_reduce(p.grad); p.grad /= dist.get_world_size()", "mean of the ranks' means"),
        "sum of means": ("dist.all_reduce(p.grad)", "sum of the ranks' means"),
        "weighted, not divided": ("p.grad *= n_tokens; dist.all_reduce(p.grad)", "divided by nothing"),
        "weighted, divided by ranks": (
            "p.grad *= n_tokens / dist.get_world_size(); dist.all_reduce(p.grad)", "divided by the number of ranks"),
        "divided by own tokens": (
            "p.grad /= n_tokens * dist.get_world_size(); dist.all_reduce(p.grad)", "do not do it twice"),
        "weights turned round": (
            "t = torch.tensor(1 / n_tokens); dist.all_reduce(t); p.grad *= 1 / n_tokens / t; dist.all_reduce(p.grad)",
            "wrong way round"),
        "nothing done": ("p.grad", "nothing from the other ranks"),
        "not waited": ("dist.all_reduce(p.grad.clone(), async_op=True)", "never waited for"),
        "each gradient twice": ("""
            t = torch.tensor(float(n_tokens))
            dist.all_reduce(t)
            p.grad *= n_tokens / t
            dist.all_reduce(p.grad.clone())
            dist.all_reduce(p.grad)
            """, "one all-reduce each"),
        "everyone's gradients gathered": ("""
            parts = [None] * dist.get_world_size()
            dist.all_gather_object(parts, n_tokens)
            every = [torch.empty_like(p) for _ in parts]
            dist.all_gather(every, p.grad * n_tokens)
            p.grad = sum(every) / sum(parts)
            """, "one all-reduce each"),
    },
    "accumulate": {
        "no no_sync": ("for b in batches: (loss_of(ddp, b) / len(batches)).backward()", "DDP's no_sync() holds"),
        "no_sync around backward alone": ("""
            for i, b in enumerate(batches):
                loss = loss_of(ddp, b) / len(batches)
                if i == len(batches) - 1: loss.backward()
                else:
                    with ddp.no_sync(): loss.backward()
            """, "when the forward runs"),
        "never synchronised": ("""
            with ddp.no_sync():
                for b in batches: (loss_of(ddp, b) / len(batches)).backward()
            """, "outside no_sync"),
        "not divided": ("""
            with ddp.no_sync():
                for b in batches[:-1]: loss_of(ddp, b).backward()
            loss_of(ddp, batches[-1]).backward()
            """, "4 times too large"),
        "gradients thrown away": ("""
            with ddp.no_sync():
                for b in batches[:-1]: (loss_of(ddp, b) / len(batches)).backward()
            ddp.zero_grad()
            (loss_of(ddp, batches[-1]) / len(batches)).backward()
            """, "stay in .grad between"),
        "only the last": ("(loss_of(ddp, batches[-1]) / len(batches)).backward()", "asked for 1 times"),
        "the first one synchronised": ("""
            (loss_of(ddp, batches[0]) / len(batches)).backward()
            with ddp.no_sync():
                for b in batches[1:]: (loss_of(ddp, b) / len(batches)).backward()
            """, "last micro-batch is the one"),
        "uneven weights": ("""
            with ddp.no_sync():
                for b in batches[:-1]: (loss_of(ddp, b) / 8).backward()
            (loss_of(ddp, batches[-1]) / 4).backward()
            """, "same weight"),
    },
    "evaluate": {
        "everything on every rank": ("return sum(loss_of(i) for i in items) / len(items)", "looked at all 10 items"),
        "padded like DistributedSampler": ("""
            n, r = dist.get_world_size(), dist.get_rank()
            full = items + items[: -len(items) % n]
            if len(full) == len(items): full = full + full[:n]
            total = sum(loss_of(i) for i in full[r::n]); dist.all_reduce(total)
            return total / len(full)
            """, "counted twice"),
        "the rest dropped": ("""
            n, r = dist.get_world_size(), dist.get_rank()
            each = (len(items) - 1) // n
            total = sum((loss_of(i) for i in items[r * each : r * each + each]), torch.zeros(()))
            dist.all_reduce(total)
            return total / len(items)
            """, "the rest is lost"),
        "rank 0 does it all": ("""
            total = sum(loss_of(i) for i in items) if dist.get_rank() == 0 else torch.zeros(())
            dist.all_reduce(total)
            return total / len(items)
            """, "no rank needs more than"),
        "mean of means": ("""
            mine = items[dist.get_rank() :: dist.get_world_size()]
            mean = sum(loss_of(i) for i in mine) / len(mine)
            dist.all_reduce(mean)
            return mean / dist.get_world_size()
            """, "mean of the ranks' means"),
        "not reduced": ("""
            mine = items[dist.get_rank() :: dist.get_world_size()]
            return sum(loss_of(i) for i in mine) / len(mine)
            """, "return different numbers"),
        "only rank 0 gets it": ("""
            total = sum(loss_of(i) for i in items[dist.get_rank() :: dist.get_world_size()])
            dist.reduce(total, 0)
            return total / len(items) if dist.get_rank() == 0 else None
            """, "every rank must return"),
        "0 / 0 on a rank without items": ("""
            mine = torch.tensor([float(loss_of(i)) for i in items[dist.get_rank() :: dist.get_world_size()]])
            total = mine.mean() * len(mine)
            dist.all_reduce(total)
            return total / len(items)
            """, "The result is nan"),
        "a list": (
            "return [loss_of(i) for i in items[dist.get_rank() :: dist.get_world_size()]]", "must return the mean"),
        "the sum": ("""
            total = sum(loss_of(i) for i in items[dist.get_rank() :: dist.get_world_size()])
            dist.all_reduce(total)
            return total
            """, "divide by the number of items"),
    },
}  # fmt: skip
HEADS = {
    "weighted-gradients": ("def weighted_average(model, n_tokens):", "for p in model.parameters():"),
    "accumulate": ("def my_accumulate(ddp, batches, loss_of):",),
    "evaluate": ("def evaluate(loss_of, items):",),
}


@pytest.mark.parametrize("size", [1, 4])  # on 4 it is tried on 1, 2 and 3 as well
def test_the_lesson_s_own_answers_pass(size):
    for text in assert_passed(size, list(SOLUTIONS.items())):
        assert {"1", str(size)} <= set(text.split(":")[0])


def test_right_answers_in_other_words_pass():
    assert_passed(3, IN_OTHER_WORDS)


def test_a_wrong_mini_ddp_is_told_what_is_wrong():
    assert_hints(2, [("mini-ddp", HELP + changed(MINI, (old, new)), hint) for old, new, hint in MINI_WRONG.values()])


def test_a_number_of_ranks_in_the_code_is_seen():
    assert_hints(3, [("mini-ddp", changed(MINI, ("dist.get_world_size()", "3")), "number of ranks written into")])


@pytest.mark.parametrize("name", list(HEADS))
def test_wrong_answers_are_told_what_is_wrong(name):
    assert_hints(2, [(name, nested(HEADS[name], code), hint) for code, hint in WRONG_CODE[name].values()])


def test_the_solution_s_byte_count_passes():
    assert judge("ring-bytes", defined(cell_with("solutions/03_ddp.ipynb", "def bytes_sent")))


def not_written_yet(*_, **__):
    raise NotImplementedError


def stubs():
    return {judge(name, stub).outcome for name in SOLUTIONS for stub in (..., not_written_yet)}


def test_stubs_on_ranks_wait_for_nothing():
    assert on_ranks(2, stubs) == [{TO_DO}] * 2


# ---- the lesson's MiniDDP over 20 steps


def mlp():
    return nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 3))


def transformer():
    # in float64: AdamW turns the rounding of a gradient that is zero (the keys' bias) into steps of full length
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
    return nn.Sequential(nn.Unflatten(1, (2, 4)), nn.Linear(4, 8), layer, nn.Flatten(), nn.Linear(16, 3)).double()


def normed():
    return nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.Tanh(), nn.Linear(16, 3))


def steps(model, optimizer, rows, finish=lambda: None):
    for step in range(20):
        generator = torch.Generator().manual_seed(step)
        kind = next(model.parameters())
        x, y = (torch.randn(12, width, generator=generator).to(kind) for width in (8, 3))
        optimizer.zero_grad()
        (model(x[rows]) - y[rows]).square().mean().backward()
        finish()
        optimizer.step()


def farthest_after_twenty_steps(build, optimizer_name, lr, bucket_mb):
    """The largest difference of any weight from one process's, all ranks starting from their own weights."""
    rank, size = dist.get_rank(), dist.get_world_size()
    mine = slice(rank * (12 // size), (rank + 1) * (12 // size))
    make = getattr(torch.optim, optimizer_name)
    torch.manual_seed(0)
    alone = build()
    steps(alone, make(alone.parameters(), lr=lr), slice(None))
    torch.manual_seed(rank)
    mini = defined_on_rank(MINI)(build(), bucket_mb)
    steps(mini.module, make(mini.module.parameters(), lr=lr), mine, mini.finish_gradients)
    pairs = zip(alone.parameters(), mini.module.parameters(), strict=True)
    return max((a - b).abs().max().item() for a, b in pairs)


def buffers_beside_torch_s_ddp():
    """Whether weights and every rank's own buffers are those of DistributedDataParallel.

    In float64: from 3 ranks on the two add up in different orders, and 20 steps through a BatchNorm make fp32's
    rounding visible.
    """
    rank = dist.get_rank()
    torch.manual_seed(rank)
    ddp = DistributedDataParallel(normed().double())
    torch.manual_seed(rank)
    mini = defined_on_rank(MINI)(normed().double())
    mine = slice(rank * 3, rank * 3 + 3)
    steps(ddp, torch.optim.SGD(ddp.parameters(), lr=0.1), mine)
    steps(mini.module, torch.optim.SGD(mini.module.parameters(), lr=0.1), mine, mini.finish_gradients)
    ours, theirs = mini.module.state_dict(), ddp.module.state_dict()
    return all(torch.allclose(ours[name], theirs[name], rtol=1e-10, atol=1e-10) for name in theirs)


def twenty_steps():
    """Everything in one group, since making one takes longest."""
    return (
        [farthest_after_twenty_steps(mlp, "SGD", 0.1, mb) for mb in (0.001, 25)],
        [farthest_after_twenty_steps(transformer, "AdamW", 1e-3, mb) for mb in (0.001, 25)],
        buffers_beside_torch_s_ddp(),
    )


@pytest.mark.parametrize("size", [1, 2, 4])
def test_mini_ddp_equals_one_process_and_torch_s_ddp(size):
    for of_mlp, of_transformer, buffers_equal in on_ranks(size, twenty_steps):
        assert max(of_mlp) < 1e-6
        assert max(of_transformer) < 1e-9
        assert buffers_equal
