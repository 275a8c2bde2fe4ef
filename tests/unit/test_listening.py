"""Who listens is told of every call of torch.distributed, here played by plain functions."""

import sys
import threading
from types import SimpleNamespace

import pytest

from mgpu_lab.listening import calls


class Diary:
    """A listener that notes what it is told."""

    def __init__(self):
        self.told, self.ended = [], []

    def before(self, call):
        self.told.append((call.name, call.argument("tensor"), call.inside and call.inside.name))

    def after(self, call):
        self.ended.append((call.name, call.result, call.failed, call.thread, call.ended_s >= call.began_s))


class Refuses(Diary):
    def before(self, call):
        super().before(call)
        raise ValueError("not like this")


class Replaces(Diary):
    def after(self, call):
        call.result = "another"


@pytest.fixture
def diary(monkeypatch):
    monkeypatch.setattr(calls, "_installed", True)  # without torch
    diary = Diary()
    calls.add(diary)
    yield diary
    calls.remove(diary)


def reduce(tensor, op="sum", *, async_op=False):
    return tensor, op, async_op


heard_reduce = calls.wrapped("all_reduce", reduce)
heard_object = calls.wrapped("all_gather_object", heard_reduce)


@pytest.mark.parametrize(("args", "kwargs"), [((4,), {}), ((), {"op": "sum", "tensor": 4})])
def test_arguments_are_found_by_name_however_they_are_passed(diary, args, kwargs):
    assert heard_reduce(*args, **kwargs) == (4, "sum", False)
    assert diary.told == [("all_reduce", 4, None)]
    assert diary.ended == [("all_reduce", (4, "sum", False), False, threading.get_ident(), True)]
    call = calls.Call("all_reduce", {"tensor": 0, "op": 1}, args, kwargs)
    assert (call.first, call.argument("async_op")) == (4, None)


def test_a_call_made_inside_another_says_so_and_only_in_its_thread(diary):
    inner = threading.Thread(target=heard_reduce, args=(5,))
    calls.wrapped("barrier", lambda: (heard_object(4), inner.start(), inner.join(), heard_reduce(6)))()
    first = [("barrier", None, None), ("all_gather_object", 4, "barrier"), ("all_reduce", 4, "barrier")]
    assert diary.told == [*first, ("all_reduce", 5, None), ("all_reduce", 6, "barrier")]
    assert calls.running == {}


def test_a_listener_can_refuse_a_call(diary):
    refuses, made = Refuses(), []
    calls.add(refuses)
    with pytest.raises(ValueError, match="not like this"):
        calls.wrapped("barrier", lambda: made.append(1))()
    calls.remove(refuses)
    assert made == []
    assert [each[:3] for each in diary.ended] == [("barrier", None, True)] == [each[:3] for each in refuses.ended]
    assert calls.running == {}


def test_a_call_that_raises_has_failed(diary):
    with pytest.raises(ZeroDivisionError):
        calls.wrapped("barrier", lambda: 1 / 0)()
    assert diary.ended[0][:3] == ("barrier", None, True)
    assert calls.running == {}


def test_a_listener_can_replace_the_result_until_it_is_removed(diary):
    replaces = Replaces()
    calls.add(replaces)
    assert heard_reduce(4) == "another"
    calls.remove(replaces)
    assert heard_reduce(4) == (4, "sum", False)
    assert len(diary.told) == 2


def test_functions_are_wrapped_once_wherever_this_torch_has_them(monkeypatch, diary):
    """Here ``torch.distributed`` has two functions, one of which its outer module lacks."""
    c10d = SimpleNamespace(barrier=lambda: "done", all_reduce=reduce)
    dist = SimpleNamespace(distributed_c10d=c10d, barrier=c10d.barrier)
    modules = {"torch": SimpleNamespace(distributed=dist), "torch.distributed": dist}
    for name, module in {**modules, "torch.distributed.distributed_c10d": c10d}.items():
        monkeypatch.setitem(sys.modules, name, module)
    calls._installed = False
    calls.install()
    wrapped = dist.barrier
    calls.install()
    assert dist.barrier is wrapped is c10d.barrier
    assert (hasattr(dist, "all_reduce"), hasattr(c10d, "isend")) == (False, False)
    assert (dist.barrier(), c10d.all_reduce(4)[0]) == ("done", 4)
    assert [name for name, *_ in diary.told] == ["barrier", "all_reduce"]
