"""Lesson 02's check on ranks: the mean over unequal shards passes, and every wrong one is told why."""

import pytest
import torch
from answers import assert_hints, assert_passed

from mgpu_lab.checks.core import judge

WEIGHTED = """
def weighted(losses, sizes):
    counts = torch.tensor(sizes, dtype=losses.dtype)
    return (losses * counts).sum() / counts.sum()
"""
RIGHT = {
    "in a loop": "sum(loss * size for loss, size in zip(losses, sizes, strict=True)) / sum(sizes)",
    "with shares in fp32": "(losses * (torch.tensor(sizes) / sum(sizes))).sum()",
}
WRONG = {
    "counts alike": ("losses.mean()", "counts every shard alike"),
    "adds up": ("losses.sum()", "adds the shards' means up"),
    "never divides": ("weighted(losses, sizes) * sum(sizes)", "sum over all samples"),
    "divides by shards": ("weighted(losses, sizes) * sum(sizes) / len(sizes)", "not of shards"),
    "takes the first": ("losses[0]", "one shard's loss"),
    "turned round": ("weighted(losses, [1 / size for size in sizes])", "turned round"),
    "plain number": ("weighted(losses, sizes).item()", "a plain number"),
    "detached": ("weighted(losses, sizes).detach()", "cannot be differentiated"),
    "still a vector": ("losses * torch.tensor(sizes) / sum(sizes)", "backward needs a scalar"),
    "half the gradient": ("(weighted(losses, sizes) + weighted(losses, sizes).detach()) / 2", "its gradient is not"),
    "largest": ("losses.max() * 2", "Weigh each loss"),
}


def mean(expression):
    return f"{WEIGHTED}\ndef mean(losses, sizes):\n    return {expression}\n"


@pytest.mark.parametrize("size", [1, 2])
def test_batch_mean(size):
    assert_passed(size, [("batch-mean", answer) for answer in (WEIGHTED, *map(mean, RIGHT.values()))])
    assert_hints(size, [("batch-mean", mean(expression), words) for expression, words in WRONG.values()])


def test_ranks_have_other_losses():
    averaged = """
def mean(losses, sizes):
    found = (losses * torch.tensor(sizes, dtype=losses.dtype)).sum() / sum(sizes)
    dist.all_reduce(found.detach())
    return found / dist.get_world_size()
"""
    assert_hints(2, [("batch-mean", averaged, "For shards of")])


def test_shards_are_those_of_torch():
    assert judge("shard-sizes", lambda samples, devices: [len(each) for each in torch.arange(samples).chunk(devices)])
