"""Lessons' scripts run under a real torchrun: what the ranks say comes back, a failure too."""

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
    assert said.command == "GREETING=hello from torchrun --standalone --nproc_per_node=2 script.py"


def test_a_failure_is_kept():
    said = torchrun("raise RuntimeError('no')", ranks=1)
    assert said.returncode == 1
    assert said.lines("RuntimeError") == ["RuntimeError: no", "[rank0]: RuntimeError: no"] or said.lines("no")
