"""tests/nbval_sanitize.cfg hides what varies from run to run and nothing else."""

import re
from pathlib import Path

import pytest
from nbval.plugin import get_sanitize_patterns

CONFIG = Path(__file__).parents[1].joinpath("nbval_sanitize.cfg").read_text(encoding="utf-8")
PATTERNS = get_sanitize_patterns(CONFIG)


def sanitized(text):
    for regex, replacement in dict(PATTERNS).items():
        text = re.sub(regex, replacement, text)
    return text


VARIES = {
    "ready in 0.28 s": "ready in 0.31 s",
    "step 37.2 ms": "step 8 ms",
    "one call: 12 µs": "one call: 9.7 µs",
    "7,700 tokens/s on 2 ranks": "12345.6 tokens/s on 2 ranks",
    "saturates at 93.9 requests/s": "saturates at 118 requests/s",
    "L: 8.2 requests": "L: 25.5 requests",
    '<img class="mgpu-latency" alt="TP: 8 ms" src="data:a">': '<img class="mgpu-latency" alt="" src="data:b">',
    "Latency against offered load. p50. TP: 8.0 requests/s 3 ms": "Latency against offered load. p50. TP: 9.5",
    "3.1 GB/s": "12 GB/s",
    "213.4 MB private": "24 MB private",
    "rank 1 exited; last seen with 290 MiB.": "rank 1 exited; last seen with 1.2 GiB.",
    "1.82 times as fast": "0.71 times as fast",
    "1.16 times as long": "1.34 times as long",
    "0.98 cores at work": "1.91 cores at work",
    "predicted: hidden size about 1,183": "predicted: hidden size about 940",
    "57% scaling efficiency": "98% scaling efficiency",
    "[0] » def a(self):\n[0] »     pass\nend": "[0] » other text\nend",
    '<img class="mgpu-timeline" alt="rank 0: 8.1 ms" src="data:a">': '<img class="mgpu-timeline" alt="" src="data:b">',
    "two. Timeline of a step. rank 0: 100.0 ms, of which compute 30%": "two. Timeline of a step. rank 0: 9 ms",
    "m = p: idle 45%, formula 43%": "m = p: idle 46%, formula 43%",
    "rank 0 pid 4711": "rank 0 pid 99",
    "MASTER_PORT=29500": "MASTER_PORT=41233",
    "127.0.0.1:29500": "127.0.0.1:8888",
    "<Linear at 0x7f3a5c2b1d90>": "<Linear at 0x7f0000000000>",
    "torch 2.13.0+cpu": "torch 2.6.1+cu124",
    "<th>deepspeed</th><td>0.19.8</td>": "<th>deepspeed</th><td>0.17.1</td>",
    "16-bit instructions of this processor: avx512_bf16": "16-bit instructions of this processor: none",
    "16-bit instructions of this processor: bf16": "16-bit instructions of this processor: unknown: no /proc/cpuinfo",
}
STAYS = [
    ("loss 5.5452", "loss 5.5453"),
    ("14,680,064 bytes", "14,680,065 bytes"),
    ("parameters 7.2 MB", "parameters 7.3 MB"),
    ("2 ranks", "3 ranks"),
    ("60 requests", "61 requests"),
    ("» 1\nequal: True", "» 2\nequal: False"),
    ("timeout 60 s", "timeout 61 s"),
    ("4.127 bits per parameter", "4.126 bits per parameter"),
    ("speed-up 1.9", "speed-up 1.8"),
    ("16.0 times as many bytes", "8.0 times as many bytes"),
    ("all_reduce 17 calls", "all_reduce 18 calls"),
    ("off by 32%", "off by 33%"),
    ("rank 0", "rank 1"),
    ("formula 43%", "formula 44%"),
    ("16 bytes/parameter", "12 bytes/parameter"),
    ("tensor([1., 2.])", "tensor([1., 3.])"),
    ("2.5 ranks", "2.6 ranks"),
]


def test_every_pattern_is_read():
    assert len(PATTERNS) == CONFIG.count("\nregex:") == CONFIG.count("\nreplace:") == CONFIG.count("\n[")
    assert len(dict(PATTERNS)) == len(PATTERNS)


@pytest.mark.parametrize("text", VARIES)
def test_what_varies_is_hidden(text):
    assert sanitized(text) == sanitized(VARIES[text])
    assert sanitized(text) != text


@pytest.mark.parametrize(("one", "other"), STAYS)
def test_what_must_be_equal_is_compared(one, other):
    assert sanitized(one) != sanitized(other)


def test_each_pattern_is_needed():
    for regex, _ in PATTERNS:
        assert any(re.search(regex, text) for text in VARIES), regex
