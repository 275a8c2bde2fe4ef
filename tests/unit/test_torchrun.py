"""What a run under torchrun said is shown without what differs from machine to machine; what was not said is missed."""

import pytest

from mgpu_lab.course.torchrun import Said

OUTPUT = """[rank1]: RuntimeError: [/__w/gloo/pair.cc:553] Connection closed by peer [127.0.0.1]:64732. GLHF!
  File "/home/ann/.venv/lib/python3.11/site-packages/torch/distributed/run.py", line 1032, in <module>
[rank0]: RuntimeError: [/__w/gloo/pair.cc:553] Connection closed by peer [127.0.0.1]:1234. GLHF!
  exitcode  : -6 (pid: 7395)  (SIGABRT)
"""


@pytest.fixture
def said():
    return Said("torchrun --master_port=29500 script.py", 1, OUTPUT, 2.5)


def test_lines_come_in_the_order_of_the_ranks_without_ports_and_folders(said):
    closed = "RuntimeError: [pair.cc:553] Connection closed by peer [127.0.0.1]:PORT. GLHF!"
    assert said.lines("by peer") == [f"[rank0]: {closed}", f"[rank1]: {closed}"]
    assert said.lines("run.py", "exitcode") == [
        'File "run.py", line 1032, in <module>',
        "exitcode  : -6 (pid: PID)  (SIGABRT)",
    ]


def test_shown_lines_are_marked_as_varying(said, capsys):
    said.show("by peer", most=1)
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "$ torchrun --master_port=PORT script.py"
    assert [line[:2] for line in shown[1:]] == ["» "]


def test_what_was_not_said_is_an_error_that_tells_what_was(said):
    with pytest.raises(LookupError, match=r"(?s)did not say \['timed out'\] but:.*GLHF"):
        said.show("by peer", "timed out")
