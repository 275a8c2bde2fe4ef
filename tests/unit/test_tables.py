"""One table, as text and as HTML."""

from shown import Parsed

from mgpu_lab.engine.ranks import RankStatus
from mgpu_lab.notebook.status import StatusTable
from mgpu_lab.tables import Band, Cell, Table

PLAIN = Table(("gpu", "memory"), [("RTX 4090", "24 GiB"), ("<T4>", "8 GiB")], "a & b", numbers={1})


def test_text_stands_left_and_numbers_right():
    assert repr(PLAIN) == PLAIN.text() == "gpu       memory\nRTX 4090  24 GiB\n<T4>       8 GiB"


def test_columns_are_at_least_as_wide_as_told():
    assert PLAIN.text(least=(9, 8)) == "gpu          memory\nRTX 4090     24 GiB\n<T4>          8 GiB"


def test_html_escapes_every_word_and_says_how_each_cell_is_aligned():
    shown = Parsed(PLAIN._repr_html_())
    assert (shown.caption, shown.columns) == ("a & b", ["gpu", "memory"])
    assert shown.rows == [["RTX 4090", "24 GiB"], ["<T4>", "8 GiB"]]
    assert shown.row_headings == ["RTX 4090", "<T4>"]
    assert shown.aligned() == 3 * ["left", "right"]


def test_a_cell_may_hold_markup_and_a_band_spans_all_columns():
    bar = Cell("half", "<b>5&lt;9</b>", "color:red")
    rows = [Band("first <one>", heading=True), ("a", bar), Band(Cell("", "<i>more</i>"), css_class="more")]
    table = Table(("x", "y"), rows, heading=1, css_class="wide")
    assert table.text() == "x  y\na  half"
    html = table.html()
    shown = Parsed(html)
    assert (shown.groups, shown.rows) == (["first <one>"], [["first <one>"], ["a", "5<9"], ["more"]])
    assert shown.row_headings == ["5<9"]
    assert '<th scope="row" style="text-align:left;color:red"><b>5&lt;9</b></th>' in html
    assert '<table class="wide">' in html
    assert html.count('colspan="2"') == 2
    assert html.count("<tbody>") == html.count("</tbody>") == 1


def test_an_attribute_cannot_be_left():
    assert "<script>" not in Table(("x",), [(Cell("y", style='"><script>'),)], css_class='"><script>').html()


def test_the_ranks_status_names_what_is_unknown():
    ranks = (RankStatus(0, 4711, "cpu", "idle", 12 * 2**20, 3), RankStatus(1, 815, "cuda:1", "lost", None, None))
    table = StatusTable(ranks)
    assert (
        repr(table)
        == """\
rank   pid  device  state   memory  last cell
0     4711  cpu     idle    12 MiB  [3]
1      815  cuda:1  lost   unknown  none
Every rank starts with these names: rank, world_size, local_rank, device, torch, dist, meter, timeline, memory_ledger."""  # noqa: E501
    )
    shown = Parsed(table._repr_html_())
    assert (shown.caption, shown.row_headings) == ("Ranks", ["0", "1"])
    assert shown.rows[1] == ["1", "815", "cuda:1", "lost", "unknown", "none"]
