"""Values on their way between the notebook and a rank: pickled up to a limit, or refused in one clear sentence.

A tensor on a GPU travels as a copy in host memory, so that the notebook's kernel never initialises CUDA.
"""

import base64
import datetime as dt
import io
import json
import numbers
import pickle
import re
import sys
from collections.abc import Mapping
from typing import Any

from mgpu_lab.wire.errors import UsageError

WIDGET_MIME = "application/vnd.jupyter.widget-view+json"


class _LimitedBuffer(io.BytesIO):
    """A buffer that refuses to grow past a limit, so that a huge value costs no huge copy."""

    def __init__(self, max_bytes: int) -> None:
        super().__init__()
        self.max_bytes = max_bytes

    def write(self, data: Any, /) -> int:
        if self.tell() + memoryview(data).nbytes > self.max_bytes:
            raise OverflowError
        return super().write(data)


class _Pickler(pickle.Pickler):
    """Pickle tensors from the host's memory, each with its own bytes and no more."""

    def __init__(self, buffer: _LimitedBuffer) -> None:
        super().__init__(buffer, protocol=pickle.HIGHEST_PROTOCOL)
        self.buffer = buffer

    def reducer_override(self, value: Any) -> Any:
        torch = sys.modules.get("torch")
        if torch is None or not issubclass(type(value), torch.Tensor) or value.layout != torch.strided:
            return NotImplemented  # a sparse tensor is made of others, which come by here, too
        if value.numel() * value.element_size() > self.buffer.max_bytes - self.buffer.tell():
            raise OverflowError  # before torch copies it
        small = value.untyped_storage().nbytes() > value.numel() * value.element_size()
        if value.device.type == "cpu" and not small:
            return NotImplemented
        return value.detach().clone().cpu().__reduce_ex__(pickle.HIGHEST_PROTOCOL)


def plain_display(data: Mapping[str, Any], metadata: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a display's bundle as plain values, as a notebook file holds it; UsageError where it holds others.

    An object of a class made in a cell would arrive in the kernel as something that nobody there can read.
    """
    try:
        bundle, about = json.loads(json.dumps((data, metadata), default=plain))
    except Exception as error:  # noqa: BLE001 - the values' own code runs here
        raise UsageError(f"this display cannot be sent ({error}): show text, HTML, images or plain values.") from None
    bundle.pop(WIDGET_MIME, None)  # its state stays in the rank: the notebook would show an error in its place
    return bundle, about


def plain(value: Any) -> Any:
    """Return what stands for a value in a notebook file, as Jupyter has it."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, dt.datetime):
        return value.isoformat()
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value)
    raise TypeError(f"it holds a {type(value).__name__}")


def pack(name: str, namespace: Mapping[str, Any], max_bytes: int) -> bytes:
    """Pickle ``namespace[name]``; UsageError where it is missing, cannot be pickled or exceeds ``max_bytes``."""
    if name not in namespace:
        raise UsageError(f"no variable {name!r} here.")
    buffer = _LimitedBuffer(max_bytes)
    try:
        _Pickler(buffer).dump(namespace[name])
    except OverflowError:
        msg = f"{name!r} is larger than {max_bytes / 2**20:.0f} MiB; pull a part of it, or pass max_bytes=."
        raise UsageError(msg) from None
    except Exception as error:
        why = re.sub(r" at 0x[0-9a-f]+", "", str(error))
        raise UsageError(
            f"{name!r} holds a {type(namespace[name]).__name__} that cannot be pickled ({why}): "
            "send plain values such as numbers, lists, arrays or tensors."
        ) from error
    return buffer.getvalue()


def pack_all(values: Mapping[str, Any]) -> bytes:
    """Pickle a dict of names and values for ``push``; raises ``UsageError`` naming the one that cannot be."""
    for name in values:
        pack(name, values, sys.maxsize)
    return pickle.dumps(dict(values), protocol=pickle.HIGHEST_PROTOCOL)


def unpack_pulled(payload: bytes, name: str) -> Any:
    """Unpickle a pulled value; UsageError where its class is known on the ranks only."""
    try:
        return unpack(payload)
    except (AttributeError, ImportError) as error:
        msg = f"{name!r} holds an object whose class this notebook does not know ({error}): pull plain values instead."
        raise UsageError(msg) from None


def unpack_pushed(payload: bytes) -> dict[str, Any]:
    """Unpickle pushed values; UsageError where a class or function of theirs is known in the notebook only."""
    try:
        values: dict[str, Any] = unpack(payload)
    except (AttributeError, ImportError) as error:
        msg = f"they do not know a class or function that the value needs ({error}): define it in a %%ranks cell."
        raise UsageError(msg) from None
    return values


def unpack(payload: bytes) -> Any:
    """Unpickle what the process at the other end of the private pipe sent."""
    return pickle.loads(payload)  # noqa: S301 - both ends are ours and the pipe has no address
