"""Plans as tables and as a picture, made by hand: what they say, and that nothing unknown is called 0."""

import doctest
import importlib
import re
from dataclasses import replace

import pytest
from shown import Parsed
from stub_plans import CPU, GIB, RTX, UNKNOWN_TIME, inference_plan, training_plan

from mgpu_lab.planner.hardware import HARDWARE
from mgpu_lab.planner.machines import Machine
from mgpu_lab.planner.memory.planned import PlannedMemory, PlannedRow
from mgpu_lab.planner.shown.plan_table import PlanTable, plan_table
from mgpu_lab.planner.shown.plot import HATCHES, plan_plot
from mgpu_lab.planner.training import plan_training
from mgpu_lab.wire.errors import UsageError


def lines(shown):
    """The rows of a table's text by their label."""
    found = re.findall(r"(?m)^ *(.+?)  +(.+)$", repr(shown))
    return {label: re.split(r"  +", rest) for label, rest in found}


def test_one_plan_as_text():
    assert (
        repr(training_plan().table(usd_per_gpu_hour=2.0))
        == """\
plan: llama-3.1-8b on 8x H100-SXM-80GB, method=fsdp, micro_batch=1, seq_len=8192

                                                   plan
fits                                                yes
what limits                                     compute
most memory at                            forward's end
parameters                                     4.00 GiB
  shards <fp32>                                4.00 GiB
gradients                                      4.00 GiB
  shards                                       4.00 GiB
optimizer state                                8.00 GiB
  two moments                                  8.00 GiB
buffers                                        0.00 GiB
activations                                   30.00 GiB
  saved for backward                          30.00 GiB
other                                          0.00 GiB
all tensors                                   46.00 GiB
outside tensors                                0.50 GiB
  CUDA context                                 0.50 GiB
peak of one GPU                               46.50 GiB
capacity of one GPU                           80.00 GiB
free                                          33.50 GiB
traffic of a step, one GPU          226 calls, 40.12 GB
  data parallel: all_gather          65 calls, 16.06 GB
  data parallel: reduce_scatter      33 calls, 16.06 GB
  tensor parallel: all_reduce        128 calls, 8.00 GB
time of a step                                   1.02 s
  compute                                        900 ms
  communication                                  500 ms
  of it, not hidden behind compute               100 ms
  optimizer                                     20.0 ms
tokens/s of one GPU                               8,031
tokens/s of all GPUs                             64,251
watts of all GPUs                               5,600 W
cost of 1 billion tokens                      69.17 USD
  price of a GPU hour                          2.00 USD
  time for 1 billion tokens                  4.32 hours"""
    )


def test_a_plan_shows_itself_and_its_cost_only_at_a_price():
    plan = training_plan()
    assert repr(plan) == repr(plan.table())
    assert plan._repr_html_() == plan.table()._repr_html_()
    assert "USD" not in repr(plan)
    assert "  price of a GPU hour" in repr(plan.table(usd_per_gpu_hour=0.0))  # a machine of one's own


def test_what_does_not_fit_says_how_much_is_missing():
    shown = lines(training_plan(RTX, 2).table())
    assert (shown["fits"], shown["free"]) == (["no"], ["missing 22.50 GiB"])


def test_unknown_is_never_0():
    shown = lines(training_plan(CPU, 2, UNKNOWN_TIME).table(usd_per_gpu_hour=2.0))
    unknown = {label for label, texts in shown.items() if texts == ["unknown"]}
    assert unknown == {
        "fits", "what limits", "capacity of one GPU", "free", "time of a step", "compute", "communication",
        "of it, not hidden behind compute", "optimizer", "tokens/s of one GPU", "tokens/s of all GPUs",
        "watts of all GPUs", "cost of 1 billion tokens", "time for 1 billion tokens",
    }  # fmt: skip


def test_plans_stand_side_by_side_and_a_row_that_one_lacks_is_a_dash():
    plan, small = training_plan(), training_plan(RTX, 2, activations_gib=1.0)
    table = plan_table(plan, replace(small, calls=small.calls[:1]))
    shown = lines(table)
    assert shown["fits"] == ["yes", "yes"]
    assert shown["activations"] == ["30.00 GiB", "1.00 GiB"]
    assert shown["tensor parallel: all_reduce"] == ["128 calls, 8.00 GB", "-"]
    assert repr(table).startswith("plan 1: llama-3.1-8b on 8x H100-SXM-80GB, method=fsdp")


def test_titles_tell_plans_apart():
    assert PlanTable((training_plan(), training_plan(RTX))).titles()[1] == "llama-3.1-8b on 8x RTX-4090"
    alike = PlanTable((training_plan(micro_batch=1), training_plan(micro_batch=2, checkpointing="full")))
    assert alike.titles()[1] == "llama-3.1-8b on 8x H100-SXM-80GB, micro_batch=2, checkpointing=full"


def test_a_plan_of_inference_has_lines_of_its_own():
    table = plan_table(inference_plan(), training_plan(RTX, 2), usd_per_gpu_hour=0.5)
    shown = lines(table)
    assert shown["KV cache"] == ["2.00 GiB", "-"]
    assert shown["gradients"] == ["-", "4.00 GiB"]
    assert (shown["time to first token"], shown["tokens/s of one request"]) == (["250 ms", "-"], ["20.0", "-"])
    assert shown["tokens/s of all GPUs"][0] == "80.0"
    assert shown["cost of 1 billion tokens"][0] == "3,472 USD"
    labels = list(shown)
    assert (
        labels.index("parameters") < labels.index("gradients") < labels.index("KV cache") < labels.index("activations")
    )


def test_a_small_row_of_a_large_plan_is_not_rounded_away():
    plan = training_plan()
    row = PlannedRow("optimizer_state", "step counters", 1164)
    moment = replace(plan.memory, rows=(*plan.memory.rows, row))
    assert lines(replace(plan, moments=(moment,)).table())["step counters"] == ["1.14 KiB"]


def test_what_offloading_keeps_on_the_host_is_a_row_of_its_own():
    plan = training_plan()
    moment = replace(plan.memory, host_rows=(PlannedRow("optimizer_state", "two moments", 8 * GIB),))
    shown = lines(replace(plan, moments=(moment,)).table())
    assert (shown["in the host's memory: two moments"], shown["peak of one GPU"]) == (["8.00 GiB"], ["46.50 GiB"])


def test_small_plans_are_shown_in_their_unit():
    small = training_plan(CPU, 2, activations_gib=0.0)
    rows = tuple(replace(row, size_bytes=row.size_bytes >> 12) for row in small.memory.rows)
    moment = PlannedMemory("step", rows)
    shown = lines(replace(small, moments=(moment,)).table())
    assert (shown["parameters"], shown["outside tensors"]) == (["1.00 MiB"], ["0.00 MiB"])


@pytest.mark.parametrize(("plans", "names"), [((), ()), ((training_plan(),), ("a", "b"))])
def test_no_plan_or_a_wrong_number_of_names_is_refused(plans, names):
    with pytest.raises(UsageError, match="takes one plan or more and a name for each"):
        plan_table(*plans, names=names)


def test_html_is_a_table_that_reads_without_its_bars():
    table = plan_table(training_plan(), training_plan(RTX, 2), names=["<A>", "B"])
    shown = Parsed(table._repr_html_())
    assert shown.columns == [None, "<A>", "B"]
    assert shown.caption.startswith("<A>: llama-3.1-8b on 8x H100-SXM-80GB, method=fsdp")
    rows = {row[0]: row[1:] for row in shown.rows}
    assert rows["shares"] == ["O A capacity 80.00 GiB", "O A capacity 24.00 GiB"]
    assert rows["O optimizer state"] == ["8.00 GiB", "8.00 GiB"]
    assert rows["+ outside tensors"] == ["0.50 GiB", "0.50 GiB"]
    assert rows["shards <fp32>"] == ["4.00 GiB", "4.00 GiB"]
    assert len(shown.row_headings) == len(shown.rows)


def test_bars_have_one_scale_and_end_where_their_bytes_do():
    table = plan_table(training_plan(), training_plan(RTX, 2), training_plan(CPU, 2))
    widths = [list(map(float, re.findall(r"width:([\d.]+)%", table.bar(plan)))) for plan in table.plans]
    assert [sum(each[:5]) for each in widths] == [pytest.approx(100 * 46.5 / 80, abs=0.05)] * 3
    assert [each[5:] for each in widths] == [[100.0], [30.0], []]
    assert "capacity unknown" in table.bar(table.plans[2])
    assert 'title="optimizer state"' in table.bar(table.plans[0])


def test_assumptions_have_their_sources_and_links():
    table = training_plan().assumptions()
    rows = {row[0].text: row[1:] for row in table.rows}
    assert rows["share of the dense FLOP/s"][0].text == "0.4"
    assert '<a href="https://example.org/mfu">https://example.org/mfu</a>, a table' in table.html()
    card = rows["H100-SXM-80GB: memory, bandwidth of memory, bf16 operations, dense"]
    assert [cell.text for cell in card] == ["80 GiB, 3350 GB/s, 989.5 TFLOP/s", "a test (read 2026-11-28)"]
    assert rows["CUDA context"][1].text == "measured by somebody"
    assert [row for row in Parsed(table.html()).rows if not all(row)] == []


def test_assumptions_of_an_unknown_card_are_unknown_and_own_figures_are_named():
    plan = training_plan(CPU, 2)
    assert "unknown, unknown, unknown" in repr(plan.assumptions())
    own = replace(plan, machine=plan.machine.with_(tflops=0.05, memory_gbps=20.0))
    rows = {row[0].text: [cell.text for cell in row[1:]] for row in own.assumptions().rows}
    assert rows["bf16 operations, dense"] == ["0.05 TFLOP/s", "as you measured it"]
    assert rows["bandwidth of memory"] == ["20 GB/s", "as you measured it"]


def test_the_picture_says_what_it_shows_and_draws_it():
    plans = (training_plan(), training_plan(RTX, 2), training_plan(CPU, 2))
    figure = plan_plot(*plans, names=["a", "b", "<c>"])
    assert figure.summary.startswith(
        "Planned memory of one GPU at the peak. a: 46.50 GiB, capacity 80.00 GiB, fits: yes; activations 30.00 GiB, "
        "optimizer state 8.00 GiB, parameters 4.00 GiB"
    )
    assert "<c>: 46.50 GiB, capacity unknown, fits: unknown" in figure.summary
    bundle = figure._repr_mimebundle_()
    assert bundle["text/plain"] == figure.summary
    assert "&lt;c&gt;: 46.50 GiB" in bundle["text/html"]
    [axis] = figure.axes
    assert len([each for each in axis.collections if each.get_segments()]) == 2  # the capacities that are known
    ends = sorted({round(bar.get_x() + bar.get_width(), 2) for bar in axis.patches})
    assert ends == [4.0, 8.0, 16.0, 46.0, 46.5]
    assert len(set(HATCHES.values()) - {""}) == len(HATCHES) - 2


def test_a_plan_draws_itself():
    assert training_plan().plot().summary == plan_plot(training_plan()).summary


def test_examples_of_amounts_hold():
    module = importlib.import_module("mgpu_lab.planner.shown.amounts")
    assert doctest.testmod(module).failed == 0
    assert doctest.testmod(module).attempted > 5
    assert module.memory_text(3 * GIB) == "3.00 GiB"


def test_machines_that_differ_in_their_links_have_different_titles() -> None:
    eight = Machine(HARDWARE["H100-SXM-80GB"], 8)
    slow = eight.with_(nvlink=False, lanes=4)
    plans = [plan_training("llama-3.2-1b", each, seq_len=512) for each in (eight, slow, slow.with_(name="slow"))]
    assert plan_table(*plans).titles() == [
        "llama-3.2-1b on 8x H100-SXM-80GB",
        "llama-3.2-1b on 8x H100-SXM-80GB (lanes=4, nvlink=False)",
        "llama-3.2-1b on slow",
    ]
