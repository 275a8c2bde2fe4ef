"""The script that learners take home, under torchrun: killed and resumed it ends as if nothing had happened."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch

SCRIPT = Path(__file__).resolve().parents[2] / "notebooks" / "scripts" / "train_ddp.py"
TORCHRUN = ("-m", "torch.distributed.run", "--standalone")
SAVING = ("--save-every=10", "--checkpoint")
pytestmark = pytest.mark.slow


def start(folder, *command):
    """Start Python in a folder where this project is not in reach."""
    hidden = {"PYTHONPATH", "RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"}
    environ = {name: value for name, value in os.environ.items() if name not in hidden}
    environ |= {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, *map(str, command)], cwd=folder, env=environ, **pipes)


def finish(process):
    """Wait, and return (status, stdout, stderr)."""
    out, err = process.communicate(timeout=280)
    return process.returncode, out, err


def train(folder, *options, ranks=2):
    return finish(start(folder, *TORCHRUN, f"--nproc_per_node={ranks}", SCRIPT, *options))


def epochs(text):
    return re.findall(r"^epoch (\d+): mean loss (\d\.\d{3}), held out (\d\.\d{3})$", text, re.MULTILINE)


def equal(one, other):
    """Compare all of two checkpoints, every bit of every tensor."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(equal, one, other))
    return one == other


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """What an undisturbed training prints, and its last checkpoint."""
    folder = tmp_path_factory.mktemp("undisturbed")
    status, out, err = train(folder, *SAVING, "run.pt")
    assert status == 0, err
    return out, torch.load(folder / "run.pt", weights_only=True)


def test_it_trains_and_says_so_once(undisturbed):
    out, state = undisturbed
    told = epochs(out)
    assert [int(number) for number, _, _ in told] == [1, 2]
    assert len(out.splitlines()) == 2  # rank 0 alone speaks
    losses = state["progress"]["losses"]
    assert [(f"{mean:.3f}", f"{held_out:.3f}") for mean, held_out in losses] == [each[1:] for each in told]
    assert losses[1][0] < losses[0][0] < 5.6  # ln 256 is 5.55
    assert losses[1][1] < losses[0][1]


def test_each_rank_keeps_its_own_random_state(undisturbed):
    _, state = undisturbed
    one, other = (each["cpu_rng"] for each in state["ranks"])
    assert not torch.equal(one, other)


def test_stopped_in_an_epoch_and_resumed_the_losses_are_the_same(undisturbed, tmp_path):
    out, state = undisturbed
    per_epoch = state["progress"]["total_steps"] // 2
    stop = per_epoch + 17
    status, before, _ = train(tmp_path, *SAVING, "run.pt", f"--stop-after={stop}", "--workers=1")
    assert status == 1
    assert "resumed" not in before
    status, after, err = train(tmp_path, *SAVING, "run.pt")
    assert status == 0, err
    assert f"resumed from step {stop // 10 * 10}\n" in after
    assert per_epoch < stop // 10 * 10
    assert epochs(before) + epochs(after) == epochs(out)
    assert equal(torch.load(tmp_path / "run.pt", weights_only=True), state)


def test_killed_and_started_again_it_ends_where_it_would_have(undisturbed, tmp_path):
    _, state = undisturbed
    launch = start(tmp_path, *TORCHRUN, "--nproc_per_node=2", SCRIPT, *SAVING, "run.pt")
    while not (tmp_path / "run.pt").exists() and launch.poll() is None:
        time.sleep(0.01)
    (rank_0,) = (each for each in psutil.Process(launch.pid).children() if each.environ().get("RANK") == "0")
    rank_0.kill()  # the one that writes
    status, _, err = finish(launch)
    assert status == 1
    assert "exitcode: -9" in err or "[rank1]: Traceback" in err, err  # rank 1, cut off, may be the first to be seen
    status, out, err = train(tmp_path, *SAVING, "run.pt")
    assert status == 0, err
    [step] = map(int, re.findall(r"^resumed from step (\d+)$", out, re.MULTILINE))
    assert 0 < step < state["progress"]["total_steps"]
    assert equal(torch.load(tmp_path / "run.pt", weights_only=True), state)


def first_gradient(state):
    """Adam's first moment after one step is the gradient times (1 - beta1)."""
    return torch.cat([each["exp_avg"].flatten() for each in state["optimizer"]["state"].values()])


def test_two_ranks_make_the_gradient_of_one_process_on_the_joined_batch(tmp_path):
    common = ("--dropout=0", "--stop-after=1", "--save-every=1")
    status, _, _ = train(tmp_path, *common, "--batch-size=8", "--checkpoint", "two.pt")
    assert status == 1
    status, _, err = finish(start(tmp_path, SCRIPT, *common, "--batch-size=16", "--checkpoint", "one.pt"))
    assert status == 1, err
    two, one = (first_gradient(torch.load(tmp_path / name, weights_only=True)) for name in ("two.pt", "one.pt"))
    assert one.norm() > 0.01
    assert (two - one).norm() < 1e-5 * one.norm()


def test_another_number_of_ranks_is_refused(undisturbed, tmp_path):
    _, state = undisturbed
    torch.save(state, tmp_path / "run.pt")
    status, _, err = finish(start(tmp_path, SCRIPT, "--checkpoint", "run.pt"))
    assert status == 1
    assert "run.pt is of 2 ranks, here are 1" in err


def test_the_error_of_one_rank_ends_all_with_its_traceback(tmp_path):
    broken = SCRIPT.read_text().replace(
        "            loss.backward()\n", "            1 / (1 - rank)\n            loss.backward()\n"
    )
    (tmp_path / "broken.py").write_text(broken)
    status, _, err = finish(start(tmp_path, *TORCHRUN, "--nproc_per_node=2", "broken.py"))
    assert status == 1
    assert "ZeroDivisionError: division by zero" in err.partition("Root Cause")[2]
