"""What tells a rank that waits for its GPU from one that computes, and what the template must not load."""

import types

import pytest

from mgpu_lab.rank import position, template
from mgpu_lab.rank.nccl import is_under_way, under_way
from mgpu_lab.wire import driver


@pytest.mark.parametrize(
    ("group", "expected"),
    [
        ({"last_enqueued_collective": "3", "last_completed_collective": "2"}, True),
        ({"last_enqueued_collective": "3", "last_completed_collective": "3"}, False),
        ({"last_enqueued_collective": "-1", "last_started_collective": "-1", "last_completed_collective": "-1"}, False),
        ({}, False),
    ],
)
def test_a_call_is_under_way_until_it_is_complete(group, expected):
    assert is_under_way(group) is expected


def test_without_torch_nothing_is_under_way():
    assert not under_way()


def test_a_thread_is_still_when_its_mark_has_not_changed_for_a_while(monkeypatch):
    now = [10.0]
    monkeypatch.setattr(position, "time", types.SimpleNamespace(monotonic=lambda: now[0]))
    lookout = position.Lookout(0, None)
    seen = []
    for now[0], mark in [(10.0, ("a",)), (10.1, ("a",)), (10.21, ("a",)), (10.3, ("b",)), (10.6, ("b",))]:
        seen.append(lookout.still(mark))
    assert seen == [False, False, True, False, True]


def test_with_a_driver_the_template_leaves_out_what_initialises_cuda():
    every, fewer = template.to_load(driver=False), template.to_load(driver=True)
    assert set(every) - set(fewer) == {"transformers.trainer", "peft", "bitsandbytes", "deepspeed"}
    assert fewer == [name for name in every if name in fewer]


def test_a_driver_is_known_by_its_files(monkeypatch, tmp_path):
    monkeypatch.setattr(driver, "FILES", (str(tmp_path / "none"), str(tmp_path)))
    assert driver.has_driver()
    monkeypatch.setattr(driver, "FILES", (str(tmp_path / "none"),))
    assert not driver.has_driver()
