"""A text that every Python has: the Zen of Python, as examples for a model of letters."""

from __future__ import annotations

import codecs
import contextlib
import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn

HALF = 432  # characters: to the end of a line


def zen(window: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return inputs, targets and letters of the first half of the Zen of Python.

    ``inputs`` has one row of ``window`` letters for each example, ``targets`` the letter that follows, both int64
    numbers of letters; ``letters`` holds the code points in order, so that ``chr(letters[n])`` is letter n.
    """
    import torch

    with contextlib.redirect_stdout(io.StringIO()):  # it prints itself
        import this
    text = codecs.decode(this.s, "rot13")[:HALF]
    letters = sorted(set(text))
    tokens = torch.tensor([letters.index(letter) for letter in text])
    return tokens.unfold(0, window, 1)[:-1], tokens[window:], torch.tensor([ord(letter) for letter in letters])


def zen_net(letters: Tensor) -> nn.Sequential:
    """Return a net for windows of 8 letters, with the same first weights each time: an embedding and two layers."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    count = len(letters)
    return nn.Sequential(nn.Embedding(count, 8), nn.Flatten(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, count)).to(
        letters.device
    )
