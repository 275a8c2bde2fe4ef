"""How a model is trained: method, dtypes, batch, checkpointing, and how the ranks are divided. Checked when made."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from mgpu_lab.planner.options import refuse_count, refuse_word, short
from mgpu_lab.planner.shapes import ModelShape
from mgpu_lab.wire.errors import UsageError

Method = Literal["ddp", "zero0", "zero1", "zero2", "zero3", "fsdp"]
Checkpointing = Literal["none", "selective", "full"]
CHOICES: Mapping[str, tuple[object, ...]] = {
    "method": get_args(Method),
    "adapter": (None, "lora", "qlora"),
    "dtype": ("bf16", "fp16", "fp32"),
    "master": ("fp32", None),
    "checkpointing": get_args(Checkpointing),
    "optimizer": ("adamw", "adamw8bit", "sgd"),
    "offload": ("none", "cpu", "nvme"),
}
COUNTS = ("micro_batch", "seq_len", "accumulation", "lora_rank", "tensor_parallel", "pipeline_parallel", "world_size")
HELP = {"master": " With None the optimizer updates weights in dtype itself."}
BYTES = {"fp32": 4, "bf16": 2, "fp16": 2}


@dataclass(frozen=True)
class Recipe:
    """One way to train. `dtype` computes; `master` is what the optimizer updates: "fp32", or None for `dtype` itself.

    - ddp, dtype bf16, master fp32: fp32 parameters under `torch.autocast`. master None: the model is bf16.
    - zero0 to zero3: DeepSpeed's stages, its bf16 (fp16) engine, fp32 masters in the optimizer. `deepspeed` holds
      settings of its `zero_optimization` that differ from the defaults: {"reduce_bucket_size": 50_000_000}.
    - fsdp: FSDP2, `MixedPrecisionPolicy(param_dtype=dtype, reduce_dtype=torch.float32)` over shards in `master`.
    - dtype fp32: no mixed precision.
    - adapter "lora", "qlora": the base is frozen in `dtype` (in NF4 with double quantisation), the adapters are fp32.

    `world_size` ranks are `data_parallel` x `tensor_parallel` x `pipeline_parallel`.
    """

    world_size: int
    method: Method = "fsdp"
    adapter: Literal["lora", "qlora"] | None = None
    micro_batch: int = 1
    seq_len: int = 8192
    accumulation: int = 1
    dtype: Literal["bf16", "fp16", "fp32"] = "bf16"
    master: Literal["fp32"] | None = "fp32"
    checkpointing: Checkpointing = "none"
    optimizer: Literal["adamw", "adamw8bit", "sgd"] = "adamw"
    lora_rank: int = 16
    tensor_parallel: int = 1
    pipeline_parallel: int = 1
    offload: Literal["none", "cpu", "nvme"] = "none"
    deepspeed: Mapping[str, Any] | None = field(default=None, hash=False)

    def __post_init__(self) -> None:
        for name, choices in CHOICES.items():
            refuse_word(name, getattr(self, name), choices, HELP.get(name, ""))
        for name in COUNTS:
            refuse_count(name, getattr(self, name))
        if self.deepspeed is not None and not isinstance(self.deepspeed, Mapping):
            raise UsageError(f"deepspeed={short(self.deepspeed)} is not a dict of DeepSpeed's zero_optimization.")
        if self.deepspeed and not self.method.startswith("zero"):
            raise UsageError(f"deepspeed holds settings of zero0 to zero3; method is {self.method!r}.")
        if self.world_size % (self.tensor_parallel * self.pipeline_parallel):
            raise UsageError(
                f"tensor_parallel={self.tensor_parallel} x pipeline_parallel={self.pipeline_parallel} does not divide "
                f"{self.world_size} GPUs."
            )

    @property
    def data_parallel(self) -> int:
        return self.world_size // (self.tensor_parallel * self.pipeline_parallel)

    @property
    def tokens(self) -> int:
        """Tokens of one micro-batch."""
        return self.micro_batch * self.seq_len

    @property
    def tokens_per_step(self) -> int:
        """Tokens that all GPUs together handle in one optimizer step."""
        return self.tokens * self.accumulation * self.data_parallel

    @property
    def shards(self) -> int:
        """Over how many ranks FSDP and ZeRO divide."""
        return self.data_parallel

    @property
    def bytes(self) -> int:
        """Bytes of a number in `dtype`."""
        return BYTES[self.dtype]

    def layers_here(self, shape: ModelShape) -> int:
        """Layers of the first pipeline stage, which has the most."""
        return math.ceil(shape.layers / self.pipeline_parallel)


def refuse_mismatch(shape: ModelShape, recipe: Recipe) -> None:
    """Raise a UsageError where this model cannot be trained so."""
    tensor, stages = recipe.tensor_parallel, recipe.pipeline_parallel
    for what, number in (("heads", shape.heads), ("KV heads", shape.kv_heads), ("MLP features", shape.intermediate)):
        if number % tensor:
            raise UsageError(f"tensor_parallel={tensor} does not divide the {number} {what} of {shape.name}.")
    if stages > shape.layers:
        raise UsageError(f"pipeline_parallel={stages} is more than the {shape.layers} layers of {shape.name}.")
    if shape.learned_positions and recipe.seq_len > shape.context:
        raise UsageError(f"seq_len={recipe.seq_len} is more than the {shape.context} positions of {shape.name}.")
    if recipe.offload != "none" and recipe.method in ("ddp", "zero0"):
        raise UsageError(f"offload={recipe.offload!r} needs a method that shards: zero1, zero2, zero3 or fsdp.")
    if recipe.offload == "nvme" and recipe.method != "zero3":
        raise UsageError(f"offload='nvme' is DeepSpeed's stage 3: method='zero3', not {recipe.method!r}.")
    if recipe.adapter == "qlora" and recipe.method.startswith("zero"):
        raise UsageError("adapter='qlora' is planned with method='ddp' (whole copies of the base) or 'fsdp' (shards).")
    if recipe.adapter and recipe.method.startswith("zero") and tensor * stages > 1:
        raise UsageError("Adapters under DeepSpeed are planned without tensor or pipeline parallelism; choose 'fsdp'.")
