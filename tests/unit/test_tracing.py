"""What trace_training refuses before it starts a process, and what it says when that process fails."""

import json
import subprocess

import pytest

from mgpu_lab.planner.trace.tracing import trace_training
from mgpu_lab.wire.errors import LabError, UsageError

ROWS = {"forward's end": [["parameters", "weights", 8], ["other", "inputs", 1]], "step": [["gradients", "g", 4]]}
SAID = {"moments": ROWS, "traffic": {"all_gather": [2, 16], "all_reduce": [1, 4]}}


@pytest.fixture
def child(monkeypatch):
    """Stand in for the process: keep the request, give the answer in `said`, `stderr` and `returncode`."""
    asked = {"said": json.dumps(SAID), "stderr": "", "returncode": 0}

    def run(command, *, input, timeout, **_):  # noqa: A002 - subprocess.run's own name
        assert command[1:] == ["-m", "mgpu_lab.planner.trace.child"]
        asked["request"], asked["timeout"] = json.loads(input), timeout
        if asked.get("late"):
            raise subprocess.TimeoutExpired(command, timeout)
        return subprocess.CompletedProcess(command, asked["returncode"], asked["said"], asked["stderr"])

    monkeypatch.setattr(subprocess, "run", run)
    return asked


def test_the_answer_becomes_moments_and_traffic(child):
    trace = trace_training("llama-3.2-1b", 4, method="fsdp", seq_len=128, checkpointing="full")
    assert child["request"]["model"]["shape"]["width"] == 2048
    assert {"world_size": 4, "seq_len": 128, "checkpointing": "full"}.items() <= child["request"].items()
    assert [one.moment for one in trace.moments] == ["forward's end", "step"]
    assert (trace.memory.parameters, trace.memory.other, trace.peak_bytes) == (8, 1, 9)
    assert trace.traffic == {"all_gather": (2, 16), "all_reduce": (1, 4)}


def test_a_factory_is_handed_on_by_name(child):
    trace = trace_training(json.dumps, 2)
    assert child["request"]["model"] == {"factory": "json:dumps"}
    assert trace.shape is None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"method": "zero3"}, "method='zero3' cannot be traced"),
        ({"adapter": "lora"}, "adapter='lora' cannot be traced"),
        ({"offload": "cpu"}, "offload='cpu' cannot be traced"),
        ({"optimizer": "sgd"}, "optimizer='sgd' cannot be traced"),
        ({"pipeline_parallel": 2}, "A pipeline cannot be traced"),
        ({"method": "ddp", "tensor_parallel": 2}, 'choose method="fsdp"'),
        ({"batch": 2}, "has no option batch"),
        ({"seq_len": -1}, "seq_len=-1"),
        ({"tensor_parallel": 3}, "does not divide 8 GPUs"),
        ({"world_size": 0}, "world_size=0"),
        ({"model": "llama-9"}, "There is no model"),
        ({"model": "mixtral-8x7b"}, "mixtral-8x7b cannot be traced"),
        ({"model": "gpt2", "seq_len": 512, "tensor_parallel": 2}, "cannot be traced with tensor parallelism"),
        ({"model": lambda: None}, "a function of a module that can be imported"),
    ],
)
def test_what_cannot_be_traced_is_said_in_one_line(child, options, words):
    model, world_size = options.pop("model", "llama-3.2-1b"), options.pop("world_size", 8)
    with pytest.raises(UsageError) as caught:
        trace_training(model, world_size, **options)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "request" not in child


def test_a_child_that_fails_or_is_late_is_an_error_of_one_line(child):
    child |= {"returncode": 1, "stderr": "Traceback ...\nValueError: no such thing\n"}
    with pytest.raises(LabError, match=r"^The trace's process failed: ValueError: no such thing$"):
        trace_training("llama-3.2-1b")
    child |= {"returncode": 0, "said": json.dumps({"error": "tensor_parallel=8 does not divide"})}
    with pytest.raises(UsageError, match="does not divide"):
        trace_training("llama-3.2-1b")
    child["late"] = True
    with pytest.raises(LabError, match="longer than 3 s"):
        trace_training("llama-3.2-1b", timeout_s=3)
    assert child["timeout"] == 3
