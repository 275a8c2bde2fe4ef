"""A figure that needs no pyplot, and says in words what it shows."""

import io

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
