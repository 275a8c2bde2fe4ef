"""Requests of lesson 08: the same for the same seed, lengths as stated, admitted when they have arrived."""

from dataclasses import replace
from itertools import pairwise

import pytest

from mgpu_lab.course.serving.open_load import OpenLoad
from mgpu_lab.course.serving.requests import PROMPTS, Request, poisson_requests, prompts


def test_prompts_are_32_different_pieces_of_32_bytes():
    found = prompts()
    assert len(found) == len(set(map(bytes, found))) == PROMPTS
    assert {len(prompt) for prompt in found} == {32}
    assert all(0 <= token < 256 for prompt in found for token in prompt)


def test_one_seed_gives_the_same_requests_and_another_seed_others():
    assert poisson_requests(50, 10.0, seed=3) == poisson_requests(50, 10.0, seed=3)
    assert poisson_requests(50, 10.0, seed=3) != poisson_requests(50, 10.0, seed=4)


def test_a_higher_rate_moves_the_same_requests_closer_together():
    slow, fast = poisson_requests(50, 10.0), poisson_requests(50, 40.0)
    assert [replace(each, arrives_s=each.arrives_s / 4) for each in slow] == fast


def test_the_rate_and_the_lengths_are_those_that_the_docstring_states():
    found = poisson_requests(4000, 20.0)
    gaps = [later.arrives_s - each.arrives_s for each, later in pairwise(found)]
    assert sum(gaps) / len(gaps) == pytest.approx(1 / 20, rel=0.05)
    mean_square = sum(gap**2 for gap in gaps) / len(gaps)
    assert mean_square == pytest.approx(2 / 20**2, rel=0.1)  # exponential gaps; of equal ones it were 1 / 20**2
    assert {len(each.prompt) for each in found} == set(range(8, 33))
    answers = [each.new_tokens for each in found]
    assert (min(answers), max(answers)) == (2, 32)
    assert sum(answers) / len(answers) == pytest.approx(8, rel=0.05)
    assert all(each.prompt in [prompt[: len(each.prompt)] for prompt in prompts()] for each in found[:50])


@pytest.fixture
def load():
    requests = [Request(number, float(number), [1], 2) for number in range(3)]
    return OpenLoad(requests, clock=lambda: 100.0)


def test_a_request_is_admitted_when_it_has_arrived_and_in_order(load):
    assert [load.due(), load.admit().request.id] == [True, 0]
    load.look(0.9)
    assert not load.due()
    load.look(2.5)
    assert [load.admit().request.id, load.admit().request.id] == [1, 2]
    assert not load.due()


def test_a_request_keeps_the_planned_arrival_beside_the_admission(load):
    load.look(2.5)
    load.admit()
    served = load.admit()
    load.look(4.0)
    load.done(served)
    assert (served.admitted_s, served.done_s, served.latency_s) == (2.5, 4.0, 3.0)


def test_who_waits_or_runs_is_counted_at_the_middle_of_a_turn(load):
    load.look(0.5)  # one is there
    load.look(2.0)  # at 1.25 there are two
    served = load.admit()
    load.done(served)
    load.look(2.5)  # at 2.25 three have come, one has left
    assert load.report() == ([served], 0.5 * 1 + 1.5 * 2 + 0.5 * 2)
