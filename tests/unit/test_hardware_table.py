"""The hardware table: every row says where it is from, and no number is off by a unit, a direction or sparsity."""

import datetime as dt
import re
from dataclasses import replace
from itertools import chain
from pathlib import Path

import pytest

from mgpu_lab.planner.hardware import HARDWARE, Card, Hardware, Link, link_rate_gbps, load, look_up
from mgpu_lab.planner.machines import Interconnect, Machine, machine
from mgpu_lab.wire.errors import UsageError

TABLES = {
    "cards": HARDWARE.cards,
    "links": HARDWARE.links,
    "boards": HARDWARE.boards,
    "supplies": HARDWARE.supplies,
    "outlets": HARDWARE.outlets,
    "prices": HARDWARE.prices,
}
ROWS = [(table, row) for table, rows in TABLES.items() for row in rows.values()]
CARDS = [card for card in HARDWARE.cards.values() if card.name != "CPU"]
READ = dt.date(2026, 11, 28)
WANTED = {
    "RTX-3090",
    "RTX-4090",
    "RTX-5090",
    "RTX-6000-Ada",
    "RTX-PRO-6000-Blackwell",
    "L4",
    "L40S",
    "A100-PCIe-40GB",
    "A100-PCIe-80GB",
    "A100-SXM-40GB",
    "A100-SXM-80GB",
    "H100-PCIe-80GB",
    "H100-SXM-80GB",
    "H100-NVL-94GB",
    "H200-SXM-141GB",
    "B200-SXM-180GB",
    "GB200",
    "MI300X",
}

# What makers advertise with sparsity, which is twice what dense matrices get.
SPARSE_BF16 = {"H100-SXM-80GB": 1979, "H200-SXM-141GB": 1979, "H100-PCIe-80GB": 1513, "H100-NVL-94GB": 1671}
SPARSE_BF16 |= {"A100-SXM-80GB": 624, "A100-PCIe-80GB": 624, "L40S": 733, "L4": 242, "RTX-4090": 330.3}
SPARSE_BF16 |= {"RTX-5090": 419.2, "B200-SXM-180GB": 4500, "GB200": 5000, "RTX-PRO-6000-Blackwell": 1007.6}


def one_line(info: pytest.ExceptionInfo[UsageError]) -> str:
    said = str(info.value)
    assert "\n" not in said
    return said


def test_the_cards_of_the_issue_are_there() -> None:
    assert set(HARDWARE) >= WANTED


@pytest.mark.parametrize(("table", "row"), ROWS, ids=lambda each: getattr(each, "name", each))
def test_a_row_says_where_and_when_it_was_found(table: str, row: Card) -> None:
    assert re.search(r"https?://[\w.-]+\.\w+|document: \w", row.source), f"{table}: {row.name} names no source"
    assert dt.date(2018, 1, 1) <= row.checked <= READ


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_a_card_is_of_the_right_order_of_magnitude(card: Card) -> None:
    assert 4 < (card.memory_gib or 0) < 300
    assert 200 <= (card.memory_gbps or 0) <= 10_000
    assert card.tflops, "what it computes"
    assert all(5 <= rate <= (10_000 if dtype == "fp4" else 5_000) for dtype, rate in card.tflops.items())
    assert card.watts is None or 50 <= card.watts <= 2000
    assert card.transient_watts is None or card.watts is None or card.watts < card.transient_watts < 3 * card.watts
    assert card.pcie_lanes in {None, 1, 4, 8, 16}
    assert card.pcie_generation in {None, 3, 4, 5}


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_memory_is_what_the_software_finds_not_what_the_box_says(card: Card) -> None:
    """A box says GB and rounds; 80 GB are 74.5 GiB or 80 GiB, and PyTorch finds neither."""
    said = re.search(r"-(\d+)GB", card.name)
    if said:
        assert 0.93 * float(said[1]) < (card.memory_gib or 0) < float(said[1])


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_flops_by_dtype_keep_their_order(card: Card) -> None:
    rates = card.tflops
    assert set(rates) <= {"fp32", "tf32", "bf16", "fp16", "fp8", "int8", "fp4"}
    assert rates.get("bf16", rates["fp16"]) == rates["fp16"]
    ordered = [rates[dtype] for dtype in ("fp32", "tf32", "fp16", "fp8", "fp4") if dtype in rates]
    assert ordered == sorted(ordered)
    if "fp8" in rates:
        assert rates["fp8"] == pytest.approx(2 * rates["bf16"], rel=0.02)


@pytest.mark.parametrize(("name", "sparse"), SPARSE_BF16.items())
def test_flops_are_dense(name: str, sparse: float) -> None:
    assert HARDWARE[name].tflops["bf16"] <= sparse / 2 * 1.001


def test_geforce_counts_accumulation_in_fp32() -> None:
    for name in ("RTX-3090", "RTX-4090", "RTX-5090"):
        rates = HARDWARE[name].tflops
        assert rates["bf16"] == pytest.approx(2 * rates["fp32"], rel=0.01)


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_nvlink_is_in_one_direction_and_has_a_link_row(card: Card) -> None:
    if card.nvlink_gbps is None:
        assert (card.nvlink_cards, card.nvlink_link) == (0, "")
    else:
        assert 50 <= card.nvlink_gbps <= 900
        assert card.nvlink_cards >= 2
        assert card.nvlink_link in HARDWARE.links


def test_well_known_rates() -> None:
    assert (HARDWARE["H100-SXM-80GB"].nvlink_gbps, HARDWARE["A100-SXM-80GB"].nvlink_gbps) == (450, 300)
    assert HARDWARE["GB200"].nvlink_cards == 72
    assert [HARDWARE[name].peer_access for name in ("RTX-4090", "RTX-5090", "H100-SXM-80GB")] == [False, False, True]


def test_the_cpu_is_unknown_until_measured() -> None:
    cpu = HARDWARE["CPU"]
    assert (cpu.memory_gib, cpu.memory_gbps, dict(cpu.tflops), cpu.watts) == (None, None, {}, None)


def test_links_reach_a_share_of_their_rate() -> None:
    for link in HARDWARE.links.values():
        assert link.efficiency is None or 0.3 <= link.efficiency <= 1
        assert link.all_reduce_efficiency is None or 0.3 <= link.all_reduce_efficiency <= 1.1
        for micros in (link.latency_us, link.call_us, link.small_latency_us, link.small_call_us):
            assert micros is None or 0.1 <= micros <= 50
    assert {name: link.gbps for name, link in HARDWARE.links.items() if link.gbps} == {
        "infiniband-400": 50,
        "infiniband-200": 25,
        "roce-400": 50,
        "ethernet-100": 12.5,
        "ethernet-25": 3.125,
        "ethernet-10": 1.25,
    }


def test_pcie_rates() -> None:
    assert link_rate_gbps(4, 16) == pytest.approx(31.5, rel=0.001)
    assert link_rate_gbps(5, 8) == pytest.approx(31.5, rel=0.001)
    assert link_rate_gbps(3, 4) == pytest.approx(3.94, rel=0.001)
    for generation, gt_s in ((3, 8), (4, 16), (5, 32)):
        assert link_rate_gbps(generation, 1) == pytest.approx(gt_s * 128 / 130 / 8, rel=0.001)


@pytest.mark.parametrize(("generation", "lanes"), [(6, 16), (4, 0), (4, 17), (4, 2.5), (4, True)])
def test_pcie_that_is_not(generation: int, lanes: int) -> None:
    with pytest.raises(UsageError) as info:
        link_rate_gbps(generation, lanes)
    one_line(info)


def test_boards_give_no_more_lanes_than_they_have() -> None:
    assert len(HARDWARE.boards) >= 5
    for board in HARDWARE.boards.values():
        for cards, lanes in board.lanes.items():
            assert len(lanes) == cards
            assert set(lanes) <= {1, 4, 8, 16}
            if board.cpu_lanes is not None:
                assert sum(lanes) <= board.cpu_lanes + board.chipset_lanes
        assert not board.slot_spacing or len(board.slot_spacing) == max(board.lanes) - 1
    assert HARDWARE.boards["ASUS ProArt X870E-Creator WiFi"].lanes[2] == (8, 8)


def test_supplies_and_outlets() -> None:
    assert all(400 <= (supply.watts or 0) <= 20_000 for supply in HARDWARE.supplies.values())
    assert all(supply.excursion in {None, 2.0} for supply in HARDWARE.supplies.values())
    assert HARDWARE.outlets["US 120 V 15 A"].watts == pytest.approx(1440)
    assert HARDWARE.outlets["EU 230 V 16 A"].watts == pytest.approx(3680)
    assert all(1400 <= (outlet.watts or 0) <= 6000 for outlet in HARDWARE.outlets.values())


def test_prices_are_of_cards_in_the_table_and_believable() -> None:
    bounds = {"rent": (0.1, 20), "buy": (200, 60_000), "electricity": (0.02, 0.6)}
    for price in HARDWARE.prices.values():
        least, most = bounds[price.kind]
        assert least <= (price.usd or 0) <= most, price.name
        assert price.notes, f"{price.name} does not say what kind of offer it was"
        assert (price.card == "") == (price.kind == "electricity")
        assert price.card == "" or price.card in HARDWARE.cards


def test_prices_asked_cheapest_first() -> None:
    asked = [price.usd for price in HARDWARE.asked("H100-SXM-80GB", "rent")]
    assert len(asked) >= 3
    assert asked == sorted(asked, key=float)  # type: ignore[arg-type]
    assert HARDWARE.asked("", "electricity")
    assert HARDWARE.asked("RTX-4090", "buy")[0].usd == 1599


def test_a_name_unknown_lists_the_known_and_the_close_one() -> None:
    with pytest.raises(UsageError) as info:
        HARDWARE["RTX-4900"]
    said = one_line(info)
    assert "Did you mean 'RTX-4090'?" in said
    assert all(name in said for name in HARDWARE)


@pytest.mark.parametrize("given", [None, 7, "", "x", "zzzzzz"])
def test_a_name_like_no_other_gets_no_guess(given: str) -> None:
    with pytest.raises(UsageError) as info:
        HARDWARE[given]
    assert "Did you mean" not in one_line(info)


def test_a_name_without_its_memory_suggests_all_that_have_it() -> None:
    with pytest.raises(UsageError) as info:
        machine("2x H100")
    said = one_line(info)
    for name in ("'H100-SXM-80GB'", "'H100-PCIe-80GB'", "'H100-NVL-94GB'"):
        assert name in said
    assert "'A100" not in said


def test_other_rows_are_looked_up_the_same_way() -> None:
    assert look_up(HARDWARE.outlets, "us 120 v 15 a", "outlet").amperes == 15
    with pytest.raises(UsageError, match=r"no board 'ROMED8'.*Did you mean 'ASRock Rack ROMED8-2T'"):
        look_up(HARDWARE.boards, "ROMED8", "board")


def written(folder: Path, text: str) -> Hardware:
    file = folder / "own.toml"
    file.write_text(text)
    return load(file)


SOURCED = 'source = "https://a.example"\nchecked = 2026-01-01\n'


def test_an_own_table(tmp_path: Path) -> None:
    own = written(tmp_path, f"[cards.Mine]\n{SOURCED}watts = 200\n[boards.B]\n{SOURCED}lanes = {{ 2 = [8, 8] }}")
    assert (own["mine"].watts, own.boards["B"].lanes) == (200, {2: (8, 8)})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"[cards.Mine]\n{SOURCED}wats = 200", "'wats' is not known. Did you mean 'watts'?"),
        (f"[cardz.Mine]\n{SOURCED}", "'cardz' is not known. Did you mean 'cards'?"),
        (f'[cards.Mine]\n{SOURCED}name = "x"', "'name' is not known"),
        ("[cards.Mine]\nwatts = 200", "has no source"),
        ('[cards.Mine]\nsource = ""\nchecked = 2026-01-01', "has no source"),
        ('[cards.Mine]\nsource = "https://a.example"', "has no checked"),
        ("[cards.Mine", "cannot be read"),
    ],
)
def test_a_table_with_a_fault_is_refused_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UsageError) as info:
        written(tmp_path, text)
    assert said in one_line(info)


@pytest.mark.parametrize(
    ("text", "count", "card"),
    [
        ("8x H100-SXM-80GB", 8, "H100-SXM-80GB"),
        ("2 x rtx-4090", 2, "RTX-4090"),
        ("RTX-4090", 1, "RTX-4090"),
        (" 4X A100-PCIe-40GB ", 4, "A100-PCIe-40GB"),
        ("16 h200-sxm-141gb", 16, "H200-SXM-141GB"),
        ("2×RTX-5090", 2, "RTX-5090"),  # noqa: RUF001
        ("2x RTX 4090", 2, "RTX-4090"),
        ("8x H100 SXM 80GB", 8, "H100-SXM-80GB"),
    ],
)
def test_a_machine_from_a_text(text: str, count: int, card: str) -> None:
    made = machine(text)
    assert (made.count, made.card.name, made.hosts) == (count, card, -(-count // 8))
    assert str(made) == f"{count}x {card}"


@pytest.mark.parametrize("given", ["0x RTX-4090", "-1x RTX-4090", "8x", "8x RTX-1", "", "  ", None, 8, ["RTX-4090"]])
def test_no_machine(given: str) -> None:
    with pytest.raises(UsageError) as info:
        machine(given)
    one_line(info)


def test_a_machine_given_is_returned_as_it_is() -> None:
    own = Machine(HARDWARE["L40S"], 3, lanes=8)
    assert machine(own) is own


@pytest.mark.parametrize(
    "fields",
    [
        {"count": 0},
        {"count": 2.5},
        {"count": True},
        {"per_host": 0},
        {"lanes": 0},
        {"lanes": 17},
        {"lanes": "x8"},
        {"network_gbps": 0},
        {"network_gbps": None},
        {"network_gbps": "fast"},
        {"tflops": -1.0},
        {"memory_gbps": float("nan")},
        {"network": "string"},
        {"nvlink": True},
    ],
    ids=str,
)
def test_a_machine_that_cannot_be(fields: dict[str, object]) -> None:
    with pytest.raises(UsageError) as info:
        machine("2x RTX-4090").with_(**fields)
    one_line(info)


def linked(made: Machine) -> tuple[str, float | None]:
    assert made.link.link is not None
    return made.link.link.name, made.link.rate_gbps


def test_nvlink_links_a_host_of_sxm_cards() -> None:
    hopper = machine("16x H100-SXM-80GB")
    assert linked(hopper) == ("nvlink4", 450)
    assert hopper.link.bus_gbps == pytest.approx(370, rel=0.01)
    assert hopper.link.all_reduce_gbps == pytest.approx(480, rel=0.01)
    ampere = machine("8x A100-SXM-80GB").link
    assert ampere.bus_gbps == ampere.all_reduce_gbps == pytest.approx(235, rel=0.01)
    assert linked(hopper.with_(nvlink=False)) == ("pcie", pytest.approx(63, rel=0.01))


def test_pcie_links_the_rest_through_memory_where_peers_are_kept_apart() -> None:
    assert linked(machine("2x RTX-4090")) == ("pcie-host", pytest.approx(31.5, rel=0.01))
    assert linked(machine("4x L40S")) == ("pcie", pytest.approx(31.5, rel=0.01))
    assert linked(machine("2x RTX-4090").with_(lanes=4)) == ("pcie-host", pytest.approx(7.88, rel=0.01))
    narrow = machine("2x RTX-4090").with_(lanes=8).link
    assert narrow.bus_gbps == pytest.approx(0.5 * (machine("2x RTX-4090").link.bus_gbps or 0))


def test_a_bridge_joins_two_cards_if_you_say_it_is_there() -> None:
    assert linked(machine("2x A100-PCIe-80GB"))[0] == "pcie"
    assert linked(machine("2x A100-PCIe-80GB").with_(nvlink=True)) == ("nvlink3-bridge", 300)
    assert linked(machine("4x A100-PCIe-80GB").with_(nvlink=True))[0] == "pcie", "the slowest hop sets the pace"
    assert linked(machine("2x RTX-3090").with_(nvlink=True)) == ("nvlink3-bridge", 56.25)


def test_a_gb200_rack_is_one_host() -> None:
    rack = machine("72x GB200")
    assert (rack.hosts, rack.in_host, linked(rack)) == (1, 72, ("nvlink5", 900))
    assert machine("144x GB200").hosts == 2


def test_a_network_of_your_own() -> None:
    wire = Link("lab", "measured here", dt.date(2026, 11, 28), efficiency=0.5, latency_us=300.0)
    two = machine("2x RTX-4090").with_(per_host=1, network=wire, network_gbps=2.0)
    assert (two.hosts, two.between_hosts.bus_gbps) == (2, 1.0)
    with pytest.raises(UsageError, match="no link 'lab'"):
        two.with_(network="lab")


def test_the_network_between_hosts() -> None:
    two = machine("16x H100-SXM-80GB")
    assert (two.between_hosts.rate_gbps, two.network) == (50, "infiniband-400")
    assert two.between_hosts.bus_gbps == pytest.approx(47, rel=0.01)
    shared = two.networked("Ethernet-25", cards_a_port=8)
    assert (shared.network, shared.network_gbps) == ("ethernet-25", pytest.approx(3.125 / 8))
    with pytest.raises(UsageError, match=r"nvlink4 does not link hosts\. Those that do: infiniband-400"):
        two.networked("nvlink4")


def test_what_is_unknown_of_a_link_stays_unknown() -> None:
    for made in (machine("2x CPU"), machine("8x V100-SXM-32GB")):
        assert made.link.bus_gbps is None
        assert made.link.all_reduce_gbps is None
    assert Interconnect(None, None).bus_gbps is None


def test_cards_have_no_two_names() -> None:
    names = list(chain.from_iterable(rows for rows in TABLES.values()))
    assert len({name.casefold() for name in names}) == len(names)


@pytest.mark.parametrize(
    ("row", "wrong", "said"),
    [
        (HARDWARE["RTX-4090"], {"memory_gib": -48}, "Mine: memory_gib=-48 must be a number above 0."),
        (HARDWARE["RTX-4090"], {"memory_gbps": "1008"}, "Mine: memory_gbps='1008' must be a number above 0."),
        (HARDWARE["RTX-4090"], {"watts": 0}, "Mine: watts=0 must"),
        (HARDWARE["RTX-4090"], {"tflops": 165}, 'tflops are named by dtype, {"bf16": 165.2}; not 165.'),
        (HARDWARE["RTX-4090"], {"tflops": {"bf16": float("inf")}}, "tflops['bf16']=inf must be a number above 0."),
        (HARDWARE.supplies["ATX3-1600"], {"efficiency": 92}, "efficiency=92 is a share: above 0, 1 at most (92% is"),
        (HARDWARE.supplies["ATX3-1600"], {"efficiency": 0}, "efficiency=0 is a share"),
        (HARDWARE.supplies["ATX3-1600"], {"efficiency": "92%"}, "efficiency='92%' is a share"),
        (HARDWARE.supplies["ATX3-1600"], {"watts": -1}, "watts=-1 must"),
        (HARDWARE.outlets["US 120 V 15 A"], {"volts": True}, "volts=True must"),
        (HARDWARE.outlets["US 120 V 15 A"], {"continuous": 80}, "continuous=80 is a share"),
    ],
)
def test_a_row_of_ones_own_is_refused_where_a_number_cannot_be(
    row: object, wrong: dict[str, object], said: str
) -> None:
    replace(row, name="Mine")  # type: ignore[type-var]
    with pytest.raises(UsageError) as info:
        replace(row, name="Mine", **wrong)  # type: ignore[type-var]
    assert said in one_line(info)


def test_rows_are_found_in_any_spelling_and_refused_with_the_name_meant() -> None:
    assert HARDWARE.boards["asrock rack romed8 2T"] is HARDWARE.boards["ASRock Rack ROMED8-2T"]
    assert HARDWARE.boards.get("romed8") is None
    with pytest.raises(UsageError) as info:
        HARDWARE.prices["H100"]
    assert one_line(info).startswith("There is no price 'H100' in the hardware table. Did you mean 'H100-")
    with pytest.raises(UsageError):
        HARDWARE.outlets[7]  # type: ignore[index]


def test_rows_show_themselves_as_a_table_without_addresses() -> None:
    head, *lines = repr(HARDWARE.boards).splitlines()
    assert head.split()[:3] == ["board", "pcie_generation", "lanes"]
    assert len(lines) == len(HARDWARE.boards)
    [master] = [line for line in lines if line.startswith("Gigabyte Z890")]
    assert "1: 16, 2: 16+4, 3: 16+4+1" in master
    assert "2: 2*8" in repr(HARDWARE.boards)
    assert repr(HARDWARE.outlets).splitlines()[0].split()[-1] == "watts"  # what may be drawn for hours
    assert "http" not in repr(HARDWARE.supplies)
    assert repr(HARDWARE.supplies).splitlines()[1].split()[-3:] == ["-", "-", "-"]
    assert len(repr(HARDWARE)) < 200


def test_a_card_is_no_machine() -> None:
    with pytest.raises(UsageError, match=r"^RTX-4090 is a card, no machine: Machine\(card, 1\) is a machine of one\.$"):
        machine(HARDWARE["RTX-4090"])  # type: ignore[arg-type]
