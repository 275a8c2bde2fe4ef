"""A plan as plain data, ready for JSON; what is unknown is null."""

from dataclasses import asdict, is_dataclass
from typing import Any

from mgpu_lab.planner.shown.lines import bill_of
from mgpu_lab.planner.shown.plans import Plan, Price, Serves, Trains, given, parts
from mgpu_lab.planner.shown.sources import sources


def plan_data(plan: Plan, price: Price) -> dict[str, Any]:
    """Return what a plan's table says, in bytes, seconds and tokens a second; the cost where there is a price."""
    machine = {"name": str(plan.machine), "count": plan.machine.count, "card": plan.machine.card.name}
    settings = given(plan)
    rest = _training(plan) if isinstance(plan, Trains) else _inference(plan) if isinstance(plan, Serves) else {}
    return {
        "model": plan.shape.name,
        "parameters": plan.shape.parameters,
        "machine": machine,
        "settings": asdict(settings) if is_dataclass(settings) and not isinstance(settings, type) else {},
        "fits": plan.fits,
        "limits": plan.limits,
        "memory": _memory(plan),
        **rest,
        "usd": None if price.usd_per_gpu_hour is None else {**asdict(price), "usd": bill_of(plan, price)},
        "rests_on": [dict(zip(("what", "value", "source"), each, strict=True)) for each in sources(plan)],
    }


def _memory(plan: Plan) -> dict[str, Any]:
    rows = [asdict(row) for row in (*plan.memory.rows, *plan.memory.overhead_rows)]
    sizes = {"peak_bytes": plan.peak_bytes, "capacity_bytes": plan.capacity_bytes}
    return {"moment": plan.memory.moment, "by_category": parts(plan), "rows": rows, **sizes}


def _training(plan: Trains) -> dict[str, Any]:
    time = {name: value for name, value in asdict(plan.time).items() if name != "assumed"}
    speed = {"step_s": plan.step_s, "tokens_per_s": plan.tokens_per_s, "watts": plan.watts}
    return {"traffic": [asdict(call) for call in plan.calls], "time": time, **speed}


def _inference(plan: Serves) -> dict[str, Any]:
    names = ("time_to_first_token_s", "tokens_per_s", "throughput_tokens_per_s")
    return {name: getattr(plan, name) for name in names}
