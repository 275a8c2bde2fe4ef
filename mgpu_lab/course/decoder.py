"""The small decoder that lesson 07 cuts: plain torch, so that every layer that is split is in sight.

    Stage(model, stage, stages)     some of its blocks; the first stage has the embedding, the last norm and head

    Decoder(width=64, heads=4, kv_heads=2, layers=4)       tokens [batch, sequence] -> logits [batch, sequence, 256]
      embedding
      blocks:   x + attention(norm_1(x)), x + mlp(norm_2(x))
        attention   q, k, v, o      linears; query heads share the KV heads; causal
        mlp         up, down        linears, GELU between them
      norm, head

An attention layer finds its number of heads from what q, k and v return, so it works with some of the heads, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn
from torch.nn.functional import gelu, scaled_dot_product_attention

if TYPE_CHECKING:
    from torch import Tensor


class Attention(nn.Module):
    """Causal attention; q, k and v keep whole heads side by side: features [head 0, head 1, ...]."""

    def __init__(self, width: int, heads: int, kv_heads: int) -> None:
        super().__init__()
        self.head_size = width // heads
        kv_width = kv_heads * self.head_size
        self.q, self.k, self.v = nn.Linear(width, width), nn.Linear(width, kv_width), nn.Linear(width, kv_width)
        self.o = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Return [batch, sequence, width]."""
        q, k, v = (layer(x).unflatten(-1, (-1, self.head_size)).transpose(1, 2) for layer in (self.q, self.k, self.v))
        mixed = scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        out: Tensor = self.o(mixed.transpose(1, 2).flatten(2))
        return out


class MLP(nn.Module):
    """Up to four times the width, GELU, and down again."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Return [..., width]."""
        out: Tensor = self.down(gelu(self.up(x)))
        return out


class Block(nn.Module):
    """One layer of the decoder."""

    def __init__(self, width: int, heads: int, kv_heads: int) -> None:
        super().__init__()
        self.norm_1, self.attention = nn.LayerNorm(width), Attention(width, heads, kv_heads)
        self.norm_2, self.mlp = nn.LayerNorm(width), MLP(width)

    def forward(self, x: Tensor) -> Tensor:
        """Return [batch, sequence, width]."""
        x = x + self.attention(self.norm_1(x))
        out: Tensor = x + self.mlp(self.norm_2(x))
        return out


class Decoder(nn.Module):
    """The whole model: token ids in, logits out."""

    def __init__(
        self, width: int = 64, heads: int = 4, kv_heads: int = 2, layers: int = 4, vocabulary: int = 256
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.blocks = nn.ModuleList(Block(width, heads, kv_heads) for _ in range(layers))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, vocabulary, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the logits, [batch, sequence, vocabulary]."""
        x = self.embedding(tokens)
        for block in self.blocks:
            x = block(x)
        out: Tensor = self.head(self.norm(x))
        return out


class Stage(nn.Module):
    """One of several stages of a decoder: its blocks ``share * stage`` to ``share * (stage + 1)``, the same layers.

    The first stage takes token ids [batch, sequence], the others activations [batch, sequence, width]; the last one
    returns logits. The model is made whole first; a real program makes only the layers that it keeps.

    Raises:
        ValueError: the blocks do not divide by the stages.
    """

    def __init__(self, model: Decoder, stage: int, stages: int) -> None:
        super().__init__()
        share, left = divmod(len(model.blocks), stages)
        if left or not share:
            raise ValueError(f"{len(model.blocks)} blocks do not divide by {stages} stages")
        self.before = model.embedding if stage == 0 else nn.Identity()
        self.blocks = nn.Sequential(*model.blocks[share * stage : share * (stage + 1)])
        self.after = nn.Sequential(model.norm, model.head) if stage == stages - 1 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Return activations, or on the last stage logits."""
        out: Tensor = self.after(self.blocks(self.before(x)))
        return out
