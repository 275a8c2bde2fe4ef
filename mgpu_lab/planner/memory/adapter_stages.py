"""A frozen decoder with adapters cut by tensor and pipeline parallelism: the shapes that its fullest GPUs hold."""

from dataclasses import dataclass, replace

from mgpu_lab.planner.recipe import Recipe
from mgpu_lab.planner.shapes import ModelShape


@dataclass(frozen=True)
class AdapterStage:
    """What one GPU holds of a model, whether it computes the loss, and how many micro-batches wait in it (1F1B)."""

    shape: ModelShape
    head: bool = True
    in_flight: int = 1


def adapter_stages(shape: ModelShape, recipe: Recipe) -> tuple[AdapterStage, ...]:
    """Return the first and the last stage of a pipeline, or the whole model.

    Tensor parallelism divides heads, MLP features and vocabulary, and with them LoRA's B of a matrix that is cut by
    columns and its A of one that is cut by rows. Logits stay divided here (the loss is computed on shares). The first
    stage has the embedding, the last one the head, which are of one size.
    """
    tensor, stages = recipe.tensor_parallel, recipe.pipeline_parallel
    mine = replace(
        shape,
        heads=shape.heads // tensor,
        kv_heads=shape.kv_heads // tensor,
        intermediate=shape.intermediate // tensor,
        vocabulary=-(-shape.vocabulary // tensor),
    )
    if stages == 1:
        return (AdapterStage(mine),)
    end = replace(mine, layers=recipe.layers_here(shape), tied=True)  # one of embedding and head
    return AdapterStage(end, head=False, in_flight=min(stages, recipe.accumulation)), AdapterStage(end)
