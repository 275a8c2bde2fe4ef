"""The layers that lesson 05's `MyLoRA` is tried on: plain ones that count their calls, and a packed one."""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional


@dataclass(frozen=True)
class Case:
    """One layer to adapt; ``shape`` is the input's, without its last dimension."""

    inside: int
    outside: int
    r: int
    alpha: float
    shape: tuple[int, ...] = (7,)
    bias: bool = True
    packed: bool = False

    @property
    def call(self) -> str:
        kind = "a packed layer" if self.packed else f"Linear({self.inside}, {self.outside}, bias={self.bias})"
        return f"MyLoRA({kind}, {self.r}, {self.alpha:g})"

    @property
    def trained(self) -> int:
        return self.r * (self.inside + self.outside)


CASES = (
    Case(24, 40, r=4, alpha=12),
    Case(32, 16, r=8, alpha=6, shape=(2, 5), bias=False),
    Case(20, 12, r=3, alpha=12, shape=()),
    Case(10, 48, r=1, alpha=5, shape=(3, 1, 2)),
    Case(24, 40, r=4, alpha=8, bias=False, packed=True),
)


class Plain(nn.Linear):
    """A frozen layer that counts how often it is called."""

    calls = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return super().forward(x)


class Packed(nn.Module):
    """A frozen layer whose weight is no matrix: two numbers to a byte, as `Linear4bit` stores them."""

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.in_features, self.out_features, self.bias = inside, outside, None
        self.weight = nn.Parameter(torch.randint(0, 256, (inside * outside // 2, 1), dtype=torch.uint8), False)  # noqa: FBT003

    def matrix(self) -> torch.Tensor:
        halves = torch.cat([self.weight >> 4, self.weight & 15], dim=1)
        return (halves.float() / 15 - 0.5).view(self.out_features, self.in_features)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.linear(x, self.matrix())
