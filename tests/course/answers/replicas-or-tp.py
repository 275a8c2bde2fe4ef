# %% right: largest batches
choices = {
    "A": {"tensor_parallel": 2, "number": 90.428},
    "B": {"replicas": 8, "batch": 113, "number": 91.078},
    "C": {"replicas": 2, "tensor_parallel": 4, "batch": 234, "number": 11.229},
    "D": {"pipeline_parallel": 2, "batch": 205, "number": 205.0},
}


# %% right: pairs of pipelines
choices = {
    "A": {"tensor_parallel": 2, "number": 90.428},
    "B": {"replicas": 4, "pipeline_parallel": 2, "batch": 224, "number": 90.247},
    "C": {"replicas": 2, "tensor_parallel": 4, "batch": 234, "number": 11.229},
    "D": {"pipeline_parallel": 2, "batch": 205, "number": 205.0},
}


# %% right: short pipelines
choices = {
    "A": {"tensor_parallel": 2, "number": 90.428},
    "B": {"replicas": 2, "pipeline_parallel": 4, "batch": 441, "number": 88.776},
    "C": {"replicas": 2, "tensor_parallel": 4, "batch": 234, "number": 11.229},
    "D": {"pipeline_parallel": 2, "batch": 205, "number": 205.0},
}


# %% right: one replica of four by two
choices = {
    "A": {"tensor_parallel": 2, "number": 90.428},
    "B": {"replicas": 8, "batch": 113, "number": 91.078},
    "C": {"tensor_parallel": 4, "pipeline_parallel": 2, "batch": 467, "number": 11.209},
    "D": {"pipeline_parallel": 2, "batch": 205, "number": 205.0},
}


# %% right: all numbers written
choices = {
    "A": {"replicas": 1, "tensor_parallel": 2, "pipeline_parallel": 1, "batch": 1, "number": 90},
    "B": {"replicas": 8, "batch": 113, "number": 91.078},
    "C": {"replicas": 2, "tensor_parallel": 4, "batch": 234, "number": 11.229},
    "D": {"pipeline_parallel": 2, "batch": 205, "number": 205.0},
}


# %% right: rounded numbers and round batches
choices = {
    "A": dict(tensor_parallel=2, number=90),
    "B": dict(replicas=8, batch=100, number=86.0),
    "C": dict(replicas=2, tensor_parallel=4, batch=160, number=10.0),
    "D": dict(pipeline_parallel=2, batch=192, number=200),
}


# %% right: numpy's and tensors
import numpy as np
import torch

choices = {
    "A": {"tensor_parallel": np.int64(2), "number": torch.tensor(90.0)},
    "B": {"replicas": 8, "batch": 113, "number": 91.078},
    "C": {"replicas": 2, "tensor_parallel": 4, "batch": 234, "number": 11.229},
    "D": {"pipeline_parallel": 2, "batch": 205, "number": 205.0},
}


# %% right: every way tried
import itertools

from mgpu_lab import plan_inference
from mgpu_lab.checks.lesson_08_ways import CASES
from mgpu_lab.wire.errors import UsageError


def plans(case):
    cards = int(case.machine.split("x")[0])
    for r, t, p in itertools.product((1, 2, 4, 8), repeat=3):
        for batch in [1] if case.one_at_a_time else range(1, 700, 8):
            if r * t * p == cards:
                way = dict(replicas=r, tensor_parallel=t, pipeline_parallel=p, batch=batch)
                try:
                    plan = plan_inference(case.model, case.machine, context=case.context, prompt=case.prompt, **way)
                except UsageError:
                    continue
                if batch * case.context <= plan.max_tokens_in_cache and plan.tokens_per_s >= case.least_tokens_per_s:
                    yield way, plan


def rate(case, plan):
    return plan.tokens_per_s if case.one_at_a_time else plan.requests_per_s(case.new_tokens)


choices = {}
for name, case in CASES.items():
    way, plan = max(plans(case), key=lambda pair: rate(case, pair[1]))
    at_once = plan.serving.replicas * (plan.max_tokens_in_cache // case.context)
    choices[name] = way | {"number": at_once if case.number == "at once" else rate(case, plan)}


# %% right: the best, read off the cases changed
import itertools

from mgpu_lab import plan_inference
from mgpu_lab.checks.lesson_08_ways import CASES
from mgpu_lab.wire.errors import UsageError


def plans(case):
    cards = int(case.machine.split("x")[0])
    for r, t, p in itertools.product((1, 2, 4, 8), repeat=3):
        for batch in [1] if case.one_at_a_time else (1, 2, 4, 8, 16, 32, 64, 96, 112, 128, 160, 192, 256, 384, 512):
            if r * t * p == cards:
                way = dict(replicas=r, tensor_parallel=t, pipeline_parallel=p, batch=batch)
                try:
                    plan = plan_inference(case.model, case.machine, context=case.context, prompt=case.prompt, **way)
                except UsageError:
                    continue
                if batch * case.context <= plan.max_tokens_in_cache and plan.tokens_per_s >= case.least_tokens_per_s:
                    yield way, plan


def rate(case, plan):
    return plan.tokens_per_s if case.one_at_a_time else plan.requests_per_s(case.new_tokens)


choices = dict()
for name, case in CASES.items():
    way, plan = max(plans(case), key=lambda pair: rate(case, pair[1]))
    at_once = plan.serving.replicas * (plan.max_tokens_in_cache // case.context)
    choices[name] = way | {"number": at_once if case.number == "at once" else rate(case, plan)}


# %% right: whole numbers as floats
choices = {
    "A": {"tensor_parallel": 4 / 2, "number": 90.0},
    "B": {"replicas": 8, "batch": 113, "number": 91.078},
    "C": {"replicas": 2, "tensor_parallel": 4, "batch": 234, "number": 11.229},
    "D": {"pipeline_parallel": 2, "batch": 205, "number": 205.0},
}


# %% right: a mapping that is no dict
from types import MappingProxyType

choices = MappingProxyType(
    {
        "A": {"tensor_parallel": 2, "number": 90.428},
        "B": {"replicas": 8, "batch": 113, "number": 91.078},
        "C": {"replicas": 2, "tensor_parallel": 4, "batch": 234, "number": 11.229},
        "D": {"pipeline_parallel": 2, "batch": 205, "number": 205.0},
    }
)


# %% right: floats for counts, and exact fractions
from fractions import Fraction

choices = {
    "D": {"number": 205.98, "batch": 205.0, "pipeline_parallel": 2.0},
    "C": {"number": Fraction(1123, 100), "batch": 234.0, "tensor_parallel": 4.0, "replicas": 2.0},
    "B": {"number": 91.08, "batch": 113.0, "replicas": 8.0},
    "A": {"number": Fraction(904, 10), "tensor_parallel": 2.0},
}


# %% right: near the edges of what passes
choices = {
    "A": {"tensor_parallel": 2, "batch": 1, "number": 90.43 * 1.045},
    "B": {"replicas": 2, "pipeline_parallel": 4, "batch": 420, "number": 86},
    "C": {"replicas": 2, "tensor_parallel": 4, "batch": 190, "number": 10.9},
    "D": {"pipeline_parallel": 2, "batch": 195, "number": 205},
}


# %% wrong: always replicas -> A, replicas 2, batch 1: 54.3 tokens/s, and 90.4 is possible
choices = {
    "A": {"replicas": 2, "number": 54},
    "B": {"replicas": 8, "batch": 100, "number": 90},
    "C": {"replicas": 8, "batch": 1, "number": 5},
    "D": {"replicas": 2, "batch": 40, "number": 88},
}


# %% wrong: always replicas, later -> not even for one request
choices = {
    "A": {"tensor_parallel": 2, "number": 90.428},
    "B": {"replicas": 8, "batch": 113, "number": 91.078},
    "C": {"replicas": 8, "batch": 1, "number": 5},
    "D": {"pipeline_parallel": 2, "batch": 205, "number": 205.0},
}


# %% wrong: replicas over night -> D, replicas 2, batch
choices = {
    "A": {"tensor_parallel": 2, "number": 90.428},
    "B": {"replicas": 8, "batch": 113, "number": 91.078},
    "C": {"replicas": 2, "tensor_parallel": 4, "batch": 234, "number": 11.229},
    "D": {"replicas": 2, "batch": 44, "number": 88.0},
}


# %% wrong: always tensor parallel -> B, tensor_parallel 8, batch
choices = {
    "A": {"tensor_parallel": 2, "number": 90.428},
    "B": {"tensor_parallel": 8, "batch": 161, "number": 15.17},
    "C": {"replicas": 2, "tensor_parallel": 4, "batch": 234, "number": 11.229},
    "D": {"pipeline_parallel": 2, "batch": 205, "number": 205.0},
}


# %% wrong: tensor parallel over all cards -> C, tensor_parallel 8, batch
choices = {
    "A": {"tensor_parallel": 2, "number": 90.428},
    "B": {"replicas": 8, "batch": 113, "number": 91.078},
    "C": {"tensor_parallel": 8, "batch": 362, "number": 9.24},
    "D": {"pipeline_parallel": 2, "batch": 205, "number": 205.0},
}


# %% wrong: tensor parallel over night -> D, tensor_parallel 2, batch
choices = {
    "A": {"tensor_parallel": 2, "number": 90.428},
    "B": {"replicas": 8, "batch": 113, "number": 91.078},
    "C": {"replicas": 2, "tensor_parallel": 4, "batch": 234, "number": 11.229},
    "D": {"tensor_parallel": 2, "batch": 206, "number": 206.0},
}


# %% wrong: always a pipeline -> A, pipeline_parallel 2, batch 1: 54.3 tokens/s
choices = {
    "A": {"pipeline_parallel": 2, "number": 54.312},
    "B": {"replicas": 8, "batch": 113, "number": 91.078},
    "C": {"replicas": 2, "tensor_parallel": 4, "batch": 234, "number": 11.229},
    "D": {"pipeline_parallel": 2, "batch": 205, "number": 205.0},
}


# %% wrong: a long pipeline -> B, pipeline_parallel 8, batch
choices = {
    "A": {"tensor_parallel": 2, "number": 90.428},
    "B": {"pipeline_parallel": 8, "batch": 762, "number": 77.812},
    "C": {"replicas": 2, "tensor_parallel": 4, "batch": 234, "number": 11.229},
    "D": {"pipeline_parallel": 2, "batch": 205, "number": 205.0},
}


# %% wrong: a long pipeline, 70B -> each request gets 18.4 tokens/s; 25 are asked for
choices = {
    "A": {"tensor_parallel": 2, "number": 90.428},
    "B": {"replicas": 8, "batch": 113, "number": 91.078},
    "C": {"pipeline_parallel": 8, "batch": 1, "number": 5},
    "D": {"pipeline_parallel": 2, "batch": 205, "number": 205.0},
}


# %% wrong: pairs of tensor parallel ranks -> B, replicas 4 x tensor_parallel 2, batch
choices = {
    "A": {"tensor_parallel": 2, "number": 90.428},
    "B": {"replicas": 4, "tensor_parallel": 2, "batch": 159, "number": 60.318},
    "C": {"replicas": 2, "tensor_parallel": 4, "batch": 234, "number": 11.229},
    "D": {"pipeline_parallel": 2, "batch": 205, "number": 205.0},
}


# %% wrong: pairs that leave little room -> there is room for
choices = {
    "A": {"tensor_parallel": 2, "number": 90.428},
    "B": {"replicas": 8, "batch": 113, "number": 91.078},
    "C": {"replicas": 4, "tensor_parallel": 2, "batch": 23, "number": 4.37},
    "D": {"pipeline_parallel": 2, "batch": 205, "number": 205.0},
}


# %% wrong: a mixture -> is possible
choices = {
    "A": {"tensor_parallel": 2, "number": 90.428},
    "B": {"replicas": 8, "batch": 113, "number": 91.078},
    "C": {"replicas": 2, "tensor_parallel": 2, "pipeline_parallel": 2, "batch": 151, "number": 9.202},
    "D": {"pipeline_parallel": 2, "batch": 205, "number": 205.0},
}


# %% wrong: one request at a time -> with another batch it reaches more
choices = {
    "A": {"tensor_parallel": 2, "number": 90.428},
    "B": {"replicas": 8, "batch": 1, "number": 2},
    "C": {"replicas": 2, "tensor_parallel": 4, "batch": 234, "number": 11.229},
    "D": {"pipeline_parallel": 2, "batch": 205, "number": 205.0},
}


# %% wrong: a batch beyond the cache -> at this batch, a replica's KV cache has room for
choices = {
    "A": {"tensor_parallel": 2, "number": 90.428},
    "B": {"replicas": 8, "batch": 113, "number": 91.078},
    "C": {"replicas": 2, "tensor_parallel": 4, "batch": 234, "number": 11.229},
    "D": {"pipeline_parallel": 2, "batch": 400, "number": 100},
}


# %% wrong: too slow for each -> 60 are asked for
choices = {
    "A": {"tensor_parallel": 2, "number": 90.428},
    "B": {"replicas": 8, "batch": 200, "number": 100},
    "C": {"replicas": 2, "tensor_parallel": 4, "batch": 234, "number": 11.229},
    "D": {"pipeline_parallel": 2, "batch": 205, "number": 205.0},
}


# %% wrong: more than one at a time -> requests come one at a time
choices = {
    "A": {"tensor_parallel": 2, "batch": 8, "number": 90},
    "B": {"replicas": 8, "batch": 113, "number": 91.078},
    "C": {"replicas": 2, "tensor_parallel": 4, "batch": 234, "number": 11.229},
    "D": {"pipeline_parallel": 2, "batch": 205, "number": 205.0},
}


# %% wrong: too few cards -> has 8.
choices = {
    "A": {"tensor_parallel": 2, "number": 90.428},
    "B": {"replicas": 4, "batch": 100, "number": 90},
    "C": {"replicas": 2, "tensor_parallel": 4, "batch": 234, "number": 11.229},
    "D": {"pipeline_parallel": 2, "batch": 205, "number": 205.0},
}


# %% wrong: too many cards -> cards
choices = {
    "A": {"tensor_parallel": 4, "number": 90},
    "B": {"replicas": 8, "batch": 113, "number": 91.078},
    "C": {"replicas": 2, "tensor_parallel": 4, "batch": 234, "number": 11.229},
    "D": {"pipeline_parallel": 2, "batch": 205, "number": 205.0},
}


# %% wrong: three of two -> has 2.
choices = {
    "A": {"tensor_parallel": 2, "replicas": 2, "number": 90},
    "B": {"replicas": 8, "batch": 113, "number": 91.078},
    "C": {"replicas": 2, "tensor_parallel": 4, "batch": 234, "number": 11.229},
    "D": {"pipeline_parallel": 2, "batch": 205, "number": 205.0},
}


# %% wrong: no number -> Still open is its number
choices = {
    "A": {"tensor_parallel": 2},
    "B": {"replicas": 8, "batch": 113, "number": 91.078},
    "C": {"replicas": 2, "tensor_parallel": 4, "batch": 234, "number": 11.229},
    "D": {"pipeline_parallel": 2, "batch": 205, "number": 205.0},
}


# %% wrong: an open number -> Still open is its number
choices = {
    "A": {"tensor_parallel": 2, "number": ...},
    "B": {"replicas": 8, "batch": 113, "number": 91.078},
    "C": {"replicas": 2, "tensor_parallel": 4, "batch": 234, "number": 11.229},
    "D": {"pipeline_parallel": 2, "batch": 205, "number": 205.0},
}


# %% wrong: a text for a number -> the number: the tokens a second of the one request; a number, not text
choices = {
    "A": {"tensor_parallel": 2, "number": "90 tokens/s"},
    "B": {"replicas": 8, "batch": 113, "number": 91.078},
    "C": {"replicas": 2, "tensor_parallel": 4, "batch": 234, "number": 11.229},
    "D": {"pipeline_parallel": 2, "batch": 205, "number": 205.0},
}


# %% wrong: milliseconds -> that is a token's milliseconds
choices = {
    "A": {"tensor_parallel": 2, "number": 11.06},
    "B": {"replicas": 8, "batch": 113, "number": 91.078},
    "C": {"replicas": 2, "tensor_parallel": 4, "batch": 234, "number": 11.229},
    "D": {"pipeline_parallel": 2, "batch": 205, "number": 205.0},
}


# %% wrong: seconds -> that is a token's seconds
choices = {
    "A": {"tensor_parallel": 2, "number": 0.01106},
    "B": {"replicas": 8, "batch": 113, "number": 91.078},
    "C": {"replicas": 2, "tensor_parallel": 4, "batch": 234, "number": 11.229},
    "D": {"pipeline_parallel": 2, "batch": 205, "number": 205.0},
}


# %% wrong: a guess -> the planner says another one than 100
choices = {
    "A": {"tensor_parallel": 2, "number": 100},
    "B": {"replicas": 8, "batch": 113, "number": 91.078},
    "C": {"replicas": 2, "tensor_parallel": 4, "batch": 234, "number": 11.229},
    "D": {"pipeline_parallel": 2, "batch": 205, "number": 205.0},
}


# %% wrong: one replica's requests -> that is one replica
choices = {
    "A": {"tensor_parallel": 2, "number": 90.428},
    "B": {"replicas": 8, "batch": 112, "number": 11.3},
    "C": {"replicas": 2, "tensor_parallel": 4, "batch": 234, "number": 11.229},
    "D": {"pipeline_parallel": 2, "batch": 205, "number": 205.0},
}


# %% wrong: tokens, not requests -> these are tokens a second
choices = {
    "A": {"tensor_parallel": 2, "number": 90.428},
    "B": {"replicas": 8, "batch": 112, "number": 46447.3},
    "C": {"replicas": 2, "tensor_parallel": 4, "batch": 234, "number": 11.229},
    "D": {"pipeline_parallel": 2, "batch": 205, "number": 205.0},
}


# %% wrong: tokens without the prompts -> without the prompts
choices = {
    "A": {"tensor_parallel": 2, "number": 90.428},
    "B": {"replicas": 8, "batch": 112, "number": 54027.8},
    "C": {"replicas": 2, "tensor_parallel": 4, "batch": 234, "number": 11.229},
    "D": {"pipeline_parallel": 2, "batch": 205, "number": 205.0},
}


# %% wrong: one request's speed -> that is one request's tokens a second
choices = {
    "A": {"tensor_parallel": 2, "number": 90.428},
    "B": {"replicas": 8, "batch": 113, "number": 91.078},
    "C": {"replicas": 2, "tensor_parallel": 4, "batch": 234, "number": 25.05},
    "D": {"pipeline_parallel": 2, "batch": 205, "number": 205.0},
}


# %% wrong: tokens in the cache -> that is the tokens of one replica's cache
choices = {
    "A": {"tensor_parallel": 2, "number": 90.428},
    "B": {"replicas": 8, "batch": 113, "number": 91.078},
    "C": {"replicas": 2, "tensor_parallel": 4, "batch": 234, "number": 11.229},
    "D": {"pipeline_parallel": 2, "batch": 200, "number": 210988},
}


# %% wrong: requests a second over night -> how many requests the KV caches of all cards hold at once
choices = {
    "A": {"tensor_parallel": 2, "number": 90.428},
    "B": {"replicas": 8, "batch": 113, "number": 91.078},
    "C": {"replicas": 2, "tensor_parallel": 4, "batch": 234, "number": 11.229},
    "D": {"pipeline_parallel": 2, "batch": 200, "number": 4.882},
}


# %% wrong: no batch -> give the batch, too
choices = {
    "A": {"tensor_parallel": 2, "number": 90.428},
    "B": {"replicas": 8, "number": 90},
    "C": {"replicas": 2, "tensor_parallel": 4, "batch": 234, "number": 11.229},
    "D": {"pipeline_parallel": 2, "batch": 205, "number": 205.0},
}


# %% wrong: a half -> tensor_parallel is a whole number from 1
choices = {
    "A": {"tensor_parallel": 0.5, "replicas": 4, "number": 90},
    "B": {"replicas": 8, "batch": 113, "number": 91.078},
    "C": {"replicas": 2, "tensor_parallel": 4, "batch": 234, "number": 11.229},
    "D": {"pipeline_parallel": 2, "batch": 205, "number": 205.0},
}


# %% wrong: no ranks -> replicas is a whole number from 1
choices = {
    "A": {"tensor_parallel": 2, "replicas": 0, "number": 90},
    "B": {"replicas": 8, "batch": 113, "number": 91.078},
    "C": {"replicas": 2, "tensor_parallel": 4, "batch": 234, "number": 11.229},
    "D": {"pipeline_parallel": 2, "batch": 205, "number": 205.0},
}


# %% wrong: a huge batch -> batch is a whole number from 1
choices = {
    "A": {"tensor_parallel": 2, "number": 90.428},
    "B": {"replicas": 8, "batch": 10**5000, "number": 90},
    "C": {"replicas": 2, "tensor_parallel": 4, "batch": 234, "number": 11.229},
    "D": {"pipeline_parallel": 2, "batch": 205, "number": 205.0},
}


# %% wrong: a true way -> tensor_parallel is a whole number from 1
choices = {
    "A": {"tensor_parallel": True, "number": 90},
    "B": {"replicas": 8, "batch": 113, "number": 91.078},
    "C": {"replicas": 2, "tensor_parallel": 4, "batch": 234, "number": 11.229},
    "D": {"pipeline_parallel": 2, "batch": 205, "number": 205.0},
}


# %% wrong: words -> a way is a dictionary with the keys
choices = {"A": "TP", "B": "replicas", "C": "TP", "D": "PP"}


# %% wrong: short keys -> 'tp' is none of them
choices = {
    "A": {"tp": 2, "number": 90},
    "B": {"replicas": 8, "batch": 113, "number": 91.078},
    "C": {"replicas": 2, "tensor_parallel": 4, "batch": 234, "number": 11.229},
    "D": {"pipeline_parallel": 2, "batch": 205, "number": 205.0},
}


# %% wrong: other weights -> 'weights' is none of them
choices = {
    "A": {"tensor_parallel": 2, "number": 90.428},
    "B": {"replicas": 8, "batch": 113, "number": 91.078},
    "C": {"replicas": 8, "weights": "int4", "batch": 8, "number": 90},
    "D": {"pipeline_parallel": 2, "batch": 205, "number": 205.0},
}


# %% wrong: a list -> a way for each of A, B, C, D
choices = ["TP", "replicas", "TP", "PP"]


# %% wrong: a fifth case -> a way for each of A, B, C, D
choices = {
    "A": {"tensor_parallel": 2, "number": 90.428},
    "B": {"replicas": 8, "batch": 113, "number": 91.078},
    "C": {"replicas": 2, "tensor_parallel": 4, "batch": 234, "number": 11.229},
    "D": {"pipeline_parallel": 2, "batch": 205, "number": 205.0},
    "E": {"replicas": 2},
}


# %% wrong: two are open -> What is filled in is right. Still open: C, D
choices = {
    "A": {"tensor_parallel": 2, "number": 90.428},
    "B": {"replicas": 8, "batch": 113, "number": 91.078},
    "C": ...,
    "D": ...,
}


# %% wrong: one is missing -> Still open: B
choices = {
    "A": {"tensor_parallel": 2, "number": 90.428},
    "C": {"replicas": 2, "tensor_parallel": 4, "batch": 234, "number": 11.229},
    "D": {"pipeline_parallel": 2, "batch": 205, "number": 205.0},
}


# %% wrong: nan -> the planner says another one than nan
choices = {
    "A": {"tensor_parallel": 2, "number": float("nan")},
    "B": {"replicas": 8, "batch": 113, "number": 91.078},
    "C": {"replicas": 2, "tensor_parallel": 4, "batch": 234, "number": 11.229},
    "D": {"pipeline_parallel": 2, "batch": 205, "number": 205.0},
}


# %% wrong: endless -> tensor_parallel is a whole number from 1
choices = {
    "A": {"tensor_parallel": float("inf"), "number": 90},
    "B": {"replicas": 8, "batch": 113, "number": 91.078},
    "C": {"replicas": 2, "tensor_parallel": 4, "batch": 234, "number": 11.229},
    "D": {"pipeline_parallel": 2, "batch": 205, "number": 205.0},
}


# %% wrong: plans -> a way is a dictionary with the keys
from mgpu_lab import plan_inference

choices = {"A": plan_inference("llama-3.1-8b", "2x RTX-4090"), "B": 8, "C": 8, "D": 2}


# %% wrong: negative -> replicas is a whole number from 1
choices = {
    "A": {"tensor_parallel": -2, "replicas": -1, "number": 90},
    "B": {"replicas": 8, "batch": 113, "number": 91.078},
    "C": {"replicas": 2, "tensor_parallel": 4, "batch": 234, "number": 11.229},
    "D": {"pipeline_parallel": 2, "batch": 205, "number": 205.0},
}


# %% wrong: cases overwritten -> has 2.
from dataclasses import replace

from mgpu_lab.checks.lesson_08_ways import CASES

CASES["A"] = replace(CASES["A"], machine="1x H200-SXM-141GB")
choices = {
    "A": {"number": 200},
    "B": {"replicas": 8, "batch": 113, "number": 91.078},
    "C": {"replicas": 2, "tensor_parallel": 4, "batch": 234, "number": 11.229},
    "D": {"pipeline_parallel": 2, "batch": 205, "number": 205.0},
}


# %% wrong: a slip in a key among all others -> 'replica' is none of them
choices = {
    "A": {"replicas": 1, "tensor_parallel": 2, "pipeline_parallel": 1, "batch": 1, "number": 90, "replica": 2},
    "B": {"replicas": 8, "batch": 113, "number": 91.078},
    "C": {"replicas": 2, "tensor_parallel": 4, "batch": 234, "number": 11.229},
    "D": {"pipeline_parallel": 2, "batch": 205, "number": 205.0},
}


# %% wrong: one card of two -> is 1 card; 2x RTX-4090 has 2
choices = {
    "A": {"batch": 1, "number": 54.3},
    "B": {"replicas": 8, "batch": 113, "number": 91.078},
    "C": {"replicas": 2, "tensor_parallel": 4, "batch": 234, "number": 11.229},
    "D": {"pipeline_parallel": 2, "batch": 205, "number": 205.0},
}


# %% wrong: none is filled in -> Not attempted yet
choices = {"A": ..., "B": ..., "C": ..., "D": ...}
