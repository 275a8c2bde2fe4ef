"""Who owns a storage: the first claim on it holds."""

import time
import weakref
from collections.abc import Iterable, Iterator, Mapping
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import torch
import torch.distributed as dist

from mgpu_lab.ledger.facts import LedgerRow
from mgpu_lab.ledger.storages import Key, Live, key_of, live_storages, storages_of

DTYPES = {torch.float32: "fp32", torch.float16: "fp16", torch.bfloat16: "bf16", torch.float64: "fp64"}
OPAQUE: tuple[type, ...] = (str, bytes, int, float, type, torch.nn.Module, torch.device, torch.dtype)
OPAQUE += (torch.Size, ModuleType, FunctionType, MethodType, BuiltinFunctionType)
DEPTH = 5  # how many containers deep a tensor is looked for
BUCKETS = "DDP buckets"
LET_GO_S = 0.5  # the longest wait for a backend's threads
LOOK_S = 0.005


class Owners:
    """The claims made so far; claims must be made in the order of the categories."""

    def __init__(self, device: str, shapes: set[tuple[int, ...]]) -> None:
        self.device = device
        self.shapes = shapes  # of the model's parameters
        self.bucket_views = False  # whether gradients are views of DDP's buckets
        self.found: dict[Key, tuple[str, str]] = {}
        self.idle: dict[Key, tuple[str, str]] = {}  # owned only as long as no autograd graph keeps them
        self.caches: list[weakref.ref[Any]] = []  # KV caches that were found

    def claim(self, thing: Any, category: str, name: str) -> None:
        """Claim every tensor in `thing`; "{dtype}" in the name becomes the tensor's."""
        claim_in(self.found, thing, category, name)

    def claim_idle(self, thing: Any, category: str, name: str) -> None:
        """Claim what is an activation while a graph keeps it."""
        claim_in(self.idle, thing, category, name)

    def of(self, key: Key, *, in_graph: bool = False) -> tuple[str, str] | None:
        """Tell the owner of a storage, where it has one."""
        return self.found.get(key) or (None if in_graph else self.idle.get(key))

    def place_buckets(self, sizes: Iterable[int], candidates: Iterable[tuple[Key, int]]) -> list[LedgerRow]:
        """Find DDP's buckets of these sizes among `candidates` (key, bytes).

        Python sees a bucket only after it has seen an operation on it. The rows are those of unseen buckets.
        """
        left = list(sizes)
        for key, size in candidates:
            owner = self.found.get(key)
            if size in left and (owner is None or (self.bucket_views and owner[0] == "gradients")):
                left.remove(size)
                self.found[key] = (owner[0] if owner else "other", BUCKETS)
        return [LedgerRow("other", BUCKETS, self.device, size) for size in left]


def claim_in(found: dict[Key, tuple[str, str]], thing: Any, category: str, name: str) -> None:
    for tensor in tensors_in(thing):
        owner = (category, name.replace("{dtype}", dtype_name(tensor.dtype)))
        for storage in storages_of(tensor):
            key = key_of(storage)
            if key is not None:
                found.setdefault(key, owner)


def survey(owners: Owners, bucket_sizes: list[int]) -> tuple[dict[Key, Live], list[LedgerRow]]:
    """Collect all live storages and find DDP's buckets among them; the rows are those of unseen buckets.

    gloo's threads let go of a tensor a moment after the collective has returned. On a busy machine that moment is long
    enough to be seen, so what nobody else holds is waited for, `LET_GO_S` at most.
    """
    found, until_s = live_storages(), time.monotonic() + LET_GO_S
    while any(leaves(key, live, owners, bucket_sizes) for key, live in found.items()) and time.monotonic() < until_s:
        del found
        time.sleep(LOOK_S)
        found = live_storages()
    views = {key: live for key, live in found.items() if live.shapes & owners.shapes and not live.in_graph}
    return found, owners.place_buckets(bucket_sizes, ((key, live.storage.nbytes()) for key, live in views.items()))


def leaves(key: Key, live: Live, owners: Owners, bucket_sizes: list[int]) -> bool:
    """Whether no known holder is left: neither Python code nor a graph, an owner or DDP."""
    held = live.in_python or live.in_graph or owners.of(key) or live.storage.nbytes() in bucket_sizes
    return dist.is_initialized() and not held


def tensors_in(thing: Any, depth: int = DEPTH) -> Iterator[torch.Tensor]:
    """Yield the tensors in nested containers and plain objects, but not those inside modules."""
    if isinstance(thing, torch.Tensor):
        yield thing
        return
    if thing is None or depth == 0 or isinstance(thing, OPAQUE):
        return
    parts: Iterable[Any] = ()
    if isinstance(thing, Mapping):
        parts = list(thing.values())
    elif isinstance(thing, (list, tuple, set)) or hasattr(thing, "popleft"):
        parts = list(thing)
    elif not isinstance(thing, Iterable):  # a plain object; anything else might be used up by looking
        parts = list(getattr(thing, "__dict__", {}).values())
    for part in parts:
        yield from tensors_in(part, depth - 1)


def dtype_name(dtype: torch.dtype) -> str:
    return DTYPES.get(dtype, str(dtype).removeprefix("torch."))
