"""Small models that lesson 05's check has adapted, and their linear layers."""

from collections.abc import Iterator

import torch
from torch import nn

from mgpu_lab.checks.on_ranks import device_here

WIDTH, INNER, WORDS = 24, 40, 50
NARROW = 2  # less than r


class Block(nn.Module):
    """One layer with a nested part, a bias and a norm."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(WIDTH)
        self.mix = nn.Linear(WIDTH, WIDTH, bias=False)
        square = nn.Linear(INNER, INNER)  # so that no count of numbers has two explanations
        self.mlp = nn.Sequential(nn.Linear(WIDTH, INNER, bias=False), nn.GELU(), square, nn.Linear(INNER, WIDTH))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.mix(x)
        return x + torch.as_tensor(self.mlp(self.norm(x)))


class Tiny(nn.Module):
    """A model with what a language model has: embedding, layers, norm, head."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(WORDS, WIDTH)
        self.layers = nn.Sequential(Block(), Block())
        self.lm_head = nn.Linear(WIDTH, WORDS, bias=False)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return torch.as_tensor(self.lm_head(self.layers(self.embed(ids))))


class Listed(nn.Module):
    """Layers at the top, in a list and in a dictionary, with biases; names and a size that are almost the head's."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(WORDS, WIDTH)
        self.gain = nn.Parameter(torch.ones(WIDTH))
        self.lm_in, self.widen = nn.Linear(WIDTH, NARROW, bias=False), nn.Linear(NARROW, WIDTH)
        self.lm_head_before, self.back = nn.Linear(WIDTH, WORDS), nn.Linear(WORDS, WIDTH, bias=False)
        self.lift = nn.Linear(WIDTH, INNER)
        last = nn.ModuleDict({"head": nn.Linear(INNER, WIDTH, bias=False)})
        self.rest = nn.ModuleList([nn.Linear(INNER, INNER), last])
        self.lm_head = nn.Linear(WIDTH, WORDS)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        x = self.widen(torch.tanh(self.lm_in(self.gain * self.embed(ids))))
        x = self.back(torch.tanh(self.lm_head_before(x)))
        x = torch.tanh(self.rest[0](torch.tanh(self.lift(x))))
        return torch.as_tensor(self.lm_head(self.rest[1]["head"](x)))  # type: ignore[index]


def linear_layers(model: nn.Module) -> Iterator[tuple[str, nn.Linear]]:
    for name, layer in model.named_modules():
        if isinstance(layer, nn.Linear) and name != "lm_head":
            yield name, layer


def count_of(layer: nn.Linear, r: int) -> int:
    """Count what a detour beside this layer trains."""
    return r * (layer.in_features + layer.out_features)


def ids_of(count: int = 8) -> torch.Tensor:
    return torch.randint(WORDS, (count, 16), device=device_here())
