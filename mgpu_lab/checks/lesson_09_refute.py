"""The check of lesson 09's exercise on a claim: a job for which it does not hold, and one for which it does.

The claim is "95% scaling efficiency". Judged by the planner, in the notebook's kernel.
"""

from collections.abc import Mapping
from typing import Any

from mgpu_lab.checks.core import Wrong
from mgpu_lab.checks.lesson_09_fit import plan_of, refuse_odd, too_much
from mgpu_lab.planner.training import TrainingPlan

MODEL, CARD, CARDS = "llama-3.2-1b", "RTX-4090", 8
CLAIMED, REFUTED = 0.95, 0.5
JOBS = ("refutes", "holds")
SPLIT = ("tensor_parallel", "pipeline_parallel")  # one card cannot be split


def refute(answer: Any) -> str:
    """``{"refutes": {"micro_batch": 1, ...}, "holds": {...}}``: options of `plan_training` for both jobs."""
    if not isinstance(answer, Mapping) or set(answer) - set(JOBS):
        raise Wrong('Answer with a dictionary that has "refutes" and "holds", each with options of plan_training.')
    still_open = [name for name in JOBS if answer.get(name) is None or answer[name] is ...]
    if len(still_open) == len(JOBS):
        raise NotImplementedError
    found = {name: efficiency(name, answer[name]) for name in JOBS if name not in still_open}
    judge(found)
    if still_open:
        raise Wrong(f"What is filled in is right. Still open: {still_open[0]}.")
    return f"{found['refutes']:.0%} and {found['holds']:.0%}: the same cards, two jobs."


def judge(found: Mapping[str, float]) -> None:
    """Raise Wrong where an efficiency is not what its name says."""
    refuting, holding = found.get("refutes", 0.0), found.get("holds", 1.0)
    if refuting >= CLAIMED and holding <= REFUTED:
        raise Wrong(f"The two are exchanged: refutes has {refuting:.0%}, and holds {holding:.0%}.")
    if refuting > REFUTED:
        raise Wrong(
            f"refutes: {refuting:.1%}; at most {REFUTED:.0%} is asked for. What makes a step short, or its messages "
            "large?"
        )
    if holding < CLAIMED:
        raise Wrong(
            f"holds: {holding:.1%}; {CLAIMED:.0%} or more is asked for. What makes the work between two exchanges "
            "long, or what is exchanged small?"
        )


def efficiency(name: str, options: Any) -> float:
    """Return tokens/s of one card among eight over those of one card alone, with these options."""
    refuse_odd(name, options)
    if split := [key for key in SPLIT if options.get(key, 1) != 1]:
        raise Wrong(f"{name}: {', '.join(split)} stays 1: a card keeps a whole copy or a shard.")
    alone, among = (fitting(name, count, options) for count in (1, CARDS))
    return (among.tokens_per_s or 0.0) / (alone.tokens_per_s or 1.0)


def fitting(name: str, count: int, options: Mapping[str, Any]) -> TrainingPlan:
    """Return the plan on so many cards; Wrong where it does not fit."""
    plan = plan_of(name, f"{count}x {CARD}", MODEL, options)
    if not plan.fits:
        raise Wrong(f"{name}, {count} card{'s' * (count > 1)}: does not fit. {too_much(plan)}")
    return plan
