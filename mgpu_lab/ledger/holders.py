"""Which variables of the notebook hold a storage: what a ledger cannot assign is named after them."""

import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch

from mgpu_lab.ledger.owners import DEPTH, OPAQUE
from mgpu_lab.ledger.storages import Key, key_of, storages_of


def notebook_variables() -> dict[str, Any]:
    """Return the variables of the cell or script that runs now; {} where the call does not come from one."""
    frame = sys._getframe()  # noqa: SLF001 - the documented way to the callers
    while frame is not None and frame.f_globals.get("__name__") != "__main__":
        frame = frame.f_back  # type: ignore[assignment]
    return frame.f_globals if frame is not None else {}


def holders(variables: Mapping[str, Any], wanted: set[Key]) -> dict[Key, str]:
    """Return for each wanted storage the first variable that holds it; IPython's own (`_`, `Out`) come last.

    >>> holders({"batch": batch}, {key_of(batch.untyped_storage())})  # doctest: +SKIP
    {Key(device='cpu', address=94105): 'batch'}
    """
    found: dict[Key, str] = {}
    for name in sorted(variables, key=lambda name: name.startswith("_") or name == "Out"):
        for tensor in reachable(variables[name], set()):
            for storage in storages_of(tensor):
                key = key_of(storage)
                if key is not None and key in wanted:
                    found.setdefault(key, name)
        if len(found) == len(wanted):
            break
    return found


def reachable(thing: Any, seen: set[int], depth: int = DEPTH) -> Iterator[torch.Tensor]:
    """Yield the tensors in containers, plain objects, modules and optimizers, gradients among them."""
    if id(thing) in seen or depth == 0:
        return
    seen.add(id(thing))
    if isinstance(thing, torch.Tensor):
        yield thing
        if thing.is_leaf and isinstance(thing.grad, torch.Tensor):
            yield thing.grad
        return
    parts: Iterable[Any] = ()
    if isinstance(thing, torch.nn.Module):
        parts = [*thing.parameters(), *thing.buffers(), *vars(thing).values()]
    elif thing is None or isinstance(thing, OPAQUE):
        return
    elif isinstance(thing, Mapping):
        parts = list(thing.values())
    elif isinstance(thing, (list, tuple, set)) or hasattr(type(thing), "popleft"):
        parts = list(thing)
    elif not isinstance(thing, Iterable):  # anything else might be used up by looking
        parts = list(getattr(thing, "__dict__", {}).values())
    for part in parts:
        yield from reachable(part, seen, depth - 1)
