"""What a plan rests on: the numbers that it takes from elsewhere, and the formulas of its rows, with their sources."""

from collections.abc import Iterator

from mgpu_lab.planner.shown.amounts import UNKNOWN, memory_text
from mgpu_lab.planner.shown.plans import Plan, Serves, Trains, given

HEAD = ("what", "value", "source")
MEASURED = "as you measured it"
Source = tuple[str, str, str]


def sources(plan: Plan) -> list[Source]:
    """Return what, how much, and where it comes from: what was assumed, the card, and each formula once."""
    found = [*_assumed(plan), *_card(plan), *_rows(plan), *_calls(plan)]
    return list(dict.fromkeys(found))


def _assumed(plan: Plan) -> Iterator[Source]:
    stated = plan.time.assumed if isinstance(plan, Trains) else plan.assumed if isinstance(plan, Serves) else ()
    yield from ((what, f"{value:g}", source) for what, value, source in stated)


def _card(plan: Plan) -> Iterator[Source]:
    """What the hardware table says of the card, in one row; what was measured has rows of its own."""
    where, card = plan.machine, plan.machine.card
    dtype = plan.recipe.dtype if isinstance(plan, Trains) else getattr(given(plan), "computes_in", "bf16")
    memory, rate, speed = f"{card.name}: memory", "bandwidth of memory", f"{dtype} operations, dense"
    if where.memory_gbps is not None:
        yield rate, f"{where.memory_gbps:g} GB/s", MEASURED
    if where.tflops is not None:
        yield speed, f"{where.tflops:g} TFLOP/s", MEASURED
    found = {
        memory: _known(card.memory_gib, "GiB"),
        rate: _known(card.memory_gbps, "GB/s"),
        speed: _known(card.tflops.get(dtype), "TFLOP/s"),
    }
    yield ", ".join(found), ", ".join(found.values()), f"{card.source} (read {card.checked})"


def _known(value: float | None, unit: str) -> str:
    return UNKNOWN if value is None else f"{value:g} {unit}"


def _rows(plan: Plan) -> Iterator[Source]:
    peak = plan.peak_bytes
    for row in (*plan.memory.rows, *plan.memory.overhead_rows):
        if row.source:
            yield row.name, memory_text(row.size_bytes, peak), row.source


def _calls(plan: Plan) -> Iterator[Source]:
    for call in plan.calls if isinstance(plan, Trains) else ():
        if call.source:
            yield f"{call.dimension}: {call.collective}", f"{call.calls:,} calls", call.source
