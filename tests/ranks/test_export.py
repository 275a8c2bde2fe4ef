"""Cells exported as a script print the same under torchrun, those of whole lessons too."""

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
from cells import cell

from mgpu_lab import Ranks
from mgpu_lab.notebook.export import write_script
from mgpu_lab.notebook.leaving_out import left_out
from mgpu_lab.notebook.options import make_parsers

ROOT = Path(__file__).resolve().parents[2]
TRAINING = (
    cell("""
        torch.manual_seed(0)
        net = torch.nn.Linear(8, 1)
        ddp = torch.nn.parallel.DistributedDataParallel(net)
        optimizer = torch.optim.SGD(ddp.parameters(), lr=lr)
    """),
    cell("""
        data = torch.Generator().manual_seed(rank)
        for step in range(3):
            x = torch.randn(4, 8, generator=data)
            loss = (ddp(x) - x.sum(1, keepdim=True)).pow(2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            print(f"step {step} loss {loss.item():.6f}")
    """),
    "sum(p.double().sum() for p in net.parameters()).item()",
)


def under_torchrun(path: Path) -> str:
    """What rank 0 of two prints."""
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", "--local-ranks-filter=0"]
    environ = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(ROOT)}
    options = {"env": environ, "cwd": path.parent, "capture_output": True, "text": True, "timeout": 280}
    done = subprocess.run([sys.executable, *launch, str(path)], check=False, **options)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_a_training_prints_the_same(tmp_path):
    path = tmp_path / "train.py"
    with Ranks(2, "cpu") as ranks:
        ranks.push(lr=0.1)
        results = [ranks.run(source) for source in TRAINING]
        shown = "".join(each[0].stdout for each in results) + results[-1][0].displays[0]["text/plain"] + "\n"
        assert not ranks.run("raise ValueError('left out')").ok
        ranks.push([1], only=3)
        told = write_script(str(path), ranks.journal, len(ranks))
    assert told.startswith(f"Wrote 3 cells (1 that failed left out) to {path}.")
    assert "# cell 5 failed in the notebook and is left out\n\nif rank in (1,):\n    only = 3\n" in path.read_text()
    assert shown.count("loss") == 3
    assert under_torchrun(path) == shown


def rank_cells(lesson: str) -> list[tuple[list[int] | None, float | None, str]]:
    """The ranks' cells of a lesson since its ranks were started last: on which ranks, with which limit, the code."""
    sources = [each.source for each in nbformat.read(ROOT / "notebooks" / lesson, as_version=4).cells]
    since = max(i for i, source in enumerate(sources) if re.search(r"^%ranks start", source, re.MULTILINE))
    found = []
    for line, _, code in (source.partition("\n") for source in sources[since:] if source.startswith("%%ranks")):
        options = make_parsers()[""].parse_args(line.split()[1:])
        found.append((options.on, options.timeout, code))
    return found


def without_times(text: str) -> str:
    """Hide the numbers that differ from run to run, as the notebooks' tests do, and which call was a rank's last.

    A script has no cells that failed, so that the Flight Recorder of lesson 01 has another last call there.
    """
    text = re.sub(r"(?m)^call \d+ was .*$", "call", text)
    rules = ConfigParser(interpolation=None)
    rules.read(ROOT / "tests" / "nbval_sanitize.cfg")
    for name in rules.sections():
        text = re.sub(rules[name]["regex"], rules[name]["replace"], text)
    return text


@pytest.mark.slow
@pytest.mark.parametrize("lesson", ["01_setup_verification.ipynb", "03_ddp.ipynb"])
def test_a_lesson_prints_the_same(tmp_path, lesson):
    path, printed = tmp_path / "lesson.py", []
    with Ranks(2, "cpu") as ranks:
        for on, limit_s, code in rank_cells(lesson):
            result = ranks.run(code, on, limit_s)
            assert result.ok or limit_s or "leftover" in code, (code, result)
            printed.append(result[0].stdout)
        out = left_out(ranks.journal)
        told = write_script(str(path), ranks.journal, len(ranks))
    assert "not complete" not in told
    shown = "".join(text for number, text in enumerate(printed, 1) if number not in out)
    assert {"01": "sum over the ranks: 2.0", "03": "loss after 20 steps: 3.904"}[lesson[:2]] in shown
    assert without_times(under_torchrun(path)) == without_times(shown)


def test_pushed_values_are_not_kept_for_the_export():
    value = random.Random(1)  # noqa: S311 - any object
    seen = weakref.ref(value)
    with Ranks(1, "cpu") as ranks:
        ranks.push(value=value)
        del value
        gc.collect()
        assert seen() is None
