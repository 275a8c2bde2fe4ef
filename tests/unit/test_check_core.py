"""A check's verdict: passed, not yet with a hint, or not attempted; and what all checks share."""

import pytest

from mgpu_lab.checks import core
from mgpu_lab.checks.core import HOMES, PASSED, TO_DO, WRONG, Wrong, check, is_stub, judge
from mgpu_lab.checks.mistakes import close, fitting, judge_number, number_of, of_number
from mgpu_lab.wire.errors import UsageError

IN_KERNEL = "narrow-slot hot-card small-shm shard-sizes device-zero plain-checkpoint ring-bytes zero-bytes quant-bits"


def not_written_yet(*_, **__):
    raise NotImplementedError


def with_a_docstring(x):
    """Return something."""


@pytest.mark.parametrize("name", IN_KERNEL.split())
@pytest.mark.parametrize("stub", [..., None, lambda *_: None])
def test_what_is_not_attempted_is_not_wrong(name, stub):
    assert judge(name, stub).outcome == TO_DO


@pytest.mark.parametrize("stub", [..., None, lambda: ..., lambda _: None, with_a_docstring])
def test_a_placeholder_is_seen(stub):
    assert is_stub(stub)


@pytest.mark.parametrize("answer", [0, "", {}, lambda x: x, lambda: 0, dict, print])
def test_an_answer_is_no_placeholder(answer):
    assert not is_stub(answer)


@pytest.fixture
def exercise(monkeypatch):
    """Return a function that makes a check of its own the one of every exercise."""
    return lambda run: monkeypatch.setattr(core, "checker", lambda _: run)


def test_verdicts(exercise, capsys):
    exercise(lambda answer: answer())
    assert judge("x", lambda: "Seen.") == core.Verdict("x", PASSED, "Seen.")
    assert judge("x", not_written_yet).outcome == TO_DO
    assert judge("x", 7000.0).text == "Hand over the function or class itself, not what it returns (float)."
    with pytest.raises(ZeroDivisionError):
        judge("x", lambda: 1 / 0)  # the answer's own error is the best hint
    assert check("x", lambda: "word " * 30)
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 100

    def refuse(_):
        raise Wrong("Look again.")

    exercise(refuse)
    verdict = judge("x", print)
    assert (verdict.outcome, str(verdict), bool(verdict)) == (WRONG, "x: not yet. Look again.", False)


def test_an_unknown_exercise():
    with pytest.raises(UsageError, match="did you mean 'ring-bytes'"):
        judge("ring-byte", print)
    with pytest.raises(UsageError, match="there are accumulate, "):
        judge("zzz", print)


@pytest.mark.parametrize("name", IN_KERNEL.split())
def test_exercises_are_found_by_their_lesson(name):
    assert core.checker(name).__module__ == f"mgpu_lab.checks.{HOMES[name]}"


def test_a_mistake_is_named():
    assert fitting({"one": 1, "two": 2, "also two": 2}, lambda wrong: wrong == 2) == "two"
    assert fitting({"one": 1}, lambda wrong: wrong == 2) is None
    assert of_number(2.0000001, {1.0: "one", 2.0: "two"}) == "two"
    assert of_number(2.01, {2.0: "two"}) is None
    assert not close(float("nan"), float("nan"))
    assert close(0.0, 0.0)
    assert [number_of(each) for each in (True, "2", b"2", [2], 10**400, 2)] == [None] * 5 + [2.0]


@pytest.mark.parametrize(
    ("found", "words"), [("8", "with a number, not '8'"), (4.0, "lanes"), (3.9, "lanes"), (3, "else")]
)
def test_a_wrong_number_is_told(found, words):
    judge_number(8.1, 8.0, {}, "", relative=0.02)
    with pytest.raises(Wrong, match=words):
        judge_number(found, 8.0, {4.0: "lanes"}, "else", relative=0.04)
