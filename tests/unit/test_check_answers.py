"""Answers that are numbers or plain Python: right ones pass, wrong ones get a hint that names the mistake."""

import math
from fractions import Fraction

import numpy as np
import pytest

from mgpu_lab.checks.core import WRONG, judge
from mgpu_lab.verification import example

GIB = 1024**3


# ---- 01: three machines
def slot(gpu=1, times=8.0):
    return {"gpu": gpu, "times_longer": times}


def card(gpu=2, reason="heat", times=3 * 1290 / (4 * 765)):
    return {"gpu": gpu, "reason": reason, "times_faster": times}


# ---- 02: shards, bytes on device 0, keys
def rounds_up(samples, devices):
    size = -(-samples // devices)
    return [min(size, samples - first) for first in range(0, samples, size)]


def evens_out(samples, devices):
    sizes = [samples // devices + (device < samples % devices) for device in range(devices)]
    return [size for size in sizes if size]


def keeps_idle_devices(samples, devices):
    sizes = rounds_up(samples, devices)
    return sizes + [0] * (devices - len(sizes))


def rounds_down(samples, devices):
    size = max(1, samples // devices)
    return [min(size, samples - first) for first in range(0, samples, size)]


def zero(held=16_240_000, sent=20_000_000):
    return {"on_device_0": held, "sent_for_replicas": sent}


def strip(key):
    while key.startswith("module."):
        key = key.removeprefix("module.")
    return key


def plain(state, rename=strip):
    return {rename(key): value for key, value in state.items()}


def changes_in_place(state):
    for key in list(state):
        state[strip(key)] = state.pop(key)
    return state


# ---- 03 to 06: bytes and bits
def ring(parameters, ranks):
    return 2 * (ranks - 1) / ranks * parameters * 4


def stage_bytes(parameters, ranks, stage):
    return parameters * (16, 4 + 12 / ranks, 2 + 14 / ranks, 16 / ranks)[stage]


def bits(block, scale_block=None):
    return 4 + 32 / block if scale_block is None else 4 + 8 / block + 32 / (block * scale_block)


def gigabytes(parameters, weight_bytes, gradient_bytes, master):
    moment_bytes = 4 if master else weight_bytes
    return parameters * (weight_bytes + gradient_bytes + 4 * master + 2 * moment_bytes) / 1e9


RIGHT = [
    ("narrow-slot", [slot(), slot(times=31.5 / 3.94), slot(gpu=np.int64(1), times=np.float32(8))]),
    ("hot-card", [card(), card(times=1.26), card(reason="Heat")]),
    ("small-shm", ["--shm-size=8g", "docker run --shm-size 1GB", "--ipc=host", "-v /dev/shm:/dev/shm"]),
    ("small-shm", ["--tmpfs /dev/shm:size=4g", "docker run --gpus all --shm-size='8g' image", f"--shm-size={2 * GIB}"]),
    ("small-shm", ["--shm-size=8GiB --ulimit memlock=-1", "--tmpfs /dev/shm:rw,size=8g", "-v /dev/shm:/dev/shm:rw"]),
    ("shard-sizes", [rounds_up]),
    ("device-zero", [zero(kind(16_240_000), kind(20_000_000)) for kind in (int, float, np.int64)]),
    ("plain-checkpoint", [plain]),
    (
        "ring-bytes",
        [lambda *case, kind=kind: kind(ring(*case)) for kind in (float, int, np.int64, np.float32, Fraction)],
    ),
    ("zero-bytes", [stage_bytes]),
    ("quant-bits", [bits]),
    ("state-gigabytes", [gigabytes]),
]
WRONG_ANSWERS = {
    "narrow-slot": {
        "has all of its lanes": slot(gpu=0),
        "number of the GPU": slot(gpu="1"),
        "counted lanes": slot(times=4),
        "compared generations": slot(times=2),
        "the slot is the limit": slot(times=1),
        "Turned round": slot(times=0.125),
        "twice": slot(times=16),
        "Two things differ": slot(times=3),
        "with a number": slot(times="8"),
        "times_longer is still open": {"gpu": 1},
        "with a dictionary": 8.0,
    },
    "hot-card": {
        "far below the rest": card(gpu=3),
        "at its power limit": card(reason="power"),
        "nobody to wait for": card(times=0.75),
        "three batches, not four": card(times=1290 / 765),
        "Turned round": card(times=4 * 765 / (3 * 1290)),
        "as if nobody waited": card(times=(1305 + 1320 + 1290) / (1305 + 1320 + 1290 + 765)),
        "slowest of them": card(times=3 * 1320 / (4 * 765)),
        "3/4, not 4/3": card(times=4 / 3 * 1290 / 765),
        "times the slowest clock": card(times=9),
    },
    "small-shm": {
        "cannot be read": ["--shm-size=1.2.3g", "--shm-size=.", "--shm-size=big"],
        "as text": 8,
        "limit of its own": ["--memory=8g", "-m 8g"],
        "still too little": "--shm-size=64m",
        "reads bytes": "--shm-size=8",
        "which one?": "--ulimit memlock=-1",
        "have room": "--tmpfs /tmp:size=8g",
        "which word": "--ipc=private",
        "The GPUs are there": "--gpus all",
        "far too small": "--privileged",
    },
    "shard-sizes": {
        "even the shards out": evens_out,
        "not in the list": keeps_idle_devices,
        "Round the size of a shard up": rounds_down,
        "hold 4 samples together": lambda s, d: [s // d] * d if s >= d else [1] * s,
        "hold 6 samples together": lambda s, d: [math.ceil(s / d)] * len(rounds_up(s, d)),
        "comes last, not first": lambda *case: rounds_up(*case)[::-1],
        "Return a list of sizes": lambda samples, devices: math.ceil(samples / devices),
        "whole numbers": lambda *case: list(map(str, rounds_up(*case))),
        "rounded up": lambda s, d: [s] if s > d else [1] * s,
    },
    "device-zero": {
        "outputs of all samples": zero(16_000_000),
        "outputs as numbers": zero(16_060_000),
        "not only device 0's own": zero(16_040_000),
        "two moments": zero(12_240_000),
        "What does Adam remember": zero(8_240_000),
        "Only the parameters": zero(4_240_000),
        "four bytes": [zero(4_060_000), zero(sent=5_000_000)],
        "divides the batch only": zero(16_240_000 / 6),
        "are on the others": zero(36_240_000),
        "parameters, gradients, two moments, outputs": [zero(1), zero(16_240_001)],
        "as a number": zero("16 MB"),
        "no copy to itself": zero(sent=24_000_000),
        "a copy of its own": zero(sent=4_000_000),
        "come back in the backward": zero(sent=40_000_000),
        "not a share of it": zero(sent=20_000_000 / 6),
        "all-reduce": zero(sent=40_000_000 / 6),
        "how many copies": zero(sent=1),
        "a dictionary of both": [zero(sent=None), 16_240_000],
    },
    "plain-checkpoint": {
        "a layer inside is called module": lambda state: plain(state, lambda key: key.replace("module.", "")),
        "takes away letters": lambda state: plain(state, lambda key: key.lstrip("module.")),
        "has no wrapper's name": lambda state: plain(state, lambda key: key[7:]),
        "wrapped twice": lambda state: plain(state, lambda key: key.removeprefix("module.")),
        "Make a new one": changes_in_place,
        "the dot belongs": lambda state: plain(state, lambda key: key.removeprefix("module")),
        "still in front": dict,
        "is lost": lambda state: plain({key: value for key, value in state.items() if key.startswith("module.")}),
        "each tensor once": lambda state: {**plain(state), **plain(state, "old.{}".format)},
        "Return a dictionary": lambda state: list(plain(state).items()),
        "and nothing else": lambda state: plain(state, lambda key: key.rpartition(".")[2]),
    },
    "ring-bytes": {
        "one trip round": lambda p, n: ring(p, n) / 2,
        "number of elements": lambda p, n: ring(p, n) / 4,
        "how many pieces": lambda p, _: 8 * p,
        "One rank passes on one piece": lambda p, n: n * ring(p, n),
        "cuts it into pieces": lambda p, n: n * ring(p, n) / 2,
        "fp32": lambda p, n: 2 * ring(p, n),
        "right on 2 ranks": lambda p, _: 4 * p,
        "must return a number": lambda *_: "many",
        "Count pieces": lambda *_: float("nan"),
        "not what it returns": 7000.0,
    },
    "zero-bytes": {
        "everything is divided": lambda p, n, _: 16 * p / n,
        "master weights": lambda p, n, stage: p * (12, 4 + 8 / n, 2 + 10 / n, 12 / n)[stage],
        "plain fp32": lambda p, n, stage: 16 * p if stage == 0 else p * (8 + 8 / n),
        "counted in fp32": lambda p, *_: 18 * p,
        "gradients are missing": lambda p, *_: 14 * p,
        "gradients are not shared out yet": lambda p, n, stage: stage_bytes(p, n, stage + (stage == 1)),
        "gradients should be shared out": lambda p, n, stage: stage_bytes(p, n, stage - (stage == 2)),
        "weights should be shared out": lambda p, n, stage: stage_bytes(p, n, stage - (stage == 3)),
        "all ranks hold together": lambda p, n, _: 16 * p * n,
        "number of parameters": lambda p, *_: p,
        "must return a number": lambda *_: "16",
    },
    "quant-bits": {
        "The weight itself": lambda *case: bits(*case) - 4,
        "bytes": lambda *case: bits(*case) / 8,
        "Where are the scales": lambda *_: 4,
        "ignores scale_block": lambda b, _=None: bits(b),
        "an absmax of their own": lambda b, s=None: 4 + 8 / b if s else bits(b),
        "How many weights": lambda b, s=None: 4 + 8 / b + 32 / s if s else bits(b),
        "is gone once": lambda b, s=None: bits(b, s) + (32 / b if s else 0),
        "still fp32": lambda b, s=None: bits(b, s) if s else 4 + 8 / b,
        "16 bits for each absmax": lambda b, _=None: 4 + 16 / b,
        "a whole absmax for each weight": lambda *_: 36,
        "not 8 bits": lambda b, s=None: 4 + 8 / b + 8 / (b * s) if s else bits(b),
        "Count the weight": lambda *case: 2 * bits(*case),
        "must return a number": lambda *case: f"{bits(*case):.3f}",
    },
    "state-gigabytes": {
        "a number of bytes": lambda *case: 1e9 * gigabytes(*case),
        "That is GiB": lambda *case: gigabytes(*case) * 1e9 / 2**30,
        "master weights are missing": lambda p, w, g, m: gigabytes(p, w, g, m) - p * 4 * m / 1e9,
        "two moments": lambda p, w, g, m: gigabytes(p, w, g, m) - p * (4 if m else w) / 1e9,
        "Where are AdamW's two moments": lambda p, w, g, m: p * (w + g + 4 * m) / 1e9,
        "gradients are missing": lambda p, w, _, m: gigabytes(p, w, 0, m),
        "The weights that forward": lambda p, w, g, m: gigabytes(p, w, g, m) - p * w / 1e9,
        "With masters AdamW updates these": lambda p, w, g, m: p * (w + g + 4 * m + 2 * w) / 1e9,
        "updates the weights themselves": lambda p, w, g, m: p * (w + g + 4 * m + 8) / 1e9,
        "use gradient_bytes": lambda p, w, _, m: gigabytes(p, w, w, m),
        "where there are none": lambda p, w, g, m: gigabytes(p, w, g, m) + p * 4 * (not m) / 1e9,
        "Add up weights": lambda p, *_: p * 16 / 1e9,
        "must return a number": lambda *_: "16",
    },
}


@pytest.mark.parametrize(("name", "answer"), [(name, answer) for name, answers in RIGHT for answer in answers])
def test_right_answers_pass(name, answer):
    assert judge(name, answer), judge(name, answer)


@pytest.mark.parametrize(
    ("name", "words", "answer"),
    [
        (name, words, answer)
        for name, table in WRONG_ANSWERS.items()
        for words, answers in table.items()
        for answer in (answers if isinstance(answers, list) else [answers])
    ],
)
def test_wrong_answers_get_a_hint_that_names_the_mistake(name, words, answer):
    verdict = judge(name, answer)
    assert (verdict.outcome, words in verdict.text) == (WRONG, True), verdict


def test_the_other_devices_are_counted():
    assert "5 whole models" in judge("device-zero", zero()).text


def test_the_examples_hold_what_the_checks_ask_for():
    lanes = [(gpu.pcie_generation, gpu.pcie_width) for gpu in example("card_in_x4_slot").hardware.gpus]
    assert lanes == [(4, 16), (3, 4)]
    assert [gpu.sm_clock_mhz for gpu in example("throttling").hardware.gpus] == [1305, 1320, 765, 1290]
    assert example("shm_64mb").host.shm_bytes == GIB // 16
