"""Lesson 02's checks: right answers pass, wrong ones are caught by a hint that names the mistake."""

import math

import numpy as np
import pytest
import torch
from gloo import on_ranks

from mgpu_lab.checks.core import judge

# ---- shard-sizes


def rounds_up(samples, devices):
    size = -(-samples // devices)
    return [min(size, samples - first) for first in range(0, samples, size)]


def as_torch_does(samples, devices):
    return [len(shard) for shard in torch.arange(samples).chunk(devices)]


def evens_out(samples, devices):
    sizes = [samples // devices + (device < samples % devices) for device in range(devices)]
    return [size for size in sizes if size]


def keeps_idle_devices(samples, devices):
    sizes = rounds_up(samples, devices)
    return sizes + [0] * (devices - len(sizes))


def rounds_down(samples, devices):
    size = max(1, samples // devices)
    return [min(size, samples - first) for first in range(0, samples, size)]


def forgets_the_rest(samples, devices):
    return [samples // devices] * devices if samples >= devices else [1] * samples


def fills_all(samples, devices):
    return [math.ceil(samples / devices)] * len(rounds_up(samples, devices))


def small_one_first(samples, devices):
    return rounds_up(samples, devices)[::-1]


def only_the_first(samples, devices):
    return math.ceil(samples / devices)


def as_text(samples, devices):
    return [str(size) for size in rounds_up(samples, devices)]


def greedy(samples, devices):
    return [samples] if samples > devices else [1] * samples


SHARDS = [
    (evens_out, "even the shards out"),
    (keeps_idle_devices, "not in the list"),
    (rounds_down, "Round the size of a shard up"),
    (forgets_the_rest, "hold 4 samples together"),
    (fills_all, "hold 6 samples together"),
    (small_one_first, "comes last, not first"),
    (only_the_first, "Return a list"),
    (as_text, "whole numbers"),
    (greedy, "rounded up"),
]


@pytest.mark.parametrize("answer", [rounds_up, as_torch_does])
def test_shard_sizes_passes(answer):
    assert judge("shard-sizes", answer)


@pytest.mark.parametrize(("answer", "words"), SHARDS, ids=lambda value: getattr(value, "__name__", ""))
def test_shard_sizes_catches(answer, words):
    verdict = judge("shard-sizes", answer)
    assert (verdict.outcome, words in verdict.text) == ("not yet", True), verdict


# ---- device-zero


def zero(held=16_240_000, sent=20_000_000):
    return {"on_device_0": held, "sent_for_replicas": sent}


BYTES = [
    (zero(16_000_000), "outputs of all samples"),
    (zero(16_060_000), "outputs as numbers"),
    (zero(16_040_000), "not only device 0's own"),
    (zero(12_240_000), "two moments"),
    (zero(8_240_000), "What does Adam remember"),
    (zero(4_240_000), "Only the parameters"),
    (zero(4_060_000), "four bytes"),
    (zero(16_240_000 / 6), "divides the batch only"),
    (zero(36_240_000), "are on the others"),
    (zero(1), "parameters, gradients, two moments, outputs"),
    (zero("16 MB"), "as a number"),
    (zero(sent=24_000_000), "no copy to itself"),
    (zero(sent=4_000_000), "a copy of its own"),
    (zero(sent=40_000_000), "come back in the backward"),
    (zero(sent=20_000_000 / 6), "not a share of it"),
    (zero(sent=40_000_000 / 6), "all-reduce"),
    (zero(sent=5_000_000), "four bytes"),
    (zero(sent=1), "how many copies"),
    (zero(sent=None), "a dictionary of both"),
    (16_240_000, "a dictionary of both"),
]


@pytest.mark.parametrize("kind", [int, float, np.int64, torch.tensor])
def test_device_zero_passes(kind):
    verdict = judge("device-zero", zero(kind(16_240_000), kind(20_000_000)))
    assert verdict
    assert "5 whole models" in verdict.text  # one for each of the other devices


@pytest.mark.parametrize(("answer", "words"), BYTES)
def test_device_zero_catches(answer, words):
    verdict = judge("device-zero", answer)
    assert (verdict.outcome, words in verdict.text) == ("not yet", True), verdict


# ---- batch-mean


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


def judge_means():
    """Verdicts of all answers on one rank: outcome and text."""
    answers = (weighted, in_a_loop, with_shares_in_fp32, *MEANS)
    return {answer.__name__: vars(judge("batch-mean", answer)) for answer in answers}


@pytest.fixture(scope="module", params=[1, 2])
def verdicts(request):
    return on_ranks(request.param, judge_means)


@pytest.mark.parametrize("name", ["weighted", "in_a_loop", "with_shares_in_fp32"])
def test_batch_mean_passes(verdicts, name):
    assert all(each[name]["outcome"] == "passed" for each in verdicts), verdicts


@pytest.mark.parametrize("answer", MEANS, ids=lambda answer: answer.__name__)
def test_batch_mean_catches(verdicts, answer):
    for each in verdicts:
        assert each[answer.__name__]["outcome"] == "not yet"
        assert MEANS[answer] in each[answer.__name__]["text"]


# ---- plain-checkpoint


def strip(key):
    while key.startswith("module."):
        key = key.removeprefix("module.")
    return key


def good(state):
    return {strip(key): value for key, value in state.items()}


def replaces_everywhere(state):
    return {key.replace("module.", ""): value for key, value in state.items()}


def strips_letters(state):
    return {key.lstrip("module."): value for key, value in state.items()}


def cuts_always(state):
    return {key[7:]: value for key, value in state.items()}


def strips_once(state):
    return {key.removeprefix("module."): value for key, value in state.items()}


def changes_in_place(state):
    for key in list(state):
        state[strip(key)] = state.pop(key)
    return state


def forgets_the_dot(state):
    return {key.removeprefix("module"): value for key, value in state.items()}


def leaves_it(state):
    return dict(state)


def drops_the_rest(state):
    return {strip(key): value for key, value in state.items() if key.startswith("module.")}


def keeps_both(state):
    return {**good(state), **{f"old.{key}": value for key, value in state.items()}}


def gives_pairs(state):
    return list(good(state).items())


def last_part(state):
    return {key.rpartition(".")[2]: value for key, value in state.items()}


KEYS = [
    (replaces_everywhere, "a layer inside is called module"),
    (strips_letters, "takes away letters"),
    (cuts_always, "has no wrapper's name"),
    (strips_once, "wrapped twice"),
    (changes_in_place, "Make a new one"),
    (forgets_the_dot, "the dot belongs"),
    (leaves_it, "still in front"),
    (drops_the_rest, "is lost"),
    (keeps_both, "each tensor once"),
    (gives_pairs, "Return a dictionary"),
    (last_part, "and nothing else"),
]


def test_plain_checkpoint_passes():
    assert judge("plain-checkpoint", good)


@pytest.mark.parametrize(("answer", "words"), KEYS, ids=lambda value: getattr(value, "__name__", ""))
def test_plain_checkpoint_catches(answer, words):
    verdict = judge("plain-checkpoint", answer)
    assert (verdict.outcome, words in verdict.text) == ("not yet", True), verdict
