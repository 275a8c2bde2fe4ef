"""The paced layer takes its time, its gradients are a linear layer's, and the profiler sees it computing."""

import time

import torch
from gloo import on_ranks
from torch.profiler import ProfilerActivity, profile

from mgpu_lab.course.paced import PacedLinear

SECONDS = 0.03


def timed():
    torch.manual_seed(0)
    layer, x, grad = PacedLinear(8, SECONDS), torch.randn(2, 3, 8, requires_grad=True), torch.randn(2, 3, 8)
    found, wanted = (torch.autograd.grad(y, (layer.weight, x), grad) for y in (layer(x), x @ layer.weight))
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        began = time.perf_counter()
        y = layer(x)
        between = time.perf_counter()
        y.backward(grad)
        took = between - began, time.perf_counter() - between
    spans = {event.name: event.time_range.elapsed_us() / 1e6 for event in seen.events()}
    equal = all(torch.allclose(a, b, atol=1e-6) for a, b in zip(found, wanted, strict=True))
    return equal, took, (spans["mgpu_lab::paced"], spans["mgpu_lab::paced_backward"])


def test_it_takes_its_time_and_is_recorded_as_computing():
    for equal, took, recorded in on_ranks(2, timed):
        assert equal
        for least, seconds, span in zip((SECONDS, 2 * SECONDS), took, recorded, strict=True):
            assert least <= seconds < least + 1
            assert 0.99 * least <= span <= seconds
