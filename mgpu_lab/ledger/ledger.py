"""The ledger of one rank. It imports no torch, so that it can travel to the notebook's kernel.

Not in it: memory that is no tensor (Python objects, libraries; on a GPU the allocator's view of it is a row of
its own), what torch.compile makes in its regions, FSDP1.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from mgpu_lab.ledger.facts import Figures
from mgpu_lab.ledger.table import LedgerTable, ledger_table
from mgpu_lab.wire.errors import UsageError


@dataclass(frozen=True, repr=False)
class MemoryLedger(Figures):
    """Bytes of one rank by category; `total` is their sum, `details` the named rows that add up to them.

    - `parameters`: the weights this rank holds (a shard; packed 4-bit weights with their scales; a gathered
      copy).
    - `gradients`: what `.grad` and an optimizer's gradient partitions hold.
    - `optimizer_state`: moments, fp32 master weights, step counters.
    - `buffers`: the module's buffers.
    - `activations`: tensors that a live autograd graph keeps, or that carry one (a loss, logits).
    - `other`: communication buckets and a pipeline stage's receive buffers (named; what has arrived in one is an
      activation while a graph keeps it), offload staging buffers, KV caches of generation (named), input
      batches and every other live tensor.

    A storage that fits two categories counts in the first of them, in this order.
    """

    follow: Callable[[], AbstractContextManager[Any]] | None = field(default=None, compare=False)  # stays in its rank

    def __getstate__(self) -> dict[str, Any]:
        """Travel without what follows the model."""
        return self.__dict__ | {"follow": None}

    def peak(self) -> AbstractContextManager[Any]:
        """Watch a block: `with ledger.peak() as peak: step()`, then `peak.total`, `peak.activations`, ...

        Every operation in the block is followed from Python: it runs slower, with the same results. With CUDA in use
        its peak counters are set back, as by `torch.cuda.reset_peak_memory_stats()`, and the peak is the GPU's.
        """
        if self.follow is None:
            raise UsageError(
                "This ledger has left its rank. Call memory_ledger(model, optimizer) in the cell that trains."
            )
        return self.follow()

    def against(self, **expected_bytes: float) -> LedgerTable:
        """Measured next to expected: `ledger.against(total=16 * P / N, gradients=2 * P)`."""
        return ledger_table([self], expected_bytes)

    def __repr__(self) -> str:
        return repr(ledger_table([self]))

    def _repr_html_(self) -> str:
        return ledger_table([self])._repr_html_()
