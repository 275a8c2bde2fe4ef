"""DeepSpeed's stages 0, 1 and 2: what they hold and do with weights and gradients, as a backward on paper calls them.

Source: DeepSpeed 0.19.8, ``runtime/bf16_optimizer.py`` (stage 0) and ``runtime/zero/stage_1_and_2.py``; Rajbhandari et
al. 2020, "ZeRO", section 5, for the 2 + 2 + 12 bytes of a parameter. The optimizer is fused: its step makes nothing.
"""

from mgpu_lab.planner.memory.deepspeed_settings import ZeroSettings
from mgpu_lab.planner.memory.tape import STEPPING, WORKING, Row, Tape
from mgpu_lab.planner.memory.trained import MASTER, Weight, cut, optimizer_rows
from mgpu_lab.planner.recipe import Recipe

FALLBACK = 500_000_000  # numbers that stage 0 reduces at once, `MEMORY_OPT_ALLREDUCE_SIZE` in runtime/engine.py


class Engine:
    """Stage 0: every rank holds all weights, fp32 masters and moments; gradients in the dtype of the weights.

    `frozen` counts weights that no optimizer updates. `self.host` holds rows that offloading has sent to the host.
    """

    stage_number = 0

    def __init__(self, recipe: Recipe, settings: ZeroSettings, weights: list[Weight], frozen: int, rank: int) -> None:
        self.recipe, self.settings, self.trained, self.frozen = recipe, settings, weights, frozen
        self.each, self.dtype, self.rank = recipe.bytes, recipe.dtype, rank
        self.numbers = sum(one.numbers for one in weights)
        self.part = cut(weights, recipe.shards, rank)
        self.tied = ("root", "head") not in {(one.unit, one.name) for one in weights}
        self.held_over = False  # whether gradients of an earlier micro-batch are there
        self.host: dict[str, int] = {}

    @property
    def gradients(self) -> Row:
        return ("gradients", f"gradients, {self.dtype}")

    @property
    def offloads(self) -> bool:
        return self.recipe.offload != "none"

    def hold(self, tape: Tape) -> None:
        tape.put("weights", (self.numbers + self.frozen) * self.each, ("parameters", f"weights, {self.dtype}"))
        self.hold_state(tape, [one.numbers for one in self.trained])

    def hold_state(self, tape: Tape, flat: list[int]) -> None:
        for name, size in optimizer_rows(flat, self.recipe.optimizer).items():
            if self.offloads:
                self.host[name] = size
            else:
                tape.put(name, size, ("optimizer_state", name))

    def forward(self, tape: Tape) -> None:
        """Nothing is gathered or cast."""

    def forward_over(self, tape: Tape) -> None:
        """Nothing is gathered or cast."""

    def layers_over(self, tape: Tape) -> None:
        """Nothing is gathered."""

    def before(self, tape: Tape, unit: str) -> None:
        """Nothing is gathered."""

    def reach(self, tape: Tape, unit: str, weight: str) -> None:
        """Backward comes to a frozen weight: it is there."""

    def unpack(self, tape: Tape, unit: str, weight: str) -> None:
        """Weights are not packed."""

    def gradient(self, tape: Tape, unit: str, weight: str, numbers: float) -> None:
        if weight == "head" and self.tied:
            tape.make("gradient of the tied head", numbers * self.each)  # waits for the embedding's
            return
        tape.make(f"gradient of {weight}", numbers * self.each)
        if weight == "embedding" and "gradient of the tied head" in tape.live:
            tape.free("gradient of the tied head")
        if "norm" in weight:
            self.settle(tape, unit, weight, numbers)

    def settle(self, tape: Tape, unit: str, weight: str, numbers: float) -> None:
        if f"gradient of {weight}" in tape.live:
            tape.free(f"gradient of {weight}")
            self.take(tape, unit, weight, int(numbers))

    def take(self, tape: Tape, unit: str, weight: str, numbers: int) -> None:  # noqa: ARG002 - later stages ask
        """A gradient is complete: it stays."""
        if not self.held_over:
            tape.add("gradients", numbers * self.each, self.gradients)

    def after(self, tape: Tape, unit: str) -> None:
        """Nothing waits for a whole unit."""

    def finish(self, tape: Tape) -> None:
        """Gradients are copied into one buffer for the all-reduce."""
        tape.make("flat gradients", min(self.numbers, FALLBACK) * self.each, WORKING)
        tape.free("flat gradients")
        self.held_over = True

    def step(self, tape: Tape) -> None:
        """Gradients become fp32 beside themselves."""
        tape.make("fp32 gradients", self.numbers * MASTER, ("gradients", "gradients, fp32"))
        tape.free("fp32 gradients")


class Stage1(Engine):
    """Stage 1: each rank keeps masters and moments of its part of the flat weights.

    Gradients wait, whole, until backward is over; then they go through a bucket of `reduce_bucket_size` numbers, and
    each rank copies what it owns into a buffer that is made at the first such gradient.
    """

    stage_number = 1

    def hold(self, tape: Tape) -> None:
        tape.put("weights", (self.numbers + self.frozen) * self.each, ("parameters", f"weights, {self.dtype}"))
        self.hold_state(tape, [self.part.numbers])
        if self.offloads:
            largest = max(one.numbers for one in self.trained)
            tape.put("staging", largest * self.each, ("other", "offload staging buffers"))
            self.host |= {
                "fp32 gradients": self.part.numbers * MASTER,
                "staging buffers": (self.part.numbers + largest) * self.each,
            }
        self.filled: list[tuple[int, bool]] = []

    @property
    def partition(self) -> Row:
        return ("gradients", f"ZeRO-{self.stage_number} gradient partition, {self.dtype}")

    def open_bucket(self, tape: Tape) -> None:
        buckets = 2 if self.settings.overlap_comm else 1
        size = self.settings.reduce_bucket_size * self.each * buckets * self.settings.contiguous_gradients
        tape.put("bucket", size, ("other", f"ZeRO-{self.stage_number} bucket"))
        tape.look()

    def settle(self, tape: Tape, unit: str, weight: str, numbers: float) -> None:
        """The first gradient opens the bucket."""
        if "bucket" not in tape.live:
            self.open_bucket(tape)
        super().settle(tape, unit, weight, numbers)

    def fill(self, tape: Tape, one: Weight) -> None:
        """Put a gradient in the bucket; one that is larger than the bucket is reduced where it is."""
        room = self.settings.reduce_bucket_size if self.settings.contiguous_gradients else 0
        if sum(numbers for numbers, _ in self.filled) + one.numbers > self.settings.reduce_bucket_size:
            self.flush(tape)
        if one.numbers > room:
            tape.put(f"loose {len(self.filled)}", one.numbers * self.each, self.gradients)
            tape.look()
        self.filled.append((one.numbers, (one.unit, one.name) in self.part.owned))

    def flush(self, tape: Tape) -> None:
        """Reduce the bucket, and copy what this rank owns out of it."""
        if any(owned for _, owned in self.filled) and "partition" not in tape.live and not self.offloads:
            tape.make("partition", self.part.whole * self.each, self.partition)
        tape.free(*[name for name in tape.live if name.startswith("loose")])
        self.filled = []

    def finish(self, tape: Tape) -> None:
        if self.recipe.accumulation > 1 and not self.held_over:
            self.held_over = True
            return
        self.held_over = True
        for one in self.trained:
            tape.add("gradients", -one.numbers * self.each, self.gradients)
            self.fill(tape, one)
        self.flush(tape)
        tape.free("bucket", "gradients")

    def step(self, tape: Tape) -> None:
        """The part's gradients are laid end to end, then made fp32; then only the fp32 ones are left."""
        if self.offloads:
            return
        flat = self.part.numbers * self.each
        tape.make("flat gradients", flat, STEPPING)
        tape.make("fp32 gradients", self.part.numbers * MASTER, ("gradients", "gradients, fp32"))
        tape.free("flat gradients", "partition", "fp32 gradients")


class Stage2(Stage1):
    """Stage 2: gradients go through the bucket during backward, and only those of the own part stay."""

    stage_number = 2

    def take(self, tape: Tape, unit: str, weight: str, numbers: int) -> None:
        self.fill(tape, Weight(unit, weight, numbers))

    def finish(self, tape: Tape) -> None:
        self.flush(tape)
        tape.free("bucket")
        if "accumulated" in tape.live:  # added to the new partition
            tape.free("accumulated")
        elif self.recipe.accumulation > 1 and "partition" in tape.live and not self.held_over:
            tape.free("partition")
            tape.put("accumulated", self.part.numbers * self.each, self.partition)
        self.held_over = True
