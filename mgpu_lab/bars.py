"""Stacked bars of bytes by category, as HTML that keeps its meaning where svg, role and aria are stripped.

Bars are plain boxes; colour is never the only sign: each category has a letter, and numbers stand beside as text.
"""

import html
from collections.abc import Mapping

SIGNS = {
    "parameters": "P",
    "gradients": "G",
    "optimizer_state": "O",
    "buffers": "B",
    "kv_cache": "K",
    "activations": "A",
    "other": "X",
    "overhead": "+",
}
COLOURS = {
    "parameters": "#8ecae6",
    "gradients": "#ffb703",
    "optimizer_state": "#95d5b2",
    "buffers": "#d0bfff",
    "kv_cache": "#f9e27d",
    "activations": "#ffadad",
    "other": "#d9d9d9",
    "overhead": "#b0b0b0",
}
LEAST_PERCENT = 6  # a narrower part of a bar shows no letter
_BOX_STYLE = (
    "display:inline-block;box-sizing:border-box;height:18px;line-height:18px;overflow:hidden;"
    "text-align:center;vertical-align:top;color:#000;border-right:1px solid #000"
)


def words(category: str) -> str:
    """Return a category's name as one says it: ``optimizer_state`` is "optimizer state"."""
    return "KV cache" if category == "kv_cache" else category.replace("_", " ")


def sign_box(category: str) -> str:
    """Return the letter of a category on its colour, for the row that says how much it is."""
    return f'<span style="background-color:{COLOURS[category]};color:#000;padding:0 4px">{SIGNS[category]}</span>'


def stacked_bar(parts: Mapping[str, float], full: float, width: str) -> str:
    """Return a bar of the categories' sizes; `full` is the size that fills it, `width` is CSS ("240px")."""
    boxes = "".join(_box(name, 100 * size / max(1, full)) for name, size in parts.items())
    return f'<div style="width:{width};white-space:nowrap;font-size:11px;text-align:left">{boxes}</div>'


def ruler(label: str, size: float | None, full: float, width: str) -> str:
    """Return a line below a bar of the same `full` and `width` that ends where `size` is, with its label below."""
    line = ""
    if size is not None:
        marks = "height:5px;border-top:2px solid;border-right:2px solid;box-sizing:border-box"
        line = f'<div style="width:{100 * size / max(1, full):.2f}%;{marks}"></div>'
    style = f"width:{width};font-size:11px;line-height:15px;text-align:left;white-space:nowrap"
    return f'<div style="{style}">{line}{html.escape(label)}</div>'


def _box(category: str, percent: float) -> str:
    if not percent:
        return ""
    sign = SIGNS[category] if percent >= LEAST_PERCENT else ""
    style = f"width:{percent:.2f}%;background-color:{COLOURS[category]};{_BOX_STYLE}"
    return f'<span title="{words(category)}" style="{style}">{sign}</span>'
