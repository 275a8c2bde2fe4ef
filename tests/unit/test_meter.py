"""The meter: what it counts, what it leaves out, and what it costs."""

import threading
import time

import pytest
from shown import Parsed

from mgpu_lab.metering import meter as meter_module
from mgpu_lab.metering.meter import Meter
from mgpu_lab.metering.result import MeterRecord, MeterResult
from mgpu_lab.wire.errors import UsageError


class Clock:
    """A clock that only moves when told to."""

    def __init__(self):
        self.now_s = 100.0

    def perf_counter(self):
        return self.now_s

    def time(self):
        return 1000.0 + self.now_s


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(meter_module, "time", clock)
    return clock


def run(meter, clock, step_s, items=10, **metrics):
    for seconds in step_s:
        clock.now_s += seconds
        meter.step(items, **metrics)


def test_steps_are_timed_and_the_first_ones_left_out(clock):
    meter = Meter(rank=3)
    run(meter, clock, [50.0, 9.0, 9.0] + [1.0] * 16 + [2.0])
    record = meter.record()
    assert (record.rank, record.unit, record.steps, record.warmup_steps) == (3, "tokens", 20, 3)
    assert record.step_s[:4] == (50.0, 9.0, 9.0, 1.0)
    assert (record.total_s, record.total_items) == (86.0, 200)
    assert (record.measured_s, record.measured_items) == (18.0, 170)
    assert record.items_per_s == pytest.approx(170 / 18)
    assert record.median_step_s == 1.0
    assert record.p95_step_s == 2.0


@pytest.mark.parametrize(("steps", "left_out"), [(0, 0), (1, 0), (2, 1), (7, 1), (8, 2), (11, 2), (12, 3), (99, 3)])
def test_few_steps_lose_only_the_first(clock, steps, left_out):
    meter = Meter()
    run(meter, clock, [1.0] * steps)
    record = meter.record()
    assert record.warmup_steps == left_out
    assert record.measured_s == steps - left_out


def test_a_record_stands_until_a_later_cell_takes_a_step(clock):
    meter = Meter()
    run(meter, clock, [1.0] * 5, loss=1.0)
    meter.begin_cell()
    clock.now_s += 100.0
    meter.begin_cell()
    assert meter.record().steps == 5
    assert meter.latest() is None
    run(meter, clock, [2.0])
    record = meter.record()
    assert (record.steps, record.step_s, record.metrics) == (1, (2.0,), {})
    assert record.began_at == 1000.0 + 205.0


def test_a_loop_counts_batches_and_nothing_between_loops(clock):
    meter = Meter()
    clock.now_s += 30.0
    for _ in range(2):
        for batch in meter(["abc", "de"], unit="letters", count=len):
            clock.now_s += len(batch)
            meter.note(loss=len(batch) / 2)
        clock.now_s += 1000.0
    record = meter.record()
    assert record.step_s == (3.0, 2.0, 3.0, 2.0)
    assert record.items == (3, 2, 3, 2)
    assert record.metrics == {"loss": (1.5, 1.0, 1.5, 1.0)}
    assert record.unit == "letters"


@pytest.mark.parametrize(("count", "items"), [(7, (7, 7)), (None, (3, 2)), (lambda batch: 2 * len(batch), (6, 4))])
def test_a_loop_counts_items_as_told(count, items):
    meter = Meter()
    assert list(meter(["abc", "de"], count=count)) == ["abc", "de"]
    assert meter.record().items == items
    assert meter.record().unit == "samples"


def test_a_loop_counts_the_samples_of_a_dictionary_not_its_keys():
    meter = Meter()
    list(meter([{"input_ids": [1, 2, 3], "labels": [4, 5, 6]}, {}]))
    assert meter.record().items == (3, 0)


def test_a_step_left_with_break_does_not_count():
    meter = Meter()
    for batch in meter(["abc", "de", "f"]):
        if batch == "de":
            break
    assert meter.record().items == (3,)


def test_a_long_record_is_thinned_out_and_its_totals_stay_exact(clock):
    meter = Meter()
    steps = 3 * meter_module.KEPT_STEPS
    for number in range(steps):
        clock.now_s += 1.0 if number % 2 else 3.0
        meter.step(number, loss=number)
    record = meter.record()
    assert len(record.step_s) <= meter_module.KEPT_STEPS
    assert len(meter._recent) == meter_module.RECENT_STEPS
    assert record.numbers == tuple(range(0, steps, 4))
    assert record.metrics["loss"] == record.numbers
    assert (record.steps, record.total_items, record.total_s) == (steps, sum(range(steps)), 2.0 * steps)
    assert record.measured_items == sum(range(3, steps))


def test_a_missing_metric_is_not_a_number(clock):
    meter = Meter()
    run(meter, clock, [1.0], loss=1)
    run(meter, clock, [1.0], accuracy=0.5)
    record = meter.record()
    assert repr(record.metrics) == "{'loss': (1.0, nan), 'accuracy': (nan, 0.5)}"


def test_the_latest_rate_is_of_recent_steps_and_falls_when_none_comes(clock):
    meter = Meter()
    assert meter.latest() is None
    run(meter, clock, [1.0] * 100, items=10)
    run(meter, clock, [0.5] * 40, items=10)
    latest = meter.latest()
    assert (latest.items_per_s, latest.step_s, latest.steps, latest.unit) == (20.0, 0.5, 140, "tokens")
    clock.now_s += 31 * 0.5
    assert meter.latest().items_per_s == 10.0


def test_another_thread_may_look_at_any_time():
    meter, errors, done = Meter(), [], threading.Event()

    def look():
        while not done.is_set():
            try:
                latest = meter.latest()
                assert latest is None or latest.items_per_s >= 0
            except Exception as error:  # noqa: BLE001
                errors.append(error)

    looker = threading.Thread(target=look)
    looker.start()
    until = time.monotonic() + 1.0
    while time.monotonic() < until:
        for _ in range(100):
            meter.step(1)
        meter.begin_cell()
    done.set()
    looker.join()
    assert errors == []


class OnGpu:
    """Looks like a tensor on a GPU, and refuses to be waited for until allowed."""

    is_cuda, allowed = True, False

    def detach(self):
        return self

    def clone(self):
        return self

    def __float__(self):
        assert OnGpu.allowed, "step() waited for the GPU"
        return 2.0


def test_a_metric_on_a_gpu_is_read_when_the_record_is_asked_for():
    meter = Meter()
    meter.step(1, loss=OnGpu())
    OnGpu.allowed = True
    assert meter.record().metrics == {"loss": (2.0,)}


# ---- the group's result
def record_of(rank, step_s, items=10.0):
    steps, first = len(step_s), tuple((seconds, items) for seconds in step_s[:3])
    metrics = {"loss": tuple(1.0 / (step + 1) for step in range(steps))}
    kept = (tuple(range(steps)), tuple(step_s), (items,) * steps, metrics)
    return MeterRecord(rank, "tokens", steps, items * steps, sum(step_s), first, *kept)


RESULT = MeterResult((record_of(0, [9.0] + [1.0] * 4), record_of(1, [9.0] + [2.0] * 4), MeterRecord(rank=2)))


def test_the_group_is_as_fast_as_its_slowest_rank():
    assert RESULT.items_per_s == (40 + 40) / 8
    assert (RESULT[0].items_per_s, RESULT[1].items_per_s) == (10.0, 5.0)
    with pytest.raises(UsageError, match="Rank 7"):
        RESULT[7]


def test_the_result_is_a_table_in_text_and_in_html():
    lines = [line.split() for line in repr(RESULT).split("\n")]
    assert lines[1] == ["0", "5", "1", "1000.00", "1000.00", "10.0", "tokens"]
    assert lines[-1] == ["group", "10.0", "tokens"]
    html = Parsed(RESULT._repr_html_())
    assert html.caption == "Steps and throughput; the first steps are left out"
    assert (len(html.columns), html.row_headings) == (7, ["0", "1", "group"])
    assert html.rows[1] == ["1", "5", "1", "2000.00", "2000.00", "5.0", "tokens"]
    assert html.aligned() == 4 * ["left", *["right"] * 5, "left"]


def test_a_record_makes_the_groups_result():
    assert MeterRecord().together(list(RESULT.records)) == RESULT


def test_a_result_without_steps_says_what_to_do():
    nothing = MeterResult((MeterRecord(rank=0),))
    assert "meter.step(items)" in repr(nothing)
    assert "meter.step(items)" in nothing._repr_html_()
    with pytest.raises(UsageError, match=r"meter\.step"):
        nothing.plot()


def test_the_plot_has_a_line_for_each_rank_and_says_what_it_shows():
    figure = RESULT.plot()
    throughput, loss = figure.axes
    assert [list(line.get_xdata()) for line in throughput.lines] == [[1, 2, 3, 4]] * 2
    assert list(throughput.lines[1].get_ydata()) == [5.0] * 4
    assert len({line.get_linestyle() for line in loss.lines}) == 2
    assert repr(figure) == "Plot over steps: throughput, loss; 2 rank(s)"
    assert figure._repr_png_().startswith(b"\x89PNG")
