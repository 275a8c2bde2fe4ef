"""What a way of serving costs, measured on the ranks: seconds, bytes of weights and KV cache, messages of a step.

`way_table` shows the ways in the notebook; nothing here loads torch there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypedDict

from mgpu_lab.course.timing import fastest_s
from mgpu_lab.course.traffic import traffic

if TYPE_CHECKING:
    from mgpu_lab.course.serving.slots import Slots

    Generate = Callable[[Slots, Sequence[list[int]], int], list[list[int]]]

NEW_TOKENS, BATCHES = 128, (1, 8, 32)
WARM_UP_TOKENS = 4


class WayCosts(TypedDict):
    """The figures of one rank; `seconds` by how many requests all ranks answered together."""

    answers: list[list[int]]
    seconds: dict[int, float]
    first_token_s: float
    sent: dict[str, tuple[int, int]]  # collective: (calls, bytes) of a decode step of one request
    weights_bytes: int
    kv_bytes: int


def way_costs(way: Any, generate: Generate, prompts: Sequence[list[int]], replicas: int = 1) -> WayCosts:
    """Measure a way with `generate(way, prompts, new_tokens)`: one prompt, then 8 at once, then all 32.

    With replicas each rank answers its share, every `replicas`-th prompt, while the others answer theirs.
    """
    import torch.distributed as dist

    from mgpu_lab.ledger import memory_ledger

    first_token_s = fastest_s(lambda: way.prefill(0, prompts[0]))
    with traffic() as sent:
        way.step({0: prompts[0][0]})
    mine = slice(dist.get_rank() % replicas, None, replicas)
    runs: dict[int, list[list[int]]] = {}

    def answer(batch: int) -> None:
        runs[batch] = generate(way, prompts[:batch][mine], NEW_TOKENS)

    def answer_s(batch: int) -> float:
        generate(way, prompts[:batch][mine], WARM_UP_TOKENS)
        if replicas > 1:
            dist.barrier()
        return fastest_s(lambda: answer(batch), 1, warm_up=0)

    seconds = {batch: answer_s(batch) for batch in BATCHES if batch >= replicas}
    held = memory_ledger(way.model)
    return WayCosts(
        answers=runs[max(runs)],
        seconds=seconds,
        first_token_s=first_token_s,
        sent={name: (calls, sent.bytes[name]) for name, calls in sent.calls.items()},
        weights_bytes=held.parameters,
        kv_bytes=held.named("KV cache"),
    )
