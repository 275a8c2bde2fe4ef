"""Lesson 02's check on ranks: the mean over unequal shards passes, and every wrong one is told why."""

import pytest
import torch
from answers import assert_hints, assert_passed

from mgpu_lab.checks.core import judge


def weighted(losses, sizes):
    counts = torch.tensor(sizes, dtype=losses.dtype)
    return (losses * counts).sum() / counts.sum()


def in_a_loop(losses, sizes):
    return sum(loss * size for loss, size in zip(losses, sizes, strict=True)) / sum(sizes)


def with_shares_in_fp32(losses, sizes):
    return (losses * (torch.tensor(sizes) / sum(sizes))).sum()


def counts_alike(losses, _):
    return losses.mean()


def adds_up(losses, _):
    return losses.sum()


def never_divides(losses, sizes):
    return weighted(losses, sizes) * sum(sizes)


def divides_by_shards(losses, sizes):
    return weighted(losses, sizes) * sum(sizes) / len(sizes)


def takes_the_first(losses, _):
    return losses[0]


def turned_round(losses, sizes):
    return weighted(losses, [1 / size for size in sizes])


def plain_number(losses, sizes):
    return weighted(losses, sizes).item()


def detached(losses, sizes):
    return weighted(losses, sizes).detach()


def still_a_vector(losses, sizes):
    return losses * torch.tensor(sizes) / sum(sizes)


def half_the_gradient(losses, sizes):
    mean = weighted(losses, sizes)
    return (mean + mean.detach()) / 2


def largest(losses, _):
    return losses.max() * 2


MEANS = {
    counts_alike: "counts every shard alike",
    adds_up: "adds the shards' means up",
    never_divides: "sum over all samples",
    divides_by_shards: "not of shards",
    takes_the_first: "one shard's loss",
    turned_round: "turned round",
    plain_number: "a plain number",
    detached: "cannot be differentiated",
    still_a_vector: "backward needs a scalar",
    half_the_gradient: "its gradient is not",
    largest: "Weigh each loss",
}


@pytest.mark.parametrize("size", [1, 2])
def test_batch_mean(size):
    assert_passed(size, [("batch-mean", answer) for answer in (weighted, in_a_loop, with_shares_in_fp32)])
    assert_hints(size, [("batch-mean", answer, words) for answer, words in MEANS.items()])


def test_shards_are_those_of_torch():
    assert judge("shard-sizes", lambda samples, devices: [len(each) for each in torch.arange(samples).chunk(devices)])
