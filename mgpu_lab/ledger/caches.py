"""KV caches of generation, known by their looks: an object whose `keys` and `values` are tensors of equal shapes.

One tensor each, or a list, tuple or dict of them, such as one a layer: lesson 08's cache, and each layer of the
`DynamicCache` and `StaticCache` of Transformers. The tensors have 3 dimensions or more; the last one, the head's size,
may differ between keys and values. Not known: caches that pack their numbers (Transformers' `QuantizedCache`), plain
tuples of tensors, and what an engine such as vLLM allocates as one pool.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterable, Mapping
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from mgpu_lab.ledger.owners import Owners
    from mgpu_lab.ledger.storages import Key, Live

CACHED = ("other", "KV cache, {dtype}")
FEWEST_DIMENSIONS = 3
NO_CACHES = (type, FunctionType, ModuleType)


def find_caches(owners: Owners, found: Mapping[Key, Live]) -> None:
    """Note the live caches in `owners.caches` and claim them; where no loose tensor could be of one, look for none."""
    loose = (live for key, live in found.items() if not live.in_graph and owners.of(key) is None)
    if any(len(shape) >= FEWEST_DIMENSIONS for live in loose for shape in live.shapes):
        owners.caches = [weakref.ref(thing) for thing in with_keys_and_values() if tensors_of(thing)]
        claim_caches(owners, owners.caches)


def claim_caches(owners: Owners, caches: Iterable[weakref.ref[Any]]) -> None:
    """Claim what these caches hold now; while a graph keeps it, it is an activation."""
    for cache in caches:
        owners.claim_idle(tensors_of(cache()), *CACHED)


def with_keys_and_values() -> list[Any]:
    """List the live objects with attributes of these names; a type is asked once, since there are many objects."""
    plain: dict[type, bool] = {}
    found = []
    for thing in gc.get_objects():
        kind = type(thing)
        if kind not in plain:  # an offset is 0 where there are no attributes, or no weak references
            plain[kind] = bool(kind.__dictoffset__ and kind.__weakrefoffset__) and not issubclass(kind, NO_CACHES)
        if plain[kind] and {"keys", "values"} <= attributes_of(thing).keys():
            found.append(thing)
    return found


def attributes_of(thing: Any) -> dict[str, Any]:
    """Return an object's own attributes without running code of its class, which might warn."""
    own: dict[str, Any] = object.__getattribute__(thing, "__dict__")
    return own


def tensors_of(cache: Any) -> list[torch.Tensor]:
    """Return keys and values in pairs; nothing where they are no pairs of tensors, or the cache is gone."""
    own = {} if cache is None else attributes_of(cache)
    keys, values = (parts_of(own.get(name)) for name in ("keys", "values"))
    pairs = list(zip(keys, values, strict=False)) if len(keys) == len(values) else []
    return [each for pair in pairs for each in pair] if all(is_pair(*pair) for pair in pairs) else []


def parts_of(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return list(value.values())
    return list(value) if isinstance(value, (list, tuple)) else [value]


def is_pair(keys: Any, values: Any) -> bool:
    if not (isinstance(keys, torch.Tensor) and isinstance(values, torch.Tensor)):
        return False
    return keys.dim() >= FEWEST_DIMENSIONS and keys.shape[:-1] == values.shape[:-1]
