"""Planned memory under DeepSpeed, against bytes worked out by hand. The ledger is asked in tests/ranks."""

import pytest

from mgpu_lab.planner.machines import machine
from mgpu_lab.planner.memory.matrices import weight_sizes
from mgpu_lab.planner.memory.planned import highest
from mgpu_lab.planner.memory.trained import cut, registered
from mgpu_lab.planner.memory.weights import Stage
from mgpu_lab.planner.memory.zero import zero_moments
from mgpu_lab.planner.recipe import Recipe, refuse_mismatch
from mgpu_lab.planner.shapes import ModelShape, model_shape, presets
from mgpu_lab.planner.training import plan_training
from mgpu_lab.wire.errors import UsageError

# lesson 04's model: 2 x (4 x 192 x 192 + 3 x 192 x 512 + 2 x 192) + 2 x 256 x 192 + 192 parameters
SMALL = ModelShape("lesson 04", 2, 192, 512, 4, 4, 48, 256, 2048)
P = 984_000
CARD = machine("RTX-4090")
LOOSE = {"stage3_prefetch_bucket_size": 0, "stage3_param_persistence_threshold": 0, "contiguous_gradients": False}


def moments(method, ranks=2, shape=SMALL, **how):
    how = {"micro_batch": 2, "seq_len": 64, "deepspeed": {"reduce_bucket_size": P // 8}} | how
    found = zero_moments(shape, Recipe(ranks, method=method, **how), CARD)
    return {moment.moment: moment for moment in found}


def test_the_model_has_the_parameters_of_lesson_04():
    assert SMALL.parameters == P == sum(weight_sizes(SMALL))
    assert all(sum(weight_sizes(shape)) == shape.parameters for shape in presets().values())


@pytest.mark.parametrize(
    ("method", "ranks", "bytes_each"), [("zero0", 2, 12), ("zero1", 2, 6), ("zero2", 4, 3), ("zero3", 4, 3)]
)
def test_masters_and_moments_are_divided_from_stage_1_on(method, ranks, bytes_each):
    forward = moments(method, ranks)["forward's end"]
    assert forward.optimizer_state == pytest.approx(bytes_each * P, abs=100)  # and a step counter for each tensor


def test_weights_are_whole_until_stage_3_divides_them():
    whole = [moments(f"zero{stage}")["step"].parameters for stage in range(3)]
    assert whole == [2 * P] * 3
    assert moments("zero3", deepspeed=LOOSE)["step"].parameters == 2 * P // 2


def test_stage_3_keeps_16_bytes_a_parameter_over_the_ranks():
    step = moments("zero3", 4, deepspeed=LOOSE)["step"]
    flat_and_fp32 = (2 + 4) * P // 4  # the step lays the gradients flat and makes them fp32
    assert step.total - flat_and_fp32 - step.buffers == pytest.approx(16 * P / 4, abs=2000)  # token numbers


def test_a_weight_over_a_cut_is_kept_whole():
    listed = registered(Stage(SMALL, Recipe(2, method="zero2"), 2))
    parts = [cut(listed, 2, rank) for rank in range(2)]
    assert [part.numbers for part in parts] == [492_000, 492_000]
    # layer 0 ends at 491,904: the cut lies in layer 1's q_proj of 36,864 numbers
    assert [part.whole for part in parts] == [528_768, 492_096]


def test_gradients_of_stage_1_wait_whole_and_those_of_stage_2_do_not():
    long = {"micro_batch": 1, "seq_len": 1}  # next to no activations: backward's end is the fullest moment
    first, second = (moments(method, **long)["backward"] for method in ("zero1", "zero2"))
    bucket = 2 * (P // 8)
    assert first.gradients > 2 * P - 2 * bucket
    assert second.gradients < 2 * P * 0.6
    assert first.of("other") == pytest.approx(bucket, abs=100)


def test_the_default_bucket_takes_a_gigabyte_whatever_the_model():
    backward = moments("zero3", deepspeed=None)["backward"]
    assert next(row.size_bytes for row in backward.rows if row.name == "ZeRO-3 bucket") == 1_000_000_000


def test_auto_takes_the_bucket_from_the_width():
    backward = moments("zero3", deepspeed={"reduce_bucket_size": "auto"})["backward"]
    assert next(row.size_bytes for row in backward.rows if row.name == "ZeRO-3 bucket") == 2 * 192 * 192


def test_stage_3_gathers_everything_of_a_small_model_and_a_window_of_a_large_one():
    small = moments("zero3", deepspeed=LOOSE)["forward's end"]
    assert small.parameters == 2 * P // 2 + 2 * P
    large = model_shape("llama-3.1-70b")
    forward = moments("zero3", 64, large, seq_len=512, deepspeed={})["forward's end"]
    gathered = forward.parameters - 2 * large.parameters // 64
    # what backward meets within 1e9 numbers of weights: half of that, for each weight lies there twice
    assert 0.5e9 * 2 < gathered < 1.1e9 * 2


def test_less_is_gathered_when_nothing_is_kept_for_later():
    tight = LOOSE | {"stage3_max_live_parameters": 0, "stage3_max_reuse_distance": 0}
    assert moments("zero3", deepspeed=tight)["forward's end"].parameters == 2 * P // 2


def test_accumulating_keeps_gradients_between_micro_batches():
    once, more = (moments("zero2", accumulation=n)["forward's end"].gradients for n in (1, 2))
    assert (once, more) == (0, 2 * P // 2)
    assert moments("zero1", accumulation=2)["forward's end"].gradients == 2 * P


def test_offloading_moves_masters_moments_and_gradients_to_the_host():
    here, there = (moments("zero2", offload=where)["forward's end"] for where in ("none", "cpu"))
    assert (here.host_bytes, there.optimizer_state) == (0, 0)
    staging = 2 * 98_304  # as large as the largest weight, once here and once there
    assert there.host_bytes == (12 + 4 + 2) * P // 2 + 4 + staging
    assert there.of("other") - here.of("other") == staging


def test_stage_3_offloads_its_weights_too():
    step = moments("zero3", offload="cpu", deepspeed=LOOSE)["step"]
    assert (step.parameters, step.gradients, step.optimizer_state) == (0, 0, 0)
    assert step.host_bytes == pytest.approx((16 + 4) * P / 2, abs=500)  # fp32 gradients beside the bf16 ones


def test_nvme_leaves_no_state_on_the_host():
    large = model_shape("llama-3.1-70b")
    cpu, nvme = (
        highest(moments("zero3", 8, large, offload=where, deepspeed={}).values()).host_bytes
        for where in ("cpu", "nvme")
    )
    assert cpu == pytest.approx(20 * large.parameters / 8, rel=0.01)
    assert nvme < cpu / 4


def test_8_bit_moments_take_a_byte_each():
    step = moments("zero2", optimizer="adamw8bit")["forward's end"]
    assert step.optimizer_state == pytest.approx((4 + 2 + 8 / 256) * P / 2, rel=0.001)


@pytest.mark.parametrize("settings", [{"reduce_bucket": 5}, {"reduce_bucket_size": -1}, {"reduce_bucket_size": "big"}])
def test_a_wrong_setting_is_refused(settings):
    with pytest.raises(UsageError, match="deepspeed"):
        moments("zero2", deepspeed=settings)


def test_offloading_needs_shards_and_nvme_needs_stage_3():
    for how in ({"method": "zero0", "offload": "cpu"}, {"method": "zero2", "offload": "nvme"}):
        with pytest.raises(UsageError, match="offload"):
            refuse_mismatch(SMALL, Recipe(2, **how))


def test_stage_2_holds_one_partition_of_gradients_at_the_step_however_many_micro_batches():
    # measured on 2 ranks with DeepSpeed 0.19.8: two partitions in the second backward, one when the step begins
    one, two = (
        {each.moment: each.gradients for each in plan_training("gpt2", "2x L4", method="zero2", accumulation=n).moments}
        for n in (1, 2)
    )
    assert one["step"] == two["step"]
    assert one["backward"] < two["backward"]
    assert plan_training("gpt2", "2x L4", method="zero2", accumulation=2, offload="cpu").host_bytes  # none here then
