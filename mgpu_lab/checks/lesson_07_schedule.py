"""The check of lesson 07's exercise on pipelines: one stage's 1F1B schedule. Plain Python, for the notebook's kernel.

All stages' schedules are simulated together: an action begins when its stage is free and what it needs has come. Time
is counted in turns, one forward and one backward. Messages between two stages are matched by their order, as
``dist.send`` and ``dist.recv`` match them.
"""

from __future__ import annotations

import itertools
import reprlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mgpu_lab.checks.calls import ask, must_take
from mgpu_lab.checks.core import Wrong
from mgpu_lab.checks.mistakes import brief, number_of

TELLING = ((4, 8), (2, 4), (3, 3), (4, 2), (1, 3), (2, 1))  # stages, micro-batches: their hints say most
CASES = tuple(dict.fromkeys((*TELLING, *itertools.product(range(1, 9), range(1, 17)))))
PACES = ({"F": 1, "B": 1}, {"F": 1, "B": 2})  # how long a forward and a backward take
Action = tuple[str, int]
COUNTED = "They are counted from 0."
FEW = "Where there are fewer of them than stages, how many forwards can come before the first backward?"


def schedule_1f1b(answer: Any) -> str:
    """``one_f_one_b(stage, stages, micro_batches)``: the actions of one stage, ``("F", i)`` and ``("B", i)``."""
    must_take(answer, "one_f_one_b(stage, stages, micro_batches)", 0, 4, 8)
    for stages, micro_batches in CASES:
        case = Case(stages, micro_batches)
        schedules = [actions_of(answer, stage, case) for stage in range(stages)]
        for stage, actions in enumerate(schedules):
            refuse_alone(actions, stage, case)
        refuse_together(schedules, case)
    return f"{len(CASES)} pipelines simulated, of 1 to 8 stages; none holds more than p - s, each in the shortest time."


@dataclass(frozen=True)
class Case:
    """A pipeline of so many stages, with so many micro-batches."""

    stages: int
    micro_batches: int

    @property
    def enough(self) -> bool:
        return self.micro_batches >= self.stages

    def may_hold(self, stage: int) -> int:
        return min(self.micro_batches, self.stages - stage)

    def letters(self, stage: int) -> str:
        """The figure's: forwards, then in turn, then backwards.

        >>> Case(4, 5).letters(1)
        'FFFBFBFBBB'
        """
        ahead = self.may_hold(stage) - 1
        return "F" * ahead + "FB" * (self.micro_batches - ahead) + "B" * ahead

    def wrong(self, stage: int, text: str) -> Wrong:
        count = f"{self.micro_batches} micro-batch{'es' * (self.micro_batches > 1)}"
        return Wrong(f"Stage {stage} of {self.stages}, {count}: {text}")


def actions_of(answer: Any, stage: int, case: Case) -> list[Action]:
    """Call the answer; return its actions as pairs of a letter and Python's own number."""
    shown = f"one_f_one_b({stage}, {case.stages}, {case.micro_batches})"
    found = ask(answer, stage, case.stages, case.micro_batches, shown=shown)
    if not isinstance(found, Iterable) or isinstance(found, str | bytes | Mapping | set | frozenset):
        raise Wrong(f"Return the actions in order, as a list; {shown} returned {reprlib.repr(found)}.")
    most = 2 * (case.micro_batches + case.stages)  # a few too many have a hint of their own
    actions = [action(each, shown) for each in itertools.islice(found, most + 1)]
    if len(actions) > most:
        refuse_numbers(actions, stage, case)
        text = f"more than {most} actions. Each micro-batch has one forward and one backward."
        raise case.wrong(stage, f"{text} Does your function never end, or keep a list from one call to the next?")
    return actions


def action(found: Any, shown: str) -> Action:
    """Read one action; a pair of any kind will do."""
    match found:
        case (str(letter), index):
            number = number_of(index)
        case _:
            raise Wrong(f'An action is a pair, ("F", 0) or ("B", 0); in {shown} one is {reprlib.repr(found)}.')
    if letter not in ("F", "B"):
        raise Wrong(f'The first of a pair is "F" or "B"; in {shown} it is {reprlib.repr(letter)}.')
    if number is None or not number.is_integer():
        raise Wrong(f"The second of a pair is a micro-batch's number; in {shown} it is {brief(index)}.")
    return letter, int(number)


def refuse_alone(actions: list[Action], stage: int, case: Case) -> None:
    """Raise Wrong for what is wrong with one stage's actions by themselves."""
    refuse_numbers(actions, stage, case)
    names = {"F": "forward", "B": "backward"}
    seen: set[Action] = set()
    for letter, number in actions:
        what = f"the {names[letter]} of micro-batch {number}"
        if (letter, number) in seen:
            raise case.wrong(stage, f"{what} comes twice.")
        if letter == "B" and ("F", number) not in seen and ("F", number) in actions:
            raise case.wrong(stage, f"{what} comes before its forward.")
        seen.add((letter, number))
    for letter, number in itertools.product("FB", range(case.micro_batches)):
        if (letter, number) not in seen:
            raise case.wrong(stage, f"the {names[letter]} of micro-batch {number} is missing.")


def refuse_numbers(actions: list[Action], stage: int, case: Case) -> None:
    for _, number in actions:
        if number not in range(case.micro_batches):
            raise case.wrong(stage, f"there is no micro-batch {number}. {COUNTED if case.enough else FEW}")


def refuse_together(schedules: list[list[Action]], case: Case) -> None:
    """Raise Wrong for what is wrong with the stages' actions together: order, memory, time."""
    refuse_order(schedules, case)
    held = [most_in_flight(actions) for actions in schedules]
    allowed = [case.may_hold(stage) for stage in range(case.stages)]
    if all(count >= most for count, most in zip(held, allowed, strict=True)):  # else that is what makes others wait
        refuse_memory(schedules, case)
    ends = [simulated(schedules, case, pace) / sum(pace.values()) for pace in PACES]
    refuse_memory(schedules, case)
    shortest = case.micro_batches + case.stages - 1
    for end in ends:
        if end > shortest:
            raise time_wrong(schedules, case, end, shortest)


def refuse_memory(schedules: list[list[Action]], case: Case) -> None:
    for stage, actions in enumerate(schedules):
        allowed = case.may_hold(stage)
        if most_in_flight(actions) > allowed:
            raise case.wrong(stage, memory_hint(schedules, stage, allowed))


def refuse_order(schedules: list[list[Action]], case: Case) -> None:
    for stage, (mine, after) in enumerate(itertools.pairwise(schedules)):
        for letter, word in (("F", "forwards"), ("B", "backwards")):
            orders = [[number for each, number in actions if each == letter] for actions in (mine, after)]
            if orders[0] != orders[1]:
                text = f"its {word} come in another order than stage {stage + 1}'s. Messages are matched by their order"
                raise case.wrong(stage, f"{text}: one micro-batch would be taken for another.")


def simulated(schedules: list[list[Action]], case: Case, pace: Mapping[str, int]) -> int:
    """Run all stages; return when the last one ends. Wrong where all of them wait."""
    ended: dict[tuple[int, str, int], int] = {}
    free, place = [0] * case.stages, [0] * case.stages
    while any(place[stage] < len(actions) for stage, actions in enumerate(schedules)):
        moved = False
        for stage, actions in enumerate(schedules):
            while place[stage] < len(actions):
                letter, number = actions[place[stage]]
                source = needs(stage, letter, case)
                if source is not None and (source, letter, number) not in ended:
                    break
                came = 0 if source is None else ended[source, letter, number]
                free[stage] = ended[stage, letter, number] = max(free[stage], came) + pace[letter]
                place[stage] += 1
                moved = True
        if not moved:
            raise deadlock(schedules, place, case)
    return max(free)


def needs(stage: int, letter: str, case: Case) -> int | None:
    """Return the stage that an action's input comes from: forward from the one before, backward from the one after."""
    source = stage - 1 if letter == "F" else stage + 1
    return source if source in range(case.stages) else None


def deadlock(schedules: list[list[Action]], place: list[int], case: Case) -> Wrong:
    texts = []
    for stage, actions in enumerate(schedules):
        for letter, number in actions[place[stage] : place[stage] + 1]:
            texts.append(f"stage {stage} waits before its {letter}{number} for stage {needs(stage, letter, case)}")
    text = f"the pipeline stands still: {', '.join(texts[:3])}."
    stage = at_fault(schedules, case, place.index(min(place)))
    return case.wrong(stage, f"{text} Which of two neighbours has to run further ahead?")


def at_fault(schedules: list[list[Action]], case: Case, likely: int = 0) -> int:
    """Return a stage that does not do as in the figure: the likely one, else the first. Call it where something fails.

    Only the figure's order passes (of small pipelines all were tried), so there is one.
    """
    found = ["".join(letter for letter, _ in actions) for actions in schedules]
    others = (stage for stage, letters in enumerate(found) if letters != case.letters(stage))
    return likely if found[likely] != case.letters(likely) else next(others, likely)


def most_in_flight(actions: list[Action]) -> int:
    """Return how many micro-batches are at most between their forward and their backward."""
    return max(itertools.accumulate(1 if letter == "F" else -1 for letter, _ in actions))


def memory_hint(schedules: list[list[Action]], stage: int, allowed: int) -> str:
    actions = schedules[stage]
    held = most_in_flight(actions)
    text = f"{held} micro-batches are in flight, and {allowed} may be."
    if held == len(actions) // 2 and held > allowed + 1:
        return f"{text} All forwards come first: that is GPipe. When may this stage's first backward begin?"
    if stage > 0 and actions == schedules[stage - 1]:
        return f"{text} It does what stage {stage - 1} does. Which of the two is nearer to the first gradient?"
    if [letter for letter, _ in actions].index("B") <= allowed:
        return f"{text} Its first backward comes in time, but later two forwards come in a row."
    if held == allowed + 1:
        return f"{text} One forward too many before the first backward; the first pair has a forward, too."
    return f"{text} How many forwards do the stages behind this one need before the first gradient comes back?"


def time_wrong(schedules: list[list[Action]], case: Case, end: float, shortest: int) -> Wrong:
    """Name the first stage that holds fewer than the figure's, for that is what makes it wait."""
    text = f"nothing is held too long, but the step takes {end:.3g} turns where {shortest} are enough."
    held = [most_in_flight(actions) for actions in schedules]
    if case.micro_batches > 1 and case.stages > 1 and max(held) == 1:
        return case.wrong(0, f"{text} With one micro-batch at a time, one rank works at a time.")
    for stage, count in enumerate(held):
        if count < case.may_hold(stage):
            return case.wrong(stage, f"{text} At most {count} in flight: it stops to wait for a gradient too early.")
    stage = at_fault(schedules, case)
    return case.wrong(stage, f"{text} After the first forwards, does this stage take backward and forward in turn?")
