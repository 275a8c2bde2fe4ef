"""What is read from a trace: compute, communication, what is exposed, which calls; the table, the merged trace."""

import json
import pickle
import time

import pytest

from mgpu_lab.engine.clocks import judged
from mgpu_lab.metering.collectives import Collective, Heard, collectives_of, summed
from mgpu_lab.metering.intervals import inside, length, outside, union
from mgpu_lab.metering.perfetto import merged, packed
from mgpu_lab.metering.timeline import row_of
from mgpu_lab.metering.timeline_plot import levels
from mgpu_lab.metering.timeline_result import NOTHING, RankTimeline, TimelineResult
from mgpu_lab.metering.trace import BEGIN, END, WAIT, events_of, spans_of, window
from mgpu_lab.metering.underway import Noted
from mgpu_lab.wire.errors import UsageError

MAIN, GLOO, STREAM, NCCL = 1, 2, 7, 20


def event(name, began_ms, ended_ms, category="cpu_op", thread=MAIN, **args):
    times = {"ts": 1e3 * began_ms, "dur": 1e3 * (ended_ms - began_ms)}
    return {"ph": "X", "cat": category, "name": name, "pid": 4711, "tid": thread, **times, "args": args}


def trace_of(*events, end_ms=100):
    marks = [event(BEGIN, -1, 0, "user_annotation"), event(END, end_ms, end_ms + 1, "user_annotation")]
    name = {"ph": "M", "name": "thread_name", "pid": 4711, "tid": MAIN, "args": {"name": "thread 4711 (python)"}}
    return {"traceEvents": [name, *marks, *events], "baseTimeNanoseconds": 10**18, "host_name": "secret"}


def spans(*events, end_ms=100):
    found = events_of(trace_of(*events, end_ms=end_ms))
    return spans_of(found, window(found))


def ms(intervals):
    return [(round(1e3 * began, 6), round(1e3 * ended, 6)) for began, ended in intervals]


def calls(*events, heard=()):
    found = events_of(trace_of(*events))
    return collectives_of(found, heard, window(found))


def gloo(name, began_ms, ended_ms, *shape):
    return event(f"gloo:{name}", began_ms, ended_ms, "user_annotation", GLOO, **{
        "Input Dims": [list(shape)], "Input type": ["float"]
    })  # fmt: skip


def c10d(name, began_ms, ended_ms, *dims, kinds=("TensorList",)):
    return event(f"c10d::{name}", began_ms, ended_ms, **{"Input Dims": list(dims), "Input type": list(kinds)})


# ---- intervals


def test_intervals_touch_overlap_and_nest():
    assert union([(5, 6), (0, 2), (1, 3), (3, 4)]) == [(0, 4), (5, 6)]
    assert outside([(0, 4), (5, 9)], [(1, 2), (3, 6)]) == [(0, 1), (2, 3), (6, 9)]
    assert inside([(0, 4), (5, 9)], [(1, 2), (3, 6)]) == [(1, 2), (3, 4), (5, 6)]
    assert outside([(0, 4)], [(0, 4)]) == []
    assert length([(0, 3), (1, 2), (2, 5)]) == 5


# ---- compute and communication on a CPU


def test_what_overlaps_is_hidden_and_the_rest_exposed():
    found = spans(event("aten::mm", 10, 40), c10d("allreduce_", 20, 21, [[4]]), gloo("all_reduce", 20.5, 60, 4))
    assert ms(found.computing) == [(10, 20), (21, 40)]  # the call itself took the main thread for a millisecond
    assert ms(found.communication) == [(20, 60)]
    assert ms(found.exposed) == [(20, 21), (40, 60)]
    assert ms(found.idle) == [(0, 10), (60, 100)]


def test_an_operator_that_waits_inside_computes_only_around_the_wait():
    wait = event("_c10d_functional::wait_tensor", 15, 35)
    assert ms(spans(event("aten::add", 10, 40), wait).computing) == [(10, 15), (35, 40)]


def test_another_threads_wait_takes_nothing_from_this_threads_compute():
    other = event("c10d::recv_", 15, 35, thread=3)
    assert ms(spans(event("aten::add", 10, 40), other).computing) == [(10, 40)]


def test_an_operator_of_one_s_own_that_waits_for_a_handle_computes_only_around_the_wait():
    found = spans(event("mine::reduced", 10, 40), event(WAIT, 15, 35))
    assert (ms(found.computing), ms(found.communication)) == ([(10, 15), (35, 40)], [(15, 35)])


def test_nodes_of_the_backward_graph_are_frames_and_compute_nothing_themselves():
    node = event("autograd::engine::evaluate_function: AddmmBackward0", 10, 60)
    found = spans(node, event("AddmmBackward0", 10, 60), event("aten::mm", 20, 30), event("aten::mm", 70, 80))
    assert ms(found.compute["backward"]) == [(20, 30)]
    assert ms(found.compute["forward"]) == [(70, 80)]


def test_the_optimizers_operators_are_told_apart():
    step = event("Optimizer.step#AdamW.step", 10, 60, "user_annotation")
    found = spans(step, event("aten::add_", 20, 30), event("aten::mm", 70, 80))
    assert (ms(found.compute["optimizer"]), ms(found.compute["forward"])) == ([(20, 30)], [(70, 80)])


def test_a_library_s_own_operator_is_compute():
    assert ms(spans(event("bitsandbytes::gemv_4bit", 1, 2)).computing) == [(1, 2)]


def test_what_lies_outside_the_block_does_not_count():
    found = spans(event("aten::mm", -5, 10), event("aten::mm", 90, 130))
    assert ms(found.computing) == [(0, 10), (90, 100)]


# ---- on a GPU (a trace written by hand: no GPU was there)


def gpu_step():
    backward = event("autograd::engine::evaluate_function: MmBackward0", 1, 2, thread=9)
    launches = [
        event("cudaLaunchKernel", at, at + 0.1, "cuda_runtime", 9, correlation=n) for n, at in ((1, 0.5), (2, 1.5))
    ]
    call = c10d("allreduce_", 2, 2.5, [[256]])
    launch = event("cudaLaunchKernelExC", 2.2, 2.3, "cuda_runtime", MAIN, correlation=3)
    words = {"In msg nelems": 256, "Out msg nelems": 256, "dtype": "BFloat16", "Collective name": "allreduce"}
    return [
        backward, *launches, call, launch,
        event("ampere_gemm", 10, 20, "kernel", STREAM, correlation=1),
        event("ampere_gemm", 20, 50, "kernel", STREAM, correlation=2),
        event("ncclDevKernel_AllReduce_Sum_bf16_RING_LL", 40, 70, "kernel", NCCL, correlation=3, **words),
        event("aten::mm", 0, 3),
    ]  # fmt: skip


def test_on_a_gpu_its_kernels_count_and_not_what_the_cpu_did():
    found = spans(*gpu_step())
    assert found.on_gpu
    assert ms(found.compute["forward"]) == [(10, 20)]
    assert ms(found.compute["backward"]) == [(20, 50)]  # launched in backward
    assert ms(found.communication) == [(40, 70)]
    assert ms(found.exposed) == [(50, 70)]


def test_what_the_optimizer_s_kernels_span_on_the_gpu_is_no_optimizer_step_on_the_cpu():
    step = event("Optimizer.step#AdamW.step", 5, 6, "user_annotation")
    shadow = event("Optimizer.step#AdamW.step", 10, 50, "gpu_user_annotation", STREAM)
    launch = event("cudaLaunchKernel", 20, 20.1, "cuda_runtime", correlation=1)  # of the next step's forward
    found = spans(step, shadow, launch, event("ampere_gemm", 60, 70, "kernel", STREAM, correlation=1))
    assert (ms(found.compute["forward"]), ms(found.compute["optimizer"])) == ([(60, 70)], [])


def test_a_collective_on_a_gpu_ends_with_its_kernel():
    [call] = calls(*gpu_step())
    assert (call.name, round(1e3 * call.ended_s), call.size_bytes) == ("all_reduce", 70, 512)


def test_sends_and_receives_made_together_on_a_gpu_end_with_the_kernel_launched_after_the_last():
    alone = [c10d("allreduce_", 1, 2, [[4]]), event("cudaLaunchKernelExC", 1.5, 1.6, "cuda_runtime", correlation=1)]
    pair = [c10d("send", 3, 4, [[4]]), c10d("recv_", 5, 6, [[4]])]
    launch = event("cudaLaunchKernelExC", 7, 7.1, "cuda_runtime", correlation=2)
    kernels = [
        event("ncclDevKernel_AllReduce_Sum_f32", 10, 20, "kernel", NCCL, correlation=1),
        event("ncclDevKernel_SendRecv", 20, 40, "kernel", NCCL, correlation=2),
    ]
    found = calls(*alone, *pair, launch, *kernels)
    assert [(each.name, round(1e3 * each.ended_s)) for each in found] == [
        ("all_reduce", 20),
        ("send", 40),
        ("recv", 40),
    ]


# ---- calls and bytes


def test_calls_that_cpp_makes_have_their_shapes_and_the_dtype_of_their_work():
    found = calls(c10d("allreduce_", 1, 2, [[10], [6]]), gloo("all_reduce", 1.5, 9, 10))
    assert found == (Collective("all_reduce", 0.001, 0.009, 64),)


def test_works_of_like_calls_are_dealt_in_order():
    works = [gloo("all_reduce", 1.5, 9, 4), gloo("all_reduce", 3.5, 7, 4)]
    first, second = calls(c10d("allreduce_", 1, 2, [[4]]), c10d("allreduce_", 3, 4, [[4]]), *works)
    assert (round(1e3 * first.ended_s), round(1e3 * second.ended_s)) == (9, 7)


def test_a_work_that_starts_late_is_not_given_to_a_later_call_of_another_shape():
    works = [gloo("broadcast", 5, 9, 8), gloo("all_reduce", 4, 7, 4)]
    first, second = calls(c10d("broadcast_", 1, 2, [[8]]), c10d("allreduce_", 3, 3.5, [[4]]), *works)
    assert (round(1e3 * first.ended_s), round(1e3 * second.ended_s)) == (9, 7)


def test_reduce_scatter_on_gloo_is_an_all_reduce_underneath():
    base = c10d("_reduce_scatter_base_", 1, 2, [8, 8], [16, 8], kinds=("float", "float"))
    assert calls(base, gloo("all_reduce", 1.5, 9, 16, 8)) == (Collective("reduce_scatter", 0.001, 0.009, 512),)


def test_a_call_that_python_made_has_the_bytes_that_were_heard():
    listed = c10d("allgather_", 1, 2, [], [[8]])
    at_s = 0.00095
    assert calls(listed, heard=[Heard("all_gather", at_s, 96, MAIN)])[0].size_bytes == 96
    assert calls(listed)[0].size_bytes is None  # shapes of a list of lists are not recorded
    assert calls(listed, heard=[Heard("all_reduce", at_s, 96, MAIN)])[0].size_bytes is None


def test_what_was_heard_is_given_to_no_call_that_was_over_before_or_that_another_thread_made():
    first, other = c10d("allreduce_", 1, 2, [[8]]), event("c10d::allreduce_", 2.1, 3, thread=3)
    second = c10d("allreduce_", 3, 4, [[4]])
    works = [gloo("all_reduce", 1.5, 2, 8), gloo("all_reduce", 3.5, 4, 4)]
    found = calls(first, other, second, *works, heard=[Heard("all_reduce", 0.00205, 16, MAIN)])
    assert [each.size_bytes for each in found] == [32, None, 16]


def test_a_call_that_is_not_over_lasts_to_the_end_of_the_block():
    begun = Noted("all_reduce", 10**18 + 19_000_000, 16, MAIN, is_over=False)
    made = row_of(0, 1, trace_of(c10d("allreduce_", 20, 21, [[4]])), [begun], [(10**18, 10**18)] * 2)
    assert made.communication_s == pytest.approx(0.08)
    assert made.collectives[0].ended_s == pytest.approx(0.1)
    assert not made.collectives[0].is_over


def test_thousands_of_calls_are_matched_in_a_moment():
    several = [
        each
        for at in range(20_000)
        for each in (c10d("allreduce_", at, at + 0.5, [[4]]), gloo("all_reduce", at + 0.4, at + 0.9, 4))
    ]
    found = events_of(trace_of(*several, end_ms=30_000))
    began = time.process_time()
    found_calls = collectives_of(
        found, [Heard("all_reduce", 1e-3 * at, 16, MAIN) for at in range(20_000)], window(found)
    )
    assert len(found_calls) == 20_000
    assert time.process_time() - began < 5


def test_bytes_of_a_collective_are_unknown_where_those_of_one_call_are():
    known, unknown = Collective("all_gather", 0, 1, 8), Collective("all_gather", 1, 2, None)
    assert summed([known, known]) == ({"all_gather": 2}, {"all_gather": 16})
    assert summed([known, unknown, known]) == ({"all_gather": 3}, {"all_gather": None})


def test_functional_collectives_count_once():
    outer = event("_c10d_functional::all_gather_into_tensor", 1, 3)
    inner = c10d("allgather_into_tensor_coalesced_", 1.5, 2, [[16, 8]], [[8, 8]], kinds=("TensorList", "TensorList"))
    assert calls(outer, inner, gloo("all_gather", 1.8, 5, 8, 8)) == (Collective("all_gather", 0.0015, 0.005, 512),)


# ---- rows


def row(rank=0, **changed):
    parts = (event("aten::mm", 10, 40), c10d("allreduce_", 20, 20, [[4]]), gloo("all_reduce", 20, 60, 4))
    made = row_of(rank, 1, trace_of(*parts), [], [((10**18 - 500), 10**18 + 500)] * 2)
    return RankTimeline(**{**vars(made), **changed})


def test_compute_exposed_and_idle_make_up_the_step():
    one = row()
    assert (one.step_s, one.compute_s, one.communication_s, one.exposed_s, one.idle_s) == pytest.approx(
        (0.1, 0.03, 0.04, 0.02, 0.05)
    )
    assert one.compute_share == pytest.approx(0.3)
    assert (one.calls, one.bytes) == ({"all_reduce": 1}, {"all_reduce": 16})


def test_times_are_per_step_and_calls_of_the_block():
    made = row_of(0, 4, trace_of(event("aten::mm", 0, 80), c10d("allreduce_", 1, 1, [[4]])), [], [(10**18, 10**18)] * 2)
    assert (made.step_s, made.compute_s, made.calls) == (pytest.approx(0.025), pytest.approx(0.02), {"all_reduce": 1})
    assert "calls those of 4 steps" in repr(TimelineResult((made,)))


def test_a_result_travels_and_says_what_it_lacks():
    result = RankTimeline.together([row(0), RankTimeline(1)])
    assert pickle.loads(pickle.dumps(result)) == result  # noqa: S301 - our own
    assert [each.rank for each in result.ranks] == [0]
    with pytest.raises(UsageError, match="Rank 1 has no timeline"):
        result[1]
    nothing = RankTimeline.together([RankTimeline(0)])
    assert repr(nothing) == NOTHING
    for use in (nothing.plot, lambda: nothing.save("never.json")):
        with pytest.raises(UsageError, match="no timeline was recorded"):
            use()


def test_the_table_shows_times_calls_and_bytes():
    lines = repr(TimelineResult((row(0), row(1, calls={}, bytes={})))).splitlines()
    head = "rank step ms compute ms communication ms exposed ms idle ms computing all_reduce"
    assert " ".join(lines[0].split()) == head
    assert lines[1].split() == ["0", "100.0", "30.0", "40.0", "20.0", "50.0", "30%", "1", "(16", "bytes)"]
    assert lines[2].split()[-1] == "-"
    assert "operators on the CPU" in lines[3]


# ---- clocks


def test_a_difference_within_its_error_is_none_and_a_larger_one_is_taken_off():
    assert judged([(10.0, 10.375, 11.0), (20.0, 20.2, 22.0)]) == (0.0, 0.625)  # it may be behind by so much
    assert judged([(10.0, 13.5, 11.0)]) == (3.0, 0.5)
    ahead = row(1, began_at=8.0, clock_error_s=0.1).at(3.0, 0.5)
    assert (ahead.began_at, ahead.clock_error_s) == (5.0, 0.6)
    assert TimelineResult((row(0, began_at=4.0), ahead)).began_s == {0: 0.0, 1: 1.0}


def test_two_ranks_may_be_off_in_opposite_directions():
    rows = tuple(row(rank, clock_error_s=error_s) for rank, error_s in enumerate((0.25, 0.125, 0.5)))
    assert TimelineResult(rows).clock_error_s == 0.75
    assert TimelineResult(rows[:1]).clock_error_s == 0.25


# ---- picture and trace


def test_the_picture_says_in_words_what_it_shows():
    figure = TimelineResult((row(0), row(1))).plot("two ranks")
    told = "two ranks. Timeline of a step. rank 0: 100.0 ms, of which compute 30%, exposed communication 20%, idle 50%"
    assert figure.summary.startswith(told)
    bundle = figure._repr_mimebundle_()
    assert f'alt="{figure.summary}"' in bundle["text/html"]
    assert bundle["text/plain"] == figure.summary


def test_calls_under_way_at_once_lie_below_one_another():
    one, two, three = (Collective("send", began, began + 2, 8) for began in (0, 1, 3))
    assert levels([one, two, three]) == [[one, three], [two]]


def test_the_saved_trace_has_one_process_for_each_rank_and_names_no_machine(tmp_path):
    result = TimelineResult((row(0, began_at=5.0), row(3, began_at=5.25)))
    result.save(str(tmp_path / "trace.json"))
    trace = json.loads((tmp_path / "trace.json").read_text())
    names = {each["pid"]: each["args"]["name"] for each in trace["traceEvents"] if each["name"] == "process_name"}
    assert names == {0: "rank 0", 3: "rank 3"}
    assert {each["pid"] for each in trace["traceEvents"]} == {0, 3}
    began = {each["pid"]: each["ts"] for each in trace["traceEvents"] if each["name"] == "aten::mm"}
    assert began == {0: pytest.approx(10_000), 3: pytest.approx(260_000)}
    threads = {each["args"]["name"] for each in trace["traceEvents"] if each["name"] == "thread_name"}
    assert "python" in threads
    assert "secret" not in json.dumps(trace)
    assert "4711 (" not in json.dumps(trace)


def test_arrows_of_two_ranks_do_not_meet():
    arrow = {"ph": "s", "cat": "fwdbwd", "name": "fwdbwd", "id": 1, "pid": 1, "tid": 1, "ts": 5.0}
    data = packed({"traceEvents": [arrow]}, began_us=0.0)
    ids = {each["id"] for each in merged([(0, data, 0.0), (1, data, 0.0)])["traceEvents"] if each["ph"] == "s"}
    assert len(ids) == 2
    assert all(isinstance(each, int) for each in ids)


def test_no_time_in_the_saved_trace_is_negative():
    before, across = event("aten::mm", -9, -5), event("aten::add", -5, 20)
    began = {
        each["name"]: each for each in merged([(0, packed(trace_of(before, across), began_us=0.0), 0.0)])["traceEvents"]
    }
    assert (began["aten::add"]["ts"], began["aten::add"]["dur"]) == (0, pytest.approx(20_000))
    assert "aten::mm" not in began
    assert all(each["ts"] >= 0 for each in began.values())


def test_a_trace_that_cannot_be_written_says_so(tmp_path):
    with pytest.raises(UsageError, match=r"cannot be written"):
        TimelineResult((row(),)).save(str(tmp_path / "missing" / "trace.json"))
