"""The ways of serving side by side: what the ranks measured of each (`way_costs`), put together and shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, TypedDict

from mgpu_lab.course.serving.way_costs import BATCHES, NEW_TOKENS
from mgpu_lab.tables import Table

if TYPE_CHECKING:
    from mgpu_lab.course.serving.way_costs import WayCosts

HEAD = ("way", "as single", *(f"{batch} at once" for batch in BATCHES), "first token", "a token then")
HEAD += ("weights, MB a rank", "KV cache, MB a rank", "sent for a token")


class WayFigures(TypedDict):
    """A way as a whole: rates in tokens a second over all ranks, lists with an entry for each rank."""

    tokens_per_s: float  # all prompts at once
    first_token_s: float  # of one prompt
    token_s: float | None  # of one request alone: each token after the first; None where none was alone (replicas)
    by_batch: dict[int, float]  # tokens_per_s by how many requests are answered together
    weights_bytes: list[int]
    kv_bytes: list[int]
    sent: list[dict[str, tuple[int, int]]]
    answers: list[list[int]]  # in the order of the prompts


def way_figures(by_rank: Sequence[Mapping[str, WayCosts]]) -> dict[str, WayFigures]:
    """Put together what `ranks.pull("results")` brings: by rank, `{way: its costs}`; a rank may lack a way."""
    names = dict.fromkeys(chain.from_iterable(by_rank))
    return {name: together([costs[name] for costs in by_rank if name in costs]) for name in names}


def together(costs: Sequence[WayCosts]) -> WayFigures:
    """Join the ranks of one way; a run lasts until its slowest rank is done."""
    seconds = {batch: max(each["seconds"][batch] for each in costs) for batch in costs[0]["seconds"]}
    rates = {batch: batch * NEW_TOKENS / each for batch, each in seconds.items()}
    first_token_s = max(each["first_token_s"] for each in costs)
    shares = len(costs[0]["answers"]) < max(seconds)  # replicas: each rank has its own requests
    return WayFigures(
        tokens_per_s=rates[max(rates)],
        first_token_s=first_token_s,
        token_s=(seconds[1] - first_token_s) / (NEW_TOKENS - 1) if 1 in seconds else None,
        by_batch=rates,
        weights_bytes=[each["weights_bytes"] for each in costs],
        kv_bytes=[each["kv_bytes"] for each in costs],
        sent=[each["sent"] for each in costs],
        answers=interleaved([each["answers"] for each in costs]) if shares else costs[0]["answers"],
    )


def interleaved(answers: Sequence[list[list[int]]]) -> list[list[int]]:
    """Put back in order what replicas answered: prompt i went to rank i % N."""
    ranks, count = len(answers), sum(map(len, answers))
    return [answers[i % ranks][i // ranks] for i in range(count)]


class WayTable(Table):
    """A table whose text is not aligned: its measured numbers are of any width, its other words stay where they are."""

    def text(self, least: Sequence[int] = ()) -> str:  # noqa: ARG002 - nothing is aligned
        """Return a line for each row."""
        lines = [[str(cell) for cell in row] for row in (self.head, *self.rows) if isinstance(row, (tuple, list))]
        return "\n".join("; ".join(cells) for cells in lines)


def way_table(figures: Mapping[str, WayFigures], reference: Sequence[list[int]]) -> WayTable:
    """Show how many answers equal `reference`, rates, times, bytes of each rank, and what rank 0 sends for a token."""
    rows = [(name, equal(each["answers"], reference), *cells(each)) for name, each in figures.items()]
    return WayTable(HEAD, rows, numbers=range(1, len(HEAD) - 1))


def equal(answers: Sequence[list[int]], reference: Sequence[list[int]]) -> str:
    """Say how many answers are those of the reference."""
    same = sum(one == other for one, other in zip(answers, reference, strict=True))
    return f"{same} of {len(reference)}"


def cells(way: WayFigures) -> list[str]:
    """Return the texts of a row behind its first two."""
    rates = [f"{way['by_batch'][batch]:,.0f} tokens/s" if batch in way["by_batch"] else "-" for batch in BATCHES]
    times = ["-" if each is None else f"{1e3 * each:.1f} ms" for each in (way["first_token_s"], way["token_s"])]
    held = [" + ".join(f"{each / 1e6:.1f}" for each in way[key]) for key in ("weights_bytes", "kv_bytes")]
    calls = [f"{calls} {name}, {size:,} bytes" for name, (calls, size) in sorted(way["sent"][0].items())]
    return [*rates, *times, *held, "; ".join(calls) or "nothing"]
