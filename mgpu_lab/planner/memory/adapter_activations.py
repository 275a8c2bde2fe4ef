"""What autograd keeps of a layer whose matrices are frozen and have LoRA beside them.

A frozen matrix needs no gradient, so its input is not kept for it; a frozen RMSNorm keeps no normed input. LoRA's A
keeps its input and B keeps A's output. Source: peft 0.19 `tuners/lora/layer.py` (`_cast_input_dtype`) and a recorded
graph of Transformers 5.23's Llama.
"""

from collections.abc import Iterable

from mgpu_lab.planner.memory.activations import WIDE, Saved, attention_saved, checkpointed, mlp_saved, sizes
from mgpu_lab.planner.memory.matrices import layer_linears
from mgpu_lab.planner.recipe import Recipe
from mgpu_lab.planner.shapes import ModelShape


def under_autocast(recipe: Recipe) -> bool:
    """Whether fp32 adapters run under `torch.autocast`: DDP with `master="fp32"`, as Trainer's `bf16=True` does it.

    With `master=None` there is no autocast, and fp32 adapters compute in fp32. FSDP and ZeRO gather or keep the
    adapters in `dtype`, so they compute in it.
    """
    return recipe.method == "ddp" and recipe.master == "fp32" and recipe.bytes < WIDE


def casts_input(recipe: Recipe) -> bool:
    """Whether peft casts what an adapter reads, so that each adapter keeps a copy of its own: fp32 adapters only."""
    return recipe.method == "ddp" and recipe.bytes < WIDE


def adapter_bytes(recipe: Recipe) -> int:
    """Return the bytes of a number that adapters compute with."""
    return WIDE if casts_input(recipe) and not under_autocast(recipe) else recipe.bytes


def short(name: str) -> str:
    """Return a matrix's name on the tape: "q_proj" is "q", GPT-2's fused "c_attn" is played as "q"."""
    return {"c_attn": "q", "c_proj": "o"}.get(name, name.removesuffix("_proj"))


def linears_of(shape: ModelShape) -> dict[str, tuple[float, float]]:
    """Return inputs and outputs of each matrix of a layer that one token meets."""
    chosen = max(1, shape.experts_per_token)
    return {
        short(one.name): tuple(n * (chosen if one.count > 1 and n == shape.intermediate else 1) for n in ends)  # type: ignore[misc]
        for one in layer_linears(shape)
        for ends in [(one.inputs, one.outputs)]
    }


def layer_kept(shape: ModelShape, recipe: Recipe, *, first: bool = False) -> tuple[Saved, ...]:
    """Return what one layer keeps without checkpointing; the first layer's input needs no gradient."""
    of, each = sizes(shape, recipe), adapter_bytes(recipe)
    kept = [] if first else [Saved("attention norm input", of.width, WIDE), Saved("attention norm 1/rms", 1, WIDE)]
    kept += [Saved("MLP norm input", of.width, WIDE), Saved("MLP norm 1/rms", 1, WIDE), *attention_saved(of)]
    kept += [one for one in mlp_saved(shape, of) if one.name != "product"]
    for name, (inputs, _) in linears_of(shape).items():
        kept.append(Saved(f"{name} between A and B", recipe.lora_rank, each))
        if casts_input(recipe):
            kept.append(Saved(f"{name} input", inputs, each))
    if not casts_input(recipe):
        kept += [Saved(f"{name} read by matrices", of.width, of.compute) for name in ("attention norm", "MLP norm")]
        kept.append(Saved("product", of.inner, of.compute))
    return tuple(kept)


def between(shape: ModelShape, recipe: Recipe, *, first: bool = False) -> tuple[Saved, ...]:
    """Return what one layer keeps between forward and backward with this recipe's checkpointing."""
    if recipe.checkpointing == "none":
        return layer_kept(shape, recipe, first=first)
    return checkpointed(shape, recipe)


def ends_kept(shape: ModelShape, recipe: Recipe) -> tuple[Saved, ...]:
    """Return what lies behind the layers: the last norm and the log-softmax. A frozen head keeps no input.

    DeepSpeed's stage 3 does: its linear layer is an autograd function that keeps what it reads
    (``runtime/zero/linear.py``).
    """
    of = sizes(shape, recipe)
    kept = [Saved("last norm input", of.width, WIDE), Saved("last norm 1/rms", 1, WIDE)]
    if recipe.method == "zero3":
        kept.append(Saved("last norm read by matrices", of.width, of.compute))
    return (*kept, Saved("log-softmax", of.vocabulary, WIDE))


def size_of(saved: Iterable[Saved], tokens: int) -> int:
    return sum(one.size_bytes(tokens) for one in saved)
