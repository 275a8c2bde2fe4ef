"""Planned memory of DDP, FSDP2, tensor and pipeline parallelism, against bytes worked out by hand.

The ledger is asked in tests/ranks, where every category must be met.
"""

from dataclasses import replace

import pytest

from mgpu_lab.planner.machines import machine
from mgpu_lab.planner.memory.activations import checkpointed, layer_saved
from mgpu_lab.planner.memory.optimizers import state_bytes
from mgpu_lab.planner.memory.planned import highest
from mgpu_lab.planner.memory.tape import Tape
from mgpu_lab.planner.memory.training_memory import training_moments
from mgpu_lab.planner.memory.weights import Stage
from mgpu_lab.planner.recipe import Recipe
from mgpu_lab.planner.shapes import ModelShape, model_shape, presets

SMALL = ModelShape("small", 2, 128, 352, 4, 2, 32, vocabulary=512, context=512)
P = 2 * (3 * 128 * 128 + 3 * 128 * 352 + 2 * 128) + 2 * 512 * 128 + 128
GIB = 1 << 30
CPU, H100 = "8x CPU", "8x H100-SXM-80GB"


def moments(shape=SMALL, ranks=2, where=CPU, **how):
    how = {"method": "ddp", "micro_batch": 1, "seq_len": 64} | how
    found = training_moments(model_shape(shape), Recipe(ranks, **how), machine(where))
    assert all(row.size_bytes > 0 for moment in found for row in (*moment.rows, *moment.overhead_rows))
    return {moment.moment: moment for moment in found}


def named(moment, name):
    return sum(row.size_bytes for row in moment.rows if row.name == name)


# ---- what the trace of the real code found for Llama-3.1-8B on 8 ranks, in GiB;
@pytest.mark.parametrize(("checkpointing", "total", "activations"), [("selective", 41.2, 19.76), ("full", 27.6, 6.23)])
def test_8b_on_8_ranks_of_fsdp_holds_what_the_trace_of_the_real_code_holds(checkpointing, total, activations):
    peak = highest(moments("llama-3.1-8b", 8, method="fsdp", seq_len=8192, checkpointing=checkpointing).values())
    assert peak.moment == "backward"
    assert named(peak, "shard, fp32") / GIB == pytest.approx(3.74, abs=0.01)
    assert named(peak, "gathered weights, bf16") / GIB == pytest.approx(1.96, abs=0.01)  # embedding, head, last norm
    assert named(peak, "communication buffers") / GIB == pytest.approx(0.41, abs=0.01)  # one layer
    assert peak.optimizer_state / GIB == pytest.approx(7.48, abs=0.01)
    wide_logits = 2 * 8192 * 128256 * 4  # their gradient in fp32, twice
    assert (peak.activations - wide_logits) / GIB == pytest.approx(activations, rel=0.02)
    assert peak.total / GIB == pytest.approx(total, rel=0.01)


def test_a_token_keeps_200_832_bytes_in_a_layer_of_8b():
    how = Recipe(8, method="fsdp", seq_len=8192)
    norm = 4 * 4096 + 4 + 2 * 4096 + 2 * 4096  # input in fp32, 1/rms, normed, weighted
    attention = 2 * (4096 + 1024 + 1024 + 4096) + 4 * 32  # q, k, v, output; log-sum-exp of each head
    assert sum(one.size_bytes(1) for one in layer_saved(model_shape("llama-3.1-8b"), how)) == (
        2 * norm + attention + 2 * 4 * 14336
    )


def test_checkpointing_keeps_the_layers_input_and_selective_what_was_costly():
    kept = {how: checkpointed(SMALL, Recipe(2, checkpointing=how, dtype="bf16")) for how in ("full", "selective")}
    assert [(one.name, one.size_bytes(1)) for one in kept["full"]] == [("layer input", 256)]
    # q and v, attention's output with its log-sum-exp, gate and down: the 1st, 3rd, 5th and 7th product
    assert sum(one.size_bytes(1) for one in kept["selective"]) == 256 + 2 * (128 + 64 + 128 + 352 + 128) + 4 * 4


# ---- weights, gradients, optimizers
def test_ddp_in_fp32_takes_20_bytes_a_parameter_in_the_step():
    step = moments(dtype="fp32")["step"]
    assert (step.parameters, step.gradients, named(step, "DDP buckets")) == (4 * P, 4 * P, 4 * P)
    assert step.optimizer_state == 8 * P + 4 * 21
    assert step.total == 20 * P + 4 * 21 + 2 * 16 * 4 + 64 * 8  # step counters, rotary frequencies, token numbers


def test_one_rank_has_no_buckets_and_bf16_without_masters_halves_everything():
    step = moments(ranks=1, dtype="bf16", master=None)["step"]
    assert (step.parameters, step.gradients, named(step, "Adam moments")) == (2 * P, 2 * P, 4 * P)
    assert named(step, "DDP buckets") == 0


@pytest.mark.parametrize("ranks", [2, 4])
def test_fsdp_divides_16_bytes_a_parameter(ranks):
    step = moments(ranks=ranks, method="fsdp")["step"]
    assert (step.parameters, step.gradients, named(step, "Adam moments")) == (
        4 * P / ranks,
        4 * P / ranks,
        8 * P / ranks,
    )


def test_autocast_keeps_a_bf16_copy_of_every_matrix_until_forwards_end():
    full = moments(dtype="bf16", checkpointing="full")["forward's end"]
    without = moments(dtype="bf16", master=None, checkpointing="full")["forward's end"]
    matrices = P - 5 * 128 - 512 * 128  # neither norms nor the embedding
    stream = 64 * 128
    # the residual stream in fp32: 2 layers' inputs, what the last norm made (its input is fp32 either way), its output
    wider = 2 * stream * 2 + stream * 2 + stream * 4
    assert full.activations - without.activations == 2 * matrices + wider


def test_optimizers_keep_what_their_code_says():
    assert state_bytes([5000, 100], 4, "adamw") == {"Adam moments": 40_800, "step counters": 8}
    assert state_bytes([5000, 100], 4, "sgd") == {}
    # 20 blocks of 256 numbers; a tensor of fewer than 4,096 numbers stays in fp32
    eight = {"state1": 5000, "state2": 5000, "Adam moments": 800, "absmax": 2 * 4 * 20}
    assert state_bytes([5000, 100], 4, "adamw8bit") == eight


def test_gradients_wait_for_the_last_micro_batch():
    once, twice = (highest(moments(dtype="fp32", seq_len=512, accumulation=times).values()) for times in (1, 2))
    assert (once.gradients, twice.gradients) == (0, 4 * P)
    assert twice.activations == once.activations
    assert moments(dtype="fp32", accumulation=2)["step"].gradients == 4 * P
    assert moments(method="fsdp", accumulation=2)["step"].gradients == 4 * P / 2


# ---- several dimensions
def test_tensor_parallelism_divides_matrices_and_leaves_norms_whole():
    step = moments(tensor_parallel=2, dtype="fp32")["step"]
    norms = 5 * 128
    assert named(step, "weights, fp32") == 4 * norms
    assert named(step, "shard, fp32") == 4 * (P - norms) / 2
    assert named(step, "DDP buckets") == 0


def test_the_stages_of_a_pipeline_hold_their_layers_and_one_end():
    stages = [Stage(SMALL, Recipe(2), 1, first=first, last=not first) for first in (True, False)]
    layer = SMALL.layer
    assert [stage.parameters for stage in stages] == [layer + 512 * 128, layer + 512 * 128 + 128]


def test_the_first_stage_keeps_as_many_micro_batches_as_there_are_stages():
    how = {"ranks": 4, "pipeline_parallel": 4, "seq_len": 512, "micro_batch": 4, "dtype": "fp32"}
    shape = ModelShape("narrow head", 8, 128, 352, 4, 2, 32, vocabulary=32, context=512)
    few, many = (moments(shape, accumulation=times, **how)["forward's end"].activations for times in (1, 8))
    one = 2 * sum(one.size_bytes(4 * 512) for one in layer_saved(shape, Recipe(4, dtype="fp32", method="ddp")))
    assert many == pytest.approx(4 * one, rel=0.02)
    assert few <= one * 1.1


# ---- outside tensors
def test_a_cpu_rank_has_nothing_outside_tensors_and_a_gpu_has_context_buffers_and_slack():
    assert moments()["backward"].overhead == 0
    found = moments("llama-3.1-8b", 8, H100, method="fsdp", seq_len=8192)
    rows = {row.name: row for row in found["step"].overhead_rows}
    assert set(rows) == {"CUDA context", "NCCL buffers", "allocator's slack"}
    assert rows["NCCL buffers"].size_bytes == 16 * 12 * 2**20
    assert rows["allocator's slack"].size_bytes == int(0.05 * highest(found.values()).total)  # it keeps what it held
    assert all("read 2026" in row.source for row in rows.values())
    two = moments("llama-3.1-8b", 8, H100, method="fsdp", tensor_parallel=2)["step"].overhead_rows
    assert {row.name: row.size_bytes for row in two}["NCCL buffers"] == 2 * 16 * 12 * 2**20  # a group a dimension


def test_one_gpu_has_no_nccl_buffers():
    assert "NCCL buffers" not in [row.name for row in moments(ranks=1, where="1x RTX-4090")["step"].overhead_rows]


# ---- all of it
@pytest.mark.parametrize("name", presets())
@pytest.mark.parametrize("method", ["ddp", "fsdp"])
def test_every_model_can_be_planned_every_way(name, method):
    shape = replace(presets()[name], layers=2)
    for dtype, master in (("bf16", "fp32"), ("bf16", None), ("fp16", "fp32"), ("fp32", "fp32")):
        for checkpointing in ("none", "selective", "full"):
            how = {"method": method, "dtype": dtype, "master": master, "checkpointing": checkpointing}
            found = moments(shape, 8, accumulation=2, optimizer="adamw8bit", **how)
            assert list(found) == ["forward's end", "backward", "step"]


def test_nothing_is_left_on_the_tape_that_the_step_does_not_hold():
    for tensor, pipeline in ((1, 1), (2, 1), (1, 2)):
        for checkpointing in ("none", "selective", "full"):
            step = moments(
                ranks=4, method="fsdp", checkpointing=checkpointing, tensor_parallel=tensor, pipeline_parallel=pipeline
            )["step"]
            assert step.activations == 0
            assert {row.name for row in step.rows if row.category == "other"} <= {"from before the block"}


def test_a_tensor_cannot_come_to_life_twice():
    tape = Tape()
    tape.make("gate", 8)
    with pytest.raises(KeyError, match="alive already"):
        tape.make("gate", 8)
