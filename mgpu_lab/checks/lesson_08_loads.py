"""Requests for the check of lesson 08's scheduler: when they come, how long they are, which are cancelled."""

import random
from dataclasses import dataclass, field, replace

MOST_REQUESTS = 24


@dataclass(frozen=True)
class Request:
    """What a scheduler sees of a request. `made` of its `new_tokens` tokens have been generated."""

    id: int
    prompt: int  # tokens
    new_tokens: int
    made: int = 0
    cancelled: bool = False

    @property
    def over(self) -> bool:
        return self.cancelled or self.made >= self.new_tokens


@dataclass
class Load:
    """Requests that come in these steps, and those that are cancelled in some."""

    slots: int
    budget: int
    requests: list[Request]
    arrives: list[int]  # steps, in order
    cancelled: dict[int, int] = field(default_factory=dict)  # a request's id: the step


def by_hand() -> list[Load]:
    """Return small loads whose hints say most."""
    return [
        load(1, 100, (3, 2)),
        load(2, 100, (3, 1), (3, 3)),
        load(2, 100, (5, 3), (5, 3), (5, 3)),
        load(3, 100, (5, 4), (5, 2), (5, 3), (5, 2), (5, 1)),
        load(4, 20, (8, 3), (8, 3), (8, 3), (2, 3)),
        load(4, 20, (12, 6), (10, 2), (10, 2), (1, 2)),
        load(2, 60, (4, 9), (4, 3), (4, 2), cancelled={0: 2}),
        load(1, 60, (4, 3), (9, 3), (4, 2), cancelled={1: 1}),
        load(3, 60, (4, 2), (4, 2), (4, 2), arrives=[0, 0, 6]),
        *by_hand_cancelled(),
        # The longest prompts that are promised, budget - slots + 1: beside nobody, slots - 1, and all slots.
        load(1, 8, (8, 2), (8, 1)),
        load(4, 20, (17, 3), (17, 2)),
        load(4, 20, (17, 2), (1, 9), (1, 9), (1, 9), (17, 3), (17, 3)),
        load(12, 200, *[(3, 4)] * 20),
    ]


def by_hand_cancelled() -> list[Load]:
    """Return small loads in which several are cancelled at once, or one beside prompts that fill the budget."""
    return [
        load(2, 60, (4, 2), (4, 2), (4, 3), (4, 2), cancelled={0: 0, 1: 0}),
        load(2, 60, (4, 2), (4, 2), (4, 2), (4, 3), (4, 2), cancelled={0: 0, 1: 0, 2: 0}),
        load(1, 60, (4, 3), (4, 2), (4, 2), (4, 2), (4, 2), cancelled={1: 3, 2: 3, 3: 3}),
        load(4, 60, (4, 9), (4, 9), (4, 9), (4, 9), cancelled={1: 2, 2: 2}),
        load(4, 60, (4, 9), (4, 9), (4, 9), (4, 9), (4, 2), cancelled={0: 2, 1: 2, 2: 2}),
        load(4, 20, (4, 9), (4, 9), (9, 2), (10, 2), arrives=[0, 0, 2, 2], cancelled={0: 2}),
    ]


def load(
    slots: int,
    budget: int,
    *sizes: tuple[int, int],
    arrives: list[int] | None = None,
    cancelled: dict[int, int] | None = None,
) -> Load:
    requests = [Request(number, prompt, new_tokens) for number, (prompt, new_tokens) in enumerate(sizes)]
    return Load(slots, budget, requests, arrives or [0] * len(requests), cancelled or {})


def at_random(seed: int) -> Load:
    """Return a random load whose longest prompt always fits beside the other slots' tokens."""
    dice = random.Random(seed)  # noqa: S311 - no secret
    slots, longest = dice.randint(1, 6), dice.choice((4, 16, 40))
    sizes = [(dice.randint(1, longest), dice.choice((1, 2, 5, dice.randint(1, 30)))) for _ in range(MOST_REQUESTS)]
    sizes = sizes[: dice.randint(1, MOST_REQUESTS)]
    arrives = sorted(dice.choice((0, dice.randint(0, 60))) for _ in sizes)
    cancelled = {number: step + dice.randint(0, 12) for number, step in enumerate(arrives) if dice.random() < 0.15}  # noqa: PLR2004
    numbered = load(slots, longest + slots + dice.choice((0, 3, 60)), *sizes, arrives=arrives, cancelled=cancelled)
    ids = dice.sample(range(100), len(sizes))  # the order is that of arrival, not that of the ids
    numbered.requests = [replace(each, id=ids[each.id]) for each in numbered.requests]
    numbered.cancelled = {ids[number]: step for number, step in cancelled.items()}
    return numbered


def next_token(number: int, made: list[int]) -> int:
    return (31 * (made[-1] if made else number) + 7 * len(made) + number) % 251


def alone(request: Request) -> list[int]:
    """Return a request's tokens when it is served alone."""
    made: list[int] = []
    for _ in range(request.new_tokens):
        made.append(next_token(request.id, made))
    return made
