"""How the costs grow with the number of ranks, and how long a fresh kernel takes to its first step.

Everything is timed from outside real Jupyter kernels. ``--beside CHECKOUT PYTHON`` measures another checkout (with
its own interpreter) in turn with this one and prints the ratios: whatever slows the machine then slows both.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
from measuring import (
    FIRST_ALL_REDUCE,
    ROOT,
    WAIT,
    Row,
    begin,
    cell,
    load_and_warm,
    make_kernel,
    raise_to_idle,
    ratio,
    show,
    timed,
)

ROUNDS, SIZES = 3, (2, 16, 64)
STARTS, CELLS, WARM_UPS, RAISES = 2, 20, 3, 3
LIMITS = {
    "empty cell beyond a bare one, 64 ranks [ms]": 15.0,
    "raise while others wait, to idle, 64 ranks [s]": 1.5,
    "first DDP step of ranks started at once [s]": 1.0,
}
START = "%ranks start -n {} --device cpu"
TORCH = "import torch, torch.distributed"
DDP_STEP = """%%ranks
model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(8, 8))
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
model(torch.ones(4, 8)).sum().backward()
optimizer.step()
"""
Values = dict[str, list[float]]


def measure(checkout: Path) -> Values:
    """Take every figure of one round for the package in ``checkout``."""
    values: Values = collections.defaultdict(list)
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", TORCH], check=True)
    values["importing torch alone [s]"].append(time.perf_counter() - began)
    with tempfile.TemporaryDirectory() as name:
        for steps in (first_all_reduce, first_step, growth):
            with make_kernel(Path(name), PYTHONPATH=str(checkout)) as kernel:
                steps(kernel, values)
    return values


def first_all_reduce(kernel: Any, values: Values) -> None:
    """Time a fresh kernel's way to its first all_reduce, and a first DDP step in ranks that ran that cell."""
    spent_s = sum(timed(kernel, source) for source in ("%load_ext mgpu_lab", START.format(2), FIRST_ALL_REDUCE))
    values["fresh kernel to its first all_reduce, 2 ranks [s]"].append(spent_s)
    cell(kernel, WAIT, timeout_s=300)
    values["first DDP step of ranks that ran a cell then [s]"].append(timed(kernel, DDP_STEP))


def first_step(kernel: Any, values: Values) -> None:
    """Time the first DDP step of ranks that were started at once and have run nothing before everything was loaded."""
    cell(kernel, "%load_ext mgpu_lab")
    cell(kernel, START.format(2))
    cell(kernel, WAIT, timeout_s=300)
    values["first DDP step of ranks started at once [s]"].append(timed(kernel, DDP_STEP))


def growth(kernel: Any, values: Values) -> None:
    """Time start, empty cell and raise for each number of ranks, and add up the memory of all processes."""
    load_and_warm(kernel)
    for size in SIZES:
        for number in range(STARTS):
            values[f"%ranks start, {size} ranks [s]"].append(timed(kernel, START.format(size)))
            if number < STARTS - 1:
                cell(kernel, "%ranks stop")
        cell(kernel, FIRST_ALL_REDUCE)
        for number in range(WARM_UPS + CELLS):
            more_s = timed(kernel, "%%ranks\npass") - timed(kernel, "pass")
            if number >= WARM_UPS:
                values[f"empty cell beyond a bare one, {size} ranks [ms]"].append(1e3 * more_s)
        values[f"memory of kernel, template, {size} ranks [GB]"].append(memory_gb(kernel.pid))
        raises_s = [raise_to_idle(kernel) for _ in range(RAISES)]
        values[f"raise while others wait, to idle, {size} ranks [s]"] += raises_s
        cell(kernel, "%ranks stop")


def memory_gb(pid: int) -> float:
    """Add up the memory of a process and all its descendants; a page that several share counts once."""
    kernel = psutil.Process(pid)
    family = [kernel, *kernel.children(recursive=True)]
    return float(sum(process.memory_full_info().pss for process in family)) / 1e9


def measured_by(python: str, checkout: Path) -> Values:
    """Have ``python`` measure the package in ``checkout``, in a process of its own."""
    command = [python, __file__, "--measure", str(checkout)]
    environ = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environ)
    values: Values = json.loads(done.stdout.splitlines()[-1])
    return values


def rounds(sides: list[tuple[str, Path]], count: int) -> list[Values]:
    """Measure each side once a round, and in every other round in the opposite order."""
    found: list[Values] = [collections.defaultdict(list) for _ in sides]
    for number in range(count):
        order = list(enumerate(sides))
        for side, (python, checkout) in reversed(order) if number % 2 else order:
            for name, values in measured_by(python, checkout).items():
                found[side][name] += values
    return found


def row(name: str, values: list[float], prefix: str = "") -> Row:
    """Make a row; its name ends in the unit."""
    text, _, unit = name.removesuffix("]").rpartition(" [")
    return Row(prefix + text, tuple(values), unit, limit=None if prefix else LIMITS.get(name))


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--beside", nargs=2, metavar=("CHECKOUT", "PYTHON"), help="compare with another checkout")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--measure", type=Path, metavar="CHECKOUT", help="one round, printed as JSON")
    return parser.parse_args()


def main() -> None:
    """Measure and print."""
    options = arguments()
    if options.measure:
        print(json.dumps(measure(options.measure)))
        return
    begin("Growth: 2, 16 and 64 ranks; from a fresh kernel to the first step")
    sides = [(sys.executable, ROOT)]
    if options.beside:
        sides.append((options.beside[1], Path(options.beside[0]).resolve()))
    ours, *others = rounds(sides, options.rounds)
    for name, values in ours.items():
        here = show(row(name, values))
        for other in others:
            ratio("  beside / this", show(row(name, other[name], "  beside: ")), here)


if __name__ == "__main__":
    main()
