"""Lesson 07's own code: split layers equal to plain ones in every group, and the bubble that the formula predicts."""

import ast
from pathlib import Path

import nbformat
import pytest
from cells import Ranks

LESSON = Path(__file__).resolve().parents[2] / "notebooks" / "07_model_parallel.ipynb"
SPLIT = """
import torch.nn.functional as F
from mgpu_lab.course import traffic

def largest(pairs):
    return max((a - b).abs().max().item() for a, b in pairs)

def against_plain(group, dtype, bias, shape):
    n, me = dist.get_world_size(group), dist.get_rank(group)
    torch.manual_seed(n)
    first, second = (nn.Linear(a, b, bias=bias, dtype=dtype, device=device) for a, b in ((8, 12), (12, 4)))
    x = torch.randn(*shape, 8, dtype=dtype, device=device)
    up, down = ColumnParallelLinear(first, group), RowParallelLinear(second, group)
    wanted_x, x = x.clone().requires_grad_(), x.clone().requires_grad_()
    wanted, out = second(F.gelu(first(wanted_x))), down(F.gelu(up(x)))
    weights = torch.arange(out.numel(), dtype=dtype, device=device).view_as(out)
    for each in (wanted, out):
        (each * weights).sum().backward()
    cut = lambda tensor, dim: tensor.chunk(n, dim)[me]
    pairs = [(out, wanted), (x.grad, wanted_x.grad), (up(x), cut(first(x), -1))]
    pairs += [(up.weight.grad, cut(first.weight.grad, 0)), (down.weight.grad, cut(second.weight.grad, 1))]
    if bias:
        pairs += [(up.bias.grad, cut(first.bias.grad, 0)), (down.bias.grad, second.bias.grad)]
    assert [p.dtype for p in up.parameters()] == [dtype] * (1 + bias)
    return largest(pairs) / weights.abs().max().item()

groups = {}
for size in (1, 2, 4):
    groups[size], _ = dist.new_subgroups(size)
off = {
    (size, str(dtype), bias, shape): against_plain(group, dtype, bias, shape)
    for size, group in groups.items()
    for dtype in (torch.float64, torch.float32)
    for bias in (True, False)
    for shape in ((5,), (2, 3))
}
try:
    ColumnParallelLinear(nn.Linear(8, 6), groups[4])
except ValueError as error:
    refused = [str(error)]
try:
    split_heads(Block(64, 8, 2), groups[4])
except ValueError as error:
    refused.append(str(error))
"""
COUNTED = """
calls = {}
for size in (2, 4):
    block = Block(64, 8, 4).to(device)
    split_heads(block, groups[size])
    x = torch.ones(2, 5, 64, device=device, requires_grad=True)
    with traffic() as forward:
        y = block(x)
    with traffic() as backward:
        y.sum().backward()
    calls[size] = [dict(forward.calls), dict(backward.calls), forward.bytes["all_reduce"]]
"""
BIT_FOR_BIT = """
stage, plain = Stage(make_model(seed=0), rank, world_size), make_model(seed=0)
loss_of(plain, sequences[:16].to(device)).backward()
train_step(stage, gpipe(1), 1)
apart = farthest_gradient(stage, Stage(plain, rank, world_size))
"""
BUBBLE = """
paced_stage = PacedLinear(64, seconds=SECONDS, device=device)
paced_step(gpipe(1), 1)
for name, schedule in {"GPipe": gpipe(M), "1F1B": one_forward_one_backward(rank, world_size, M)}.items():
    dist.barrier()
    with timeline():
        paced_step(schedule, M)
    seen = [None] * world_size
    dist.all_gather_object(seen, timeline.record())
    share = 1 - sum(row.compute_s for row in seen) / max(row.step_s for row in seen) / world_size
    idle.setdefault(name, []).append(share)
"""
TRIES = 4
SECONDS = 0.05  # of a forward: long against a message and against the moment a rank needs to wake up


def sets(source):
    """The functions and classes that a cell of the ranks defines, and the names it assigns or imports."""
    found = set()
    for node in ast.parse(source.removeprefix("%%ranks").lstrip("\n")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.ImportFrom):
            found |= {alias.name for alias in node.names}
    return found


def lesson(*names):
    """The lesson's cells that define these names, in order."""
    cells = [each.source for each in nbformat.read(LESSON, as_version=4).cells if each.source.startswith("%%ranks\n")]
    chosen = [source for source in cells if sets(source) & set(names)]
    assert set(names) <= set().union(*map(sets, chosen))
    return [source.removeprefix("%%ranks\n").removeprefix("# again\n") for source in chosen]


def run(ranks, *sources):
    for source in sources:
        result = ranks.run(source)
        assert result.ok, result


@pytest.fixture(scope="module")
def four():
    with Ranks(4, "cpu") as ranks:
        run(ranks, *lesson("Block", "summed", "piece", "Enter", "ColumnParallelLinear"))
        run(ranks, *lesson("Leave", "RowParallelLinear", "split_heads"), SPLIT)
        yield ranks


def test_split_linears_equal_the_plain_ones_shard_in_groups_of_1_2_and_4(four):
    for off in four.pull("off"):
        assert len(off) == 24
        for (size, dtype, *_), difference in off.items():
            assert difference < (1e-12 if "64" in dtype else 1e-5), (size, dtype)


def test_what_cannot_be_split_is_refused_in_one_line(four):
    features, heads = four.pull("refused")[0]
    assert features == "6 features do not divide by 4 ranks"
    assert heads.startswith("2 KV heads, 4 ranks")
    assert "\n" not in heads


def test_a_block_makes_two_all_reduces_forward_and_two_backward(four):
    run(four, COUNTED)
    for calls in four.pull("calls"):
        for forward, backward, size in calls.values():
            assert forward == backward == {"all_reduce": 2}
            assert size == 2 * (2 * 5 * 64 * 4)


@pytest.mark.parametrize("stages", [2, 4])
def test_the_timeline_shows_the_predicted_bubble(stages):
    """Other programs on the machine can only lengthen a step, so a step that was disturbed is tried again."""
    with Ranks(stages, "cpu") as ranks:
        run(ranks, *lesson("make_model", "farthest_gradient", "exchange", "gpipe", "PacedLinear"))
        run(ranks, *lesson("one_forward_one_backward"), BIT_FOR_BIT)
        assert ranks.pull("apart") == [0.0] * stages
        for micro_batches in (2, 8) if stages == 2 else (4, 16):
            predicted = pytest.approx((stages - 1) / (micro_batches + stages - 1), rel=0.2)
            source = BUBBLE.replace("SECONDS", str(SECONDS)).replace("M)", f"{micro_batches})")
            run(ranks, "idle = {}")
            for _ in range(TRIES):
                run(ranks, source)
                best = {name: min(shares) for name, shares in ranks.pull("idle")[0].items()}
                if best == {"GPipe": predicted, "1F1B": predicted}:
                    break
            assert best == {"GPipe": predicted, "1F1B": predicted}, (stages, micro_batches)


def test_a_stage_refuses_what_would_leave_blocks_out():
    from mgpu_lab.course.decoder import Decoder, Stage

    for stages in (3, 8):
        with pytest.raises(ValueError, match=f"4 blocks do not divide by {stages} stages"):
            Stage(Decoder(layers=4), 0, stages)


def test_a_gradient_that_is_not_a_number_is_far():
    import torch

    from mgpu_lab.course import farthest_gradient

    models = [torch.nn.Linear(2, 2) for _ in range(2)]
    for model in models:
        model(torch.ones(1, 2)).sum().backward()
    models[1].load_state_dict(models[0].state_dict())
    assert farthest_gradient(*models) < 1e-5
    models[0].bias.grad[1] = float("nan")
    assert not farthest_gradient(*models) < 1e-5


def test_messages_in_a_group_of_its_own_are_not_counted_for_all_ranks(four):
    """A pipeline's stages send unlike numbers of messages; in a mesh they have a group of their own."""
    before = four.members[0].group
    source = """
        stages, x = dist.new_group([0, 1, 2, 3]), torch.ones(3)
        for _ in range(3):
            if rank > 0:
                dist.recv(x, rank - 1, group=stages)
            if rank < world_size - 1:
                dist.send(x, rank + 1, group=stages)
        dist.barrier()"""
    result = four.run(source)
    assert "did not make the same calls" not in repr(result)
    assert four.members[0].group.generation == before.generation
