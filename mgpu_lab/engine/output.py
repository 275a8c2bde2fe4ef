"""What one rank writes during one cell, kept within bounds: the head, the tail, and how much lay between."""

import re

from mgpu_lab.wire.messages import MARK_BEGIN, MARK_END, Display

MARK = re.compile(re.escape(MARK_BEGIN) + rb"(\d{1,18})" + MARK_END)
MARK_BYTES = len(MARK_BEGIN) + 20
HEAD_BYTES = 128 * 1024
TAIL_BYTES = 128 * 1024
MAX_DISPLAYS = 100
MAX_DISPLAY_BYTES = 32 * 2**20


class Capture:
    """One stream: bytes in, text out, bounded, with carriage returns applied."""

    def __init__(self) -> None:
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
        if (room := HEAD_BYTES - len(self.head)) > 0:
            self.head += data[:room]
            data = data[room:]
        if data:
            self.tail += data
            if len(self.tail) > 2 * TAIL_BYTES:
                del self.tail[:-TAIL_BYTES]

    def text(self) -> str:
        """Return what was written; where too much was, the head, a line about the cut, and the tail."""
        if not self.total_bytes and not self.line:
            return ""
        line = overwritten(self.line).rstrip(b"\r")
        tail = bytes(self.tail[-TAIL_BYTES:])
        cut = self.total_bytes - len(self.head) - len(tail)
        if cut <= 0:
            return decode(bytes(self.head) + tail + line)
        return f"{decode(bytes(self.head))}\n{cut_note(cut)}\n{decode(tail + line)}"

    def last_lines(self, count: int) -> str:
        if not self.total_bytes and not self.line:
            return ""
        recent = bytes(self.tail[-8192:]) or bytes(self.head[-8192:])
        line = overwritten(self.line).rstrip(b"\r")
        return "\n".join(decode(recent + line).splitlines()[-count:])


class CellOutput:
    """Everything one rank gave out during one cell, in order.

    Displays and text come by different ways; a mark in the text holds a display's place (``wire.messages.mark``).
    """

    def __init__(self) -> None:
        self.segments: list[Capture | int] = [Capture()]  # text, and the numbers of displays between
        self.displays: dict[int, Display] = {}
        self.stderr = Capture()
        self.held = b""  # the end of what came last, where that may be half a mark
        self.placed = self.dropped_displays = self.display_bytes = 0

    def write(self, name: str, data: bytes) -> None:
        """Take in bytes of ``stdout`` or ``stderr``."""
        if name == "stderr":
            self.stderr.write(data)
            return
        data = self.held + data
        if MARK_BEGIN[:1] not in data:
            self.held = b""
            self.keep(data)
            return
        while found := MARK.search(data):
            self.keep(data[: found.start()])
            self.place(int(found[1]))
            data = data[found.end() :]
        cut = half_a_mark(data)
        self.held = data[cut:]
        self.keep(data[:cut])

    def keep(self, text: bytes) -> None:
        if not isinstance(self.segments[-1], Capture):
            self.segments.append(Capture())
        last = self.segments[-1]
        if text and isinstance(last, Capture):
            last.write(text)

    def place(self, number: int) -> None:
        """Give a display its place; there is a limit to their number."""
        if self.placed < MAX_DISPLAYS:
            self.placed += 1
            self.segments.append(number)

    def show(self, display: Display) -> None:
        """Take in a rich display, or the new state of one shown before."""
        if display.display_id is not None and display.update:
            for number, shown in self.displays.items():
                if shown.display_id == display.display_id:
                    self.displays[number] = display
            return
        self.display_bytes += sum(len(value) for value in display.data.values() if isinstance(value, str | bytes))
        if len(self.displays) >= MAX_DISPLAYS or self.display_bytes > MAX_DISPLAY_BYTES:
            self.dropped_displays += 1
            return
        self.displays[display.number] = display

    def items(self) -> list[str | Display]:
        """Return text and displays in order; a display whose mark was lost with its stream comes last."""
        rest, self.held = self.held, b""  # what looked like the beginning of a mark was text
        self.keep(rest)
        placed = [segment for segment in self.segments if isinstance(segment, int)]
        order = [*self.segments, *(number for number in self.displays if number not in placed)]
        found = (each.text() if isinstance(each, Capture) else self.displays.get(each, "") for each in order)
        items = [item for item in found if item]
        if self.dropped_displays:
            items.append(f"[... {self.dropped_displays} more displays cut here ...]\n")
        return items

    def last_lines(self, count: int) -> str:
        """Return the last printed lines of both streams."""
        printed = [each.last_lines(count) for each in self.segments if isinstance(each, Capture)]
        printed.append(self.stderr.last_lines(count))
        return "\n".join("\n".join(part for part in printed if part).splitlines()[-count:])

    def total_bytes(self) -> int:
        return self.stderr.total_bytes + sum(each.total_bytes for each in self.segments if isinstance(each, Capture))


def half_a_mark(data: bytes) -> int:
    """Return where the beginning of a mark stands at the end of ``data``; the length of ``data`` where none does."""
    start = data.rfind(MARK_BEGIN[:1], max(0, len(data) - MARK_BYTES))
    tail = data[start:] if start >= 0 else b"x"
    begun = MARK_BEGIN.startswith(tail) or (tail.startswith(MARK_BEGIN) and tail[len(MARK_BEGIN) :].isdigit())
    return start if begun else len(data)


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
    return f"[... {cut_bytes:,} bytes of output cut here ...]"
