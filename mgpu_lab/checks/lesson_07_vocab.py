"""The check of lesson 07's cross entropy over logits that are split by vocabulary: values, gradient, bytes."""

from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch.nn.functional import cross_entropy

from mgpu_lab.checks.calls import ask, must_take
from mgpu_lab.checks.core import Wrong
from mgpu_lab.checks.lesson_03_traffic import percent
from mgpu_lab.checks.mistakes import fitting
from mgpu_lab.checks.on_ranks import device_here, off, on_each_size, sizes_text
from mgpu_lab.checks.spy import Spy, of_waits

IGNORED = -100
NUMBERS_A_ROW, BYTES_A_NUMBER, SLACK_BYTES = 3, 8, 64
TOLERANCES = {torch.float32: 2e-5, torch.float64: 1e-9}
COARSE = 2e-3  # float32 steps by 0.001 at 1e4: so coarse is a logsumexp that is kept as one number
SHOWN = "vocab_cross_entropy(logits, targets)"


@dataclass(frozen=True)
class Case:
    what: str
    dtype: torch.dtype
    rows: int  # in float64 2, 4, 8, ... of them count: a bool divided by the count is float32, and exact then
    columns: int  # of one rank
    scale: float = 1.0
    ignored: int = 0
    lonely: bool = False  # every target lies on the last rank

    @property
    def tolerance(self) -> float:
        """How far a number may be off, relative to the largest."""
        return COARSE if self.dtype is torch.float32 and self.scale > 1 else TOLERANCES[self.dtype]

    @property
    def upstream(self) -> float:
        """What the loss is multiplied by before backward: no number of ranks, so that those mistakes stay apart."""
        return 2.5 if self.dtype is torch.float64 else 0.75

    def numbers(self, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return all logits and the targets, the same on every rank."""
        generator = torch.Generator().manual_seed(5 * self.rows + size)
        logits = torch.randn(self.rows, self.columns * size, generator=generator, dtype=torch.float64)
        if self.scale > 1:
            logits = logits.sign() * self.scale + logits
            logits[0, : self.columns] -= 2 * self.scale  # a row whose largest is far from rank 0's
        first = self.columns * (size - 1) if self.lonely else 0
        targets = torch.randint(first, self.columns * size, (self.rows,), generator=generator)
        edge = self.columns * (size - 1)  # where the last share begins
        targets[-2:] = torch.tensor([edge if self.lonely or size == 1 else edge - 1, edge])
        targets[torch.arange(self.ignored) * 2] = IGNORED
        return logits.to(device_here(), self.dtype), targets.to(device_here())


CASES = (
    Case("float64 logits", torch.float64, 8, 64),
    Case("float32 logits", torch.float32, 12, 80),
    Case("logits of about +-1e4", torch.float64, 16, 96, scale=1e4),
    Case("float32 logits of about +-1e4", torch.float32, 6, 64, scale=1e4),
    Case("rows with target -100", torch.float64, 12, 72, ignored=4),
    Case("targets on the last rank only", torch.float32, 8, 88, ignored=1, lonely=True),
)


def vocab_parallel(answer: Any) -> str:
    """``vocab_cross_entropy(logits, targets)``: the mean loss and its gradient, without gathering the logits."""
    must_take(answer, SHOWN, torch.zeros(1), torch.zeros(1))
    for case in CASES:
        on_each_size(lambda size, case=case: one_case(answer, case, size), f"the loss of {case.what}")  # type: ignore[misc]
    return (
        f"{sizes_text().capitalize()}: loss and gradient are those of the whole logits, also at +-1e4 and with -100; "
        "only a few numbers a row were sent."
    )


def one_case(answer: Any, case: Case, size: int) -> str | None:
    rank = dist.get_rank()
    logits, targets = case.numbers(size)
    mine = logits.chunk(size, dim=1)[rank].clone().requires_grad_()
    handed = mine * 1.0  # what a model computes is no leaf
    given = targets.clone()
    with Spy() as spy:
        loss = ask(answer, handed, given, shown=SHOWN)
        if not (torch.is_tensor(loss) and loss.shape == ()):
            raise Wrong(f"Return a tensor of shape (), not {shown(loss)}.")
        if loss.requires_grad:
            (case.upstream * loss).backward()  # type: ignore[no-untyped-call]
    hint = of_waits(spy)
    if not (torch.equal(handed, mine) and torch.equal(given, targets)):
        hint = hint or "The logits or the targets that were handed in have changed: the model may need them."
    hint = hint or of_loss(loss.detach(), logits, targets, size, case)
    return hint or of_gradient(mine.grad, logits, targets, size, case) or of_bytes(spy, case)


def shown(value: Any) -> str:
    return f"one of shape {tuple(value.shape)}" if torch.is_tensor(value) else type(value).__name__


def of_loss(found: torch.Tensor, logits: torch.Tensor, targets: torch.Tensor, size: int, case: Case) -> str | None:
    right = cross_entropy(logits.double(), targets)
    if fits(found, right, case):
        return None
    here = f"rank {dist.get_rank()} of {size}, {case.what}"
    may_be_exp = case.scale > 1 or (bool(torch.isinf(found)) and not case.ignored)
    if may_be_exp and not bool(torch.isfinite(found)):
        return f"The loss is {found.item()} ({here}): exp overflows or ends in 0. What is subtracted before it?"
    if is_coarse(found, right, case):
        return f"The loss is right to float32's digits only: is something on the way float32? ({here})"
    return f"{of_wrong_loss(found, logits, targets, size, case) or of_other_loss(found, right)} ({here})"


def of_wrong_loss(
    found: torch.Tensor, logits: torch.Tensor, targets: torch.Tensor, size: int, case: Case
) -> str | None:
    """Name the mistake behind a wrong loss; None where it is none of the usual ones."""
    right, counted = cross_entropy(logits.double(), targets), targets != IGNORED
    rows, at = logits.double()[counted], targets[counted]
    total = right * len(at)
    mine = rows.chunk(size, dim=1)[dist.get_rank()]
    picked = rows.gather(1, at[:, None])[:, 0]
    first = case.columns * dist.get_rank()
    own = picked * ((at >= first) & (at < first + case.columns))
    mistakes = {
        "The loss is the sum over the rows, not their mean.": total,
        "The rows with target -100 are in the mean: they count neither above nor below.": total / len(targets),
        "Each row's sum of exponentials is this rank's own: the other ranks' is missing.": (
            mine.logsumexp(1) - picked
        ).mean(),
        "The target's logit counts only on the rank that has it.": (rows.logsumexp(1) - own).mean(),
        "The target's logit is missing.": rows.logsumexp(1).mean(),
        f"The loss is {size} times too large: something was added up over the ranks that each already has.": right
        * size,
        f"The loss is {size} times too small.": right / size,
    }
    return fitting(mistakes, lambda wrong: fits(found, wrong, case)) if size > 1 or len(at) > 1 else None


def of_other_loss(found: torch.Tensor, right: torch.Tensor) -> str:
    return f"The loss is {found.item():.6g}; from the whole logits it is {right.item():.6g}."


def of_gradient(found: Any, logits: torch.Tensor, targets: torch.Tensor, size: int, case: Case) -> str | None:
    here = f"rank {dist.get_rank()} of {size}, {case.what}"
    if found is None:
        return f"The loss is right, but the logits get no gradient ({here})."
    leaf = logits.double().detach().requires_grad_()  # detach: double() returns float64 logits themselves
    (case.upstream * cross_entropy(leaf, targets)).backward()  # type: ignore[no-untyped-call]
    right = leaf.grad.chunk(size, dim=1)[dist.get_rank()]  # type: ignore[union-attr]
    if fits(found, right, case):
        return None
    counts = targets != IGNORED
    counted = int(counts.sum())
    unmasked = logits.double().softmax(1).chunk(size, dim=1)[dist.get_rank()] * case.upstream / counted
    softmax = unmasked * counts[:, None]
    mistakes = {
        f"is {size} times too large: the ranks' equal gradients were added up in backward.": right * size,
        f"is {size} times too small.": right / size,
        f"is right for a loss of its own; here the loss was multiplied by {case.upstream} before backward.": right
        / case.upstream,
        "counts the rows with target -100: they have none.": torch.where(counts[:, None], right, unmasked),
        "is divided by all rows, also those with target -100.": right * counted / len(targets),
        "is the softmax alone: the target's 1 is not taken off.": softmax,
        "has only the target's part: the softmax is missing.": right - softmax,
        "is not divided by the number of rows that count.": right * counted,
    }
    hint = fitting(mistakes, lambda wrong: fits(found, wrong, case))
    if hint is None and not bool(torch.isfinite(found).all()):
        hint = "has values that are nan or inf."
    if hint is None and is_coarse(found, right, case):
        hint = "is right to float32's digits only: is something on the way float32?"
    hint = hint or f"differs by {percent(off(found, right))} of its largest value."
    return f"The loss is right, but the gradient of the logits {hint} ({here})"


def fits(found: torch.Tensor, wanted: torch.Tensor, case: Case) -> bool:
    return found.shape == wanted.shape and off(found.double(), wanted) < case.tolerance


def is_coarse(found: torch.Tensor, wanted: torch.Tensor, case: Case) -> bool:
    """Whether a float64 result is as far off as float32's rounding takes it."""
    return case.dtype is torch.float64 and off(found.double(), wanted) < TOLERANCES[torch.float32]


def of_bytes(spy: Spy, case: Case) -> str | None:
    most = NUMBERS_A_ROW * BYTES_A_NUMBER * case.rows
    if spy.sent_bytes <= most + SLACK_BYTES:
        return None
    return (
        f"Loss and gradient are right, but a rank hands in {spy.sent_bytes} bytes for {case.rows} rows of "
        f"{case.columns} logits. {NUMBERS_A_ROW} numbers of {BYTES_A_NUMBER} bytes for each row are enough: {most}."
    )
