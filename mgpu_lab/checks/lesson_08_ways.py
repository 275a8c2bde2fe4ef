"""The check of lesson 08's exercise on replicas or tensor parallelism: four services, each with a way that suits it.

The planner judges, in the notebook's kernel: any way within a tenth of the best one is right, and so is its number.
"""

import bisect
import functools
import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from mgpu_lab.checks.core import Wrong
from mgpu_lab.checks.mistakes import brief, close, number_of, of_number
from mgpu_lab.planner.inference import InferencePlan, plan_inference
from mgpu_lab.wire.errors import UsageError

WAYS = ("replicas", "tensor_parallel", "pipeline_parallel")
KEYS = (*WAYS, "batch", "number")
AS_GOOD = 0.9  # of the best way's rate
ROUNDED, SLIP = 0.05, 0.01  # a number may be rounded so far; a slip is named where it is as near as this
MOST_BATCH = 4096
ASKED = {
    "tokens/s": "the tokens a second of the one request",
    "requests/s": "the requests a second of all cards together",
    "at once": "how many requests the KV caches of all cards hold at once",
}


@dataclass(frozen=True)
class Case:
    """A machine and its requests. `context` is a request's mean length in the cache while it generates."""

    model: str
    machine: str
    prompt: int
    new_tokens: int
    context: int
    number: str  # what the answer's number says: a key of ASKED
    one_at_a_time: bool = False
    least_tokens_per_s: float = 0.0  # of each request

    @property
    def goal(self) -> str:
        return "tokens/s" if self.one_at_a_time else "requests/s"


JUDGED = {
    "A": Case("llama-3.1-8b", "2x RTX-4090", 1024, 512, 1280, "tokens/s", one_at_a_time=True),
    "B": Case("llama-3.2-3b", "8x RTX-4090", 256, 512, 512, "requests/s", least_tokens_per_s=60),
    "C": Case("llama-3.1-70b", "8x H100-SXM-80GB", 1024, 512, 1280, "requests/s", least_tokens_per_s=25),
    "D": Case("llama-3.1-8b", "2x RTX-4090", 512, 1024, 1024, "at once"),
}
CASES = {name: replace(case) for name, case in JUDGED.items()}  # the learner's, to look at and to try with
Way = dict[str, Any]  # whole numbers by name


def replicas_or_tp(answer: Any) -> str:
    """``{"A": {"replicas": 2, "batch": 1, "number": 50}, "B": ...}``; a way that is left out is 1."""
    if not isinstance(answer, Mapping) or set(answer) - set(JUDGED):
        raise Wrong(f"Answer with a dictionary that has a way for each of {', '.join(JUDGED)}, and nothing else.")
    still_open = [name for name in JUDGED if answer.get(name) is None or answer[name] is ...]
    if len(still_open) == len(JUDGED):
        raise NotImplementedError
    for name, case in JUDGED.items():
        if name not in still_open:
            judge(name, case, answer[name])
    if still_open:
        raise Wrong(f"What is filled in is right. Still open: {', '.join(still_open)}.")
    return "Four services, each within a tenth of the best way that the planner knows, and the number behind it."


def judge(name: str, case: Case, given: Any) -> None:
    """Raise Wrong where a way breaks a rule, is much slower than another, or has another number."""
    way = way_from(name, case, given)
    what = f"{name}, {shown(way)}"
    cards, there = math.prod(way[key] for key in WAYS), cards_of(case)
    if cards != there:
        product = " x ".join(f"{key}={way[key]}" for key in WAYS)
        verb = "are" if cards > 1 else "is"
        raise Wrong(f"{what}: {product} {verb} {counted(cards, 'card')}; {case.machine} has {there}.")
    try:
        plan = planned(case, way)
    except UsageError as error:
        raise Wrong(f"{what}: {error}") from None
    if hint := rule_broken(case, plan):
        raise Wrong(f"{what}: {hint}")
    refuse_slow(what, case, plan)
    judge_number(what, case, plan, given.get("number", ...))


def way_from(name: str, case: Case, given: Any) -> Way:
    """Return an answer's way with all of its whole numbers."""
    keys = f"{name}: a way is a dictionary with the keys {', '.join(KEYS)}"
    if not isinstance(given, Mapping):
        raise Wrong(f"{keys}, not {brief(given)}.")
    if unknown := [key for key in given if key not in KEYS]:
        raise Wrong(f"{keys}; {', '.join(map(brief, unknown[:3]))} is none of them.")
    if "batch" not in given and not case.one_at_a_time:
        raise Wrong(f"{name}: give the batch, too: the requests that each replica generates at once.")
    numbers = {key: number_of(given.get(key, 1)) for key in (*WAYS, "batch")}
    for key, number in numbers.items():
        if number is None or not 1 <= number <= MOST_BATCH or not number.is_integer():
            text = f"{name}: {key} is a whole number from 1 to {MOST_BATCH:,}"
            raise Wrong(f"{text}, not {brief(given[key])}{' (text)' * isinstance(given[key], str)}.")
    return {key: int(number or 1) for key, number in numbers.items()}


def planned(case: Case, way: Way) -> InferencePlan:
    return plan_inference(case.model, case.machine, context=case.context, prompt=case.prompt, **way)


def rule_broken(case: Case, plan: InferencePlan) -> str | None:
    """Say which rule a plan breaks."""
    batch, room, speed = plan.serving.batch, room_of(plan), plan.tokens_per_s or 0.0
    if case.one_at_a_time and batch > 1:
        return "requests come one at a time, so the batch is 1."
    if room == 0:
        return "weights and one forward leave no room in the KV cache, not even for one request."
    if batch > room:
        return f"at this batch, a replica's KV cache has room for {counted(room, 'request')}, and its batch is {batch}."
    if speed < case.least_tokens_per_s:
        return f"each request gets {speed:.3g} tokens/s; {case.least_tokens_per_s:g} are asked for."
    return None


def room_of(plan: InferencePlan) -> int:
    """Return the requests that one replica's KV cache holds at once."""
    return (plan.max_tokens_in_cache or 0) // plan.serving.context


def rate_of(case: Case, plan: InferencePlan) -> float:
    """Return what a case wants much of: tokens/s of the one request, or requests/s of all."""
    rate = plan.tokens_per_s if case.one_at_a_time else plan.requests_per_s(case.new_tokens)
    return rate or 0.0


def refuse_slow(what: str, case: Case, plan: InferencePlan) -> None:
    """Raise Wrong where another way, or another batch, has more than a ninth more."""
    rate = rate_of(case, plan)
    bests = best_of_each(case)
    most = max(bests.values())
    if rate >= AS_GOOD * most:
        return
    how = plan.serving
    own = bests.get((how.replicas, how.tensor_parallel, how.pipeline_parallel), 0.0)
    text = f"{rate:.3g} {case.goal}, and {most:.3g} is possible."
    if own >= AS_GOOD * most:
        raise Wrong(f"{what}: {text} The way is good; with another batch it reaches more.")
    raise Wrong(f"{what}: {text} {why(plan)}")


def why(plan: InferencePlan) -> str:
    """Say what is known of a slow way: a token's time, what it waits for, and how many requests there is room for."""
    together, speed = plan.serving.replicas * room_of(plan), plan.tokens_per_s or 1.0
    return (
        f"In this way a token takes {1000 / speed:.3g} ms and waits most for {plan.limits}; a prompt pass takes "
        f"{plan.time_to_first_token_s or 0:.3g} s; at this batch there is room for {counted(together, 'request')} "
        "at once."
    )


@functools.cache
def best_of_each(case: Case) -> dict[tuple[int, ...], float]:
    """Return the best rate of each way that is possible."""
    cards = cards_of(case)
    sizes = [size for size in range(1, cards + 1) if cards % size == 0]
    all_sizes = [each for each in itertools.product(sizes, repeat=len(WAYS)) if math.prod(each) == cards]
    rates = {each: best_rate(case, dict(zip(WAYS, each, strict=True))) for each in all_sizes}
    return {each: rate for each, rate in rates.items() if rate}


@functools.cache
def cards_of(case: Case) -> int:
    return plan_inference(case.model, case.machine, context=case.context).machine.count


def best_rate(case: Case, way: Way) -> float:
    """Return a way's best rate: that of its largest batch, or nearly (micro-batches may be uneven there); else 0."""
    most = bisect.bisect(range(1, MOST_BATCH + 1), 0, key=lambda batch: rate_at(case, way, batch) == 0)
    tried = {most, most - most % way["pipeline_parallel"], *(most * part // 8 for part in range(1, 8))}
    return max(rate_at(case, way, batch) for batch in tried)


def rate_at(case: Case, way: Way, batch: int) -> float:
    """Return a way's rate with this batch, 0 where a rule is broken: as it is with any larger one, too."""
    try:
        plan = planned(case, way | {"batch": batch})
    except UsageError:
        return 0.0
    return 0.0 if rule_broken(case, plan) else rate_of(case, plan)


def judge_number(what: str, case: Case, plan: InferencePlan, found: Any) -> None:
    asked = f"number: {ASKED[case.number]}"
    if found is ... or found is None:
        raise Wrong(f"{what}: the way is good. Still open is its {asked}.")
    number, wanted = number_of(found), number_in(case, plan)
    if number is None:
        raise Wrong(f"{what}: the {asked}; {not_one(found)}.")
    if not close(number, wanted, ROUNDED):
        otherwise = f"the way is good. Its {asked}; the planner says another one than {number:.3g}."
        raise Wrong(f"{what}: {of_number(number, slips(case, plan), SLIP) or otherwise}")


def not_one(found: Any) -> str:
    """Say that this is no number.

    >>> not_one("90")
    "a number, not text: '90'"
    """
    return f"a number, not text: {brief(found)}" if isinstance(found, str) else f"a number, not {brief(found)}"


def number_in(case: Case, plan: InferencePlan) -> float:
    if case.number == "at once":
        return float(plan.serving.replicas * room_of(plan))
    return rate_of(case, plan)


def slips(case: Case, plan: InferencePlan) -> dict[float, str]:
    """Map the numbers of usual slips to hints."""
    replicas, speed = plan.serving.replicas, plan.tokens_per_s or 1.0
    wanted, asked = number_in(case, plan), ASKED[case.number]
    several = {wanted / replicas: f"that is one replica; asked for is {asked}."} if replicas > 1 else {}
    return several | {
        1000 / speed: f"that is a token's milliseconds; asked for is {asked}.",
        1 / speed: f"that is a token's seconds; asked for is {asked}.",
        float(plan.max_tokens_in_cache or 0): f"that is the tokens of one replica's cache; asked for is {asked}.",
        plan.serving_tokens_per_s(case.new_tokens) or -1.0: f"these are tokens a second; asked for is {asked}.",
        plan.throughput_tokens_per_s or -1.0: f"these are tokens a second without the prompts; asked for is {asked}.",
        speed: f"that is one request's tokens a second; asked for is {asked}.",
    }


def shown(way: Way) -> str:
    """Describe a way.

    >>> shown({"replicas": 2, "tensor_parallel": 1, "pipeline_parallel": 1, "batch": 3})
    'replicas 2, batch 3'
    """
    parts = [f"{name} {way[name]}" for name in WAYS if way[name] > 1] or ["1 card"]
    return f"{' x '.join(parts)}, batch {way['batch']}"


def counted(count: int, name: str) -> str:
    """Count things.

    >>> counted(1, "card"), counted(2, "card")
    ('1 card', '2 cards')
    """
    return f"{count} {name}{'s' * (count != 1)}"
