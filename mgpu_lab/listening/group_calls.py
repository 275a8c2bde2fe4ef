"""One call of a process group: which collective it is, and how many bytes it moves.

A collective has many names: ``all_gather_into_tensor``, ``all_gather_single`` and ``_allgather_base_`` are one. So a
call has the name that the field uses, and three sizes. n is the number of ranks of its group:

=================  ===========================  ===========================  ============================
name               ``bytes``: the whole tensor  ``input_bytes``: handed in   ``wire_bytes``: what a ring sends
=================  ===========================  ===========================  ============================
all_reduce         S                            S                            2 (n - 1) / n S
reduce_scatter     S, before it is scattered    S                            (n - 1) / n S
all_gather         S, after it is gathered      S / n                        (n - 1) / n S
all_to_all         S                            S                            (n - 1) / n S
broadcast, reduce  S                            S                            S where n > 1
gather             S, after it is gathered      S / n                        S / n, on the root 0
scatter            S, before it is scattered    S on the root, else 0        (n - 1) / n S on the root
send               S                            S                            S
recv               S                            0                            0
barrier            0                            0                            0
=================  ===========================  ===========================  ============================

The last column counts as NCCL's rings do (https://github.com/NVIDIA/nccl-tests, doc/PERFORMANCE.md), per rank.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass(eq=False)
class GroupCall:
    """One call. Times are those of ``time.perf_counter``; the end is that of the call, or of the first wait for it."""

    name: str
    group: Any = field(repr=False)
    group_size: int
    bytes: int = 0
    input_bytes: int = 0
    elements: int = 0
    dtype: str = ""
    root: int | None = None  # the rank that a broadcast comes from or a reduce goes to
    op: str = ""  # empty where it sums
    began_s: float = 0.0
    ended_s: float | None = None
    is_async: bool = False
    polled: bool = False  # asked whether it was over, until it was
    trusted: bool = False  # someone else sees to the wait: a future's callback, the use of a functional result, C++
    work: Any = field(default=None, repr=False)  # torch's handle, kept so that a later wait is recognised

    @property
    def waited_for(self) -> bool:
        """Whether its result was ever waited for, as far as can be seen."""
        return self.trusted or self.ended_s is not None

    @property
    def wire_bytes(self) -> float:
        """What this rank sends, as a ring would do it."""
        n = self.group_size
        if self.name in ("recv", "barrier") or (n < 2 and self.name != "send"):  # noqa: PLR2004 - alone
            return 0.0
        if self.name in ("send", "gather"):
            return 0.0 if self.name == "gather" and self.root == self.group.rank() else float(self.input_bytes)
        if self.name in ("broadcast", "reduce"):
            return float(self.bytes)
        share = (n - 1) / n
        if self.name == "scatter":
            return share * self.input_bytes
        return (2 if self.name == "all_reduce" else 1) * share * self.bytes

    def __str__(self) -> str:
        """Describe what ranks must agree on: ``all_reduce(4 x float32)``."""
        parts = [f"{self.elements} x {self.dtype}"] if self.elements else []
        if self.root is not None:
            end = "dst" if self.name in ("reduce", "gather", "send") else "src"
            parts.append(f"{end}={self.root}")
        if self.op:
            parts.append(self.op)
        return f"{self.name}({', '.join(parts)})"


# operation -> (name, argument with a known size, how often it counts ("n": once for each rank), argument handed in)
OPERATIONS: dict[str, tuple[str, int | None, int | str, int | None]] = {
    "allreduce": ("all_reduce", 0, 1, 0),
    "allreduce_coalesced": ("all_reduce", 0, 1, 0),
    "broadcast": ("broadcast", 0, 1, 0),
    "reduce": ("reduce", 0, 1, 0),
    "allgather": ("all_gather", 1, "n", 1),
    "_allgather_base": ("all_gather", 1, "n", 1),
    "all_gather_single": ("all_gather", 1, "n", 1),
    "all_gather_single_coalesced": ("all_gather", 1, "n", 1),
    "allgather_coalesced": ("all_gather", 1, "n", 1),
    "allgather_into_tensor_coalesced": ("all_gather", 1, "n", 1),
    "gather": ("gather", 1, "n", 1),
    "scatter": ("scatter", 0, "n", 1),
    "reduce_scatter": ("reduce_scatter", 1, 1, 1),  # its pieces may be of unlike sizes
    "_reduce_scatter_base": ("reduce_scatter", 0, "n", 1),
    "reduce_scatter_single": ("reduce_scatter", 0, "n", 1),
    "reduce_scatter_single_coalesced": ("reduce_scatter", 0, "n", 1),
    "reduce_scatter_tensor_coalesced": ("reduce_scatter", 0, "n", 1),
    "alltoall": ("all_to_all", 1, 1, 1),
    "alltoall_base": ("all_to_all", 1, 1, 1),
    "all_to_all_single": ("all_to_all", 1, 1, 1),
    "send": ("send", 0, 1, 0),
    "recv": ("recv", 0, 1, None),
    "recv_anysource": ("recv", 0, 1, None),
    "recv_any_source": ("recv", 0, 1, None),
    "barrier": ("barrier", None, 0, None),
}
# functional collectives take the input alone; the output is made for the caller
FUNCTIONAL: dict[str, tuple[str, int | str]] = {
    "all_reduce": ("all_reduce", 1),
    "all_reduce_coalesced": ("all_reduce", 1),
    "broadcast": ("broadcast", 1),
    "all_gather_into_tensor": ("all_gather", "n"),
    "all_gather_into_tensor_out": ("all_gather", "n"),
    "all_gather_into_tensor_coalesced": ("all_gather", "n"),
    "reduce_scatter_tensor": ("reduce_scatter", 1),
    "reduce_scatter_tensor_out": ("reduce_scatter", 1),
    "reduce_scatter_tensor_coalesced": ("reduce_scatter", 1),
    "all_to_all_single": ("all_to_all", 1),
}
ROOTED = ("broadcast", "reduce", "gather", "scatter", "send", "recv")


def of_group(operation: str, group: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> GroupCall:
    """Describe a method's call of a process group object; ``args`` begin after the group."""
    name, measured, times, handed_in = OPERATIONS[operation]
    values = [*args, *kwargs.values()]
    call = GroupCall(name, group, int(group.size()))
    if measured is not None and measured < len(values):
        sized(call, values[measured], times)
    if handed_in is not None and handed_in < len(values):
        call.input_bytes = sum(each.nbytes for each in tensors_in(values[handed_in]))
    agreeing(call, values)
    return call


def of_operator(operation: str, group: Any, args: tuple[Any, ...]) -> GroupCall | None:
    """Describe an operator of the dispatcher's name space ``c10d``; None for one that moves nothing."""
    if operation not in OPERATIONS:
        return None
    # the group stands between the tensors and the rest
    values = tuple(each for each in args if not is_script_object(each))
    return of_group(operation, group, values, {})


def of_functional(operation: str, group: Any, args: tuple[Any, ...]) -> GroupCall | None:
    """Describe a functional collective; None for an operator that only waits or wraps."""
    if operation not in FUNCTIONAL:
        return None
    name, times = FUNCTIONAL[operation]
    call = GroupCall(name, group, int(group.size()))
    sized(call, args[0], times)
    call.input_bytes = sum(each.nbytes for each in tensors_in(args[0]))
    return call


def sized(call: GroupCall, value: Any, times: int | str) -> None:
    tensors = list(tensors_in(value))
    count = call.group_size if times == "n" else int(times)
    call.bytes = count * sum(each.nbytes for each in tensors)
    call.elements = sum(each.numel() for each in tensors)
    call.dtype = ", ".join(dict.fromkeys(str(each.dtype).removeprefix("torch.") for each in tensors))


def agreeing(call: GroupCall, values: list[Any]) -> None:
    """Note root, reduction and whether to wait: in an object of options or, in torch's short forms, by themselves."""
    # torch.distributed hands on options that say so; a group's own method, called without them, does not wait
    call.is_async = call.name in ("send", "recv") or not any(hasattr(value, "asyncOp") for value in values)
    for value in values:
        call.is_async = bool(getattr(value, "asyncOp", call.is_async))
        root = getattr(value, "rootRank", None)
        if root is not None and call.name in ROOTED:
            call.root = int(root)
        reduction = getattr(value, "reduceOp", value if type(value).__name__ in ("ReduceOp", "RedOpType") else None)
        if reduction is not None and (op := reduction_name(reduction)) != "sum":
            call.op = op
    if call.root is None and call.name in ROOTED:
        numbers = [value for value in values if isinstance(value, int) and not isinstance(value, bool)]
        call.root = numbers[0] if numbers else None


def reduction_name(reduction: Any) -> str:
    """Return ``max`` for ``ReduceOp.MAX``; an operation with a factor of its own is only ``reduce``."""
    import torch.distributed as dist

    names = ("SUM", "AVG", "PRODUCT", "MIN", "MAX", "BAND", "BOR", "BXOR", "PREMUL_SUM")
    return next((name.lower() for name in names if reduction == getattr(dist.ReduceOp, name, None)), "reduce")


def is_script_object(value: Any) -> bool:
    return type(value).__name__ == "ScriptObject"


def tensors_in(value: Any) -> Iterator[Any]:
    """Every tensor in nested lists."""
    if isinstance(value, (list, tuple)):
        for each in value:
            yield from tensors_in(each)
    elif hasattr(value, "numel"):
        yield value
