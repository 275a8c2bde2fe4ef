"""The plan's collectives against sums made by hand, and against what real ranks sent (measured once, see each)."""

import pytest

from mgpu_lab.planner.recipe import Recipe
from mgpu_lab.planner.shapes import ModelShape, model_shape, presets
from mgpu_lab.planner.traffic.buckets import DDP_CAPS, ddp_buckets, zero3_gathers, zero_buckets
from mgpu_lab.planner.traffic.calls import training_calls
from mgpu_lab.planner.traffic.parameters import held_parameters

TINY = ModelShape("tiny", 2, 8, 16, 2, 2, 4, vocabulary=10, context=32)
LAYER = 4 * 8 * 8 + 3 * 8 * 16 + 2 * 8
LESSON_04 = ModelShape("lesson 04", 2, 192, 512, 4, 4, 48, vocabulary=256, context=512)


def sent(shape, **options):
    sums = {}
    for call in training_calls(shape, Recipe(**{"world_size": 2, "seq_len": 4, **options})):
        calls, size = sums.get((call.dimension, call.collective), (0, 0))
        sums[call.dimension, call.collective] = (calls + call.calls, size + call.size_bytes)
    return sums


@pytest.mark.parametrize("name", presets())
def test_the_parameters_one_by_one_add_up(name):
    assert sum(each.numbers for each in held_parameters(model_shape(name), Recipe(1))) == model_shape(name).parameters


def test_ddp_fills_its_buckets_from_the_back():
    first, cap = DDP_CAPS
    assert ddp_buckets([first - 4, 4, cap, cap - 4, 8, 12]) == [first, cap, cap + 4, 12]
    assert ddp_buckets([3 * cap]) == [3 * cap]
    count = 2 * LAYER + 2 * 10 * 8 + 8
    assert sent(TINY, method="ddp") == {("dp", "all_reduce"): (1, 4 * count), ("dp", "broadcast"): (1, 16)}
    assert sent(TINY, method="ddp", master=None, accumulation=3)["dp", "all_reduce"] == (1, 2 * count)


def test_fsdp_gathers_layers_twice_and_the_rest_once():
    rest = 2 * 10 * 8 + 8
    expected = {
        ("dp", "all_gather"): (5, 2 * (2 * 2 * LAYER + rest)),
        ("dp", "reduce_scatter"): (3, 4 * (2 * LAYER + rest)),
    }
    assert sent(TINY, method="fsdp") == expected
    assert sent(TINY, method="fsdp", accumulation=3) == {key: (3 * n, 3 * size) for key, (n, size) in expected.items()}
    padded = 2 * 12 * 8 + 8  # 10 rows of the vocabulary on 4 ranks are 12
    assert sent(TINY, method="fsdp", world_size=4)["dp", "reduce_scatter"] == (3, 4 * (2 * LAYER + padded))


def test_llama_8b_on_8_ranks_gathers_65_times():
    found = sent(model_shape("llama-3.1-8b"), method="fsdp", world_size=8)
    assert {key: calls for key, (calls, _) in found.items()} == {("dp", "all_gather"): 65, ("dp", "reduce_scatter"): 33}


def test_tensor_parallelism_reduces_twice_a_layer_and_direction():
    one = 4 * 8  # tokens by width
    options = {"method": "ddp", "tensor_parallel": 2, "accumulation": 2}
    pure = sent(TINY, **options, master=None)
    assert pure == {("tp", "all_reduce"): (20, 20 * one * 2), ("tp", "all_gather"): (2, 2 * 4 * 10 * 2)}
    again = sent(TINY, **options, master=None, checkpointing="full")
    assert again["tp", "all_reduce"] == (24, 24 * one * 2)
    assert sent(TINY, **options, master=None, checkpointing="selective") == pure
    autocast = sent(TINY, **options)  # embedding and all of backward in fp32
    assert autocast["tp", "all_reduce"] == (20, 2 * one * (4 * 2 + 6 * 4))


def test_tensor_parallel_shards_are_what_fsdp_divides():
    layer = (LAYER - 2 * 8) // 2 + 2 * 8  # norms stay whole
    rest = 2 * 6 * 8 + 8  # 5 rows of the vocabulary, 6 on 2 ranks
    found = sent(TINY, method="fsdp", world_size=4, tensor_parallel=2)
    assert found["dp", "reduce_scatter"] == (3, 4 * (2 * layer + rest))


def test_a_pipeline_hands_on_one_activation_for_each_micro_batch():
    found = sent(TINY, method="fsdp", pipeline_parallel=2, accumulation=4)
    assert found["pp", "send"] == found["pp", "recv"] == (4, 4 * 4 * 8 * 2)


# DeepSpeed 0.19.8 on 2 gloo ranks with lesson 04's model, bf16, no clipping: traffic() of the second step and later
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"method": "zero1"}, {"all_reduce": (3, 1_968_005), "all_gather": (1, 1_968_000)}),
        ({"method": "zero2"}, {"all_reduce": (3, 1_968_005), "all_gather": (1, 1_968_000)}),
        ({"method": "zero1", "accumulation": 2}, {"all_reduce": (3, 1_968_005), "all_gather": (1, 1_968_000)}),
        (
            {"method": "zero3"},
            {"all_gather": (21, 1_968_000), "reduce_scatter": (1, 1_968_000), "all_reduce": (1, 8)},
        ),
        ({"method": "zero1", "dtype": "fp32"}, {"all_reduce": (2, 3_936_004), "all_gather": (1, 3_936_000)}),
    ],
)
def test_zero_sends_what_deepspeed_sent(options, expected):
    assert sent(LESSON_04, **options) == {("dp", name): value for name, value in expected.items()}


def test_zero_packs_and_fetches_as_deepspeed_did():
    weights = held_parameters(LESSON_04, Recipe(2))
    assert zero_buckets([each.numbers for each in reversed(weights)], 123_000) == 11
    assert len(zero3_gathers(weights, 1, persistent=0)) == 21
    assert len(zero3_gathers(weights, 1, persistent=0, reuse=0)) == 42
    fetched = zero3_gathers(weights, 2, persistent=40_000, reuse=123_000)
    assert (len(fetched), 2 * sum(each.numbers for each in fetched)) == (41, 5_506_944)


def test_an_adapter_sends_its_own_gradients_only():
    inner = [(8, 8), (8, 8), (8, 8), (8, 8), (8, 16), (8, 16), (16, 8)]  # inputs, outputs of q, k, v, o, gate, up, down
    count = 2 * sum(3 * (inputs + outputs) for inputs, outputs in inner)
    found = sent(TINY, method="ddp", adapter="qlora", lora_rank=3)
    assert found["dp", "all_reduce"] == (1, 4 * count)


def test_one_gpu_sends_nothing():
    assert all(sent(TINY, method=method, world_size=1) == {} for method in ("ddp", "zero1", "zero2", "zero3", "fsdp"))
