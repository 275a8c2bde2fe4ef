"""The board of one process group: what each rank is about to call, written where all ranks can read it.

A file in the group's private directory with a row for each of the last calls, in it a slot for each rank. Nobody
waits and nothing is locked: each rank writes first and reads then, so at least the one that comes second finds a
difference.
"""

import os
import pathlib
import struct
import zlib

from mgpu_lab.wire.naming import named, verb

SLOTS = 256
TEXT_BYTES = 118
SLOT = struct.Struct(f"<QIH{TEXT_BYTES}s")  # number of the call (from 1 on), checksum, bytes of text, text


class Board:
    def __init__(self, path: pathlib.Path, rank: int, world_size: int) -> None:
        """Open the file; whichever rank comes first creates it."""
        self.rank, self.world_size = rank, world_size
        self.row_bytes = world_size * SLOT.size
        self.fd = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)

    def close(self) -> None:
        os.close(self.fd)

    def differing(self, number: int, text: str) -> dict[int, str]:
        """Write call ``number``; return what each rank wrote there so far if one of them makes another call."""
        raw = text.encode()[:TEXT_BYTES]
        row = (number % SLOTS) * self.row_bytes
        try:
            os.pwrite(self.fd, SLOT.pack(number, checksum_of(number, raw), len(raw), raw), row + self.rank * SLOT.size)
            found = os.pread(self.fd, self.row_bytes, row)
        except OSError:  # a full disk must not stop the training
            return {}
        written = {}
        for rank in range(len(found) // SLOT.size):
            there, checksum, length, other = SLOT.unpack_from(found, rank * SLOT.size)
            other = other[:length]
            if there == number and checksum_of(number, other) == checksum:  # else half written: that rank finds us
                written[rank] = other.decode(errors="replace")
        return written if len({call_of(each) for each in written.values()}) > 1 else {}


def checksum_of(number: int, raw: bytes) -> int:
    """Return a checksum over both, since a slot half written has the new number and the text of 256 calls ago."""
    return zlib.crc32(raw, number & 0xFFFFFFFF)


def call_of(text: str) -> str:
    """Drop where the call stands from what the call is."""
    return text.rpartition(" at ")[0]


def told(written: dict[int, str]) -> str:
    """Say who calls what: ``ranks 0, 2 call all_reduce(4 x float32), line 3; rank 1 calls barrier(), line 5``."""
    groups: dict[str, list[int]] = {}
    for rank, text in sorted(written.items()):
        groups.setdefault(text, []).append(rank)
    parts = []
    for text, ranks in groups.items():
        call, _, line = text.rpartition(" at ")
        parts.append(f"{named(ranks)} {verb(ranks, 'calls', 'call')} {call}, line {line}")
    return "; ".join(parts)
