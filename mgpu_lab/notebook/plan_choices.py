"""What can be chosen in `plan_view()`: each control's name, words and choices; and the plan that choices mean."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, get_args

from mgpu_lab.planner.hardware import HARDWARE
from mgpu_lab.planner.inference import plan_inference
from mgpu_lab.planner.machines import Machine
from mgpu_lab.planner.recipe import CHOICES, COUNTS, Recipe
from mgpu_lab.planner.serving import Cache, Weights
from mgpu_lab.planner.shown.plans import Plan, Price, setting
from mgpu_lab.planner.training import plan_training
from mgpu_lab.wire.errors import UsageError

JOBS = ("training", "inference")
LENGTHS = tuple(1 << power for power in range(9, 18))
RANKS = (1, 2, 4, 8, 16, 32)
MOST = 1 << 20  # what a number field takes


@dataclass(frozen=True)
class Control:
    """One control: a list where there are choices, else a field for a whole number; `usual` is what it begins with.

    With `auto`, the first choice is these words, and the setting is then left to the plan.
    """

    name: str
    label: str
    usual: Any = None
    choices: tuple[Any, ...] = ()
    auto: str = ""

    @property
    def begins(self) -> Any:
        """What the control shows where nothing is given."""
        return self.auto or self.usual

    def all_choices(self, shown: Any) -> list[Any]:
        """Return the choices, with a number among them that is shown and no usual one."""
        numbers = sorted({*self.choices, shown} - {self.auto}) if self.counts else self.choices
        return [*([self.auto] if self.auto else []), *numbers]

    @property
    def counts(self) -> bool:
        """Whether the setting is a whole number."""
        return not self.choices or isinstance(self.choices[0], int)

    def value(self, given: Any) -> Any:
        """Return what the control shows for a given value.

        Raises:
            UsageError: it is no choice of this control, or no whole number of 1 or more.
        """
        shown = "none" if given is None else given
        if self.auto and shown in (self.auto, "none"):
            return self.auto
        if self.counts and (isinstance(shown, bool) or not isinstance(shown, int) or not 1 <= shown <= MOST):
            raise UsageError(f"{self.name}={given!r} must be a whole number, 1 or more. The most here is {MOST:,}.")
        if not self.counts and shown not in self.choices:
            raise UsageError(f"{self.name}={given!r} is not one of {', '.join(map(repr, self.choices))}.")
        return shown


LABELS = {
    "method": "method",
    "adapter": "adapter",
    "checkpointing": "checkpointing",
    "dtype": "computes in",
    "master": "master weights",
    "optimizer": "optimizer",
    "micro_batch": "micro-batch",
    "seq_len": "sequence length",
    "accumulation": "accumulation",
    "tensor_parallel": "tensor parallel",
    "pipeline_parallel": "pipeline parallel",
    "lora_rank": "LoRA rank",
    "offload": "offload",
}
_USUAL = {field.name: field.default for field in fields(Recipe)}


def _training(name: str) -> Control:
    words = LENGTHS if name == "seq_len" else () if name in COUNTS else tuple(map(_word, CHOICES[name]))
    return Control(name, LABELS[name], _word(_USUAL[name]), words)


def _word(value: object) -> object:
    return "none" if value is None else value


TRAINING = tuple(_training(name) for name in LABELS)
INFERENCE = (
    Control("weights", "weights", "bf16", get_args(Weights)),
    Control("batch", "requests at once", 1),
    Control("context", "context", 4096, LENGTHS),
    Control("prompt", "of it, prompt", choices=LENGTHS, auto="all of it"),
    Control("tensor_parallel", "tensor parallel", choices=RANKS, auto="all that is left"),
    Control("pipeline_parallel", "pipeline parallel", 1),
    Control("replicas", "replicas", 1),
    Control("kv", "KV cache in", choices=get_args(Cache), auto="as the weights"),
)


def controls_of(job: str) -> tuple[Control, ...]:
    """Return the settings that a job has."""
    return TRAINING if job == "training" else INFERENCE


@dataclass(frozen=True)
class Chosen:
    """What the controls say. `base` is a machine that was given; it is kept as long as its card is chosen."""

    job: str
    model: Any
    card: str
    count: int
    settings: Mapping[str, Any]
    usd: str = ""
    tokens: str = "1e9"
    usd_source: str = ""
    base: Machine | None = None

    def machine(self) -> Machine:
        """Return the machine: `count` cards."""
        if self.base is None or self.base.card.name != self.card:
            return Machine(HARDWARE[self.card], self.count)
        return self.base if self.base.count == self.count else self.base.with_(count=self.count, name="")

    def plan(self) -> Plan:
        """Return the plan of these choices.

        Raises:
            UsageError: the choices do not go together.
        """
        settings: dict[str, Any] = {name: setting(name, value) for name, value in self._given()}
        if self.job == "training":
            return plan_training(self.model, self.machine(), **settings)
        return plan_inference(self.model, self.machine(), **settings)

    def price(self) -> Price:
        """Return the price; an empty field is one that nobody gave.

        Raises:
            UsageError: what stands in a field is no number.
        """
        usd = number("USD per GPU hour", self.usd) if self.usd.strip() else None
        tokens = number("tokens", self.tokens)
        if tokens <= 0:
            raise UsageError(f"tokens: {self.tokens!r} must be above 0.")
        return Price(usd, tokens, self.usd_source)

    def _given(self) -> Iterator[tuple[str, Any]]:
        autos = {control.name: control.auto for control in controls_of(self.job) if control.auto}
        return ((name, value) for name, value in self.settings.items() if value != autos.get(name))


def number(what: str, text: str) -> float:
    """Return the number in a field: "1e9", "2.10", "1,000".

    Raises:
        UsageError: it is no number, or below 0.
    """
    try:
        found = float(text.replace(",", "").replace("_", ""))
    except ValueError:
        raise UsageError(f"{what}: {text!r} is not a number.") from None
    if not 0 <= found < float("inf"):
        raise UsageError(f"{what}: {text!r} must be 0 or more.")
    return found


def asked(card: str) -> tuple[str, str]:
    """Return the lowest rent that the hardware table has for a card, and who asked it; empty where it has none."""
    rents = HARDWARE.asked(card, "rent")
    return (f"{rents[0].usd:g}", f"{rents[0].name}: {rents[0].source}, read {rents[0].checked}") if rents else ("", "")
