"""Tables that show themselves as aligned text and as HTML that a screen reader and a mailed notebook can read.

A notebook that nobody has trusted loses its style sheets, svg, role and aria; JupyterLab's own style sheet then
moves every cell to the right. So every cell states its alignment itself: words to the left, numbers to the right.

>>> Table(("gpu", "memory"), [("RTX 4090", "24 GiB"), ("T4", "16 GiB")], numbers={1})
gpu       memory
RTX 4090  24 GiB
T4        16 GiB
"""

import html
from collections.abc import Collection, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Cell:
    """A cell that is more than plain text: `markup` stands for the text in HTML, unescaped; `style` is CSS."""

    text: str
    markup: str | None = None
    style: str = ""


@dataclass(frozen=True)
class Band:
    """A row of one cell over all columns, in HTML only; as a heading it names the group of rows below it."""

    content: str | Cell
    heading: bool = False
    css_class: str = ""


@dataclass(frozen=True, repr=False)
class Table:
    """A table of text: `numbers` are the columns aligned to the right, `heading` is the column that names a row."""

    head: Sequence[str]
    rows: Sequence[Sequence[str | Cell] | Band]
    caption: str | Cell = ""  # in HTML only
    numbers: Collection[int] = ()
    heading: int = 0
    css_class: str = ""

    def text(self, least: Sequence[int] = ()) -> str:
        """Return head and rows as lines of aligned columns, each at least as wide as `least` says."""
        lines = [[_text(cell) for cell in row] for row in (self.head, *self.rows) if not isinstance(row, Band)]
        floors = least or [0] * len(self.head)
        widths = [max(floor, *map(len, column)) for floor, *column in zip(floors, *lines, strict=True)]
        return "\n".join("  ".join(map(self._padded, range(len(widths)), line, widths)).rstrip() for line in lines)

    def html(self) -> str:
        """Return the table as HTML; everything but a cell's own markup is escaped."""
        head = "".join(self._cell(place, cell, ' scope="col"') for place, cell in enumerate(self.head))
        body = "".join(map(self._row, self.rows))
        return (
            f"<table{_attribute('class', self.css_class)}>"
            f'<caption style="text-align:left">{_markup(self.caption)}</caption>\n'
            f"<thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table>"
        ).replace("<tbody></tbody>", "")

    def __repr__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        return self.html()

    def _padded(self, place: int, text: str, width: int) -> str:
        return text.rjust(width) if place in self.numbers else text.ljust(width)

    def _row(self, row: Sequence[str | Cell] | Band) -> str:
        if not isinstance(row, Band):
            scopes = [' scope="row"' if place == self.heading else "" for place in range(len(row))]
            return f"<tr>{''.join(map(self._cell, range(len(row)), row, scopes))}</tr>\n"
        scope, group = (' scope="rowgroup"', "</tbody><tbody>") if row.heading else ("", "")
        cell = _cell(row.content, f'{scope} colspan="{len(self.head)}"', "left")
        return f"{group}<tr{_attribute('class', row.css_class)}>{cell}</tr>\n"

    def _cell(self, place: int, cell: str | Cell, scope: str) -> str:
        return _cell(cell, scope, "right" if place in self.numbers else "left")


def _cell(cell: str | Cell, attributes: str, align: str) -> str:
    tag = "th" if "scope" in attributes else "td"
    style = f"text-align:{align}" + (f";{cell.style}" if isinstance(cell, Cell) and cell.style else "")
    return f"<{tag}{attributes}{_attribute('style', style)}>{_markup(cell)}</{tag}>"


def _text(cell: str | Cell) -> str:
    return cell.text if isinstance(cell, Cell) else cell


def _markup(cell: str | Cell) -> str:
    own = cell.markup if isinstance(cell, Cell) else None
    return html.escape(_text(cell)) if own is None else own


def _attribute(name: str, value: str) -> str:
    return f' {name}="{html.escape(value)}"' if value else ""
