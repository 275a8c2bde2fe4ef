"""What every plan tells, of training or of inference; tables, pictures and the widget need no more than this."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol, runtime_checkable

from mgpu_lab.planner.machines import Machine
from mgpu_lab.planner.memory.planned import CATEGORIES, PlannedRow
from mgpu_lab.planner.options import refuse_amount
from mgpu_lab.planner.recipe import CHOICES, Recipe
from mgpu_lab.planner.shapes import ModelShape
from mgpu_lab.planner.time.step_time import StepTime
from mgpu_lab.planner.traffic.calls import Call

ORDER = (*CATEGORIES[:4], "kv_cache", *CATEGORIES[4:])
LINKS_AND_RATES = ("lanes", "nvlink", "network", "network_gbps", "tflops", "memory_gbps")  # of a machine
ALWAYS = ("method", "micro_batch", "seq_len")  # settings that are named also where they are the usual ones


class Memory(Protocol):
    """Planned bytes of one GPU."""

    @property
    def moment(self) -> str: ...
    @property
    def rows(self) -> Sequence[PlannedRow]: ...
    @property
    def overhead_rows(self) -> Sequence[PlannedRow]: ...
    @property
    def total(self) -> int: ...
    @property
    def overhead(self) -> int: ...
    def of(self, category: str) -> int: ...


class Plan(Protocol):
    """What every plan tells, of training or of inference."""

    @property
    def shape(self) -> ModelShape: ...
    @property
    def machine(self) -> Machine: ...
    @property
    def memory(self) -> Memory: ...
    @property
    def peak_bytes(self) -> int: ...
    @property
    def capacity_bytes(self) -> int | None: ...
    @property
    def fits(self) -> bool | None: ...
    @property
    def limits(self) -> str | None: ...
    @property
    def watts(self) -> float | None: ...


@runtime_checkable
class Trains(Plan, Protocol):
    """What a plan of training tells besides."""

    @property
    def recipe(self) -> Recipe: ...
    @property
    def calls(self) -> Sequence[Call]: ...
    @property
    def time(self) -> StepTime: ...
    @property
    def step_s(self) -> float | None: ...
    @property
    def tokens_per_s(self) -> float | None: ...


@runtime_checkable
class Serves(Plan, Protocol):
    """What a plan of inference tells besides."""

    @property
    def time_to_first_token_s(self) -> float | None: ...
    @property
    def tokens_per_s(self) -> float | None: ...
    @property
    def throughput_tokens_per_s(self) -> float | None: ...
    @property
    def max_tokens_in_cache(self) -> int | None: ...
    @property
    def assumed(self) -> Sequence[tuple[str, float, str]]: ...


@dataclass(frozen=True)
class Price:
    """What is asked: a price, and for how many tokens the bill is wanted. None is a price that nobody gave."""

    usd_per_gpu_hour: float | None = None
    tokens: float = 1e9
    source: str = ""  # who asked it, and when

    def __post_init__(self) -> None:
        """Refuse what is no number, with a UsageError."""
        refuse_amount("tokens", self.tokens)
        if self.usd_per_gpu_hour is not None:
            refuse_amount("usd_per_gpu_hour", self.usd_per_gpu_hour)


def title(plan: Plan) -> str:
    """Name the model and the machine, with what is not as usual in it: its links, and rates that were measured."""
    where = plan.machine
    unusual = {
        each.name: getattr(where, each.name)
        for each in fields(where)
        if each.name in LINKS_AND_RATES and getattr(where, each.name) != each.default
    }
    return f"{plan.shape.name} on {where}" + (f" ({settings_text(unusual)})" if unusual and not where.name else "")


def settings(plan: Plan) -> dict[str, Any]:
    """Return the settings of a plan that matter: the usual ones of `ALWAYS`, and those that differ from the usual."""
    found = given(plan)
    return {
        each.name: getattr(found, each.name)
        for each in (() if found is None else fields(found))
        if each.name != "world_size"
        if each.name in ALWAYS or getattr(found, each.name) != each.default
    }


def given(plan: Plan) -> Any:
    """Return the dataclass that holds a plan's settings: a `Recipe`, or what an inference plan has in its place."""
    return getattr(plan, "recipe", None) or getattr(plan, "serving", None)


def settings_text(values: Mapping[str, Any]) -> str:
    """Return settings as they are given: "method='fsdp', micro_batch=1" without the quotes."""
    return ", ".join(f"{name}={value}" for name, value in values.items())


def categories(plans: Iterable[Plan]) -> list[str]:
    """Return the categories of these plans in one order: training has all of the ledger's, inference what it holds."""
    used = {row.category for plan in plans for row in plan.memory.rows}
    used |= set(CATEGORIES) if any(isinstance(plan, Trains) for plan in plans) else set()
    return [name for name in ORDER if name in used] + sorted(used - set(ORDER))


def parts(plan: Plan) -> dict[str, int]:
    """Return bytes by category, and what lies outside tensors: what a bar shows."""
    return {**{name: plan.memory.of(name) for name in categories([plan])}, "overhead": plan.memory.overhead}


def setting(name: str, word: object) -> object:
    """Return a recipe's setting from a word: "none" of an adapter or a master is None, of an offload itself."""
    return None if word == "none" and None in CHOICES.get(name, ()) else word
