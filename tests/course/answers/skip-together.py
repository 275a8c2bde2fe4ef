# %% right: as in the lesson
def scaled_step(gradients, scale, apply):
    finite = torch.stack([gradient.isfinite().all() for gradient in gradients]).all()
    found_bad = 1.0 - finite.float()
    dist.all_reduce(found_bad, op=dist.ReduceOp.MAX)
    if found_bad:
        return scale / 2
    for gradient in gradients:
        gradient.div_(scale * dist.get_world_size())
        dist.all_reduce(gradient)
    norm = torch.cat([gradient.flatten() for gradient in gradients]).norm()
    for gradient in gradients:
        gradient.div_(norm.clamp(min=1.0))
    apply(gradients)
    return scale


# %% right: no flag, one flat buffer, looks after
def scaled_step(gradients, scale, apply):
    flat = torch.cat([g.reshape(-1) for g in gradients]) / scale
    dist.all_reduce(flat)
    if not torch.isfinite(flat).all():
        return scale * 0.5
    flat /= dist.get_world_size()
    flat *= min(1.0, 1.0 / max(float(flat.norm()), 1e-30))
    parts = flat.split([g.numel() for g in gradients])
    apply([part.view_as(g) for part, g in zip(parts, gradients)])
    return scale


# %% right: torch's own clipping, flag by an object gather
def scaled_step(gradients, scale, apply):
    mine = any(bool((~g.isfinite()).any()) for g in gradients)
    everybody = [None] * dist.get_world_size()
    dist.all_gather_object(everybody, mine)
    if any(everybody):
        return scale / 2.0
    parameters = []
    for g in gradients:
        dist.all_reduce(g.div_(scale * dist.get_world_size()))
        parameters.append(torch.zeros_like(g, requires_grad=True))
        parameters[-1].grad = g
    torch.nn.utils.clip_grad_norm_(parameters, 1.0)
    apply([p.grad for p in parameters])
    return scale


# %% right: functional collectives
import torch.distributed._functional_collectives as funcol


def scaled_step(gradients, scale, apply):
    n = dist.get_world_size()
    flag = torch.stack([(~g.isfinite()).any() for g in gradients]).any().float()
    if funcol.wait_tensor(funcol.all_reduce(flag, "max", dist.group.WORLD)) > 0:
        return scale / 2
    means = [funcol.wait_tensor(funcol.all_reduce(g / (n * scale), "sum", dist.group.WORLD)) for g in gradients]
    norm = sum(m.square().sum() for m in means).sqrt()
    apply([m / norm if norm > 1 else m for m in means])
    return scale


# %% right: reduce-scatter and all-gather, async
def scaled_step(gradients, scale, apply):
    n = dist.get_world_size()
    flat = torch.cat([g.flatten() for g in gradients])
    size = flat.numel()
    flat = torch.nn.functional.pad(flat, (0, -size % n))
    mine = flat.new_empty(flat.numel() // n)
    dist.reduce_scatter_tensor(mine, flat, async_op=True).wait()
    dist.all_gather_into_tensor(flat, mine / (n * scale), async_op=True).wait()
    if not flat.isfinite().all():
        return scale / 2
    flat = flat[:size]
    flat = flat / torch.linalg.vector_norm(flat).clamp(min=1)
    apply([p.reshape(g.shape) for p, g in zip(flat.split([g.numel() for g in gradients]), gradients)])
    return scale


# %% right: the norm tells, fp64, a class
class Step:
    def __call__(self, gradients, scale, apply):
        wide = [g.double() / scale for g in gradients]
        for g in wide:
            dist.all_reduce(g, op=dist.ReduceOp.SUM)
        wide = [g / dist.get_world_size() for g in wide]
        norm = torch.stack([g.norm() for g in wide]).norm()
        if not torch.isfinite(norm):
            return scale / 2
        factor = 1 / norm if norm > 1 else 1.0
        apply([(g * factor).float() for g in wide])
        return scale


answer = Step()


# %% wrong: decides alone -> ranks
def clipped(tensors):
    norm = torch.cat([each.flatten() for each in tensors]).norm().clamp(min=1.0)
    return [each / norm for each in tensors]


def mean(gradients, scale):
    for gradient in gradients:
        dist.all_reduce(gradient)
    return [gradient / (scale * dist.get_world_size()) for gradient in gradients]


def scaled_step(gradients, scale, apply):
    if not all(gradient.isfinite().all() for gradient in gradients):
        return scale / 2
    apply(clipped(mean(gradients, scale)))
    return scale


# %% wrong: never skips -> and apply was called
def clipped(tensors):
    norm = torch.cat([each.flatten() for each in tensors]).norm().clamp(min=1.0)
    return [each / norm for each in tensors]


def mean(gradients, scale):
    for gradient in gradients:
        dist.all_reduce(gradient)
    return [gradient / (scale * dist.get_world_size()) for gradient in gradients]


def scaled_step(gradients, scale, apply):
    apply(clipped(mean(gradients, scale)))
    return scale


# %% wrong: misses nan -> A nan on rank 0, and apply was called
def clipped(tensors):
    norm = torch.cat([each.flatten() for each in tensors]).norm().clamp(min=1.0)
    return [each / norm for each in tensors]


def mean(gradients, scale):
    for gradient in gradients:
        dist.all_reduce(gradient)
    return [gradient / (scale * dist.get_world_size()) for gradient in gradients]


def scaled_step(gradients, scale, apply):
    bad = torch.stack([gradient.isinf().any() for gradient in gradients]).any().float()
    dist.all_reduce(bad, op=dist.ReduceOp.MAX)
    if bad:
        return scale / 2
    apply(clipped(mean(gradients, scale)))
    return scale


# %% wrong: misses -inf -> A -inf on the last rank, and apply was called
def clipped(tensors):
    norm = torch.cat([each.flatten() for each in tensors]).norm().clamp(min=1.0)
    return [each / norm for each in tensors]


def mean(gradients, scale):
    for gradient in gradients:
        dist.all_reduce(gradient)
    return [gradient / (scale * dist.get_world_size()) for gradient in gradients]


def scaled_step(gradients, scale, apply):
    bad = torch.stack([(g.isnan() | (g == torch.inf)).any() for g in gradients]).any().float()
    dist.all_reduce(bad, op=dist.ReduceOp.MAX)
    if bad:
        return scale / 2
    apply(clipped(mean(gradients, scale)))
    return scale


# %% wrong: looks at the last gradient only -> A nan on rank 0, and apply was called
def clipped(tensors):
    norm = torch.cat([each.flatten() for each in tensors]).norm().clamp(min=1.0)
    return [each / norm for each in tensors]


def bad_anywhere(gradients):
    bad = 1.0 - torch.stack([gradient.isfinite().all() for gradient in gradients]).all().float()
    dist.all_reduce(bad, op=dist.ReduceOp.MAX)
    return bool(bad)


def mean(gradients, scale):
    for gradient in gradients:
        dist.all_reduce(gradient)
    return [gradient / (scale * dist.get_world_size()) for gradient in gradients]


def scaled_step(gradients, scale, apply):
    if bad_anywhere(gradients[-1:]):
        return scale / 2
    apply(clipped(mean(gradients, scale)))
    return scale


# %% wrong: 1024 written into it -> it should be
def clipped(tensors):
    norm = torch.cat([each.flatten() for each in tensors]).norm().clamp(min=1.0)
    return [each / norm for each in tensors]


def bad_anywhere(gradients):
    bad = 1.0 - torch.stack([gradient.isfinite().all() for gradient in gradients]).all().float()
    dist.all_reduce(bad, op=dist.ReduceOp.MAX)
    return bool(bad)


def mean(gradients, scale):
    for gradient in gradients:
        dist.all_reduce(gradient)
    return [gradient / (scale * dist.get_world_size()) for gradient in gradients]


def scaled_step(gradients, scale, apply):
    if bad_anywhere(gradients):
        return scale / 2
    apply(clipped([g / dist.get_world_size() / 1024 for g in mean(gradients, 1 / dist.get_world_size())]))
    return scale


# %% wrong: never halves -> halved after a skipped step
def clipped(tensors):
    norm = torch.cat([each.flatten() for each in tensors]).norm().clamp(min=1.0)
    return [each / norm for each in tensors]


def bad_anywhere(gradients):
    bad = 1.0 - torch.stack([gradient.isfinite().all() for gradient in gradients]).all().float()
    dist.all_reduce(bad, op=dist.ReduceOp.MAX)
    return bool(bad)


def mean(gradients, scale):
    for gradient in gradients:
        dist.all_reduce(gradient)
    return [gradient / (scale * dist.get_world_size()) for gradient in gradients]


def scaled_step(gradients, scale, apply):
    if not bad_anywhere(gradients):
        apply(clipped(mean(gradients, scale)))
    return scale


# %% wrong: doubles -> kept when the step is taken
def clipped(tensors):
    norm = torch.cat([each.flatten() for each in tensors]).norm().clamp(min=1.0)
    return [each / norm for each in tensors]


def bad_anywhere(gradients):
    bad = 1.0 - torch.stack([gradient.isfinite().all() for gradient in gradients]).all().float()
    dist.all_reduce(bad, op=dist.ReduceOp.MAX)
    return bool(bad)


def mean(gradients, scale):
    for gradient in gradients:
        dist.all_reduce(gradient)
    return [gradient / (scale * dist.get_world_size()) for gradient in gradients]


def scaled_step(gradients, scale, apply):
    if bad_anywhere(gradients):
        return scale / 2
    apply(clipped(mean(gradients, scale)))
    return 2 * scale


# %% wrong: clips before unscaling -> Clipped before unscaling
def clipped(tensors):
    norm = torch.cat([each.flatten() for each in tensors]).norm().clamp(min=1.0)
    return [each / norm for each in tensors]


def bad_anywhere(gradients):
    bad = 1.0 - torch.stack([gradient.isfinite().all() for gradient in gradients]).all().float()
    dist.all_reduce(bad, op=dist.ReduceOp.MAX)
    return bool(bad)


def mean(gradients, scale):
    for gradient in gradients:
        dist.all_reduce(gradient)
    return [gradient / (scale * dist.get_world_size()) for gradient in gradients]


def scaled_step(gradients, scale, apply):
    if bad_anywhere(gradients):
        return scale / 2
    apply([g / scale for g in clipped(mean(gradients, 1.0))])
    return scale


# %% wrong: never unscales -> still multiplied by the scale
def clipped(tensors):
    norm = torch.cat([each.flatten() for each in tensors]).norm().clamp(min=1.0)
    return [each / norm for each in tensors]


def bad_anywhere(gradients):
    bad = 1.0 - torch.stack([gradient.isfinite().all() for gradient in gradients]).all().float()
    dist.all_reduce(bad, op=dist.ReduceOp.MAX)
    return bool(bad)


def mean(gradients, scale):
    for gradient in gradients:
        dist.all_reduce(gradient)
    return [gradient / (scale * dist.get_world_size()) for gradient in gradients]


def scaled_step(gradients, scale, apply):
    if bad_anywhere(gradients):
        return scale / 2
    apply(clipped(mean(gradients, 1.0)))
    return scale


# %% wrong: never clips -> are not clipped
def bad_anywhere(gradients):
    bad = 1.0 - torch.stack([gradient.isfinite().all() for gradient in gradients]).all().float()
    dist.all_reduce(bad, op=dist.ReduceOp.MAX)
    return bool(bad)


def mean(gradients, scale):
    for gradient in gradients:
        dist.all_reduce(gradient)
    return [gradient / (scale * dist.get_world_size()) for gradient in gradients]


def scaled_step(gradients, scale, apply):
    if bad_anywhere(gradients):
        return scale / 2
    apply(mean(gradients, scale))
    return scale


# %% wrong: always scales to 1 -> clipping only ever shrinks
def bad_anywhere(gradients):
    bad = 1.0 - torch.stack([gradient.isfinite().all() for gradient in gradients]).all().float()
    dist.all_reduce(bad, op=dist.ReduceOp.MAX)
    return bool(bad)


def mean(gradients, scale):
    for gradient in gradients:
        dist.all_reduce(gradient)
    return [gradient / (scale * dist.get_world_size()) for gradient in gradients]


def scaled_step(gradients, scale, apply):
    if bad_anywhere(gradients):
        return scale / 2
    means = mean(gradients, scale)
    norm = torch.cat([each.flatten() for each in means]).norm()
    apply([each / norm for each in means])
    return scale


# %% wrong: clips each tensor -> one for all tensors
def bad_anywhere(gradients):
    bad = 1.0 - torch.stack([gradient.isfinite().all() for gradient in gradients]).all().float()
    dist.all_reduce(bad, op=dist.ReduceOp.MAX)
    return bool(bad)


def mean(gradients, scale):
    for gradient in gradients:
        dist.all_reduce(gradient)
    return [gradient / (scale * dist.get_world_size()) for gradient in gradients]


def scaled_step(gradients, scale, apply):
    if bad_anywhere(gradients):
        return scale / 2
    apply([each / each.norm().clamp(min=1.0) for each in mean(gradients, scale)])
    return scale


# %% wrong: applies one vector -> one tensor for each gradient
def clipped(tensors):
    norm = torch.cat([each.flatten() for each in tensors]).norm().clamp(min=1.0)
    return [each / norm for each in tensors]


def bad_anywhere(gradients):
    bad = 1.0 - torch.stack([gradient.isfinite().all() for gradient in gradients]).all().float()
    dist.all_reduce(bad, op=dist.ReduceOp.MAX)
    return bool(bad)


def mean(gradients, scale):
    for gradient in gradients:
        dist.all_reduce(gradient)
    return [gradient / (scale * dist.get_world_size()) for gradient in gradients]


def scaled_step(gradients, scale, apply):
    if bad_anywhere(gradients):
        return scale / 2
    apply([torch.cat([each.flatten() for each in clipped(mean(gradients, scale))])])
    return scale


# %% wrong: applies one by one -> must be called once
def clipped(tensors):
    norm = torch.cat([each.flatten() for each in tensors]).norm().clamp(min=1.0)
    return [each / norm for each in tensors]


def bad_anywhere(gradients):
    bad = 1.0 - torch.stack([gradient.isfinite().all() for gradient in gradients]).all().float()
    dist.all_reduce(bad, op=dist.ReduceOp.MAX)
    return bool(bad)


def mean(gradients, scale):
    for gradient in gradients:
        dist.all_reduce(gradient)
    return [gradient / (scale * dist.get_world_size()) for gradient in gradients]


def scaled_step(gradients, scale, apply):
    if bad_anywhere(gradients):
        return scale / 2
    for each in clipped(mean(gradients, scale)):
        apply([each])
    return scale


# %% wrong: returns nothing -> Return the next scale
def clipped(tensors):
    norm = torch.cat([each.flatten() for each in tensors]).norm().clamp(min=1.0)
    return [each / norm for each in tensors]


def bad_anywhere(gradients):
    bad = 1.0 - torch.stack([gradient.isfinite().all() for gradient in gradients]).all().float()
    dist.all_reduce(bad, op=dist.ReduceOp.MAX)
    return bool(bad)


def mean(gradients, scale):
    for gradient in gradients:
        dist.all_reduce(gradient)
    return [gradient / (scale * dist.get_world_size()) for gradient in gradients]


def scaled_step(gradients, scale, apply):
    if not bad_anywhere(gradients):
        apply(clipped(mean(gradients, scale)))


# %% wrong: skips by looking at rank 0 only -> and apply was called
def clipped(tensors):
    norm = torch.cat([each.flatten() for each in tensors]).norm().clamp(min=1.0)
    return [each / norm for each in tensors]


def mean(gradients, scale):
    for gradient in gradients:
        dist.all_reduce(gradient)
    return [gradient / (scale * dist.get_world_size()) for gradient in gradients]


def scaled_step(gradients, scale, apply):
    bad = torch.tensor(float(not all(bool(g.isfinite().all()) for g in gradients)))
    dist.broadcast(bad, 0)
    if bad:
        return scale / 2
    apply(clipped(mean([g.nan_to_num(0, 0, 0) for g in gradients], scale)))
    return scale


# %% wrong: zeroes what is bad -> and apply was called
def clipped(tensors):
    norm = torch.cat([each.flatten() for each in tensors]).norm().clamp(min=1.0)
    return [each / norm for each in tensors]


def mean(gradients, scale):
    for gradient in gradients:
        dist.all_reduce(gradient)
    return [gradient / (scale * dist.get_world_size()) for gradient in gradients]


def scaled_step(gradients, scale, apply):
    good = [g.nan_to_num(0.0, 0.0, 0.0) for g in gradients]
    apply(clipped(mean(good, scale)))
    return scale


# %% wrong: takes no apply -> does not take that
def scaled_step(gradients, scale):
    return scale
