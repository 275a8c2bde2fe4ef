"""Bytes by category and by name: what a ledger holds, and what can be read off it."""

from collections.abc import Iterator
from dataclasses import dataclass

from mgpu_lab.wire.errors import UsageError

CATEGORIES = ("parameters", "gradients", "optimizer_state", "buffers", "activations", "other")
# What a row may be called, apart from the tensors that nobody owns: a ledger without such a row has 0 bytes of it.
DTYPES = ("fp32", "bf16", "fp16", "fp64", "float8")
ROW_NAMES = (
    *("weights, {}", "shard, {}", "gathered weights, {}", "ZeRO-3 partition, {}", "LoRA, {}", "scales, {}"),
    *("nf4 packed weights", "fp4 packed weights", "absmax", "absmax of absmax", "code tables", "buffers, {}"),
    *("gradients, {}", "ZeRO-1 gradient partition, {}", "ZeRO-2 gradient partition, {}"),
    *("ZeRO-3 gradient partition, {}", "optimizer's gradient partition, {}"),
    *("{} master weights", "Adam moments", "step counters", "momentum_buffer"),
    *("weights not of this model, {}", "gradients of weights not of this model, {}"),
    *("ZeRO-1 bucket", "ZeRO-2 bucket", "ZeRO-3 bucket", "optimizer's bucket", "DDP buckets"),
    *("norms and flags", "offload staging buffers", "kept for backward", "forward and backward"),
    *("temporary in the optimizer's step", "made without autograd", "from before the block", "communication buffers"),
    *("pipeline receive buffers", "inputs, and copies made in C++", "smaller tensors", "CUDA, outside tensors"),
    "KV cache, {}",
)


@dataclass(frozen=True)
class LedgerRow:
    """One named part of a category on one device: `LedgerRow("other", "DDP buckets", "cuda:0", 1048576)`."""

    category: str
    name: str
    device: str
    size_bytes: int

    @property
    def kind(self) -> str:
        """The kind of device: "cuda" for "cuda:0"."""
        return self.device.partition(":")[0]


@dataclass(frozen=True, repr=False)
class Figures:
    """Bytes of one rank by category; `total` is their sum, `details` the named rows that add up to them."""

    parameters: int
    gradients: int
    optimizer_state: int
    buffers: int
    activations: int
    other: int
    total: int
    details: tuple[LedgerRow, ...] = ()
    parameter_count: int = 0  # of the whole model, not of this rank's shard
    quantised_count: int = 0  # how many of them are stored in 4 or 8 bits
    rank: int = 0
    at_peak: bool = False

    def bytes_per_parameter(self, category: str = "total") -> float:
        """Bytes of a category for each parameter of the whole model: 16.0 for fp32 AdamW on one device."""
        return float(getattr(self, category)) / max(1, self.parameter_count)

    def named(self, text: str) -> int:
        """Bytes of the rows with `text` in their name: `ledger.named("bucket")`; 0 where there could be such a row.

        Rows that are named after a notebook's variables count only where no other row has it. A text that no row of
        any ledger has in its name is a UsageError: it is misspelt.
        """
        rows = [row for row in self.details if text.casefold() in row.name.casefold()]
        own = set(row_names())  # a notebook variable of that name is another matter
        found = [row.size_bytes for row in rows if row.name in own] or [row.size_bytes for row in rows]
        if not found and not any(text.casefold() in name.casefold() for name in row_names()):
            here = ", ".join(dict.fromkeys(f'"{row.name}"' for row in self.details))
            raise UsageError(f'No row of a ledger has "{text}" in its name. This ledger has {here or "no rows"}.')
        return sum(found)

    def on(self, device: str) -> int:
        """Bytes on a kind of device: `ledger.on("cpu")` is host memory, `ledger.on("cuda")` the GPU's."""
        return sum(row.size_bytes for row in self.details if row.kind == device)


def row_names() -> Iterator[str]:
    """Yield the names that a ledger's rows may have."""
    for name in ROW_NAMES:
        yield from (name.format(dtype) for dtype in DTYPES)
