"""The course's small language model as a folder that vLLM can serve: weights, config and a tokenizer of 256 bytes.

>>> folder = model_folder("models/base-llama")  # doctest: +SKIP
>>> LLM(model=folder, dtype="float32")  # doctest: +SKIP

The model reads bytes and needs no tokenizer in Python: ``list(text.encode())``. A server that is sent text does. So
this one's token numbers are the bytes: ``tokenizer("é").input_ids == list("é".encode())``. In tokenizer.json a byte is
written as a printable character, the way GPT-2 does it (``bytes_to_unicode`` in openai/gpt-2, src/encoder.py).
"""

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from mgpu_lab.wire.errors import UsageError

WEIGHTS_AND_CONFIG = ("config.json", "generation_config.json", "*.safetensors", "*.safetensors.index.json")
AS_THEY_ARE = {*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAC + 1), *range(0xAE, 0xFF + 1)}
FIRST_STAND_IN = 256


def model_folder(model: Any = "models/base-llama", folder: str | Path | None = None) -> str:
    """Write a model that reads bytes, and its tokenizer, into a folder, and return the folder's name.

    ``model`` is a folder as ``save_pretrained`` writes it, or a Transformers model, such as one of random weights in a
    size of your own. Without ``folder`` it is written to a new one in the system's temporary directory.

    Raises:
        UsageError: there is no such model folder.
    """
    target = Path(folder) if folder is not None else Path(tempfile.mkdtemp(prefix="mgpu-lab-model-"))
    target.mkdir(parents=True, exist_ok=True)
    if isinstance(model, str | Path):
        _copy(Path(model), target)
    else:
        model.save_pretrained(target)
    write_byte_tokenizer(target)
    return str(target)


def write_byte_tokenizer(folder: str | Path) -> None:
    """Write a fast tokenizer of 256 tokens into a folder; token 65 is the byte 65, and no token is special."""
    as_bytes = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    pipeline: dict[str, Any] = {"version": "1.0", "pre_tokenizer": as_bytes, "decoder": as_bytes, "added_tokens": []}
    pipeline |= dict.fromkeys(("truncation", "padding", "normalizer", "post_processor"))
    vocabulary = {character: byte for byte, character in byte_characters().items()}
    pipeline["model"] = {"type": "BPE", "vocab": vocabulary, "merges": []}
    _write(Path(folder, "tokenizer.json"), pipeline)
    loaded_as = {"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False}
    _write(Path(folder, "tokenizer_config.json"), loaded_as)


def byte_characters() -> dict[int, str]:
    """Return the character that stands for each byte: itself if it can be printed, else one from 256 on, in order."""
    hidden = (byte for byte in range(256) if byte not in AS_THEY_ARE)
    stand_ins = {byte: chr(FIRST_STAND_IN + count) for count, byte in enumerate(hidden)}
    return {byte: stand_ins.get(byte, chr(byte)) for byte in range(256)}


def _copy(model: Path, target: Path) -> None:
    if not (model / "config.json").is_file():
        raise UsageError(f"{model} is no model folder: no config.json; the course's is notebooks/models/base-llama")
    for pattern in WEIGHTS_AND_CONFIG:
        for path in model.glob(pattern):
            shutil.copy(path, target)


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1), encoding="utf-8")
