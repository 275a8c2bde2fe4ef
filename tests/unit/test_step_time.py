"""The time of a step, by hand: operations, roofline, links, overlap, bubble, update; and what must not get slower."""

import datetime as dt
import math
from dataclasses import replace

import pytest

from mgpu_lab.planner.hardware import HARDWARE, Card
from mgpu_lab.planner.machines import Machine, machine
from mgpu_lab.planner.recipe import Recipe
from mgpu_lab.planner.shapes import ModelShape, model_shape
from mgpu_lab.planner.time.assumptions import Assumptions, assume, dense_flops, rates
from mgpu_lab.planner.time.compute_time import PRODUCT_S, Layer, Rates, distinct_experts, micro_batch
from mgpu_lab.planner.time.efficiency import attention_share, matmul_share, memory_share
from mgpu_lab.planner.time.flops import forward_flops, layer_matrices, model_flops, step_flops
from mgpu_lab.planner.time.link_time import Group, Path, call_s, ring_share
from mgpu_lab.planner.time.step_time import StepTime, step_time
from mgpu_lab.planner.time.update_time import trained, update_time
from mgpu_lab.planner.traffic.calls import Call
from mgpu_lab.wire.errors import UsageError

TINY = ModelShape(
    "tiny", layers=2, width=8, intermediate=16, heads=2, kv_heads=1, head_size=4, vocabulary=32, context=64
)
LLAMA = model_shape("llama-3.1-8b")
FLAT = Path("flat", 10e9, 10e9, (10e-6, 2e-6), (3e-6, 1e-6), "by hand")
WIRE = Path("wire", 1e9, 1e9, (10e-6, 2e-6), (9e-6, 4e-6), "by hand")


def timed(recipe: Recipe, where: Machine | str, calls: tuple[Call, ...] = (), **assumed: float) -> StepTime:
    return step_time(LLAMA, recipe, machine(where), calls, Assumptions(**assumed))


def gathers(recipe: Recipe, shape: ModelShape = LLAMA) -> tuple[Call, ...]:
    """What FSDP2 sends, roughly: parameters gathered twice, fp32 gradients scattered, a call for each layer."""
    layers, size = shape.layers + 1, shape.parameters
    return (
        Call("dp", "all_gather", 2 * layers * recipe.accumulation, 4 * size * recipe.accumulation),
        Call("dp", "reduce_scatter", layers * recipe.accumulation, 4 * size * recipe.accumulation),
    )


class TestOperations:
    def test_products_of_a_layer_are_counted(self):
        assert layer_matrices(TINY) == 2 * 8 * (8 + 4) + 3 * 8 * 16
        assert forward_flops(TINY, 64).layers == 2 * 2 * layer_matrices(TINY)
        assert forward_flops(TINY, 64).head == 2 * 32 * 8

    def test_causal_attention_looks_at_half_of_the_sequence(self):
        # 4 operations for each of 8 features and 64 / 2 positions, in 2 layers
        assert forward_flops(TINY, 64).attention == 2 * 4 * 8 * 32

    def test_a_step_takes_six_operations_a_parameter_and_attention(self):
        recipe = Recipe(world_size=1, seq_len=64, micro_batch=3, accumulation=2)
        matrices = 2 * layer_matrices(TINY) + 32 * 8
        assert model_flops(TINY, recipe) == 3 * 2 * 64 * (6 * matrices + 3 * 2 * 4 * 8 * 32)

    def test_a_frozen_base_needs_no_gradients_of_its_weights(self):
        full, lora = (Recipe(world_size=1, seq_len=64, adapter=each) for each in (None, "lora"))
        matrices = 2 * layer_matrices(TINY) + 32 * 8
        assert model_flops(TINY, full) - model_flops(TINY, lora) == 64 * 2 * matrices

    def test_a_mixture_counts_the_chosen_experts(self):
        mixture = replace(TINY, experts=4, experts_per_token=2)
        assert layer_matrices(mixture) == 2 * 8 * 12 + 2 * 3 * 8 * 16 + 8 * 4

    def test_checkpointing_computes_again_what_it_dropped(self):
        none, selective, full = (
            step_flops(TINY, Recipe(world_size=1, seq_len=64, checkpointing=each))
            for each in ("none", "selective", "full")
        )
        one = forward_flops(TINY, 64)
        assert none[0] == selective[0] == full[0] == 64 * one.total
        assert full[1] - none[1] == 64 * (one.layers + one.attention)
        assert selective[1] - none[1] == 64 * 2 * 2 * (8 * 4 + 8 * 8 + 8 * 16)  # k, o and up

    def test_eight_billion_parameters_take_known_operations(self):
        # 7.5e9 parameters in products (all but the embedding): 6 N is 45e9 a token
        one = forward_flops(LLAMA, 8192)
        assert one.layers + one.head == pytest.approx(2 * (LLAMA.parameters - LLAMA.embedding), rel=1e-4)


class TestRoofline:
    rates = Rates(flops=1e12, attention_flops=5e11, bytes=1e11)

    def layer(self, tokens: int) -> Layer:
        return Layer(TINY, tokens, 64, 1, self.rates)

    def test_few_rows_are_bound_by_memory(self):
        work = self.layer(1).product(1000, 1000)
        assert work.product_bytes_s == pytest.approx((2000 + 1_000_000) * 2 / 1e11 + PRODUCT_S)
        assert work.products_s == 0

    def test_many_rows_are_bound_by_operations(self):
        work = self.layer(1000).product(1000, 1000)
        assert work.products_s == pytest.approx(2e9 / 1e12 + PRODUCT_S)
        assert work.product_bytes_s == 0

    def test_attention_is_half_of_all_pairs(self):
        assert self.layer(64).attention().attention_s == 4 * 8 * 64 * 64 / 2 / 5e11

    def test_elementwise_bytes_of_a_llama_layer(self):
        # two RMSNorms and two sums of 8 features, rotation of 8 + 4, a gate of 16
        forward, backward = self.layer(10).elementwise()
        assert forward.elementwise_s == pytest.approx(10 * (2 * 8 * (36 + 6) + 12 * 20 + 16 * 10) / 1e11)
        assert backward.elementwise_s == pytest.approx(10 * (2 * 8 * (72 + 6) + 12 * 24 + 16 * 18) / 1e11)

    def test_layer_norm_without_rotation_moves_less(self):
        gpt = replace(TINY, layer_norm_bias=True, learned_positions=True, gated=False)
        forward, _ = replace(self.layer(10), shape=gpt).elementwise()
        assert forward.elementwise_s == pytest.approx(10 * (2 * 8 * (4 + 6) + 16 * 4) / 1e11)

    def test_experts_in_use_grow_with_the_tokens(self):
        mixture = replace(TINY, experts=8, experts_per_token=2)
        assert distinct_experts(mixture, 1) == pytest.approx(2)
        assert distinct_experts(mixture, 2) == pytest.approx(8 * (1 - 0.75**2))
        assert distinct_experts(mixture, 1000) == pytest.approx(8)

    def test_backward_is_two_forwards_of_products(self):
        recipe = Recipe(world_size=1, seq_len=64)
        forward, backward = micro_batch(TINY, recipe, replace(self.rates, bytes=1e15), 2, head=True)
        assert backward.products_s == pytest.approx(2 * forward.products_s)
        assert backward.attention_s == pytest.approx(2.5 * forward.attention_s)

    def test_full_checkpointing_adds_a_forward_of_the_layers(self):
        plain, full = (
            micro_batch(TINY, Recipe(world_size=1, seq_len=64, checkpointing=each), self.rates, 2, head=False)
            for each in ("none", "full")
        )
        assert full[0] == plain[0]
        assert full[1].total_s - plain[1].total_s == pytest.approx(plain[0].total_s)

    def test_small_models_reach_less(self):
        shares = []
        for name in ("gpt2", "llama-3.2-1b", "llama-3.1-8b"):
            shape, recipe = model_shape(name), Recipe(world_size=1, seq_len=1024)
            shares.append(step_time(shape, recipe, machine("H100-SXM-80GB"), (), Assumptions()).mfu)
        assert shares == sorted(shares)
        assert shares[0] < 0.75 * shares[2]


class TestLinks:
    ring = Group(8, 1, 8, FLAT, WIRE)

    def test_a_ring_sends_what_nccl_tests_count(self):
        assert ring_share("all_reduce", 8) == 2 * 7 / 8
        assert ring_share("all_gather", 8) == ring_share("reduce_scatter", 8) == 7 / 8
        assert ring_share("send", 2) == 1

    def test_a_large_call_takes_its_bytes_and_its_steps(self):
        call = Call("dp", "all_gather", 5, 5_000_000_000)
        assert call_s(call, self.ring) == pytest.approx(5 * (10e-6 + 7 * 3e-6) + 5e9 * 7 / 8 / 10e9)

    def test_an_all_reduce_takes_both_ways(self):
        call = Call("dp", "all_reduce", 1, 1_000_000_000)
        assert call_s(call, self.ring) == pytest.approx(10e-6 + 14 * 3e-6 + 1e9 * 1.75 / 10e9)

    def test_a_small_call_starts_sooner_at_a_quarter_of_the_rate(self):
        call = Call("tp", "all_reduce", 1, 8192)
        assert call_s(call, self.ring) == pytest.approx(2e-6 + 14 * 1e-6 + 8192 * 1.75 / 2.5e9)

    def test_more_ranks_take_more_steps(self):
        times = [call_s(Call("tp", "all_reduce", 1, 8192), replace(self.ring, size=n)) for n in (2, 4, 8)]
        assert times == sorted(times)
        assert times[2] > 2 * times[0]

    def test_two_hosts_are_bound_by_their_ports(self):
        # 8 cards a host bring 8 ports of 1e9: a ring at 8e9; 14 steps inside and 1 between
        two = replace(self.ring, size=16)
        call = Call("dp", "all_gather", 1, 16_000_000_000)
        assert (two.together, two.hosts) == (8, 2)
        assert call_s(call, two) == pytest.approx(10e-6 + 14 * 3e-6 + 9e-6 + 16e9 * 15 / 16 / 8e9)

    def test_groups_beside_each_other_share_the_hosts_ports(self):
        # tensor parallelism of 8 takes a host: data parallelism has one card, and one port, in each
        across = Group(4, 8, 8, FLAT, WIRE)
        assert (across.together, across.hosts) == (1, 4)
        assert across.rate("all_gather") == 1e9
        assert Group(4, 4, 8, FLAT, WIRE).rate("all_gather") == 2e9

    def test_many_hosts_all_reduce_by_a_tree(self):
        many = replace(self.ring, size=512)
        assert many.steps_s("all_reduce", 0) == pytest.approx(10e-6 + 2 * (7 * 3e-6 + 6 * 9e-6))

    def test_alone_nothing_is_sent(self):
        assert call_s(Call("dp", "all_reduce", 3, 100), replace(self.ring, size=1)) == 0

    def test_an_unknown_link_is_unknown(self):
        assert call_s(Call("dp", "all_reduce", 3, 100), replace(self.ring, inside=None)) is None

    def test_a_switch_adds_up_for_whole_hosts_only(self):
        path = replace(FLAT, all_reduce_rate=20e9)
        assert replace(self.ring, inside=path).rate("all_reduce") == 20e9
        assert replace(self.ring, inside=path, size=4).rate("all_reduce") == 10e9
        assert replace(self.ring, inside=path).rate("all_gather") == 10e9


class TestStep:
    def test_the_parts_add_up(self):
        recipe = Recipe(world_size=8, accumulation=3)
        time = timed(recipe, "8x H100-SXM-80GB", gathers(recipe))
        assert time.step_s == pytest.approx(
            time.compute_s + time.bubble_s + time.exposed_s + time.optimizer_s + time.offload_s
        )
        assert time.limits == "compute"

    def test_mfu_is_the_models_operations_over_what_the_cards_could_do(self):
        recipe = Recipe(world_size=8)
        time = timed(recipe, "8x H100-SXM-80GB", gathers(recipe))
        rated = HARDWARE["H100-SXM-80GB"].tflops["bf16"] * 1e12
        assert time.mfu == pytest.approx(model_flops(LLAMA, recipe) / (time.step_s * rated * 8))
        assert 0.2 < time.mfu < 0.6

    def test_an_mfu_of_your_own_takes_the_rooflines_place(self):
        recipe = Recipe(world_size=1)
        time = timed(recipe, "H100-SXM-80GB", mfu=0.4)
        rated = HARDWARE["H100-SXM-80GB"].tflops["bf16"] * 1e12
        assert time.compute_s == pytest.approx(model_flops(LLAMA, recipe) / (0.4 * rated))
        assert ("share of the dense FLOP/s that compute reaches", 0.4, "your assumption") in time.assumed

    def test_hidden_communication_is_exposed_in_part(self):
        recipe = Recipe(world_size=8)
        time = timed(recipe, "8x H100-SXM-80GB", gathers(recipe), overlap=0.75)
        assert time.exposed_s == pytest.approx(time.communication_s / 4)

    def test_what_compute_cannot_hide_is_exposed(self):
        recipe = Recipe(world_size=8, seq_len=256)
        time = timed(recipe, "8x RTX-4090", gathers(recipe), overlap=1.0)
        assert time.communication_s > time.compute_s
        assert time.exposed_s == pytest.approx(time.communication_s - time.compute_s)
        assert time.limits == "network"

    def test_ddp_hides_beside_one_backward_only(self):
        recipe = Recipe(world_size=8, method="ddp", accumulation=4)
        calls = (Call("dp", "all_reduce", 300, 4 * LLAMA.parameters),)
        time = timed(recipe, "8x RTX-4090", calls, overlap=1.0, mfu=0.5)
        forward, backward = step_flops(LLAMA, recipe)
        last_backward_s = time.compute_s * backward / (forward + backward) / 4
        assert time.exposed_s == pytest.approx(time.communication_s - last_backward_s)

    def test_tensor_parallelism_is_never_hidden(self):
        recipe = Recipe(world_size=2, tensor_parallel=2)
        calls = (Call("tp", "all_reduce", 128, 128 * 8192 * 4096 * 2, hidden=True),)
        time = timed(recipe, "2x H100-SXM-80GB", calls, overlap=1.0)
        assert time.exposed_s == time.communication_s > 0

    def test_the_bubble_is_stages_less_one_micro_batches(self):
        recipe = Recipe(world_size=4, pipeline_parallel=4, accumulation=8)
        time = timed(recipe, "4x H100-SXM-80GB")
        assert time.bubble_s == pytest.approx(time.compute_s * 3 / 8)

    def test_an_update_reads_and_writes_28_bytes_a_parameter(self):
        recipe = Recipe(world_size=4, method="ddp")
        update = update_time(LLAMA, recipe, machine("4x H100-SXM-80GB"), 1e12, None)
        assert update.gpu_s == pytest.approx(LLAMA.parameters * 28 / 1e12)
        sharded = update_time(LLAMA, replace(recipe, method="fsdp"), machine("4x H100-SXM-80GB"), 1e12, None)
        assert sharded.gpu_s == pytest.approx(update.gpu_s / 4)

    def test_adapters_are_all_that_is_updated(self):
        recipe = Recipe(world_size=1, adapter="lora", lora_rank=16)
        ends = 4 * 4096 + 2 * 4096 + 2 * 1024 + 3 * (14336 + 4096)  # in and out of q, k, v, o, gate, up, down
        assert trained(LLAMA, recipe) == 32 * 16 * ends

    def test_an_offloaded_update_takes_host_and_pcie(self):
        recipe = Recipe(world_size=8, method="zero2", offload="cpu")
        update = update_time(LLAMA, recipe, machine("8x A100-SXM-80GB"), 1e12, 1e9)
        assert update.host_s == pytest.approx(LLAMA.parameters / 1e9)
        assert update.copies_s == pytest.approx(LLAMA.parameters / 8 * 4 / (31.504e9 * 0.88))
        assert timed(recipe, "8x A100-SXM-80GB").optimizer_s == 0

    def test_a_small_layer_waits_for_the_cpu(self):
        gpt2, recipe = model_shape("gpt2"), Recipe(world_size=1, seq_len=128)
        slow, none = (
            step_time(gpt2, recipe, machine("H100-SXM-80GB"), (), Assumptions(host_us=us)) for us in (12.0, 0.0)
        )
        assert slow.compute_s == pytest.approx(12 * (77 + 142) * 12e-6)
        assert none.compute_s < slow.compute_s / 3
        large = [timed(Recipe(world_size=1), "H100-SXM-80GB", host_us=us).compute_s for us in (12.0, 0.0)]
        assert large[0] == large[1]

    def test_unknown_figures_stay_unknown(self):
        time = timed(Recipe(world_size=2), "2x CPU", gathers(Recipe(world_size=2)))
        assert (time.step_s, time.limits, time.mfu, time.exposed_s) == (None, None, None, None)

    def test_everything_assumed_has_a_source(self):
        recipe = Recipe(world_size=16, offload="cpu")
        for what, number, source in timed(recipe, "16x A100-SXM-80GB", gathers(recipe)).assumed:
            assert what
            assert math.isfinite(number)
            assert len(source) > 10, what


class TestMonotone:
    recipe = Recipe(world_size=8)

    def step(self, where: Machine | str, recipe: Recipe | None = None, **assumed: float) -> float:
        recipe = recipe or self.recipe
        found = timed(recipe, where, gathers(recipe), **assumed).step_s
        assert found is not None
        return found

    def test_fewer_lanes_are_not_faster(self):
        cards = machine("8x RTX-4090")
        steps = [self.step(cards.with_(lanes=lanes)) for lanes in (16, 8, 4)]
        assert steps == sorted(steps)
        assert steps[2] > 1.5 * steps[0]

    def test_more_network_is_not_slower(self):
        hosts, recipe = machine("32x H100-SXM-80GB"), Recipe(world_size=32, seq_len=1024)
        steps = [self.step(hosts.with_(network_gbps=gbps), recipe) for gbps in (1.0, 12.5, 50.0)]
        assert steps == sorted(steps, reverse=True)
        assert steps[0] > 2 * steps[2]

    def test_more_of_anything_is_faster(self):
        where = machine("8x H100-SXM-80GB")
        assert self.step(where.with_(tflops=2000.0)) < self.step(where)
        assert self.step(where.with_(memory_gbps=9000.0)) < self.step(where)
        assert self.step(where, link=0.9) < self.step(where, link=0.3)
        assert self.step(where, overlap=1.0) < self.step(where, overlap=0.2)
        assert self.step(where, matmul=0.9) < self.step(where, matmul=0.5)
        assert self.step(where, passes=0.3) < self.step(where, passes=1.0)

    def test_recomputing_takes_longer(self):
        steps = [
            self.step("8x H100-SXM-80GB", replace(self.recipe, checkpointing=c)) for c in ("none", "selective", "full")
        ]
        assert steps == sorted(steps)
        assert 1.2 < steps[2] / steps[0] < 1.4

    def test_qlora_is_slower_than_lora_and_lora_than_nothing_to_train(self):
        none, lora, qlora = (replace(self.recipe, adapter=each) for each in (None, "lora", "qlora"))
        assert self.step("8x H100-SXM-80GB", lora) < self.step("8x H100-SXM-80GB", qlora)
        assert timed(lora, "8x H100-SXM-80GB").compute_s < timed(none, "8x H100-SXM-80GB").compute_s


class TestShares:
    def test_the_longest_name_counts(self):
        assert (
            matmul_share(HARDWARE["A100-PCIe-80GB"], "bf16").share
            < matmul_share(HARDWARE["A100-SXM-80GB"], "bf16").share
        )

    def test_an_unknown_card_says_whose_share_it_takes(self):
        card = Card("XYZ", "nowhere", dt.date(2026, 11, 28))
        for share in (matmul_share(card, "bf16"), attention_share(card), memory_share(card)):
            assert "not known for the XYZ, as the H100" in share.source

    @pytest.mark.parametrize("name", list(HARDWARE))
    @pytest.mark.parametrize("dtype", ["bf16", "fp32", "fp8"])
    def test_shares_are_plausible(self, name, dtype):
        card = HARDWARE[name]
        for share in (matmul_share(card, dtype), attention_share(card), memory_share(card)):
            assert 0.25 < share.share < 1.0
            assert share.source

    def test_rates_are_shares_of_the_rated_figures(self):
        where = machine("A100-SXM-80GB")
        given = Assumptions(matmul=0.5, attention=0.25, memory=0.8, passes=0.5)
        reached = rates(where, "bf16", assume(where, "bf16", given))
        assert reached == Rates(156e12, 78e12, where.card.memory_gbps * 1e9 * 0.8, 0.5)

    def test_a_card_without_bf16_is_not_planned_in_it(self):
        assert dense_flops(machine("T4"), "bf16") is None
        assert dense_flops(machine("T4"), "fp16") == 65e12

    @pytest.mark.parametrize(
        "wrong", [{"mfu": -0.1}, {"overlap": 1.5}, {"matmul": 0}, {"link": "fast"}, {"memory": True}]
    )
    def test_impossible_assumptions_are_refused_in_one_line(self, wrong):
        with pytest.raises(UsageError, match=r"^assumptions: [^\n]*$"):
            Assumptions(**wrong)
