"""What an answer leaves in memory: tensors made inside a block that are still there when it is over.

It hears every operation at the dispatcher and keeps weak references to the storages of their results, so that it
makes no difference who holds them: a list, a closure, an autograd graph, a handle of C++.

>>> import torch
>>> with Kept() as kept:
...     lasting, gone = torch.zeros(4), torch.ones(8).sum()
...     del gone
>>> kept.bytes(), kept.bytes(besides=[lasting])
(16, 0)
"""

import gc
import time
from collections.abc import Iterable
from typing import Any

import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

PATIENCE_S = 2.0


class Kept(TorchDispatchMode):
    """Follows the storages made while it is entered; it may be entered several times."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._made: list[tuple[StorageWeakRef, int]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operation and take down the storages of what it returns."""
        result = func(*args, **(kwargs or {}))
        for each in tree_leaves(result):
            if type(each) in (torch.Tensor, torch.nn.Parameter):
                storage = each.untyped_storage()
                self._made.append((StorageWeakRef(storage), storage.nbytes()))  # type: ignore[no-untyped-call]
        return result

    def more_than(self, most: int, besides: Iterable[torch.Tensor | None] = ()) -> int:
        """Return the bytes held where they are more than ``most``, else 0.

        Waits a while for them to become fewer: gloo's threads let go of a message a moment after it has arrived.
        """
        known, until = list(besides), time.monotonic() + PATIENCE_S
        while (held := self.bytes(known)) > most and time.monotonic() < until:
            time.sleep(0.02)
            gc.collect()  # what only a cycle holds is not kept on purpose
        return held if held > most else 0

    def bytes(self, besides: Iterable[torch.Tensor | None] = ()) -> int:
        """Return the bytes that are held now, apart from these tensors' storages."""
        known = {StorageWeakRef(each.untyped_storage()).cdata for each in besides if each is not None}  # type: ignore[no-untyped-call]
        self._made = [(reference, size) for reference, size in self._made if not reference.expired()]  # type: ignore[no-untyped-call]
        return sum({reference.cdata: size for reference, size in self._made if reference.cdata not in known}.values())
