"""Judges how the cards of a rig reach each other: NVLink, peer access over PCIe, host memory; and mixed kinds."""

from collections.abc import Iterator

from mgpu_lab.planner.machines import BRIDGE, Machine
from mgpu_lab.planner.rig.parts import Rig
from mgpu_lab.reports import Row

SECTION = "Between cards"
# NVIDIA, NCCL environment variables, NCCL_SHM_DISABLE: "SHM is used between devices when peer-to-peer cannot happen,
# therefore, host memory is used" (docs.nvidia.com, nccl_247/.../env.html, read 2026-11-28).
_THROUGH_HOST = "every message goes through host memory: NCCL copies it out of one card, and into the other"


def link_rows(rig: Rig) -> Iterator[Row]:
    """Judge the links among cards of each kind, and what several kinds in one job mean."""
    if len(rig.cards) == 1:
        return
    for kind in rig.kinds:
        yield _nvlink(kind)
        if not _joined(kind):
            yield _peer_access(kind)
    if len(rig.kinds) > 1:
        yield from _mixed(rig)


def _joined(kind: Machine) -> bool:
    """Whether NVLink joins all of them; a bridge is bought apart, and is there if the machine says so."""
    cards = kind.card.nvlink_cards
    wanted = cards > BRIDGE if kind.nvlink is None else kind.nvlink
    return wanted and bool(kind.card.nvlink_gbps) and cards >= kind.count


def _nvlink(kind: Machine) -> Row:
    card, name = kind.card, f"NVLink, {kind.card.name}"
    if kind.nvlink is False or not card.nvlink_gbps:
        return Row(SECTION, name, "none: the cards talk over PCIe", "ok")
    rate = f"{card.nvlink_gbps:g} GB/s per direction"
    if card.nvlink_cards == 0:
        reason = "the hardware table does not say how many cards it joins"
        return Row(SECTION, name, rate, "unknown", reason, "Look with `nvidia-smi topo -m`.")
    if card.nvlink_cards <= BRIDGE and kind.nvlink is None:
        found = f"none without a bridge, which joins {card.nvlink_cards} cards at {rate}"
        return Row(SECTION, name, found, "ok", remedy="With bridges, pass a `Machine` with nvlink=True.")
    if card.nvlink_cards < kind.count:
        reason = f"a bridge joins {card.nvlink_cards} cards; all {kind.count} together wait for PCIe"
        remedy = "Keep what talks most (tensor parallel) inside a bridged group."
        return Row(SECTION, name, f"{rate}, in groups of {card.nvlink_cards}", "warn", reason, remedy)
    return Row(SECTION, name, rate, "ok")


def _peer_access(kind: Machine) -> Row:
    name = f"peer access, {kind.card.name}"
    if kind.card.peer_access is None:
        reason = "no source says whether this card's driver allows it"
        return Row(SECTION, name, "unknown", "unknown", reason, "Ask a machine that has it: `verify()` there.")
    if kind.card.peer_access:
        return Row(SECTION, name, "the cards read each other's memory over PCIe", "ok")
    remedy = "Plan with less than the link's rate; DDP with accumulation suffers least, tensor parallel most."
    return Row(SECTION, name, "refused by the driver", "warn", _THROUGH_HOST, remedy)


def _mixed(rig: Rig) -> Iterator[Row]:
    """Say what the slowest and the smallest card make of the others.

    A step of DDP, FSDP or ZeRO ends in a collective that needs the part of every rank, so all wait for the last; equal
    shards must fit the smallest memory.
    """
    cards = [kind.card for kind in rig.kinds]
    shared = [name for name in ("bf16", "fp16", "fp32") if all(name in card.tflops for card in cards)]
    if shared:
        speeds = {card.name: card.tflops[shared[0]] for card in cards}
        yield _weakest("mixed cards: speed", speeds, f"{shared[0]} TFLOP/s", "all ranks wait for the slowest in a step")
    else:
        reason = "the table has no speed that both cards name"
        yield Row(SECTION, "mixed cards: speed", "unknown", "unknown", reason, "Measure a step on each card alone.")
    sizes = {card.name: card.memory_gib for card in cards if card.memory_gib is not None}
    if len(sizes) == len(cards):
        yield _weakest("mixed cards: memory", sizes, "GiB", "equal shards must fit the smallest")
    else:
        yield Row(SECTION, "mixed cards: memory", "unknown", "unknown", "a card's memory is not known")


def _weakest(name: str, values: dict[str, float], unit: str, reason: str) -> Row:
    least, most = min(values, key=values.__getitem__), max(values, key=values.__getitem__)
    if values[least] == values[most]:
        return Row(SECTION, name, f"{values[least]:g} {unit} on all", "ok")
    unused = 1 - values[least] / values[most]
    found = f"{least} {values[least]:g} {unit}, {most} {values[most]:g}: {unused:.0%} of it unused"
    remedy = "Give the stronger card more samples or layers, or give each kind a job of its own."
    return Row(SECTION, name, found, "warn", reason, remedy)
