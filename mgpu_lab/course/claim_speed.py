"""What claims on the speed of training rest on: planned steps of more GPUs, faster links, other cards.

Each function returns what fills the braces of ``claims.toml``, and the `verdict` that the numbers support.
"""

# ruff: noqa: PLR2004 - the numbers compared with are the claims' own

from mgpu_lab.course.claim_plans import (
    CANNOT_TEST,
    DOES_NOT_HOLD,
    LARGE,
    LITTLE,
    LLAMA,
    LORA,
    NANOGPT,
    ONLY_IF,
    QLORA,
    SHARDED,
    SMALL,
    Numbers,
    exposed,
    judged,
    known,
    slowed,
    speedup,
    step_s,
    together,
    train,
)
from mgpu_lab.planner.hardware import HARDWARE
from mgpu_lab.planner.machines import Machine, machine
from mgpu_lab.planner.training import TrainingPlan

DAY_H = 24
THREE_B = "llama-3.2-3b"


def days_to_hours() -> Numbers:
    """Hours of one card and of eight for the same tokens."""
    tokens = 7e8
    one, eight = (tokens / together(train(LLAMA, f"{n}x RTX-4090", **LORA)) / 3600 for n in (1, 8))
    return judged(
        ONLY_IF,
        when=one >= 2 * DAY_H > DAY_H > eight and one / eight <= 8 + 1e-9,
        tokens_m=tokens / 1e6,
        one_days=one / DAY_H,
        eight_h=eight,
        speedup=one / eight,
    )


def two_to_eight() -> Numbers:
    """How many times as fast as one card eight are: with little work on slow links, and with much on fast ones."""
    cards = machine("8x RTX-4090")
    low = speedup(SMALL, cards.with_(lanes=4), **LITTLE)
    high = speedup(SMALL, cards.with_(lanes=16), **NANOGPT)
    return judged(ONLY_IF, when=low < 2 < high <= 8 + 1e-9, low=low, high=high)


def nvlink_step() -> Numbers:
    """How much shorter communication becomes with NVLink, and how much shorter a step."""
    h100, pair = machine("8x H100-SXM-80GB"), machine("2x RTX-3090")
    jobs = ({**SHARDED, "seq_len": 2048}, {**SHARDED, "seq_len": 8192, "micro_batch": 2})
    small, large = (_with_and_without(LLAMA, h100, **job) for job in jobs)
    bridged = _with_and_without(SMALL, pair, **LITTLE)
    small_saved, large_saved = (1 - step_s(w) / step_s(wo) for w, wo in (small, large))
    cuts = [1 - _talk_s(w) / _talk_s(wo) for w, wo in (small, bridged)]
    return judged(
        DOES_NOT_HOLD,
        when=min(cuts) > 0.55 and small_saved - large_saved > 0.1,
        cut=cuts[0],
        pair_cut=cuts[1],
        small_saved=small_saved,
        large_saved=large_saved,
    )


def _with_and_without(model: str, where: Machine, **job: object) -> tuple[TrainingPlan, TrainingPlan]:
    return train(model, where.with_(nvlink=True), **job), train(model, where.with_(nvlink=False), **job)


def _talk_s(plan: TrainingPlan) -> float:
    return known(plan.time.communication_s, "the speed of a link")


def pcie_tasks() -> Numbers:
    """What of a step waits for PCIe: with adapters, and with all parameters sharded."""
    lora, fsdp = (exposed(train(LLAMA, "8x RTX-4090", **job)) for job in (LORA, SHARDED))
    return judged(ONLY_IF, when=lora < 0.1 < fsdp, lora=lora, fsdp=fsdp)


def scaling() -> Numbers:
    """Scaling efficiency of the same eight cards with little work and with much, and of eight better linked ones."""
    cards, linked = machine("8x RTX-4090"), machine("8x H100-SXM-80GB")
    small, large = (speedup(SMALL, cards, **job) / cards.count for job in (LITTLE, NANOGPT))
    h100 = speedup(SMALL, linked, **NANOGPT) / linked.count
    return judged(ONLY_IF, when=small < 0.95 <= max(large, h100), small=small, large=large, h100=h100)


def two_4090() -> Numbers:
    """Two RTX 4090 over one H100: arithmetic, memory bandwidth, and tokens of the same job."""
    card, h100 = HARDWARE["RTX-4090"], HARDWARE["H100-SXM-80GB"]
    ratio = together(train(LLAMA, "2x RTX-4090", **LORA)) / together(train(LLAMA, "1x H100-SXM-80GB", **LORA))
    flops, bandwidth = (
        2 * card.tflops["bf16"] / h100.tflops["bf16"],
        2 * known(card.memory_gbps) / known(h100.memory_gbps),
    )
    holds = max(flops, bandwidth, ratio) < 1.8
    return judged(ONLY_IF, when=holds, flops=flops, bandwidth=bandwidth, tokens=ratio)


def four_4090() -> Numbers:
    """Four RTX 4090 over one H100, on paper: a claim that no plan here can test is only hemmed in."""
    card, h100 = HARDWARE["RTX-4090"], HARDWARE["H100-SXM-80GB"]
    flops, plain = (4 * card.tflops[dtype] / h100.tflops[dtype] for dtype in ("bf16", "fp32"))
    bandwidth = 4 * known(card.memory_gbps) / known(h100.memory_gbps)
    holds = flops < 3 and bandwidth < 3 < plain
    return judged(CANNOT_TEST, when=holds, flops=flops, bandwidth=bandwidth, plain=plain)


def seventy_b() -> Numbers:
    """Million tokens that eight cards train a 70B on in four hours, and the ratio of the two kinds of cards."""
    h100, a100 = HARDWARE["H100-SXM-80GB"], HARDWARE["A100-SXM-80GB"]
    h100_m, a100_m = (
        together(train(LARGE, f"8x {card.name}", micro_batch=4, **QLORA)) * 4 * 3600 / 1e6 for card in (h100, a100)
    )
    return judged(
        ONLY_IF,
        when=1 < h100_m / a100_m < 6,
        h100_m=h100_m,
        a100_m=a100_m,
        ratio=h100_m / a100_m,
        peak=h100.tflops["bf16"] / a100.tflops["bf16"],
        peak_fp8=h100.tflops["fp8"] / a100.tflops["bf16"],
    )


def mixed_links() -> Numbers:
    """What one slot with 4 lanes of four costs: a ring waits for its slowest link."""
    jobs = ((LLAMA, LORA), (LLAMA, QLORA), (THREE_B, SHARDED))
    costs = [slowed(model, "4x RTX-4090", 4, **job) - 1 for model, job in jobs]
    return judged(ONLY_IF, when=min(costs) < 0.3 < max(costs), least=min(costs), most=max(costs))


def few_lanes() -> Numbers:
    """What 8 and 4 lanes cost a job that sends adapters, and one that sends all weights."""
    lora = slowed(LLAMA, "4x RTX-4090", 4, **LORA)
    eight, four = (slowed(THREE_B, "4x RTX-4090", lanes, **SHARDED) for lanes in (8, 4))
    return judged(ONLY_IF, when=lora < 1.1 < four and eight < four, lora=lora, eight=eight, four=four)
