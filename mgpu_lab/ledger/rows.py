"""The rows of a ledger: a live storage goes by its owner, else by the variable that holds it, else by its looks."""

from collections.abc import Mapping
from typing import Any

from mgpu_lab.ledger.allocator import allocated_bytes, outside_tensors
from mgpu_lab.ledger.caches import find_caches
from mgpu_lab.ledger.facts import LedgerRow
from mgpu_lab.ledger.holders import holders
from mgpu_lab.ledger.owners import Owners, survey
from mgpu_lab.ledger.storages import Key, Live

NAMED_UNOWNED = 3  # so many of the largest holdings without an owner get a row of their own


def live_rows(owners: Owners, bucket_sizes: list[int], variables: Mapping[str, Any]) -> list[LedgerRow]:
    """Return the rows of all live storages."""
    found, unseen = survey(owners, bucket_sizes)
    find_caches(owners, found)
    owned = {key: owner for key, live in found.items() if (owner := owners.of(key, in_graph=live.in_graph))}
    rows = [found[key].row(*owner) for key, owner in owned.items()]
    unowned = {key: live for key, live in found.items() if key not in owned}
    rows += [live.row("activations", "kept for backward") for live in unowned.values() if live.in_graph]
    rows += unowned_rows({key: live for key, live in unowned.items() if not live.in_graph}, variables)
    rows += unseen
    return [*rows, *outside_tensors(rows, allocated_bytes())]


def unowned_rows(rest: Mapping[Key, Live], variables: Mapping[str, Any]) -> list[LedgerRow]:
    """Name the largest holdings: "batch: float32 [8, 64]", "old_model: 38 tensors"; the rest is "smaller tensors"."""
    names = holders(variables, set(rest))
    held: dict[str | Key, list[Live]] = {}
    for key, live in rest.items():
        held.setdefault(names.get(key, key), []).append(live)
    order = sorted(held, key=lambda holder: -sum(live.storage.nbytes() for live in held[holder]))
    rows = []
    for place, holder in enumerate(order):
        lives = held[holder]
        looks = look(lives[0]) if len(lives) == 1 else f"{len(lives)} tensors"
        name = f"{holder}: {looks}" if isinstance(holder, str) else looks
        rows += [live.row("other", name if place < NAMED_UNOWNED else "smaller tensors") for live in lives]
    return rows


def look(live: Live) -> str:
    return f"{str(live.dtype).removeprefix('torch.')} {list(max(live.shapes))}"
