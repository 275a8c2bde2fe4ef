"""Turns the facts about a machine into the rows of the report, section by section.

Nothing is a failure unless the course cannot run; what was not learned stays "unknown".
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from mgpu_lab.reports import Row, Status
from mgpu_lab.verification.findings import Finding, merge, name_gpus
from mgpu_lab.verification.gpu_rows import gpu_questions
from mgpu_lab.verification.host_rows import host_findings
from mgpu_lab.verification.link_rows import link_findings
from mgpu_lab.verification.machine import Machine
from mgpu_lab.verification.rank_rows import default_ranks, rank_findings
from mgpu_lab.verification.report import Report
from mgpu_lab.verification.software_rows import software_findings


def diagnose(machine: Machine) -> Report:
    rows = (
        *_rows("Ranks", rank_findings(machine)),
        *_rows("Machine", host_findings(machine.host, len(machine.torch.devices))),
        *_rows("Software", software_findings(machine)),
        *_rows("GPUs", _gpu_findings(machine)),
        *_rows("Between GPUs", link_findings(machine.hardware, machine.torch)),
    )
    return Report(machine, _headline(machine, rows), rows)


def _rows(section: str, findings: Iterable[Finding]) -> Iterator[Row]:
    for each in findings:
        yield Row(section, each.name, each.found, each.status, each.reason, each.remedy)


def _gpu_findings(machine: Machine) -> Iterator[Finding]:
    """Ask every GPU the same questions, a lost one only the first; GPUs with the same answer share a row."""
    for number, question in enumerate(gpu_questions(machine.torch)):
        asked = [gpu for gpu in machine.hardware.gpus if gpu.name is not None or number == 0]
        for gpus, finding in merge((gpu.index, question(gpu)) for gpu in asked):
            yield replace(finding, name=f"{finding.name}, {name_gpus(gpus)}")


def _headline(machine: Machine, rows: tuple[Row, ...]) -> str:
    if any(row.status == "fail" for row in rows):
        return f"The course cannot run here yet. To settle: {_names(rows, 'fail')}."
    ranks = default_ranks(machine)
    words = [f"Nothing here keeps the course from running. {ranks.name} gives {ranks.found}."]
    if not machine.hardware.gpus and ranks.status == "ok":
        words.append("There is no NVIDIA GPU, and that is fine to go on with.")
    if any(row.status == "warn" for row in rows):
        words.append(f"Worth a look: {_names(rows, 'warn')}.")
    return " ".join(words)


def _names(rows: tuple[Row, ...], status: Status) -> str:
    """Name the rows of a status; the first row only repeats what another one explains."""
    return "; ".join(row.name for row in rows[1:] if row.status == status)
