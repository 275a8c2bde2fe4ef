"""The check of lesson 05's `adapt(model, r, alpha)`: what trains, what is untouched, gradients, and bytes.

Each rank checks for itself, on small models without 4-bit layers. An answer may keep its detours wherever it likes: the
gradients are judged against the function that the model computes, not against named parts.
"""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn

from mgpu_lab.checks.calls import ask
from mgpu_lab.checks.core import Wrong, refuse
from mgpu_lab.checks.mistakes import fitting
from mgpu_lab.checks.on_ranks import device_here, off
from mgpu_lab.ledger import memory_ledger

STEPS = 3
WIDTH, INNER, WORDS = 24, 40, 50
TOLERANCE = 1e-4  # rounding of fp32
SLACK_BYTES = 256  # a scale or a name for each layer may be a tensor
WALK = (
    "while it walks over the modules it puts new ones in, and then visits the frozen layer inside its own detour. "
    "Collect the layers first, as in list(model.named_modules()), then replace them"
)
OWN_FORWARD = "the forward pass calls itself. A replaced forward must call the one that the layer had before"


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
    """Layers at the top, in a list and in a dictionary, with biases; a layer's name is almost the head's."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(WORDS, WIDTH)
        self.lift = nn.Linear(WIDTH, INNER)
        last = nn.ModuleDict({"head": nn.Linear(INNER, WIDTH, bias=False)})
        self.rest = nn.ModuleList([nn.Linear(INNER, INNER), last])
        self.lm_head = nn.Linear(WIDTH, WORDS)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        x = torch.tanh(self.rest[0](torch.tanh(self.lift(self.embed(ids)))))
        return torch.as_tensor(self.lm_head(self.rest[1]["head"](x)))  # type: ignore[index]


TRIALS: tuple[tuple[type[nn.Module], int, float], ...] = ((Tiny, 4, 8), (Listed, 3, 12), (Tiny, 2, 1))
SCALES = ((4, 12, False), (8, 4, True), (3, 12, False), (5, 5, True))  # r, alpha, and whether the layer has a bias


def adapt(answer: Any) -> str:
    """``adapt(model, r, alpha)``: adapt small models, train them, compare with before; then one layer's scale."""
    torch.manual_seed(0)
    for make, r, alpha in TRIALS:
        model = make().to(device_here())
        before, known = copy.deepcopy(model), dict(model.named_parameters())
        adapted = ask(answer, model, r, alpha, shown=f"adapt(model, {r}, {alpha:g})", endless=WALK)
        refuse(model_hint(adapted, known) or trains_hint(adapted, before, known, r))
        refuse(training_hint(adapted, before, known) or copies_hint(adapted, before, r) or gradient_hint(adapted))
    for r, alpha, bias in SCALES:
        refuse(scale_hint(answer, r, alpha, bias))
    weights = [each for each in adapted.parameters() if each.requires_grad]
    ledger = memory_ledger(adapted)
    return (
        f"{len(TRIALS)} models: step 0 equal, the base untouched bit for bit after {STEPS} steps, gradients right; "
        f"in the last, {sum(each.numel() for each in weights):,} numbers train beside "
        f"{ledger.parameter_count - sum(each.numel() for each in weights):,} frozen ones."
    )


def linear_layers(model: nn.Module) -> Iterator[tuple[str, nn.Linear]]:
    for name, layer in model.named_modules():
        if isinstance(layer, nn.Linear) and name != "lm_head":
            yield name, layer


def count_of(layer: nn.Linear, r: int) -> int:
    """Count what a detour beside this layer trains."""
    return r * (layer.in_features + layer.out_features)


def ids_of(count: int = 8) -> torch.Tensor:
    return torch.randint(WORDS, (count, 16), device=device_here())


def model_hint(adapted: Any, known: dict[str, nn.Parameter]) -> str | None:
    if not isinstance(adapted, nn.Module):
        return f"adapt must return the model; it returned {type(adapted).__name__}."
    held = {id(each) for each in adapted.parameters()}
    gone = [name for name, weight in known.items() if id(weight) not in held]
    if len(gone) == len(known):
        return "The model that came back holds none of the weights handed in. Adapt it in place, not a copy."
    return (
        f"The model no longer holds the weight handed in as {gone[0]}. Keep the layer in its detour." if gone else None
    )


def trains_hint(adapted: nn.Module, before: nn.Module, known: dict[str, nn.Parameter], r: int) -> str | None:  # noqa: PLR0911 - one hint for each mistake
    loose = [name for name, weight in known.items() if weight.requires_grad]
    if loose:
        return f"Parameters of the base still train ({len(loose)}), such as {loose[0]}. Freeze the base first."
    weights = [weight for weight in adapted.parameters() if weight.requires_grad]
    found, layers = sum(weight.numel() for weight in weights), dict(linear_layers(before))
    wanted = sum(count_of(layer, r) for layer in layers.values())
    if found == wanted:
        return None
    if not found and len(list(adapted.parameters())) > len(known):
        return "Nothing trains: the detours are frozen, too. Freeze the base before they are made, or apart from them."
    if not found:
        return (
            "Nothing trains: the model has no parameter that it did not have before. Does the search reach nested "
            "layers, as named_modules() does, and are a detour's matrices parameters of a module?"
        )
    head = before.lm_head
    if isinstance(head, nn.Linear) and found == wanted + count_of(head, r):
        return "The head has a detour too. Leave out the layer called lm_head."
    deep = sum(count_of(layer, r) for name, layer in layers.items() if ".mlp." in name)
    if deep and found == wanted - deep:
        return "Layers inside nested modules have no detour. named_modules() finds layers at every depth."
    named = sum(count_of(layer, r) for name, layer in layers.items() if name.endswith("head"))
    if named and found == wanted - named:
        return "A layer has no detour because its name ends in head. Only the one called lm_head is left out."
    return f"{found:,} numbers train, {wanted:,} expected: r * (in + out) for every linear layer but the head."


def training_hint(adapted: nn.Module, before: nn.Module, known: dict[str, nn.Parameter]) -> str | None:  # noqa: PLR0911 - one hint for each mistake
    """Compare step 0, train a few steps; judge the base, and whether anything was learned."""
    ids = ids_of()
    shown = "the adapted model on token ids"
    touched = [name for name, weight in before.named_parameters() if not torch.equal(weight, known[name])]
    if touched:
        return f"The base has changed: {touched[0]} is not what it was before the call."
    if not torch.equal(ask(adapted, ids, shown=shown, endless=OWN_FORWARD), before(ids)):
        return (
            "Step 0 is not equal to the model before, bit for bit. The detour must be added to the layer's own "
            "output, and add exactly nothing at first: which of its matrices starts at zero?"
        )
    weights = [each for each in adapted.parameters() if each.requires_grad]
    optimizer, first = torch.optim.AdamW(weights, lr=0.01), adapted(ids).detach()
    for step in range(STEPS):
        optimizer.zero_grad()
        logits = adapted(ids[:, :-1])
        if not logits.requires_grad:
            return "No gradient reaches a detour. Is it part of the forward pass, and not detached?"
        nn.functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten()).backward()  # type: ignore[no-untyped-call]
        if any(weight.grad is None for weight in weights):
            return "No gradient reaches one of the detours. Is every one part of the forward pass?"
        if step == 0 and not any(weight.grad.any() for weight in weights if weight.grad is not None):
            return "All gradients are zero. Where A and B both start at zero, neither can ever move."
        optimizer.step()
    optimizer.zero_grad()
    touched = [name for name, weight in before.named_parameters() if not torch.equal(weight, known[name])]
    if touched:
        return f"The base has changed: {touched[0]}. A detour is added to the output, never into the weight."
    with torch.no_grad():
        last, in_eval = adapted(ids), adapted.eval()(ids)
    adapted.train()
    if torch.equal(last, first):
        return f"After {STEPS} steps the output is what it was. Are the detours part of the forward pass?"
    if off(in_eval, last) > TOLERANCE:
        return "In eval mode the output is another one than in train mode. A detour is added in both."
    return None


def gradient_hint(adapted: nn.Module) -> str | None:
    """Compare the gradients with how much the loss really changes, all matrices filled; the model is used up by it.

    In fp64, where the answer computes in it; in fp32 with a longer step and less strictly where it does not.
    """
    ids = ids_of()
    push = torch.randn(*ids.shape, WORDS, dtype=torch.float64, device=ids.device)

    def loss() -> torch.Tensor:
        return torch.as_tensor((adapted(ids).double() * push).mean())

    step, tolerance = 1e-5, 1e-3
    try:
        adapted.double()
        loss()
    except RuntimeError:  # an answer that mixes in tensors of its own type
        adapted.float()
        step, tolerance = 1e-2, 0.05
    weights = [each for each in adapted.parameters() if each.requires_grad]
    for weight in weights:
        nn.init.normal_(weight, std=0.3)
    loss().backward()  # type: ignore[no-untyped-call]
    for weight in weights:
        direction = torch.randn_like(weight)
        said = float((weight.grad * direction).sum()) if weight.grad is not None else 0.0
        real = slope_along(loss, weight, direction, step)
        if abs(real - said) > tolerance * max(abs(real), abs(said), 1e-4):
            return (
                f"The gradients are not right: moving one of the matrices ({list(weight.shape)}) a little changes the "
                f"loss by {real:.3g} a unit, its gradient says {said:.3g}. A gradient must pass back through the "
                "frozen layers, too: they need none for their weights, but no_grad or detach cuts off what lies before."
            )
    return None


@torch.no_grad()
def slope_along(loss: Callable[[], torch.Tensor], weight: nn.Parameter, direction: torch.Tensor, step: float) -> float:
    """Return how fast the loss changes along a direction, from two losses on both sides."""
    middle = weight.detach().clone()
    weight.copy_(middle + step * direction)
    above = float(loss())
    weight.copy_(middle - step * direction)
    below = float(loss())
    weight.copy_(middle)
    return (above - below) / (2 * step)


def copies_hint(adapted: nn.Module, before: nn.Module, r: int) -> str | None:
    """Judge whether the adapted model holds more than the base and the detours."""
    adapters = sum(4 * count_of(layer, r) for _, layer in linear_layers(before))
    slack = SLACK_BYTES * len(list(before.modules()))
    more = held_bytes(adapted) - held_bytes(before) - adapters
    if more <= slack:
        return None
    return f"The model now holds {more:,} bytes beyond base and detours. Does a detour keep a copy of its weight?"


def held_bytes(model: nn.Module) -> int:
    """Sum the storages that a model's modules hold as parameters, buffers or attributes, each once; no gradients."""
    held = [*model.parameters(), *model.buffers()]
    held += [each for module in model.modules() for each in vars(module).values() if isinstance(each, torch.Tensor)]
    return sum({each.untyped_storage().data_ptr(): each.untyped_storage().nbytes() for each in held}.values())


def scale_hint(answer: Any, r: int, alpha: float, bias: bool) -> str | None:  # noqa: FBT001 - a part of the case
    """Fill both matrices of one layer and compare its detour with alpha / r * B A x."""
    holder = nn.Sequential(nn.Linear(WIDTH, INNER, bias)).to(device_here())
    x = torch.randn(7, WIDTH, device=device_here())
    plain = holder(x).detach()
    adapted = ask(answer, holder, r, alpha, shown=f"adapt(model, {r}, {alpha:g})", endless=WALK)
    if not isinstance(adapted, nn.Module):
        raise Wrong(f"adapt must return the model; it returned {type(adapted).__name__}.")
    weights = [each for each in adapted.parameters() if each.requires_grad]
    for weight in weights:
        nn.init.normal_(weight)
    thin = [w.T if w.shape[0] == WIDTH else w for w in weights if WIDTH in w.shape and w.dim() > 1]
    wide = [w.T if w.shape[1] == INNER else w for w in weights if INNER in w.shape and w.dim() > 1]
    if not weights:
        return f"In Sequential(Linear({WIDTH}, {INNER})) nothing trains. Only a layer called lm_head is left out."
    if len(thin) != 1 or len(wide) != 1:
        return f"A detour has two matrices, in x r and r x out. Yours has {[list(each.shape) for each in weights]}."
    detour = (x @ thin[0].T @ wide[0].T).detach()
    added = adapted(x).detach() - plain

    def scaled_by(factor: float) -> bool:
        return off(added, detour * factor) < TOLERANCE

    if scaled_by(alpha / r):
        return None
    known = {
        "is not scaled": 1.0,
        "is scaled by alpha": alpha,
        "is scaled by r / alpha": r / alpha,
        "is scaled by alpha / sqrt(r), as in rsLoRA": alpha / r**0.5,
    }
    factor = float((added * detour).sum() / (detour * detour).sum())
    what = fitting(known, scaled_by) or (f"is scaled by {factor:.4g}" if scaled_by(factor) else None)
    if what:
        return f"With r={r} and alpha={alpha:g} the detour {what}. It should be alpha / r, {alpha / r:.4g} here."
    return "The detour does not add alpha / r times B A x to the layer's output."
