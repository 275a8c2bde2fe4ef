"""The tables of live figures: what their rows say, and that their columns stay."""

import re

import pytest
from shown import Parsed

from mgpu_lab.notebook.live_table import HEADINGS, LAST, RankRow, WatchTable, live_html, rank_rows
from mgpu_lab.wire.messages import Sample

GIB, MIB = 2**30, 2**20
LIVE_HEADINGS = [*HEADINGS, "last minute"]


def sample(**changes) -> Sample:
    """Return a sample of a rank on a CPU."""
    facts = {"time_s": 1000.0, "busy": True, "memory_bytes": 100 * MIB, "peak_bytes": 200 * MIB}
    return Sample(**{**facts, "capacity_bytes": 8 * GIB, **changes})


@pytest.mark.parametrize("count", range(1, 9))
@pytest.mark.parametrize("live", [True, False])
def test_columns_stay_whatever_the_figures_are(count, live):
    long = sample(memory_bytes=123_456 * MIB, peak_bytes=234_567 * MIB, capacity_bytes=1_234 * GIB)
    huge = sample(memory_bytes=1, items_per_s=123_456_789.0, unit="packed <tokens> & more", step_s=98_765.0)
    for samples in ([long, huge], [long, None], [None, huge], [None, None]):
        rows = tuple(RankRow(rank, samples[rank % 2], ((1.0, 5), (2.0, 9))) for rank in range(count))
        table = WatchTable(rows)
        parsed = Parsed(live_html(table) if live else table._repr_html_())
        assert parsed.columns == (LIVE_HEADINGS if live else list(HEADINGS))
        assert parsed.row_headings == [str(rank) for rank in range(count)]
        assert {len(row) for row in parsed.rows} == {len(parsed.columns)}
        assert len(repr(table).splitlines()) == count + 2 + len(table.notes())


def test_every_figure_is_text_and_the_rest_has_names():
    facts = {"items_per_s": 12_345.6, "unit": "tokens", "step_s": 0.0123, "waiting_share": 0.256}
    row = RankRow(3, sample(**facts), ((940.5, 50 * MIB), (1000.0, 100 * MIB)))
    parsed = Parsed(live_html(WatchTable((row,))))
    expected = ["3", "100 MiB", "200 MiB", "8.0 GiB", "12,346 tokens/s", "12 ms", "26%", ""]
    assert parsed.rows == [expected]
    assert parsed.caption == "Ranks, live"
    (meter,), (line,) = parsed.meters, parsed.lines
    assert (meter["min"], meter["value"], meter["max"]) == ("0", str(100 * MIB), str(200 * MIB))
    assert meter["aria-label"] == "rank 3: memory now, against the highest peak of all ranks"
    assert (line["role"], line["aria-label"]) == ("img", "rank 3: memory over the last minute")
    plain = Parsed(WatchTable((row,))._repr_html_())
    assert plain.rows == [expected[:-1]]
    assert plain.caption == LAST
    assert plain.lines == []
    assert re.split(" {2,}", repr(WatchTable((row,))).split("\n")[2].strip()) == expected[:-1]


def test_unknown_stays_unknown():
    assert RankRow(0, None).cells() == ("0", *["unknown"] * 6)
    not_told = RankRow(0, sample(memory_bytes=0, peak_bytes=0))
    assert not_told.cells() == ("0", "unknown", "unknown", "8.0 GiB", "none yet", "none yet", "unknown")
    assert Parsed(live_html(WatchTable((not_told,)))).meters == []


def test_what_is_not_there_is_explained():
    steps, waiting = "No steps: the rank's last cell did not call meter.step().", "Waiting: the share of time in comm"
    idle, known = sample(busy=False), sample(busy=False, items_per_s=5.0, step_s=0.1, waiting_share=0.5)
    assert RankRow(0, idle).cells()[4:6] == ("no steps", "no steps")
    assert RankRow(0, known).cells()[4:6] == ("5.00 items/s", "100 ms")
    both = WatchTable((RankRow(0, idle), RankRow(1, known)))
    assert [line[:34] for line in repr(both).splitlines()[4:]] == [steps[:34], waiting[:34]]
    assert steps in both._repr_html_()
    assert WatchTable((RankRow(0, known),)).notes() == []
    assert "</table></div>" in WatchTable((RankRow(0, known),))._repr_html_()
    assert [note[:9] for note in WatchTable((RankRow(0, sample()),)).notes()] == ["Waiting: "], "steps may come"
    below = [live_html(WatchTable((RankRow(0, each),))).partition("</table>")[2] for each in (known, idle)]
    assert below[0] == below[1], "nothing moves"


def test_a_rank_that_has_gone_shows_no_old_figures():
    (row,) = rank_rows([(1, [sample(items_per_s=5.0)])], gone=[1])
    assert row.cells() == ("1", *["gone"] * 6)
    assert Parsed(live_html(WatchTable((row,)))).meters == []


@pytest.mark.parametrize(
    ("changes", "rate", "step"),
    [
        ({}, "none yet", "none yet"),
        ({"items_per_s": 0.5, "step_s": 2.0}, "0.50 items/s", "2,000 ms"),
        ({"items_per_s": 9_999_999.0, "unit": "bytes", "step_s": 0.00049}, "9,999,999 bytes/s", "490 µs"),
        ({"items_per_s": 10.0, "step_s": 123.45}, "10 items/s", "123.5 s"),
    ],
)
def test_speed_in_two_digits_at_least(changes, rate, step):
    assert RankRow(0, sample(**changes)).cells()[4:6] == (rate, step)


def test_what_only_a_gpu_tells_has_a_line_of_its_own():
    facts = {"memory_bytes": 0, "reserved_bytes": 20 * MIB, "free_bytes": 70_000 * MIB, "utilisation": 0.97}
    row = RankRow(0, sample(**facts, power_w=301.4))
    told = "GPU of rank 0: reserved 20 MiB, free 70,000 MiB, busy 97%, power 301 W, temperature unknown"
    parsed = Parsed(live_html(WatchTable((row,))))
    assert parsed.rows[0][1] == "0 MiB"
    assert parsed.rows[1] == [told]
    assert told in repr(WatchTable((row,))).splitlines()
    assert RankRow(0, sample()).gpu() == ""


def test_just_after_a_cell_its_speed_stands():
    during = sample(items_per_s=500.0, step_s=0.1)
    after = sample(time_s=1000.5, busy=False, items_per_s=90.0, step_s=0.1, memory_bytes=MIB)
    (row,) = rank_rows([(0, [during, after])])
    assert (row.sample.items_per_s, row.sample.memory_bytes) == (500.0, MIB)
    much_later = sample(time_s=1002.0, busy=False, items_per_s=30.0)
    assert rank_rows([(0, [during, after, much_later])])[0].sample.items_per_s == 30.0
    begun = sample(time_s=1000.5, items_per_s=None)
    assert rank_rows([(0, [during, begun])])[0].sample.items_per_s is None


def test_line_has_a_minute_in_few_points():
    taken = [sample(time_s=1000 + i / 4, memory_bytes=i) for i in range(300)]
    (row,) = rank_rows([(0, taken)])
    assert row.history[-1] == (taken[-1].time_s, 299)
    assert row.history[0][0] > taken[-1].time_s - 60
    assert 59 <= len(row.history) <= 61
