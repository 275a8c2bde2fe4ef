"""What own ranks measure, on two gloo ranks: in turn, alone or together, with a clock that the functions move."""

from __future__ import annotations

import pytest
from gloo import on_ranks

from mgpu_lab.course.serving.own_machine import Ranks, own_machine
from mgpu_lab.planner.inference import plan_inference


class Clock:
    """Seconds that pass only where a function says so."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


class Way:
    """A way to serve that only counts: its step takes so many seconds of the clock."""

    def __init__(self, model: object) -> None:
        self.model, self.lengths, self.steps = model, [0], 0

    def prefill(self, slot: int, prompt: list[int]) -> int:
        self.lengths[slot] = len(prompt)
        return 1

    def step(self, last: dict[int, int]) -> dict[int, int]:
        self.steps += 1
        return last


def timed(rounds: int) -> tuple[dict[str, float], list[str]]:
    """Rank 1 is the slower one; the first round, which is not counted, is disturbed, and one of `uneven`."""
    import torch.distributed as dist

    from mgpu_lab.course.serving.own_ranks import in_turn

    clock, called = Clock(), []

    def passing(name: str, seconds: list[float]) -> object:
        def function() -> None:
            called.append(name)
            clock.now_s += seconds[called.count(name) - 1] * (1 + dist.get_rank())

        return function

    functions = {
        "alone": passing("alone", [9.0, *[2.0] * rounds]),
        "uneven": passing("uneven", [9.0, 9.0, *[3.0] * rounds]),
    }
    return in_turn(functions, rounds, alone=("alone",), clock=clock), called


def test_each_in_its_turn_and_the_slowest_rank_counts() -> None:
    (first, called), (second, called_there) = on_ranks(2, timed, 5)
    assert first == second == {"alone": 2.0, "uneven": 2 * (9 + 4 * 3) / 5}
    assert called == ["alone", "uneven"] * 6
    assert called_there == ["uneven"] * 6


def measured() -> tuple[Ranks, Ranks, dict[str, float], tuple[int, int, int], dict[str, int]]:
    from torch import nn

    from mgpu_lab.course.serving.own_ranks import measured_ranks
    from mgpu_lab.course.traffic import traffic

    def model(width: int, layers: int) -> nn.Module:
        whole = nn.Module()
        whole.blocks = nn.ModuleList(nn.Module() for _ in range(layers))
        for block in whole.blocks:
            block.mlp = nn.Module()
            block.mlp.gate, block.mlp.up = (nn.Linear(width, 2 * width, bias=False) for _ in range(2))
        return whole

    ways, narrow = {"single": Way(model(64, 2)), "TP": Way(model(64, 2))}, Way(model(8, 4))
    with traffic() as sent:
        alone, together, token_s = measured_ranks(ways, narrow, rounds=3)
    steps = (ways["single"].steps, ways["TP"].steps, narrow.steps)
    return alone, together, token_s, steps, dict(sent.calls)


def test_ranks_measure_what_their_plan_needs() -> None:
    (alone, together, token_s, steps, calls), (*same, steps_there, _) = on_ranks(2, measured)
    assert same == [alone, together, token_s]
    assert steps == (4 + 4, 4, 4)  # alone and as a replica, with a first round that is not counted
    assert steps_there == (4, 4, 4)
    assert calls["all_reduce"] == 4 * (3 * 4 / 2 + 2)  # for each two of 3 x 4 products; a small one, a large one
    assert set(together.all_reduce_s) == {64 * 4, 128 * 128 * 4}
    assert alone.all_reduce_s == together.all_reduce_s
    assert set(token_s) == {"single", "TP", "replicas"}


@pytest.mark.parametrize("ways", [{"tensor_parallel": 2}, {"replicas": 2}])
def test_a_plan_of_measured_ranks_is_complete(ways: dict[str, int]) -> None:
    _, together, *_ = on_ranks(2, measured)[0]
    where, assumed = own_machine(2, together)
    plan = plan_inference("llama-3.2-1b", where, weights="fp32", assumptions=assumed, **ways)
    assert plan.tokens_per_s is not None
    assert plan.tokens_per_s > 0
    assert plan.fits is None  # nobody said how much memory a rank has
