"""The planner's public API as a stranger would use it: what every plan holds, what grows with what, what is refused.

Cases are made at random from a fixed seed, over all presets, all cards, and every option.
"""

from __future__ import annotations

import json
import math
import random
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest

from mgpu_lab import HARDWARE, Machine, check_rig, compare_cost, plan_inference, plan_training
from mgpu_lab.planner.memory.inference_memory import kv_bytes_per_token
from mgpu_lab.planner.memory.planned import CATEGORIES
from mgpu_lab.planner.shapes import model_shape, presets
from mgpu_lab.planner.shown.plans import Price
from mgpu_lab.planner.traffic.parameters import held_parameters
from mgpu_lab.wire.errors import UsageError

OPTIONS = {
    "method": ("ddp", "zero0", "zero1", "zero2", "zero3", "fsdp"),
    "adapter": (None, None, "lora", "qlora"),
    "micro_batch": (1, 2, 7),
    "seq_len": (16, 512, 1024, 8192),
    "accumulation": (1, 2, 5),
    "dtype": ("bf16", "fp16", "fp32"),
    "master": ("fp32", None),
    "checkpointing": ("none", "selective", "full"),
    "optimizer": ("adamw", "adamw8bit", "sgd"),
    "lora_rank": (1, 16, 256),
    "tensor_parallel": (1, 1, 1, 2, 4),
    "pipeline_parallel": (1, 1, 1, 2, 3),
    "offload": ("none", "none", "none", "cpu"),
}
COUNTS = (1, 1, 2, 3, 4, 6, 8, 8, 12, 16, 24, 64, 1024)
SERVING = {
    "batch": (1, 2, 64),
    "context": (16, 1024, 4096, 30_000),
    "weights": ("bf16", "fp16", "fp32", "fp8", "int8", "nf4", "int4"),
    "kv": (None, "bf16", "fp16", "fp32", "fp8"),
}
SMALL = ("llama-3.2-1b", "gpt2", "qwen2.5-7b", "mixtral-8x7b", "llama-3.1-8b")
LIMITS = ("compute", "network", "memory bandwidth")


def tried(plan, *given, **options):
    """A plan, or None where these options do not go together; every refusal is a single line."""
    try:
        return plan(*given, **options)
    except UsageError as error:
        assert "\n" not in str(error)  # noqa: PT017 - most options go together
        return None


def drawn(seed, count, options, models=None, machines=None):
    """So many (model, machine, options) at random."""
    pick = random.Random(seed)  # noqa: S311 - no secret
    models = models or sorted(presets())
    for _ in range(count):
        where = f"{pick.choice(COUNTS)}x {pick.choice(sorted(HARDWARE))}" if machines is None else pick.choice(machines)
        chosen = {name: pick.choice(values) for name, values in options.items() if pick.random() < 0.7}
        yield pick.choice(models), where, chosen


def random_plans(seed, count, models=None, machines=None):
    found = ((case, tried(plan_training, case[0], case[1], **case[2])) for case in
             drawn(seed, count, OPTIONS, models, machines))  # fmt: skip
    return [(case, plan) for case, plan in found if plan is not None]


def positive(value):
    return value is None or (value > 0 and math.isfinite(value))


def none_or_more(value):
    return value is None or (value >= 0 and math.isfinite(value))


def activations(plan):
    return max(moment.activations for moment in plan.moments)


def kept_bytes(plan):
    """What is there all the time: parameters and optimizer state, without what is gathered for a while."""
    rows = plan.moments[0].rows
    return sum(
        row.size_bytes
        for row in rows
        if row.category in ("parameters", "optimizer_state") and "gathered" not in row.name
    )


# ---- the contract's own calls


def test_the_contracts_training_call():
    plan = plan_training(
        "llama-3.1-8b", "8x H100-SXM-80GB", method="fsdp", adapter=None, micro_batch=1, seq_len=8192, accumulation=1,
        dtype="bf16", master="fp32", checkpointing="none", optimizer="adamw", lora_rank=16, tensor_parallel=1,
        pipeline_parallel=1, offload="none",
    )  # fmt: skip
    assert plan == plan_training("llama-3.1-8b", "8x H100-SXM-80GB")  # all of these are the usual ones
    assert set(plan.traffic) == {"all_gather", "reduce_scatter"}
    assert all(isinstance(calls, int) and isinstance(size, int) for calls, size in plan.traffic.values())
    assert plan.limits in LIMITS
    assert plan.watts == 8 * HARDWARE["H100-SXM-80GB"].watts
    assert plan.usd(tokens=2e9, usd_per_gpu_hour=3.0) == pytest.approx(6 * plan.usd(tokens=1e9, usd_per_gpu_hour=1.0))
    assert plan.usd(tokens=1e9, usd_per_gpu_hour=2.5) == pytest.approx(1e9 / plan.tokens_per_s / 3600 * 2.5)


def test_the_contracts_inference_call():
    plan = plan_inference(
        "llama-3.1-70b", "2x RTX-4090", tensor_parallel=2, replicas=1, batch=1, context=4096, weights="nf4"
    )
    assert plan.fits is True
    assert (
        plan.memory.kv_cache == 80 * 2 * 8 * 128 * 2 * 4096 // 2
    )  # layers, K and V, heads, size, bytes, tokens, ranks
    assert 35e9 / 2 < plan.memory.parameters < 43e9 / 2
    assert plan.limits == "memory bandwidth"
    assert plan.throughput_tokens_per_s == plan.tokens_per_s > 0
    assert plan.time_to_first_token_s > 0


def test_every_preset_and_every_card_plans():
    for model in presets():
        assert plan_training(model, "8x H100-SXM-80GB").memory.parameters > 0
        assert plan_inference(model, "RTX-4090").memory.parameters > 0
    for card in HARDWARE:
        assert positive(plan_training("llama-3.2-1b", f"2x {card}").step_s)


def test_more_than_eight_cards_are_hosts_of_eight():
    for count in range(1, 65):
        where = plan_training("gpt2", f"{count}x A100-SXM-80GB").machine
        assert (where.count, where.hosts) == (count, -(-count // 8))
    slow = plan_training("llama-3.2-1b", Machine(HARDWARE["A100-SXM-80GB"], 16, network_gbps=1.0))
    assert slow.step_s > plan_training("llama-3.2-1b", "16x A100-SXM-80GB").step_s


# ---- what every plan holds


def test_what_every_training_plan_holds():
    plans = random_plans(1, 100)
    assert len(plans) > 40
    for case, plan in plans:
        for moment in plan.moments:
            assert sum(getattr(moment, name) for name in CATEGORIES) == moment.total, case
            assert all(isinstance(row.size_bytes, int) and row.size_bytes >= 0 for row in moment.rows), case
        assert plan.memory.total == max(moment.total for moment in plan.moments)
        assert plan.peak_bytes >= plan.memory.total > 0
        assert plan.fits is (None if plan.capacity_bytes is None else plan.peak_bytes <= plan.capacity_bytes)
        assert (plan.limits is None) == (plan.step_s is None) == (plan.tokens_per_s is None), case
        assert plan.limits in (None, *LIMITS)
        assert positive(plan.step_s), case
        assert positive(plan.tokens_per_s), case
        assert all(none_or_more(value) for value in vars(plan.time).values() if isinstance(value, float)), case
        assert plan.time.mfu is None or plan.time.mfu < 1, case
        assert all(calls > 0 and size >= 0 for calls, size in plan.traffic.values()), case
        assert bool(plan.traffic) == (plan.machine.count > 1), case
        assert all(source for _, _, source in plan.time.assumed), case
        assert "nan" not in repr(plan)


def test_what_every_inference_plan_holds():
    pick, seen = random.Random(2), 0  # noqa: S311 - no secret
    for model, card, options in drawn(2, 200, SERVING, machines=sorted(HARDWARE)):
        ranks = {name: pick.choice((1, 1, 2, 4)) for name in ("tensor_parallel", "pipeline_parallel", "replicas")}
        plan = tried(plan_inference, model, f"{math.prod(ranks.values())}x {card}", **ranks, **options)
        if plan is None:
            continue
        seen += 1
        case = (model, card, ranks, options)
        categories = (*CATEGORIES, "kv_cache")
        assert sum(getattr(plan.memory, name) for name in categories) == plan.memory.total, case
        assert plan.peak_bytes >= plan.memory.total
        assert plan.limits in (None, *LIMITS)
        for value in (plan.time_to_first_token_s, plan.tokens_per_s, plan.throughput_tokens_per_s):
            assert positive(value), case
            assert (value is None) == (plan.limits is None), case
    assert seen > 100


# ---- what grows with what


def changed(case, **options):
    model, where, given = case
    return tried(plan_training, model, where, **given | options)


@pytest.fixture(scope="module")
def several():
    """Plans of small models on machines whose figures are known."""
    return random_plans(
        3, 45, ("llama-3.2-1b", "gpt2"), ["4x H100-SXM-80GB", "16x H100-SXM-80GB", "8x RTX-4090", "2x A100-SXM-80GB"]
    )


def test_longer_sequences_and_larger_batches_never_take_less(several):
    for case, plan in several:
        for name in ("seq_len", "micro_batch"):
            larger = changed(case, **{name: 2 * getattr(plan.recipe, name)})
            if larger is not None:
                assert activations(larger) >= activations(plan), case
                assert larger.peak_bytes >= plan.peak_bytes, case
                assert larger.step_s >= plan.step_s, case


def test_checkpointing_lowers_activations_and_costs_time(several):
    for case, _ in several:
        plans = [changed(case, checkpointing=how) for how in ("none", "selective", "full")]
        for less, more in pairwise(plans):
            assert less.moments[0].activations >= more.moments[0].activations, case
            assert less.step_s <= more.step_s * (1 + 1e-9), case


def test_adapters_take_less_than_full_training_and_packed_ones_least(several):
    seen = 0
    for case, plan in several:
        full, lora = (changed(case, adapter=adapter, offload="none") for adapter in (None, "lora"))
        if lora is not None and plan.recipe.lora_rank <= 16:
            assert kept_bytes(lora) <= kept_bytes(full), case
            qlora = changed(case, adapter="qlora", offload="none")
            assert qlora is None or kept_bytes(qlora) <= kept_bytes(lora), case
            seen += 1
    assert seen > 5


def test_sixteen_bits_keep_fewer_activations_than_thirty_two(several):
    for case, _ in several:
        half, other, full = (changed(case, dtype=dtype, adapter=None) for dtype in ("bf16", "fp16", "fp32"))
        assert half.peak_bytes == other.peak_bytes, case
        kept = [
            sum(row.size_bytes for row in plan.moments[0].rows if "kept" in row.name) for plan in (half, full)
        ]  # autocast's copies of the weights are others
        assert kept[0] <= kept[1], case
        assert half.step_s <= full.step_s, case


def test_four_micro_batches_take_between_three_and_four_times_one():
    for method in OPTIONS["method"]:
        for count in (1, 8):
            where = f"{count}x H100-SXM-80GB"
            one, four = (plan_training("llama-3.2-1b", where, method=method, accumulation=n) for n in (1, 4))
            assert 3 < four.step_s / one.step_s < 4.2
            assert four.recipe.tokens_per_step == 4 * one.recipe.tokens_per_step
            assert four.peak_bytes >= one.peak_bytes


@pytest.mark.parametrize("method", ["zero1", "zero2", "zero3", "fsdp"])
def test_more_ranks_never_hold_more_state(method):
    for model in ("llama-3.2-1b", "gpt2"):
        for adapter in (None, "lora") if method == "fsdp" else (None,):
            counts = (1, 2, 4, 8, 16, 64)
            plans = [plan_training(model, f"{n}x A100-SXM-80GB", method=method, adapter=adapter) for n in counts]
            held = [kept_bytes(plan) for plan in plans]
            assert held == sorted(held, reverse=True), (model, adapter)
            assert held[-1] < held[0]


def test_tensor_and_pipeline_parallelism_divide_weights_or_are_refused():
    for way in ("tensor_parallel", "pipeline_parallel"):
        for adapter in (None, "lora", "qlora"):
            for method in OPTIONS["method"]:
                options = {"method": method, "adapter": adapter, "seq_len": 512}
                whole = tried(plan_training, "llama-3.2-3b", "1x H100-SXM-80GB", **options)
                divided = tried(plan_training, "llama-3.2-3b", "2x H100-SXM-80GB", **options, **{way: 2})
                if whole is not None and divided is not None:
                    assert kept_bytes(divided) < 0.75 * kept_bytes(whole), (way, options)
                assert (divided is not None) or adapter, (way, options)


def test_serving_more():
    for model in SMALL:
        for weights in SERVING["weights"]:
            for card in ("H100-SXM-80GB", "RTX-4090"):
                plans = [
                    plan_inference(model, card, batch=batch, weights=weights, context=512) for batch in (1, 2, 8, 64)
                ]
                speeds = [plan.throughput_tokens_per_s for plan in plans]
                assert speeds == sorted(speeds)
                kv = [plan.memory.kv_cache for plan in plans]
                assert kv == [kv[0] * batch for batch in (1, 2, 8, 64)]
                longer = plan_inference(model, card, weights=weights, context=1024)
                assert longer.memory.kv_cache == 2 * kv[0] == 1024 * kv_bytes_per_token(longer.shape, longer.serving)
                if model != "gpt2":
                    ranks = [
                        plan_inference(model, f"{n}x {card}", tensor_parallel=n, weights=weights) for n in (1, 2, 4)
                    ]
                    held = [plan.memory.parameters for plan in ranks]
                    assert held == sorted(held, reverse=True)
                twice = plan_inference(model, f"2x {card}", tensor_parallel=1, replicas=2, weights=weights, context=512)
                assert twice.throughput_tokens_per_s == pytest.approx(2 * speeds[0])


# ---- models


BASE = {
    "model_type": "llama", "num_hidden_layers": 3, "hidden_size": 64, "intermediate_size": 112,
    "num_attention_heads": 4, "vocab_size": 101,
}  # fmt: skip
GPT2 = {"model_type": "gpt2", "n_layer": 3, "n_embd": 64, "n_head": 4, "vocab_size": 101, "n_positions": 1024}
# Parameters of AutoModelForCausalLM.from_config() of the same config, transformers 5.23.
CONFIGS = [
    (BASE, 127_040),
    (BASE | {"num_key_value_heads": 2}, 114_752),
    (BASE | {"num_key_value_heads": None}, 127_040),
    (BASE | {"head_dim": 32}, 176_192),
    (BASE | {"head_dim": None}, 127_040),
    (BASE | {"tie_word_embeddings": True}, 120_576),
    (BASE | {"attention_bias": True}, 127_808),
    (BASE | {"attention_bias": True, "mlp_bias": True}, 128_672),
    (BASE | {"model_type": "mistral", "num_key_value_heads": 2, "head_dim": 8}, 96_320),
    (BASE | {"model_type": "qwen2", "num_key_value_heads": 4}, 127_616),
    (BASE | {"model_type": "qwen2", "num_key_value_heads": 1, "tie_word_embeddings": True}, 102_432),
    (BASE | {"model_type": "mixtral", "num_key_value_heads": 2, "num_local_experts": 8, "num_experts_per_tok": 2},
     567_872),
    (BASE | {"model_type": "mixtral", "num_key_value_heads": 2, "num_local_experts": 4, "num_experts_per_tok": 1},
     309_056),
    (GPT2, 222_080),
    (GPT2 | {"n_inner": None}, 222_080),
    (GPT2 | {"n_inner": 100}, 161_708),
    (GPT2 | {"tie_word_embeddings": False}, 228_544),
]  # fmt: skip


@pytest.mark.parametrize(("config", "parameters"), CONFIGS)
def test_a_config_means_the_model_that_transformers_makes_of_it(config, parameters, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(config))
    made = SimpleNamespace(to_dict=lambda: config)
    for model in (config, made, tmp_path, str(tmp_path)):
        assert model_shape(model).parameters == parameters
    plan = plan_training(config, "RTX-4090", seq_len=16, dtype="fp32", method="ddp")
    assert sum(each.numbers for each in held_parameters(plan.shape, plan.recipe)) == parameters
    assert plan_inference(config, "RTX-4090", context=16).fits


def test_a_config_s_name_stays_on_one_line():
    assert model_shape(BASE | {"name": "my\nmodel"}).name == "my model"


def config_file(folder, text):
    (folder / "config.json").write_bytes(text)
    return folder


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"{", "cannot be read: Expecting property name"),
        (b"", "cannot be read: Expecting value"),
        (b"\xff\xfe", "cannot be read: 'utf-8' codec"),
        (b"[]", "holds no JSON object"),
        (b"null", "holds no JSON object"),
        (b'{"num_hidden_layers": NaN}', "has layers = nan"),
    ],
)
def test_a_config_file_that_is_none_is_refused(text, said, tmp_path):
    with pytest.raises(UsageError) as refused:
        plan_training(config_file(tmp_path, text), "RTX-4090")
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({}, "does not say: layers, width, intermediate, heads, vocabulary"),
        (BASE | {"intermediate_size": None}, "does not say: intermediate"),
        (BASE | {"num_hidden_layers": 0}, "does not say: layers"),
        (BASE | {"num_hidden_layers": -1}, "has layers = -1"),
        (BASE | {"num_hidden_layers": True}, "has layers = True"),
        (BASE | {"hidden_size": "64"}, "has width = '64'"),
        (BASE | {"hidden_size": 64.0}, "has width = 64.0"),
        (BASE | {"hidden_size": 10**18}, "has width = a number so large"),
        (BASE | {"num_attention_heads": 3}, "3 heads do not divide a width of 64"),
        (BASE | {"num_key_value_heads": 3}, "3 KV heads do not divide 4 heads"),
        (BASE | {"tie_word_embeddings": "yes"}, "tie_word_embeddings = 'yes'; it must be true or false"),
        (BASE | {"mlp_bias": True}, "mlp_bias without attention_bias is not understood"),
        (BASE | {"num_local_experts": 2, "num_experts_per_tok": 3}, "a token cannot have 3 of 2 experts"),
        (BASE | {"num_local_experts": 2}, "a token cannot have None of 2 experts"),
        (BASE | {"max_position_embeddings": True}, "has context = True"),
        (GPT2 | {"n_embd": "64"}, "has width = '64'"),
        ({"model_type": "bert"}, "'bert' is not understood"),
    ],
)
def test_a_config_that_cannot_be_is_refused(config, said):
    with pytest.raises(UsageError) as refused:
        plan_training(config, "RTX-4090")
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


# ---- refusals: one line each, with what was probably meant

MODEL, CARDS = "llama-3.1-8b", "8x H100-SXM-80GB"


class NoConfig:
    """Something with a `to_dict` that gives no dict."""

    def to_dict(self):
        return 3


@pytest.mark.parametrize(
    "model", [None, 3, [], "", " ", "llama", "a" * 5000, "\0", "x\ny", b"gpt2", NoConfig(), NoConfig, Path("/nowhere")]
)
def test_what_is_no_model_is_refused(model):
    for plan in (plan_training, plan_inference):
        with pytest.raises(UsageError, match=r"There is no model|A model is") as refused:
            plan(model, CARDS)
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "where",
    [None, 8, "", "8x", "H100", "0x RTX-4090", "-1x RTX-4090", "1.5x RTX-4090", "9" * 5000 + "x RTX-4090",
     "99999999x RTX-4090", b"8x RTX-4090", ["RTX-4090"], HARDWARE["RTX-4090"]],
)  # fmt: skip
def test_what_is_no_machine_is_refused(where):
    for plan in (plan_training, plan_inference):
        with pytest.raises(UsageError) as refused:
            plan("gpt2", where)
        assert "\n" not in str(refused.value)
        assert len(str(refused.value)) < 800


WHOLE = [0, -1, 1.0, 1.5, True, "2", math.nan, math.inf, 10**30, [], {}]


@pytest.mark.parametrize("value", WHOLE)
def test_what_is_no_count_is_refused(value):
    for name in ("micro_batch", "seq_len", "accumulation", "lora_rank", "tensor_parallel", "pipeline_parallel"):
        with pytest.raises(UsageError, match=f"{name}.* must be"):
            plan_training(MODEL, CARDS, **{name: value})
    for name in ("batch", "context", "prompt", "replicas", "tensor_parallel", "pipeline_parallel"):
        with pytest.raises(UsageError, match=f"{name}.* must be"):
            plan_inference(MODEL, "RTX-4090", **{name: value})
    for name in ("count", "per_host"):
        with pytest.raises(UsageError, match=f"A machine's {name} is"):
            Machine(HARDWARE["RTX-4090"], **{name: value})


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"method": "FSDP"}, "Did you mean 'fsdp'?"),
        ({"method": "zero-3"}, "Did you mean 'zero3'?"),
        ({"method": []}, "method=[] is not one of 'ddp',"),
        ({"adapter": "none"}, "Did you mean None?"),
        ({"master": "none"}, "Did you mean None?"),
        ({"master": "bf16"}, "With None the optimizer updates weights in dtype itself."),
        ({"offload": None}, "offload=None is not one of 'none', 'cpu', 'nvme'."),
        ({"microbatch": 1}, "no option microbatch. There are method, adapter, micro_batch,"),
        ({"microbatch": 1}, "Did you mean micro_batch?"),
        ({"tp": 2}, "Did you mean tensor_parallel?"),
        ({"world_size": 8}, "has no option world_size"),
        ({"tensor_parallel": 3}, "tensor_parallel=3 x pipeline_parallel=1 does not divide 8 GPUs."),
        ({"offload": "cpu", "method": "ddp"}, "offload='cpu' needs a method that shards"),
        ({"offload": "nvme", "method": "fsdp"}, "offload='nvme' is DeepSpeed's stage 3"),
        ({"deepspeed": 1, "method": "zero3"}, "deepspeed=1 is not a dict"),
        ({"deepspeed": {"overlap_comm": True}}, "deepspeed holds settings of zero0 to zero3; method is 'fsdp'."),
        ({"assumptions": {"mfu": math.nan}}, "mfu=nan must be a number"),
        ({"assumptions": {"mfu": 5e-324}}, "would take forever"),
        ({"assumptions": {"mfu": 2}}, "is a share, 1 at most"),
        ({"assumptions": {"latency_us": math.inf}}, "latency_us=inf must be a number"),
        ({"assumptions": {"overlaps": 1}}, "Did you mean overlap?"),
        ({"assumptions": 3}, "assumptions are a dict"),
    ],
)
def test_a_training_option_that_cannot_be_is_refused(options, said):
    with pytest.raises(UsageError) as refused:
        plan_training(MODEL, CARDS, **options)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("model", "where", "options", "said"),
    [
        ("gpt2", "RTX-4090", {"seq_len": 1025}, "seq_len=1025 is more than the 1024 positions of gpt2."),
        ("gpt2", "8x RTX-4090", {"tensor_parallel": 8}, "does not divide the 12 heads"),
        (MODEL, "16x RTX-4090", {"tensor_parallel": 16}, "does not divide the 8 KV heads"),
        ("gpt2", "13x RTX-4090", {"pipeline_parallel": 13}, "is more than the 12 layers"),
        (BASE | {"intermediate_size": 111}, "2x RTX-4090", {"tensor_parallel": 2}, "the 111 MLP features"),
    ],
)
def test_a_model_that_cannot_be_divided_so_is_refused(model, where, options, said):
    with pytest.raises(UsageError) as refused:
        plan_training(model, where, **options)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"weights": "BF16"}, "Did you mean 'bf16'?"),
        ({"contex": 16}, "plan_inference has no option contex."),
        ({"contex": 16}, "Did you mean context?"),
        ({"method": "fsdp"}, "plan_inference has no option method."),
        ({"replicas": 3, "tensor_parallel": 2}, "replicas=3 x tensor_parallel=2 x pipeline_parallel=1 are 6 cards"),
        ({"prompt": 5000}, "prompt=5000 is more than the context of 4096 tokens"),
    ],
)
def test_an_inference_option_that_cannot_be_is_refused(options, said):
    with pytest.raises(UsageError) as refused:
        plan_inference(MODEL, CARDS, **options)
    assert said in str(refused.value)


PLAN = plan_training("gpt2", "8x H100-SXM-80GB")
REFUSED = {
    "negative tokens": (lambda: PLAN.usd(-1, 1), "tokens=-1 must be a number, 0 or more."),
    "tokens in words": (lambda: PLAN.usd("many", 1), "tokens='many' must be"),
    "no price": (lambda: PLAN.usd(1e9, None), "usd_per_gpu_hour=None must be"),
    "a price of nan": (lambda: Price(math.nan), "usd_per_gpu_hour=nan must be"),
    "infinite tokens": (lambda: Price(1.0, math.inf), "tokens=inf must be"),
    "a card's name": (lambda: Machine("RTX-4090"), "A machine's card is one of the table"),
    "nvlink in words": (lambda: Machine(HARDWARE["RTX-3090"], 2, nvlink="yes"), "nvlink is True, False or None"),
    "a slow network": (lambda: Machine(HARDWARE["RTX-4090"], network_gbps=1e-300), "network_gbps is a positive number"),
    "a machine's typo": (lambda: PLAN.machine.with_(lane=4), "A machine has no field lane."),
    "no cards": (lambda: check_rig(None), "A machine is a text"),
    "no plan": (lambda: check_rig("8x RTX-4090", plan=3), "plan is what plan_training returns; not 3."),
    "a rig's typo": (lambda: check_rig("2x RTX-4090", boards="x"), "Did you mean board?"),
    "a plan of inference": (
        lambda: check_rig("8x H100-SXM-80GB", plan=plan_inference("gpt2", "8x H100-SXM-80GB", replicas=8)),
        "plan is what plan_training returns",
    ),
    "no utilisation": (lambda: compare_cost(CARDS, utilisation=None), "utilisation=None is a share"),
    "a cost's typo": (lambda: compare_cost(CARDS, month=3), "Did you mean months?"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_else_cannot_be_is_refused_in_one_line(name):
    wrong, said = REFUSED[name]
    with pytest.raises(UsageError) as refused:
        wrong()
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
