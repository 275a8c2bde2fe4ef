"""Numbers for claims on inference. Each function returns what fills the braces of ``claims.toml``, and `holds`."""

from mgpu_lab.course.claim_plans import LARGE, LLAMA, Numbers, known, serve, tokens_per_s


def inference_two() -> Numbers:
    """What a second RTX 4090 brings one request, and what it adds to the room for the KV cache."""
    one, two = serve(LLAMA, "1x RTX-4090"), serve(LLAMA, "2x RTX-4090", tensor_parallel=2)
    gain = tokens_per_s(two) / tokens_per_s(one) - 1
    cache = known(two.max_tokens_in_cache) / known(one.max_tokens_in_cache)
    return {"gain": gain, "cache": cache, "holds": gain <= 1 and cache > 2}  # noqa: PLR2004 - of two GPUs


def dual_5090() -> Numbers:
    """Tokens a second of a 70B in 4 bits on two RTX 5090, of one request and of many; of a 1B on one, of one request."""
    single, batch = (serve(LARGE, "2x RTX-5090", weights="int4", batch=n, context=1024) for n in (1, 32))
    small = tokens_per_s(serve("llama-3.2-1b", "1x RTX-5090", context=1024))
    total = known(batch.throughput_tokens_per_s)
    holds = tokens_per_s(single) < 500 < total  # noqa: PLR2004 - as the claim says
    return {"single": tokens_per_s(single), "batch": total, "small": small, "holds": holds}


def by_layers() -> Numbers:
    """A token's time on two RTX 4090 that hold half of the layers each, over one that holds all."""
    one = tokens_per_s(serve(LLAMA, "1x RTX-4090"))
    two = tokens_per_s(serve(LLAMA, "2x RTX-4090", tensor_parallel=1, pipeline_parallel=2))
    return {"ratio": one / two, "holds": one / two > 0.9}  # noqa: PLR2004 - far from one half
