"""What claims on links, power and money rest on: the hardware table, the check of a rig, the comparison of costs.

Each function returns what fills the braces of ``claims.toml``, and the `verdict` that the numbers support.
"""

# ruff: noqa: PLR2004 - the numbers compared with are the claims' own

from mgpu_lab.course.claim_plans import (
    LLAMA,
    LORA,
    ONLY_IF,
    SHARDED,
    Numbers,
    exposed,
    judged,
    known,
    rents,
    train,
    usd,
)
from mgpu_lab.planner.cost.compare import compare_cost
from mgpu_lab.planner.hardware import HARDWARE, link_rate_gbps
from mgpu_lab.planner.machines import machine
from mgpu_lab.planner.rig.check import check_rig

H100, FULL = "H100-SXM-80GB", 16
REST_WATTS = 300  # for CPU, board, memory, drives and fans: an assumption, named in the text
SUPPLY_WATTS = 1600  # the claim's, and two of 2000 W


def one_direction() -> Numbers:
    """Rates in one direction, and what all-gather reaches of them."""
    linked = machine(f"8x {H100}")
    nvlink, pcie = known(HARDWARE[H100].nvlink_gbps), link_rate_gbps(5, FULL)
    reached, reached_pcie = (known(where.link.bus_gbps) for where in (linked, linked.with_(nvlink=False)))
    holds = abs(2 * nvlink / 900 - 1) < 0.02 and abs(2 * pcie / 128 - 1) < 0.02
    return judged(ONLY_IF, when=holds, nvlink=nvlink, pcie=pcie, reached=reached, reached_pcie=reached_pcie)


def b200() -> Numbers:
    """Memory in two units, and the link beside the H100's: rated, and what all-reduce reaches."""
    new, old = HARDWARE["B200-SXM-180GB"], HARDWARE[H100]
    gib, nvlink, before = known(new.memory_gib), known(new.nvlink_gbps), known(old.nvlink_gbps)
    reached = known(machine(f"8x {new.name}").link.all_reduce_gbps) / known(machine(f"8x {H100}").link.all_reduce_gbps)
    decimal = gib * (1 << 30) / 1e9
    holds = abs(decimal / 192 - 1) < 0.02 < 1 - gib / 192 and nvlink == 2 * before
    return judged(
        ONLY_IF,
        when=holds,
        gib=gib,
        decimal=decimal,
        more=gib / known(old.memory_gib),
        nvlink=nvlink,
        before=before,
        reached=reached,
    )


def watts() -> Numbers:
    """What four RTX 4090 draw, what 1600 W leave each, and how many cards two supplies of 2000 W carry."""
    card = known(HARDWARE["RTX-4090"].watts)
    report = check_rig("4x RTX-4090", supply="ATX3-1600", rest_watts=REST_WATTS)
    fails = any(row.name == "watts, all the time" and row.status == "fail" for row in report.rows)
    left = (SUPPLY_WATTS - REST_WATTS) / 4
    outlet = known(HARDWARE.outlets["US 120 V 15 A"].watts)
    return judged(
        ONLY_IF,
        when=fails and 0 < left < card and outlet < SUPPLY_WATTS,
        four=4 * card,
        rest=REST_WATTS,
        left=left,
        share=left / card,
        most=int((2000 - REST_WATTS) // card + 2000 // card),  # the first supply feeds the rest
        outlet=outlet,
    )


def per_token() -> Numbers:
    """USD for a million tokens on one RTX 4090 and one H100 by the table's rents, and how both do sharded."""
    tokens = 1e6
    cheap = usd(rents("RTX-4090")[0])
    card = known(train(LLAMA, "1x RTX-4090", **LORA).usd(tokens, cheap))
    job = {**LORA, "micro_batch": 2, "checkpointing": "none"}  # what its memory has room for
    one = train(LLAMA, f"1x {H100}", **job)
    asked = [known(one.usd(tokens, usd(price))) for price in rents(H100)]
    consumer, centre = (exposed(train(LLAMA, f"8x {name}", **SHARDED)) for name in ("RTX-4090", H100))
    least, most = 1 - card / asked[0], 1 - card / asked[-1]
    return judged(
        ONLY_IF,
        when=least < 0.5 < most and centre < consumer,
        card=card,
        low=asked[0],
        high=asked[-1],
        least=least,
        most=most,
        consumer=consumer,
        centre=centre,
    )


def h100_prices() -> Numbers:
    """Rents of the table's newest year, and the dearest of an older one."""
    found = rents(H100, "H100-PCIe-80GB")
    older = [price for price in HARDWARE.asked(H100, "rent") if price.checked.year < found[0].checked.year]
    before = max(older, key=usd)
    below = sum(usd(price) < 5 for price in found)
    return judged(
        ONLY_IF,
        when=below > len(found) / 2 and usd(before) > 5,
        year=found[0].checked.year,
        low=usd(found[0]),
        high=usd(found[-1]),
        below=below,
        count=len(found),
        before=usd(before),
        before_year=before.checked.year,
    )


def on_premises() -> Numbers:
    """What owning eight H100 saves over three years at full load, against the table's cheapest and dearest rent.

    Owning is counted low: cards and electricity, no server around them, no network, no staff.
    """
    asked = rents(H100)
    power = usd(HARDWARE.asked("", "electricity")[0])
    compared = [
        compare_cost(f"8x {H100}", utilisation=(1.0,), months=36, usd_per_kwh=power, usd_per_gpu_hour=usd(price))
        for price in (asked[0], asked[-1])
    ]
    least, most = (1 - each.rows[0].buy_usd / each.rows[0].rent_usd for each in compared)
    evens = [each.break_even for each in compared]
    return judged(
        ONLY_IF,
        when=least < 0.7 < most,
        low=usd(asked[0]),
        high=usd(asked[-1]),
        card=compared[0].terms.card_usd,
        kwh=power,
        least=least,
        most=most,
        even=known(evens[0], "a utilisation at which owning wins"),
        even_dear=known(evens[1], "a utilisation at which owning wins"),
    )
