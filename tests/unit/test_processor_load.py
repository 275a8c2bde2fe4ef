"""Whether a process wants to run and gets no processor, and how rarely its memory is read exactly."""

import os
import sys

import pytest

from mgpu_lab.engine.backends import processor_load as load
from mgpu_lab.engine.backends.processor_load import Usage, starved, usage
from mgpu_lab.rank import sampler
from mgpu_lab.rank.sampler import EXACT_SHARE, PrivateMemory


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what a process wants")
def test_usage_of_this_process_and_of_one_that_is_gone():
    before = usage(os.getpid())
    assert before.runnable
    while os.times().user - before.cpu_s < 0.02:
        pass
    assert usage(os.getpid()).cpu_s > before.cpu_s
    assert usage(2**22 + 1) is None


@pytest.mark.parametrize(
    ("runnable", "cpu_s", "answer"), [(True, 0.4, True), (True, 0.6, False), (False, 0.0, False), (None, 0.0, False)]
)
def test_starved_is_who_wants_to_run_and_had_less_than_its_share(monkeypatch, runnable, cpu_s, answer):
    now = None if runnable is None else Usage(11.0, runnable, 5.0 + cpu_s)
    monkeypatch.setattr(load, "usage", lambda pid: now if pid == 7 else None)
    assert starved(7, Usage(10.0, runnable=True, cpu_s=5.0)) is answer
    assert not starved(7, None)


def test_memory_is_read_exactly_as_rarely_as_its_cost_asks_and_followed_in_between(monkeypatch):
    class Clock:
        now_s = thread_s = 0.0

        def monotonic(self):
            return self.now_s

        def thread_time(self):
            return self.thread_s

    def exact(_):
        clock.thread_s += 0.01  # what the reading takes
        readings.append(clock.now_s)
        return 1000

    clock, readings, anonymous = Clock(), [], [5000]
    monkeypatch.setattr(sampler, "time", clock)
    monkeypatch.setattr(sampler, "private_bytes", exact)
    monkeypatch.setattr(sampler, "anonymous_bytes", lambda _: anonymous[0])
    memory = PrivateMemory()
    assert memory.read() == 1000
    anonymous[0] = 5300
    clock.now_s = 0.01 / EXACT_SHARE - 0.1
    assert memory.read() == 1300
    clock.now_s += 0.2
    assert memory.read() == 1000
    assert readings == [0.0, clock.now_s]
    anonymous[0] = 0
    assert memory.read() == 0
