"""Values on their way between the notebook and a rank: pickled with a limit and with a clear refusal.

A tensor on a GPU travels as a copy in host memory, so that nobody initialises CUDA in the notebook's kernel.
Not covered: who may send what to whom; the pipes are private to the two processes (``processes``).
"""

from __future__ import annotations

import io
import pickle
import re
import sys
from typing import TYPE_CHECKING, Any

from mgpu_lab.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping


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
        if torch is None or not issubclass(type(value), torch.Tensor):
            return NotImplemented
        if value.numel() * value.element_size() > self.buffer.max_bytes - self.buffer.tell():
            raise OverflowError  # before torch copies it
        small = value.untyped_storage().nbytes() > value.numel() * value.element_size()
        if value.device.type == "cpu" and not small:
            return NotImplemented
        host = value.detach().clone().cpu()
        return host.__reduce_ex__(pickle.HIGHEST_PROTOCOL)


def pack(name: str, namespace: Mapping[str, Any], max_bytes: int) -> bytes:
    """Pickle ``namespace[name]``.

    Raises ``UsageError`` where the name is missing, cannot be pickled, or holds more than ``max_bytes``.
    """
    if name not in namespace:
        msg = f"no variable {name!r} here."
        raise UsageError(msg)
    buffer = _LimitedBuffer(max_bytes)
    try:
        _Pickler(buffer).dump(namespace[name])
    except OverflowError:
        msg = f"{name!r} is larger than {max_bytes / 2**20:.0f} MiB; pull a part of it, or pass max_bytes=."
        raise UsageError(msg) from None
    except Exception as error:
        why = re.sub(r" at 0x[0-9a-f]+", "", str(error))
        msg = (
            f"{name!r} holds a {type(namespace[name]).__name__} that cannot be pickled ({why}): "
            "send plain values such as numbers, lists, arrays or tensors."
        )
        raise UsageError(msg) from error
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


def unpack(payload: bytes) -> Any:
    """Unpickle what the process at the other end of the private pipe sent."""
    return pickle.loads(payload)  # noqa: S301 - both ends are ours and the pipe has no address
