"""What the template loads on a machine with a GPU leaves CUDA alone: no fork of a process that has it can use it."""

import subprocess
import sys

LOADS = """
import contextlib, importlib, sys, tempfile
import torch
asked = []
torch.cuda.is_available, torch.cuda.device_count = (lambda: True), (lambda: 1)
torch.version.cuda = torch.version.cuda or "13.0"
torch.cuda._lazy_init = lambda: asked.append(name)
torch.cuda.get_device_capability = lambda *_: asked.append(name) or (9, 0)
torch.cuda.get_device_properties = lambda *_: asked.append(name)
from mgpu_lab.rank.template import to_load
for name in [*to_load(driver=True), *sys.argv[1:]]:
    module, _, function = name.partition(":")
    with contextlib.suppress(Exception):  # bitsandbytes finds no GPU behind these answers
        loaded = importlib.import_module(module)
        if function:
            getattr(loaded, function)(tempfile.mkdtemp())
print("asked the GPU:", sorted(set(asked)))
"""


def loaded(*more):
    done = subprocess.run([sys.executable, "-c", LOADS, *more], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1]


def test_nothing_that_the_template_loads_asks_the_gpu():
    assert loaded() == "asked the GPU: []"


def test_bitsandbytes_does_and_is_why_it_is_left_out():
    assert loaded("bitsandbytes") == "asked the GPU: ['bitsandbytes']"
