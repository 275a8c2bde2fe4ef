r"""What an engine has said in its log, and from hundreds of lines the one that tells why it ended.

>>> Said(
...     "INFO ok\n(Worker pid=1) ERROR 11-28 [x.py:9] ValueError: 3 heads\nRuntimeError: See root cause above."
... ).reason()
'ValueError: 3 heads'
"""

import re
from dataclasses import dataclass

from mgpu_lab.wire.errors import LabError

NOTHING = "(nothing)"
_ECHOES = ("root cause", "EngineDeadError", "See stack trace")  # one process repeats that another has failed
_PREFIX = re.compile(r"^(?:\(\S+ pid=\d+\) )?(?:(?:INFO|WARNING|ERROR) [\d-]+ [\d:]* ?)?(?:\[\S+:\d+\] ?)?")
_ERROR = re.compile(r"(?:[\w.]+\.)?\w*(?:Error|Exception)(?:: .*)?$|.*\berror: .*")
_UNDERLINE = re.compile(r"[\s^~]*$")


class ServingError(LabError):
    """An engine did not start, or it ended while it was needed."""


@dataclass(frozen=True)
class Said:
    """All that an engine, its workers and its front have written."""

    text: str

    def find(self, pattern: str) -> str:
        """Return the first text that matches a regular expression.

        >>> Said("CPU KV cache size: 10,880 tokens, Maximum ...").find("KV cache size: [0-9,]+ tokens")
        'KV cache size: 10,880 tokens'
        """
        found = re.search(pattern, self.text)
        return found.group(0) if found else NOTHING

    def reason(self) -> str:
        """Return the last error that is no echo of another one, in one line; else the last line of all."""
        lines = [_PREFIX.sub("", line).rstrip() for line in self.text.splitlines()]
        lines = [line for line in lines if not _UNDERLINE.match(line)]
        for at in range(len(lines) - 1, -1, -1):
            if _ERROR.match(lines[at]) and not any(echo in lines[at] for echo in _ECHOES):
                return _told(lines, at)
        return lines[-1] if lines else NOTHING


def _told(lines: list[str], at: int) -> str:
    """Return an error's line with what it is about: the assertion before it, or what pydantic says after it."""
    line, after = lines[at], "".join(lines[at + 1 : at + 2])
    if ": " not in line:
        return f"{line} at {lines[at - 1].strip()!r}"
    return f"{line}: {after.partition(' [type=')[0].strip()}" if after.startswith(" ") else line
