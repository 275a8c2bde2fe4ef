"""The trace against real ranks, which hold and send the same to the byte; the plan's traffic against the trace."""

from dataclasses import asdict

import pytest
import torch
from gloo import on_ranks

from mgpu_lab.planner.memory.planned import CATEGORIES
from mgpu_lab.planner.recipe import Recipe
from mgpu_lab.planner.shapes import ModelShape, model_shape
from mgpu_lab.planner.trace.tracing import trace_training
from mgpu_lab.planner.traffic.calls import training_calls

SMALL = ModelShape("small", 2, 64, 160, 4, 2, 16, vocabulary=256, context=512)
TIED = ModelShape("tied", 3, 64, 160, 4, 4, 16, vocabulary=250, context=512, tied=True)
RECIPES = {
    "DDP under autocast": (SMALL, {"method": "ddp"}),
    "DDP, two micro-batches": (TIED, {"method": "ddp", "accumulation": 2, "dtype": "fp32"}),
    "FSDP": (SMALL, {"method": "fsdp"}),
    "FSDP, full checkpointing, uneven": (TIED, {"method": "fsdp", "checkpointing": "full", "accumulation": 2}),
    "FSDP, selective checkpointing": (SMALL, {"method": "fsdp", "checkpointing": "selective"}),
    "TP": (SMALL, {"method": "ddp", "tensor_parallel": 2, "master": None, "checkpointing": "full"}),
}


def followed_for_real(shape, recipe):
    """Train for two steps on these ranks, and return moments and traffic of the third."""
    from torch.distributed.device_mesh import init_device_mesh

    from mgpu_lab.course.dividing import Way, trained
    from mgpu_lab.course.training_step import followed_step, optimizer_step
    from mgpu_lab.planner.trace.model import maker

    mesh = init_device_mesh("cpu", (recipe.data_parallel, recipe.tensor_parallel), mesh_dim_names=("dp", "tp"))
    way = Way(recipe.method, recipe.dtype, recipe.master, recipe.checkpointing)
    training = trained(maker({"shape": asdict(shape)}), way, mesh["dp"], mesh["tp"])
    size = (recipe.micro_batch, recipe.seq_len)
    batches = [torch.randint(0, shape.vocabulary, size) for _ in range(recipe.accumulation)]
    step = (training.model, training.optimizer, batches, training.autocast_dtype)
    for _ in range(2):
        optimizer_step(*step)
    found = followed_step(*step)
    moments = {
        moment: {each: sum(row.size_bytes for row in rows if row.category == each) for each in CATEGORIES}
        for moment, rows in found.moments.items()
    }
    return moments, {name: (found.sent.calls[name], found.sent.bytes[name]) for name in found.sent.calls}


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_a_trace_holds_and_sends_what_real_ranks_do(name):
    shape, options = RECIPES[name]
    recipe = Recipe(2, **{"seq_len": 96, "micro_batch": 2, **options})
    [(moments, sent), _] = on_ranks(2, followed_for_real, shape, recipe)
    trace = trace_training(shape, 2, **{"seq_len": 96, "micro_batch": 2, **options})
    traced = {one.moment: {each: getattr(one, each) for each in CATEGORIES} for one in trace.moments}
    assert trace.traffic == sent
    assert traced == moments
    assert traffic_of(shape, recipe) == sent


def traffic_of(shape, recipe):
    sums = {}
    for call in training_calls(shape, recipe):
        calls, size = sums.get(call.collective, (0, 0))
        sums[call.collective] = (calls + call.calls, size + call.size_bytes)
    return sums


LARGE = {
    "1B, DDP": ("llama-3.2-1b", {"method": "ddp"}, {"all_reduce": (65, 4_943_257_600), "broadcast": (1, 256)}),
    "1B, FSDP": (
        "llama-3.2-1b",
        {"method": "fsdp", "checkpointing": "selective"},
        {"all_gather": (33, 4_417_916_928), "reduce_scatter": (17, 4_943_257_600)},
    ),
    "1B, TP": (
        "llama-3.2-1b",
        {"method": "ddp", "tensor_parallel": 8, "master": None, "checkpointing": "full"},
        {"all_gather": (1, 2_101_346_304), "all_reduce": (82, 2_751_463_424)},
    ),
    "small, FSDP and TP": (SMALL, {"method": "fsdp", "tensor_parallel": 2, "seq_len": 512}, None),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGE)
def test_plan_and_trace_send_the_same_in_large(name):
    model, options, known = LARGE[name]
    trace = trace_training(model, 8, **options)
    planned = traffic_of(model_shape(model), Recipe(8, **{"seq_len": 8192, **options}))
    assert trace.traffic == planned
    assert known in (planned, None)
