"""Run a script under torchrun, as outside the course, and return what it said."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path


def torchrun(script: str, ranks: int = 2, *, limit_s: float = 120.0, **environment: str) -> str:
    """Run ``script`` on ``ranks`` processes of this machine and return its output and its errors, one after the other.

    ``environment`` is set for the script, such as ``TORCH_DISTRIBUTED_DEBUG="DETAIL"``. The rest is this process's own.

    Raises:
        subprocess.TimeoutExpired: it ran longer than ``limit_s`` seconds; it and its ranks were ended.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "script.py"
        file.write_text(script)
        options = ["--standalone", f"--nproc_per_node={ranks}"]
        command = [sys.executable, "-m", "torch.distributed.run", *options, str(file)]
        pipe, surroundings = subprocess.PIPE, os.environ | environment
        with subprocess.Popen(
            command, stdout=pipe, stderr=pipe, text=True, env=surroundings, start_new_session=True
        ) as running:
            try:
                return "".join(running.communicate(timeout=limit_s))
            except subprocess.TimeoutExpired:
                os.killpg(running.pid, signal.SIGKILL)
                raise
