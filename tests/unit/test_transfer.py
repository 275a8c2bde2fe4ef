"""Values and displays on their way between kernel and rank: within a limit, as plain values, or refused in one line."""

import datetime as dt
import pickle
import threading

import pytest

from mgpu_lab.wire import messages, transfer
from mgpu_lab.wire.cells import is_cell_file
from mgpu_lab.wire.errors import UsageError


def test_values_arrive_equal():
    values = {"lr": 1e-3, "words": ["a", "b"], "nested": ({"x": None}, b"\x00")}
    assert transfer.unpack_pushed(transfer.pack_all(values)) == values
    assert transfer.unpack_pulled(transfer.pack("words", values, 1000), "words") == ["a", "b"]
    message = messages.Push(1, transfer.pack_all(values))
    assert pickle.loads(pickle.dumps(message)) == message  # noqa: S301 - made here


class OfACell:
    """Stands for a class that one side only knows."""


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: transfer.pack("nowhere", {}, 100), "no variable 'nowhere' here"),
        (lambda: transfer.pack("big", {"big": bytes(2**21)}, 2**20), "'big' is larger than 1 MiB; pull a part"),
        (lambda: transfer.pack("many", {"many": [bytes([i]) * 99_999 for i in range(20)]}, 2**20), "'many' is larger"),
        (
            lambda: transfer.pack_all({"fine": 1, "lock": threading.Lock()}),
            "'lock' holds a lock that cannot be pickled",
        ),
        (lambda: transfer.pack_all({"f": lambda: 1}), r"'f' holds a function .*<lambda>"),
    ],
)
def test_what_cannot_travel_is_named(call, says):
    with pytest.raises(UsageError, match=says) as error:
        call()
    assert "\n" not in str(error.value)
    assert "0x" not in str(error.value)


def test_a_huge_value_is_not_copied_first():
    buffer = transfer._LimitedBuffer(10)
    with pytest.raises(OverflowError):
        buffer.write(bytes(11))
    assert buffer.write(bytes(10)) == 10


@pytest.mark.parametrize(
    ("unpack", "says"),
    [
        (lambda payload: transfer.unpack_pulled(payload, "x"), "'x' holds an object whose class this notebook does n"),
        (transfer.unpack_pushed, "do not know a class or function .*define it in a %%ranks cell"),
    ],
)
def test_a_class_that_only_the_other_side_knows(monkeypatch, unpack, says):
    payload = transfer.pack_all({"x": OfACell()})
    monkeypatch.delitem(globals(), "OfACell")
    with pytest.raises(UsageError, match=says):
        unpack(payload)


class Whole:
    """A number of another package."""

    def __int__(self):
        return 3


transfer.numbers.Integral.register(Whole)


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        (b"\x89PNG", "iVBORw=="),
        (dt.datetime(2026, 1, 2, tzinfo=dt.UTC), "2026-01-02T00:00:00+00:00"),
        (Whole(), 3),
        ({"a": (1,)}, {"a": [1]}),
    ],
)
def test_a_display_arrives_as_a_notebook_file_holds_it(value, sent):
    assert transfer.plain_display({"x": value}, {"about": value}) == ({"x": sent}, {"about": sent})


@pytest.mark.parametrize(
    ("value", "says"), [(OfACell(), "holds a OfACell"), (print, "holds a builtin"), ({1j: 0}, "keys")]
)
def test_a_display_of_anything_else_is_refused(value, says):
    with pytest.raises(UsageError, match=f"this display cannot be sent .*{says}.*: show text"):
        transfer.plain_display({"application/json": value}, {})


def test_a_widget_stays_with_its_state():
    data, _ = transfer.plain_display({transfer.WIDGET_MIME: {"model_id": "a"}, "text/plain": "IntSlider"}, {})
    assert data == {"text/plain": "IntSlider"}


def test_names_of_cells():
    assert is_cell_file("<ipython-input-3-abc>")
    assert not any(is_cell_file(name) for name in ("<string>", "/a/<ipython-input-3>", "ipython-input-3.py"))
