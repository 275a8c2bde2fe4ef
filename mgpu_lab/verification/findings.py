"""One judged fact, and how equal judgements on several GPUs become one."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from mgpu_lab.reports import Status

KIB = 1024
MIB = 1024**2
GIB = 1024**3


@dataclass(frozen=True)
class Finding:
    """What was found under ``name``. ``found`` holds one ``{}`` for every number in ``numbers``.

    Numbers stand apart so that GPUs which differ in nothing else share a row: "31 to 38 °C".
    """

    name: str
    found: str
    status: Status = "ok"
    reason: str = ""
    remedy: str = ""
    numbers: tuple[float, ...] = ()


def unknown(name: str, reason: str, remedy: str) -> Finding:
    """Return the finding for what could not be learned, and why."""
    return Finding(name, "unknown", "unknown", reason, remedy)


def merge(findings: Iterable[tuple[int, Finding]]) -> list[tuple[list[int], Finding]]:
    """Group GPUs whose findings differ at most in numbers, in order of first appearance."""
    groups: dict[Finding, list[tuple[int, Finding]]] = {}
    for gpu, finding in findings:
        groups.setdefault(replace(finding, numbers=()), []).append((gpu, finding))
    return [([gpu for gpu, _ in group], _in_words([each for _, each in group])) for group in groups.values()]


def _in_words(group: Sequence[Finding]) -> Finding:
    """Write the numbers of equal findings into their words, as ranges where they differ."""
    columns = zip(*(finding.numbers for finding in group), strict=True)
    return replace(group[0], found=group[0].found.format(*map(_span, columns)), numbers=())


def _span(numbers: Sequence[float]) -> str:
    low, high = min(numbers), max(numbers)
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def name_gpus(gpus: Iterable[int]) -> str:
    """Name GPUs briefly: "GPU 0-3, 6"."""
    runs: list[list[int]] = []
    for gpu in sorted(gpus):
        if runs and gpu == runs[-1][-1] + 1:
            runs[-1].append(gpu)
        else:
            runs.append([gpu])
    return "GPU " + ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


def size(count: int) -> str:
    """Write a number of bytes for people: 67108864 is "64 MiB"."""
    for unit, factor in (("GiB", GIB), ("MiB", MIB), ("KiB", KIB)):
        if count >= factor:
            return f"{round(count / factor, 1):g} {unit}"
    return f"{count} bytes"
