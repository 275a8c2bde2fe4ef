"""The shape of a decoder: how many layers, how wide, how many heads. Its parameters follow from it.

A shape comes from a preset of ``models.toml``, from a folder with a ``config.json``, from a dict, or from a
transformers config. Decoders of the Llama kind (RMSNorm, rotary positions, gated MLP; Mistral, Qwen2, Mixtral) and
GPT-2 are understood.
"""

import difflib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

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
        biases = (queries + 2 * keys) * (self.qkv_bias or self.all_biases) + self.width * self.all_biases
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
    if isinstance(model, str) and model.casefold() in presets():
        return presets()[model.casefold()]
    if isinstance(model, str | Path):
        return _from_folder(Path(model))
    if isinstance(model, Mapping):
        return _from_config(model)
    if hasattr(model, "to_dict"):
        return _from_config(model.to_dict())
    raise UsageError(f"A model is a preset's name, a folder with config.json, a dict or a config; not {model!r}.")


@cache
def presets() -> dict[str, ModelShape]:
    """Return the shapes of ``models.toml`` by name."""
    rows = tomllib.loads(PRESETS.read_text(encoding="utf-8"))
    return {
        name: _shape(name, {k: v for k, v in row.items() if k not in ("source", "parameters")})
        for name, row in rows.items()
    }


def _from_folder(folder: Path) -> ModelShape:
    file = folder / "config.json"
    if file.is_file():
        return _from_config(json.loads(file.read_text(encoding="utf-8")) | {"name": folder.name})
    close = difflib.get_close_matches(str(folder).casefold(), presets(), n=1, cutoff=0.5)
    meant = f"Did you mean {close[0]!r}? " if close else ""
    raise UsageError(
        f"There is no model {str(folder)!r}. {meant}There are {', '.join(presets())}, or a folder with config.json."
    )


_KEYS = {
    "layers": ("num_hidden_layers", "n_layer"),
    "width": ("hidden_size", "n_embd"),
    "intermediate": ("intermediate_size", "n_inner"),
    "heads": ("num_attention_heads", "n_head"),
    "kv_heads": ("num_key_value_heads",),
    "head_size": ("head_dim",),
    "vocabulary": ("vocab_size",),
    "context": ("max_position_embeddings", "n_positions"),
    "tied": ("tie_word_embeddings",),
    "experts": ("num_local_experts",),
    "experts_per_token": ("num_experts_per_tok",),
}
_KINDS = ("llama", "mistral", "mixtral", "qwen2", "gpt2")


def _from_config(config: Mapping[str, Any]) -> ModelShape:
    kind = str(config.get("model_type", "llama"))
    if kind not in _KINDS:
        raise UsageError(f"A model of the kind {kind!r} is not understood; decoders of these are: {', '.join(_KINDS)}.")
    found = {ours: config[theirs] for ours, names in _KEYS.items() for theirs in names if config.get(theirs)}
    if kind == "gpt2":
        found = {"intermediate": 4 * found.get("width", 0), "tied": True} | found
        found |= {"gated": False, "all_biases": True, "layer_norm_bias": True, "learned_positions": True}
    found |= {"qkv_bias": True} if kind == "qwen2" else {}
    found |= {"all_biases": True} if config.get("attention_bias") and config.get("mlp_bias") else {}
    return _shape(str(config.get("name") or config.get("_name_or_path") or kind), found)


def _shape(name: str, found: Mapping[str, Any]) -> ModelShape:
    missing = [key for key in ("layers", "width", "intermediate", "heads", "vocabulary") if not found.get(key)]
    if missing:
        raise UsageError(f"The config of {name!r} does not say: {', '.join(missing)}.")
    for key, value in found.items():
        if not isinstance(value, bool) and (not isinstance(value, int) or value < 0):
            raise UsageError(f"The config of {name!r} has {key} = {value!r}; it must be a whole number above 0.")
    if not found.get("head_size") and found["width"] % found["heads"]:
        raise UsageError(f"The config of {name!r}: {found['heads']} heads do not divide a width of {found['width']}.")
    rest = {"kv_heads": found["heads"], "head_size": found["width"] // found["heads"], "context": 131072} | dict(found)
    if rest["heads"] % rest["kv_heads"]:
        raise UsageError(f"The config of {name!r}: {rest['kv_heads']} KV heads do not divide {rest['heads']} heads.")
    return ModelShape(name=name, **rest)
