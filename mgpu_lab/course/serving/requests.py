"""Requests for a small server: 32 prompts, and an open stream of requests that arrive whether or not it keeps up.

>>> [request.id for request in poisson_requests(3, per_s=10.0)]
[0, 1, 2]
"""

from __future__ import annotations

import dataclasses
import random
from dataclasses import dataclass
from itertools import accumulate

PROMPTS, PROMPT_TOKENS = 32, 32
SHORTEST = 8  # tokens of a prompt


@dataclass(frozen=True)
class Request:
    """A prompt and how many new tokens it asks for; `arrives_s` is planned: seconds after the load begins."""

    id: int
    arrives_s: float
    prompt: list[int]
    new_tokens: int


@dataclass
class Served:
    """What became of a request: its answer, and when it was admitted and done, in seconds after the load began.

    `latency_s` counts from the *planned* arrival. A clock that starts when the server takes the request leaves out the
    wait (coordinated omission: github.com/giltene/wrk2, README.md).
    """

    request: Request
    admitted_s: float = 0.0
    done_s: float = 0.0
    tokens: list[int] = dataclasses.field(default_factory=list)

    @property
    def finished(self) -> bool:
        """Whether the answer has all tokens that were asked for."""
        return len(self.tokens) >= self.request.new_tokens

    @property
    def latency_s(self) -> float:
        """Seconds from the planned arrival to the last token."""
        return self.done_s - self.request.arrives_s

    @property
    def served_s(self) -> float:
        """Seconds from the admission to the last token: the clock that forgets the queue."""
        return self.done_s - self.admitted_s


def prompts(count: int = PROMPTS, length: int = PROMPT_TOKENS) -> list[list[int]]:
    """Return prompts, bytes as tokens, cut evenly spread from Python's own reference (``pydoc_data.topics``)."""
    from pydoc_data.topics import topics

    text = "\n".join(topics.values()).encode()
    return [list(text[start : start + length]) for start in range(0, len(text) - length, len(text) // count)][:count]


def poisson_requests(
    count: int, per_s: float, seed: int = 0, *, mean_new: float = 8.0, most_new: int = 32
) -> list[Request]:
    """Return requests in order of arrival; the same for the same seed, and for another `per_s` only closer together.

    Arrivals are a Poisson process: the gaps are exponential with mean ``1 / per_s`` seconds. A prompt is one of
    `prompts`, cut to a length that is uniform from 8 to 32 tokens. The answer's length is 2 plus an exponential one of
    mean ``mean_new - 2``, rounded and cut at `most_new`: most are short, a few long.
    """
    draw = random.Random(seed)  # noqa: S311 - no secret
    texts = prompts()
    arrivals = accumulate(draw.expovariate(1.0) for _ in range(count))
    drawn = [(draw.choice(texts), draw.randint(SHORTEST, PROMPT_TOKENS), draw.expovariate(1.0)) for _ in range(count)]
    return [
        Request(number, arrival / per_s, text[:length], min(most_new, 2 + round((mean_new - 2) * size)))
        for number, (arrival, (text, length, size)) in enumerate(zip(arrivals, drawn, strict=True))
    ]
