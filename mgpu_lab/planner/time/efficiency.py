"""What share of a card's rated figures real kernels reach, as somebody measured it: products, attention, memory.

Rows are looked up by the beginning of a card's name; the longest that fits counts. Where no row fits, the share is that
of the H100, and `Share.source` says so. `Assumptions` takes any other number in their place. All read 2026-11-28.
"""

from dataclasses import dataclass

from mgpu_lab.planner.hardware import Card

ML_ENGINEERING = (
    "github.com/stas00/ml-engineering compute/accelerator/README.md@b9e29720, Maximum Achievable Matmul FLOPS"
)
DATABASE = "github.com/zzc0721/torch-performance-test-data database.md@07858687: torch.matmul as readers measured it"
FLASH_4090 = "github.com/apache/tvm tl_doc/flash_perf.md: 151 forward, 99 backward of 165.2, causal, 128 wide"
FLASH_A100 = "github.com/liangan1/GPU_travel performance/flash-attn/README.md: 185 of 312, forward"
FLASH_5090 = (
    "github.com/gau-nernst/learn-cuda 07_attention/README.md@19b2a2d3: 187 of 209.5 forward; backward as the 4090's"
)
FLASH_H100 = "huggingface.co/papers/2407.08608 (FlashAttention-3, abstract): FlashAttention-2 reaches 35% on an H100"
BLOG_H100 = "mikamirai.com/blog/gpu-memory-bandwidth: 84% of an H100's for streamed reads"
NVBENCH = "github.com/xytpai/nvbench README.md: 921 of 1008 GB/s on an RTX 4090, 1379 of 1555 on an A100-40GB"


@dataclass(frozen=True)
class Share:
    """What was measured over what the hardware table rates; `source` says who measured."""

    what: str
    share: float
    source: str


# beginning of the card's name -> share of the dense FLOP/s of bf16 and fp16 that large matrix products reach
HALF = {
    "A100": (0.85, DATABASE),
    "A100-PCIe": (0.811, ML_ENGINEERING),
    "H100": (0.803, ML_ENGINEERING),
    "H200": (0.799, DATABASE),
    "GH200": (0.836, ML_ENGINEERING),
    "B200": (0.754, DATABASE),
    "GB200": (0.754, DATABASE + " (as the B200)"),
    "MI300X": (0.514, ML_ENGINEERING),
    "T4": (0.65, DATABASE),
    "L40S": (0.743, DATABASE),
    "L4": (0.743, DATABASE + " (as the L40S)"),
    "RTX-A6000": (0.797, DATABASE),
    "A10": (0.797, DATABASE + " (as the RTX A6000)"),
    "RTX-6000-Ada": (0.743, DATABASE + " (as the L40S)"),
    "RTX-PRO-6000": (0.82, DATABASE),
    "RTX-3090": (1.08, DATABASE + "; its clock rises above the rated one"),
    "RTX-4090": (0.985, DATABASE),
    "RTX-5090": (1.13, DATABASE + "; its clock rises above the rated one"),
}
SINGLE = {
    "A100": (0.98, DATABASE),
    "H100": (0.778, DATABASE),
    "B200": (0.83, DATABASE),
    "T4": (0.53, DATABASE),
    "L40S": (0.512, DATABASE),
    "RTX-A6000": (0.618, DATABASE),
    "RTX-PRO-6000": (0.617, DATABASE),
    "RTX-3090": (0.695, DATABASE),
    "RTX-4090": (0.655, DATABASE),
    "RTX-5090": (0.652, DATABASE),
    "RTX": (0.655, DATABASE + " (as the RTX 4090)"),
    "L4": (0.512, DATABASE + " (as the L40S)"),
}
EIGHT_BITS = {"H100": (0.709, ML_ENGINEERING), "GH200": (0.776, ML_ENGINEERING)}
# causal attention, forward and backward together: of the dense FLOP/s of bf16, counting what the kernel computes
ATTENTION = {
    "A100": (0.59, FLASH_A100),
    "H100": (0.35, FLASH_H100),
    "RTX-4090": (0.66, FLASH_4090),
    "RTX-5090": (0.66, FLASH_5090),
    "RTX": (0.66, FLASH_4090 + " (as the RTX 4090)"),
    "L4": (0.66, FLASH_4090 + " (as the RTX 4090)"),
}
MEMORY = {
    "H100": (0.84, BLOG_H100),
    "A100": (0.887, NVBENCH),
    "RTX": (0.914, NVBENCH),
    "L4": (0.914, NVBENCH + " (as the RTX 4090)"),
    "A10": (0.914, NVBENCH + " (as the RTX 4090)"),
    "T4": (0.914, NVBENCH + " (as the RTX 4090)"),
}
# What training sustains of the best product's rate: shapes are not the best ones, and the power limit lowers the clock.
CALIBRATED = "what training sustains of it is fitted to this project's calibration runs (docs), 2026-11-28"
SUSTAINED = {
    "A100": 0.84,
    "H": 0.60,
    "GH": 0.60,
    "B": 0.60,
    "GB": 0.60,
    "MI": 0.60,
    "RTX-3090": 0.86,
    "L4": 0.9,
    "": 0.77,
}


def matmul_share(card: Card, dtype: str) -> Share:
    """Return what a model's matrix products reach of a card's dense FLOP/s in this dtype, hour after hour."""
    what = f"matrix products, share of the dense {dtype} FLOP/s"
    best = _find(what, {"fp32": SINGLE, "fp8": EIGHT_BITS, "int8": EIGHT_BITS}.get(dtype, HALF), card)
    if dtype in ("fp8", "int8") and not _fitting(EIGHT_BITS, card):
        half = _find(what, HALF, card)
        ratio = EIGHT_BITS["H100"][0] / HALF["H100"][0]
        best = Share(what, half.share * ratio, f"in 16 bits: {half.source}; in 8 as on the H100 {ratio:.2f} of that")
    sustained = SUSTAINED[max((name for name in SUSTAINED if card.name.startswith(name)), key=len)]
    source = f"{best.share:.3g} at the best shape ({best.source}); x {sustained:.3g}: {CALIBRATED}"
    return Share(best.what, best.share * sustained, source)


def attention_share(card: Card) -> Share:
    """Return what FlashAttention-2, forward and backward, reaches of the dense FLOP/s."""
    return _find("attention, share of the dense FLOP/s", ATTENTION, card)


def memory_share(card: Card) -> Share:
    """Return what streaming kernels reach of the rated memory bandwidth."""
    return _find("memory, share of its bandwidth", MEMORY, card)


def _find(what: str, table: dict[str, tuple[float, str]], card: Card) -> Share:
    if fitting := _fitting(table, card):
        return Share(what, *table[max(fitting, key=len)])
    known = "H100" if "H100" in table else next(iter(table))
    return Share(what, table[known][0], f"not known for the {card.name}, as the {known}: {table[known][1]}")


def _fitting(table: dict[str, tuple[float, str]], card: Card) -> list[str]:
    return [known for known in table if card.name.casefold().startswith(known.casefold())]
