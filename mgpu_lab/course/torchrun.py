r"""Run a script under torchrun, as in a terminal, and keep what its ranks said.

>>> said = torchrun("import torch.distributed as dist\ndist.init_process_group('gloo')")  # doctest: +SKIP
>>> said.command, said.returncode  # doctest: +SKIP
('torchrun --standalone --nproc_per_node=2 script.py', 0)
>>> torchrun("train.py", "--epochs", "2").find("epoch 2: .*")  # doctest: +SKIP
'epoch 2: mean loss 2.345'

The script runs in new processes, without this package: what it shows holds anywhere. ``--standalone`` picks a free
port, so that two runs on one machine do not collide. Each rank writes to a log file of its own (``--redirects``).
"""

import os
import re
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

LINE_WIDTH = 110
NOTHING = "(nothing)"
_NOT_PASSED_ON = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
_SHORTER = (
    (r"\[?/\S*/(\w+\.(?:cc|cpp|hpp):\d+)\]?", r"[\1]"),  # where PyTorch's own source lay when it was built
    (r"[^\s\"]*/(\w+\.py)\b", r"\1"),
    (r"\]:\d+", "]:PORT"),
    (r"(port[=:] ?)\d+", r"\1PORT"),
    (r"\bpid: \d+", "pid: PID"),
)


@dataclass(frozen=True)
class Said:
    """What a run under torchrun left: ``output`` has all ranks' lines, below them errors and torchrun's report."""

    command: str
    returncode: int
    output: str
    seconds: float  # from torchrun's start to its end
    printed: str = ""  # the ranks' standard output alone

    def find(self, pattern: str) -> str:
        """Return the first text that matches a regular expression.

        >>> Said("torchrun", 1, "[rank0]: RuntimeError: Timed out waiting 5000ms for recv", 9.0).find("Timed .*ms")
        'Timed out waiting 5000ms'
        """
        found = re.search(pattern, self.output)
        return found.group(0) if found else NOTHING

    def lines(self, *words: str) -> list[str]:
        """Return the lines that hold one of the words, each once, in alphabetical order: ranks speak in any order.

        Folders, ports and process ids, which differ from machine to machine, are left out of them.
        """
        found = {line.strip() for line in self.output.splitlines() if any(word in line for word in words)}
        return sorted({_shorter(line) for line in found})

    def show(self, *words: str, most: int | None = None) -> None:
        """Print the command, and below it the lines (``most`` of them) that hold one of the words, each marked ».

        Raises:
            LookupError: one of the words was not said; the message holds all that was.
        """
        missing = [word for word in words if not self.lines(word)]
        if missing:
            msg = f"{self.command} did not say {missing} but:\n{self.output}"
            raise LookupError(msg)
        print(f"$ {_shorter(self.command)}")
        for line in self.lines(*words)[:most]:
            print(textwrap.fill(line, LINE_WIDTH, initial_indent="» ", subsequent_indent="» "))


def torchrun(
    program: str,
    *arguments: str,
    options: Sequence[str] = ("--standalone",),
    ranks: int = 2,
    timeout_s: float = 300,
    **variables: str,
) -> Said:
    """Run a file, or a text of Python (on CPU ranks, in a folder of its own), under torchrun and wait for its end.

    ``arguments`` go to the program, ``options`` to torchrun; ``variables`` are added to the environment.

    Raises:
        subprocess.TimeoutExpired: it took longer than ``timeout_s``; torchrun and its ranks were ended.
    """
    began, is_text = time.perf_counter(), not program.endswith(".py")
    with tempfile.TemporaryDirectory() as folder:
        if is_text:
            Path(folder, "script.py").write_text(program, encoding="utf-8")
        words = [*options, f"--nproc_per_node={ranks}", "script.py" if is_text else program, *arguments]
        command = [sys.executable, "-m", "torch.distributed.run", "--redirects=3", f"--log_dir={folder}", *words]
        environment = _environment({"CUDA_VISIBLE_DEVICES": "", **variables} if is_text else variables)
        status, report = _finished(command, environment, folder if is_text else None, timeout_s)
        printed, errors = _of_ranks(folder, "stdout.log"), _of_ranks(folder, "stderr.log")
    shown = " ".join([*(f"{name}={value}" for name, value in variables.items()), "torchrun", *words])
    return Said(shown, status, printed + errors + report, time.perf_counter() - began, printed)


def _finished(command: list[str], environment: dict[str, str], folder: str | None, timeout_s: float) -> tuple[int, str]:
    """Return torchrun's exit status and its own report; what its ranks said is in their log files."""
    pipe, both = subprocess.PIPE, subprocess.STDOUT
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=pipe, stderr=both, text=True, errors="replace"
    ) as process:
        try:
            report, _ = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            process.terminate()  # torchrun ends its ranks; killed, it would leave them behind
            process.communicate()
            raise
        return process.returncode, report


def _of_ranks(folder: str, name: str) -> str:
    """Join one log file of each rank, in their order: in a shared pipe two ranks' lines could mix."""
    logs = sorted(Path(folder).glob(f"*/attempt_*/*/{name}"), key=lambda log: int(log.parent.name))
    return "".join(log.read_text(encoding="utf-8", errors="replace") for log in logs)


def _environment(variables: dict[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in _NOT_PASSED_ON}
    return {**kept, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1", **variables}


def _shorter(line: str) -> str:
    for pattern, short in _SHORTER:
        line = re.sub(pattern, short, line)
    return line
