"""A figure that needs no pyplot, and says in words what it shows."""

import base64
import io
from html import escape
from typing import Any

from matplotlib.figure import Figure


class SpokenFigure(Figure):
    """A figure with a `summary`, which stands where no picture can be shown."""

    summary = ""

    def png(self) -> bytes:
        """Return the picture."""
        out = io.BytesIO()
        self.savefig(out, format="png", bbox_inches="tight")
        return out.getvalue()

    def __repr__(self) -> str:
        """Stand in for the picture where none is shown."""
        return self.summary


class DescribedFigure(SpokenFigure):
    """The figure; it shows itself with its alternative text, and JupyterLab gives none to a plain image."""

    css_class = ""

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        image = f"data:image/png;base64,{base64.b64encode(self.png()).decode()}"
        style = "max-width:100%;background:#fff"
        named = f' class="{self.css_class}"' if self.css_class else ""
        html = f'<img{named} style="{style}" alt="{escape(self.summary)}" src="{image}">'
        return {"text/html": html, "text/plain": self.summary}
