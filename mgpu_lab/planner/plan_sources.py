"""What a plan rests on: the numbers that it takes from elsewhere, and the formulas of its rows, with their sources."""

from collections.abc import Iterator

from mgpu_lab.planner.amounts import UNKNOWN, memory_text
from mgpu_lab.planner.plans import Plan, Serves, Trains, given

HEAD = ("what", "value", "source")
Source = tuple[str, str, str]


def sources(plan: Plan) -> list[Source]:
    """Return what, how much, and where it comes from: what was assumed, the card, and each formula once."""
    found = [*_assumed(plan), *_card(plan), *_rows(plan), *_calls(plan)]
    return list(dict.fromkeys(found))


def _assumed(plan: Plan) -> Iterator[Source]:
    stated = plan.time.assumed if isinstance(plan, Trains) else plan.assumed if isinstance(plan, Serves) else ()
    yield from ((what, f"{value:g}", source) for what, value, source in stated)


def _card(plan: Plan) -> Iterator[Source]:
    card = plan.machine.card
    source = f"{card.source} (read {card.checked})"
    yield f"memory of {card.name}", UNKNOWN if card.memory_gib is None else f"{card.memory_gib:g} GiB", source
    dtype = plan.recipe.dtype if isinstance(plan, Trains) else getattr(given(plan), "computes_in", "bf16")
    if plan.machine.tflops is not None:
        yield f"{dtype} of {card.name}, dense", f"{plan.machine.tflops:g} TFLOP/s", "as you measured it"
    else:
        tflops = card.tflops.get(dtype)
        yield f"{dtype} of {card.name}, dense", UNKNOWN if tflops is None else f"{tflops:g} TFLOP/s", source
    own = plan.machine.memory_gbps
    rate = card.memory_gbps if own is None else own
    text = UNKNOWN if rate is None else f"{rate:g} GB/s"
    yield f"memory bandwidth of {card.name}", text, source if own is None else "as you measured it"


def _rows(plan: Plan) -> Iterator[Source]:
    peak = plan.peak_bytes
    for row in (*plan.memory.rows, *plan.memory.overhead_rows):
        if row.source:
            yield row.name, memory_text(row.size_bytes, peak), row.source


def _calls(plan: Plan) -> Iterator[Source]:
    for call in plan.calls if isinstance(plan, Trains) else ():
        if call.source:
            yield f"{call.dimension}: {call.collective}", f"{call.calls:,} calls", call.source
