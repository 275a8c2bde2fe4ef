"""What claims on inference rest on: planned tokens and requests a second of one card and of several.

Each function returns what fills the braces of ``claims.toml``, and the `verdict` that the numbers support.
"""

# ruff: noqa: PLR2004 - the numbers compared with are the claims' own

from typing import Any

from mgpu_lab.course.claim_plans import (
    LARGE,
    LLAMA,
    ONLY_IF,
    Numbers,
    judged,
    known,
    serve,
    tokens_per_s,
)
from mgpu_lab.planner.inference import InferencePlan
from mgpu_lab.planner.machines import Machine, machine
from mgpu_lab.wire.errors import UsageError

# What a desktop's CPU reads of its memory: 61.4 GB/s by STREAM Triad, i9-12900K with DDR5
# (github.com/noonghunna/club-3090/issues/999, 2026-08-15)
HOST_GBPS = 61.4
MOST_AT_ONCE = 256  # requests of a replica: engines have a cap, too (max_num_seqs in vLLM); this one is ours


def inference_two() -> Numbers:
    """What a second RTX 4090 brings one request, and servers full of requests of 100 tokens in and 550 out."""
    one, two = serve(LLAMA, "1x RTX-4090"), serve(LLAMA, "2x RTX-4090", tensor_parallel=2)
    gain = tokens_per_s(two) / tokens_per_s(one) - 1
    cache = known(two.max_tokens_in_cache) / known(one.max_tokens_in_cache)
    split, layers = {"tensor_parallel": 2}, {"tensor_parallel": 1, "pipeline_parallel": 2}
    full, wide, deep = (
        known(_full(LLAMA, where, 100, 550, **how).serving_tokens_per_s(550))
        for where, how in (("1x RTX-4090", {}), ("2x RTX-4090", split), ("2x RTX-4090", layers))
    )
    holds = gain <= 1 and cache > 2 and deep / full > 2
    return judged(ONLY_IF, when=holds, gain=gain, cache=cache, full=full, split=wide / full, layers=deep / full)


def dual_5090() -> Numbers:
    """Tokens a second of a 70B in 4 bits on two RTX 5090, for one request and for many; of a 1B on one."""
    single, batch = (serve(LARGE, "2x RTX-5090", weights="int4", batch=n, context=1024) for n in (1, 32))
    small = tokens_per_s(serve("llama-3.2-1b", "1x RTX-5090", context=1024))
    total = known(batch.throughput_tokens_per_s)
    holds = tokens_per_s(single) < 500 < total
    return judged(ONLY_IF, when=holds, single=tokens_per_s(single), batch=total, small=small)


def thousands() -> Numbers:
    """Requests a second of 8 H100: answers of a 70B in fp8, and one token of a 1B, which is what a classifier needs."""
    where = "8x H100-SXM-80GB"
    pairs: dict[str, Any] = {"weights": "fp8", "tensor_parallel": 2, "replicas": 4}
    chat, long = (
        known(_full(LARGE, where, prompt, new, **pairs).requests_per_s(new))
        for prompt, new in ((300, 300), (5000, 500))
    )
    label = known(_full("llama-3.2-1b", where, 64, 1, replicas=8).requests_per_s(1))
    cards = 2000 / (chat / 8)
    return judged(ONLY_IF, when=chat < 1000 < label, chat=chat, long=long, cards=cards, label=label)


def pcie_inference() -> Numbers:
    """Share of a token and of a prompt of 2,048 that waits for PCIe, a 70B in 4 bits on two cards."""
    wide, narrow = (_seventy(machine("2x RTX-4090").with_(lanes=lanes)) for lanes in (16, 4))
    layers = _seventy(machine("2x RTX-4090").with_(lanes=4), tensor_parallel=1, pipeline_parallel=2)
    bridge, slots = (_seventy(machine("2x RTX-3090").with_(nvlink=joined)) for joined in (True, False))
    (token, prompt), (token4, prompt4), (_, staged) = (_waits(plan) for plan in (wide, narrow, layers))
    return judged(
        ONLY_IF,
        when=token < 0.1 < prompt and prompt4 > 0.4 and staged < 0.02,
        token=token,
        token4=token4,
        prompt=prompt,
        prompt4=prompt4,
        layers=staged,
        bridge=tokens_per_s(bridge) / tokens_per_s(slots) - 1,
        bridge_prompt=_first_s(slots) / _first_s(bridge) - 1,
    )


def nvlink_inference() -> Numbers:
    """What of NVLink's rate 8 H100 keep on PCIe 5.0 x16 alone: a 70B on all eight, in fp8 on pairs."""
    one, many, pairs = (
        _kept(**how)
        for how in (
            {"tensor_parallel": 8},
            {"tensor_parallel": 8, "batch": 64},
            {"tensor_parallel": 2, "replicas": 4, "batch": 16, "weights": "fp8"},
        )
    )
    with_it, without = (_on_h100(nvlink, tensor_parallel=8) for nvlink in (True, False))
    first = _first_s(without) / _first_s(with_it)
    return judged(
        ONLY_IF,
        when=one > 0.75 and many < 0.6 and pairs > 0.7 and first > 2,
        one=one,
        many=many,
        pairs=pairs,
        first=first,
    )


def by_layers() -> Numbers:
    """A token's time on two RTX 4090 that hold half of the layers each; the weights on the CPU that double it."""
    alone = serve(LLAMA, "1x RTX-4090")
    one = tokens_per_s(alone)
    two = tokens_per_s(serve(LLAMA, "2x RTX-4090", tensor_parallel=1, pipeline_parallel=2))
    on_host_s = alone.memory.parameters / (HOST_GBPS * 1e9)  # all weights read by the CPU
    spill = 1 / (on_host_s * one - 1)  # (1 - spill) / one + spill * on_host_s = 2 / one
    return judged(ONLY_IF, when=one / two > 0.9 and spill < 0.2, ratio=one / two, spill=spill, host=HOST_GBPS)


def _full(model: str, where: str, prompt: int, new: int, **how: Any) -> InferencePlan:
    """Plan replicas with as many requests as their caches hold."""
    lengths = {"prompt": prompt, "context": prompt + new // 2}
    room = known(serve(model, where, **lengths, **how).max_tokens_in_cache)
    return serve(model, where, batch=min(MOST_AT_ONCE, int(room // (prompt + new))), **lengths, **how)


def _seventy(where: Machine, **how: Any) -> InferencePlan:
    return serve(LARGE, where, weights="int4", prompt=2048, context=2176, **how)


def _on_h100(nvlink: bool, **how: Any) -> InferencePlan:  # noqa: FBT001 - with it or without
    return serve(LARGE, machine("8x H100-SXM-80GB").with_(nvlink=nvlink), prompt=2048, context=2176, **how)


def _kept(**how: Any) -> float:
    """Share of the served tokens of 2,048 in and 256 out that are left without NVLink."""
    without, with_it = (known(_on_h100(nvlink, **how).serving_tokens_per_s(256)) for nvlink in (False, True))
    return without / with_it


def _first_s(plan: InferencePlan) -> float:
    return known(plan.time_to_first_token_s)


def _waits(plan: InferencePlan) -> tuple[float, float]:
    """Shares of a token's time and of a prompt's that the network takes."""
    if plan.token_pass is None or plan.prompt_pass is None:
        raise UsageError("The ledger of claims needs the speed of a link that the hardware table does not know.")
    token, prompt = plan.token_pass, plan.prompt_pass
    return token.network_s / token.total_s, prompt.network_s / prompt.total_s
