"""Plans that several claims share: one job on one machine or another, refused where it does not fit."""

from collections.abc import Iterable
from typing import Any

from mgpu_lab.planner.hardware import HARDWARE
from mgpu_lab.planner.hardware_rows import Price
from mgpu_lab.planner.inference import InferencePlan, plan_inference
from mgpu_lab.planner.machines import Machine, machine
from mgpu_lab.planner.training import TrainingPlan, plan_training
from mgpu_lab.wire.errors import UsageError

Numbers = dict[str, Any]
LLAMA, SMALL, LARGE = "llama-3.1-8b", "gpt2", "llama-3.1-70b"
GIB = 1 << 30
HOLDS, ONLY_IF, DOES_NOT_HOLD, CANNOT_TEST = "holds", "holds only if", "does not hold", "cannot be tested here"
UNDECIDED = "undecided"
LORA: dict[str, Any] = {"method": "ddp", "adapter": "lora", "seq_len": 2048, "checkpointing": "full"}
QLORA: dict[str, Any] = {**LORA, "method": "fsdp", "adapter": "qlora"}
SHARDED: dict[str, Any] = {"method": "fsdp", "seq_len": 2048, "checkpointing": "full"}
LITTLE: dict[str, Any] = {"method": "ddp", "seq_len": 1024, "micro_batch": 1}
# nanoGPT's recipe for GPT-2 on 8 GPUs: 12 sequences, 5 times, so half a million tokens a step
# (github.com/karpathy/nanoGPT config/train_gpt2.py, read 2026-11-28)
NANOGPT: dict[str, Any] = {"method": "ddp", "seq_len": 1024, "micro_batch": 12, "accumulation": 5}


def judged(verdict: str, *, when: bool, **found: Any) -> Numbers:
    """Return numbers with the verdict that they support: this one when the condition holds, else none."""
    return {**found, "verdict": verdict if when else UNDECIDED}


def known(value: float | None, what: str = "a number of this plan") -> float:
    """Return a number that the hardware table must know.

    Raises:
        UsageError: it does not.
    """
    if value is None:
        raise UsageError(f"The ledger of claims needs {what}, and the hardware table does not know it.")
    return value


def train(model: str, where: str | Machine, **recipe: Any) -> TrainingPlan:
    """Plan a job that can be run.

    Raises:
        UsageError: it does not fit: its time would mean nothing.
    """
    plan = plan_training(model, where, **recipe)
    if not plan.fits:
        raise UsageError(f"{model} with {recipe} does not fit {where}: a claim must not rest on it.")
    return plan


def serve(model: str, where: str | Machine, **how: Any) -> InferencePlan:
    """Plan serving a model that fits.

    Raises:
        UsageError: it does not fit.
    """
    plan = plan_inference(model, where, **how)
    if not plan.fits:
        raise UsageError(f"{model} with {how} does not fit {where}: a claim must not rest on it.")
    return plan


def step_s(plan: TrainingPlan) -> float:
    return known(plan.step_s, "the time of a step")


def together(plan: TrainingPlan) -> float:
    """Tokens a second of all cards."""
    return known(plan.tokens_per_s, "the speed of a card") * plan.machine.count


def exposed(plan: TrainingPlan) -> float:
    """Share of a step that waits for communication."""
    return known(plan.time.exposed_s, "the speed of a link") / step_s(plan)


def speedup(model: str, where: Machine, **recipe: Any) -> float:
    """How many times as fast as one of its cards a machine is, each card with the same work in a step."""
    one = train(model, where.with_(count=1), **recipe)
    return together(train(model, where, **recipe)) / together(one)


def slowed(model: str, cards: str, lanes: int, **recipe: Any) -> float:
    """How many times as long a step takes with so many PCIe lanes as with 16."""
    narrow, full = (step_s(train(model, machine(cards).with_(lanes=each), **recipe)) for each in (lanes, 16))
    return narrow / full


def tokens_per_s(plan: InferencePlan) -> float:
    return known(plan.tokens_per_s, "the speed of a card")


def rents(*cards: str) -> list[Price]:
    """Prices to rent these cards that were asked in the newest year of the table, cheapest first."""
    found = [price for card in cards for price in HARDWARE.asked(card, "rent")]
    newest = max(price.checked.year for price in found)
    return sorted((price for price in found if price.checked.year == newest), key=usd)


def usd(price: Price) -> float:
    return known(price.usd, "a price")


def largest(plans: Iterable[TrainingPlan | InferencePlan]) -> str:
    """Name the model with the most parameters among those whose plan fits."""
    return max((plan for plan in plans if plan.fits), key=lambda plan: plan.shape.parameters).shape.name
