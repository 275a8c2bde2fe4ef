"""Percentiles, Little's law on a simulated queue, and the picture of latency."""

import pytest

from mgpu_lab.course.serving.latency import LoadRun, load_runs, percentile, resting_on
from mgpu_lab.course.serving.latency_plot import latency_picture
from mgpu_lab.course.serving.open_load import OpenLoad
from mgpu_lab.course.serving.open_loop import agreed, serve_open
from mgpu_lab.course.serving.requests import Request, Served, poisson_requests
from mgpu_lab.wire.errors import UsageError

TURN_S = 0.02


def simulated(requests, slots=4):
    """Serve in turns of 20 ms by a clock of its own; a request takes a turn for each new token."""
    time_s = [0.0]
    load, active = OpenLoad(requests, clock=lambda: time_s[0]), {}
    while load.waiting or active:
        load.look(time_s[0])
        for slot in [slot for slot, each in active.items() if each.finished]:
            load.done(active.pop(slot))
        for slot in range(slots):
            if slot not in active and load.due():
                active[slot] = load.admit()
        for each in active.values():
            each.tokens.append(0)
        time_s[0] += TURN_S
    return load.report()


@pytest.fixture(autouse=True)
def _no_sleep(monkeypatch):
    monkeypatch.setattr("time.sleep", lambda _: None)


def run_of(per_s, count=400, way="single"):
    return LoadRun.of(way, per_s, [simulated(poisson_requests(count, per_s))])


@pytest.mark.parametrize("percent", [1, 50, 95, 99, 100])
def test_a_percentile_is_the_smallest_value_that_so_many_do_not_exceed(percent):
    values = [each.arrives_s % 1 for each in poisson_requests(137, 0.01)]
    found = percentile(values, percent)
    enough = [value for value in values if sum(each <= value for each in values) >= percent / 100 * len(values)]
    assert found == min(enough)
    assert resting_on(len(values), percent) == sum(each >= found for each in values)


def test_a_percentile_of_nothing_or_beyond_100_is_refused():
    for values, percent in (([], 50), ([1.0], 0), ([1.0], 101)):
        with pytest.raises(UsageError, match="there must be values"):
            percentile(values, percent)


@pytest.mark.parametrize("per_s", [2.0, 10.0, 20.0, 200.0])
def test_littles_law_holds_at_every_load_with_the_right_clock(per_s):
    run = run_of(per_s)
    assert run.in_system == pytest.approx(run.lambda_w(), rel=0.02)


def test_littles_law_finds_a_clock_that_starts_at_the_admission_and_one_in_other_units():
    run = run_of(200.0)
    assert run.lambda_w(lambda each: each.done_s - each.admitted_s) < 0.5 * run.in_system
    assert run.lambda_w(lambda each: 1e3 * each.latency_s) > 100 * run.in_system


def test_littles_law_finds_a_lost_request():
    served, counted = simulated(poisson_requests(400, 20.0))
    run = LoadRun.of("single", 20.0, [(served[:300], counted)])
    assert run.in_system > 1.1 * run.lambda_w()


def test_keeping_up():
    assert run_of(2.0).keeps_up
    assert not run_of(200.0).keeps_up
    assert run_of(200.0).served_per_s == pytest.approx(run_of(2000.0).served_per_s, rel=0.05)  # saturated


def test_replicas_are_put_together_and_ranks_that_share_a_way_are_not():
    requests = poisson_requests(40, 30.0)
    halves = [simulated(requests[rank::2]) for rank in range(2)]
    whole = simulated(requests)
    pulled = [{("replicas", 30.0): halves[rank], ("TP", 30.0): whole, ("single", 30.0): ([], 0.0)} for rank in range(2)]
    pulled[0]["single", 30.0] = whole
    runs = {run.way: run for run in load_runs(pulled)}
    assert set(runs) == {"replicas", "TP", "single"}
    assert [[each.request.id for each in run.served] for run in runs.values()] == [list(range(40))] * 3
    assert runs["TP"].in_system == runs["single"].in_system
    assert runs["replicas"].in_system == pytest.approx(runs["replicas"].lambda_w(), rel=0.05)


def test_the_picture_says_what_it_shows():
    runs = [run_of(per_s, 60, way) for way in ("single", "TP") for per_s in (2.0, 200.0)]
    figure = latency_picture(runs)
    assert figure.summary.startswith("Latency against offered load. p50/p95/p99. single: 2.0 requests/s ")
    assert figure.summary.count("did not keep up") == 2
    panels = figure.axes
    assert [panel.get_title(loc="left") for panel in panels] == [
        "p50: 31 of 60 requests took this or longer",
        "p95: 4 of 60 requests took this or longer",
        "p99: 1 of 60 requests took this or longer",
    ]
    drawn = {line.get_label(): list(line.get_ydata()) for line in panels[2].lines}
    assert drawn["TP"] == [run.latency_s(99) for run in runs if run.way == "TP"]
    hollow = [line for line in panels[0].lines if line.get_markerfacecolor() == "white"]
    assert [(line.get_color(), list(line.get_xdata())) for line in hollow] == [
        ("#0072b2", [200.0]),
        ("#d55e00", [200.0]),
    ]
    assert len({(line.get_linestyle(), line.get_marker()) for line in panels[0].lines[::2]}) == 2
    assert '<img class="mgpu-latency"' in figure._repr_mimebundle_()["text/html"]


def test_answers_are_in_order_of_arrival():
    late = Served(Request(1, 0.2, [1], 2), done_s=0.3, tokens=[7, 8])
    first = Served(Request(0, 0.1, [1], 2), done_s=0.5, tokens=[5, 6])
    assert LoadRun.of("single", 1.0, [([late, first], 0.0)]).answers == ((5, 6), (7, 8))


class Counting:
    """A way whose tokens count up from the prompt's last; it refuses what a slot cannot do."""

    slots = 3

    def __init__(self):
        self.held, self.most, self.order = {}, 0, []

    def prefill(self, slot, prompt):
        assert slot not in self.held
        self.held[slot] = prompt[-1]
        self.most = max(self.most, len(self.held))
        self.order.append(prompt)
        return prompt[-1] + 1

    def step(self, last):
        assert last.keys() == self.held.keys()
        return {slot: token + 1 for slot, token in last.items()}

    def free(self, slot):
        del self.held[slot]


def test_the_loop_serves_all_in_order_in_its_slots_with_each_one_s_tokens():
    requests, way = poisson_requests(40, 1e9), Counting()
    served, request_seconds = serve_open(way, requests)
    assert sorted(each.request.id for each in served) == list(range(40))
    assert way.order == [request.prompt for request in requests]
    assert (way.held, way.most) == ({}, 3)
    for each in served:
        first = each.request.prompt[-1] + 1
        assert each.tokens == list(range(first, first + each.request.new_tokens))
        assert each.request.arrives_s <= each.admitted_s < each.done_s
    assert request_seconds > 0


def test_where_ranks_do_not_share_a_way_each_keeps_its_own_clock():
    assert agreed(1.5, split=False) == 1.5
