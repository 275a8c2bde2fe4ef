"""The names that every rank starts with: the notebook tells them, the rank sets them."""

NAMES = ("rank", "world_size", "local_rank", "device", "torch", "dist", "meter", "timeline", "memory_ledger")
MODULES = {"torch": "import torch", "dist": "import torch.distributed as dist"}  # those that a notebook can import, too
ANNOUNCEMENT = f"Every rank starts with these names: {', '.join(NAMES)}."
