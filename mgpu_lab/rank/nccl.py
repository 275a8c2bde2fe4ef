"""Whether this rank's GPU is inside an NCCL call: known without the main thread, which may spin in CUDA meanwhile.

`x.item()` on a tensor that an all-reduce has still to fill holds the main thread in C code, at full speed: nothing that
Python shows tells it from computing. Torch's flight recorder counts for each group the calls that were handed to NCCL
and those that are done.
"""

import json
import sys
from typing import Any


def under_way() -> bool:
    """Whether NCCL has begun a call of this process that is not done; False without NCCL."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return False
    try:
        groups = json.loads(torch._C._distributed_c10d._dump_nccl_trace_json(False, False)).get("pg_status", {})  # noqa: SLF001, FBT003
        return (
            any(is_under_way(group) for group in groups.values()) if groups else not torch.cuda.default_stream().query()
        )
    except (AttributeError, ValueError, RuntimeError, TypeError):
        return False


def is_under_way(group: dict[str, Any]) -> bool:
    """Compare the numbers of a group's last calls; -1 stands for none.

    >>> is_under_way({"last_enqueued_collective": "3", "last_completed_collective": "2"})
    True
    """
    enqueued, completed = (int(group.get(f"last_{what}_collective", -1)) for what in ("enqueued", "completed"))
    return enqueued > completed
