"""The fault matrix (``fault_rows``) from a real Jupyter kernel: whatever a cell does, the notebook answers, says what
happened and where, keeps what can be kept, and the next all_reduce works.

The limit of two seconds counts from the raise, the death or Stop, on a machine with a free core. Where more processes
want to run than there are cores it grows with the load, or by a factor of your own: ``MGPU_LAB_SLOWNESS=1`` is strict.
The whole matrix on four ranks, and again and again: ``MGPU_LAB_RANKS=2,4 MGPU_LAB_REPEAT=20``.
"""

import importlib.util
import os
import re
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from fault_rows import ALL, ROWS, STOP, Row
from kernel import WARM, Kernel, Shown

REPEAT = int(os.environ.get("MGPU_LAB_REPEAT", "1"))
SIZES = [int(size) for size in os.environ.get("MGPU_LAB_RANKS", "2").split(",")]
ANSWER_S = 2.0
STOP_AFTER_S = 0.8
PREPARE = """
    %%ranks
    import os, pathlib, time
    def stamp(later_s=0.0):  # in one step: several processes do it
        part = pathlib.Path({stamp!r} + str(os.getpid()))
        part.write_text(str(time.time() + later_s))
        part.replace({stamp!r})
    kept = torch.full((3,), rank + 0.5)"""
KEPT = """
    %%ranks{on}
    print(kept.tolist() if 'kept' in globals() else 'lost')"""
NEXT = """
    %%ranks
    t = torch.ones(2)
    dist.all_reduce(t)
    print(t.tolist())"""
INNER = re.compile(r"mgpu_lab/\w+\.py|IPython/core|Connection closed by peer")


def limit_s() -> float:
    """Return the seconds that an answer may take; more where more processes want to run than there are cores."""
    crowd = os.getloadavg()[0] / len(os.sched_getaffinity(0))
    return ANSWER_S * float(os.environ.get("MGPU_LAB_SLOWNESS", max(1.0, crowd)))


@dataclass
class Played:
    """What one row came to."""

    shown: Shown
    answered_s: float
    kept: dict[int, str] = field(default_factory=dict)
    restart: str = ""
    after: str = ""
    next: str = ""
    next_s: float = 0.0


class Notebook:
    """A kernel with ranks, used by row after row; replaced after a row that failed."""

    def __init__(self, folder: Path, world_size: int) -> None:
        self.folder, self.world_size = folder, world_size
        self.kernel = Kernel(folder)
        self.must("%load_ext mgpu_lab")
        self.must(WARM)
        self.must(f"%ranks start -n {world_size} --device cpu")

    def play(self, row: Row) -> Played:
        """Run all cells of a row."""
        stamp = self.folder / "stamp"
        stamp.unlink(missing_ok=True)
        self.must(PREPARE.format(stamp=str(stamp)))
        if row.before:
            self.must("%%ranks\n" + row.before)
        time.sleep(row.pause_s)
        shown = self.kernel.run(f"{row.line}\n{row.cell}", stop_after=STOP_AFTER_S if row.ends == STOP else None)
        ended = time.time()
        played = Played(shown, ended - float(stamp.read_text()) if stamp.exists() else shown.seconds)
        living = [rank for rank in range(self.world_size) if not (row.restart and rank in row.lost)]
        if living:
            on = " --on " + ",".join(map(str, living)) if row.restart else ""
            played.kept = per_rank(self.kernel.run(KEPT.format(on=on)).text)
        if row.restart:
            played.restart = self.kernel.run(row.restart).text
        shown = self.kernel.run(NEXT)
        played.next, played.next_s = shown.text, shown.seconds
        if row.after:
            played.after = self.kernel.run(row.after).error
        return played

    def must(self, source: str) -> None:
        """Run a cell that has to succeed."""
        shown = self.kernel.run(source)
        assert not shown.error, shown.text


def per_rank(text: str) -> dict[int, str]:
    """Take tagged lines apart: rank -> text."""
    found = {}
    for tag, line in re.findall(r"^\[([\d,-]+)\] (.*)$", text, re.MULTILINE):
        for part in tag.split(","):
            first, _, last = part.partition("-")
            found.update(dict.fromkeys(range(int(first), int(last or first) + 1), line))
    return found


def phrase(text: str, world_size: int) -> str:
    """Put in who the others are, and the last rank."""
    others = {2: "rank 0 was", 3: "ranks 0, 2 were"}.get(world_size, f"ranks 0, 2-{world_size - 1} were")
    return text.replace("{last}", str(world_size - 1)).replace("{others}", others)


def problems(row: Row, played: Played, world_size: int) -> list[str]:
    """List in words everything that is not as the row states."""
    return wrong_answer(row, played, world_size) + wrong_values(row, played, world_size) + wrong_end(played, world_size)


def wrong_answer(row: Row, played: Played, world_size: int) -> list[str]:
    """Look at what the cell showed, and when."""
    text = played.shown.text
    expected = [phrase(each, world_size) for each in row.says]
    found = [f"does not say {each!r}" for each in expected if not re.search(each, text)]
    found += [f"says {each!r}" for each in row.never_says if re.search(each, text)]
    found += [f"shows inner parts: {inner!r}" for inner in INNER.findall(text)[:1]]
    if played.answered_s > limit_s():
        found.append(f"answered after {played.answered_s:.1f} s")
    if bool(played.shown.error) != row.fails:
        found.append("is no error" if row.fails else "is an error")
    return found


def wrong_values(row: Row, played: Played, world_size: int) -> list[str]:
    """Look at the variables that were set before."""
    living = [rank for rank in range(world_size) if not (row.restart and rank in row.lost)]
    expected = {rank: "lost" if rank in row.lost else str([rank + 0.5] * 3) for rank in living}
    return [] if played.kept == expected else [f"the variables are {played.kept}, not {expected}"]


def wrong_end(played: Played, world_size: int) -> list[str]:
    """Look at how it went on."""
    found = [f"the restart says {played.restart!r}"] if "Started" not in played.restart and played.restart else []
    expected = f"[0-{world_size - 1}] {[float(world_size)] * 2}\n"
    if played.next != expected:
        found.append(f"the next all_reduce gives {played.next!r}")
    if played.next_s > limit_s():
        found.append(f"the next all_reduce took {played.next_s:.1f} s")
    if played.after:
        found.append(f"the cell after fails: {played.after[-600:]}")
    return found


class Shelf:
    """The notebooks in use: one for each number of ranks."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.notebooks: dict[int, Notebook] = {}

    def get(self, world_size: int) -> Notebook:
        if world_size not in self.notebooks:
            self.notebooks[world_size] = Notebook(self.folder, world_size)
        return self.notebooks[world_size]

    def discard(self, world_size: int) -> None:
        if world_size in self.notebooks:
            self.notebooks.pop(world_size).kernel.__exit__()


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    shelf = Shelf(tmp_path_factory.mktemp("faults"))
    yield shelf
    for size in list(shelf.notebooks):
        shelf.discard(size)


def test_what_is_lost_has_a_reason():
    assert len({row.name for row in ROWS}) == len(ROWS)
    for row in ROWS:
        assert bool(row.why) == bool(row.lost), row.name
        assert set(row.lost) <= set(ALL), row.name


@pytest.mark.parametrize("world_size", SIZES)
@pytest.mark.parametrize("row", [row for row in ROWS if not row.slow or REPEAT > 1], ids=lambda row: row.name)
def test_matrix(shelf, row, world_size):
    if world_size not in row.sizes:
        pytest.skip("the row says nothing about this number of ranks")
    if row.needs and importlib.util.find_spec(row.needs) is None:
        pytest.skip(f"{row.needs} is not installed")
    for _ in range(REPEAT):
        try:
            played = shelf.get(world_size).play(row)
            found = problems(row, played, world_size)
            assert not found, "\n".join([*found, "shown:", played.shown.text[-3000:]])
        except BaseException:
            shelf.discard(world_size)
            raise


def test_stop_pressed_again_and_again(shelf):
    """However often Stop comes, the ranks work again afterwards and the notebook says what happened."""
    notebook = shelf.get(SIZES[0])
    notebook.must("%%ranks\nkept = rank + 0.5")
    presses = [threading.Timer(0.5 + 0.06 * i, notebook.kernel.manager.interrupt_kernel) for i in range(25)]
    for press in presses:
        press.start()
    shown = notebook.kernel.ranks("""
        import time
        while rank == 1:
            try:
                time.sleep(0.05)
            except KeyboardInterrupt:
                pass""")
    for press in presses:
        press.cancel()
    assert re.search(r"rank 1 .*killed.*variables are lost", shown.text), shown.text
    assert "KeyboardInterrupt" not in shown.text
    time.sleep(0.3)
    assert notebook.kernel.run(NEXT).text == f"[0-{SIZES[0] - 1}] {[float(SIZES[0])] * 2}\n"


@pytest.mark.parametrize("after_s", [0.02, 0.05, 0.1, 0.15])
@pytest.mark.parametrize("command", ["%ranks restart", "%ranks restart --on 1"])
def test_stop_during_a_restart(shelf, command, after_s):
    """Every rank either works or is reported as gone, and another restart brings all of them back.

    Several in one cell: Stop must not come when the cell is over, which ipykernel itself takes badly.
    """
    notebook = shelf.get(SIZES[0])
    assert notebook.kernel.run("\n".join([command] * 8), stop_after=after_s).seconds < limit_s()
    shown = notebook.kernel.run(NEXT)
    expected = f"[0-{SIZES[0] - 1}] {[float(SIZES[0])] * 2}\n"
    assert shown.text == expected or re.search(r"gone .*`%ranks restart`", shown.error), shown.text
    assert "Started" in notebook.kernel.run("%ranks restart").text
    assert notebook.kernel.run(NEXT).text == expected


@pytest.fixture
def tiny_disk(tmp_path):
    """A temp directory of one megabyte."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False, timeout=20).returncode:
        pytest.skip("only root may mount a disk that is small enough to be filled")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True, timeout=20)


def test_full_disk_under_the_temp_directory(tiny_disk, tmp_path):
    """Cells, errors and the release still work; what needs the disk says in one line that it is full."""
    fill = f"open({str(tiny_disk / 'filler')!r}, 'wb').write(bytes(2**21))"
    with Kernel(tmp_path, TMPDIR=str(tiny_disk)) as kernel:
        for source in ("%load_ext mgpu_lab", "%ranks start -n 2 --device cpu", "%%ranks\nkept = rank + 0.5"):
            assert not kernel.run(source).error
        assert "No space left" in kernel.run(fill).error
        assert kernel.run(NEXT).text == "[0-1] [2.0, 2.0]\n"
        began = time.monotonic()
        shown = kernel.ranks("""
            if rank == 1: raise ValueError('broken')
            dist.barrier()""")
        assert time.monotonic() - began < 10
        assert "ValueError: broken" in shown.text
        again = kernel.ranks("print(kept)")
        assert again.stdout == "[0] 0.5\n[1] 1.5\n" or re.search("space|disk", again.error), again.text
        (tiny_disk / "filler").unlink()
        assert "Started" in kernel.run("%ranks restart").text
        assert kernel.run(NEXT).text == "[0-1] [2.0, 2.0]\n"
