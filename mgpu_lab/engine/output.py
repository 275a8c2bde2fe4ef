"""What one rank writes during one cell, kept within bounds: the head, the tail, and how much lay between.

Not covered: how it is shown (``display``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mgpu_lab.wire.messages import Display

HEAD_BYTES = 128 * 1024
TAIL_BYTES = 128 * 1024
MAX_DISPLAYS = 100
MAX_DISPLAY_BYTES = 32 * 2**20


class Capture:
    """One stream: bytes in, text out, bounded, with carriage returns carried out."""

    def __init__(self) -> None:
        """Begin empty."""
        self.head = bytearray()
        self.tail = bytearray()
        self.line = b""  # an unfinished line that has a carriage return: a progress bar
        self.total_bytes = 0

    def write(self, data: bytes) -> None:
        """Take in bytes. A progress bar's overwritten states are dropped at once, as a terminal would."""
        if self.line or b"\r" in data:
            lines = (self.line + data).split(b"\n")
            unfinished = lines.pop()
            data = b"".join(overwritten(line.rstrip(b"\r")) + b"\n" for line in lines)
            if b"\r" in unfinished:
                self.line = b"\r" + overwritten(unfinished)
            else:
                data, self.line = data + unfinished, b""
        self.keep(data)

    def keep(self, data: bytes) -> None:
        """Store bytes: the head first, then a sliding tail."""
        self.total_bytes += len(data)
        room = HEAD_BYTES - len(self.head)
        if room > 0:
            self.head += data[:room]
            data = data[room:]
        if data:
            self.tail += data
            if len(self.tail) > 2 * TAIL_BYTES:
                del self.tail[:-TAIL_BYTES]

    def text(self) -> str:
        """Return what was written; where too much was, the head, a line about the cut, and the tail."""
        line = overwritten(self.line).rstrip(b"\r")
        tail = bytes(self.tail[-TAIL_BYTES:])
        cut = self.total_bytes - len(self.head) - len(tail)
        if cut <= 0:
            return decode(bytes(self.head) + tail + line)
        return f"{decode(bytes(self.head))}\n{cut_note(cut)}\n{decode(tail + line)}"

    def last_lines(self, count: int) -> str:
        """Return the last lines, for a live view or a report of a death."""
        recent = bytes(self.tail[-8192:]) or bytes(self.head[-8192:])
        line = overwritten(self.line).rstrip(b"\r")
        return "\n".join(decode(recent + line).splitlines()[-count:])


class CellOutput:
    """Everything one rank gave out during one cell, in order."""

    def __init__(self) -> None:
        """Begin with an empty stdout segment."""
        self.items: list[Capture | Display] = [Capture()]
        self.stderr = Capture()
        self.dropped_displays = 0
        self.display_bytes = 0

    def write(self, name: str, data: bytes) -> None:
        """Take in bytes of ``stdout`` or ``stderr``."""
        if name == "stderr":
            self.stderr.write(data)
            return
        last = self.items[-1]
        if not isinstance(last, Capture):
            last = Capture()
            self.items.append(last)
        last.write(data)

    def show(self, display: Display) -> None:
        """Take in a rich display, or the new state of one shown before."""
        if display.display_id is not None and display.update:
            for i, item in enumerate(self.items):
                if not isinstance(item, Capture) and item.display_id == display.display_id:
                    self.items[i] = display
            return
        self.display_bytes += sum(len(value) for value in display.data.values() if isinstance(value, str | bytes))
        if len(self.items) >= 2 * MAX_DISPLAYS or self.display_bytes > MAX_DISPLAY_BYTES:
            self.dropped_displays += 1
            return
        self.items.append(display)

    def empty(self) -> bool:
        """Whether nothing was given out."""
        return len(self.items) == 1 and not self.last_lines(1)

    def last_lines(self, count: int) -> str:
        """Return the last printed lines of both streams."""
        printed = [item.last_lines(count) for item in self.items if isinstance(item, Capture)]
        printed.append(self.stderr.last_lines(count))
        return "\n".join("\n".join(part for part in printed if part).splitlines()[-count:])

    def total_bytes(self) -> int:
        """Return how many bytes of text came in."""
        return self.stderr.total_bytes + sum(i.total_bytes for i in self.items if isinstance(i, Capture))


def overwritten(line: bytes) -> bytes:
    """Apply carriage returns within one line: what is written last is what is seen."""
    if b"\r" not in line:
        return line
    seen = line.rstrip(b"\r").rpartition(b"\r")[2]
    return seen + (b"\r" if line.endswith(b"\r") else b"")  # a return at the end overwrites nothing yet


def decode(data: bytes) -> str:
    """Decode UTF-8; bytes that are none stay visible as escapes."""
    return data.decode("utf-8", errors="backslashreplace").replace("\r\n", "\n").replace("\r", "\n")


def cut_note(cut_bytes: int) -> str:
    """Say how much is missing."""
    return f"[... {cut_bytes:,} bytes of output cut here ...]"
