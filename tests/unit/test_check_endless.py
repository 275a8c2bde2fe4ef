"""An answer that computes for ever is ended; one that ends in time is left alone."""

import contextlib
import signal

import pytest

from mgpu_lab.checks.core import Wrong
from mgpu_lab.checks.endless import ending

SHORT_S = 0.02


def test_a_loop_is_ended_though_it_catches_exceptions():
    def loop():
        while True:
            with contextlib.suppress(Exception):
                sum(range(100))

    with pytest.raises(Wrong, match=r"f\(1\) had not ended after 0.02 s"), ending("f(1)", SHORT_S):
        loop()


def test_what_ends_in_time_is_left_alone_and_the_handler_comes_back():
    before = signal.getsignal(signal.SIGVTALRM)
    with ending("f(1)", SHORT_S):
        found = sum(range(3))
    assert found == 3
    assert signal.getsignal(signal.SIGVTALRM) == before
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0.0, 0.0)


def test_an_answers_own_error_passes():
    with pytest.raises(KeyError), ending("f(1)", SHORT_S):
        raise KeyError(1)
