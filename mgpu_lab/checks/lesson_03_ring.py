"""The check of lesson 03's exercise that is plain arithmetic, for the notebook's kernel: bytes of a ring all-reduce."""

from typing import Any

from mgpu_lab.checks.calls import must_take
from mgpu_lab.checks.core import Wrong
from mgpu_lab.checks.mistakes import close, number_from, of_number

CASES = ((1200, 6), (1_800_000, 4), (24, 3), (1000, 2), (7, 1), (12_345, 5), (7_000_000_000, 64), (90_432, 2))


def ring_bytes(answer: Any) -> str:
    """``bytes_sent(parameters, world_size)``: what each rank sends per step in a ring all-reduce, fp32."""
    for parameters, ranks in CASES:
        shown = f"bytes_sent({parameters}, {ranks})"
        must_take(answer, shown, parameters, ranks)
        found = number_from(answer, parameters, ranks, shown=f"{parameters} parameters on {ranks} ranks")
        if not close(found, 2 * (ranks - 1) / ranks * parameters * 4):
            raise Wrong(ring_hint(found, parameters, ranks))
    return f"{len(CASES)} sizes, 1 to 64 ranks; nothing is sent where there is one rank only."


def ring_hint(found: float, parameters: int, ranks: int) -> str:
    """Name the mistake behind this number, where it is one of the usual ones."""
    tensor = parameters * 4
    share = (ranks - 1) / ranks
    mistakes = {
        2 * share * parameters: "That is a number of elements. How many bytes does one fp32 number take?",
        share
        * tensor: "That is half: one trip round the ring, or 2 bytes per number. The gradients are fp32, and when the "
        "sums are built, who brings them back to everyone?",
        2.0 * tensor: "Close for many ranks. But a rank sends one piece in each step: how many pieces, how many steps?",
        2 * (ranks - 1) * tensor: "That is the whole tensor at each step, or what all ranks send together. "
        "One rank passes on one piece at each step.",
        (ranks - 1) * tensor: "That sends the whole tensor to every other rank. The ring cuts it into pieces.",
        2 * share * parameters * 8: "That is twice as much: 8 bytes per number, or what is received as well? Count "
        "what is sent; the gradients are fp32.",
        2 * share * parameters * 32: "That is a number of bits; a byte has 8.",
        float(tensor): f"That is the whole tensor once: right on 2 ranks, and this was asked for {ranks}. How many "
        "pieces does each rank pass on, and how large is one?",
    }
    return of_number(found, mistakes) or (
        f"For {parameters} parameters on {ranks} ranks you have {found:g} bytes. Count pieces, steps, bytes per number."
    )
