"""The small regression that lesson 03's checks of a training step use: data, network, gradients."""

from typing import Any

import torch
from torch import nn

from mgpu_lab.checks.on_ranks import device_here, off

WIDTH = 6
TOLERANCE = 1e-6  # of gradients; token counts may well be kept in fp32


Batch = tuple[torch.Tensor, torch.Tensor]


def data(rows: int, seed: int) -> Batch:
    """Return inputs (rows, WIDTH) and wanted outputs (rows, 2); what each row is like depends on the seed."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, WIDTH, generator=generator, dtype=torch.float64) + seed % 5
    y = torch.randn(rows, 2, generator=generator, dtype=torch.float64) * (1 + seed % 3)
    return x.to(device_here()), y.to(device_here())


def network(outputs: int = 2) -> nn.Module:
    torch.manual_seed(5)
    layers = (
        nn.Linear(WIDTH, 8),
        nn.Tanh(),
        nn.Linear(8, 8),
        nn.Tanh(),
        nn.Linear(8, outputs),
    )  # two biases of one shape
    return nn.Sequential(*layers).double().to(device_here())


def mean_loss(model: Any, batch: Batch) -> torch.Tensor:
    x, y = batch
    return (model(x) - y).square().sum(1).mean()  # type: ignore[no-any-return]


def gradients(model: nn.Module) -> list[torch.Tensor]:
    return [torch.zeros_like(p) if p.grad is None else p.grad.detach().clone() for p in model.parameters()]


def worst(found: list[torch.Tensor], wanted: list[torch.Tensor], factor: float = 1.0) -> float:
    """Return the largest relative difference between ``found`` and ``factor * wanted``."""
    return max(off(a, factor * b) for a, b in zip(found, wanted, strict=True))
