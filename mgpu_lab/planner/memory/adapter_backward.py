"""A forward and a backward of a decoder with frozen weights and LoRA adapters, played on a tape.

The order is that of a recorded backward (peft 0.19, torch 2.13): beside each matrix first the adapter's backward, B
then A, then the frozen matrix's, which unpacks NF4 weights for the moment of its product (bitsandbytes 0.50.2,
`MatMul4Bit`).
"""

from typing import Protocol

from mgpu_lab.planner.memory.activations import WIDE, labels_bytes, logits_saved, rotary_bytes
from mgpu_lab.planner.memory.adapter_activations import (
    adapter_bytes,
    between,
    casts_input,
    ends_kept,
    layer_kept,
    linears_of,
    size_of,
    under_autocast,
)
from mgpu_lab.planner.memory.backward import Backward
from mgpu_lab.planner.memory.tape import KEPT, LOOSE, WORKING, Tape
from mgpu_lab.planner.memory.weight_events import Weights
from mgpu_lab.planner.recipe import Recipe
from mgpu_lab.planner.shapes import ModelShape


class AdapterWeights(Weights, Protocol):
    """What a method does with frozen weights, too, while the tape runs."""

    def layers_over(self, tape: Tape) -> None:
        """Forward has left the layers; head and loss follow."""

    def reach(self, tape: Tape, unit: str, weight: str) -> None:
        """Backward comes to a frozen weight."""

    def unpack(self, tape: Tape, unit: str, weight: str) -> None:
        """A product reads a frozen weight: an NF4 one is unpacked, as "unpacked weight"."""


class AdapterBackward(Backward):
    """The frozen decoder's backward: gradients of what is read, and of A and B beside each matrix."""

    weights: AdapterWeights

    def __init__(self, shape: ModelShape, recipe: Recipe, weights: AdapterWeights, tape: Tape) -> None:
        super().__init__(shape, recipe, weights, tape)
        self.ends = linears_of(shape)
        self.adapter, self.copies = adapter_bytes(recipe), casts_input(recipe)
        self.whole = recipe.checkpointing != "none"  # the embedding's output needs a gradient, for checkpoints' sake
        self.of_layer = {  # what a layer needs for its backward, and what it keeps until then; the first one, any other
            first: (layer_kept(shape, recipe, first=first and not self.whole), between(shape, recipe, first=first))
            for first in (True, False)
        }
        self.saved, self.kept = self.of_layer[False]

    def forward(self, layers: int, *, head: bool = True) -> None:
        tape, tokens = self.tape, self.recipe.tokens
        tape.put("rotary table", rotary_bytes(self.shape, self.recipe), LOOSE)
        for layer in range(layers):
            tape.put(f"layer {layer}", size_of(self.of_layer[layer == 0][1], tokens), KEPT)
        self.weights.forward(tape)
        tape.make("last layer's own", self.layer_forward())
        tape.free("last layer's own")
        self.weights.layers_over(tape)
        if head:
            tape.put("labels", labels_bytes(self.recipe))
            self.keep(ends_kept(self.shape, self.recipe))
            if "last norm read by matrices" not in tape.live:  # the model's output holds it until the loss is there
                tape.put("last hidden state", self.narrow)
            self.keep(logits_saved(self.shape, self.recipe), WORKING)
            self.let_go("last hidden state")
            tape.free(*[one.name for one in logits_saved(self.shape, self.recipe)])
        self.weights.forward_over(tape)

    def layer_forward(self) -> float:
        """What a layer's forward takes at its fullest beyond what is kept.

        Without checkpointing that is at the end of `down`; with it at the end of `up`, when nothing else is kept.
        """
        wide, plain = self.adapter > self.of.compute, not self.copies
        if self.whole:
            return (6 if wide else 4) * self.inner + (2 if plain else 4) * self.narrow
        if plain:
            return 5 * self.narrow
        return self.inner + 8 * self.narrow if wide else 3 * self.inner + 7 * self.narrow

    def recomputing(self) -> float:
        """What recomputing takes beyond what it keeps: it stops in `down`, with its gradient scaled already."""
        if not self.copies:
            return 4 * self.narrow
        return self.inner + 7 * self.narrow if self.adapter > self.of.compute else 3 * self.inner + 4 * self.narrow

    def head(self) -> None:
        wide, tape = self.recipe.tokens * self.of.vocabulary * WIDE, self.tape
        tape.make("loss gradient", wide)
        tape.make("logits gradient, fp32", wide)
        tape.free("loss gradient", "log-softmax")
        tape.put("logits gradient", wide * self.of.compute / WIDE)
        tape.look()
        tape.free("logits gradient, fp32")
        self.unit = "root"
        self.weights.reach(tape, "root", "head")
        tape.make("norm gradient", self.narrow)
        tape.free("labels", "logits gradient", *[name for name in ("last norm read by matrices",) if name in tape.live])
        self.norm("last norm")

    def norm(self, place: str) -> None:
        """RMSNorm's backward with a frozen weight."""
        tape, wide = self.tape, self.stream * WIDE
        self.weights.reach(tape, self.unit, place)
        tape.make("normed gradient", self.residual)
        tape.free("norm gradient")
        tape.make("normed gradient, fp32", wide)
        tape.free("normed gradient")
        tape.make("by 1/rms", wide)
        tape.make("by input", wide)
        tape.free("by input", "normed gradient, fp32")
        for name in ("mean", "power", "scaled", "square gradient"):
            tape.make(name, wide)
        tape.free("mean", "power", "scaled", f"{place} input", f"{place} 1/rms")
        tape.make("input gradient, fp32", wide)
        tape.free("by 1/rms", "square gradient")
        tape.make("input gradient", self.residual)
        tape.free("input gradient, fp32")
        self.join("input gradient", self.residual)

    def layer(self, number: int) -> None:
        self.unit = str(number)
        self.weights.before(self.tape, self.unit)
        self.tape.free(f"layer {number}")
        self.saved, self.kept = self.of_layer[number == 0]
        self.keep(self.kept)
        if self.whole:
            self.recompute()
            self.tape.make("recomputed down", self.recomputing())
            self.tape.free("recomputed down")
        self.mlp()
        self.attention()
        self.tape.free(*[one.name for one in self.kept if one.name in self.tape.live])
        self.weights.after(self.tape, self.unit)

    def linear(self, name: str, gradient: str, made: str, *, frozen_input: bool = False, stays: bool = False) -> None:
        """From the gradient of a matrix's output to that of its input, by way of A and B and of the matrix itself."""
        tape, tokens = self.tape, self.recipe.tokens
        inputs, outputs = (size * tokens for size in self.ends[name])
        self.weights.reach(tape, self.unit, name)
        if self.adapter > self.of.compute:
            tape.make("wide gradient", outputs * self.adapter)
            tape.make("scaled gradient", outputs * self.adapter)
            tape.make("base gradient", outputs * self.of.compute)
            tape.free("wide gradient", *([] if stays else [gradient]))
            gradient, stays = "base gradient", False
        else:
            tape.make("scaled gradient", outputs * self.adapter)
        self.adapter_gradient(f"{name} B", self.recipe.lora_rank * outputs // tokens)
        tape.make("gradient between", self.recipe.lora_rank * tokens * self.adapter)
        tape.free("scaled gradient", f"{name} between A and B")
        self.adapter_gradient(f"{name} A", self.recipe.lora_rank * inputs // tokens)
        copy = [f"{name} input"] if self.copies else ["product"] * (name == "down")
        if frozen_input:
            tape.free("gradient between", *copy, *([] if stays else [gradient]))
            return
        self.adapter_input(inputs, copy)
        self.weights.unpack(tape, self.unit, name)
        tape.make("through the matrix", inputs * self.of.compute)
        tape.free(*[one for one in ("unpacked weight",) if one in tape.live], *([] if stays else [gradient]))
        tape.make(made, inputs * self.of.compute)
        tape.free("through the adapter", "through the matrix")

    def adapter_gradient(self, name: str, numbers: float) -> None:
        self.weights.gradient(self.tape, self.unit, name, numbers)
        self.weights.settle(self.tape, self.unit, name, numbers)

    def adapter_input(self, inputs: float, copy: list[str]) -> None:
        """A's input's gradient goes back through the casts that the input came by."""
        tape = self.tape
        tape.make("through A", inputs * self.adapter)
        tape.free("gradient between", *copy)
        if self.copies and under_autocast(self.recipe):
            tape.make("through A, fp32", inputs * WIDE)
            tape.free("through A")
            tape.put("through A", 0)
        if self.copies:
            tape.make("through the adapter", inputs * self.of.compute)
            tape.free("through A", *[one for one in ("through A, fp32",) if one in tape.live])
        else:
            tape.put("through the adapter", inputs * self.of.compute)
            tape.free("through A")

    def mlp(self) -> None:
        tape, inner = self.tape, self.inner
        self.linear("down", "stream gradient", "product gradient", stays=True)
        for name in ("up gradient", "silu gradient"):
            tape.make(name, inner)
        here = ("silu", "up", "half", "tanh", "one and tanh", "product")
        tape.free("product gradient", *[one for one in here if one in tape.live])
        self.linear("up", "up gradient", "norm gradient")
        tape.make("gate gradient", inner)
        tape.free("silu gradient", "gate")
        if self.shape.gated:
            self.linear("gate", "gate gradient", "norm gradient 2")
            self.merge("norm gradient", "norm gradient 2")
        else:
            tape.free("gate gradient")
        self.let_go("MLP norm read by matrices")
        if self.shape.experts:
            tape.free(*[one.name for one in self.saved if "experts" in one.name or one.name == "routing"])
        self.norm("MLP norm")

    def let_go(self, name: str) -> None:
        if name in self.tape.live:
            self.tape.free(name)

    def attention(self) -> None:
        tape, queries, keys = self.tape, self.queries, self.keys
        self.linear("o", "stream gradient", "output gradient", stays=True)
        for name, size in (("query gradient", queries), ("key gradient", keys), ("value gradient", keys)):
            tape.put(name, size)
        tape.look()
        tape.free("output gradient", "queries", "keys", "values", "attention output", "log-sum-exp")
        if not self.shape.learned_positions:
            for size in (keys, queries):
                tape.make("rotation", 3 * size)
                tape.free("rotation")
        self.projections(frozen_input=self.unit == "0" and not self.whole)

    def projections(self, *, frozen_input: bool) -> None:
        """Queries, keys and values; the first layer's input may need no gradient."""
        names = [("v", "value gradient"), ("k", "key gradient"), ("q", "query gradient")]
        split = all(name in self.ends for name, _ in names)
        for name, gradient in names if split else names[2:]:
            made = "norm gradient" if "norm gradient" not in self.tape.live else "norm gradient 2"
            self.linear(name, gradient, made, frozen_input=frozen_input)
            if made == "norm gradient 2":
                self.merge("norm gradient", made)
        if not split:
            self.tape.free("value gradient", "key gradient")
        self.let_go("attention norm read by matrices")
        if not frozen_input:
            self.norm("attention norm")

    def embedding(self) -> None:
        """The embedding is frozen."""
        self.unit = "root"
        self.tape.free("stream gradient", "rotary table")
        self.weights.after(self.tape, "root")
