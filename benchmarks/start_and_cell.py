"""How long it takes until ranks are there, what an empty cell costs, how soon a failed cell ends.

Everything is timed from outside a real Jupyter kernel, as the learner at the front end waits for it, in one
run with ipyparallel's %%px and !torchrun doing the same.
"""

from __future__ import annotations

import importlib.util
import sys
import tempfile
from pathlib import Path
from typing import Any

from measuring import FIRST_ALL_REDUCE, Row, begin, cell, load_and_warm, make_kernel, raise_to_idle, ratio, show, timed

STARTS, CELLS, WARM_UPS, RAISES, SLOW_STARTS = 10, 40, 5, 10, 3
SCRIPT = """
import torch
import torch.distributed as dist
dist.init_process_group("gloo")
ones = torch.ones(1)
dist.all_reduce(ones)
dist.destroy_process_group()
"""
PX_START = """
import ipyparallel as ipp
cluster = ipp.Cluster(n=2, log_level=40)
client = cluster.start_and_connect_sync()
view = client[:]
view.activate()
view.scatter("rank", [0, 1], flatten=True)
"""
PX_ALL_REDUCE = """%%px
import torch
import torch.distributed as dist
dist.init_process_group("gloo", init_method="file://{store}", rank=rank, world_size=2)
ones = torch.ones(1)
dist.all_reduce(ones)
"""
PX_STOP = "client.close()\ncluster.stop_cluster_sync()"


def start_ranks(kernel: Any) -> Row:
    """Time %ranks start and a finished all_reduce, the template being ready."""
    values = []
    for _ in range(STARTS):
        values.append(timed(kernel, "%ranks start -n 2 --device cpu") + timed(kernel, FIRST_ALL_REDUCE))
        cell(kernel, "%ranks stop")
    return show(Row("%ranks start -n 2 and a finished all_reduce, warm", tuple(values), "s", limit=0.5))


def start_torchrun(kernel: Any, directory: Path) -> Row:
    """Time the same through !torchrun, which starts processes at every call."""
    (directory / "all_reduce.py").write_text(SCRIPT, encoding="utf-8")
    command = f"!{sys.executable} -m torch.distributed.run --standalone --nproc_per_node=2 all_reduce.py"
    values = tuple(timed(kernel, command) for _ in range(SLOW_STARTS))
    return show(Row("!torchrun, the same all_reduce, every call", values, "s"))


def start_engines(kernel: Any, directory: Path) -> Row:
    """Time the same with a fresh ipyparallel cluster; leave the last one running."""
    values = []
    for number in range(SLOW_STARTS):
        if number:
            cell(kernel, PX_STOP)
        all_reduce = PX_ALL_REDUCE.format(store=directory / f"store{number}")
        values.append(timed(kernel, PX_START) + timed(kernel, all_reduce))
    return show(Row("ipyparallel: 2 engines and a finished all_reduce", tuple(values), "s"))


def empty_cells(kernel: Any, heads: dict[str, str]) -> dict[str, Row]:
    """Time a ``pass`` cell under each magic, one after the other in turn."""
    values: dict[str, list[float]] = {name: [] for name in heads}
    for number in range(CELLS + WARM_UPS):
        for name, head in heads.items():
            spent_ms = 1e3 * timed(kernel, f"{head}pass")
            if number >= WARM_UPS:
                values[name].append(spent_ms)
    return {name: show(Row(f"empty {name} cell", tuple(each), "ms")) for name, each in values.items()}


def raise_while_others_wait(kernel: Any) -> Row:
    """Time from a rank's raise, the other waiting in a barrier, to the kernel being idle."""
    values = [raise_to_idle(kernel) for _ in range(RAISES)]
    return show(Row("a rank raises, the other waits: raise to kernel idle", tuple(values), "s"))


def ours_alone(kernel: Any, directory: Path) -> Row:
    """Measure what needs no peer, with nothing else running; return the row of the starts."""
    starts = start_ranks(kernel)
    ratio("  !torchrun / ours", start_torchrun(kernel, directory), starts)
    cell(kernel, "%ranks start -n 2 --device cpu")
    rows = empty_cells(kernel, {"ordinary": "", "%%ranks": "%%ranks\n"})
    more = [a - b for a, b in zip(rows["%%ranks"].values, rows["ordinary"].values, strict=True)]
    show(Row("  %%ranks beyond an ordinary cell", tuple(more), "ms", limit=3.0))
    raise_while_others_wait(kernel)
    return starts


def beside_ipyparallel(kernel: Any, directory: Path, ours: Row) -> None:
    """Measure the same with ipyparallel; its engines and our ranks run side by side."""
    ratio("  ipyparallel / ours", start_engines(kernel, directory), ours)
    rows = empty_cells(kernel, {"ordinary": "", "%%ranks": "%%ranks\n", "%%px": "%%px\n"})
    ratio("  %%px / %%ranks, each with the other's processes beside it", rows["%%px"], rows["%%ranks"])
    cell(kernel, PX_STOP)


def main() -> None:
    """Measure and print."""
    begin("Starting ranks, empty cells, failing cells")
    with tempfile.TemporaryDirectory() as name, make_kernel(Path(name)) as kernel:
        load_and_warm(kernel)
        ours = ours_alone(kernel, Path(name))
        if importlib.util.find_spec("ipyparallel") is None:
            print("ipyparallel is not installed: `make bench` installs it for the comparison.")
        else:
            beside_ipyparallel(kernel, Path(name), ours)


if __name__ == "__main__":
    main()
