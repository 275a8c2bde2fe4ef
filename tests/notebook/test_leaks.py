"""Nothing is left behind: not by a killed kernel, not by many starts, not by many cells; and nobody else can connect.

By default the numbers are small; ``MGPU_LAB_CYCLES=200 MGPU_LAB_CELLS=5000`` is the full run.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from cells import cell
from kernel import ROOT, STARTED, WARM, Kernel

CYCLES = int(os.environ.get("MGPU_LAB_CYCLES", "15"))
CELLS = int(os.environ.get("MGPU_LAB_CELLS", "400"))
CROWD = os.getloadavg()[0] / len(os.sched_getaffinity(0))
SLOWNESS = float(os.environ.get("MGPU_LAB_SLOWNESS", max(1.0, CROWD)))
CELLS_AT_THE_KILL = {
    "idle": "pass",
    "in a loop": "while True: pass",
    "waiting in a collective": "if rank == 0: dist.barrier()",
    "holding the interpreter": """
        import ctypes
        lock = (ctypes.c_char * 64)()
        ctypes.PyDLL(None).pthread_mutex_lock(lock)
        ctypes.PyDLL(None).pthread_mutex_lock(lock)""",
}
COUNT = """
import gc, json, os, psutil, tempfile, threading
from pathlib import Path
gc.collect()
me = psutil.Process()
family = me.children(recursive=True)
print("COUNTS", json.dumps({
    "descriptors": me.num_fds(),
    "threads": me.num_threads(),
    "processes": len(family),
    "descriptors of the ranks": sum(each.num_fds() for each in family),
    "threads of the ranks": sum(each.num_threads() for each in family),
    "temp files": sum(1 for _ in Path(tempfile.gettempdir()).rglob("*")),
    "kernel MiB": me.memory_info().rss / 2**20,
}))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("leaks")
    (folder / "temp").mkdir()
    return folder


@pytest.fixture(scope="module")
def kernel(folder):
    """One kernel for all tests that leave it in order, with a temp directory of its own."""
    with Kernel(folder, TMPDIR=str(folder / "temp")) as kernel:
        must(kernel, "%load_ext mgpu_lab")
        must(kernel, WARM)
        yield kernel


@pytest.fixture
def ranks(kernel):
    """Two ranks in that kernel."""
    must(kernel, "%ranks start -n 2 --device cpu")
    yield
    kernel.run("%ranks stop")


def must(kernel: Kernel, source: str, timeout: float = 60) -> str:
    """Run a cell that has to succeed; return what it printed."""
    shown = kernel.run(source, timeout=timeout)
    assert not shown.error, shown.text
    return shown.stdout


def printed_numbers(text: str) -> list[int]:
    return [int(each) for each in re.findall(r"^\[\d\] (\d+)$", text, re.MULTILINE)]


def family(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children(recursive=True)


def all_gone(processes: list[psutil.Process], within_s: float) -> bool:
    _, alive = psutil.wait_procs(processes, timeout=within_s)
    return not [each for each in alive if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]


def lab_directories(folder: Path) -> list[Path]:
    return sorted(folder.glob("mgpu_lab-*"))


@pytest.fixture
def mortal(tmp_path):
    """A kernel of the test's own, which may be killed, with a temp directory of its own: `mortal.temp`."""
    temp = tmp_path / "temp"
    temp.mkdir()
    with Kernel(tmp_path, TMPDIR=str(temp)) as kernel:
        kernel.temp = temp
        yield kernel


@pytest.mark.parametrize("state", CELLS_AT_THE_KILL)
def test_killed_kernel_leaves_no_process(mortal, state):
    must(mortal, STARTED)
    mortal.client.execute(f"%%ranks\n{cell(CELLS_AT_THE_KILL[state])}")
    time.sleep(1)
    processes = family(mortal.pid)
    assert len(processes) >= 3, "a template and two ranks"
    os.kill(mortal.pid, signal.SIGKILL)
    assert all_gone(processes, 2.0 * SLOWNESS)
    program = "from mgpu_lab.engine.backends.local import local_backend as start; start().server.stop()"
    environ = {**os.environ, "TMPDIR": str(mortal.temp), "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", program], env=environ, check=True, timeout=60)
    assert lab_directories(mortal.temp) == []


def test_kernel_killed_during_the_import_of_torch(mortal):
    must(mortal, "%load_ext mgpu_lab")
    processes = family(mortal.pid)
    assert processes
    os.kill(mortal.pid, signal.SIGKILL)
    assert all_gone(processes, 2.0 * SLOWNESS)
    assert lab_directories(mortal.temp) == []


def test_kernel_that_shuts_down_leaves_nothing(mortal):
    must(mortal, STARTED)
    processes = family(mortal.pid)
    mortal.client.shutdown()
    assert all_gone(processes, 5.0 * SLOWNESS)
    assert lab_directories(mortal.temp) == []


@pytest.mark.usefixtures("ranks")
def test_stop_ends_what_the_ranks_started(kernel):
    shown = kernel.ranks("""
        import subprocess
        child = subprocess.Popen(['sleep', '1000'])
        print(child.pid)""")
    children = [psutil.Process(pid) for pid in printed_numbers(shown.stdout)]
    assert len(children) == 2
    must(kernel, "%ranks stop")
    assert all_gone(children, 2.0 * SLOWNESS)


@pytest.mark.usefixtures("ranks")
def test_a_stranger_is_never_signalled(kernel):
    """A process outside, one started by the notebook itself, and one that a rank set free all live on."""
    free = "import subprocess; free = subprocess.Popen(['sleep', '60'], start_new_session=True); print(free.pid)"
    stranger = subprocess.Popen(["sleep", "60"])
    pids = [int(must(kernel, free)), *printed_numbers(must(kernel, "%%ranks --on 0\n" + free))]
    assert len(pids) == 2
    try:
        kernel.ranks("while True: pass", stop_after=0.3)
        kernel.ranks("""
            import os
            if rank == 1: os._exit(1)
            dist.barrier()""")
        must(kernel, "%ranks restart")
        must(kernel, "%ranks stop")
        assert stranger.poll() is None
        assert all(psutil.Process(pid).status() == psutil.STATUS_SLEEPING for pid in pids)
    finally:
        stranger.kill()
        stranger.wait()
        for pid in pids:
            os.kill(pid, signal.SIGKILL)


LOOPBACK = ("127.0.0.1", "::1", "::ffff:127.0.0.1")
GROUPS = {
    "the group": "dist.all_reduce(torch.ones(1))",
    "a subgroup": "part = dist.new_group([0, 1]); dist.all_reduce(torch.ones(1), group=part)",
    "a pasted script's group": """
        dist.destroy_process_group()
        dist.init_process_group('gloo')
        dist.all_reduce(torch.ones(1))""",
}


@pytest.mark.usefixtures("ranks")
@pytest.mark.parametrize("group", GROUPS)
def test_nothing_listens_beyond_loopback(kernel, group):
    assert not kernel.ranks(GROUPS[group]).error
    sockets = [entry for each in family(kernel.pid) for entry in each.net_connections(kind="inet")]
    assert len(sockets) >= 2, "gloo connects its ranks by TCP; seeing nothing means looking in the wrong place"
    assert [entry for entry in sockets if entry.laddr.ip not in LOOPBACK] == []


@pytest.mark.usefixtures("ranks")
def test_private_directory_is_closed_to_others(folder):
    (found,) = lab_directories(folder / "temp")
    assert found.stat().st_mode & 0o077 == 0


def grown(kernel: Kernel, source: str, first: int, times: int, each_s: float, **tolerance: float) -> dict[str, str]:
    """Run a cell's loop ``first`` times, then ``times`` more; name what has grown by more than its tolerance, or 0."""
    must(kernel, source.format(first))
    before = json.loads(must(kernel, COUNT).split("COUNTS ")[1])
    must(kernel, source.format(times), timeout=60 + times * each_s)
    after = json.loads(must(kernel, COUNT).split("COUNTS ")[1])
    allowed = dict.fromkeys(before, 0) | {name.replace("_", " "): value for name, value in tolerance.items()}
    return {
        name: f"{before[name]:.0f} -> {after[name]:.0f}"
        for name in before
        if after[name] > before[name] + allowed[name]
    }


def test_many_starts_leave_nothing(kernel):
    cycles = """
        for _ in range({}):
            %ranks start -n 2 --device cpu
            %ranks stop"""
    assert grown(kernel, cycles, 3, CYCLES, 5, kernel_MiB=4 + CYCLES * 0.05, descriptors=2) == {}


@pytest.mark.usefixtures("ranks")
def test_many_cells_leave_nothing(kernel):
    many = """
        source = "y = torch.ones(8); dist.all_reduce(y); print(y.sum().item())"
        for _ in range({}):
            get_ipython().run_cell_magic('ranks', '', source)"""
    assert grown(kernel, many, 100, CELLS, 0.2, kernel_MiB=4 + CELLS * 0.004, temp_files=2, descriptors=2) == {}


@pytest.mark.usefixtures("ranks")
def test_many_renewals_leave_nothing(kernel):
    """Each raise while the others wait makes a new process group: the old one's sockets and threads must go."""
    many = """
        for _ in range({}):
            assert not ranks.run("x = 1 / (rank - 1); dist.barrier()").ok"""
    assert grown(kernel, many, 3, max(5, CYCLES // 2), 6, kernel_MiB=5, descriptors=2) == {}
