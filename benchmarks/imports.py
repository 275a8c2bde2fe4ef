"""What ``import mgpu_lab`` and ``%load_ext mgpu_lab`` cost a notebook's kernel; torch must stay out of it.

Measured in fresh processes that have IPython running already, and in fresh Jupyter kernels.
Not covered: the template process, which imports torch in the background from then on.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from measuring import ROOT, Row, begin, cell, make_kernel, show

PROCESSES, KERNELS = 10, 3
LIMIT_S = 0.3
TIMED = """
import json, sys, time
began = time.perf_counter()
import mgpu_lab
imported = time.perf_counter()
get_ipython().run_line_magic("load_ext", "mgpu_lab")
loaded = time.perf_counter()
print(json.dumps([imported - began, loaded - began, "torch" in sys.modules]))
"""
IN_IPYTHON = f"""
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
shell.run_cell({TIMED!r})
"""


def in_processes() -> list[tuple[float, float, bool]]:
    """Measure in fresh processes with IPython's own start already behind them."""
    found = []
    with tempfile.TemporaryDirectory() as name:
        path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        env = {**os.environ, "PYTHONPATH": path, "IPYTHONDIR": name}
        for _ in range(PROCESSES):
            command = [sys.executable, "-c", IN_IPYTHON]
            text = subprocess.check_output(command, env=env, cwd=name, text=True, timeout=60)
            found.append(json.loads(text.splitlines()[-1]))
    return found


def in_kernels() -> list[tuple[float, float, bool]]:
    """Measure in fresh kernels."""
    found = []
    for _ in range(KERNELS):
        with tempfile.TemporaryDirectory() as name, make_kernel(Path(name)) as kernel:
            found.append(json.loads(cell(kernel, TIMED)))
    return found


def main() -> None:
    """Measure and print."""
    begin("Importing")
    for where, found in (("IPython", in_processes()), ("a Jupyter kernel", in_kernels())):
        show(Row(f"import mgpu_lab, in {where}", tuple(import_s for import_s, _, _ in found), "s"))
        both = tuple(both_s for _, both_s, _ in found)
        show(Row(f"import mgpu_lab and %load_ext mgpu_lab, in {where}", both, "s", limit=LIMIT_S))
        print(f"  torch in sys.modules: {any(torch for _, _, torch in found)} (must be False)")


if __name__ == "__main__":
    main()
