"""The course's helper that runs a script under torchrun, and reads what it said."""

import pytest

from mgpu_lab.course.launch import NOTHING, under_torchrun

PROGRAM = """
import os, sys

print("rank", os.environ["RANK"], "of", os.environ["WORLD_SIZE"], os.environ.get("COLOUR"), *sys.argv[1:])
if os.environ["RANK"] == "1":
    raise ValueError("one is enough")
"""
ENDLESS = """
import time

time.sleep(600)
"""


@pytest.mark.slow
def test_a_program_text_runs_on_ranks():
    ran = under_torchrun(PROGRAM, "--fast", COLOUR="blue")
    assert sorted(ran.lines("rank")) == ["rank 0 of 2 blue --fast", "rank 1 of 2 blue --fast"]
    assert ran.exit_status == 1
    assert ran.find("ValueError: .*") == "ValueError: one is enough"
    assert ran.find("KeyError") == NOTHING


@pytest.mark.slow
def test_a_run_is_ended_at_its_limit():
    ran = under_torchrun(ENDLESS, ranks=1, limit_s=15)
    assert ran.exit_status is None
    assert 15 <= ran.seconds < 120
