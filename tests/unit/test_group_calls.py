"""What one call of a process group is called, and how many bytes it moves."""

from types import SimpleNamespace

import pytest

from mgpu_lab.course.traffic import Traffic
from mgpu_lab.listening.group_calls import GroupCall, of_group, of_operator

GROUP = SimpleNamespace(group_name="7", size=lambda: 4, rank=lambda: 1)
TENSOR = SimpleNamespace(numel=lambda: 10, nbytes=40, dtype="torch.float32")
OPTIONS = SimpleNamespace(rootRank=2, asyncOp=True)

# method and arguments -> description, bytes, bytes handed in, bytes that this one of 4 ranks sends
SIZES = [
    ("allreduce", ([TENSOR],), "all_reduce(10 x float32)", 40, 40, 60),
    ("allreduce_coalesced", ([TENSOR, TENSOR],), "all_reduce(20 x float32)", 80, 80, 120),
    ("broadcast", ([TENSOR], OPTIONS), "broadcast(10 x float32, src=2)", 40, 40, 40),
    ("reduce", ([TENSOR], OPTIONS), "reduce(10 x float32, dst=2)", 40, 40, 40),
    ("allgather", ([[TENSOR] * 4], [TENSOR]), "all_gather(10 x float32)", 160, 40, 120),
    ("_allgather_base", (None, TENSOR), "all_gather(10 x float32)", 160, 40, 120),
    ("reduce_scatter", ([TENSOR], [[TENSOR] * 4]), "reduce_scatter(40 x float32)", 160, 160, 120),
    ("_reduce_scatter_base", (TENSOR, None), "reduce_scatter(10 x float32)", 160, 0, 120),
    ("alltoall_base", (None, TENSOR, [], []), "all_to_all(10 x float32)", 40, 40, 30),
    ("gather", ([], [TENSOR], OPTIONS), "gather(10 x float32, dst=2)", 160, 40, 40),
    ("gather", ([], [TENSOR], SimpleNamespace(rootRank=1)), "gather(10 x float32, dst=1)", 160, 40, 0),
    ("scatter", ([TENSOR], [[TENSOR] * 4], OPTIONS), "scatter(10 x float32, src=2)", 160, 160, 120),
    ("scatter", ([TENSOR], [], OPTIONS), "scatter(10 x float32, src=2)", 160, 0, 0),
    ("send", ([TENSOR], 3, 0), "send(10 x float32, dst=3)", 40, 40, 40),
    ("recv", ([TENSOR], 1, 0), "recv(10 x float32, src=1)", 40, 0, 0),
    ("barrier", (), "barrier()", 0, 0, 0),
]  # fmt: skip


@pytest.mark.parametrize("row", SIZES, ids=lambda row: f"{row[0]}-{row[-1]}")
def test_sizes(row):
    operation, args, *wanted = row
    call = of_group(operation, GROUP, args, {})
    assert [str(call), call.bytes, call.input_bytes, call.wire_bytes] == wanted


def test_two_ways_to_an_all_reduce_send_the_same():
    part = SimpleNamespace(numel=lambda: 3, nbytes=12, dtype="torch.float32")
    whole = SimpleNamespace(numel=lambda: 12, nbytes=48, dtype="torch.float32")
    halves = [
        of_group("_reduce_scatter_base", GROUP, (part, whole), {}),
        of_group("_allgather_base", GROUP, (whole, part), {}),
    ]
    assert sum(each.wire_bytes for each in halves) == of_group("allreduce", GROUP, ([whole],), {}).wire_bytes == 72


def test_alone_nothing_is_sent():
    alone = SimpleNamespace(group_name="7", size=lambda: 1)
    assert all(
        of_group(operation, alone, args, {}).wire_bytes == 0 for operation, args, *_ in SIZES if operation != "send"
    )


def test_an_operator_that_moves_nothing_is_no_call():
    assert of_operator("check_for_nan", GROUP, (TENSOR,)) is None


def test_waited_for():
    assert not GroupCall("all_reduce", GROUP, 2, is_async=True).waited_for
    assert GroupCall("all_reduce", GROUP, 2, ended_s=1.0).waited_for
    assert GroupCall("all_reduce", GROUP, 2, is_async=True, trusted=True).waited_for


def test_traffic_adds_up():
    counted = Traffic()
    for operation, args, *_ in (SIZES[0], SIZES[0], SIZES[4]):
        counted.heard(of_group(operation, GROUP, args, {}))
    assert str(counted) == "all_gather: 1 call, 160 bytes\nall_reduce: 2 calls, 80 bytes"
    assert (counted.wire_bytes, str(Traffic())) == (240.0, "nothing was sent")


def test_traffic_is_told_by_group():
    counted, other = Traffic(), SimpleNamespace(group_name="8", size=lambda: 2)
    for group in (GROUP, GROUP, other):
        counted.heard(of_group("allreduce", group, ([TENSOR],), {}))
    assert (counted.of(GROUP).calls["all_reduce"], counted.of(GROUP).wire_bytes) == (2, 120.0)
    assert (counted.of(other).bytes["all_reduce"], counted.of(other).wire_bytes) == (40, 40.0)
    assert counted.of(SimpleNamespace(group_name="9")).wire_bytes == 0.0
    assert (counted.calls["all_reduce"], counted.wire_bytes) == (3, 160.0)
