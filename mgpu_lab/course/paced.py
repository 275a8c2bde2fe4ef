"""A linear layer that takes a given time: pipeline stages that are balanced by construction, on any machine.

>>> layer = PacedLinear(64, seconds=0.01)  # doctest: +SKIP
>>> layer(x).sum().backward()  # forward takes 10 ms, backward 20 ms  # doctest: +SKIP

It multiplies for real and then holds its rank until the time is over. On CPU ranks the rank sleeps meanwhile, as if a
GPU computed: so four ranks do not compete for two cores. On a GPU a spinning kernel holds the GPU (on an H100, with
another process beside it, 20 ms became 22). Forward and backward are operators of their own, which the profiler records
as computing; a sleep in a module's forward would look like idle time.
"""

from __future__ import annotations

import functools
import time
from typing import Any

import torch
from torch import Tensor, nn

CYCLES = 10_000_000  # of the spinning kernel whose time is taken: some milliseconds
WARM_UP_S = 0.3  # a GPU that has been idle counts slowly at first: an H100 720 million cycles a second instead of 1,800


class PacedLinear(nn.Module):
    """``x @ weight`` for x of shape [..., width]: ``seconds`` in forward, twice that in backward, as for a real one."""

    def __init__(self, width: int, seconds: float, device: Any = None) -> None:
        super().__init__()
        self.seconds = seconds
        self.weight = nn.Parameter(torch.randn(width, width, device=device) / width**0.5)

    def forward(self, x: Tensor) -> Tensor:
        return paced(x, self.weight, self.seconds)


def paced(x: Tensor, weight: Tensor, seconds: float) -> Tensor:
    """Return ``x @ weight`` after ``seconds``; its backward takes twice as long, for it has two products to compute."""
    product: Tensor = _paced(x, weight, seconds)
    return product


def hold(since: float, seconds: float, device: torch.device) -> None:
    """Hold the rank until ``seconds`` after ``since``; on a GPU, hold the GPU for ``seconds``."""
    if device.type == "cuda":
        torch.cuda._sleep(int(seconds * cycles_per_s(device)))  # type: ignore[no-untyped-call]  # noqa: SLF001
    else:
        time.sleep(max(0.0, since + seconds - time.perf_counter()))


@functools.cache
def cycles_per_s(device: torch.device) -> float:
    """Time the spinning kernel until its clock has risen: a GPU's clock is its own affair."""
    began, found = time.perf_counter(), 0.0
    while time.perf_counter() < began + WARM_UP_S:
        found = _cycles_per_s(device)
    return found


def _cycles_per_s(device: torch.device) -> float:
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
    torch.cuda.synchronize(device)
    start.record()
    torch.cuda._sleep(CYCLES)  # type: ignore[no-untyped-call]  # noqa: SLF001 - PyTorch's own tests hold a GPU so
    end.record()
    end.synchronize()
    return float(CYCLES / (start.elapsed_time(end) / 1e3))


@torch.library.custom_op("mgpu_lab::paced", mutates_args=())
def _paced(x: Tensor, weight: Tensor, seconds: float) -> Tensor:
    began = time.perf_counter()
    product = x @ weight
    hold(began, seconds, x.device)
    return product


@torch.library.custom_op("mgpu_lab::paced_backward", mutates_args=())
def _paced_backward(grad: Tensor, x: Tensor, weight: Tensor, seconds: float) -> tuple[Tensor, Tensor]:
    began = time.perf_counter()
    for_x, for_weight = grad @ weight.T, x.flatten(0, -2).T @ grad.flatten(0, -2)
    hold(began, 2 * seconds, x.device)
    return for_x, for_weight


@_paced.register_fake
def _shape(x: Tensor, weight: Tensor, seconds: float) -> Tensor:  # noqa: ARG001 - as the operator's
    return x @ weight


@_paced_backward.register_fake
def _shapes(grad: Tensor, x: Tensor, weight: Tensor, seconds: float) -> tuple[Tensor, Tensor]:  # noqa: ARG001
    return torch.empty_like(x), torch.empty_like(weight)


def _remember(ctx: Any, inputs: tuple[Tensor, Tensor, float], output: Tensor) -> None:  # noqa: ARG001
    x, weight, ctx.seconds = inputs
    ctx.save_for_backward(x, weight)


def _gradients(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
    for_x, for_weight = _paced_backward(grad.contiguous(), *ctx.saved_tensors, ctx.seconds)
    return for_x, for_weight, None


_paced.register_autograd(_gradients, setup_context=_remember)
