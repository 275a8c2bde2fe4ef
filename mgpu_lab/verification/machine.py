"""Everything known about one machine, as one value; to and from JSON, to report on a machine elsewhere.

The examples in ``examples/`` are such files, written for this course.
"""

import dataclasses
import json
import types
import typing
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from mgpu_lab.verification.hardware import Hardware
from mgpu_lab.verification.host import Host, read_host
from mgpu_lab.verification.nvml import read_hardware
from mgpu_lab.verification.torch_probe import TorchFacts, ask_torch
from mgpu_lab.wire.errors import UsageError


@dataclasses.dataclass(frozen=True)
class Machine:
    """Facts about one machine; ``label`` says which one and where the facts come from."""

    label: str
    host: Host
    hardware: Hardware
    torch: TorchFacts


def read_machine(timeout_s: float = 120.0) -> Machine:
    """Look at this machine. The GPUs come first, before torch wakes them up."""
    hardware = read_hardware()
    return Machine("this machine", read_host(), hardware, _build(TorchFacts, ask_torch(timeout_s), "torch"))


def examples() -> tuple[str, ...]:
    """Return the names of the machines that come with the course."""
    files = resources.files("mgpu_lab.verification").joinpath("examples").iterdir()
    return tuple(sorted(file.name.removesuffix(".json") for file in files if file.name.endswith(".json")))


def example(name: str) -> Machine:
    """Return a machine that comes with the course, written for it: ``verify(example("no_gpu"))``."""
    if name not in examples():
        raise UsageError(f"no example machine is named {name!r}; there are: {', '.join(examples())}")
    return machine_from_json(
        resources.files("mgpu_lab.verification").joinpath(f"examples/{name}.json").read_text("utf-8")
    )


def load(path: str | Path) -> Machine:
    """Return the machine in a file that ``python -m mgpu_lab verify --json`` wrote, there or elsewhere."""
    try:
        text = Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {path}: {error}") from None
    machine = machine_from_json(text)
    return dataclasses.replace(machine, label=f"{machine.label}, as captured in {Path(path).name}")


def machine_from_json(text: str) -> Machine:
    """Build the machine from JSON with the key "machine"; other keys beside it are ignored."""
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise UsageError(f"this is not JSON: {error}") from None
    if not isinstance(data, dict) or "machine" not in data:
        raise UsageError('this JSON holds no "machine"; write one with: python -m mgpu_lab verify --json')
    return _build(Machine, data["machine"], "machine")


T = typing.TypeVar("T")


def _build(kind: type[T], data: object, where: str) -> T:
    """Build a dataclass from dictionaries, with every field checked against its type."""
    if not isinstance(data, Mapping):
        raise _wrong(where, kind.__name__, data)
    hints = typing.get_type_hints(kind)
    if strange := sorted(set(data) - set(hints)):
        raise UsageError(f"{where} has no field {strange[0]!r}")
    values = {name: _value(hints[name], value, f"{where}.{name}") for name, value in data.items()}
    try:
        return kind(**values)
    except TypeError as error:
        raise UsageError(f"{where}: {error}") from None


def _value(hint: typing.Any, data: typing.Any, where: str) -> typing.Any:
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in {types.UnionType, typing.Union}:
        return None if data is None else _value(inner[0], data, where)
    if dataclasses.is_dataclass(hint):
        return _build(typing.cast("type[object]", hint), data, where)
    if origin is tuple and isinstance(data, list | tuple):
        hints = inner[:1] * len(data) if inner[-1] is Ellipsis else inner
        if len(hints) == len(data):
            return tuple(_value(hints[i], item, f"{where}[{i}]") for i, item in enumerate(data))
    if origin is Mapping and isinstance(data, Mapping):
        return {str(key): _value(inner[1], item, f"{where}.{key}") for key, item in data.items()}
    if hint is float and type(data) is int:
        return float(data)
    if isinstance(hint, type) and type(data) is hint:
        return data
    raise _wrong(where, str(hint), data)


def _wrong(where: str, wanted: str, data: object) -> UsageError:
    return UsageError(f"{where} should be {wanted}, and is {data!r}")
