"""What LoRA and QLoRA hold under DDP, FSDP2 and DeepSpeed: a frozen base, and adapters that an optimizer updates.

Adapters stand beside every matrix of every layer, of rank `lora_rank`. Embedding, norms, head and a router are frozen
in `dtype`; QLoRA packs the layers' matrices in NF4. Source: peft 0.19 (fp32 adapters, `autocast_adapter_dtype`),
bitsandbytes 0.50.2; under FSDP2 the packed weights wear `dtype` (`bnb_4bit_quant_storage`) so that they can be cut.
"""

from dataclasses import dataclass, replace

from mgpu_lab.planner.machines import Machine
from mgpu_lab.planner.memory.activations import WIDE
from mgpu_lab.planner.memory.adapter_activations import between, short, size_of, under_autocast
from mgpu_lab.planner.memory.adapter_backward import AdapterBackward
from mgpu_lab.planner.memory.adapter_stages import AdapterStage, adapter_stages
from mgpu_lab.planner.memory.matrices import layer_linears
from mgpu_lab.planner.memory.nf4 import TABLES_BYTES, packed_bytes, scale_bytes
from mgpu_lab.planner.memory.optimizers import state_bytes
from mgpu_lab.planner.memory.planned import highest
from mgpu_lab.planner.memory.playing import Moments, Part, play, with_host
from mgpu_lab.planner.memory.tape import KEPT, SENT, Row, Tape
from mgpu_lab.planner.memory.trained import Weight, registered
from mgpu_lab.planner.memory.weights import Stage
from mgpu_lab.planner.memory.zero import engine_for, played
from mgpu_lab.planner.recipe import Recipe
from mgpu_lab.planner.shapes import ModelShape

SOURCE = "peft 0.19, bitsandbytes 0.50.2"
GATHERED: Row = ("parameters", "gathered weights")


@dataclass(frozen=True)
class Base:
    """Bytes of one layer's frozen base and of the model's ends; numbers of one layer's adapters by name."""

    packed_bytes: int  # NF4 weights; 0 for LoRA
    scales_bytes: int  # their scales and tables of levels
    plain_bytes: int  # a layer's weights in `dtype`
    ends_bytes: int  # embedding, last norm, head
    adapters: dict[str, int]
    matrices: dict[str, int]  # numbers of one matrix that a product reads at once

    @property
    def adapter_numbers(self) -> int:
        return sum(self.adapters.values())


def base_of(shape: ModelShape, recipe: Recipe) -> Base:
    """Count one layer and the ends."""
    linears, rank = layer_linears(shape), recipe.lora_rank
    quantised = sum(one.numbers * one.count for one in linears) if recipe.adapter == "qlora" else 0
    adapters = {f"{short(one.name)} A": rank * one.inputs * one.count for one in linears}
    adapters |= {f"{short(one.name)} B": rank * one.outputs * one.count for one in linears}
    scales = sum(one.count * (scale_bytes(one.numbers) + TABLES_BYTES) for one in linears) if quantised else 0
    return Base(
        packed_bytes=packed_bytes(quantised),
        scales_bytes=scales,
        plain_bytes=(shape.layer - quantised) * recipe.bytes,
        ends_bytes=(shape.parameters - shape.layers * shape.layer) * recipe.bytes,
        adapters=adapters,
        matrices={short(one.name): one.numbers for one in linears},
    )


class Replicated:
    """DDP, or one process: everything on every rank; DDP's buckets are as large as the adapters."""

    def __init__(self, shape: ModelShape, recipe: Recipe) -> None:
        self.shape, self.recipe, self.base = shape, recipe, base_of(shape, recipe)
        self.layers, self.host = shape.layers, dict[str, int]()
        self.sizes = [size for size in self.base.adapters.values() for _ in range(shape.layers)]
        self.held_over = False
        self.casts = recipe.bytes * self.base.adapter_numbers if under_autocast(recipe) else 0

    def hold(self, tape: Tape) -> None:
        base, layers, dtype = self.base, self.layers, self.recipe.dtype
        tape.put("base", base.ends_bytes + layers * base.plain_bytes, ("parameters", f"weights, {dtype}"))
        tape.put("packed", layers * base.packed_bytes, ("parameters", "nf4 packed weights"))
        tape.put("scales", layers * base.scales_bytes, ("parameters", "absmax and code tables"))
        tape.put("adapters", sum(self.sizes) * WIDE, ("parameters", "LoRA, fp32"))
        for name, size in state_bytes(self.sizes, WIDE, self.recipe.optimizer).items():
            tape.put(name, size, ("optimizer_state", name))
        if self.recipe.data_parallel > 1:
            tape.put("buckets", sum(self.sizes) * WIDE, ("other", "DDP buckets"))

    def forward(self, tape: Tape) -> None:
        for layer in range(self.layers):
            tape.put(f"casts of {layer}", self.casts, KEPT)

    def layers_over(self, tape: Tape) -> None:
        """Nothing is gathered."""

    def forward_over(self, tape: Tape) -> None:
        if self.recipe.checkpointing != "none":
            tape.free(*[f"casts of {layer}" for layer in range(self.layers)])

    def before(self, tape: Tape, unit: str) -> None:
        if self.recipe.checkpointing != "none":
            tape.put(f"casts of {unit}", self.casts)

    def reach(self, tape: Tape, unit: str, weight: str) -> None:
        """Everything is there."""

    def unpack(self, tape: Tape, unit: str, weight: str) -> None:  # noqa: ARG002 - asked so
        if self.recipe.adapter == "qlora":
            tape.make("unpacked weight", self.base.matrices[weight] * self.recipe.bytes)

    def gradient(self, tape: Tape, unit: str, weight: str, numbers: float) -> None:  # noqa: ARG002 - asked so
        if not self.held_over:
            tape.add("gradients", self.base.adapters[weight] * WIDE, ("gradients", "gradients, fp32"))

    def settle(self, tape: Tape, unit: str, weight: str, numbers: float) -> None:
        """The gradient is where it stays."""

    def after(self, tape: Tape, unit: str) -> None:
        if unit != "root":
            tape.free(f"casts of {unit}")

    def finish(self, tape: Tape) -> None:  # noqa: ARG002 - asked so
        self.held_over = True

    def step(self, tape: Tape) -> None:
        """A fused optimizer makes nothing."""


class Sharded(Replicated):
    """FSDP2 over each layer and the rest: shards in the dtypes of the weights, gathered in `dtype`.

    The scales of NF4 weights are no parameters, so they are whole on every rank. While a layer's backward runs, the
    buffer of the next one's all-gather waits.
    """

    def hold(self, tape: Tape) -> None:
        base, layers, shards = self.base, self.layers, self.recipe.shards
        frozen = (base.ends_bytes + layers * (base.plain_bytes + base.packed_bytes)) // shards
        sizes = [-(-size // shards) for size in self.sizes]
        self.mine = sum(sizes)
        tape.put("scales", layers * base.scales_bytes, ("parameters", "absmax and code tables"))
        self.lay(tape, "base", frozen, ("parameters", f"shard, {self.recipe.dtype}"))
        self.lay(tape, "adapters", self.mine * WIDE, ("parameters", "shard, fp32"))
        for name, size in state_bytes(sizes, WIDE, self.recipe.optimizer).items():
            self.lay(tape, name, size, ("optimizer_state", name))
        if self.recipe.offload != "none":
            self.host["gradients"] = self.mine * WIDE

    def lay(self, tape: Tape, name: str, size: int, row: Row) -> None:
        """Put it on the GPU, or on the host."""
        if self.recipe.offload == "none":
            tape.put(name, size, row)
        else:
            self.host[row[1]] = self.host.get(row[1], 0) + size  # a base in fp32 shares its row with the adapters

    @property
    def layer_bytes(self) -> int:
        return self.base.packed_bytes + self.base.plain_bytes + self.base.adapter_numbers * self.recipe.bytes

    def forward(self, tape: Tape) -> None:
        tape.put("gathered root", self.base.ends_bytes, GATHERED)
        tape.put("all-gather", self.layer_bytes, SENT)
        tape.put("gathered last layer", self.layer_bytes, GATHERED)

    def forward_over(self, tape: Tape) -> None:
        """The root stays gathered, and the last layer is gathered again at once."""

    def layers_over(self, tape: Tape) -> None:
        tape.free("gathered last layer")

    def before(self, tape: Tape, unit: str) -> None:
        tape.put("gathered layer", self.layer_bytes, GATHERED)
        if unit == "0":
            tape.free("all-gather")
        tape.look()

    def gradient(self, tape: Tape, unit: str, weight: str, numbers: float) -> None:  # noqa: ARG002 - asked so
        tape.add(
            "layer's gradients", self.base.adapters[weight] * self.recipe.bytes, ("gradients", "gradients, narrow")
        )

    def after(self, tape: Tape, unit: str) -> None:
        if unit == "root":
            tape.free("gathered root")
            return
        tape.free("gathered layer")
        tape.make("reduce-scatter input", self.base.adapter_numbers * WIDE, SENT)
        tape.free("reduce-scatter input", "layer's gradients")
        if not self.held_over and self.recipe.offload == "none":
            tape.add("gradients", self.mine * WIDE / self.layers, ("gradients", "gradients, fp32"))


def with_adapters(base: list[Weight], adapters: dict[str, int]) -> list[Weight]:
    """List the weights in their order, LoRA's A and B after their matrix."""
    listed: list[Weight] = []
    for one in base:
        listed.append(one)
        pair = [f"{one.name} {letter}" for letter in "AB"]
        listed += [Weight(one.unit, name, adapters[name]) for name in pair if one.unit != "root" and name in adapters]
    return listed


def adapter_moments(shape: ModelShape, recipe: Recipe, where: Machine) -> Moments:  # noqa: ARG001 - see below
    """Return the planned bytes of a GPU that trains LoRA adapters, at forward's end, in backward and in the step.

    Args:
        shape: the model.
        recipe: `adapter` "lora" or "qlora"; `method` ddp, fsdp, or with LoRA a stage of DeepSpeed.
        where: not asked: the tensors are the same on every card.
    """
    if recipe.method.startswith("zero"):
        return _under_deepspeed(shape, recipe, Tape())
    cut = replace(recipe, world_size=recipe.data_parallel, tensor_parallel=1, pipeline_parallel=1)  # shapes are cut
    stages = (played_stage(stage, cut) for stage in adapter_stages(shape, recipe))
    return max(stages, key=lambda moments: highest(moments).total)


def played_stage(stage: AdapterStage, recipe: Recipe) -> Moments:
    """Play one step of a pipeline's stage; without a pipeline it is the only one."""
    shape, tape = stage.shape, Tape()
    weights = (Sharded if recipe.method == "fsdp" else Replicated)(shape, recipe)
    tape.put("rotary", shape.head_size * recipe.bytes * (not shape.learned_positions), ("buffers", "buffers"))
    one = size_of(between(shape, recipe), recipe.tokens) * shape.layers
    backward = AdapterBackward(shape, recipe, weights, tape)
    part = Part(shape.layers, last=stage.head, waiting_bytes=int((stage.in_flight - 1) * one))
    return with_host(play(backward, part, SOURCE), weights.host, SOURCE)


def _under_deepspeed(shape: ModelShape, recipe: Recipe, tape: Tape) -> Moments:
    """DeepSpeed's engine casts the adapters to `dtype` and keeps fp32 masters of them."""
    stage, base = Stage(shape, recipe, shape.layers), base_of(shape, recipe)
    everything = with_adapters(registered(stage), base.adapters)
    trained = [one for one in everything if one.name[-2:] in (" A", " B")]
    engine = engine_for(recipe, shape, trained, shape.parameters, everything)
    return played(AdapterBackward(shape, recipe, engine, tape), engine, tape, stage)
