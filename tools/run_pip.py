"""Run pip in .venv with its output in a log, a line of progress on the screen, and one line when it fails.

What is installed, and in which order, is tools/install.py's to say.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
LOG = VENV / "install.log"
CONSTRAINTS = "constraints.txt"


class SetupError(Exception):
    """What went wrong and what to do, in one line."""


def pip(what: str, *arguments: str, constraints: str = CONSTRAINTS) -> None:
    """Run pip, telling `what` it installs; raises SetupError with the likely reason."""
    say(f"installing {what}")
    if not try_pip(*arguments, constraints=constraints):
        words = LOG.read_text(errors="replace")
        raise SetupError(explain(words) or f"pip failed: {last_line(words)} (all of it: {LOG})")


def try_pip(*arguments: str, constraints: str = CONSTRAINTS) -> bool:
    """Run pip in .venv with its output in the log and, on a terminal, its current line on the screen.

    `constraints` is a file of this project with the versions to keep to, "" for none.
    """
    # Relative, since pip splits these at spaces. Unlike -c they hold for what builds a package, too.
    held = {"PIP_CONSTRAINT": constraints, "PIP_BUILD_CONSTRAINT": constraints, "PIP_USER": "0"}
    env = {**os.environ, **held, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PYTHONUNBUFFERED": "1"}
    command = [str(PYTHON), "-m", "pip", "--no-input", *arguments]
    with (
        LOG.open("a") as log,
        subprocess.Popen(
            command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        ) as process,
    ):
        log.write(f"$ pip {' '.join(arguments)}\n")
        for line in process.stdout or ():
            log.write(line)
            show_progress(line)
        show_progress("")
    return process.returncode == 0


def show_progress(line: str) -> None:
    """Show pip's line over the one before, on a terminal only."""
    if sys.stdout.isatty():
        width = shutil.get_terminal_size().columns - 1
        print("\r\033[K" + line.strip()[:width], end="", flush=True)


def explain(words: str) -> str:
    """Return the one-line reason behind pip's or venv's output where it is a known one, else ""."""
    if "No space left on device" in words:
        return f"the disk is full: make room (or set TMPDIR to a larger one), then run it again ({LOG})"
    if re.search(r"NewConnectionError|NameResolutionError|ConnectTimeout|ProxyError|Read timed out", words):
        return f"the network failed on the way: run it again, it goes on from here ({LOG})"
    return ""


def last_line(words: str) -> str:
    """Return the last line that is an error, else the last one."""
    lines = [line.strip() for line in words.splitlines() if line.strip()] or ["no output"]
    return next((line for line in reversed(lines) if "error" in line.lower()), lines[-1])


def say(text: str) -> None:
    """Print one line of progress."""
    print(f"mgpu_lab: {text}", flush=True)
