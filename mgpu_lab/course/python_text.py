"""Text that comes with Python as tokens for a small language model, and which model a lesson starts from.

Two kinds of text: the *reference* (``pydoc_data.topics``), which the course's base model learned, and the *source code*
of nine modules of the standard library, new to it. The last tenth of each module is held out to measure on. A token is
a byte, unless MGPU_LAB_MODEL names another model: then it is what that model's tokenizer makes of the text.
"""

import importlib.util
import logging
import os
import random
import warnings
from pathlib import Path
from typing import Any

from mgpu_lab.wire.errors import UsageError

VARIABLE = "MGPU_LAB_MODEL"
MODULES = ("argparse", "ast", "inspect", "tarfile", "datetime", "zipfile", "subprocess", "typing", "dataclasses")
WINDOWS_TO_MEASURE, LONG = 12, 256


def base_model(course_model: str) -> str:
    """Return the folder, or name on the hub, of the model to start from: MGPU_LAB_MODEL, or the course's own.

    Raises:
        UsageError: nothing loads under that name, or its layers are not what the lesson takes apart.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    quiet_libraries()
    name = os.environ.get(VARIABLE, course_model)
    missing = (
        f"{VARIABLE} names {name!r}: there is no such folder in {Path.cwd().name}/, where this notebook runs, and the "
        "hub gave no such model. Use an absolute path or a name such as Qwen/Qwen2.5-0.5B, and start Jupyter again."
    )
    path = Path(name)
    if not path.exists() and (path.is_absolute() or (len(path.parts) > 1 and path.parent.exists())):
        raise UsageError(missing)
    try:
        config = AutoConfig.from_pretrained(name)
    except (OSError, ValueError) as error:
        raise UsageError(missing) from error
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]
    if not hasattr(model.get_decoder(), "layers") or not matrices(model):
        msg = (
            f"{VARIABLE} names {name!r}, a {type(model).__name__}. This lesson takes models whose blocks are in "
            "`model.layers` and made of torch.nn.Linear, as Llama, Mistral and Qwen are; GPT-2's are Conv1D."
        )
        raise UsageError(msg)
    return name


def source_of(name: str) -> str:
    """Return the source of a module of the standard library; in newer Pythons some are packages, as zipfile in 3.12."""
    found = importlib.util.find_spec(name)
    return Path((found and found.origin) or "").read_text(encoding="utf-8")


def matrices(model: Any) -> list[Any]:
    """Return a model's linear layers in order, all but the head: those that 4-bit loading replaces."""
    import torch

    head = model.get_output_embeddings()
    return [layer for layer in model.modules() if isinstance(layer, torch.nn.Linear) and layer is not head]


def quiet_libraries() -> None:
    """Silence progress bars, and messages about packages and names that concern no lesson."""
    from transformers.utils.logging import disable_progress_bar, set_verbosity_error

    disable_progress_bar()  # type: ignore[no-untyped-call]
    set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.getLogger("bitsandbytes").setLevel("ERROR")  # it misses an optional package that we do not need
    warnings.simplefilter("ignore", FutureWarning)  # peft uses names that Transformers will change
    warnings.filterwarnings("ignore", message="Paged optimizers are not supported on CPU")  # the lesson says it


class PythonText:
    """Python's own text as lists of tokens: ``reference``, ``source`` and ``held_out``.

    >>> text = PythonText("models/base-llama")
    >>> text.batch(4).shape, text.loss(model, text.held_out)
    (torch.Size([4, 128]), 2.117)
    """

    def __init__(self, model: str, device: Any = "cpu") -> None:
        from pydoc_data.topics import topics

        self.device, self.tokenizer = device, None
        if VARIABLE in os.environ:
            from transformers import AutoTokenizer

            self.tokenizer = AutoTokenizer.from_pretrained(model)
        self.reference = self.encode("\n".join(topics.values()))
        self.source: list[int] = []
        self.held_out: list[int] = []
        for name in MODULES:
            module = source_of(name)
            self.source += self.encode(module[: -len(module) // 10])
            self.held_out += self.encode(module[-len(module) // 10 :])

    def encode(self, text: str) -> list[int]:
        """Return a text's tokens."""
        return list(self.tokenizer(text, verbose=False).input_ids) if self.tokenizer else list(text.encode())

    def decode(self, tokens: list[int]) -> str:
        """Return the text of tokens; what is no character becomes one that says so."""
        return str(self.tokenizer.decode(tokens)) if self.tokenizer else bytes(tokens).decode(errors="replace")

    def windows(self, tokens: list[int], starts: Any, length: int = 128) -> Any:
        """Return pieces of the tokens, ``[starts, length]``."""
        import torch

        return torch.tensor([tokens[start : start + length] for start in starts], device=self.device)

    def batch(self, count: int, seed: Any = 0, length: int = 128) -> Any:
        """Return windows of the source code, ``[count, length]``; the same for the same seed."""
        draw = random.Random(str(seed))  # noqa: S311 - no secret
        return self.windows(self.source, [draw.randrange(len(self.source) - length) for _ in range(count)], length)

    def to_measure(self, tokens: list[int]) -> Any:
        """Return 12 windows of 256 tokens, evenly spread over a text."""
        starts = range(0, len(tokens) - LONG, len(tokens) // WINDOWS_TO_MEASURE)
        return self.windows(tokens, starts, LONG)

    def loss(self, model: Any, tokens: list[int]) -> float:
        """Return the mean loss in nats for each token of `to_measure`'s windows."""
        import torch

        with torch.no_grad():
            batch = self.to_measure(tokens)
            return float(model(input_ids=batch, labels=batch).loss)
