"""The check of lesson 08's exercise on continuous batching: who is in the next step. For the notebook's kernel.

An engine of plain Python runs the answer's plans step by step: requests arrive, are read, generate, end, are cancelled.
Its tokens follow from a request's own tokens, so that what each request gets can be compared with what it gets alone.
"""

import itertools
import reprlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from mgpu_lab.checks.calls import ask, must_take
from mgpu_lab.checks.core import Wrong
from mgpu_lab.checks.endless import ending
from mgpu_lab.checks.lesson_08_loads import MOST_REQUESTS, Load, Request, alone, at_random, by_hand, next_token
from mgpu_lab.checks.mistakes import number_of

SHOWN = "schedule(waiting, running, slots, budget)"
LOADS = 200
MOST_STEPS, MOST_TOLD = 20_000, 6


def continuous_batching(answer: Any) -> str:
    """``schedule(waiting, running, slots, budget)``: a pair, the requests to prefill and those to decode."""
    must_take(answer, SHOWN, [], [], 1, 1)
    loads = [*by_hand(), *(at_random(seed) for seed in range(LOADS))]
    steps = sum(Engine(answer, each).serve() for each in loads)
    return (
        f"{len(loads)} loads, {sum(len(load.requests) for load in loads):,} requests, {steps:,} steps: first come, "
        "first served, no slot idle while the next one fits, and each request gets the tokens that it gets alone."
    )


@dataclass
class Engine:
    """Runs one load by an answer's plans, and judges each of them before it is run."""

    answer: Callable[..., Any]
    load: Load
    step: int = 0
    waiting: list[Request] = field(default_factory=list)
    running: list[Request] = field(default_factory=list)
    tokens: dict[int, list[int]] = field(default_factory=dict)

    def serve(self) -> int:
        """Serve all requests; return the steps in which something was computed."""
        computed = 0
        while self.to_come() or self.waiting or self.running:
            self.arrive()
            prefill, decode = self.plan()
            self.judge(prefill, decode)
            computed += bool(prefill or decode)
            self.run(prefill, decode)
            self.step += 1
            if self.step > MOST_STEPS:
                raise self.wrong(f"after {MOST_STEPS:,} steps there are still requests")
        self.compare()
        return computed

    def to_come(self) -> int:
        return len(self.load.requests) - sum(step < self.step for step in self.load.arrives)

    def arrive(self) -> None:
        """Let requests come, and mark those that are cancelled now."""
        news = zip(self.load.requests, self.load.arrives, strict=True)
        self.waiting += [request for request, step in news if step == self.step]
        self.waiting, self.running = (
            [replace(each, cancelled=self.load.cancelled.get(each.id, MOST_STEPS) <= self.step) for each in requests]
            for requests in (self.waiting, self.running)
        )

    def plan(self) -> tuple[list[int], list[int]]:
        """Ask the answer; return the ids to prefill and those to decode."""
        __tracebackhide__ = True
        waiting, running = ([replace(each) for each in requests] for requests in (self.waiting, self.running))
        arguments = waiting, running, self.load.slots, self.load.budget
        try:
            with ending(SHOWN):
                found = ask(self.answer, *arguments, shown=SHOWN)
                if isinstance(found, Iterable) and not isinstance(found, str | bytes | dict | set | frozenset):
                    found = list(itertools.islice(found, 3))
        except Exception as error:
            error.add_note(f"The check called schedule in this state: {self.state()}.")
            raise
        if not isinstance(found, list) or len(found) != 2:  # noqa: PLR2004
            raise self.wrong(f"return a pair, (prefill, decode), not {reprlib.repr(found)}")
        return self.ids(found[0], "prefill"), self.ids(found[1], "decode")

    def ids(self, found: Any, what: str) -> list[int]:
        """Return the ids of a list of requests, or of ids."""
        if not isinstance(found, Iterable) or isinstance(found, str | bytes):
            raise self.wrong(f"{what} must be a list of requests, not {reprlib.repr(found)}")
        with ending(f"going through {what}"):
            items = list(itertools.islice(found, 2 * MOST_REQUESTS + 2))
        numbers = [number_of(getattr(each, "id", each)) for each in items]
        for item, number in zip(items, numbers, strict=True):
            if number is None or not number.is_integer():
                raise self.wrong(f"{what} must hold requests (or their ids); one is {reprlib.repr(item)}")
        return [int(number or 0) for number in numbers]

    def judge(self, prefill: list[int], decode: list[int]) -> None:
        self.refuse_over(prefill, decode)
        self.refuse_strangers(prefill, decode)
        lost = [each.id for each in self.running if not each.over and each.id not in decode]
        if lost:
            raise self.wrong(f"request {lost[0]} runs and is not over, but is not in decode: its next token is lost")
        if len(prefill) + len(decode) > self.load.slots:
            count = f"{len(prefill)} to prefill and {len(decode)} to decode"
            raise self.wrong(f"{count} are {len(prefill) + len(decode)} requests, and there are {self.slots_text()}")
        self.refuse_order(prefill)
        if (used := self.used(prefill, decode)) > self.load.budget:
            raise self.wrong(f"{self.used_text(prefill, decode)} = {used} tokens, and the budget is {self.load.budget}")
        self.refuse_idle(prefill, decode)

    def refuse_strangers(self, prefill: list[int], decode: list[int]) -> None:
        """Raise Wrong for a request in the wrong list, in it twice, or unknown."""
        for what, found, known in (("prefill", prefill, self.waiting), ("decode", decode, self.running)):
            there = {each.id for each in known}
            for number in found:
                if found.count(number) > 1:
                    raise self.wrong(f"request {number} is in {what} twice")
                if number not in there:
                    raise self.wrong(f"request {number} is in {what}, {self.whereabouts(number)}")

    def whereabouts(self, number: int) -> str:
        """Say where a request is that stands in the wrong list."""
        if number in {each.id for each in self.waiting}:
            return "and it waits: it has to be read first"
        if number in {each.id for each in self.running}:
            return "and it runs already"
        text = "and nobody of this number waits or runs. Does your function keep a list from one call to the next"
        return f"{text}, or return positions, not ids?"

    def refuse_over(self, prefill: list[int], decode: list[int]) -> None:
        for each in (*self.waiting, *self.running):
            if each.cancelled and each.id in (*prefill, *decode):
                where = "decode" if each.id in decode else "prefill"
                raise self.wrong(f"request {each.id} is cancelled, and is in {where}")
            if each.over and each.id in decode:
                raise self.wrong(f"request {each.id} has its {told(each)}, and is still in decode")

    def refuse_order(self, prefill: list[int]) -> None:
        """Raise Wrong where somebody is overtaken."""
        line = [each.id for each in self.waiting if not each.cancelled]
        for number in prefill:
            if passed := [each for each in line[: line.index(number)] if each not in prefill]:
                text = f"request {number} is in prefill, and request {passed[0]}, which came before it, is not"
                raise self.wrong(f"{text}. Where one waits for room, all behind it wait")

    def refuse_idle(self, prefill: list[int], decode: list[int]) -> None:
        """Raise Wrong where the next in the line would fit."""
        line = [each for each in self.waiting if not each.cancelled and each.id not in prefill]
        free = self.load.slots - len(prefill) - len(decode)
        if not line or not free:
            return
        used = self.used(prefill, decode)
        if used + line[0].prompt <= self.load.budget:
            text = f"{free} of {self.slots_text()} would stay empty while request {line[0].id} waits"
            room = f"its prompt of {line[0].prompt} fits: {self.used_text(prefill, decode)} = {used}"
            raise self.wrong(f"{text}; {room} of {self.load.budget} tokens are used")

    def used(self, prefill: list[int], decode: list[int]) -> int:
        return len(decode) + sum(each.prompt for each in self.waiting if each.id in prefill)

    def used_text(self, prefill: list[int], decode: list[int]) -> str:
        prompts = [each.prompt for each in self.waiting if each.id in prefill]
        return " + ".join([f"{len(decode)} to decode", *(f"a prompt of {each}" for each in prompts)])

    def run(self, prefill: list[int], decode: list[int]) -> None:
        """Compute the step: each of these gets a token; who is in neither list leaves its slot."""
        ready = {each.id: each for each in (*self.waiting, *self.running)}
        for number in (*prefill, *decode):
            made = self.tokens.setdefault(number, [])
            made.append(next_token(number, made))
        self.running = [replace(ready[number], made=ready[number].made + 1) for number in (*decode, *prefill)]
        self.waiting = [each for each in self.waiting if each.id not in prefill and not each.cancelled]

    def compare(self) -> None:
        for request in self.load.requests:
            if request.id not in self.load.cancelled and self.tokens.get(request.id) != alone(request):
                raise self.wrong(f"request {request.id} has other tokens than it gets alone")

    def slots_text(self) -> str:
        return f"{self.load.slots} slot{'s' * (self.load.slots > 1)}"

    def state(self) -> str:
        """Describe what the answer was given."""
        running = ", ".join(f"{each.id} ({told(each)})" for each in self.running) or "nobody"
        line = [f"{each.id} (prompt {each.prompt}{', cancelled' * each.cancelled})" for each in self.waiting]
        more = [f"{len(line) - MOST_TOLD} more"] if len(line) > MOST_TOLD else []
        waiting = ", ".join([*line[:MOST_TOLD], *more]) or "nobody"
        return f"step {self.step}, {self.slots_text()}, budget {self.load.budget}; running {running}; waiting {waiting}"

    def wrong(self, text: str) -> Wrong:
        state = self.state()
        return Wrong(f"{state[:1].upper()}{state[1:]}: {text}{'' if text.endswith('?') else '.'}")


def told(request: Request) -> str:
    return "cancelled" if request.cancelled else f"{request.made} of {request.new_tokens} tokens"
