"""The check of lesson 02's last exercise: a checkpoint's keys without the wrapper's name. Plain Python, no torch."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from typing import Any

from mgpu_lab.checks.calls import ask
from mgpu_lab.checks.core import Wrong
from mgpu_lab.checks.mistakes import fitting

STATES: tuple[list[str], ...] = (
    ["module.decoder.weight", "module.decoder.bias"],
    ["decoder.SelfAttention.weight", "embedding.weight", "model.norm.scale"],
    ["module.module.decoder.weight", "module.module.loss.scale"],
    ["module.encoder.module.weight", "module.module_list.0.weight", "module.modules.1.bias"],
    ["encoder.module.weight", "module_list.0.weight", "modular.module.module.bias"],
    ["module.module.encoder.module.module.weight", "module.module.olmo.weight"],
    [],
)


def plain_checkpoint(answer: Any) -> str:
    """``plain(state)``: the wrapper's ``module.`` taken from the front of every key, in a new dictionary."""
    numbers = itertools.count()  # each tensor is another number, so one from an earlier call is known; the first is 0
    for kind, keys in itertools.product((dict, OrderedDict), STATES):
        state = kind((key, next(numbers)) for key in keys)
        before = dict(state)
        found = ask(answer, state, shown="plain(state)")
        if not isinstance(found, dict):
            raise Wrong(f"Return a dictionary, not {type(found).__name__}.")
        if dict(state) != before:
            raise Wrong(
                "You changed the dictionary that you were given. Make a new one, and leave the file's as it is."
            )
        if found is state:
            raise Wrong("You returned the dictionary that you were given. Make a new one, also where no key changes.")
        if any(type(value) is int and value < min(state.values(), default=0) for value in found.values()):
            raise Wrong("The result holds tensors of an earlier call: your function keeps something in between.")
        for key, number in state.items():
            judge_key(key, found, [name for name, value in found.items() if value == number])
        if len(found) != len(state):
            raise Wrong(f"{len(state)} tensors went in, {len(found)} keys came out: each tensor once.")
    return f"{len(STATES)} checkpoints: wrapped once, twice, not at all, empty, and with layers called module inside."


def judge_key(key: str, result: dict[Any, Any], under: list[Any]) -> None:
    """Raise Wrong where the tensor of ``key`` is not ``under`` the key without the wrapper's name."""
    wanted = key
    while wanted.startswith("module."):
        wanted = wanted.removeprefix("module.")
    if wanted in under:
        return
    if not under and wanted in result:
        raise Wrong(f"{wanted!r} is there, but what it stands for is not what was under {key!r}.")
    if not under:
        raise Wrong(f"{key!r} is lost: its tensor is in no key of the result.")
    found = under[0]
    if not isinstance(found, str):
        raise Wrong(f"{key!r} became {found!r}: a key is text.")
    inside = (key.replace("module.", ""), key.rsplit("module.", maxsplit=1)[-1])
    letters, twice = (key.lstrip("module."), key.strip("module.")), key.startswith("module.module.")
    mistakes = {
        "the wrapper's name is still in front.": found == key,
        "stripping takes away letters, not a word. Which method takes a whole prefix?": found in letters,
        "a layer inside is called module, too. Only the front belongs to the wrapper.": found in inside,
        "this model was wrapped twice.": twice and found == key.removeprefix("module."),
        "this key has no wrapper's name in front, so it stays as it is.": wanted == key,
        "the dot belongs to the prefix.": found == f".{wanted}",
    }
    otherwise = "take away `module.` as often as it stands in front, and nothing else."
    raise Wrong(f"{key!r} became {found!r}: {fitting(mistakes, bool) or otherwise}")
