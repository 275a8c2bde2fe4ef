r"""Run a small script under torchrun, as in a terminal, and keep what its ranks said.

>>> said = torchrun("import torch.distributed as dist\ndist.init_process_group('gloo')")  # doctest: +SKIP
>>> said.command, said.returncode  # doctest: +SKIP
('torchrun --standalone --nproc_per_node=2 script.py', 0)

The script runs in new processes, in a folder of its own, without this package: what it shows holds anywhere.
"""

import os
import re
import subprocess
import sys
import tempfile
import textwrap
import time
from dataclasses import dataclass
from pathlib import Path

LINE_WIDTH = 110
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
    """What a run under torchrun left: ``output`` has all ranks' lines, and torchrun's own report, as they came."""

    command: str
    returncode: int
    output: str
    seconds: float  # from torchrun's start to its end

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


def torchrun(script: str, *options: str, ranks: int = 2, timeout_s: float = 120, **variables: str) -> Said:
    """Run a script on CPU ranks under torchrun and wait for its end; ``variables`` are added to its environment.

    Raises:
        subprocess.TimeoutExpired: it took longer than ``timeout_s``; torchrun and its ranks were ended.
    """
    options, began = options or ("--standalone",), time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "script.py").write_text(script, encoding="utf-8")
        arguments = [*options, f"--nproc_per_node={ranks}", "script.py"]
        ran = subprocess.run(
            [sys.executable, "-m", "torch.distributed.run", *arguments],
            cwd=folder,
            env=_environment(variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
        )
    shown = [f"{name}={value}" for name, value in variables.items()]
    return Said(" ".join([*shown, "torchrun", *arguments]), ran.returncode, ran.stdout, time.perf_counter() - began)


def _environment(variables: dict[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in _NOT_PASSED_ON}
    return {**kept, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", **variables}


def _shorter(line: str) -> str:
    for pattern, short in _SHORTER:
        line = re.sub(pattern, short, line)
    return line
