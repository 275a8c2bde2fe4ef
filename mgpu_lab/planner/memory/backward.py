"""A backward of a Llama played through on a tape: in which order autograd makes and frees tensors.

The order is that of a recorded backward of transformers 5.23 under torch 2.13: for each matrix the gradient of the
weight first, then that of its input. GPT-2 and mixtures of experts are played as a Llama with their sizes.
"""

from collections.abc import Iterable, Mapping

from mgpu_lab.planner.memory.activations import SUMMED, WIDE
from mgpu_lab.planner.memory.forward import Forward
from mgpu_lab.planner.memory.tape import KEPT, WORKING


class Backward(Forward):
    """One micro-batch's forward and backward on a tape, of `layers` layers, with or without embedding and head."""

    def matrix(self, weight: str, made: Mapping[str, float], freed: Iterable[str], numbers: float = 0) -> None:
        """A matrix product's backward: its weight's gradient, its input's, then what it read goes."""
        numbers = numbers or self.numbers[weight]
        self.weights.gradient(self.tape, self.unit, weight, numbers)
        for name, size in made.items():
            self.tape.make(name, size)
        self.tape.free(*freed)
        self.weights.settle(self.tape, self.unit, weight, numbers)

    def head(self) -> None:
        """The loss's gradient in fp32 twice over, then the logits' in the dtype of the head."""
        wide, tape = self.recipe.tokens * self.of.vocabulary * WIDE, self.tape
        self.unit = "root"
        tape.make("loss gradient", wide)
        tape.free("labels")
        tape.make("logits gradient, fp32", wide)
        tape.free("loss gradient", "log-softmax")
        if self.of.compute < WIDE:
            tape.make("logits gradient", wide * self.of.compute / WIDE)
            tape.free("logits gradient, fp32")
        else:
            tape.put("logits gradient", wide)
            tape.free("logits gradient, fp32")
        vocabulary = self.of.vocabulary * self.of.width / self.recipe.tensor_parallel
        self.matrix(
            "head", {"norm gradient": self.narrow}, ["logits gradient", "last norm read by matrices"], vocabulary
        )
        self.widened("norm gradient")
        self.norm("last norm")

    def widened(self, name: str) -> None:
        """Under autocast the gradient of a bf16 copy becomes that of the fp32 tensor."""
        if self.cast:
            self.tape.make("wide", self.residual)
            self.tape.free(name)
            self.tape.put(name, self.residual)
            self.tape.free("wide")

    def norm(self, place: str) -> None:
        """RMSNorm's backward, from "norm gradient" to a share of "stream gradient"."""
        tape, wide = self.tape, self.stream * WIDE
        if self.shape.layer_norm_bias:
            self.layer_norm(place)
            return
        tape.make("normed gradient", self.residual)
        tape.make("weighted", self.residual)
        self.weights.gradient(tape, self.unit, place, self.shape.norm)
        tape.free("weighted", "norm gradient", f"{place} normed")
        if self.of.widens:
            tape.make("normed gradient, fp32", wide)
            tape.free("normed gradient")
        else:
            tape.put("normed gradient, fp32", wide)
            tape.free("normed gradient")
        tape.make("by 1/rms", wide)
        tape.make("by input", wide)
        tape.free("by input", "normed gradient, fp32")
        if not self.of.widens:
            self.join("by 1/rms", wide)
        for name in ("mean", "power", "scaled", "square gradient"):
            tape.make(name, wide)
        tape.free("mean", "power", "scaled", f"{place} input", f"{place} 1/rms")
        if not self.of.widens:
            self.join("square gradient", wide)
            return
        tape.make("input gradient, fp32", wide)
        tape.free("by 1/rms", "square gradient")
        tape.make("input gradient", self.residual)
        tape.free("input gradient, fp32")
        self.join("input gradient", self.residual)

    def layer_norm(self, place: str) -> None:
        self.tape.make("input gradient", self.residual)
        self.weights.gradient(self.tape, self.unit, place, self.shape.norm)
        self.tape.free("norm gradient", f"{place} input", f"{place} statistics")
        self.join("input gradient", self.residual)

    def join(self, name: str, size: float) -> None:
        """Add to the residual stream's gradient."""
        if "stream gradient" not in self.tape.live:
            self.tape.put("stream gradient", size)
            self.tape.free(name)
            return
        self.tape.make("sum", size)
        self.tape.free("stream gradient", name)
        self.tape.put("stream gradient", size)
        self.tape.free("sum")

    def layer(self, number: int) -> None:
        """One layer: recompute what is missing, MLP, attention."""
        self.unit = str(number)
        self.weights.before(self.tape, self.unit)
        self.tape.free(*[f"layer {number}, {row[0]}" for row in self.kept_rows(number)])
        self.keep(self.kept, KEPT, number)
        if self.recipe.checkpointing != "none":
            self.recompute()
        self.mlp()
        self.attention()
        self.tape.free(*[one.name for one in self.kept if one.name in self.tape.live])
        self.weights.after(self.tape, self.unit)

    def recompute(self) -> None:
        """What checkpointing let go is made again; the layer's input stands in for fp32's norm input."""
        have = {one.name for one in self.kept} | (set() if self.of.widens else {"attention norm input"})
        if not self.of.widens:
            self.tape.put("attention norm input", 0)
        used = ("queries made", SUMMED[0])  # rotated again, added again: nobody keeps them then
        self.tape.free(*[name for name in used if name in have])
        self.keep([one for one in self.saved if one.name not in have], WORKING)

    def mlp(self) -> None:
        tape, inner = self.tape, self.inner
        if self.cast:
            tape.make("stream gradient, narrow", self.narrow)
        self.matrix("down", {"product gradient": inner}, ["product", *self.narrowed()])
        for name in ("up gradient", "silu gradient"):
            tape.make(name, inner)
        rest = [one for one in ("silu", "up", "half", "tanh", "one and tanh") if one in tape.live]
        tape.free("product gradient", *rest)
        self.matrix("up", {"norm gradient": self.narrow}, ["up gradient"])
        self.widened("norm gradient")
        tape.make("gate gradient", inner)
        tape.free("silu gradient", "gate")
        if self.shape.gated:
            self.matrix("gate", {"norm gradient 2": self.narrow}, ["gate gradient", "MLP norm read by matrices"])
            self.merge("norm gradient", "norm gradient 2")
        else:
            tape.free("gate gradient", "MLP norm read by matrices")
        if self.shape.experts:
            self.matrix("router", {}, [])
            tape.free(*[one.name for one in self.saved if "experts" in one.name or one.name == "routing"])
        self.norm("MLP norm")

    def narrowed(self) -> list[str]:
        return ["stream gradient, narrow"] if self.cast else []

    def merge(self, first: str, second: str) -> None:
        """Add two gradients of the tensor that several matrices read."""
        self.widened(second)
        size = self.residual if self.cast else self.narrow
        self.tape.make("sum", size)
        self.tape.free(first, second)
        self.tape.put(first, size)
        self.tape.free("sum")

    def attention(self) -> None:
        tape, queries, keys = self.tape, self.queries, self.keys
        if self.cast:
            tape.make("stream gradient, narrow", self.narrow)
        self.matrix("o", {"output gradient": queries}, self.narrowed())
        for name, size in (("query gradient", queries), ("key gradient", keys), ("value gradient", keys)):
            tape.put(name, size)
        tape.look()
        tape.free("output gradient", "queries", "keys", "values", "attention output", "log-sum-exp")
        if not self.shape.learned_positions:
            for size in (keys, queries):  # the rotation
                tape.make("rotation", 3 * size)
                tape.free("rotation")
        self.matrix("v", {"norm gradient": self.narrow}, ["value gradient"])
        self.widened("norm gradient")
        for weight, name, size in (("k", "key gradient", keys), ("q", "query gradient", queries)):
            tape.make("copy", size)
            tape.free(name)
            read = ["attention norm read by matrices"] if weight == "q" else []
            self.matrix(weight, {"norm gradient 2": self.narrow}, ["copy", *read])
            self.merge("norm gradient", "norm gradient 2")
        self.norm("attention norm")

    def embedding(self) -> None:
        """The embedding's gradient is dense."""
        self.unit = "root"
        self.weights.gradient(self.tape, "root", "embedding", self.shape.embedding / self.recipe.tensor_parallel)
        self.tape.free("stream gradient", "rotary table")
        self.weights.settle(self.tape, "root", "embedding", self.shape.embedding / self.recipe.tensor_parallel)
        self.weights.after(self.tape, "root")

    def run(self, layers: int, *, head: bool = True, embedding: bool = True) -> None:
        """The whole backward."""
        if head:
            self.head()
        else:
            self.tape.put("stream gradient", self.residual)
        for layer in reversed(range(layers)):
            self.layer(layer)
        if embedding:
            self.embedding()
        else:
            self.tape.free("stream gradient", "rotary table")
            self.weights.after(self.tape, "root")
