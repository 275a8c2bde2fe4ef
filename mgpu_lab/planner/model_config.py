"""The sizes of a decoder, read off the keys of a config.json; what cannot be is refused."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mgpu_lab.planner.options import MOST, short
from mgpu_lab.wire.errors import UsageError

KEYS = {
    "layers": ("num_hidden_layers", "n_layer"),
    "width": ("hidden_size", "n_embd"),
    "intermediate": ("intermediate_size", "n_inner"),
    "heads": ("num_attention_heads", "n_head"),
    "kv_heads": ("num_key_value_heads",),
    "head_size": ("head_dim",),
    "vocabulary": ("vocab_size",),
    "context": ("max_position_embeddings", "n_positions"),
    "experts": ("num_local_experts",),
    "experts_per_token": ("num_experts_per_tok",),
}
KINDS = ("llama", "mistral", "mixtral", "qwen2", "gpt2")
CONTEXT = 131072  # positions of a config that does not say


def read_config(file: Path) -> dict[str, Any]:
    """Return what a config.json holds.

    Raises:
        UsageError: it cannot be read, or is no JSON object.
    """
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{file} cannot be read: {' '.join(str(error).split())}.") from None
    if not isinstance(found, dict):
        raise UsageError(f"{file} holds no JSON object.")
    return found


def name_of(config: Mapping[str, Any]) -> str:
    """Return a config's name, on one line; its kind where it has none."""
    return " ".join(str(config.get("name") or config.get("_name_or_path") or kind_of(config)).split())


def kind_of(config: Mapping[str, Any]) -> str:
    return str(config.get("model_type") or "llama")


def fields_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a `ModelShape` that a config gives, for `checked`.

    Raises:
        UsageError: a model of another kind, or of a form that is not understood.
    """
    kind, name = kind_of(config), name_of(config)
    if kind not in KINDS:
        raise UsageError(f"A model of the kind {kind!r} is not understood; decoders of these are: {', '.join(KINDS)}.")
    found = {ours: config[theirs] for ours, names in KEYS.items() for theirs in names if config.get(theirs) is not None}
    found["tied"] = _truth(config, "tie_word_embeddings", name, usual=kind == "gpt2")
    if kind == "gpt2":
        found = {"intermediate": 4 * _number("width", found.get("width", 0), name)} | found
        found |= {"all_biases": True, "layer_norm_bias": True, "learned_positions": True, "gated": False}
    elif _truth(config, "attention_bias", name) or _truth(config, "mlp_bias", name):
        found |= _biases(config, name)
    return found | ({"qkv_bias": True} if kind == "qwen2" else {})


def _biases(config: Mapping[str, Any], name: str) -> dict[str, bool]:
    """Return the biases of Llama's options: attention's four matrices, or those and the MLP's three."""
    if not config.get("attention_bias"):
        raise UsageError(f"The config of {name!r}: mlp_bias without attention_bias is not understood.")
    return {"all_biases": True} if config.get("mlp_bias") else {"qkv_bias": True, "output_bias": True}


def checked(name: str, found: Mapping[str, Any]) -> dict[str, Any]:
    """Return a shape's fields with the usual ones added.

    Raises:
        UsageError: a size is missing, is no whole number above 0, or does not divide another.
    """
    for key in found.keys() & KEYS.keys():
        _number(key, found[key], name)
    if missing := [key for key in ("layers", "width", "intermediate", "heads", "vocabulary") if not found.get(key)]:
        raise UsageError(f"The config of {name!r} does not say: {', '.join(missing)}.")
    given = {key: value for key, value in found.items() if value != 0 or key not in KEYS}
    if "head_size" not in given and found["width"] % found["heads"]:
        raise UsageError(f"The config of {name!r}: {found['heads']} heads do not divide a width of {found['width']}.")
    usual = {"kv_heads": found["heads"], "head_size": found["width"] // found["heads"], "context": CONTEXT}
    fields = usual | given
    if fields["heads"] % fields["kv_heads"]:
        raise UsageError(
            f"The config of {name!r}: {fields['kv_heads']} KV heads do not divide {fields['heads']} heads."
        )
    if fields.get("experts") and not 1 <= fields.get("experts_per_token", 0) <= fields["experts"]:
        chosen = fields.get("experts_per_token")
        raise UsageError(f"The config of {name!r}: a token cannot have {chosen} of {fields['experts']} experts.")
    return fields


def _number(key: str, value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST:
        raise UsageError(f"The config of {name!r} has {key} = {short(value)}; it must be a whole number above 0.")
    return value


def _truth(config: Mapping[str, Any], key: str, name: str, *, usual: bool = False) -> bool:
    value = config.get(key)
    if value is not None and not isinstance(value, bool):
        raise UsageError(f"The config of {name!r} has {key} = {short(value)}; it must be true or false.")
    return usual if value is None else value
