"""Cells exported as a script: what is in it, and that it prints the same under torchrun, for whole lessons too."""

from __future__ import annotations

import gc
import os
import random
import re
import subprocess
import sys
import weakref
from configparser import ConfigParser
from pathlib import Path

import nbformat
import pytest

from mgpu_lab import Ranks
from mgpu_lab.notebook.export import Step, script
from mgpu_lab.notebook.magics import make_parsers
from mgpu_lab.wire.errors import UsageError

ROOT = Path(__file__).resolve().parents[2]
TRAINING = (
    """torch.manual_seed(0)
net = torch.nn.Linear(8, 1)
ddp = torch.nn.parallel.DistributedDataParallel(net)
optimizer = torch.optim.SGD(ddp.parameters(), lr=lr)""",
    """data = torch.Generator().manual_seed(rank)
for step in range(3):
    x = torch.randn(4, 8, generator=data)
    loss = (ddp(x) - x.sum(1, keepdim=True)).pow(2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(f"step {step} loss {loss.item():.6f}")""",
    "sum(p.double().sum() for p in net.parameters()).item()",
)


def under_torchrun(path: Path) -> str:
    """What rank 0 of two prints."""
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", "--local-ranks-filter=0"]
    environ = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, *launch, str(path)],
        env=environ,
        cwd=path.parent,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_a_training_prints_the_same(tmp_path):
    path = tmp_path / "train.py"
    with Ranks(2, "cpu") as ranks:
        ranks.push(lr=0.1)
        results = [ranks.run(cell) for cell in TRAINING]
        shown = "".join(each[0].stdout for each in results) + results[-1][0].displays[0]["text/plain"] + "\n"
        assert not ranks.run("raise ValueError('left out')").ok
        told = ranks.export(str(path))
        with pytest.raises(UsageError, match=r"exists already.*--force"):
            ranks.export(str(path))
        assert ranks.export(str(path), force=True) == told
    assert told.startswith(f"Wrote 3 cells (1 that failed left out) to {path}.")
    assert "torchrun --nproc_per_node=2" in told
    assert "# cell 5 failed in the notebook and is left out\n" in path.read_text()
    assert shown.count("loss") == 3
    assert under_torchrun(path) == shown


def rank_cells(lesson: str) -> list[tuple[list[int] | None, float | None, str]]:
    """The ranks' cells of a lesson since its ranks were started last: on which ranks, with which limit, the code."""
    cells = [each.source for each in nbformat.read(ROOT / "notebooks" / lesson, as_version=4).cells]
    since = max(i for i, source in enumerate(cells) if re.search(r"^%ranks start", source, re.MULTILINE))
    found = []
    for source in cells[since:]:
        if source.startswith("%%ranks"):
            line, _, code = source.partition("\n")
            options = make_parsers()[""].parse_args(line.split()[1:])
            found.append((options.on, options.timeout, code))
    return found


def without_times(text: str) -> str:
    """Hide the numbers that differ from run to run, as the notebooks' tests do."""
    rules = ConfigParser(interpolation=None)
    rules.read(ROOT / "tests" / "nbval_sanitize.cfg")
    for name in rules.sections():
        text = re.sub(rules[name]["regex"], rules[name]["replace"], text)
    return text


@pytest.mark.slow
@pytest.mark.parametrize("lesson", ["01_setup_verification.ipynb", "03_ddp.ipynb"])
def test_a_lesson_prints_the_same(tmp_path, lesson):
    path, shown = tmp_path / "lesson.py", ""
    with Ranks(2, "cpu") as ranks:
        for on, limit_s, code in rank_cells(lesson):
            result = ranks.run(code, on, limit_s)
            assert result.ok or limit_s or "leftover" in code, (code, result)
            shown += result[0].stdout
        ranks.export(str(path))
    assert {"01": "sum over the ranks: 2.0", "03": "loss after 20 steps: 3.904"}[lesson[:2]] in shown
    assert without_times(under_torchrun(path)) == without_times(shown)


@pytest.fixture(scope="module")
def ranks():
    with Ranks(2, "cpu") as ranks:
        yield ranks


def test_what_no_script_can_run_is_exported_as_a_comment(ranks, tmp_path):
    cells = {
        "%%bash\nif true; then echo hi; fi": "# not exported: is no plain Python\n# ",
        "files = !ls": "# files = !ls",
        "import asyncio\nawait asyncio.sleep(0)": "# not exported: uses await outside a function",
        "x = 1\n%cd .": "\nx = 1\npass  # notebook only: %cd .",
    }
    assert all(ranks.run(cell).ok for cell in cells)
    assert ranks.run("# only words", on=[0]).ok
    ranks.push([1], only=3)
    ranks.push(big=list(range(10_000)), name="b")
    ranks.export(str(tmp_path / "train.py"))
    text = (tmp_path / "train.py").read_text()
    compile(text, "train.py", "exec")
    assert [cell for cell, words in cells.items() if words not in text] == []
    assert "if rank in (1,):\n    only = 3\n" in text
    assert "# set big here" in text


def test_pushed_values_are_not_kept_for_the_export(ranks):
    value = random.Random(1)  # noqa: S311 - any object
    seen = weakref.ref(value)
    ranks.push(value=value)
    del value
    gc.collect()
    assert seen() is None


def test_what_shows_itself_is_not_shown_again():
    names = {"show": None}
    text = script([Step("class Quiet:\n    def _ipython_display_(self): print('here')\nvalue = 1"), Step("value")], 1)
    helper = text[text.index("def show(") : text.index("# %%")]
    exec(helper, names)  # noqa: S102 - our own text
    assert "show(value)" in text
    quiet = type("Quiet", (), {"_ipython_display_": lambda _: None})()
    assert names["show"](quiet) is None


def test_nothing_to_export(tmp_path):
    with Ranks(1, "cpu") as ranks:
        for _ in range(2):
            with pytest.raises(UsageError, match="nothing to export") as error:
                ranks.export(str(tmp_path / "train.py"))
            assert "\n" not in str(error.value)
            ranks.run("1 / 0")
