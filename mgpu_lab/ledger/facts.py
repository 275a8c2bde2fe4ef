"""Bytes by category and by name: what a ledger holds, and what can be read off it."""

from dataclasses import dataclass

CATEGORIES = ("parameters", "gradients", "optimizer_state", "buffers", "activations", "other")


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
        """Bytes of the rows with `text` in their name: `ledger.named("bucket")`."""
        return sum(row.size_bytes for row in self.details if text.casefold() in row.name.casefold())

    def on(self, device: str) -> int:
        """Bytes on a kind of device: `ledger.on("cpu")` is host memory, `ledger.on("cuda")` the GPU's."""
        return sum(row.size_bytes for row in self.details if row.kind == device)
