"""What claims on inference rest on: planned tokens a second of one card and of two.

Each function returns what fills the braces of ``claims.toml``, and the `verdict` that the numbers support.
"""

# ruff: noqa: PLR2004 - the numbers compared with are the claims' own

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


def inference_two() -> Numbers:
    """What a second RTX 4090 brings one request, and what it adds to the room for the KV cache."""
    one, two = serve(LLAMA, "1x RTX-4090"), serve(LLAMA, "2x RTX-4090", tensor_parallel=2)
    gain = tokens_per_s(two) / tokens_per_s(one) - 1
    cache = known(two.max_tokens_in_cache) / known(one.max_tokens_in_cache)
    return judged(ONLY_IF, when=gain <= 1 and cache > 2, gain=gain, cache=cache)


def dual_5090() -> Numbers:
    """Tokens a second of a 70B in 4 bits on two RTX 5090, for one request and for many; of a 1B on one."""
    single, batch = (serve(LARGE, "2x RTX-5090", weights="int4", batch=n, context=1024) for n in (1, 32))
    small = tokens_per_s(serve("llama-3.2-1b", "1x RTX-5090", context=1024))
    total = known(batch.throughput_tokens_per_s)
    holds = tokens_per_s(single) < 500 < total
    return judged(ONLY_IF, when=holds, single=tokens_per_s(single), batch=total, small=small)


def by_layers() -> Numbers:
    """A token's time on two RTX 4090 that hold half of the layers each, over one that holds all."""
    one = tokens_per_s(serve(LLAMA, "1x RTX-4090"))
    two = tokens_per_s(serve(LLAMA, "2x RTX-4090", tensor_parallel=1, pipeline_parallel=2))
    return judged(ONLY_IF, when=one / two > 0.9, ratio=one / two)
