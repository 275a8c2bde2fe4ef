"""What CUDA_VISIBLE_DEVICES leaves visible, and how it renumbers the GPUs.

The rules are those of the CUDA programming guide ("CUDA Environment Variables"): the list is read up to the
first entry that names no GPU, and what is left is renumbered from cuda:0. As in torch, a repeated entry
hides all. An entry that names a MIG slice counts as one that names no GPU.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from mgpu_lab.verification.hardware import Gpu


@dataclass(frozen=True)
class Visible:
    """The driver's numbers of the visible GPUs, cuda:0 first. ``stopped_at``: an entry that names no GPU."""

    gpus: tuple[int, ...]
    stopped_at: str | None = None
    repeated: str | None = None

    def mapping(self) -> str:
        """Say which torch device is which GPU: "cuda:0 = GPU 2, cuda:1 = GPU 3"."""
        return ", ".join(f"cuda:{index} = GPU {gpu}" for index, gpu in enumerate(self.gpus))


def read_visible(value: str | None, gpus: Sequence[Gpu]) -> Visible:
    """Apply the variable's value (None: not set) to the machine's GPUs."""
    if value is None:
        return Visible(tuple(gpu.index for gpu in gpus))
    chosen: list[int] = []
    for entry in value.split(","):
        gpu = _find(entry.strip(), gpus)
        if gpu is None:
            return Visible(tuple(chosen), stopped_at=entry.strip())
        if gpu in chosen:
            return Visible((), repeated=entry.strip())
        chosen.append(gpu)
    return Visible(tuple(chosen))


def _find(entry: str, gpus: Sequence[Gpu]) -> int | None:
    """Find the GPU that an index or the beginning of a UUID names; None for none or several."""
    if entry.isdigit():
        return next((gpu.index for gpu in gpus if gpu.index == int(entry)), None)
    if not entry.startswith("GPU-"):
        return None
    fits = [gpu.index for gpu in gpus if (gpu.uuid or "").startswith(entry)]
    return fits[0] if len(fits) == 1 else None
