"""The report as an HTML table that a screen reader, a printout and both themes of JupyterLab can show.

The status is a word in its own column; colour only repeats it, as a bar beside the word. Where a viewer
strips the style sheet (an untrusted notebook), a plain table is left. Not covered: text (``report``).
"""

from __future__ import annotations

import re
from html import escape
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mgpu_lab.verification.findings import Status
    from mgpu_lab.verification.report import Report, Row

_WORDS: dict[Status, str] = {
    "ok": "OK",
    "warn": "<strong>WARN</strong>",
    "fail": "<strong>FAIL</strong>",
    "unknown": "<strong>UNKNOWN</strong>",
}
_STYLE = """
.mgpu-verify.mgpu-verify {
  table-layout: auto; width: 100%; margin: 0; border-collapse: collapse; font-size: 13px;
  color: var(--jp-content-font-color1, inherit);
}
.mgpu-verify.mgpu-verify caption { text-align: left; padding: 0 0 8px; color: inherit; }
.mgpu-verify.mgpu-verify th, .mgpu-verify.mgpu-verify td {
  text-align: left; vertical-align: top; padding: 4px 8px; line-height: 1.4;
  border-bottom: 1px solid var(--jp-border-color2, #8888);
}
.mgpu-verify.mgpu-verify tbody th { font-weight: normal; white-space: nowrap; }
.mgpu-verify.mgpu-verify tr.mgpu-section th { font-weight: bold; font-size: 14px; padding-top: 14px; }
.mgpu-verify.mgpu-verify tr, .mgpu-verify.mgpu-verify tr:hover { background: transparent; }
.mgpu-verify.mgpu-verify td.mgpu-status { white-space: nowrap; border-left: 6px solid; }
.mgpu-verify.mgpu-verify td.mgpu-ok { border-left-color: var(--jp-success-color1, #388e3c); }
.mgpu-verify.mgpu-verify td.mgpu-warn { border-left-color: var(--jp-warn-color1, #f57c00); }
.mgpu-verify.mgpu-verify td.mgpu-fail { border-left-color: var(--jp-error-color1, #d32f2f); }
.mgpu-verify.mgpu-verify td.mgpu-unknown { border-left-color: var(--jp-content-font-color2, #888); }
.mgpu-verify.mgpu-verify code { white-space: nowrap; }
"""


def render(report: Report) -> str:
    """Return the report as one table with its style sheet."""
    sections = (_section(section, list(rows)) for section, rows in groupby(report.rows, key=lambda row: row.section))
    return (
        f"<style>{_STYLE}</style>\n"
        '<table class="mgpu-verify">\n'
        f"<caption><strong>Setup verification: {_text(report.machine.label)}</strong><br>"
        f"{_text(report.headline)}<br>{_text(report.summary)}</caption>\n"
        '<thead><tr><th scope="col">Status</th><th scope="col">Checked</th><th scope="col">Found</th>'
        '<th scope="col">Why, and what to do</th></tr></thead>\n'
        f"{''.join(sections)}</table>"
    )


def _section(name: str, rows: list[Row]) -> str:
    head = f'<tr class="mgpu-section"><th scope="rowgroup" colspan="4">{_text(name)}</th></tr>\n'
    return f"<tbody>\n{head}{''.join(map(_row, rows))}</tbody>\n"


def _row(row: Row) -> str:
    advice = "<br>".join(
        part for part in (_text(row.reason), f"<strong>Do:</strong> {_text(row.remedy)}" if row.remedy else "") if part
    )
    return (
        f'<tr><td class="mgpu-status mgpu-{row.status}">{_WORDS[row.status]}</td>'
        f'<th scope="row">{_text(row.name)}</th><td>{_text(row.found)}</td><td>{advice}</td></tr>\n'
    )


def _text(text: str) -> str:
    """Escape the text; what stands in backquotes becomes code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))
