"""Setup verification: what this machine has, whether that is good for the course, what to do where it is not.

>>> from mgpu_lab.verification import example, verify
>>> report = verify()  # this machine; a few seconds
>>> report.ok  # nothing keeps the course from running
True
>>> verify(example("rtx4090_no_peer")).find("peer access")[0].status
'warn'
"""

from mgpu_lab.reports import Row
from mgpu_lab.verification.diagnose import diagnose
from mgpu_lab.verification.machine import Machine, example, examples, load, read_machine
from mgpu_lab.verification.report import Report

__all__ = ["Machine", "Report", "Row", "example", "examples", "load", "verify"]


def verify(machine: Machine | None = None, *, timeout_s: float = 120.0) -> Report:
    """Look at this machine, or judge the facts of another one (``example``, ``load``).

    ``timeout_s`` bounds the process that imports torch to describe it; the calling process imports no torch
    and never initialises CUDA.
    """
    return diagnose(read_machine(timeout_s) if machine is None else machine)
