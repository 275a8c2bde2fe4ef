"""The settings of DeepSpeed's `zero_optimization` that cost memory, by their names there, with its defaults.

Source: DeepSpeed 0.19.8, ``runtime/zero/config.py``; "auto" as Transformers' ``integrations/deepspeed.py`` fills it in.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from mgpu_lab.planner.shapes import ModelShape
from mgpu_lab.wire.errors import UsageError


@dataclass(frozen=True)
class ZeroSettings:
    """Sizes are numbers of parameters, not bytes."""

    reduce_bucket_size: int = 500_000_000
    contiguous_gradients: bool = True
    overlap_comm: bool = False
    sub_group_size: int = 1_000_000_000
    stage3_prefetch_bucket_size: int = 50_000_000
    stage3_param_persistence_threshold: int = 100_000
    stage3_max_live_parameters: int = 1_000_000_000
    stage3_max_reuse_distance: int = 1_000_000_000


def zero_settings(given: Mapping[str, Any] | None, stage: int, shape: ModelShape) -> ZeroSettings:
    """Return the defaults of a stage with what is given in their place; "auto" takes sizes from the model's width.

    Raises:
        UsageError: a setting that is not known here, or a size that is no whole number.
    """
    known = {field.name for field in fields(ZeroSettings)}
    if unknown := sorted(set(given or {}) - known):
        raise UsageError(f"deepspeed has no setting {', '.join(unknown)} here. There are {', '.join(sorted(known))}.")
    settings = ZeroSettings(overlap_comm=stage == 3)  # noqa: PLR2004 - its default there
    width = shape.width
    automatic = {
        "reduce_bucket_size": width * width,
        "stage3_prefetch_bucket_size": int(0.9 * width * width),
        "stage3_param_persistence_threshold": 10 * width,
    }
    chosen = {name: automatic.get(name) if value == "auto" else value for name, value in (given or {}).items()}
    return replace(settings, **{name: _checked(name, value) for name, value in chosen.items()})


def _checked(name: str, value: Any) -> Any:
    if isinstance(getattr(ZeroSettings, name), bool):
        return bool(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0 or value != int(value):
        raise UsageError(f"deepspeed's {name}={value!r} must be a whole number, 0 or more.")
    return int(value)
