"""Run a script under torchrun from a notebook cell, as it would run without a notebook, and read what it said.

    ran = under_torchrun("train.py", "--epochs", "2")          # a file
    ran = under_torchrun(program, TORCH_DISTRIBUTED_DEBUG="INFO")   # a text of several lines, as a file of its own
    ran.exit_status, ran.seconds, ran.find("Timed out .*")

It is ``python -m torch.distributed.run --standalone --nproc_per_node=N``. ``--standalone`` picks a free port, so that
two runs on one machine do not collide.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

NOTHING = "(nothing)"


@dataclass(frozen=True)
class Ran:
    """A finished run: ``exit_status`` (None where it was ended at the limit), ``seconds``, what it wrote."""

    exit_status: int | None
    seconds: float
    output: str
    errors: str

    def find(self, pattern: str) -> str:
        """Return the first text that matches in the output, then in the errors.

        >>> Ran(1, 2.0, "", "[rank0]: RuntimeError: Timed out waiting 5000ms for recv").find("Timed out .*ms")
        'Timed out waiting 5000ms'
        """
        found = re.search(pattern, self.output) or re.search(pattern, self.errors)
        return found.group(0) if found else NOTHING

    def lines(self, pattern: str = "") -> list[str]:
        """Return the lines of the output in which the pattern is found."""
        return [line for line in self.output.splitlines() if re.search(pattern, line)]


def under_torchrun(program: str, *arguments: str, ranks: int = 2, limit_s: float = 300, **environment: str) -> Ran:
    """Run a file, or a program text of several lines, on ``ranks`` new processes; the notebook's ranks go on beside it.

    Beyond ``limit_s`` the run is ended, and ``exit_status`` is None.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = program
        if "\n" in program:
            path = str(Path(folder, "program.py"))
            Path(path).write_text(program, encoding="utf-8")
        launcher = ["torch.distributed.run", "--standalone", f"--nproc_per_node={ranks}"]
        command = [sys.executable, "-m", *launcher, path, *arguments]
        began = time.perf_counter()
        status, output, errors = finished(command, os.environ | threads(ranks) | environment, limit_s)
        return Ran(status, time.perf_counter() - began, output, errors)


def threads(ranks: int) -> dict[str, str]:
    """Share the cores out, as the notebook's ranks do; torchrun would set 1 and print a page about it."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return {"OMP_NUM_THREADS": str(max(1, cores // ranks))}


def finished(command: list[str], environment: dict[str, str], limit_s: float) -> tuple[int | None, str, str]:
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment) as process:
        try:
            output, errors = process.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            process.terminate()  # torchrun passes it on to its ranks
            output, errors = process.communicate()
            return None, output, errors
        return process.returncode, output, errors
