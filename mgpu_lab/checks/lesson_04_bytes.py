"""The check of lesson 04's exercise that is plain arithmetic, for the notebook's kernel: bytes of each ZeRO stage."""

from typing import Any

from mgpu_lab.checks.calls import must_take
from mgpu_lab.checks.core import Wrong
from mgpu_lab.checks.mistakes import close, number_from, of_number

SIZES = ((1_000_000, 2), (984_000, 4), (7_000_000_000, 8), (1_000_000, 1))
FIRST_SHARED_AT = (1, 2, 3)  # the stages that begin to share out state, gradients, weights
STATE_BYTES = 12  # fp32 master weight and Adam's two moments


def zero_bytes(answer: Any) -> str:
    """``bytes_per_rank(parameters, ranks, stage)``: bf16 training with Adam, after backward, as the paper counts."""
    must_take(answer, "bytes_per_rank(parameters, ranks, stage)", *SIZES[0], 0)
    for parameters, ranks in SIZES:
        for stage in range(4):
            found = number_from(answer, parameters, ranks, stage, shown=f"stage {stage}")
            wanted = parameters * bytes_of(ranks, stage)
            if not close(found, wanted):
                raise Wrong(scale_hint(found, wanted, parameters, stage) or hint(found / parameters, ranks, stage))
    return "Stages 0 to 3 on 1, 2, 4 and 8 ranks."


def bytes_of(ranks: int, stage: int, *, weights: int = 2, gradients: int = 2, state: int = STATE_BYTES) -> float:
    """Bytes per parameter on one rank (Rajbhandari et al. 2020, "ZeRO", section 5).

    >>> [bytes_of(2, stage) for stage in range(4)]
    [16.0, 10.0, 9.0, 8.0]
    """
    parts = zip((state, gradients, weights), FIRST_SHARED_AT, strict=True)
    return float(sum(size / ranks if stage >= first else size for size, first in parts))


def scale_hint(found: float, wanted: float, parameters: int, stage: int) -> str | None:
    """Tell a right number in another unit."""
    units = {float(parameters): "for one parameter", 1e9: "in GB", 2.0**30: "in GiB"}
    unit = of_number(wanted / found if found else 0.0, units)
    return (
        unit and f"Stage {stage}: that is the right number {unit}. The bytes of all parameters together are asked for."
    )


def hint(found: float, ranks: int, stage: int) -> str:
    at = f"Stage {stage} on {ranks} rank{'s' * (ranks > 1)}: "
    if ranks != SIZES[0][1]:  # all stages are right for the ranks that came first
        return at + other_ranks(found, ranks, stage)
    mistakes = {  # where two give the same number, the later one is meant
        bytes_of(ranks, stage) * ranks: "that is what all ranks hold together. One rank is asked for.",
        bytes_of(ranks, stage, state=8): "the optimizer state lacks the fp32 master weights.",
        bytes_of(ranks, stage, gradients=4): "gradients are counted in fp32. Here they are bf16.",
        bytes_of(ranks, stage, weights=4, gradients=4, state=8): "that is plain fp32, or the master weights stay "
        "whole. Here weights and gradients are bf16, and all 12 bytes of optimizer state belong together.",
        bytes_of(ranks, stage, gradients=0): "the gradients are missing.",
        **other_stages(ranks, stage),
        16 / ranks: "everything is divided by the number of ranks. What does this stage leave whole?",
        1.0: "that is the number of parameters. How many bytes does each need?",
    }
    return at + (of_number(found, mistakes) or plain(found))


def plain(found: float) -> str:
    return f"you have {found:.4g} bytes per parameter. Add up weights, gradients and optimizer state one by one."


def other_ranks(found: float, ranks: int, stage: int) -> str:
    """Say what makes a formula right for 2 ranks and wrong for others."""
    whole, shared = ((16, 0), (4, 12), (2, 14), (0, 16))[stage]
    mistakes = {
        bytes_of(SIZES[0][1], stage): f"that is the number for {SIZES[0][1]} ranks. Use the argument.",
        float(whole + shared // ranks): f"{shared} / {ranks} was rounded to a whole number. Use / here, not //.",
    }
    return of_number(found, mistakes) or plain(found)


def other_stages(ranks: int, stage: int) -> dict[float, str]:
    """Give the numbers of the other stages, and which part they share out too early or too late."""
    parts = {1: "the optimizer state", 2: "the gradients", 3: "the weights"}
    early = {bytes_of(ranks, s): f"{parts[s]} is not shared out yet at this stage." for s in range(stage + 1, 4)}
    late = {bytes_of(ranks, s): f"{parts[s + 1]} should be shared out at this stage." for s in range(stage)}
    return {value: text.replace("s is ", "s are ") for value, text in {**early, **late}.items()}
