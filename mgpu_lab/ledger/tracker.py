"""Follow every tensor through a block of code and keep the moment at which they take the most memory.

A dispatch mode sees every operation, forward and backward; after each it adds up the storages alive, and at a
new maximum asks who owns them. What an operation takes and gives back within itself is not seen. A storage made
in the block that nobody owns counts as an activation if autograd was recording or running backward, else as
other. What torch.compile makes inside a region is not seen. On a GPU the maximum is the GPU's, as CUDA's allocator
counts it: its peak counters are set back, and what it had beyond the largest moment seen is a row of its own.
"""

import inspect
import weakref
from collections.abc import Collection
from types import CodeType
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode, is_traceable_wrapper_subclass_type
from torch.utils._pytree import tree_iter

from mgpu_lab.ledger import allocator
from mgpu_lab.ledger.facts import LedgerRow
from mgpu_lab.ledger.owners import BUCKETS, Owners, dtype_name, survey
from mgpu_lab.ledger.snapshot import Owner, Snapshot, Tracked
from mgpu_lab.ledger.storages import key_of, storages_of
from mgpu_lab.ledger.subject import Subject

WORKING: Owner = ("activations", "forward and backward")
KEPT: Owner = ("activations", "kept for backward")
STEPPING: Owner = ("other", "temporary in the optimizer's step")
LOOSE: Owner = ("other", "made without autograd")
BEFORE: Owner = ("other", "from before the block")
INPUT: Owner = ("other", "inputs, and copies made in C++")
SENT: Owner = ("other", "communication buffers")


class Tracker(TorchDispatchMode):
    """Follow all storages from operation to operation and keep the largest moment.

    To ask who owns what takes long where there are many parameters. Where a block can be run again, operation for
    operation, follow it first with `asked_at` empty: that gives `most_at`, the number of the operation with the
    largest total, and asks nothing. Then follow it again and ask after those operations only.
    """

    def __init__(self, subject: Subject, asked_at: Collection[int] | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.subject = subject
        self.asked_at = asked_at  # None: at every new maximum
        self.number = self.most_at = 0
        self.steps = step_codes(subject)
        self.on_gpu = allocator.in_use()
        self.tracked: dict[int, Tracked] = {}
        self.most_bytes = -1
        self.at_most = 0  # the total now is no more than this
        self.most = Snapshot([], LedgerRow("other", BUCKETS, "cpu", 0), {})
        self.since = 0  # operations since then
        self.bucket_sizes = subject.bucket_sizes()  # DDP cannot be asked again while it runs
        owners = subject.owners()
        self.bucket = ("gradients" if owners.bucket_views else "other", BUCKETS)
        found, _ = survey(owners, self.bucket_sizes)
        for live in found.values():
            self.adopt(live.storage, KEPT if live.in_graph else BEFORE)
        del found
        self.find_owners(owners)  # these know DDP's buckets
        self.begin(owners)
        trained = [parameter for parameter in subject.model.parameters() if parameter.requires_grad]
        register: Any = torch.Tensor.register_post_accumulate_grad_hook
        self.hooks = [register(one, self.note_gradient) for one in trained]

    def close(self) -> list[LedgerRow]:
        """Stop, and return the rows of the largest moment."""
        for hook in self.hooks:
            hook.remove()
        self.find_owners(self.subject.owners())
        return self.rows()

    def turn(self) -> list[LedgerRow]:
        """Return the rows of the largest moment so far, and look for the next one from here on."""
        self.find_owners(self.subject.owners())
        rows = self.rows()
        self.begin()
        return rows

    def begin(self, owners: Owners | None = None) -> None:
        """Look for the maximum from here on."""
        self.most_bytes = -1
        if self.on_gpu:
            allocator.begin_peak()
        self.measure(owners)

    def rows(self) -> list[LedgerRow]:
        return [*self.most.rows(), *allocator.within_operations(self.most_bytes)]

    def note_gradient(self, parameter: torch.Tensor) -> None:
        """Name a gradient as soon as it is complete: it may be dropped before another operation runs."""
        for storage in _storages(parameter.grad):
            one = self.tracked.get(id(storage))
            if one is not None and one.owner is None:
                one.owner = ("gradients", f"gradients, {dtype_name(parameter.dtype)}")

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if any(is_traceable_wrapper_subclass_type(one) for one in types):
            return NotImplemented  # a DTensor runs its local operations, which come by here
        for storage in _storages((args, kwargs)):
            self.adopt(storage, INPUT)
        out = func(*args, **(kwargs or {}))
        phase = self.phase()
        for storage in _storages(out):
            self.adopt(storage, phase)
        if func.namespace == "c10d":
            self.mark_sent(args)
        self.number += 1
        if not getattr(func, "is_view", False):  # a view takes nothing
            self.measure()
        return out

    def adopt(self, storage: torch.UntypedStorage, fallback: Owner) -> None:
        known, size = self.tracked.get(id(storage)), storage.nbytes()
        if (known is None or known.storage() is not storage) and key_of(storage) is not None:
            counts = not self.on_gpu or storage.device.type == "cuda"
            known = self.tracked[id(storage)] = Tracked(weakref.ref(storage), counts, fallback, 0)
            if fallback is INPUT and size in self.bucket_sizes and in_backward():
                known.owner = self.bucket  # no operation has made it, and C++ fills it now
        if known is not None:
            self.at_most += max(0, size - known.size_bytes)  # FSDP's storages shrink to nothing and grow again
            known.size_bytes = size

    def phase(self) -> Owner:
        """What a storage made now counts as, unless it finds an owner."""
        if in_backward():
            return WORKING
        frame = inspect.currentframe()
        while frame is not None:
            if frame.f_code in self.steps:
                return STEPPING
            frame = frame.f_back
        return WORKING if torch.is_grad_enabled() else LOOSE

    def mark_sent(self, args: Any) -> None:
        """Mark what a collective takes outside the forward as on its way to others; DDP sends its buckets."""
        backward = in_backward()
        if torch.is_grad_enabled() and not backward:
            return
        for storage in _storages(args):
            one = self.tracked.get(id(storage))
            if one is not None and one.owner is None:
                one.fallback = SENT
                one.owner = self.bucket if backward and self.subject.is_ddp else None

    def measure(self, owners: Owners | None = None) -> None:
        """Add up what is alive, if it may be more than ever; at a new maximum remember it."""
        total = self.total() if self.on_gpu or self.at_most > self.most_bytes else 0
        if total > self.most_bytes:
            self.most_bytes, self.most_at, self.since = total, self.number, 0
            if self.asks:
                self.most = self.snapshot(owners or self.subject.owners())
            return
        self.since += 1
        if self.asks and self.since & (self.since - 1) == 0:  # owners turn up late: ask after 1, 2, 4, 8 ... operations
            self.find_owners(self.subject.owners())

    def total(self) -> int:
        """Add up what is alive, also DDP's buckets that Python has not seen yet, and let go of what is not.

        On a GPU its allocator knows the sum.
        """
        total, unseen = 0, sum(self.bucket_sizes)
        for ident, one in list(self.tracked.items()):
            storage = one.storage()
            if storage is None:
                del self.tracked[ident]
                continue
            one.size_bytes = storage.nbytes()
            total += one.size_bytes * one.counts
            unseen -= one.size_bytes * (one.owner == self.bucket)
        self.at_most = sum(allocator.allocated_bytes().values()) if self.on_gpu else total + max(0, unseen)
        return self.at_most

    @property
    def asks(self) -> bool:
        """Whether the largest moment so far is one of those whose owners are wanted."""
        return self.asked_at is None or self.most_at in self.asked_at

    def snapshot(self, owners: Owners) -> Snapshot:
        self.find_owners(owners)
        storages = [(one, one.storage()) for one in self.tracked.values()]
        alive = [(one, key_of(storage), storage) for one, storage in storages if storage is not None]
        buckets = LedgerRow("other", BUCKETS, owners.device, sum(self.bucket_sizes))
        found = [(one, key, storage.nbytes()) for one, key, storage in alive if key is not None]
        return Snapshot(found, buckets, allocator.allocated_bytes())

    def find_owners(self, owners: Owners) -> None:
        """Give followed storages the owners they have by now; the first one found stays."""
        for one in self.tracked.values():
            storage = one.storage()
            key = key_of(storage) if one.owner is None and storage is not None else None
            one.owner = one.owner if key is None else owners.of(key)


def in_backward() -> bool:
    return bool(torch._C._current_graph_task_id() != -1)  # noqa: SLF001


def _storages(values: Any) -> list[torch.UntypedStorage]:
    return [storage for value in tree_iter(values) if isinstance(value, torch.Tensor) for storage in storages_of(value)]


def step_codes(subject: Subject) -> set[CodeType]:
    """Collect the code of the optimizers' `step`, by which a call of it is seen on the stack."""
    codes: set[CodeType] = set()
    for one in subject.optimizers():
        step = inspect.unwrap(getattr(type(one), "step", None) or len)
        hidden = [cell.cell_contents for cell in getattr(step, "__closure__", None) or ()]
        functions = [step, *hidden]  # DeepSpeed's decorator keeps the function in its closure
        codes |= {one.__code__ for one in functions if getattr(one, "__name__", "") == "step"}
    return codes
