"""Every check passes right answers in any style and catches wrong ones: those of ``answers/``, by many hands."""

import answer_files
import pytest

from mgpu_lab.checks.core import HOMES

LEAST_RIGHT, LEAST_WRONG = 5, 8


@pytest.mark.parametrize("check", sorted(HOMES))
def test_there_are_answers_of_both_kinds(check):
    answers = answer_files.read(check)
    right = sum(answer.right for answer in answers)
    assert right >= LEAST_RIGHT
    assert len(answers) - right >= LEAST_WRONG
    assert len({answer.like for answer in answers}) == len(answers)


@pytest.mark.parametrize("check", answer_files.checks())
@pytest.mark.parametrize("size", [2, 3])
def test_answers_are_judged_well(check, size):
    assert answer_files.failures(check, size) == []
