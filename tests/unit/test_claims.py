"""The ledger of claims: complete, sourced, filled, and no verdict that the planner's numbers do not support.

Where a number changes its meaning for a verdict, the verdict's text in claims.toml is to be changed, not this test.
"""

import re
import string
import tomllib

import claims as tool
import pytest

from mgpu_lab.course import claim_numbers, claim_serving
from mgpu_lab.course import claims as ledger
from mgpu_lab.course.claims import FILE, VERDICTS, claims
from mgpu_lab.planner.inference import plan_inference
from mgpu_lab.tables import Table
from mgpu_lab.wire.errors import UsageError

TEXTS = tomllib.loads(FILE.read_text(encoding="utf-8"))
EVERY_CLAIM = pytest.mark.parametrize("key", TEXTS)
# The claims that readers arrive with, each by words that its text must have.
LIST = {
    "days-to-hours": "days to hours",
    "two-to-eight": "2 to 8 times",
    "inference-200": "200% faster",
    "nvlink-900": "900 GB/s, PCIe 5.0 has 128 GB/s",
    "nvlink-halves": "synchronisation by 50%",
    "pcie-light": "lighter tasks only",
    "pcie-inference": "PCIe is enough for inference",
    "nvlink-inference": "needs NVLink",
    "scaling-95": "95% scaling efficiency",
    "two-4090-h100": "Two RTX 4090 are 1.8 H100",
    "quad-sdxl": "SDXL three times",
    "consumer-per-token": "50% cheaper for each token; data-centre cards scale beyond four",
    "seventy-b-hours": "70B in 4 hours, eight A100 in 24",
    "dual-5090-500": "500 tokens/s on two RTX 5090",
    "thousands-qps": "thousands of queries per second",
    "half-vram": "halves the memory",
    "qlora-ten": "a tenth of the memory",
    "zero-offload": "offloads to CPU and NVMe",
    "checkpointing": "trades compute for memory",
    "watts-1600": "1600 W are enough for four GPUs, two supplies of 2000 W",
    "mixed-links": "Mismatched interconnects cost 30%",
    "few-lanes": "few PCIe lanes",
    "h100-5-10": "5 to 10 dollars an hour",
    "on-premises-70": "saves 70%",
    "b200": "192 GB, NVLink 5 doubles",
    "ollama-halved": "halves the response time",
    "start-with-two": "Start with two RTX 4090",
}


def fields(text):
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def test_every_claim_of_the_list_is_there_and_no_other():
    assert list(TEXTS) == list(LIST)
    assert [row.key for row in claims()] == list(LIST)
    assert all(words in claims()[key].claim for key, words in LIST.items())


@EVERY_CLAIM
def test_a_verdict_is_one_of_four_and_states_its_condition(key):
    row = claims()[key]
    assert row.verdict in VERDICTS
    assert bool(row.only_if) == (row.verdict == "holds only if")
    assert row.sentence.endswith(".")
    assert row.why.endswith(".")


@EVERY_CLAIM
def test_it_is_said_how_each_is_known_and_what_is_published_has_address_and_date(key):
    row = claims()[key]
    ways = row.how.split(", ")
    assert all(re.fullmatch(r"computed|published|measured here \(lesson 0\d\)", way) for way in ways)
    assert ("published" in ways) == bool(row.published) == bool(row.source)
    for each in row.source:
        assert re.match(r"https://\S+\.\S+|mgpu_lab/planner/hardware\.toml", each)
        assert re.search(r"\([^()]*(20\d\d|date)[^()]*\)$", each)
    assert row.number


@EVERY_CLAIM
def test_numbers_are_computed_and_filled_and_none_is_computed_in_vain(key):
    text, found = TEXTS[key]["number"], claim_numbers.numbers(TEXTS[key]["computed"])
    assert fields(text) <= found.keys()
    assert found.keys() - fields(text) <= {"verdict"}
    assert not re.search(r"[{}]|\bnan\b|\binf\b|None", str(claims()[key]))


@EVERY_CLAIM
def test_the_numbers_support_the_verdict(key):
    assert claims()[key].supported, f"The planner no longer supports {key}: {claims()[key].number}"


def test_a_planner_that_says_otherwise_is_noticed(monkeypatch):
    monkeypatch.setattr("mgpu_lab.course.claim_speed.slowed", lambda *_, **__: 1.02)
    for key in ("mixed-links", "few-lanes"):
        assert not ledger.claim_of(key, TEXTS[key]).supported


@pytest.mark.parametrize("verdict", VERDICTS)
def test_another_verdict_than_the_numbers_give_is_noticed(verdict):
    row = {**TEXTS["zero-offload"], "verdict": verdict}
    assert ledger.claim_of("zero-offload", row).supported == (verdict == "holds")


def test_a_cpu_that_keeps_the_named_share_of_the_weights_doubles_a_tokens_time():
    found = claim_serving.by_layers()
    alone = plan_inference("llama-3.1-8b", "1x RTX-4090")
    on_host_s = alone.memory.parameters / (found["host"] * 1e9)
    mixed_s = (1 - found["spill"]) / alone.tokens_per_s + found["spill"] * on_host_s
    assert mixed_s == pytest.approx(2 / alone.tokens_per_s)


def test_the_cards_named_answer_two_thousand_queries_a_second():
    found = claim_serving.thousands()
    assert found["cards"] / 8 * found["chat"] == pytest.approx(2000)


def test_each_function_fills_one_claim():
    assert sorted(row["computed"] for row in TEXTS.values()) == sorted(claim_numbers.NUMBERS)


def test_a_claim_is_found_by_its_key_and_a_wrong_key_is_one_line():
    assert len(claims()) == len(LIST)
    assert claims()["b200"].key == "b200"
    with pytest.raises(UsageError, match=r"There is no claim 'scaling' in the ledger. Did you mean 'scaling-95'\?"):
        claims()["scaling"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"computed": "watts", "claim": "C", "verdict": "holds", "number": "{nothing}"}, "claims.toml, x: 'nothing'"),
        ({"computed": "watts", "claim": "C", "verdict": "holds"}, "claims.toml, x: 'number'"),
        ({"computed": "magic"}, "There are no numbers 'magic'"),
    ],
)
def test_a_claim_that_lacks_a_part_says_which(row, message):
    with pytest.raises(UsageError, match=re.escape(message)):
        ledger.claim_of("x", row)


def test_the_text_reads_in_100_columns_but_for_addresses():
    lines = repr(claims()).splitlines()
    long = [line for line in lines if len(line) > 100 and "https://" not in line]
    assert not long
    assert lines[0].startswith(f"{len(LIST)} claims: ")
    assert '"95% scaling efficiency."' in lines
    assert any(line.startswith("  Holds only if each GPU") for line in lines)


def test_the_table_is_html_with_everything_in_it():
    assert isinstance(claims().table(), Table)
    html = claims()._repr_html_()
    assert html.count("<tr>") == len(LIST) + 1
    for row in claims():
        assert all(row.source[i].split("&")[0] in html for i in range(len(row.source)))
    assert "<i>published:</i>" in html


def test_the_page_is_what_the_planner_says_now():
    assert tool.main(["--check"]) == 0


def test_an_old_page_is_noticed_and_written(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(tool, "PAGE", tmp_path / "claims.md")
    assert tool.main(["--check"]) == 1
    assert "python tools/claims.py" in capsys.readouterr().out
    assert tool.main() == 0
    assert tool.main(["--check"]) == 0
    text = tool.PAGE.read_text(encoding="utf-8")
    assert text.count("\n## ") == len(LIST)
    assert all(f"](#{tool.anchor(row.claim)})" in text and f"\n## {row.claim}\n" in text for row in claims())
    tool.PAGE.write_text(text.replace("1800 W", "1900 W"), encoding="utf-8")
    assert tool.main(["--check"]) == 1
