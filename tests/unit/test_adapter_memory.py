"""Planned memory of LoRA and QLoRA, against bytes worked out by hand. The ledger is asked in tests/ranks."""

import pytest

from mgpu_lab.planner.machines import machine
from mgpu_lab.planner.memory.adapter_activations import layer_kept, size_of
from mgpu_lab.planner.memory.adapters import adapter_moments, base_of
from mgpu_lab.planner.memory.matrices import layer_linears
from mgpu_lab.planner.memory.nf4 import TABLES_BYTES, nf4_bytes
from mgpu_lab.planner.memory.planned import highest
from mgpu_lab.planner.recipe import Recipe
from mgpu_lab.planner.shapes import ModelShape, model_shape

GIB = 1 << 30
# lesson 05's base-llama in small: 2 layers of 4 x 192 x 192 + 3 x 192 x 512 weights in 7 matrices
SMALL = ModelShape("small", 2, 192, 512, 4, 4, 48, 256, 2048)
QUANTISED = 2 * (4 * 192 * 192 + 3 * 192 * 512)
REST = SMALL.parameters - QUANTISED
ADAPTERS = 2 * 8 * (4 * (192 + 192) + 3 * (192 + 512))  # rank 8: 8 x (inputs + outputs) for each matrix
CARD = machine("RTX-4090")


def moments(shape=SMALL, ranks=2, **how):
    how = {"method": "ddp", "adapter": "qlora", "lora_rank": 8, "micro_batch": 2, "seq_len": 64} | how
    return {one.moment: one for one in adapter_moments(shape, Recipe(ranks, **how), CARD)}


def named(moment, name):
    return sum(row.size_bytes for row in moment.rows if row.name == name)


def test_nf4_takes_half_a_byte_and_an_eighth_of_0_127():
    matrix = 4096 * 4096
    assert nf4_bytes(matrix) - TABLES_BYTES == matrix // 2 + matrix // 64 + 4 * matrix // (64 * 256)
    assert (nf4_bytes(matrix) - TABLES_BYTES) * 8 / matrix == pytest.approx(4 + 8 / 64 + 32 / (64 * 256))
    assert TABLES_BYTES == 1092  # what lesson 05 finds for each matrix


def test_a_small_qlora_to_the_byte():
    step = moments()["step"]
    assert QUANTISED == 884_736
    assert named(step, "nf4 packed weights") == 442_368  # measured: tests/ranks and lesson 05
    assert named(step, "absmax and code tables") == 13_824 + 240 + 14 * 1092
    assert named(step, "weights, bf16") == 2 * REST
    assert named(step, "LoRA, fp32") == 4 * ADAPTERS == 233_472
    assert step.optimizer_state == 8 * ADAPTERS + 4 * 28  # 28 adapters, each with a step counter
    assert (step.gradients, named(step, "DDP buckets")) == (4 * ADAPTERS, 4 * ADAPTERS)


def test_lora_keeps_the_base_in_bf16_whole():
    step = moments(adapter="lora")["step"]
    assert named(step, "weights, bf16") == 2 * SMALL.parameters
    assert step.gradients == 4 * ADAPTERS


def test_every_copy_of_an_input_is_counted_for_the_adapter_that_reads_it():
    inputs = 3 * 192 + 192 + 2 * 192 + 512  # q k v, o, gate up, down
    fp32, cast, shared = (
        size_of(layer_kept(SMALL, Recipe(2, adapter="lora", method=method, master=master)), 1)
        for method, master in (("ddp", None), ("ddp", "fp32"), ("fsdp", "fp32"))
    )
    between = 7 * 16  # numbers between A and B at rank 16
    assert fp32 - cast == 2 * (inputs + between)
    # without a copy the q, k, v adapters read one tensor, gate and up another, o what attention keeps anyway
    assert cast - shared == 2 * inputs - 2 * (192 + 192 + 512)


def test_the_first_layer_keeps_no_norm_for_its_frozen_input():
    rest, first = (layer_kept(SMALL, Recipe(2, adapter="lora", method="ddp"), first=one) for one in (False, True))
    assert size_of(rest, 1) - size_of(first, 1) == 4 * 192 + 4


def test_fsdp_divides_packed_weights_and_not_their_scales():
    step = moments(method="fsdp")["step"]
    assert named(step, "shard, bf16") == (442_368 + 2 * REST) // 2
    assert named(step, "shard, fp32") == 4 * ADAPTERS // 2
    assert named(step, "absmax and code tables") == named(moments()["step"], "absmax and code tables")


def test_offloaded_shards_are_on_the_host():
    here, there = (moments(method="fsdp", offload=where) for where in ("none", "cpu"))
    assert (there["step"].optimizer_state, there["step"].gradients) == (0, 0)
    assert there["step"].host_bytes == here["step"].total - named(here["step"], "absmax and code tables") - (
        here["step"].buffers + here["step"].of("other")
    )
    assert highest(there.values()).total < highest(here.values()).total


def test_checkpointing_keeps_one_tensor_a_layer():
    none, full = (moments(adapter="lora", checkpointing=how)["forward's end"] for how in ("none", "full"))
    assert full.activations < none.activations / 2


def test_stage_3_divides_the_frozen_base():
    step = moments(method="zero3", adapter="lora", deepspeed={"stage3_param_persistence_threshold": 0})["step"]
    assert named(step, "ZeRO-3 partition, bf16") == 2 * (SMALL.parameters + ADAPTERS) // 2
    assert step.optimizer_state == 12 * ADAPTERS // 2 + 4


def test_a_mixture_of_experts_has_adapters_beside_every_expert():
    shape = model_shape("mixtral-8x7b")
    base = base_of(shape, Recipe(8, adapter="qlora", lora_rank=16))
    assert base.adapters["down A"] == 16 * shape.intermediate * 8
    assert base.packed_bytes == sum(one.numbers * one.count for one in layer_linears(shape)) // 2


def test_70b_on_two_cards_of_24_gb_needs_the_host():
    """answer.ai trained it so: NF4, FSDP over two RTX 3090, checkpointing, CPU offloading (March 2024)."""
    shape = model_shape("llama-2-70b")
    how = {"method": "fsdp", "checkpointing": "full", "micro_batch": 1, "seq_len": 512, "lora_rank": 64}
    plain, offloaded = (highest(moments(shape, offload=where, **how).values()) for where in ("none", "cpu"))
    assert 22 < plain.total / GIB < 30  # 35 GB of packed weights over two, 3.3 GB of adapters' state, scales
    assert offloaded.total / GIB < 10
    assert offloaded.host_bytes / GIB == pytest.approx(22.6, abs=0.5)
