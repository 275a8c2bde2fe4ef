"""The small float64 models on which MiniDDP is checked, and the one process that it must be equal to."""

import copy
import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

SAMPLES = 4  # per rank and step
WIDTH = 24
SMALL_MB, MIDDLE_MB, LARGE_MB = 0.001, 0.0175, 1000.0  # in the middle: 3.8 layers of the deep model


class Tied(nn.Module):
    """A tiny language model whose output layer is its embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(16, WIDTH)
        self.middle = nn.Linear(WIDTH, WIDTH)
        self.head = nn.Linear(WIDTH, 16, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Take (samples, WIDTH) numbers as tokens; return (samples, 16)."""
        tokens = (x[:, :4].abs() * 100).long() % 16
        return self.head(torch.tanh(self.middle(self.embed(tokens).mean(1))))  # type: ignore[no-any-return]


class Deep(nn.Module):
    """Eight layers of equal size, so that gradients become ready evenly during backward."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(8))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (samples, WIDTH)."""
        for layer in self.layers:
            x = torch.tanh(layer(x))
        return x


class Branches(nn.Module):
    """A trunk and a branch that only some steps, on some ranks, go through."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Linear(WIDTH, WIDTH)
        self.branch = nn.Linear(WIDTH, WIDTH)
        self.out = nn.Linear(WIDTH, 3)
        self.silent = nn.Parameter(torch.ones(3))  # in every step, with a gradient of zero
        self.take_branch = True

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (samples, 3)."""
        hidden = torch.tanh(self.trunk(x))
        found: torch.Tensor = self.out(torch.tanh(self.branch(hidden)) if self.take_branch else hidden)
        return found + 0 * self.silent


class Counter(nn.Module):
    """Passes everything on and counts the positive numbers, in a buffer of whole ones."""

    positive: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("positive", torch.zeros((), dtype=torch.long))
        self.register_buffer("drawn", torch.rand(3), persistent=False)  # no part of the state_dict

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return x."""
        if self.training:
            self.positive += (x > 0).sum()
        return x


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(WIDTH, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 3)).double()


def frozen() -> nn.Module:
    model = mlp()
    for parameter in model[2].parameters():  # type: ignore[index]
        parameter.requires_grad_(False)  # noqa: FBT003 - torch's own signature
    return model


def normed() -> nn.Module:
    norm = nn.BatchNorm1d(32)
    nn.init.normal_(norm.running_mean)  # type: ignore[arg-type]
    return nn.Sequential(nn.Linear(WIDTH, 32), norm, nn.Tanh(), Counter(), nn.Linear(32, 3)).double()


@dataclass(frozen=True)
class Case:
    what: str
    build: Callable[[], nn.Module]
    steps: int = 3
    lr: float = 0.1
    tied: tuple[str, str] | None = None
    tied_names: tuple[str, ...] = ()
    unused: bool = False
    deep: bool = False
    buckets: tuple[float, ...] = (SMALL_MB, LARGE_MB)  # sizes in MiB
    two: bool = False  # a second model trains in between


MODELS = (
    Case("a plain model", mlp, two=True),
    Case("a deep model", lambda: Deep().double(), deep=True, buckets=(SMALL_MB, LARGE_MB, MIDDLE_MB)),
    Case("a model with a tied weight", lambda: Tied().double(), tied=("embed", "head"), tied_names=("embed.weight",)),
    Case("a model with a frozen layer", frozen, buckets=(SMALL_MB,)),
    Case("a model with BatchNorm", normed, buckets=(SMALL_MB,)),
    Case("a branch not used in every step", lambda: Branches().double(), steps=4, unused=True),
)


def shard(number: int, rank: int, device: torch.device | str = "cpu") -> tuple[torch.Tensor, torch.Tensor]:
    """Return inputs (SAMPLES, WIDTH) and wanted outputs (SAMPLES, 3) of one rank in one step."""
    generator = torch.Generator().manual_seed(7919 * number + rank)
    x = torch.randn(SAMPLES, WIDTH, generator=generator, dtype=torch.float64)
    y = torch.randn(SAMPLES, 3, generator=generator, dtype=torch.float64)
    return x.to(device), y.to(device)


def local_step(model: Any, case: Case, number: int, rank: int, size: int) -> torch.Tensor:
    """Return one rank's loss in one step, the mean over its samples."""
    x, y = shard(number, rank, next(model.parameters()).device)
    if case.unused:  # by all, by none, by rank 0 only, by the last rank only
        model.take_branch = (True, False, rank == 0, rank == size - 1)[number % 4]
    return (model(x)[:, :3] - y).square().mean()  # type: ignore[no-any-return]


@functools.cache
def one_process(case: Case, size: int) -> tuple[dict[str, Any], list[tuple[dict[str, Any], list[dict[str, Any]]]]]:
    """Train alone on all shards, from rank 0's start.

    Returns the starting state, and for each step the mean gradients (None where no shard used a parameter)
    and, for each rank, its buffers afterwards: each shard starts from rank 0's.
    """
    torch.manual_seed(1000)
    model = case.build()
    start = {name: value.detach().clone() for name, value in (*model.named_parameters(), *model.named_buffers())}
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=case.lr)
    steps = []
    for number in range(case.steps):
        optimizer.zero_grad()
        before = copy.deepcopy(dict(model.named_buffers()))
        buffers: list[dict[str, Any]] = []
        for rank in range(size):
            for name, value in model.named_buffers():
                value.copy_(before[name])
            (local_step(model, case, number, rank, size) / size).backward()  # type: ignore[no-untyped-call]
            buffers.append({name: value.clone() for name, value in model.named_buffers()})
        for name, value in model.named_buffers():
            value.copy_(buffers[0][name])
        gradients = {n: None if p.grad is None else p.grad.clone() for n, p in model.named_parameters()}
        optimizer.step()
        steps.append((gradients, buffers))
    return start, steps
