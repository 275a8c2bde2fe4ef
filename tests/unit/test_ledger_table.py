"""The ledger's table, drawn from ledgers made by hand."""

import ast
from itertools import pairwise
from pathlib import Path

import pytest
from shown import Parsed

from mgpu_lab.ledger import facts
from mgpu_lab.ledger.facts import LedgerRow
from mgpu_lab.ledger.ledger import MemoryLedger
from mgpu_lab.ledger.table import ledger_table
from mgpu_lab.wire.errors import UsageError


def ledger(rank, total=1600):
    rows = (LedgerRow("parameters", "weights <fp32>", "cuda:0", total - 100), LedgerRow("other", "x", "cpu", 100))
    return MemoryLedger(total - 100, 0, 0, 0, 0, 100, total, rows, parameter_count=100, rank=rank)


def test_a_ledger_answers_by_name_device_and_parameter():
    one = ledger(0)
    assert one.named("weights <FP32>") == 1500  # a row that is there, whether its name is a usual one or not
    assert (one.named("WEIGHTS"), one.on("cuda"), one.on("cpu")) == (1500, 1500, 100)
    assert (one.bytes_per_parameter(), one.bytes_per_parameter("other")) == (16.0, 1.0)


def test_a_variable_of_the_same_name_is_not_counted():
    rows = (
        LedgerRow("parameters", "nf4 packed weights", "cpu", 64),
        LedgerRow("other", "packed: uint8 [32]", "cpu", 32),
    )
    one = MemoryLedger(64, 0, 0, 0, 0, 32, 96, rows)
    assert (one.named("packed"), one.named("packed: uint8")) == (64, 32)


def test_a_name_that_no_row_could_have_is_refused_with_those_that_are_there():
    assert ledger(0).named("DDP bucket") == ledger(0).named("fp64 master weights") == 0
    with pytest.raises(UsageError, match=r'"buckte" in its name\. This ledger has "weights <fp32>", "x"'):
        ledger(0).named("buckte")


def labels_in(source):
    """What stands after a category in the code: the name of a row."""
    for node in ast.walk(ast.parse(source)):
        parts = (
            [*getattr(node, "elts", []), *getattr(node, "args", [])] if isinstance(node, ast.Tuple | ast.Call) else []
        )
        for category, name in pairwise(getattr(part, "value", None) for part in parts):
            if category in facts.CATEGORIES and isinstance(name, str):
                yield name.replace("{dtype}", "fp32").replace("{stage}", "ZeRO-2")


def test_the_names_that_the_code_gives_to_rows_are_known():
    folder = Path(facts.__file__).parent
    labels = {label for path in folder.glob("*.py") for label in labels_in(path.read_text())} - set(facts.CATEGORIES)
    assert len(labels) > 20
    assert labels <= set(facts.row_names())


def test_ranks_stand_side_by_side_with_what_was_expected():
    table = ledger_table([ledger(0), ledger(1, 1700)], {"total": 1600})
    assert table.off_by == {"total": pytest.approx(100 / 1600)}
    assert (
        repr(table)
        == """\
Memory now; the model has 100 parameters
bytes                    rank 0  rank 1  expected  off by
parameters                1,500   1,600
  weights <fp32> (cuda)   1,500   1,600
gradients                     0       0
optimizer state               0       0
buffers                       0       0
activations                   0       0
other                       100     100
  x (cpu)                   100     100
total                     1,600   1,700     1,600    6.2%
  on cpu                    100     100
  on cuda                 1,500   1,600
  bytes per parameter    16.000  17.000"""
    )


def test_the_html_says_the_same_and_survives_a_view_that_strips_svg_and_styles():
    table = ledger_table([ledger(0), ledger(1)], {"total": 1600})
    html = table._repr_html_()
    shown = Parsed(html)
    assert shown.caption == "Memory now; the model has 100 parameters"
    assert shown.columns == ["bytes", "rank 0", "rank 1", "expected", "off by"]
    assert shown.row_headings[:4] == ["shares", "P parameters", "weights <fp32> (cuda)", "G gradients"]
    assert shown.rows[0] == ["shares", "P X", "P X", "", ""]
    assert shown.rows[2] == ["weights <fp32> (cuda)", "1,500", "1,500", "", ""]
    assert shown.aligned() == 14 * ["left", "right", "right", "right", "right"]
    assert not [word for word in ("<svg", "<style", "role=", "aria-", "class=") if word in html]


def test_the_widest_bar_is_that_of_the_rank_with_most():
    html = ledger_table([ledger(0, 1000), ledger(1, 2000)])._repr_html_()
    assert html.count("width:45.00%") == html.count("width:95.00%") == 1


def test_a_category_that_does_not_exist_is_refused():
    with pytest.raises(UsageError, match="weights"):
        ledger(0).against(weights=1)


def test_only_a_ledger_made_on_a_rank_can_watch_a_block():
    with pytest.raises(UsageError, match="has left its rank"):
        ledger(0).peak()
