"""What the HTML of a table and the rows of a report say, for tests."""

import re
from typing import Any
from xml.etree import ElementTree as ET


class Parsed:
    """A table's HTML, read as a screen reader would: caption, headings, rows of words, and what has a name."""

    def __init__(self, text: str) -> None:
        self.root = ET.fromstring(f"<div>{text.replace('<br>', '<br/>')}</div>")  # noqa: S314 - our own text
        self.caption = words(self.root.find(".//table/caption"))
        self.columns = [th.text for th in self.root.findall(".//thead/tr/th[@scope='col']")]
        self.cells = self.root.findall(".//tbody/tr")
        self.rows = [[words(cell) for cell in row] for row in self.cells]
        self.row_headings = [words(th) for th in self.root.findall(".//tbody/tr/th[@scope='row']")]
        self.groups = [words(th) for th in self.root.findall(".//tbody/tr/th[@scope='rowgroup']")]
        self.meters = [meter.attrib for meter in self.root.iter("meter")]
        self.lines = [svg.attrib for svg in self.root.iter("svg")]

    def aligned(self) -> list[str]:
        """Say for each cell of head and body what its own style says: "left" or "right"."""
        cells = [cell for cell in self.root.iter() if cell.tag in {"th", "td"}]
        return [re.findall(r"text-align:(\w+)", cell.get("style", ""))[-1] for cell in cells]


def words(element: ET.Element) -> str:
    """Return the text of an element in one line."""
    return " ".join(part.strip() for part in element.itertext() if part.strip())


def row(report: Any, name: str) -> Any:
    """Return the one row of this name."""
    [found] = [each for each in report.rows if each.name == name]
    return found
