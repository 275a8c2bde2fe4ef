"""Which storages are alive in this process, and which of them an autograd graph keeps.

Python's garbage collector knows every tensor that Python has seen; what only a graph holds is read from the
graph's nodes without unpacking it (unpacking would run hooks: a checkpoint would recompute). Tensors that Python
has never seen and no graph saves are not found, such as DDP's buckets (`subject` asks DDP itself).
"""

import gc
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch.nn.parameter import is_lazy

from mgpu_lab.ledger.facts import LedgerRow

YIELD_S = 0.001
_counts_fakes = False


class Key(NamedTuple):
    device: str
    address: int


@contextmanager
def counting_fakes() -> Iterator[None]:
    """Count fake tensors (FakeTensorMode) at the bytes they stand for, until the block ends; else they are nothing."""
    global _counts_fakes  # noqa: PLW0603 - fake or not is one question for the process
    _counts_fakes, before = True, _counts_fakes
    try:
        yield
    finally:
        _counts_fakes = before


def storages_of(tensor: torch.Tensor) -> Iterator[torch.UntypedStorage]:
    """Yield the storages behind a tensor: one, or those of its parts for a DTensor or a sparse tensor."""
    if (type(tensor).__name__ == "FakeTensor" and not _counts_fakes) or is_lazy(tensor):
        return
    flatten = getattr(type(tensor), "__tensor_flatten__", None)
    if flatten is not None:
        parts = [getattr(tensor, name) for name in flatten(tensor)[0]]
    elif tensor.layout == torch.sparse_coo:
        parts = [tensor._indices(), tensor._values()]  # noqa: SLF001
    elif tensor.layout in (torch.sparse_csr, torch.sparse_bsr):
        parts = [tensor.crow_indices(), tensor.col_indices(), tensor.values()]
    elif tensor.layout in (torch.sparse_csc, torch.sparse_bsc):
        parts = [tensor.ccol_indices(), tensor.row_indices(), tensor.values()]
    elif tensor.layout == torch.strided:
        yield tensor.untyped_storage()
        return
    else:
        return
    for part in parts:
        if isinstance(part, torch.Tensor):
            yield from storages_of(part)


def key_of(storage: torch.UntypedStorage) -> Key | None:
    """The storage's key, or None where it holds no memory (meta, fake, freed)."""
    if _counts_fakes and storage.device.type == "meta":
        return Key("meta", storage._cdata) if storage.nbytes() else None  # noqa: SLF001 - it has no address
    try:
        address = storage.data_ptr()
    except RuntimeError:
        return None
    return Key(str(storage.device), address) if address and storage.nbytes() else None


def shape_of(tensor: torch.Tensor) -> tuple[int, ...]:
    """Return a tensor's shape; () where its weights are still to come, and for a list of uneven tensors."""
    return () if is_lazy(tensor) or tensor.is_nested else tuple(tensor.shape)


def graph_tensors(tensors: Iterable[torch.Tensor]) -> Iterator[torch.Tensor]:
    """Those of `tensors` that carry a graph, and what their graphs saved for backward."""
    left: list[Any] = []
    for tensor in tensors:
        node = _node_of(tensor)
        if node is not None:
            left.append(node)
            yield tensor
    seen = set(left)
    while left:
        node = left.pop()
        yield from _saved_by(node)
        for following, _ in node.next_functions:
            if following is not None and following not in seen:
                seen.add(following)
                left.append(following)


def _node_of(tensor: torch.Tensor) -> Any:
    """Give the node that made a tensor; None for a view that autograd has given up (it raises when asked)."""
    try:
        return tensor.grad_fn
    except RuntimeError:
        return None


def _saved_by(node: Any) -> Iterator[torch.Tensor]:
    """Yield what one node of a graph keeps, packed as it is."""
    kept: list[Any] = list(vars(node).values()) if hasattr(node, "__dict__") else []
    for name in dir(node):
        if name.startswith("_raw_saved_"):
            try:
                raw = getattr(node, name)
                kept += [saved.data for saved in (raw if isinstance(raw, (tuple, list)) else [raw])]
            except RuntimeError:  # freed by an earlier backward
                continue
    for value in kept:
        for item in value if isinstance(value, (tuple, list)) else [value]:
            if isinstance(item, torch.Tensor):
                yield item


@dataclass
class Live:
    """A live storage and what is known of it."""

    storage: torch.UntypedStorage
    dtype: torch.dtype
    shapes: set[tuple[int, ...]] = field(default_factory=set)  # of the tensors that lie in it
    in_graph: bool = False
    in_python: bool = False  # whether Python code holds one of them, and not C++ alone

    def row(self, category: str, name: str) -> LedgerRow:
        return LedgerRow(category, name, str(self.storage.device), self.storage.nbytes())


def live_storages() -> dict[Key, Live]:
    """Collect all live storages. Garbage in reference cycles goes first, so that two calls agree."""
    gc.collect()
    time.sleep(YIELD_S)  # a thread that is about to drop a tensor needs the interpreter for it
    tensors = [thing for thing in gc.get_objects() if issubclass(type(thing), torch.Tensor)]
    outside = outside_python(tensors)
    found: dict[Key, Live] = {}
    for in_graph, group in ((False, tensors), (True, list(graph_tensors(tensors)))):
        for tensor in group:
            for storage in storages_of(tensor):
                key = key_of(storage)
                if key is not None:
                    live = found.setdefault(key, Live(storage, tensor.dtype))
                    live.shapes.add(shape_of(tensor))
                    live.in_graph |= in_graph
                    live.in_python |= id(tensor) not in outside
    return found


def outside_python(tensors: list[torch.Tensor]) -> set[int]:
    """Tell which of `tensors`, by id, Python code no longer holds: besides this list at most C++ does."""
    [alone] = [sys.getrefcount(one) for one in [torch.empty(0)]]
    extra = [sys.getrefcount(one) - alone for one in tensors]
    in_cpp: Any = torch.Tensor._use_count  # type: ignore[attr-defined]  # noqa: SLF001
    return {id(one) for one, count in zip(tensors, extra, strict=True) if count < (2 if in_cpp(one) > 1 else 1)}
