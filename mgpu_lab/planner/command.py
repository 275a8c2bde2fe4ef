"""``python -m mgpu_lab plan MODEL MACHINE``: a plan's table in a terminal.

Exit status: 0 where the plan fits, 1 where it does not or its card's memory is not known, 2 for what is not understood.
"""

import argparse
import difflib
import json
import re
from dataclasses import fields
from typing import Any, NoReturn, get_args

from mgpu_lab.planner.inference import plan_inference
from mgpu_lab.planner.recipe import CHOICES, COUNTS, Recipe
from mgpu_lab.planner.serving import Cache, Weights
from mgpu_lab.planner.shapes import presets
from mgpu_lab.planner.shown.data import plan_data
from mgpu_lab.planner.shown.plan_table import plan_table
from mgpu_lab.planner.shown.plans import Price, setting
from mgpu_lab.planner.training import plan_training
from mgpu_lab.wire.errors import UsageError

SERVING = {
    "weights": f"number format of the weights: {', '.join(get_args(Weights))}",
    "kv": f"number format of keys and values: {', '.join(get_args(Cache))} (usual: as the weights, or bf16)",
    "batch": "requests that a replica generates at once",
    "context": "tokens of each request in the cache",
    "prompt": "of these, the tokens of the prompt",
    "replicas": "copies of the model",
}
BOTH = ("tensor_parallel", "pipeline_parallel")
OURS = ("command", "run", "model", "machine", "inference", "json", "sources", "usd_per_gpu_hour", "tokens")
FLAGS = OURS[4:]
COUNT = re.compile(r"\d+[x×]?", re.IGNORECASE)  # noqa: RUF001


def add_parser(commands: Any) -> None:
    """Add the command `plan`, with every field of `Recipe` as an option."""
    about = "say whether a model fits on a machine, how fast it is, what limits it and what it costs"
    parser = commands.add_parser("plan", help=about, description=about, argument_default=argparse.SUPPRESS)
    parser.add_argument("model", metavar="MODEL", help=f"a folder with config.json, or {', '.join(presets())}")
    parser.add_argument("machine", metavar="MACHINE", help='"8x H100-SXM-80GB", "RTX-4090"')
    parser.add_argument("--inference", action="store_true", default=False, help="plan serving instead of training")
    parser.add_argument("--json", action="store_true", default=False, help="print the plan as JSON")
    parser.add_argument("--sources", action="store_true", default=False, help="print what the plan rests on, too")
    parser.add_argument("--usd-per-gpu-hour", type=float, default=None, metavar="USD", help="price, to print the cost")
    parser.add_argument("--tokens", type=float, default=1e9, metavar="N", help="tokens that the cost is for (1e9)")
    _add_settings(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Plan, print, and return the exit status."""
    price = Price(options.usd_per_gpu_hour, options.tokens)
    settings = _settings(options)
    planner: Any = plan_inference if options.inference else plan_training
    plan = planner(options.model, options.machine, **settings)
    if options.json:
        print(json.dumps(plan_data(plan, price), indent=1))
    else:
        table = plan_table(plan, usd_per_gpu_hour=price.usd_per_gpu_hour, tokens=price.tokens)
        print(table, *([f"\n{table.assumptions()}"] if options.sources else []), sep="\n")
    return 0 if plan.fits else 1


def refuse_left(options: argparse.Namespace, left: list[str]) -> NoReturn:
    """Refuse what is left of a command: a machine without its quotes, or an option that there is not.

    Raises:
        UsageError: always; it says what was probably meant.
    """
    first = left[0].partition("=")[0]
    if not first.startswith("-"):
        quoted = f'"{options.machine} {first}"'
        hint = f" The machine is one word: {quoted}, with the quotes." if COUNT.fullmatch(options.machine) else ""
        raise UsageError(f"{first!r} is one word too many.{hint}")
    known = [_flag(name) for name in (*Recipe.__dataclass_fields__, *SERVING, *FLAGS) if name != "world_size"]
    near = difflib.get_close_matches(first.replace("_", "-"), known, n=1)
    hint = f" Did you mean {near[0]}?" if near else " --help lists all."
    raise UsageError(f"there is no option {first}.{hint}")


def _settings(options: argparse.Namespace) -> dict[str, object]:
    """Return the settings that were given; those of the other kind of plan are refused."""
    given = {name: setting(name, text) for name, text in vars(options).items() if name not in OURS}
    known = {*SERVING, *BOTH} if options.inference else Recipe.__dataclass_fields__.keys() - {"world_size"}
    if wrong := [_flag(name) for name in given if name not in known]:
        kind = "inference" if options.inference else "training"
        raise UsageError(f"a plan of {kind} has no {', '.join(wrong)}. It has {', '.join(map(_flag, sorted(known)))}.")
    return given


def _add_settings(parser: argparse.ArgumentParser) -> None:
    training, serving = parser.add_argument_group("training"), parser.add_argument_group("inference")
    for field in fields(Recipe):
        if field.name != "world_size":
            training.add_argument(_flag(field.name), help=_help(field.name, field.default), **_kind(field.name))
    for name, about in SERVING.items():
        number = {"metavar": "WORD"} if name in ("weights", "kv") else {"type": int, "metavar": "N"}
        serving.add_argument(_flag(name), help=about, **number)


def _kind(name: str) -> dict[str, Any]:
    """Say how a setting is given: as a number, as a word, or, where it has settings of its own, as JSON."""
    if name in COUNTS:
        return {"type": int, "metavar": "N"}
    return {"metavar": "WORD"} if name in CHOICES else {"type": json.loads, "metavar": "JSON"}


def _help(name: str, usual: object) -> str:
    words = ", ".join(str(choice).lower() for choice in CHOICES.get(name, ()))
    return f"{words} (usual: {str(usual).lower()})" if words else f"usual: {usual}"


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"
