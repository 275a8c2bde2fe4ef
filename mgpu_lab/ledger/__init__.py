"""Where the bytes of a rank are."""

from typing import Any

from mgpu_lab.ledger.ledger import MemoryLedger


def memory_ledger(model: Any, optimizer: Any = None) -> MemoryLedger:
    """Count the bytes of this rank's live tensors by category.

    `model` is a module, DDP, FSDP2 (`fully_shard`), a peft model or a DeepSpeed engine; `optimizer` a torch
    or DeepSpeed optimizer, any object that holds one, or a list of several. It may be left out for a DeepSpeed engine.
    Reference cycles are collected first, so that a second call finds the same. The largest tensors that belong to
    neither stand under "other", with the name of the variable that holds them.

    >>> ledger = memory_ledger(model, optimizer)  # doctest: +SKIP
    >>> ledger.optimizer_state / ledger.parameter_count  # doctest: +SKIP
    8.0
    """
    # torch is loaded where something is measured, never in the kernel
    from mgpu_lab.ledger.holders import notebook_variables
    from mgpu_lab.ledger.measure import measured

    return measured(model, optimizer, notebook_variables())
