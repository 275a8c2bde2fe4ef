"""What DDP and FSDP2 hold and do with weights and gradients, as a backward on paper calls them."""

from mgpu_lab.planner.memory.activations import WIDE, autocast
from mgpu_lab.planner.memory.optimizers import state_bytes
from mgpu_lab.planner.memory.tape import INPUT, SENT, Row, Tape
from mgpu_lab.planner.memory.weight_events import layer_weights
from mgpu_lab.planner.recipe import Recipe
from mgpu_lab.planner.shapes import ModelShape

NAMES = {4: "fp32", 2: "bf16"}


class Stage:
    """The weights of one pipeline stage on one GPU: numbers of each, by unit."""

    def __init__(
        self, shape: ModelShape, recipe: Recipe, layers: int, *, first: bool = True, last: bool = True
    ) -> None:
        self.shape, self.recipe, self.layers, self.first, self.last = shape, recipe, layers, first, last
        one = {name: numbers for name, numbers in layer_weights(shape, recipe).items() if numbers}
        words = shape.embedding / recipe.tensor_parallel
        root = {"embedding": words, "positions": float(shape.positions)} if first else {}
        root |= {"last norm": shape.norm, "head": 0 if shape.tied and first else words} if last else {}
        self.units = {str(layer): one for layer in range(layers)}
        self.units["root"] = {name: numbers for name, numbers in root.items() if numbers}
        self.tied = shape.tied and first and last

    def numbers(self, unit: str) -> float:
        return sum(self.units[unit].values())

    @property
    def parameters(self) -> float:
        return sum(sum(unit.values()) for unit in self.units.values())

    @property
    def norms(self) -> float:
        """Numbers of the norms, which tensor parallelism leaves whole."""
        return sum(size for unit in self.units.values() for name, size in unit.items() if "norm" in name)

    @property
    def tensors(self) -> int:
        return sum(len(unit) for unit in self.units.values())

    def sizes(self) -> list[float]:
        return [numbers for unit in self.units.values() for numbers in unit.values()]


class Whole:
    """Every rank holds all weights of its stage: a single process, or DDP with its buckets.

    Gradients have the weights' dtype. Under autocast each matrix's bf16 copy waits in the graph, and in autocast's
    cache until the forward's block ends; its gradient is made in bf16 first.
    """

    def __init__(self, stage: Stage, recipe: Recipe, *, gloo: bool = False) -> None:
        self.stage, self.recipe, self.gloo = stage, recipe, gloo
        self.each = WIDE if recipe.master == "fp32" or recipe.dtype == "fp32" else recipe.bytes
        self.cast = autocast(recipe)
        self.dtype = NAMES[self.each] if recipe.dtype != "fp16" or self.each == WIDE else "fp16"
        self.gradients: Row = ("gradients", f"gradients, {self.dtype}")
        self.row: Row = ("parameters", f"gathered weights, {recipe.dtype}")
        self.held_over = False  # whether gradients of an earlier micro-batch are there

    def hold(self, tape: Tape) -> None:
        whole = self.stage.norms if self.recipe.tensor_parallel > 1 else self.stage.parameters
        tape.put("weights", whole * self.each, ("parameters", f"weights, {self.dtype}"))
        tape.put("shards", (self.stage.parameters - whole) * self.each, ("parameters", f"shard, {self.dtype}"))
        for name, size in state_bytes(self.stage.sizes(), self.each, self.recipe.optimizer).items():
            tape.put(name, size, ("optimizer_state", name))
        if not self.stage.shape.learned_positions:
            tape.put("rotary", 2 * self.stage.shape.head_size // 2 * WIDE, ("buffers", "buffers, fp32"))
        if self.recipe.method == "ddp" and self.recipe.data_parallel > 1:
            tape.put("buckets", self.stage.parameters * self.each, ("other", "DDP buckets"))

    def forward(self, tape: Tape) -> None:
        if self.cast:
            for unit, weights in self.stage.units.items():
                for name, numbers in weights.items():
                    if is_matrix(name):
                        tape.put(f"copy of {unit} {name}", numbers * self.recipe.bytes)
            if self.stage.tied:
                tape.put("copy of root head", self.stage.shape.embedding * self.recipe.bytes)

    def forward_over(self, tape: Tape) -> None:
        if self.cast and self.recipe.checkpointing != "none":
            tape.free(*[name for name in tape.live if name.startswith("copy of") and "root" not in name])

    def before(self, tape: Tape, unit: str) -> None:
        if self.cast and self.recipe.checkpointing != "none":
            for name, numbers in self.stage.units[unit].items():
                if is_matrix(name):
                    tape.put(f"copy of {unit} {name}", numbers * self.recipe.bytes)

    def gradient(self, tape: Tape, unit: str, weight: str, numbers: float) -> None:  # noqa: ARG002 - see `Weights`
        if self.cast and is_matrix(weight):
            tape.make("weight gradient, narrow", numbers * self.recipe.bytes)
        elif self.stage.tied and weight == "head":
            tape.make("head gradient", numbers * self.each, self.gradients)
        elif self.held_over:
            tape.make("weight gradient", numbers * self.each)
            tape.free("weight gradient")
        else:
            tape.add("gradients", numbers * self.each, self.gradients)

    def settle(self, tape: Tape, unit: str, weight: str, numbers: float) -> None:
        if not (self.cast and is_matrix(weight)):
            return
        tape.free(f"copy of {unit} {weight}")
        if self.held_over:
            tape.make("weight gradient", numbers * self.each)
            tape.free("weight gradient")
        else:
            tape.add("gradients", numbers * self.each, self.gradients)
        tape.free("weight gradient, narrow")

    def after(self, tape: Tape, unit: str) -> None:
        if unit == "root" and "head gradient" in tape.live:
            tape.free("head gradient")

    def finish(self, tape: Tape) -> None:  # noqa: ARG002 - see `Weights`
        self.held_over = True

    def step(self, tape: Tape) -> None:
        """A fused optimizer makes nothing."""


class Sharded(Whole):
    """FSDP2: shards of each unit, gathered in the dtype of compute for its forward and backward.

    While a layer's backward runs, the next one is gathered. Its gradients stay unsharded until all are there; then
    they are copied into one fp32 buffer, which the reduce-scatter reads.
    """

    def hold(self, tape: Tape) -> None:
        shards, each = self.recipe.shards, self.each
        tape.put("weights", self.stage.parameters * each / shards, ("parameters", f"shard, {self.dtype}"))
        for name, size in state_bytes(
            [one / shards for one in self.stage.sizes()], each, self.recipe.optimizer
        ).items():
            tape.put(name, size, ("optimizer_state", name))
        if not self.stage.shape.learned_positions:
            tape.put("rotary", 2 * self.stage.shape.head_size // 2 * WIDE, ("buffers", "buffers, fp32"))

    def gathered(self, unit: str) -> float:
        return self.stage.numbers(unit) * self.recipe.bytes

    def forward(self, tape: Tape) -> None:
        """The root stays gathered; what the last all-gather wrote into waits for the next one."""
        tape.put("gathered root", self.gathered("root"), self.row)
        tape.put("last all-gather", self.gathered(str(self.stage.layers - 1)), SENT)

    def forward_over(self, tape: Tape) -> None:
        """The root stays gathered from forward to backward."""

    def before(self, tape: Tape, unit: str) -> None:
        """Gather into a buffer, copy out of it; then the next layer's buffer fills while this one computes."""
        if "last all-gather" in tape.live:
            tape.free("last all-gather")
        if f"all-gather {unit}" not in tape.live:
            tape.make(f"all-gather {unit}", self.gathered(unit), SENT)
        tape.make(f"gathered {unit}", self.gathered(unit), self.row)
        tape.free(f"all-gather {unit}")
        following = str(int(unit) - 1)
        if following in self.stage.units:
            tape.make(f"all-gather {following}", self.gathered(following), SENT)

    def gradient(self, tape: Tape, unit: str, weight: str, numbers: float) -> None:  # noqa: ARG002 - see `Weights`
        tape.add(f"gradients of {unit}", numbers * self.recipe.bytes, ("gradients", f"gradients, {self.recipe.dtype}"))

    def settle(self, tape: Tape, unit: str, weight: str, numbers: float) -> None:
        """Nothing: gradients wait for the others of their unit."""

    def after(self, tape: Tape, unit: str) -> None:
        """Let the gathered weights go, copy the gradients into a buffer, scatter its sums."""
        tape.free(f"gathered {unit}", *(["reduced"] if "reduced" in tape.live else []))
        wide = self.stage.numbers(unit) * WIDE
        tape.make("reduced", wide, SENT)
        tape.free(f"gradients of {unit}")
        # autograd holds what it passed to its last node, the embedding's gradient, until its callbacks have run
        last = self.stage.units[unit].get("embedding", 0) * self.recipe.bytes
        tape.put("last gradient", last, ("gradients", f"gradients, {self.recipe.dtype}"))
        row = self.gradients if self.each == WIDE and not self.held_over else SENT
        tape.put("reduced shard", wide / self.recipe.shards, row)
        if self.gloo:
            tape.put("gloo's copy", wide, INPUT)
            tape.look()
            tape.free("gloo's copy")
        size = self.stage.numbers(unit) * self.each / self.recipe.shards
        if self.each < WIDE:
            tape.make("narrow shard", size, SENT)
            tape.free("narrow shard")
        tape.free("reduced shard", "last gradient")
        if not self.held_over:
            tape.add("gradients", size, self.gradients)

    def finish(self, tape: Tape) -> None:
        tape.free("reduced")
        self.held_over = True


def is_matrix(weight: str) -> bool:
    """Whether autocast casts it: matrices of linear layers."""
    return "norm" not in weight and weight not in ("embedding", "positions")


__all__ = ["Sharded", "Stage", "Whole"]
