"""A machine made of measured numbers: its plans, by hand."""

import pytest

from mgpu_lab.course.serving.own_machine import Ranks, own_machine
from mgpu_lab.planner.inference import InferencePlan, plan_inference
from mgpu_lab.wire.errors import UsageError

WIDTH, FEATURES, LAYERS = 2048, 4096, 3
SHAPE = {
    "model_type": "llama",
    "hidden_size": WIDTH,
    "intermediate_size": FEATURES,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 16,
    "num_key_value_heads": 4,
    "vocab_size": 256,
}
MEASURED = Ranks(read_gbps=16.0, tflops=0.1, all_reduce_s={8192: 600e-6, 8_388_608: 6e-3}, layer_s=250e-6)
MATRICES = 2 * WIDTH * (WIDTH + WIDTH // 4) + 3 * WIDTH * FEATURES  # q and o, k and v; gate, up and down
HEAD = 256 * WIDTH
CONTEXT = 100
CACHE = 4 * 2 * (WIDTH // 4) * CONTEXT  # bytes of a layer


def planned(count: int, measured: Ranks = MEASURED, **options: int) -> InferencePlan:
    where, assumed = own_machine(count, measured)
    return plan_inference(SHAPE, where, weights="fp32", context=CONTEXT, assumptions=assumed, **options)


def token_s(plan: InferencePlan) -> float:
    assert plan.token_pass is not None
    return plan.token_pass.total_s


def reading_s(ranks: int) -> float:
    """Weights and cache of a rank over the bandwidth; activations of one token are next to nothing."""
    return 4 * (LAYERS * (MATRICES + CACHE / 4) + HEAD) / ranks / 16e9


def test_one_rank_reads_its_weights_and_pays_its_calls() -> None:
    assert token_s(planned(1)) == pytest.approx(reading_s(1) + LAYERS * 250e-6, rel=0.01)


def test_two_ranks_read_half_and_pay_two_all_reduces_a_layer() -> None:
    expected = reading_s(2) + LAYERS * (250e-6 + 2 * 600e-6)
    assert token_s(planned(2, tensor_parallel=2)) == pytest.approx(expected, rel=0.01)


def test_replicas_are_as_fast_as_one_and_two_of_them() -> None:
    one, two = planned(1), planned(2, replicas=2)
    assert token_s(one) == token_s(two)
    assert two.throughput_tokens_per_s == 2 * (one.tokens_per_s or 0)


@pytest.mark.parametrize("count", [2, 3, 4])
@pytest.mark.parametrize(("size", "seconds"), MEASURED.all_reduce_s.items())
def test_the_measured_all_reduce_is_the_planned_one(count: int, size: int, seconds: float) -> None:
    """A batch whose message is as large as the measured one; heads that three ranks can share."""
    shape = SHAPE | {"num_attention_heads": 12, "num_key_value_heads": 12, "head_dim": 128, "intermediate_size": 4092}
    where, assumed = own_machine(count, MEASURED)
    ways = {"tensor_parallel": count, "batch": size // 8192, "context": 8}
    plan = plan_inference(shape, where, weights="fp32", assumptions=assumed, **ways)
    assert plan.token_pass is not None
    assert plan.token_pass.network_s == pytest.approx(2 * LAYERS * seconds)


def test_nothing_but_the_measured_numbers_is_assumed() -> None:
    rows = planned(2, tensor_parallel=2).assumed
    assert all(source in ("your assumption", "measured on these ranks") for _, _, source in rows), rows


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"read_gbps": 0.0}, "read_gbps=0.0 must be a number above 0"),
        ({"tflops": -1.0}, "tflops=-1.0"),
        ({"layer_s": float("nan")}, "layer_s=nan"),
        ({"all_reduce_s": {8: 1e-3}}, "a small and a large message"),
        ({"all_reduce_s": {8: 1e-3, 4096: 1e-3}}, "the large one slower"),
        ({"all_reduce_s": {8: 0.0, 4096: 1e-3}}, "all_reduce_s\\[8\\]=0.0"),
    ],
)
def test_a_slip_is_one_clear_line(changed: dict[str, object], words: str) -> None:
    given = {"read_gbps": 16.0, "tflops": 0.1, "all_reduce_s": {8: 1e-4, 4096: 1e-3}, "layer_s": 0.0}
    with pytest.raises(UsageError, match=words) as found:
        Ranks(**given | changed)  # type: ignore[arg-type]
    assert "\n" not in str(found.value)


def test_no_ranks_are_no_machine() -> None:
    with pytest.raises(UsageError, match="whole number from 1"):
        own_machine(0, MEASURED)
