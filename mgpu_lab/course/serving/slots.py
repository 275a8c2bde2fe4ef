"""Which request is where, and how far: what all of lesson 08's ways of serving have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from torch import Tensor


class Slots:
    """Some requests side by side, each in a slot, each at its own position; all ranks of a way call alike.

    A subclass computes: `next_tokens(first, tokens, positions)` gets the new tokens of slots `first`, `first + 1`, ...,
    and their positions, both int64 [slots, new], and returns the token after the last one of each.
    """

    def __init__(self, slots: int, device: Any) -> None:
        self.slots, self.device = slots, device
        self.lengths = [0] * slots  # tokens that each slot has cached

    def next_tokens(self, first: int, tokens: Tensor, positions: Tensor) -> list[int]:
        """Compute; a subclass does."""
        raise NotImplementedError

    def prefill(self, slot: int, prompt: Sequence[int]) -> int:
        """Run a prompt into a slot and return its first new token."""
        self.lengths[slot] = 0
        [token] = self._run(slot, [prompt])
        self.lengths[slot] = len(prompt)
        return token

    def step(self, last: Mapping[int, int]) -> dict[int, int]:
        """Take one decode step from `last`, {slot: its last token}, and return the next token of each.

        One pass takes all slots from 0 to the highest of these; what lies between them is computed, and not used.
        """
        tokens = self._run(0, [[last.get(slot, 0)] for slot in range(max(last) + 1)])
        for slot in last:
            self.lengths[slot] += 1
        return {slot: tokens[slot] for slot in last}

    def free(self, slot: int) -> None:
        """Forget what is in a slot."""
        self.lengths[slot] = 0

    def _run(self, first: int, rows: Sequence[Sequence[int]]) -> list[int]:
        with torch.inference_mode():
            tokens = torch.tensor(rows, device=self.device)
            starts = torch.tensor(self.lengths[first : first + len(rows)], device=self.device)
            return self.next_tokens(first, tokens, starts[:, None] + torch.arange(tokens.shape[1], device=self.device))
