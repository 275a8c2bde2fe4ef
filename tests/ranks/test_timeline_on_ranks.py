"""The timeline of real steps: what was planted is read from it, and every collective is in it, whoever called it."""

import json
import statistics

import pytest
from cells import Ranks

CAUSES = """
    dist.barrier()
    with timeline():
        {}
"""
EVERY_KIND = """
import torch.distributed._functional_collectives as functional
from torch.nn.parallel import DistributedDataParallel
from mgpu_lab.course import traffic

layers = [torch.nn.Linear(64, 64) for _ in range(4)]
ddp = DistributedDataParallel(torch.nn.Sequential(*layers), bucket_cap_mb=0.02)
x, pieces = torch.ones(8, 64), [torch.ones(3, 5), torch.ones(3, 5)]

def step():
    ddp(x).sum().backward()
    dist.all_gather([torch.empty(3, 5) for _ in pieces], pieces[rank])
    dist.reduce_scatter(torch.empty(3, 5), pieces)
    dist.all_gather_single(torch.empty(6, 5), pieces[0])
    dist.reduce_scatter_single(torch.empty(3, 5), torch.ones(6, 5))
    dist.broadcast(pieces[0], src=1)
    dist.all_reduce(torch.ones(7, dtype=torch.float64))
    functional.all_reduce(pieces[0], "sum", dist.group.WORLD) + 1
    functional.all_gather_single(pieces[0], 0, dist.group.WORLD) + 1
    pair = [dist.P2POp(dist.isend, pieces[0], 1 - rank), dist.P2POp(dist.irecv, pieces[1], 1 - rank)]
    [work.wait() for work in dist.batch_isend_irecv(pair)]
    dist.barrier()

for _ in range(3):
    step()
with traffic() as seen:
    step()
with timeline():
    step()
counted = [dict(seen.calls), dict(seen.bytes)]
"""
OVERLAP = """
class ComputesMeanwhile(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):  # the next layer's gradients, for as long as the all-reduce takes
        work = dist.all_reduce(large, async_op=True)
        while not work.is_completed() {}:
            torch.mm(square, square)
        work.wait()
        return gradient

large, square, x = torch.ones(4_000_000), torch.ones(200, 200), torch.ones(3, requires_grad=True)
ComputesMeanwhile.apply(x).sum().backward()
dist.barrier()
with timeline():
    ComputesMeanwhile.apply(x).sum().backward()
"""


@pytest.fixture(scope="module")
def ranks():
    with Ranks(2, "cpu") as two:
        yield two


def timeline_of(ranks, source):
    result = ranks.run(source)
    assert result.ok, result
    return ranks.timeline()


def makes_up_the_step(row):
    return row.compute_s + row.exposed_s + row.idle_s == pytest.approx(row.step_s, rel=0.05)


def test_the_straggler_is_idle_and_the_other_waits_in_communication(ranks):
    body = "import time; time.sleep(0.05 * rank); dist.all_reduce(torch.ones(10))"
    pairs = [timeline_of(ranks, CAUSES.format(body)).ranks for _ in range(5)]
    assert all(makes_up_the_step(row) for pair in pairs for row in pair)
    assert all(late.idle_s >= 0.05 for _, late in pairs)
    waited_s, late_waited_s = (statistics.median(pair[rank].exposed_s for pair in pairs) for rank in (0, 1))
    assert waited_s >= 0.04  # how far apart the blocks began differs from time to time: other programs run, too
    assert late_waited_s < waited_s - 0.02
    assert statistics.median(one.idle_s for one, _ in pairs) < 0.03


def test_communication_behind_backward_is_hidden(ranks):
    """Of several tries the median: other programs may take the processor while the all-reduce goes on."""
    tries = [timeline_of(ranks, OVERLAP.format("")).ranks for _ in range(5)]
    assert all(makes_up_the_step(row) for rows in tries for row in rows)
    for rank in (0, 1):
        rows = [rows[rank] for rows in tries]
        assert statistics.median(row.exposed_s / row.communication_s for row in rows) < 0.4
        backward_s = [sum(ended - began for began, ended in row.spans["backward"]) for row in rows]
        shares = [spent_s / row.communication_s for spent_s, row in zip(backward_s, rows, strict=True)]
        assert statistics.median(shares) > 0.6


def test_the_same_communication_with_nothing_behind_it_is_exposed(ranks):
    for row in timeline_of(ranks, OVERLAP.format("and False")).ranks:
        assert row.exposed_s > 0.9 * row.communication_s
        assert makes_up_the_step(row)


def test_the_step_is_as_long_as_the_clock_says(ranks):
    source = """
    import time
    a = torch.ones(300, 300)
    with timeline(steps=2):
        began = time.perf_counter()
        for _ in range(20): a @ a
        time.sleep(0.03)
        took_s = time.perf_counter() - began"""
    rows = timeline_of(ranks, source).ranks
    for row, took_s in zip(rows, ranks.pull("took_s"), strict=True):
        assert took_s <= 2 * row.step_s < took_s + 0.02
        assert 2 * row.idle_s >= 0.03
        assert row.compute_s > 0


def test_every_call_is_there_with_its_bytes_whoever_made_it(ranks):
    result = timeline_of(ranks, EVERY_KIND)
    for row, (calls, sizes) in zip(result.ranks, ranks.pull("counted"), strict=True):
        assert dict(row.calls) == calls
        assert {name: size for name, size in row.bytes.items() if size} == {
            n: size for n, size in sizes.items() if size
        }
        assert row.calls["all_reduce"] >= 4  # two of DDP's buckets, Python's, a functional one
        for call in row.collectives:
            assert 0 <= call.began_s <= call.ended_s <= row.step_s


def test_no_message_arrives_before_it_was_sent(ranks):
    body = "import time; time.sleep(0.05 * rank); (dist.send if rank else dist.recv)(torch.ones(5), 1 - rank)"
    result = timeline_of(ranks, CAUSES.format(body))
    [received], [sent] = (row.collectives for row in result.ranks)
    began = result.began_s
    assert began[0] + received.ended_s >= began[1] + sent.began_s - 2 * result.clock_error_s
    assert began[0] + received.began_s < began[1] + sent.began_s  # it had been waiting: rank 1 slept
    assert result.clock_error_s < 0.02


def test_an_error_in_the_block_is_the_block_s_own_and_leaves_no_record(ranks):
    assert ranks.run("with timeline(): 1 / 0")[0].error.ename == "ZeroDivisionError"
    assert ranks.timeline().ranks == ()
    assert ranks.run("with timeline(): torch.ones(2) + 1").ok
    assert len(ranks.timeline().ranks) == 2


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("with timeline(steps=0): pass", "give the number of steps"),
        ("with timeline(), timeline(): pass", "is being recorded already"),
        ("with torch.profiler.profile(), timeline(): pass", "one at a time"),
        ("with timeline(), torch.profiler.profile(): pass", "torch's only one"),
    ],
)
def test_what_cannot_be_recorded_is_refused_in_one_line(ranks, source, words):
    error = ranks.run(source)[1].error
    assert (error.ename, words in error.evalue) == ("UsageError", True), error
    assert ranks.run("with timeline(): torch.ones(2) + 1").ok


def test_a_hang_inside_the_block_is_released_and_the_next_block_records(ranks):
    result = ranks.run("with timeline():\n    if rank == 0: dist.all_reduce(torch.ones(2))", timeout=1)
    assert not result.ok
    rows = timeline_of(ranks, "with timeline(): dist.all_reduce(torch.ones(2))").ranks
    assert [dict(row.calls) for row in rows] == [{"all_reduce": 1}] * 2


LEFT = """
    dist.barrier()
    with timeline():
        work = None
        if rank == 1: time.sleep(0.05)
        work = dist.all_reduce(torch.ones(1000), async_op=True)
    work.wait()
    dist.barrier()
    with timeline():
        work = dist.isend(torch.ones(5), 1) if rank == 0 else dist.recv(torch.ones(5), 0)
    work = None
"""


def test_a_call_that_outlives_the_block_harms_nothing_and_lasts_to_the_block_s_end(ranks):
    assert ranks.run("import time").ok
    for _ in range(4):  # with a profiler of one thread both ranks crash
        timeline_of(ranks, LEFT)
    body = "work = dist.irecv(torch.ones(5), 1) if rank == 0 else None; time.sleep(0.03)"
    first = timeline_of(ranks, CAUSES.format(body))[0]
    assert first.communication_s == pytest.approx(0.03, abs=0.02)
    error = ranks.run("with timeline(): pass", on=[0])[0].error
    assert "recv: begun in an earlier block of timeline(), and not over" in error.evalue
    assert ranks.run("work.wait() if rank == 0 else dist.send(torch.ones(5), 0)").ok
    assert ranks.run("with timeline(): work = None").ok
    timeline_of(ranks, CAUSES.format(body))
    assert not ranks.run("with timeline(): pass", on=[0]).ok
    assert ranks.run("del work", on=[0]).ok  # nothing else holds it, the error's traceback included
    assert ranks.run("if rank == 1: dist.send(torch.ones(5), 0)").ok
    assert ranks.run("with timeline(): pass").ok


@pytest.mark.parametrize("wait", ["work.wait()", "ddp(x).sum().backward()"])
def test_a_block_that_is_stopped_while_cpp_waits_leaves_the_next_one_free(ranks, wait):
    source = """
        from torch.nn.parallel import DistributedDataParallel
        x, ddp = torch.ones(2, 4), DistributedDataParallel(torch.nn.Linear(4, 4), broadcast_buffers=False)
        with timeline(): ddp(x).sum().backward()"""
    assert ranks.run(source).ok
    body = f"""
        with timeline():
            work = dist.all_reduce(torch.ones(2), async_op=True) if rank == 0 else None
            if rank == 0: {wait}"""
    assert not ranks.run(body, timeout=1).ok
    assert [row.rank for row in ranks.timeline().ranks] in ([], [1])
    assert ranks.run("work = None").ok
    rows = timeline_of(ranks, "with timeline(): dist.all_reduce(torch.ones(2))").ranks
    assert [dict(row.calls) for row in rows] == [{"all_reduce": 1}] * 2


def test_waiting_for_a_call_begun_before_the_block_is_communication(ranks):
    source = """
        import time
        if rank == 1: time.sleep(0.1)
        work = dist.all_reduce(torch.ones(1000), async_op=True)
        with timeline(): work.wait()"""
    row = timeline_of(ranks, source)[0]
    assert row.exposed_s > 0.05
    assert row.idle_s < 0.05


def test_waiting_inside_an_operator_of_one_s_own_is_communication(ranks):
    source = """
        import time
        @torch.library.custom_op("timeline_test::reduced", mutates_args=("x",))
        def reduced(x: torch.Tensor) -> None:
            if rank == 1: time.sleep(0.1)
            dist.all_reduce(x)

        with timeline(): torch.ops.timeline_test.reduced(torch.ones(5))"""
    row = timeline_of(ranks, source)[0]
    assert row.exposed_s > 0.05
    assert row.compute_s < 0.05


def test_what_threads_do_counts_and_has_its_own_bytes(ranks):
    source = """
        import threading, time
        def work():
            global took_s
            began = time.perf_counter()
            for _ in range(20): square @ square
            took_s = time.perf_counter() - began
            dist.all_reduce(torch.ones(77))
        square = torch.ones(300, 300)
        with timeline():
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
            dist.all_reduce(torch.ones(10))"""
    rows = timeline_of(ranks, source).ranks
    for row, took_s in zip(rows, ranks.pull("took_s"), strict=True):
        assert row.compute_s > 0.7 * took_s
        assert [each.size_bytes for each in row.collectives] == [308, 40]


def test_a_name_with_a_quote_is_kept_as_it_is(ranks, tmp_path):
    name = """<b>layer "a"</b>"""
    timeline_of(ranks, f"with timeline(), torch.profiler.record_function({name!r}): pass").save(
        str(tmp_path / "t.json")
    )
    assert name in {each["name"] for each in json.loads((tmp_path / "t.json").read_text())["traceEvents"]}


def test_one_rank_alone_may_record(ranks):
    assert ranks.run("with timeline(): torch.ones(2) + 1", on=[1]).ok
    assert ranks.timeline()[1].compute_s > 0


def test_the_saved_trace_holds_both_ranks_operators(ranks, tmp_path):
    timeline_of(ranks, "with timeline(): dist.all_reduce(torch.ones(2) + 1)").save(str(tmp_path / "trace.json"))
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    names = {(each["pid"], each["name"]) for each in events}
    assert {(0, "aten::add"), (1, "aten::add"), (0, "gloo:all_reduce"), (1, "gloo:all_reduce")} <= names


def test_the_profiler_says_nothing_of_its_own(ranks):
    result = ranks.run("with timeline(): torch.ones(2) + 1")
    assert [(each.stdout, each.stderr) for each in result] == [("", "")] * 2


def test_the_counter_hears_what_a_dtensor_sends_by_itself(ranks):
    source = """
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.tensor import Shard, distribute_tensor
        from mgpu_lab.course import traffic

        cut = distribute_tensor(torch.ones(4, 4), init_device_mesh("cpu", (2,)), [Shard(0)])
        with traffic() as seen:
            total = (cut.sum() + 1).full_tensor()
        calls = dict(seen.calls)"""
    assert ranks.run(source).ok
    assert ranks.pull("calls") == [{"all_reduce": 1}] * 2


def test_a_block_gives_its_memory_back(ranks):
    source = """
        def private_mb():
            lines = [line.split() for line in open("/proc/self/smaps_rollup")]
            return sum(int(line[1]) for line in lines if line[0] in ("Private_Clean:", "Private_Dirty:")) / 1024

        x = torch.ones(4)
        def many_operators():
            for _ in range(8000):
                x + 1

        with timeline(): many_operators()
        before_mb = private_mb()
        for _ in range(3):
            with timeline(): many_operators()
        grown_mb = private_mb() - before_mb"""
    assert ranks.run(source).ok
    assert max(ranks.pull("grown_mb")) < 20  # a profiler that nobody lets go holds more than that, each
