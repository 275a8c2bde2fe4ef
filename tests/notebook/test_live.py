"""The live view of the ranks: when samples flow, and what it leaves behind in a notebook."""

import sys
import threading
import time
from itertools import pairwise
from types import SimpleNamespace

import nbformat
import pytest
from kernel import STARTED, Kernel
from shown import Parsed

from mgpu_lab import Ranks
from mgpu_lab.notebook.watch import PERIOD_S, Watch
from mgpu_lab.wire.errors import RanksError
from mgpu_lab.wire.transfer import WIDGET_MIME

MIB = 2**20
OWN_MODELS = ("VBoxModel", "HTMLModel", "ButtonModel")
THREADS = 'import threading; print(sum("watch" in t.name for t in threading.enumerate()), "threads")'
STEPS = """
import time
for step in range({count}):
    meter.step(512)
    time.sleep({pause_s})
"""
FAILS = """%%ranks --watch
meter.step(4)
if rank == 1:
    raise ValueError("a wrong shard")
"""
SLEEPS = "import time; time.sleep(1)"


def until(holds, patience_s: float = 20.0) -> bool:
    """Wait until something holds; False where it never did."""
    deadline = time.monotonic() + patience_s
    while not (true := holds()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return bool(true)


# ---- samples


@pytest.fixture(scope="module")
def two():
    with Ranks(2, "cpu") as ranks:
        yield ranks


@pytest.fixture
def shown(monkeypatch):
    """What is displayed, as lists: the first bundles, and what later took their place."""
    found = {"bundles": [], "updates": []}

    def display(bundle, **_):
        found["bundles"].append(bundle)
        return SimpleNamespace(update=found["updates"].append)

    monkeypatch.setattr("IPython.display.display", display)
    return found


@pytest.fixture
def watching(two, shown):  # noqa: ARG001 - nothing is printed in place of a display
    """A live view of two ranks; nothing samples and no thread is left after the test."""
    with Watch(two) as watch:
        yield watch
    assert not watch.thread.is_alive()
    assert counts_stand_still(two)


def times(ranks: Ranks) -> list[list[float]]:
    """Return when each rank's samples were taken."""
    return [[s.time_s for s in taken] for taken in ranks.samples().values()]


def counts_stand_still(ranks: Ranks) -> bool:
    """Whether no sample comes for three periods, once those under way have arrived."""
    time.sleep(PERIOD_S)
    before = times(ranks)
    time.sleep(3 * PERIOD_S)
    return times(ranks) == before


def figures(watch: Watch) -> list[list[str]]:
    """Return the rows of the widget as it is now."""
    return Parsed(watch.html.value).rows


@pytest.mark.usefixtures("shown")
def test_samples_only_while_watching_and_at_most_four_a_second(two):
    assert counts_stand_still(two)
    with Watch(two) as watch:
        begun_s = time.time()
        assert until(lambda: all(taken[-1] > begun_s + 4 * PERIOD_S for taken in times(two) if taken) and times(two)[1])
        taken = [[t for t in each if t >= begun_s] for each in times(two)]
        assert watch.thread.is_alive()
    for each in taken:
        assert len(each) >= 2
        assert min(b - a for a, b in pairwise(each)) > 0.2  # seconds
    assert counts_stand_still(two)
    assert not watch.thread.is_alive()


MEASURE = """
from mgpu_lab.rank.sampler import PrivateMemory, private_bytes
memory = PrivateMemory()
first = memory.read()
memory.next_s = float("inf")  # from here on no exact reading
kept = torch.ones(2**24)
grown = memory.read() - first
off = memory.read() - private_bytes(memory.process)
del kept
left = memory.read() - first
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the system does not tell a process's private memory")
def test_memory_between_two_exact_readings_follows_what_is_allocated(two):
    result = two.run(MEASURE)
    assert result.ok, result
    for grown, off, left in zip(two.pull("grown"), two.pull("off"), two.pull("left"), strict=True):
        assert abs(grown - 64 * MIB) < 4 * MIB
        assert abs(off) < 8 * MIB  # pages shared with the template may have been written to meanwhile
        assert abs(left) < 4 * MIB


def test_figures_stand_in_the_widget_from_the_start_and_change(two, watching):
    assert watching.html.value
    assert len(figures(watching)) == 2
    assert until(lambda: all(row[1].endswith(" MiB") for row in figures(watching)))
    first = figures(watching)
    two.run(STEPS.format(count=20, pause_s=0.05))
    assert until(lambda: all(row[4].endswith(" tokens/s") for row in figures(watching)))
    assert figures(watching) != first


def test_pause_ends_the_samples_and_resume_begins_them(two, watching):
    watching.button.click()
    assert watching.button.description == "Resume"
    assert Parsed(watching.html.value).caption == "Ranks, paused"
    assert counts_stand_still(two)
    before = times(two)
    watching.button.click()
    assert watching.button.description == "Pause"
    assert until(lambda: all(new > old for new, old in zip(times(two), before, strict=True)))
    assert until(lambda: Parsed(watching.html.value).caption == "Ranks, live")


def test_new_processes_are_watched_too(two, watching):
    assert until(lambda: all(times(two)))
    old = [each.pid for each in two.status()]
    two.restart()
    assert old != [each.pid for each in two.status()]
    begun_s = time.time()
    assert until(lambda: all(each and each[-1] > begun_s for each in times(two)))
    assert until(lambda: all(row[1].endswith(" MiB") for row in figures(watching)))


def test_short_cell_has_its_figures_in_the_table_that_stays(two, shown):
    with Watch(two) as watch:
        two.run(STEPS.format(count=30, pause_s=0.001))
    (table,) = shown["updates"]
    for row in Parsed(table._repr_html_()).rows:
        assert row[1].endswith(" MiB")
        assert row[4].endswith(" tokens/s")
    assert watch.table().rows


def test_ranks_stopped_while_watched_leave_the_last_figures(shown):
    with Ranks(1, "cpu") as ranks, Watch(ranks) as watch:
        assert until(lambda: figures(watch)[0][1].endswith(" MiB"))
        ranks.stop()
    assert Parsed(shown["updates"][0]._repr_html_()).rows[0][1].endswith(" MiB")


def test_close_twice_or_without_show_is_harmless(two, shown):
    Watch(two).close()
    watch = Watch(two).show().show()
    watch.close()
    watch.close()
    assert len(shown["bundles"]) == len(shown["updates"]) == 2
    with pytest.raises(RanksError, match=r"watch\(\) makes a new one"):
        watch.show()
    assert not any(thread.name == watch.thread.name for thread in threading.enumerate())


# ---- in a notebook


@pytest.fixture(scope="module")
def notebook(tmp_path_factory):
    """A kernel with two ranks; ``notebook.said`` holds every message it sent, whichever cell it belongs to."""
    with Kernel(tmp_path_factory.mktemp("live")) as kernel:
        kernel.said, receive = [], kernel.client.get_iopub_msg

        def noted(**options):
            message = receive(**options)
            kernel.said.append(message)
            return message

        kernel.client.get_iopub_msg = noted
        assert not kernel.run(STARTED, timeout=120).error
        yield kernel


def since(notebook: Kernel, kind: str, start: int) -> list[dict]:
    """Return the contents of messages of a kind that came after the first ``start``."""
    return [each["content"] for each in notebook.said[start:] if each["msg_type"] == kind]


def test_watched_cell_leaves_a_plain_table(notebook):
    start = len(notebook.said)
    shown = notebook.run(f"%%ranks --watch{STEPS.format(count=12, pause_s=0.1)}print('done')")
    assert not shown.error
    assert shown.stdout == "[0-1] done\n"
    assert [sorted(bundle) for bundle in shown.bundles] == [["text/html", "text/plain"]]
    assert all(row[4].endswith(" tokens/s") for row in Parsed(shown.bundles[0]["text/html"]).rows)
    assert WIDGET_MIME in since(notebook, "display_data", start)[0]["data"]
    assert len([text for _, text in shown.timeline if "Ranks, live" in text]) >= 3
    opened, closed = (since(notebook, kind, start) for kind in ("comm_open", "comm_close"))
    views = {each["comm_id"] for each in opened if each["data"]["state"]["_model_name"] in OWN_MODELS}
    assert len(views) >= 3
    assert views <= {each["comm_id"] for each in closed}
    assert notebook.run(THREADS).stdout == "0 threads\n"


def test_watched_cell_that_fails_leaves_table_and_error(notebook):
    shown = notebook.run(FAILS)
    assert "a wrong shard" in shown.error
    assert [sorted(bundle) for bundle in shown.bundles] == [["text/html", "text/plain"]]
    assert notebook.run(THREADS).stdout == "0 threads\n"


def test_open_view_prints_nothing_into_other_cells_and_is_replaced(notebook):
    start = len(notebook.said)
    shown = notebook.run("import mgpu_lab; view = mgpu_lab.watch(); view")
    assert [sorted(bundle) for bundle in shown.bundles] == [[WIDGET_MIME, "text/html", "text/plain"]]
    assert notebook.run(SLEEPS).text == ""
    assert notebook.run("%ranks restart").stdout.startswith("Started 2 ranks")
    assert notebook.run(SLEEPS).text == ""
    assert notebook.run("%%ranks\npass").text == ""
    shown = notebook.run("view.close()")
    assert (shown.text, shown.bundles) == ("", [])
    (update,) = since(notebook, "update_display_data", start)
    assert sorted(update["data"]) == ["text/html", "text/plain"]
    assert [row[0] for row in Parsed(update["data"]["text/html"]).rows] == ["0", "1"]
    assert "unknown" not in [row[1] for row in Parsed(update["data"]["text/html"]).rows]
    printed = [each["text"] for each in since(notebook, "stream", start)]
    assert printed == ["Started 2 ranks on the CPU, gloo (as asked).\n"]
    assert notebook.run(THREADS).stdout == "0 threads\n"


FLOODS = {
    "long lines": 'print(rank, step, "x" * 80)',
    "short lines": "print(step % 10)",
    "colours": 'print(rank, "\\x1b[1m" * 9)',
}
FLOOD = """%%ranks --watch
import sys
from tqdm import tqdm
print("begin", rank)
for step in tqdm(range(3000), desc=f"rank {rank}", mininterval=0):
    STATEMENT
    print(rank, step, "y" * 80, file=sys.stderr)
for step in tqdm(range(1000), desc=f"quiet rank {rank}", mininterval=0):
    pass"""


@pytest.fixture(scope="module")
def eight(notebook):
    """The kernel with eight ranks."""
    notebook.run("%ranks stop")
    assert not notebook.run("%ranks start -n 8 --device cpu", timeout=120).error
    return notebook


@pytest.mark.slow
@pytest.mark.parametrize("kind", FLOODS)
def test_flood_of_eight_ranks_leaves_a_small_notebook(eight, kind):
    shown = eight.run(FLOOD.replace("STATEMENT", FLOODS[kind]), timeout=120)
    assert not shown.error
    outputs = [nbformat.v4.new_output("stream", name=name, text=getattr(shown, name)) for name in ("stdout", "stderr")]
    outputs += [nbformat.v4.new_output("display_data", data=bundle) for bundle in shown.bundles]
    saved = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(FLOOD, outputs=outputs)])
    assert len(nbformat.writes(saved).encode()) < 200_000
    assert all(f"[{rank}] begin {rank}" in shown.stdout for rank in range(8))
    assert all(f"quiet rank {rank}: 100%" in shown.stderr for rank in range(8))
    assert "bytes of output cut here" in shown.stderr
