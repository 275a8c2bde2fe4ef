"""A forward of a decoder on a tape: what is kept for backward, and what is there while the loss is computed."""

from collections import Counter
from collections.abc import Iterable

from mgpu_lab.planner.memory.activations import (
    SUMMED,
    Saved,
    Sizes,
    autocast,
    checkpointed,
    head_saved,
    labels_bytes,
    layer_saved,
    logits_saved,
    rotary_bytes,
    sizes,
)
from mgpu_lab.planner.memory.tape import KEPT, LOOSE, WORKING, Row, Tape
from mgpu_lab.planner.memory.weight_events import Weights, layer_weights
from mgpu_lab.planner.recipe import Recipe
from mgpu_lab.planner.shapes import ModelShape


class Forward:
    """One micro-batch's forward on a tape: only what its end holds, for nothing before it takes as much."""

    def __init__(self, shape: ModelShape, recipe: Recipe, weights: Weights, tape: Tape) -> None:
        self.shape, self.recipe, self.weights, self.tape = shape, recipe, weights, tape
        self.of: Sizes = sizes(shape, recipe)
        self.cast = autocast(recipe)
        self.numbers = layer_weights(shape, recipe)
        self.saved, self.kept = layer_saved(shape, recipe), checkpointed(shape, recipe)
        self.stream = recipe.tokens * self.of.width
        self.inner = recipe.tokens * self.of.inner * self.of.compute
        self.queries = recipe.tokens * self.of.queries * self.of.compute
        self.keys = recipe.tokens * self.of.keys * self.of.compute
        self.narrow, self.residual = self.stream * self.of.compute, self.stream * self.of.residual
        self.unit = "root"

    def keep(self, saved: Iterable[Saved], row: Row = KEPT, layer: int = -1) -> None:
        for one in saved:
            self.tape.put(one.name, one.size_bytes(self.recipe.tokens), self.row_of(one.name, row, layer))
        self.tape.look()

    def row_of(self, name: str, row: Row, layer: int) -> Row:
        """What a collective of tensor parallelism gives is made without autograd: sums, logits, the first input."""
        whole = "attention norm input" if self.recipe.checkpointing == "none" and not self.of.widens else "layer input"
        given = name in (*SUMMED, "logits") or (layer == 0 and name == whole)
        return LOOSE if given and self.recipe.tensor_parallel > 1 else row

    def forward(self, layers: int, *, head: bool = True) -> None:
        """Forward to the loss."""
        self.tape.put("rotary table", rotary_bytes(self.shape, self.recipe), LOOSE)
        for layer in range(layers):
            for row, size in self.kept_rows(layer).items():
                self.tape.put(f"layer {layer}, {row[0]}", size, row)
        self.weights.forward(self.tape)
        self.tape.look()
        if head:
            self.tape.put("labels", labels_bytes(self.recipe))
            self.keep(head_saved(self.shape, self.recipe))
            self.keep(logits_saved(self.shape, self.recipe), WORKING)
            self.tape.free(*[one.name for one in logits_saved(self.shape, self.recipe)])
        self.weights.forward_over(self.tape)

    def kept_rows(self, layer: int) -> Counter[Row]:
        """What a layer keeps between its forward and its backward, by row."""
        rows: Counter[Row] = Counter()
        for one in self.kept:
            rows[self.row_of(one.name, KEPT, layer)] += one.size_bytes(self.recipe.tokens)
        return rows
