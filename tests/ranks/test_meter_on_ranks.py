"""The meter on ranks: what it does with tensors, and how its result travels."""

import gc
import pickle
import subprocess
import sys

import torch
from gloo import on_ranks

from mgpu_lab.metering.meter import Meter
from mgpu_lab.metering.result import MeterRecord


def losses_of_a_model():
    meter, weight = Meter(), torch.ones(3, requires_grad=True)
    for _ in range(5):
        loss = (weight**2).sum()
        meter.step(torch.tensor(7), loss=loss)
    del loss
    gc.collect()
    graphs = [one for one in gc.get_objects() if issubclass(type(one), torch.Tensor) and one.grad_fn is not None]
    return meter.record(), len(graphs)


def test_tensors_become_numbers_and_hold_no_graph():
    (record, graphs), (other, _) = on_ranks(2, losses_of_a_model)
    assert (record.rank, other.rank) == (0, 1)
    assert record.metrics == {"loss": (3.0,) * 5}
    assert (record.items, record.total_items) == ((7.0,) * 5, 35.0)
    assert graphs == 0


def test_a_result_travels_to_a_process_without_torch():
    record = MeterRecord(0, "tokens", 2, 20, 3.0, ((2.0, 10),), (0, 1), (2.0, 1.0), (10, 10), {"loss": (1.0, 0.5)})
    result = record.together([record])
    code = """
import pickle, sys
print(pickle.load(sys.stdin.buffer))
assert not {"torch", "matplotlib", "numpy"} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], input=pickle.dumps(result), capture_output=True, check=True)
    assert done.stdout.decode() == f"{result!r}\n"


def test_a_loss_with_a_graph_is_read_without_a_warning(recwarn):
    meter = Meter()
    meter.step(1, loss=(torch.ones(1, requires_grad=True) * 2).sum())
    assert meter.record().metrics["loss"] == (2.0,)
    assert not [str(each.message) for each in recwarn if "requires" in str(each.message)]
