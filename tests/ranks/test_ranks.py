"""The Python API: what ``Ranks`` does and returns on real ranks, without a notebook."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest
from cells import Ranks

from mgpu_lab.wire import given
from mgpu_lab.wire.errors import LabError, RanksError, UsageError

ANSI = re.compile(r"\x1b\[[0-9;]*m")
TOGETHER = """
    t = torch.tensor([rank + 1.0])
    dist.all_reduce(t)
    print(t.item())"""


@pytest.fixture(scope="module")
def two():
    with Ranks(2, "cpu") as ranks:
        yield ranks


@pytest.fixture
def ranks(two):
    """Two ranks whose group works before and after the test; ``kept`` is set before and still there after it."""
    if two.members.gone():
        two.restart()
    assert two.run("kept = rank + 0.5").ok
    yield two
    assert two.pull("kept") == [0.5, 1.5]
    assert two.run(TOGETHER)[0].stdout == "3.0\n"


# ---- results


def test_result_holds_each_ranks_output(ranks):
    result = ranks.run("""
        import sys
        print('out', rank)
        print('err', rank, file=sys.stderr)
        rank * 10""")
    assert (result.ok, len(result)) == (True, 2)
    for rank, each in enumerate(result):
        assert (each.rank, each.stdout, each.stderr) == (rank, f"out {rank}\n", f"err {rank}\n")
        assert (each.displays, each.error) == (({"text/plain": str(rank * 10)},), None)


def plain(error):
    """Return an error's traceback without colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(error.traceback))


def test_errors_are_data_and_raise_nothing(ranks):
    result = ranks.run("""
        x = 1
        if rank == 1:
            {}['missing']""")
    error = result[1].error
    assert (result.ok, result[0].error, result.errors) == (False, None, (error,))
    assert (error.rank, error.ename, error.evalue, error.line) == (1, "KeyError", "'missing'", 3)
    assert "----> 3" in plain(error)
    assert "mgpu_lab" not in plain(error)


def test_error_in_a_function_of_another_cell_shows_both_cells(ranks):
    ranks.run("def broken(): return 1 / 0")
    assert re.search(r"(?s)----> 1 broken\(\).*return 1 / 0", plain(ranks.run("broken()")[0].error))


def test_cells_on_some_ranks(ranks):
    assert [each.rank for each in ranks.run("here = True", on=[1])] == [1]
    assert ranks.pull("here", on=[1]) == [True]


def test_shell_features(ranks):
    assert ranks.run("!echo from the shell")[1].stdout == "from the shell\n"
    awaited = ranks.run("""
        import asyncio
        await asyncio.sleep(0)
        print('awaited')""")
    assert awaited[0].stdout == "awaited\n"
    assert "Wall time" in ranks.run("%time sum(range(10))")[0].stdout


def test_after_ten_seconds_of_silence_a_note_says_where_everybody_is(ranks):
    ranks.note_after_s = 0.3
    notes = set()
    try:
        waits = "if rank == 0: dist.all_reduce(torch.ones(4))"
        ranks.run(waits, timeout=1.5, on_progress=lambda cell: notes.add(cell.note))
    finally:
        ranks.note_after_s = 10.0
    where = "rank 1 finished; rank 0 waits in all_reduce(4 x float32), line 1"
    stop = "Press Stop to end the cell: variables are kept."
    assert f"{where}: it waits for a call the others never make. {stop}" in notes


# ---- values


def test_push_and_pull(ranks):
    ranks.push(lr=1e-3, words=["a", "b"])
    assert ranks.pull("lr") == [1e-3, 1e-3]
    ranks.push([1], lr=2.0)
    assert ranks.pull("lr") == [1e-3, 2.0]
    ranks.run("where = ('rank', rank)")
    assert ranks.pull("where") == [("rank", 0), ("rank", 1)]


def test_pull_of_tensors_of_any_layout(ranks):
    ranks.run("some = torch.arange(4) * rank; sparse = torch.eye(3).to_sparse() * (rank + 1)")
    assert [each.tolist() for each in ranks.pull("some")] == [[0, 0, 0, 0], [0, 1, 2, 3]]
    assert [each.to_dense().diag().tolist() for each in ranks.pull("sparse")] == [[1.0] * 3, [2.0] * 3]


def test_pull_of_a_part_sends_no_more_than_the_part(ranks):
    ranks.run("""
        whole = torch.zeros(2**28, dtype=torch.uint8)
        part = whole[:3]""")
    assert [each.tolist() for each in ranks.pull("part", max_bytes=10_000)] == [[0, 0, 0]] * 2


def test_pull_of_two_gigabytes_is_refused_at_little_cost(ranks):
    peak = "import resource; peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss"  # KiB
    ranks.run("big = torch.empty(2**31, dtype=torch.uint8)")
    ranks.run(peak)
    before, peaks = psutil.Process().memory_info().rss, ranks.pull("peak")
    with pytest.raises(UsageError, match="'big' is larger than 256 MiB"):
        ranks.pull("big")
    assert psutil.Process().memory_info().rss - before < 300 * 2**20
    ranks.run("del big")
    ranks.run(peak)
    assert max(ranks.pull("peak")) - max(peaks) < 600 * 1024


# ---- life


def test_interrupt_from_another_thread(ranks):
    threading.Timer(0.5, ranks.interrupt).start()
    result = ranks.run("while True: pass")
    assert [(error.ename, error.kind) for error in result.errors] == [("KeyboardInterrupt", "interrupted")] * 2
    assert any("interrupt" in note for note in result.notes)


@pytest.mark.parametrize("after_s", [0.3, 0.31, 0.33, 0.36, 0.4, 0.45, 0.5, 0.55])
def test_stop_between_the_halves_of_a_display(ranks, after_s):
    """A message goes out whole before Ctrl-C is let through: the answer behind half of one would never be read."""
    threading.Timer(after_s, ranks.interrupt).start()
    result = ranks.run(
        """
        from IPython.display import HTML, display
        while True:
            shown = display(HTML("x" * 700_000), display_id=True)
            shown.update(HTML("y" * 700_000))""",
        timeout=20,
    )
    assert [error.kind for error in result.errors] == ["interrupted"] * 2


def test_restart_gives_new_processes():
    with Ranks(2, "cpu") as ranks:
        pids = [status.pid for status in ranks.status()]
        ranks.run("x = 1")
        ranks.restart()
        assert not set(pids) & {status.pid for status in ranks.status()}
        with pytest.raises(UsageError, match="no variable 'x'"):
            ranks.pull("x")
        assert ranks.run(TOGETHER).ok


def test_restart_of_one_rank_keeps_the_others(ranks):
    ranks.run("x = rank")
    ranks.restart([1])
    assert ranks.pull("x", on=[0]) == [0]
    assert ranks.run(TOGETHER)[1].stdout == "3.0\n"
    ranks.run("kept = rank + 0.5")


def test_two_sets_side_by_side(ranks):
    with Ranks(3, "cpu") as others:
        others.run("x = 'three'")
        ranks.run("x = 'two'")
        assert others.run(TOGETHER)[2].stdout == "6.0\n"
        assert ranks.run(TOGETHER)[0].stdout == "3.0\n"
        assert (ranks.pull("x"), others.pull("x")) == (["two"] * 2, ["three"] * 3)
        assert not others.run("""
            if rank == 2: raise ValueError
            dist.barrier()""").ok
        assert ranks.run(TOGETHER)[0].stdout == "3.0\n"
        assert others.run(TOGETHER)[0].stdout == "6.0\n"


def test_one_rank_is_enough():
    with Ranks(1, "cpu") as ranks:
        assert (ranks.run(TOGETHER)[0].stdout, len(ranks)) == ("1.0\n", 1)


# ---- the world of a rank


def test_namespace_names(ranks):
    assert ranks.run(f"print({', '.join(given.NAMES)})").ok
    assert set(ranks.kinds("rank")) == {0, 1}
    with Ranks(1, "cpu") as fresh:
        fresh.run("names = {name for name in globals() if not name.startswith('_')}")
        assert fresh.pull("names")[0] - {"In", "Out", "get_ipython", "exit", "quit", "open"} == set(given.NAMES)
    ranks.run("values = rank, world_size, local_rank, str(device), dist.get_rank(), dist.get_world_size()")
    assert ranks.pull("values") == [(0, 2, 0, "cpu", 0, 2), (1, 2, 1, "cpu", 1, 2)]


def test_kinds_of_a_name(ranks):
    ranks.run("class Net: pass\nmine, losses = Net(), [1]\nif rank == 1: only = torch")
    assert [ranks.kinds(name) for name in ("losses", "mine", "only", "nowhere", "time")] == [
        {0: "builtins.list", 1: "builtins.list"},
        {0: "__main__.Net", 1: "__main__.Net"},
        {1: "builtins.module"},
        {},
        {},
    ]


def test_what_died_with_the_group_is_named_by_its_variables(ranks):
    assert ranks.run("""
        class Trainer: pass
        trainer = Trainer()
        wrapped = torch.nn.parallel.DistributedDataParallel
        ddp, trainer.net = wrapped(torch.nn.Linear(2, 2)), wrapped(torch.nn.Linear(2, 2))
        unnamed = [wrapped(torch.nn.Linear(2, 2))]""").ok
    notes = ranks.run("if rank == 0: dist.barrier()", timeout=0.5).notes
    assert notes[0].startswith("The time limit of 0.5 s (--timeout) was reached: the cell was interrupted on rank 0")
    assert notes[-1].endswith("Recreate what was made on the old one: `ddp`, `trainer.net` (DistributedDataParallel).")
    ranks.run("del ddp, trainer, unnamed")


def test_errors_before_an_error_show_no_lines_of_the_package(ranks):
    error = ranks.run("""
        class Odd:
            def __float__(self): return 1 / 0
        try:
            meter.step(Odd())
        except ZeroDivisionError as error:
            raise ValueError("told") from error""").errors[0]
    told = ANSI.sub("", "\n".join(error.traceback))
    assert re.search(r"(?s)meter\.step\(Odd\(\)\).*return 1 / 0.*direct cause.*ValueError: told", told)
    assert "mgpu_lab/" not in told


def test_environment_is_torchruns(ranks):
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR")
    ranks.run(f"import os; environ = [os.environ[name] for name in {names}]; port = int(os.environ['MASTER_PORT'])")
    assert ranks.pull("environ") == [["0", "2", "0", "2", "127.0.0.1"], ["1", "2", "1", "2", "127.0.0.1"]]
    ports = ranks.pull("port")
    assert ports[0] == ports[1] > 0


def test_kernels_environment_path_and_directory_are_current(ranks, tmp_path, monkeypatch):
    (tmp_path / "only_here.py").write_text("value = 42\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SET_LATE", "yes")
    monkeypatch.syspath_prepend(str(tmp_path))
    with Ranks(1, "cpu") as fresh:
        shown = fresh.run("import os, only_here; print(os.getcwd(), os.environ['SET_LATE'], only_here.value)")[0].stdout
        assert shown.split() == [str(tmp_path), "yes", "42"]
    assert ranks.run("pass").ok


def test_random_numbers_differ_between_ranks_and_starts():
    seen = []
    for _ in range(2):
        with Ranks(2, "cpu") as ranks:
            ranks.run("""
                import random, numpy
                drawn = [torch.rand(1).item(), float(numpy.random.rand()), random.random()]""")
            seen += ranks.pull("drawn")
    assert [len(set(drawn)) for drawn in zip(*seen, strict=True)] == [4, 4, 4]


def test_threads_per_rank(ranks):
    ranks.run("import os; threads = torch.get_num_threads(), int(os.environ['OMP_NUM_THREADS'])")
    expected = max(1, len(os.sched_getaffinity(0)) // 2)
    assert ranks.pull("threads") == [(expected, expected)] * 2


def test_accelerate_joins_the_group(ranks):
    pytest.importorskip("accelerate")
    result = ranks.run("""
        from accelerate import Accelerator
        accelerator = Accelerator()
        model = accelerator.prepare(torch.nn.Linear(4, 1))
        facts = accelerator.num_processes, accelerator.process_index, type(model).__name__
        total = accelerator.reduce(torch.tensor(rank + 1.0)).item()""")
    assert result.ok, repr(result)
    assert ranks.pull("facts") == [(2, 0, "DistributedDataParallel"), (2, 1, "DistributedDataParallel")]
    assert ranks.pull("total") == [3.0, 3.0]


def test_deepspeed_joins_the_group(ranks):
    pytest.importorskip("deepspeed")
    result = ranks.run("""
        import deepspeed
        deepspeed.ops.__compatible_ops__['deepspeed_shm_comm'] = False
        deepspeed.init_distributed()
        facts = deepspeed.comm.get_world_size(), deepspeed.comm.get_rank()
        t = torch.ones(1)
        deepspeed.comm.all_reduce(t)
        total = t.item()""")
    assert result.ok, repr(result)
    assert ranks.pull("facts") == [(2, 0), (2, 1)]
    assert ranks.pull("total") == [2.0, 2.0]


# ---- output


def test_output_of_c_code_and_child_processes(ranks):
    result = ranks.run(r"""
        import ctypes, os, subprocess, sys
        print('first caf\u00e9 \ud800')
        sys.stdout.flush()
        libc = ctypes.CDLL(None)
        libc.puts(b'from C')
        libc.fflush(None)
        subprocess.run(['echo', 'from a child'])
        os.system('echo aside >&2')
        sys.stderr.write('\r1/2\r2/2')""")
    assert result[0].stdout == "first caf\u00e9 \\ud800\nfrom C\nfrom a child\n"
    assert result[0].stderr == "aside\n2/2"


def test_displays_come_in_order_between_the_lines(ranks):
    result = ranks.run("""
        from IPython.display import display, HTML
        print('before')
        display(HTML('<b>1</b>'))
        print('between')
        handle = display(HTML('<b>0</b>'), display_id=True)
        print('after')
        handle.update(HTML('<b>2</b>'))""")
    items = [item if isinstance(item, str) else item.data["text/html"] for item in result[0].items]
    assert items == ["before\n", "<b>1</b>", "between\n", "<b>2</b>", "after\n"]
    assert [each["text/html"] for each in result[1].displays] == ["<b>1</b>", "<b>2</b>"]


# ---- bad input: one line, what to do, nothing touched


def one_line(error: pytest.ExceptionInfo) -> str:
    text = str(error.value)
    assert text.splitlines() == [text]
    return text


@pytest.mark.parametrize(("arguments", "says"), [({"n": 0}, "from 1 to 64"), ({"n": 2, "timeout": 0}, "positive")])
def test_bad_start(arguments, says):
    children = len(psutil.Process().children(recursive=True))
    with pytest.raises(UsageError, match=says) as error:
        Ranks(**arguments)
    one_line(error)
    assert len(psutil.Process().children(recursive=True)) <= max(children, 1)


@pytest.mark.skipif(os.path.exists("/dev/nvidiactl"), reason="there is a GPU")  # noqa: PTH110
def test_cuda_without_a_gpu():
    with pytest.raises(UsageError, match=r"no GPU that torch can use.*--device cpu") as error:
        Ranks(2, "cuda")
    one_line(error)


BAD_CALLS = {
    "negative rank": (lambda r: r.run("pass", on=[-1]), "no rank -1"),
    "negative timeout": (lambda r: r.run("pass", timeout=-1), "positive number of seconds"),
    "missing everywhere": (lambda r: r.pull("nowhere"), "ranks 0-1: no variable 'nowhere'"),
    "missing on one": (lambda r: r.pull("only_on_0"), "rank 1: no variable 'only_on_0'"),
    "cannot be pickled": (lambda r: r.pull("lock"), "'lock' holds a lock that cannot be pickled"),
    "class of a cell": (lambda r: r.pull("thing"), "'thing'"),
    "push what cannot be pickled": (lambda r: r.push(bad=threading.Lock()), "'bad' holds a lock"),
    "restart of a rank that is not there": (lambda r: r.restart([5]), "no rank 5"),
}


@pytest.mark.parametrize("name", BAD_CALLS)
def test_bad_call(ranks, name):
    call, says = BAD_CALLS[name]
    assert ranks.run("""
        import threading
        lock = threading.Lock()
        class Thing: pass
        thing = Thing()
        if rank == 0: only_on_0 = 1""").ok
    pids = [status.pid for status in ranks.status()]
    with pytest.raises(LabError, match=re.escape(says)) as error:
        call(ranks)
    assert len(one_line(error)) < 400
    assert [status.pid for status in ranks.status()] == pids


def test_second_cell_while_one_runs(ranks):
    began = threading.Event()
    run = {"source": "import time; time.sleep(1.5)", "on_progress": lambda _: began.set()}
    thread = threading.Thread(target=ranks.run, kwargs=run)
    thread.start()
    assert began.wait(30)
    try:
        for call in (lambda: ranks.run("pass"), lambda: ranks.pull("kept"), lambda: ranks.push(a=1), ranks.restart):
            with pytest.raises(RanksError, match="busy with another cell") as error:
                call()
            one_line(error)
        assert "running" in [status.state for status in ranks.status()]
    finally:
        thread.join()


@contextlib.contextmanager
def stopped_soon():
    """Press Stop half a second later: what runs meanwhile ends in KeyboardInterrupt."""
    threading.Timer(0.5, signal.pthread_kill, (threading.main_thread().ident, signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        yield


def test_pull_that_does_not_end_can_be_stopped(ranks):
    """No line of a cell is on the stack of such a rank, so that Stop in the next cell would take it for an idle one."""
    ranks.push(source="class Slow:\n    def __reduce__(self): time.sleep(1000)")
    assert ranks.run("""
        import time
        library = {'time': time}
        exec(compile(source, 'library.py', 'exec'), library)
        slow = library['Slow']()""").ok
    with stopped_soon():
        ranks.pull("slow")
    assert ranks.run("del slow", timeout=5).ok


def test_rank_that_is_stopped_blocks_nobody(ranks):
    """A push larger than its pipe waits in the notebook, where Stop ends the waiting, and arrives later."""
    process = psutil.Process(ranks.status()[1].pid)
    process.suspend()
    try:
        with stopped_soon():
            ranks.push(big=bytes(5_000_000))
    finally:
        process.resume()
    assert ranks.run("assert len(big) == 5_000_000; del big", timeout=10).ok


def test_collectives_of_another_thread_leave_the_comparison_alone(ranks):
    """A second thread of each rank waits in a call on a group of its own while the main threads go on calling."""
    assert ranks.run("""
        import threading, time
        side = dist.new_group()
        def later():
            time.sleep(0.3 * rank)
            dist.all_reduce(torch.ones(3), group=side)
        thread = threading.Thread(target=later)
        thread.start()
        time.sleep(0.1)
        dist.all_reduce(torch.ones(4))
        thread.join()
        for size in (5, 6, 7): dist.all_reduce(torch.ones(size))""").ok


def test_rank_that_is_gone(ranks):
    ranks.run("""
        import os
        if rank == 1: os._exit(3)""")
    with pytest.raises(RanksError, match=r"rank 1 is gone.*exited with code 3.*restart") as error:
        ranks.run("pass")
    one_line(error)
    with pytest.raises(RanksError, match="rank 1 is gone"):
        ranks.pull("kept")
    assert ranks.run("print(kept)", on=[0])[0].stdout == "0.5\n"
    assert ranks.status()[1].state.startswith("gone")
    ranks.restart([1])
    ranks.run("kept = rank + 0.5")


ELSEWHERE = """
import pathlib, sys
from mgpu_lab import Ranks
from mgpu_lab.engine.backends.local import local_backend
if "gone" in sys.argv:
    pathlib.Path.cwd().rmdir()
assert local_backend().warm(100)
assert "numpy" not in local_backend().server.failed, local_backend().server.failed
with Ranks(2, "cpu") as ranks:
    print(ranks.run("import os; t = torch.ones(2, 2); dist.all_reduce(t @ t); print(os.getcwd())"))
"""


@pytest.mark.parametrize("kind", ["gone", "shadow"])
def test_folder_that_is_gone_or_has_a_module_of_a_known_name(tmp_path, kind):
    """A learner's own numpy.py may lie beside the notebook; what the ranks are forked from must not import it."""
    folder = tmp_path / kind
    folder.mkdir()
    if kind == "shadow":
        (folder / "numpy.py").write_text("raise ImportError('not the real one')")
    program = f"import sys\nsys.path.append({str(Path(__file__).resolve().parents[2])!r})\n{ELSEWHERE}"
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    options = {"cwd": folder, "env": environ, "capture_output": True, "text": True, "timeout": 150}
    done = subprocess.run([sys.executable, "-P", "-c", program, kind], check=False, **options)
    assert done.stdout == f"[0-1] {'/' if kind == 'gone' else folder}\n", done.stderr[-2000:]


def test_ranks_end_with_the_block():
    with contextlib.suppress(ZeroDivisionError), Ranks(2, "cpu") as ranks:
        processes = [psutil.Process(status.pid) for status in ranks.status()]
        _ = 1 / 0
    assert psutil.wait_procs(processes, timeout=5)[1] == []


def test_a_wait_in_a_function_of_an_earlier_cell_is_let_go_and_named(ranks):
    ranks.run("""
        def fetch(x):
            work = dist.irecv(x, src=1)
            work.wait()
            return x""")
    result = ranks.run("""
        y = 2
        y = 3
        if rank == 1: raise NameError("a typo that only one rank meets")
        fetch(torch.ones(2))""")
    assert result[1].error.ename == "NameError"
    assert "waiting in `work.wait()`" in repr(result)
    assert result[0].error.kind == "released"


def test_a_forgotten_send_in_a_function_of_an_earlier_cell_costs_no_variables(ranks):
    ranks.run("""
        def swap(x):
            y = 1
            work = dist.irecv(x, src=1 - rank)
            work.wait()""")
    result = ranks.run("swap(torch.ones(2))", timeout=1)
    assert "waiting in `work.wait()`" in repr(result)
    assert "killed" not in repr(result)
