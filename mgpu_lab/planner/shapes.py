"""The shape of a decoder: how many layers, how wide, how many heads. Its parameters follow from it.

A shape comes from a preset of ``models.toml``, from a folder with a ``config.json``, from a dict, or from a
transformers config. Decoders of the Llama kind (RMSNorm, rotary positions, gated MLP; Mistral, Qwen2, Mixtral) and
GPT-2 are understood.
"""

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from mgpu_lab.planner.model_config import checked, fields_of, name_of, read_config
from mgpu_lab.planner.options import short
from mgpu_lab.wire.errors import UsageError

PRESETS = Path(__file__).with_name("models.toml")


@dataclass(frozen=True)
class ModelShape:
    """The shape of a decoder. All sizes are numbers, not bytes.

    `width` is the residual stream (`hidden_size`), `intermediate` the MLP's. `experts` is 0 for a dense model.
    """

    name: str
    layers: int
    width: int
    intermediate: int
    heads: int
    kv_heads: int
    head_size: int
    vocabulary: int
    context: int  # the longest sequence that it was made for
    tied: bool = False  # the head is the embedding
    gated: bool = True  # an MLP of three matrices, not two
    qkv_bias: bool = False
    output_bias: bool = False  # attention's output matrix has one
    all_biases: bool = False
    layer_norm_bias: bool = False  # LayerNorm with a bias instead of RMSNorm
    learned_positions: bool = False  # a table of positions instead of rotary ones
    experts: int = 0
    experts_per_token: int = 0

    @property
    def attention(self) -> int:
        """Parameters of one layer's attention."""
        queries, keys = self.heads * self.head_size, self.kv_heads * self.head_size
        matrices = 2 * self.width * (queries + keys)
        biases = (queries + 2 * keys) * (self.qkv_bias or self.all_biases)
        biases += self.width * (self.output_bias or self.all_biases)
        return matrices + biases

    @property
    def expert(self) -> int:
        """Parameters of one layer's MLP; of one expert of it where there are several."""
        matrices = (3 if self.gated else 2) * self.width * self.intermediate
        return matrices + ((2 if self.gated else 1) * self.intermediate + self.width) * self.all_biases

    @property
    def norm(self) -> int:
        return self.width * (2 if self.layer_norm_bias else 1)

    @property
    def router(self) -> int:
        return self.width * self.experts

    @property
    def layer(self) -> int:
        """Parameters of one layer."""
        return self.attention + self.expert * max(1, self.experts) + self.router + 2 * self.norm

    @property
    def embedding(self) -> int:
        """Parameters of the token embedding."""
        return self.vocabulary * self.width

    @property
    def head(self) -> int:
        """Parameters of the head; 0 where it is the embedding."""
        return 0 if self.tied else self.embedding

    @property
    def positions(self) -> int:
        return self.context * self.width * self.learned_positions

    @property
    def parameters(self) -> int:
        """All parameters."""
        return self.layers * self.layer + self.embedding + self.positions + self.head + self.norm

    @property
    def active_parameters(self) -> int:
        """Parameters that one token meets: all of a dense model's, the chosen experts of another."""
        idle = self.expert * (self.experts - self.experts_per_token) if self.experts else 0
        return self.parameters - self.layers * idle

    @property
    def kv_numbers(self) -> int:
        """Numbers that the KV cache keeps for a token, over all layers."""
        return 2 * self.layers * self.kv_heads * self.head_size


def model_shape(model: Any) -> ModelShape:
    """Return the shape of a preset, a folder with config.json, a dict, a transformers config, or a shape itself.

    Raises:
        UsageError: there is no preset or folder of this name, or the config lacks a size.
    """
    if isinstance(model, ModelShape):
        return model
    if isinstance(model, str) and model.strip().casefold() in presets():
        return presets()[model.strip().casefold()]
    if isinstance(model, str | Path):
        return _from_folder(model)
    config = model.to_dict() if callable(getattr(model, "to_dict", None)) and not isinstance(model, type) else model
    if isinstance(config, Mapping):
        return ModelShape(name=name_of(config), **checked(name_of(config), fields_of(config)))
    raise UsageError(f"A model is a preset's name, a folder with config.json, a dict or a config; not {short(model)}.")


@cache
def presets() -> dict[str, ModelShape]:
    """Return the shapes of ``models.toml`` by name."""
    rows = tomllib.loads(PRESETS.read_text(encoding="utf-8"))
    ours = {name: {k: v for k, v in row.items() if k not in ("source", "parameters")} for name, row in rows.items()}
    return {name: ModelShape(name=name, **checked(name, row)) for name, row in ours.items()}


def _from_folder(folder: str | Path) -> ModelShape:
    file = Path(folder) / "config.json"
    if str(folder).strip() and _is_file(file):
        config = read_config(file) | {"name": Path(folder).name or file.resolve().parent.name}
        return ModelShape(name=name_of(config), **checked(name_of(config), fields_of(config)))
    close = difflib.get_close_matches(str(folder).casefold(), presets(), n=1, cutoff=0.5)
    meant = f"Did you mean {close[0]!r}? " if close else ""
    known = ", ".join(presets())
    raise UsageError(f"There is no model {short(str(folder))}. {meant}There are {known}, or a folder with config.json.")


def _is_file(file: Path) -> bool:
    try:
        return file.is_file()
    except (OSError, ValueError):  # a name that is too long, or holds a null
        return False
