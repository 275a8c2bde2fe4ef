"""Checks of two of lesson 05's exercises: what scales cost, and a quantiser for any tensor.

`quant-bits` is plain arithmetic for the notebook's kernel; the other runs in a rank, where each rank checks for
itself and nothing is communicated. So torch is imported inside the functions that need it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from mgpu_lab.checks.calls import ask
from mgpu_lab.checks.core import Wrong, refuse
from mgpu_lab.checks.mistakes import close, number_of, of_number

if TYPE_CHECKING:
    import torch

BIT_CASES = ((64, None), (64, 256), (64, 1), (32, 256), (128, None), (4096, 100), (100, 30))
NF4_LIKE = (-1.0, -0.6, -0.3, 0.0, 0.1, 0.2, 0.35, 0.5, 0.7, 1.0)
EVEN = (-1.0, -0.5, 0.0, 0.5, 1.0)
MANY = tuple(number / 16 for number in range(-16, 17))
SIXTEEN = (-1.0, -0.75, -0.6, -0.45, -0.3, -0.2, -0.1, -0.02, 0.0, 0.05, 0.12, 0.25, 0.4, 0.55, 0.8, 1.0)


def quant_bits(answer: Any) -> str:
    """``bits_per_weight(block, scale_block=None)``: 4 bits and a weight's share of the scales."""
    for block, scale_block in BIT_CASES:
        case = f"block={block}, scale_block={scale_block}"
        alone = scale_block is None  # then the second argument is left out, as its default allows
        arguments, shown = ((block,), f"{block}") if alone else ((block, scale_block), f"{block}, {scale_block}")
        returned = ask(answer, *arguments, shown=f"bits_per_weight({shown})")
        found = number_of(returned)
        if found is None:
            raise Wrong(f"The function must return a number; for {case} it returned {returned!r}.")
        if not close(found, bits(block, scale_block)):
            raise Wrong(f"For {case}{bits_hint(found, block, scale_block)}")
    return f"{len(BIT_CASES)} choices; (64, 256) costs {bits(64, 256):.3f} bits, as bitsandbytes stores them."


def bits(block: int, scale_block: int | None) -> float:
    if scale_block is None:
        return 4 + 32 / block
    return 4 + 8 / block + 32 / (block * scale_block)


def bits_hint(found: float, block: int, scale_block: int | None) -> str:
    """Name the mistake behind a wrong number of bits; goes on after "For this case"."""
    wanted, scales = bits(block, scale_block), scale_block or math.inf
    always = {
        wanted - 4: "Those are the scales alone. The weight itself has 4 bits too.",
        wanted / 8: "Those are bytes. The question asks for bits.",
        4.0: "That is the weight alone. Where are the scales? (A whole division, //, can round them away.)",
    }
    single = {
        4 + 8 / block: "Without scale_block nobody has quantised the absmax: it is still fp32.",
        4 + 16 / block: "Those are 16 bits for each absmax. It is fp32.",
        4.0 + 32: "That is a whole absmax for each weight. A block shares one.",
    }
    double = {
        4 + 32 / block: "That ignores scale_block: with it, each scale takes 8 bits.",
        4 + 8 / block: "The quantised scales need an absmax of their own. Where is that one counted?",
        4 + 8 / block + 32 / scales: "The second absmax serves scale_block scales. How many weights are that?",
        wanted + 32 / block: "The fp32 absmax of each block is gone once it is quantised to 8 bits.",
        4 + 8 / block + 8 / (block * scales): "The second absmax is fp32, not 8 bits.",
    }
    if any(found == round(wanted, digits) != wanted for digits in range(1, 7)):
        return " that is the right number, rounded. Return it as it comes."
    hint = of_number(found, always) or of_number(found, double if scale_block else single)
    return f": {hint}" if hint else f" you have {found:g} bits. Count the weight, and its share of each kind of scale."


def quantise_any(answer: Any) -> str:
    """``quantise_any(weight, levels, block)`` on whole, short and zero blocks; nothing leaks out of a block."""
    import torch

    torch.manual_seed(0)
    zeros = torch.cat([torch.randn(64), torch.zeros(64), torch.randn(64)])
    negative = torch.cat([-torch.rand(64) - 0.1, torch.randn(64)])
    cases = [
        (torch.randn(640), 64, "10 whole blocks"),
        (negative, 64, "a block of negative weights"),
        (torch.randn(6, 50), 64, "a 6 x 50 matrix, blocks of 64"),
        (torch.randn(2000).bfloat16(), 32, "2,000 weights in bf16, blocks of 32"),
        (torch.randn(5), 8, "5 weights, blocks of 8"),
        (zeros, 64, "a block of zeros"),
        (torch.cat([torch.randn(48), torch.zeros(5)]), 16, "a short last block of zeros"),
        (torch.randn(1), 64, "a single weight"),
        (1e-4 * torch.randn(100), 32, "weights of about 0.0001"),
        (torch.zeros(3, 4), 8, "nothing but zeros"),
    ]
    for table in (NF4_LIKE, EVEN, SIXTEEN, MANY):
        levels = torch.tensor(table)
        for weight, block, what in cases:
            hint = quantise_hint(answer, weight, levels, block)
            refuse(hint and f"With {what}: {hint}")
        refuse(leak_hint(answer, levels))
    return f"{len(cases)} tensors, 4 tables of levels: an absmax for each block, the nearest level for each weight."


def quantise_hint(answer: Any, weight: torch.Tensor, levels: torch.Tensor, block: int) -> str | None:
    import torch

    given = weight.clone()
    found = ask(answer, given, levels, block, shown=f"quantise_any(weight, levels, {block})")
    pair = isinstance(found, (tuple, list)) and len(found) == 2  # noqa: PLR2004 - the numbers and the absmax
    if not (pair and all(isinstance(each, torch.Tensor) for each in found)):
        kinds = [type(each).__name__ for each in (found if isinstance(found, (tuple, list)) else [found])]
        return f"the function must return two tensors, the numbers and the absmax; it returned {', '.join(kinds)}."
    if not given.equal(weight):
        return "the weight that was handed in has changed. It is read, not written."
    numbers, absmax = found
    if numbers.is_floating_point() and not absmax.is_floating_point():
        return "the numbers come first, then the absmax; here it is the other way round."
    pieces = weight.float().flatten().split(block)  # type: ignore[no-untyped-call]
    hint = form_hint(numbers, weight, pieces, block) or absmax_hint(absmax, weight, pieces)
    hint = hint or numbers_hint(numbers, pieces, levels)
    if hint and weight.dtype == torch.bfloat16 and "are not at the level nearest" in hint:
        hint += " (In bf16 a quotient has 8 bits: make the weights fp32 first.)"
    return hint


def form_hint(  # noqa: PLR0911 - one hint for each mistake
    numbers: torch.Tensor, weight: torch.Tensor, pieces: Any, block: int
) -> str | None:
    import torch

    count = weight.numel()
    if numbers.numel() == len(pieces) * block != count:
        return "there are numbers for the padding too. Only the weights that exist have one."
    if numbers.numel() == (count + 1) // 2 < count:
        return "there is one byte for two weights. No packing here: each weight has a uint8 of its own."
    if numbers.numel() < count and count % block == 0:
        return f"{count - numbers.numel()} weights have no number. Each has one."
    if numbers.numel() < count:
        return f"{count - numbers.numel()} weights have no number. What happens to the last, shorter block?"
    if numbers.numel() != count or numbers.dim() != 1:
        return f"the numbers have shape {list(numbers.shape)}; they must be flat, one for each of {count} weights."
    if numbers.dtype != torch.uint8:
        return f"the numbers are {numbers.dtype}; they must be uint8, and say which level it is, not its value."
    return None


def absmax_hint(  # noqa: PLR0911 - one hint for each mistake
    absmax: torch.Tensor, weight: torch.Tensor, pieces: Any
) -> str | None:
    import torch

    if absmax.numel() == 1 != len(pieces):
        return "there is one absmax for all weights. One outlier would flatten everything: each block has its own."
    if absmax.numel() != len(pieces):
        rows = weight.dim() > 1 and absmax.numel() == len(weight)
        short = absmax.numel() == len(pieces) - 1 and len(pieces[-1]) < len(pieces[0])
        why = "Is the last, shorter block among them?" if short else "How long is a block, and where does it begin?"
        why = "That is one for each row." if rows else why
        return f"there are {absmax.numel()} absmax for {len(pieces)} blocks of the flat tensor. {why}"
    if absmax.dtype != torch.float32 or absmax.dim() != 1:
        return f"the absmax are {absmax.dtype} of shape {list(absmax.shape)}; they must be fp32 and flat."
    wanted = torch.stack([piece.abs().max() for piece in pieces])
    if torch.allclose(absmax.float().flatten(), wanted, atol=0.0):
        return None
    signed = torch.stack([piece.max() for piece in pieces])
    if torch.allclose(absmax.float().flatten(), signed):
        return "absmax is the largest value; a block of negative weights shows it. Largest in absolute value, please."
    dead = absmax[wanted == 0]
    if dead.any():
        return f"the absmax of a block of zeros is {float(dead.max()):g}. Its largest absolute value is 0."
    if len(pieces[-1]) < len(pieces[0]) and torch.allclose(absmax[:-1], wanted[:-1]):
        return "the absmax of the last, shorter block is not the largest absolute value of its own weights."
    return "an absmax is not the largest absolute value of its block of consecutive weights."


def numbers_hint(numbers: torch.Tensor, pieces: Any, levels: torch.Tensor) -> str | None:
    import torch

    scaled = torch.cat([piece / piece.abs().max().clamp(min=1e-30) for piece in pieces])
    apart = (scaled[:, None] - levels).abs()
    if int(numbers.max()) >= len(levels):
        return f"there is a number {int(numbers.max())}, but only {len(levels)} levels, counted from 0."
    chosen = apart.gather(1, numbers.long()[:, None]).flatten()
    bad = chosen > apart.min(dim=1).values + 1e-5
    if not bad.any():
        return None
    dead = torch.cat([torch.full_like(piece, float(piece.abs().max() == 0)) for piece in pieces]).bool()
    if not (bad & ~dead).any():
        lost = (numbers[dead] == len(levels) - 1).all()  # where a NaN ends
        ask_for = "What is 0 / 0?" if lost else "Which number has the level 0 in this table?"
        return f"zeros must take the level 0, also in a block of zeros. {ask_for}"
    below = torch.searchsorted(levels, scaled, right=True).sub(1).clamp(min=0)
    if numbers.long().equal(below):
        return "each weight takes the level below it, not the nearest one. Where do two levels' halves meet?"
    between = (scaled[:, None] != levels).all(dim=1)
    if (numbers.long() == below + 1)[between].all():
        return "each weight takes the level above it, not the nearest one. Where do two levels' halves meet?"
    return f"{int(bad.sum())} of {len(scaled)} weights are not at the level nearest to weight / absmax of their block."


def leak_hint(answer: Any, levels: torch.Tensor) -> str | None:
    """Plant an outlier; no other block may notice."""
    import torch

    weight = torch.randn(256)
    planted = weight.clone()
    planted[70] = 50.0
    clean, hurt = answer(weight, levels, 64), answer(planted, levels, 64)
    outside = torch.ones(256, dtype=torch.bool)
    outside[64:128] = False
    if clean[0][outside].equal(hurt[0][outside]):
        return None
    return "One outlier changed the numbers of weights in other blocks. Each block must look at its own weights only."
