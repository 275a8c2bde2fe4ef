"""One optimizer step of a Transformers decoder: the step that ranks run, that the ledger measures, that a trace follows.

The loss is the model's own: Transformers takes the logits to fp32 and shifts the labels.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import nullcontext
from typing import Any


def adamw(model: Any) -> Any:
    """Return AdamW over what is trained: fused, which needs no temporary memory, as the Transformers Trainer has it.

    (Not fused, it takes one parameter more on a CPU, and on a GPU about one copy of all parameters: `foreach`.)
    """
    import torch

    return torch.optim.AdamW([each for each in model.parameters() if each.requires_grad], lr=1e-4, fused=True)


def optimizer_step(model: Any, optimizer: Any, micro_batches: Iterable[Any], autocast_dtype: Any = None) -> None:
    """Run forward and backward of each micro-batch, then the optimizer, then drop the gradients.

    `micro_batches` are token ids, each [sequences, tokens]. `autocast_dtype` computes in a dtype that is not the
    parameters' (DDP's mixed precision). DDP averages its gradients in the last micro-batch's backward; FSDP scatters
    them in each.
    """
    batches = list(micro_batches)
    for number, ids in enumerate(batches, 1):
        loss = forward(model, ids, autocast_dtype) / len(batches)
        with model.no_sync() if hasattr(model, "no_sync") and number < len(batches) else nullcontext():
            loss.backward()
        del loss
    optimizer.step()
    optimizer.zero_grad()


def forward(model: Any, ids: Any, autocast_dtype: Any = None) -> Any:
    """Return the loss of a micro-batch."""
    import torch

    with torch.autocast(ids.device.type, autocast_dtype) if autocast_dtype else nullcontext():
        return model(input_ids=ids, labels=ids, use_cache=False).loss
