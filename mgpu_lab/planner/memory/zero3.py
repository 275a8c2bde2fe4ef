"""What DeepSpeed's stage 3 holds: every weight cut over the ranks, and gathered for as long as it is used soon again.

Source: DeepSpeed 0.19.8, ``runtime/zero/stage3.py``, ``partitioned_param_coordinator.py`` (what is released, what is
prefetched), ``runtime/comm/coalesced_collectives.py`` (the reduce-scatter's input).
"""

from mgpu_lab.planner.memory.deepspeed_settings import ZeroSettings
from mgpu_lab.planner.memory.tape import SENT, STEPPING, Row, Tape
from mgpu_lab.planner.memory.trained import MASTER, Weight
from mgpu_lab.planner.memory.zero_stages import Engine
from mgpu_lab.planner.recipe import Recipe

# runtime/zero/offload_config.py: 5 buffers of 1e8 numbers for parameters, 4 buffers for the optimizer
SWAPPED_PARAMETERS = 500_000_000
OPTIMIZER_BUFFERS = 4


class Stage3(Engine):
    """Each weight is cut by itself, its parts padded to one size. A weight of few numbers stays gathered for good.

    Another is let go after its module, unless its next use is less than `stage3_max_reuse_distance` numbers of
    weights away. `stage3_prefetch_bucket_size` numbers are gathered ahead.
    """

    stage_number = 3

    def __init__(self, recipe: Recipe, settings: ZeroSettings, weights: list[Weight], everything: list[Weight]) -> None:
        super().__init__(recipe, settings, weights, 0, 0)
        self.everything = {(one.unit, one.name): one.numbers for one in everything}
        self.stay = {key for key, n in self.everything.items() if n <= settings.stage3_param_persistence_threshold}
        self.again = self.used_soon_again()
        self.updated = {(one.unit, one.name) for one in weights}
        self.order = [key for key in reversed(self.everything) if key not in self.stay]
        self.ahead = 0  # how far in backward's order weights have been gathered
        self.live = 0  # numbers gathered now
        self.filled: list[int] = []
        self.read = ("", "")  # the frozen weight that backward has come to

    @property
    def gathered(self) -> Row:
        return ("parameters", f"gathered weights, {self.dtype}")

    def shard(self, numbers: int) -> int:
        return -(-numbers // self.recipe.shards)

    def used_soon_again(self) -> list[tuple[str, str]]:
        """List what forward's end finds gathered: backward comes to it within the reuse distance.

        What lies between is used once in forward and once in backward; checkpointing's recomputing uses it once more.
        """
        uses = 2 if self.recipe.checkpointing == "none" else 3
        behind, again = 0, []
        for key, numbers in reversed(self.everything.items()):
            if uses * behind >= self.settings.stage3_max_reuse_distance:
                break
            behind += numbers
            again.append(key)
        return [key for key in again if key not in self.stay]

    def hold(self, tape: Tape) -> None:
        own = sum(self.shard(one.numbers) for one in self.trained)
        shards = sum(map(self.shard, self.everything.values())) * self.each
        if self.offloads:
            self.host |= self.on_host(shards, own)
        else:
            tape.put("shards", shards, ("parameters", f"ZeRO-3 partition, {self.dtype}"))
            tape.put("partition", own * self.each, ("gradients", f"ZeRO-3 gradient partition, {self.dtype}"))
        self.own = own
        self.hold_state(tape, [own])
        if self.recipe.offload == "nvme":
            self.host = self.on_host(shards, own)
        tape.put("small", sum(self.everything[key] for key in self.stay) * self.each, self.gathered)
        if self.settings.contiguous_gradients:
            tape.put("bucket", self.settings.reduce_bucket_size * self.each, ("other", "ZeRO-3 bucket"))

    def on_host(self, shards: int, own: int) -> dict[str, int]:
        """Return what the host holds: everything, or with NVMe gradients and the buffers that swapping uses."""
        gradients = {f"ZeRO-3 gradient partition, {self.dtype}": own * self.each}
        if self.recipe.offload == "cpu":
            return gradients | {f"ZeRO-3 partition, {self.dtype}": shards, "gradients, fp32": own * MASTER}
        group = min(own, self.settings.sub_group_size)
        swapped = SWAPPED_PARAMETERS * self.each
        return gradients | {
            "parameters' swap buffers": swapped,
            "optimizer's swap buffers": OPTIMIZER_BUFFERS * group * 4,
        }

    def forward(self, tape: Tape) -> None:
        self.ahead = 0
        for key in self.again:
            self.gather(tape, key)

    def forward_over(self, tape: Tape) -> None:
        self.prefetch(tape)

    def gather(self, tape: Tape, key: tuple[str, str]) -> None:
        if key in self.everything and key not in self.stay and f"gathered {key}" not in tape.live:
            size = self.shard(self.everything[key]) * self.recipe.shards * self.each
            tape.make(f"gathered {key}", size, self.gathered)
            self.live += self.everything[key]

    def release(self, tape: Tape, key: tuple[str, str]) -> None:
        if f"gathered {key}" in tape.live:
            tape.free(f"gathered {key}")
            self.live -= self.everything[key]

    def prefetch(self, tape: Tape) -> None:
        """Gather ahead, in backward's order, what is not there yet."""
        room = min(self.settings.stage3_max_live_parameters - self.live, self.settings.stage3_prefetch_bucket_size)
        while room > 0 and self.ahead < len(self.order):
            key = self.order[self.ahead]
            if f"gathered {key}" not in tape.live:
                self.gather(tape, key)
                room -= self.everything[key]
            self.ahead += 1

    def before(self, tape: Tape, unit: str) -> None:
        """Checkpointing's recomputing gathers a layer, and each weight stays until its own backward."""
        if self.recipe.checkpointing != "none":
            for key in self.everything:
                if key[0] == unit:
                    self.gather(tape, key)

    def gradient(self, tape: Tape, unit: str, weight: str, numbers: float) -> None:
        self.come_to(tape, (unit, weight))
        super().gradient(tape, unit, weight, numbers)

    def reach(self, tape: Tape, unit: str, weight: str) -> None:
        """Backward comes to a frozen weight, and has done with the one before."""
        self.release(tape, self.read)
        self.read = (unit, weight)
        self.come_to(tape, self.read)

    def come_to(self, tape: Tape, key: tuple[str, str]) -> None:
        """Backward comes to a weight: it is gathered, and what follows is gathered ahead."""
        self.gather(tape, key)
        self.prefetch(tape)

    def settle(self, tape: Tape, unit: str, weight: str, numbers: float) -> None:
        self.release(tape, (unit, weight))
        super().settle(tape, unit, weight, numbers)

    def take(self, tape: Tape, unit: str, weight: str, numbers: int) -> None:  # noqa: ARG002 - as in Engine
        size, filled = self.settings.reduce_bucket_size, sum(self.filled)
        if filled + numbers > size and filled:
            self.flush(tape)
            filled = 0
        if not self.settings.contiguous_gradients or filled + numbers > size:
            tape.put(f"loose {len(self.filled)}", numbers * self.each, self.gradients)
            tape.look()
        self.filled.append(numbers)

    def flush(self, tape: Tape) -> None:
        """The bucket is laid out by ranks for the reduce-scatter: a copy, but for one tensor that needs no padding."""
        alone = len(self.filled) == 1 and not self.filled[0] % self.recipe.shards
        if self.filled and not alone:
            size = sum(self.shard(one) for one in self.filled) * self.recipe.shards * self.each
            tape.make("reduce-scatter input", size, SENT)
            tape.free("reduce-scatter input")
        tape.free(*[name for name in tape.live if name.startswith("loose")])
        self.filled = []

    def finish(self, tape: Tape) -> None:
        self.flush(tape)
        for key in self.order:
            self.release(tape, key)
        self.held_over = True

    def step(self, tape: Tape) -> None:
        """Everything is cut again; gradients of `sub_group_size` numbers at a time are laid flat and made fp32."""
        tape.free("small")
        tape.start()
        if not self.offloads:
            group = min(self.own, self.settings.sub_group_size)
            tape.make("flat gradients", group * self.each, STEPPING)
            tape.make("fp32 gradients", group * MASTER, ("gradients", "gradients, fp32"))
            tape.free("flat gradients", "fp32 gradients")
        tape.put("small", 0, self.gathered)
