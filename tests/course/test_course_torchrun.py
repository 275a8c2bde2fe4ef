"""Lessons' scripts run under a real torchrun: what the ranks say comes back, a failure too."""

import subprocess
import time

import psutil
import pytest

from mgpu_lab.course import torchrun


def test_ranks_join_and_a_variable_reaches_them():
    said = torchrun(
        """
import os
import torch.distributed as dist

dist.init_process_group("gloo")
print(os.environ["GREETING"], dist.get_rank(), dist.get_world_size())
dist.destroy_process_group()
""",
        GREETING="hello from",
    )
    assert said.returncode == 0, said.output
    assert said.lines("hello") == ["hello from 0 2", "hello from 1 2"]
    assert said.printed == "hello from 0 2\nhello from 1 2\n"
    assert said.command == "GREETING=hello from torchrun --standalone --nproc_per_node=2 script.py"


def test_lines_of_two_ranks_do_not_mix(monkeypatch):
    monkeypatch.setenv("PYTHONUNBUFFERED", "1")  # each word of a print is written by itself
    said = torchrun("import os\nfor _ in range(2000): print('rank', os.environ['RANK'], 'says', 'hello')")
    assert said.lines("rank", "hello") == ["rank 0 says hello", "rank 1 says hello"]


def test_a_failure_is_kept():
    said = torchrun("raise RuntimeError('no')", ranks=1)
    assert said.returncode == 1
    assert said.lines("RuntimeError") == ["RuntimeError: no", "[rank0]: RuntimeError: no"] or said.lines("no")


def test_a_file_gets_its_arguments(tmp_path):
    path = tmp_path / "train.py"
    path.write_text("import sys; print('got', *sys.argv[1:])")
    said = torchrun(str(path), "--epochs", "2", ranks=1)
    assert (said.returncode, said.printed, said.find("got .*")) == (0, "got --epochs 2\n", "got --epochs 2")
    assert said.find("lost") == "(nothing)"


def test_a_run_is_ended_at_its_limit_and_its_ranks_with_it(tmp_path):
    program = f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    with pytest.raises(subprocess.TimeoutExpired):
        torchrun(program, ranks=1, timeout_s=15)
    deadline = time.monotonic() + 30
    while psutil.pid_exists(pid := int((tmp_path / "pid").read_text())) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not psutil.pid_exists(pid)
