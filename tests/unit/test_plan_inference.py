"""Plans of serving, by hand: bytes of weights and cache, the time of a token and of a prompt; and what is refused."""

import math
from dataclasses import replace

import pytest

from mgpu_lab.planner.inference import InferencePlan, plan_inference
from mgpu_lab.planner.machines import Machine, machine
from mgpu_lab.planner.serving import WEIGHT_BYTES
from mgpu_lab.planner.shapes import model_shape
from mgpu_lab.planner.time.compute_time import PRODUCT_S
from mgpu_lab.planner.time.generation_time import KERNELS
from mgpu_lab.wire.errors import UsageError

SEVENTY = model_shape("llama-3.1-70b")
SEVEN = model_shape("llama-2-7b")
FLAT = {"memory": 1.0, "matmul": 1.0, "attention": 1.0}  # as rated


def plan(model: str, where: str | Machine, **options) -> InferencePlan:
    return plan_inference(model, where, **options)


class TestMemory:
    def test_bf16_weights_are_two_bytes_a_parameter(self):
        found = plan("llama-2-7b", "A100-SXM-80GB").memory
        assert found.parameters == 2 * SEVEN.parameters

    def test_a_preset_of_every_kind_adds_up(self):
        for name in ("gpt2", "mixtral-8x7b", "qwen2.5-7b", "llama-3.2-1b"):
            assert plan(name, "B200-SXM-180GB").memory.parameters == 2 * model_shape(name).parameters, name

    def test_four_bits_keep_their_scales_and_leave_the_ends_alone(self):
        found = plan("llama-2-7b", "A100-SXM-80GB", weights="nf4").memory
        matrices = 32 * (SEVEN.attention + SEVEN.expert)
        rest = SEVEN.parameters - matrices
        assert WEIGHT_BYTES["nf4"] == pytest.approx((4 + 8 / 64 + 32 / (64 * 256)) / 8)
        assert found.parameters == pytest.approx(matrices * WEIGHT_BYTES["nf4"] + 2 * rest, abs=32)

    def test_the_cache_keeps_keys_and_values_of_every_layer(self):
        # 80 layers, 8 KV heads of 128: 327,680 bytes a token
        found = plan("llama-3.1-70b", "4x H100-SXM-80GB", tensor_parallel=4, batch=3, context=1000).memory
        assert found.kv_cache == 327_680 // 4 * 3 * 1000
        halved = plan("llama-3.1-70b", "4x H100-SXM-80GB", batch=3, context=1000, kv="fp8").memory
        assert halved.kv_cache == found.kv_cache // 2

    def test_ranks_without_a_kv_head_of_their_own_keep_a_copy(self):
        eight, sixteen = (
            plan("llama-3.1-70b", f"{n}x H100-SXM-80GB", tensor_parallel=n).memory.kv_cache for n in (8, 16)
        )
        assert eight == sixteen == 2 * 80 * 128 * 2 * 4096

    def test_tensor_parallelism_divides_all_but_the_norms(self):
        one, two = (plan("llama-2-7b", f"{n}x A100-SXM-80GB", tensor_parallel=n).memory.parameters for n in (1, 2))
        norms = 2 * 65 * 4096
        assert two - norms == (one - norms) / 2

    def test_stages_divide_the_layers(self):
        found = plan("llama-2-7b", "2x A100-SXM-80GB", pipeline_parallel=2, tensor_parallel=1).memory
        assert found.parameters == 2 * (16 * SEVEN.layer + SEVEN.embedding + SEVEN.norm)
        assert found.kv_cache == plan("llama-2-7b", "A100-SXM-80GB").memory.kv_cache // 2

    def test_seventy_billion_in_four_bits_fit_two_cards_of_24_gb(self):
        found = plan("llama-3.1-70b", "2x RTX-4090", tensor_parallel=2, weights="nf4")
        assert found.fits
        assert not plan("llama-3.1-70b", "2x RTX-4090", weights="fp8").fits
        assert found.peak_bytes == found.memory.total + found.memory.overhead

    def test_the_cache_holds_what_90_percent_of_the_card_leave(self):
        found = plan("llama-2-7b", "A100-SXM-80GB")
        others = found.peak_bytes - found.memory.kv_cache
        assert found.max_tokens_in_cache == int((0.9 * found.capacity_bytes - others) // 524_288)
        assert plan("llama-3.1-70b", "A100-SXM-80GB").max_tokens_in_cache == 0

    def test_unknown_cards_stay_unknown(self):
        found = plan("gpt2", "CPU")
        assert (found.fits, found.max_tokens_in_cache, found.tokens_per_s, found.limits) == (None, None, None, None)
        assert (found.time_to_first_token_s, found.throughput_tokens_per_s, found.request_s(3)) == (None, None, None)
        assert (found.requests_per_s(3), found.serving_tokens_per_s(3)) == (None, None)
        assert found.memory.parameters == 2 * model_shape("gpt2").parameters


class TestToken:
    def test_a_token_reads_all_weights_and_its_cache(self):
        found = plan("llama-2-7b", "A100-SXM-80GB", context=1000, assumptions=FLAT)
        read = 2 * (SEVEN.parameters - SEVEN.embedding) + 524_288 * 1000
        reading_s = read / (found.machine.card.memory_gbps * 1e9)
        starts_s = 32 * KERNELS * PRODUCT_S
        assert found.token_pass.total_s == pytest.approx(reading_s + starts_s, rel=0.01)
        assert found.tokens_per_s == 1 / found.token_pass.total_s
        assert found.limits == "memory bandwidth"

    def test_a_layers_calls_may_be_yours(self):
        eager, engine = (
            plan("llama-2-7b", "2x A100-SXM-80GB", assumptions=given) for given in ({"layer_us": 900.0}, None)
        )
        assert eager.token_pass.starts_s == pytest.approx(32 * 900e-6)
        assert engine.token_pass.starts_s == pytest.approx(32 * (KERNELS + 2) * PRODUCT_S)
        assert eager.token_pass.work == engine.token_pass.work

    def test_requests_share_the_weights_that_are_read(self):
        one, sixteen = (plan("llama-2-7b", "A100-SXM-80GB", batch=n, context=512) for n in (1, 16))
        assert 0.6 * one.tokens_per_s < sixteen.tokens_per_s < one.tokens_per_s
        assert sixteen.throughput_tokens_per_s == 16 * sixteen.tokens_per_s

    def test_enough_requests_are_bound_by_compute(self):
        found = plan("llama-2-7b", "A100-SXM-80GB", batch=1024, context=16)
        assert found.limits == "compute"

    def test_tensor_parallelism_pays_two_all_reduces_a_layer(self):
        found = plan("llama-3.1-70b", "4x H100-SXM-80GB", tensor_parallel=4)
        row = found.machine.link.link
        steps_s = row.small_call_us + 6 * row.small_latency_us
        moved_s = 8192 * 2 * 1.5 / (found.machine.link.bus_gbps * 1e9 / 4) * 1e6
        assert found.token_pass.network_s == pytest.approx(160 * (steps_s + moved_s) * 1e-6)

    def test_small_models_gain_nothing_from_a_slow_link(self):
        slow = {"latency_us": 50.0}
        one = plan("llama-3.2-1b", "RTX-4090", assumptions=slow)
        eight = plan("llama-3.2-1b", "8x RTX-4090", tensor_parallel=8, assumptions=slow)
        assert eight.tokens_per_s < one.tokens_per_s
        assert eight.limits == "network"

    def test_replicas_add_up(self):
        one, two = plan("llama-2-7b", "A100-SXM-80GB"), plan("llama-2-7b", "2x A100-SXM-80GB", replicas=2)
        assert two.serving.tensor_parallel == 1
        assert two.tokens_per_s == one.tokens_per_s
        assert two.throughput_tokens_per_s == 2 * one.throughput_tokens_per_s

    def test_stages_bring_throughput_but_no_speed(self):
        one = plan("llama-2-7b", "A100-SXM-80GB", batch=8)
        two = plan("llama-2-7b", "2x A100-SXM-80GB", pipeline_parallel=2, batch=16)
        alone = plan("llama-2-7b", "2x A100-SXM-80GB", pipeline_parallel=2, batch=1)
        assert two.tokens_per_s == pytest.approx(one.tokens_per_s, rel=0.01)
        assert two.throughput_tokens_per_s == pytest.approx(2 * one.throughput_tokens_per_s, rel=0.01)
        assert alone.tokens_per_s <= plan("llama-2-7b", "A100-SXM-80GB", batch=1).tokens_per_s

    def test_a_mixture_reads_the_experts_in_use(self):
        mixture = model_shape("mixtral-8x7b")
        idle = 32 * 6 * mixture.expert
        for batch, left_out in ((1, idle), (2, 32 * 8 * 0.75**2 * mixture.expert), (64, 0)):
            found = plan("mixtral-8x7b", "B200-SXM-180GB", batch=batch, context=1, assumptions=FLAT)
            read = 2 * (mixture.parameters - mixture.embedding - left_out) / (found.machine.card.memory_gbps * 1e9)
            assert found.token_pass.work.product_bytes_s == pytest.approx(read, rel=0.01), batch

    def test_four_bits_are_faster_where_memory_bounds(self):
        slow, fast = (plan("llama-2-7b", "RTX-4090", weights=each) for each in ("bf16", "nf4"))
        assert 2 < fast.tokens_per_s / slow.tokens_per_s < 3.9

    def test_more_bandwidth_is_faster_and_fewer_lanes_slower(self):
        where = machine("2x RTX-4090")
        base = plan("llama-3.1-70b", where, weights="nf4")
        assert plan("llama-3.1-70b", where.with_(memory_gbps=2000.0), weights="nf4").tokens_per_s > base.tokens_per_s
        prompts = [
            plan("llama-3.1-70b", where.with_(lanes=lanes), weights="nf4").time_to_first_token_s for lanes in (16, 8, 4)
        ]
        assert prompts == sorted(prompts)
        assert prompts[0] < prompts[1] < prompts[2]


class TestPrompt:
    def test_a_prompt_takes_two_operations_a_parameter_and_token(self):
        found = plan("llama-2-7b", "A100-SXM-80GB", context=2048, assumptions=FLAT)
        products = 2 * 2048 * (SEVEN.parameters - 2 * SEVEN.embedding) / 312e12
        attention = 2 * 32 * 4096 * 2048 * 2048 / 312e12
        assert found.prompt_pass.work.products_s == pytest.approx(products, rel=0.01)
        assert found.prompt_pass.work.attention_s == pytest.approx(attention)
        assert found.time_to_first_token_s == found.prompt_pass.total_s
        assert found.prompt_pass.limits == "compute"

    def test_a_shorter_prompt_is_sooner(self):
        long = plan("llama-2-7b", "A100-SXM-80GB", context=2048)
        short = plan("llama-2-7b", "A100-SXM-80GB", context=2048, prompt=256)
        assert short.time_to_first_token_s < long.time_to_first_token_s / 5
        assert short.tokens_per_s == long.tokens_per_s

    def test_prompts_of_all_requests_wait_for_each_other(self):
        one, four = (plan("llama-2-7b", "A100-SXM-80GB", batch=n).time_to_first_token_s for n in (1, 4))
        assert four == pytest.approx(4 * one, rel=0.05)

    @pytest.mark.parametrize(("batch", "share"), [(1, 1.0), (2, 3 / 4), (16, 17 / 32)])
    def test_stages_read_prompts_of_different_requests_at_once(self, batch, share):
        one = plan("llama-2-7b", "A100-SXM-80GB", batch=batch, prompt=512).prompt_pass
        two = plan("llama-2-7b", "2x A100-SXM-80GB", pipeline_parallel=2, batch=batch, prompt=512).prompt_pass
        assert two.work.products_s == pytest.approx(share * one.work.products_s)
        assert two.work.attention_s == pytest.approx(share * one.work.attention_s)

    def test_stages_send_prompts_on_while_others_compute(self):
        where = machine("2x A100-SXM-80GB")
        one, many = (
            plan("llama-2-7b", where, pipeline_parallel=2, batch=n, prompt=4096, context=4096).prompt_pass.network_s
            for n in (1, 16)
        )
        assert many == pytest.approx(16 * one * 17 / 32, rel=0.15)

    def test_eight_bits_compute_faster_four_do_not(self):
        times = {each: plan("llama-2-7b", "H100-SXM-80GB", weights=each) for each in ("bf16", "fp8", "nf4")}
        first = {each: found.time_to_first_token_s for each, found in times.items()}
        assert first["fp8"] < first["bf16"] < first["nf4"]
        attention = {found.prompt_pass.work.attention_s for found in times.values()}
        assert len(attention) == 1  # it stays in 16 bits

    def test_tensor_parallelism_moves_the_whole_prompt(self):
        found = plan("llama-3.1-70b", "2x RTX-4090", weights="nf4")
        moved = 160 * 4096 * 8192 * 2
        assert found.prompt_pass.network_s == pytest.approx(moved / (found.machine.link.bus_gbps * 1e9), rel=0.05)
        four_lanes = found.machine.with_(lanes=4)
        assert plan("llama-3.1-70b", four_lanes, weights="nf4").prompt_pass.limits == "network"

    def test_a_request_is_its_prompt_and_its_tokens(self):
        found = plan("llama-2-7b", "A100-SXM-80GB")
        assert found.request_s(1) == found.time_to_first_token_s
        assert found.request_s(101) == pytest.approx(found.time_to_first_token_s + 100 / found.tokens_per_s)

    def test_full_replicas_serve_their_slots_in_the_time_of_a_request(self):
        found = plan("llama-2-7b", "4x A100-SXM-80GB", replicas=4, batch=16, prompt=512, context=576)
        assert found.requests_per_s(128) == pytest.approx(4 * 16 / found.request_s(128))
        assert found.serving_tokens_per_s(128) == pytest.approx(128 * found.requests_per_s(128))

    def test_reading_prompts_costs_generated_tokens(self):
        short, long = (plan("llama-2-7b", "A100-SXM-80GB", batch=16, context=2048, prompt=n) for n in (1, 2048))
        assert long.serving_tokens_per_s(64) < 0.4 * long.throughput_tokens_per_s
        assert short.serving_tokens_per_s(2000) == pytest.approx(short.throughput_tokens_per_s, rel=0.01)


class TestRefusals:
    @pytest.mark.parametrize(
        ("options", "words"),
        [
            (
                {"tensor_parallel": 3},
                r"replicas=1 x tensor_parallel=3 x pipeline_parallel=1 are 3 cards; 8x H100-SXM-80GB has 8",
            ),
            ({"tensor_parallel": 8, "replicas": 2}, "are 16 cards"),
            ({"batch": 0}, r"batch=0 must be a whole number, 1 or more"),
            ({"batch": True}, "batch=True must be"),
            ({"context": -5}, "context=-5 must be"),
            ({"replicas": 0}, "replicas=0 must be"),
            ({"pipeline_parallel": 1.5}, r"pipeline_parallel=1\.5 must be"),
            ({"weights": "int3"}, "weights='int3' is not one of 'bf16', 'fp16', 'fp32', 'fp8', 'int8', 'nf4', 'int4'"),
            ({"kv": "nf4"}, "kv='nf4' is not one of"),
            ({"context": 200_000}, "context=200000 is more than the 131072 positions"),
            ({"context": 100, "prompt": 200}, "prompt=200 is more than the context of 100 tokens"),
            ({"assumptions": {"memory": -1}}, "assumptions: memory=-1 must be"),
            ({"assumptions": {"speed": 1}}, "assumptions have no speed"),
        ],
    )
    def test_a_wrong_option_is_one_clear_line(self, options, words):
        with pytest.raises(UsageError, match=words) as raised:
            plan("llama-3.1-70b", "8x H100-SXM-80GB", **options)
        assert "\n" not in str(raised.value)

    def test_ranks_divide_the_heads(self):
        with pytest.raises(UsageError, match="tensor_parallel=3 does not divide the 64 heads of llama-3"):
            plan("llama-3.1-70b", "3x H100-SXM-80GB")
        with pytest.raises(UsageError, match="tensor_parallel=8 does not divide the 28 heads of qwen2"):
            plan("qwen2.5-7b", "8x H100-SXM-80GB")

    def test_ranks_and_kv_heads_divide_each_other(self):
        odd = replace(SEVENTY, name="odd", heads=24, kv_heads=8, head_size=128, intermediate=1536)
        with pytest.raises(UsageError, match="tensor_parallel=12 and the 8 KV heads of odd do not divide"):
            plan_inference(odd, "12x H100-SXM-80GB")

    def test_stages_have_layers(self):
        with pytest.raises(UsageError, match="pipeline_parallel=16 is more than the 12 layers of gpt2"):
            plan("gpt2", "16x H100-SXM-80GB", pipeline_parallel=16)

    def test_no_tokens_are_no_request(self):
        with pytest.raises(UsageError, match="new_tokens=0 must be"):
            plan("gpt2", "A100-SXM-80GB").request_s(0)
        with pytest.raises(UsageError, match="new_tokens=0 must be"):
            plan("gpt2", "A100-SXM-80GB").serving_tokens_per_s(0)

    def test_a_short_model_has_a_short_context(self):
        assert plan("gpt2", "A100-SXM-80GB").serving.context == 1024


class TestStated:
    def test_everything_assumed_has_a_source(self):
        rows = plan("llama-3.1-70b", "16x A100-SXM-80GB", pipeline_parallel=2).assumed
        assert any("nvlink3" in what for what, _, _ in rows)
        assert any("infiniband" in what for what, _, _ in rows)
        for what, number, source in rows:
            assert math.isfinite(number)
            assert len(source) > 10, what

    def test_your_numbers_are_yours(self):
        rows = plan("llama-2-7b", "A100-SXM-80GB", assumptions={"memory": 0.5}).assumed
        assert ("memory, share of its bandwidth", 0.5, "your assumption") in rows
        rows = plan("llama-2-7b", "A100-SXM-80GB", assumptions={"layer_us": 900.0}).assumed
        assert ("seconds of one layer's kernels besides their work", 900e-6, "your assumption") in rows
