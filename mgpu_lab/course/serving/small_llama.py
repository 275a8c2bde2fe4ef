"""A Llama in plain torch, one page, so that what lesson 08 caches and splits is in sight.

    SmallLlama(width=256, layers=3, heads=4, kv_heads=4, seed=0)      random weights
    SmallLlama.load("models/base-llama")                              a folder as Transformers saves it

    model(tokens, positions, cache)      tokens, positions [batch, new] -> logits [batch, new, vocabulary]
      embedding
      blocks:   x + attention(norm_1(x)), x + mlp(norm_2(x))
        attention   q, k, v, o        linears; query heads share the KV heads; causal
        mlp         gate, up, down    linears: down(silu(gate(x)) * up(x))
      norm, head

The cache is the caller's. Each block hands it its new keys and values, `cache(layer, k, v)`, both of shape
[batch, new, KV heads, head size], and attends to what it returns: those of positions 0 to the last, [batch, length, KV
heads, head size]. Without a cache a block attends to the new ones alone.

A layer finds its number of heads from what q, k and v return, so it works with some of the heads, too. Embedding, norm
and head may be `nn.Identity()`, and blocks may be missing: that is a pipeline's stage.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention, silu

from mgpu_lab.wire.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

    Cache = Callable[[int, Tensor, Tensor], tuple[Tensor, Tensor]]

NAMES = {  # in the files of Transformers: here
    "model.": "",
    "embed_tokens": "embedding",
    "layers": "blocks",
    "self_attn": "attention",
    "_proj": "",
    "input_layernorm": "norm_1",
    "post_attention_layernorm": "norm_2",
    "lm_head": "head",
}


class Attention(nn.Module):
    """Causal attention; q, k and v keep whole heads side by side: features [head 0, head 1, ...]."""

    def __init__(self, width: int, heads: int, kv_heads: int) -> None:
        super().__init__()
        self.head_size = width // heads
        kv_width = kv_heads * self.head_size
        self.q, self.o = linear(width, width), linear(width, width)
        self.k, self.v = linear(width, kv_width), linear(width, kv_width)

    def forward(self, x: Tensor, positions: Tensor, turn: Tensor, layer: int, cache: Cache | None) -> Tensor:
        """Return [batch, new, width]; `turn` is what `rotation` returns for these positions."""
        q, k, v = (each(x).unflatten(-1, (-1, self.head_size)) for each in (self.q, self.k, self.v))
        q, k = rotated(q, turn), rotated(k, turn)
        if cache is not None:
            k, v = cache(layer, k, v)
        visible = torch.arange(k.shape[1], device=x.device) <= positions[:, None, :, None]
        q, k, v = (each.transpose(1, 2) for each in (q, k, v))  # [batch, heads, positions, head size]
        mixed = scaled_dot_product_attention(q, k, v, visible, enable_gqa=q.shape[1] != k.shape[1])
        out: Tensor = self.o(mixed.transpose(1, 2).flatten(2))
        return out


class MLP(nn.Module):
    """SwiGLU: https://arxiv.org/abs/2002.05202."""

    def __init__(self, width: int, features: int) -> None:
        super().__init__()
        self.gate, self.up, self.down = linear(width, features), linear(width, features), linear(features, width)

    def forward(self, x: Tensor) -> Tensor:
        """Return [..., width]."""
        out: Tensor = self.down(silu(self.gate(x)) * self.up(x))
        return out


@dataclass(frozen=True)
class Sizes:
    """What a SmallLlama is made of; without `kv_heads` each head has its own, without `features` 2 x width."""

    width: int = 256
    layers: int = 3
    heads: int = 4
    kv_heads: int | None = None
    features: int | None = None
    vocabulary: int = 256
    eps: float = 1e-6
    theta: float = 10_000.0


class Block(nn.Module):
    """One layer."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        width, heads = sizes.width, sizes.heads
        self.norm_1, self.attention = nn.RMSNorm(width, sizes.eps), Attention(width, heads, sizes.kv_heads or heads)
        self.norm_2, self.mlp = nn.RMSNorm(width, sizes.eps), MLP(width, sizes.features or 2 * width)

    def forward(self, x: Tensor, positions: Tensor, turn: Tensor, layer: int, cache: Cache | None) -> Tensor:
        """Return [batch, new, width]."""
        x = x + self.attention(self.norm_1(x), positions, turn, layer, cache)
        out: Tensor = x + self.mlp(self.norm_2(x))
        return out


class SmallLlama(nn.Module):
    """The whole model; its arguments are the fields of `Sizes`, and the seed of its weights."""

    def __init__(self, *, seed: int = 0, **sizes: Any) -> None:
        super().__init__()
        sized = Sizes(**sizes)
        self.theta, self.head_size = sized.theta, sized.width // sized.heads
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.embedding: nn.Module = nn.Embedding(sized.vocabulary, sized.width)
            self.blocks = nn.ModuleList(Block(sized) for _ in range(sized.layers))
            self.norm: nn.Module = nn.RMSNorm(sized.width, sized.eps)
            self.head: nn.Module = linear(sized.width, sized.vocabulary)

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Load a Llama that Transformers saved, in fp32, whatever it was saved in.

        Raises:
            UsageError: the folder holds no Llama of plain RoPE in one `model.safetensors`.
        """
        from safetensors.torch import load_file

        folder = Path(folder)
        if not (folder / "model.safetensors").exists():
            raise UsageError(f"There is no {folder / 'model.safetensors'}.")
        with torch.device("meta"):
            model = cls(**sizes_of(json.loads((folder / "config.json").read_text(encoding="utf-8"))))
        weights = {renamed(name): weight.float() for name, weight in load_file(folder / "model.safetensors").items()}
        weights.setdefault("head.weight", weights["embedding.weight"])  # tied
        model.load_state_dict(weights, assign=True)
        return model.requires_grad_(requires_grad=False)

    def forward(self, x: Tensor, positions: Tensor | None = None, cache: Cache | None = None) -> Tensor:
        """Return logits [batch, new, vocabulary]; without `positions` the tokens are the first ones."""
        if positions is None:
            positions = torch.arange(x.shape[1], device=x.device).expand(x.shape[:2])
        x, turn = self.embedding(x), rotation(positions, self.head_size, self.theta)
        for layer, block in enumerate(self.blocks):
            x = block(x, positions, turn, layer, cache)
        out: Tensor = self.head(self.norm(x))
        return out


def stage_of(model: SmallLlama, stage: int, stages: int) -> SmallLlama:
    """Leave of a model what one stage of a pipeline holds: equally many blocks, the last stage may have fewer.

    The first stage takes tokens, the others [batch, new, width]; the last one returns logits, the others what the next
    one takes.
    """
    share = -(-len(model.blocks) // stages)
    model.blocks = model.blocks[share * stage : share * (stage + 1)]
    if stage > 0:
        model.embedding = nn.Identity()
    if stage < stages - 1:
        model.norm, model.head = nn.Identity(), nn.Identity()
    return model


def linear(inputs: int, outputs: int) -> nn.Linear:
    return nn.Linear(inputs, outputs, bias=False)


def rotation(positions: Tensor, head_size: int, theta: float) -> Tensor:
    """Return cosines and sines of RoPE's angles, [2, batch, new, 1, head size / 2]: https://arxiv.org/abs/2104.09864."""
    exponents = torch.arange(0, head_size, 2, device=positions.device) / head_size
    angles = positions[..., None, None] * (1 / theta**exponents)
    return torch.stack((angles.cos(), angles.sin()))


def rotated(x: Tensor, turn: Tensor) -> Tensor:
    """Turn each pair (i, i + head size / 2) of `x`, [batch, new, heads, head size], by its angle."""
    (cos, sin), (first, second) = turn.to(x.dtype), x.chunk(2, -1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), -1)


def sizes_of(config: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a SmallLlama for a Transformers config."""
    rope = config.get("rope_parameters") or {"rope_theta": config.get("rope_theta", 10_000.0)}
    width, heads = config["hidden_size"], config["num_attention_heads"]
    other = rope.get("rope_type", "default") != "default" or config.get("rope_scaling")
    biases = config.get("attention_bias") or config.get("mlp_bias")
    wide = config.get("head_dim") not in (None, width // heads)
    if config.get("model_type") != "llama" or other or biases or wide:
        raise UsageError(f"SmallLlama loads a plain Llama: no biases, RoPE as it is; not {config.get('model_type')!r}.")
    return {
        "width": width,
        "heads": heads,
        "layers": config["num_hidden_layers"],
        "kv_heads": config.get("num_key_value_heads"),
        "features": config["intermediate_size"],
        "vocabulary": config["vocab_size"],
        "eps": config["rms_norm_eps"],
        "theta": rope["rope_theta"],
    }


def renamed(name: str) -> str:
    for theirs, ours in NAMES.items():
        name = name.replace(theirs, ours)
    return name
