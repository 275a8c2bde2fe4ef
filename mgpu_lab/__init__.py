"""mgpu_lab: run notebook cells on several ranks, and see where their memory and time go.

Importing this package imports neither torch nor anything that touches a GPU.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__version__ = "0.1.0"

_HOMES = {
    "Ranks": "engine.ranks",
    "LabError": "wire.errors",
    "UsageError": "wire.errors",
    "RanksError": "wire.errors",
    "CellError": "engine.results",
    "RunResult": "engine.results",
    "RankResult": "engine.results",
    "RankError": "engine.results",
    "Meter": "metering.meter",
    "MeterResult": "metering.result",
    "Timeline": "metering.timeline",
    "TimelineResult": "metering.timeline_result",
    "memory_ledger": "ledger",
    "ledger_table": "ledger.table",
    "verify": "verification",
    "watch": "notebook.watch",
    "check": "checks.core",
    "plan_training": "planner.training",
    "plan_table": "planner.shown.plan_table",
    "plan_view": "notebook.planner_view",
    "plan_inference": "planner.inference",
    "trace_training": "planner.trace.tracing",
    "check_rig": "planner.rig.check",
    "compare_cost": "planner.cost.compare",
    "HARDWARE": "planner.hardware",
    "Machine": "planner.machines",
}
__all__ = [*_HOMES, "load_ipython_extension", "unload_ipython_extension"]  # noqa: PLE0604 - names, from the table


def __getattr__(name: str) -> Any:
    """Import a public name's module when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Register %ranks and %%ranks and start preloading torch in a process of its own."""
    from mgpu_lab.notebook.magics import register

    register(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Stop the ranks and remove the magics."""
    from mgpu_lab.notebook.magics import unregister

    unregister(shell)
