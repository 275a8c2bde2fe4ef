"""FSDP2's offloading, against bytes worked out by hand; DeepSpeed's and adapters' are in their own tests."""

from mgpu_lab.planner.machines import machine
from mgpu_lab.planner.memory.offload import offloaded
from mgpu_lab.planner.memory.planned import highest
from mgpu_lab.planner.memory.training_memory import training_moments
from mgpu_lab.planner.recipe import Recipe
from mgpu_lab.planner.shapes import ModelShape

SMALL = ModelShape("lesson 04", 2, 192, 512, 4, 4, 48, 256, 2048)
P = 984_000


def moments(offload):
    recipe = Recipe(2, method="fsdp", micro_batch=2, seq_len=64, offload=offload)
    plain = training_moments(SMALL, Recipe(2, method="fsdp", micro_batch=2, seq_len=64), machine("RTX-4090"))
    return offloaded(plain, recipe)


def test_nothing_moves_without_offloading():
    assert all(moment.host_bytes == 0 for moment in moments("none"))
    assert highest(moments("none")).optimizer_state == 8 * P // 2 + 4 * 21


def test_shards_gradients_and_state_are_on_the_host():
    step = {moment.moment: moment for moment in moments("cpu")}["step"]
    assert step.host_bytes == 16 * P // 2 + 4 * 21
    assert (step.gradients, step.optimizer_state) == (0, 0)


def test_what_is_gathered_stays_on_the_gpu():
    here, there = (highest(found) for found in (moments("none"), moments("cpu")))
    assert 0 < there.parameters == here.parameters - 4 * P // 2
    assert there.activations == here.activations
