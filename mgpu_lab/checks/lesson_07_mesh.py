"""The check of lesson 07's exercise in the notebook's kernel: a mesh for each of four machines and models.

Rules first, each with its own hint; then the seconds beside computing, which takes as long on any mesh. Any mesh within
a tenth of the fewest is right.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from typing import Any

from mgpu_lab.checks.core import Wrong
from mgpu_lab.checks.mistakes import brief, number_of

DIMENSIONS = ("pp", "ddp", "fsdp", "tp")  # as in a mesh's shape: the last one's ranks are neighbours
AS_GOOD = 1.1
STATE_BYTES, NUMBER_BYTES = 16, 2  # per parameter: weights, gradients, Adam; of a number that is sent, bf16


@dataclass(frozen=True)
class Case:
    """A machine and a model. Rates are those of one GPU; ``compute_s`` is how long they all compute in a step."""

    hosts: int
    gpus_per_host: int
    memory_gb: float
    inside_gb_s: float
    between_gb_s: float
    parameters: float
    layers: int
    width: int
    kv_heads: int
    tokens: int  # of a sequence
    sequences: int  # of a step
    sequence_gb: float  # activations of one sequence
    compute_s: float

    @property
    def gpus(self) -> int:
        return self.hosts * self.gpus_per_host


JUDGED = {
    "A": Case(1, 4, 24, 20, 20, 0.5e9, 24, 1024, 8, 2048, 64, 0.5, 1.6),
    "B": Case(1, 8, 80, 300, 300, 8e9, 32, 4096, 4, 8192, 16, 12, 2.0),
    "C": Case(16, 8, 80, 300, 50, 70e9, 80, 8192, 8, 8192, 16, 100, 1.4),
    "D": Case(4, 2, 80, 20, 1.25, 13e9, 40, 5120, 8, 2048, 128, 2, 25.0),
}
CASES = {name: replace(case) for name, case in JUDGED.items()}  # the learner's, to look at and to try with
Mesh = dict[str, int]


def choose_mesh(answer: Any) -> str:
    """``{"A": {"ddp": 2, "fsdp": 1, "tp": 2, "pp": 1}, "B": ...}``; a dimension that is left out is 1."""
    if not isinstance(answer, dict) or set(answer) - set(JUDGED):
        raise Wrong(f"Answer with a dictionary that has a mesh for each of {', '.join(JUDGED)}, and nothing else.")
    still_open = [name for name in JUDGED if answer.get(name) is None or answer[name] is ...]
    if len(still_open) == len(JUDGED):
        raise NotImplementedError
    for name, case in JUDGED.items():
        if name not in still_open:
            judge_mesh(name, case, answer[name])
    if still_open:
        raise Wrong(f"What is filled in is right. Still open: {', '.join(still_open)}.")
    return "Four machines, each within a tenth of the fastest mesh that keeps the rules."


def judge_mesh(name: str, case: Case, given: Any) -> None:
    mesh = mesh_from(name, given)
    if hint := rule_broken(case, mesh) or no_room(case, mesh):
        raise Wrong(f"{name}, {shown(mesh)}: {hint}")
    parts, fastest = seconds(case, mesh), best(case)
    taken, least = sum(parts.values()), sum(seconds(case, fastest).values())
    if taken > AS_GOOD * least:
        largest = max(parts, key=lambda part: parts[part])
        raise Wrong(
            f"{name}, {shown(mesh)}: keeps all rules and takes {taken:.3g} s beside computing; {least:.3g} s is "
            f"possible. The largest part is {largest}: {parts[largest]:.3g} s{where(case, mesh, largest)}."
        )


def mesh_from(name: str, given: Any) -> Mesh:
    """Return an answer's mesh with all four dimensions."""
    if not isinstance(given, dict) or set(given) - set(DIMENSIONS):
        raise Wrong(f'{name}: a mesh is a dictionary with the keys "ddp", "fsdp", "tp" and "pp", not {given!r}.')
    numbers = {dimension: number_of(given.get(dimension, 1)) for dimension in DIMENSIONS}
    for dimension, number in numbers.items():
        if number is None or number < 1 or not number.is_integer():
            raise Wrong(f"{name}: {dimension} is a number of ranks, 1 or more, not {brief(given[dimension])}.")
    return {dimension: int(number or 1) for dimension, number in numbers.items()}


def rule_broken(case: Case, mesh: Mesh) -> str | None:
    """Say which rule a mesh breaks; memory is another question."""
    tp, pp, readers, product = mesh["tp"], mesh["pp"], mesh["ddp"] * mesh["fsdp"], math.prod(mesh.values())
    rules = {
        f"the dimensions multiply to {product}, and there are {case.gpus} GPUs.": product == case.gpus,
        f"a tp group of {tp} does not lie inside a host of {case.gpus_per_host} GPUs.": case.gpus_per_host % tp == 0,
        f"{case.kv_heads} KV heads cannot be dealt to {tp} ranks.": case.kv_heads % tp == 0,
        f"{case.layers} layers do not make {pp} equal stages.": case.layers % pp == 0,
        f"ddp x fsdp = {readers} groups read sequences of their own, and a step has {case.sequences}.": (
            case.sequences % readers == 0
        ),
        "fsdp and pp together: every micro-batch would gather the weights again. Here take one of the two.": (
            mesh["fsdp"] == 1 or pp == 1
        ),
    }
    return next((hint for hint, kept in rules.items() if not kept), None)


def no_room(case: Case, mesh: Mesh) -> str | None:
    state, activations = state_gb(case, mesh), activations_gb(case, mesh)
    if state + activations <= case.memory_gb:
        return None
    return (
        f"does not fit. 16 bytes x parameters / (fsdp x tp x pp) is {state:.3g} GB, the activations are "
        f"{activations:.3g} GB, and a GPU has {case.memory_gb:g} GB."
    )


def state_gb(case: Case, mesh: Mesh) -> float:
    return STATE_BYTES * case.parameters / 1e9 / (mesh["fsdp"] * mesh["tp"] * mesh["pp"])


def activations_gb(case: Case, mesh: Mesh) -> float:
    """One pass of all its sequences; in a 1F1B pipeline p micro-batches of 1/p of the layers: one sequence's worth."""
    at_once = 1 if mesh["pp"] > 1 else case.sequences / (mesh["ddp"] * mesh["fsdp"])
    return at_once * case.sequence_gb / mesh["tp"]


def seconds(case: Case, mesh: Mesh) -> dict[str, float]:
    """Tell what a step takes beyond computing, nothing overlapped: bytes that one GPU sends by rate, and the bubble.

    >>> {part: round(taken, 3) for part, taken in seconds(CASES["A"], {"pp": 1, "ddp": 4, "fsdp": 1, "tp": 1}).items()}
    {'tp': 0.0, 'fsdp': 0.0, 'ddp': 0.075, 'pp': 0.0, 'the bubble': 0.0}
    """
    pp, ddp, fsdp, tp = (mesh[dimension] for dimension in DIMENSIONS)
    mine = case.sequences / (ddp * fsdp)
    weights = NUMBER_BYTES * case.parameters / (tp * pp)
    activations = NUMBER_BYTES * case.width * case.tokens * mine
    sent = {
        "tp": 4 * case.layers / pp * activations * 2 * (tp - 1) / tp,
        "fsdp": 3 * weights * (fsdp - 1) / fsdp,
        "ddp": 2 * weights / fsdp * (ddp - 1) / ddp,
        "pp": 2 * activations * (pp > 1),
    }
    taken = {dimension: size / 1e9 / rate(case, mesh, dimension) for dimension, size in sent.items()}
    return {**taken, "the bubble": case.compute_s * (pp - 1) / mine}


def rate(case: Case, mesh: Mesh, dimension: str) -> float:
    """GB/s of the slowest link of a group: ranks of a host are neighbours, and so are those of inner dimensions."""
    inner = math.prod(mesh[each] for each in DIMENSIONS[DIMENSIONS.index(dimension) :])
    return case.inside_gb_s if inner <= case.gpus_per_host else case.between_gb_s


def best(case: Case) -> Mesh:
    """Return the fastest of all meshes that keep the rules."""
    sizes = [size for size in range(1, case.gpus + 1) if case.gpus % size == 0]
    meshes = [dict(zip(DIMENSIONS, each, strict=True)) for each in itertools.product(sizes, repeat=len(DIMENSIONS))]
    fitting = [mesh for mesh in meshes if not rule_broken(case, mesh) and not no_room(case, mesh)]
    return min(fitting, key=lambda mesh: sum(seconds(case, mesh).values()))


def shown(mesh: Mesh) -> str:
    """Describe a mesh in the order in which one reads it.

    >>> shown({"pp": 1, "ddp": 2, "fsdp": 1, "tp": 4})
    'ddp 2 x tp 4'
    """
    return " x ".join(f"{each} {mesh[each]}" for each in ("ddp", "fsdp", "tp", "pp") if mesh[each] > 1) or "1 GPU"


def where(case: Case, mesh: Mesh, part: str) -> str:
    if part not in DIMENSIONS or case.hosts == 1:
        return ""
    return " over the network" if rate(case, mesh, part) == case.between_gb_s else " inside the hosts"
