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


# %% right: a MAX of flags, then one flat mean
def scaled_step(gradients, scale, apply):
    bad = torch.tensor(float(any(not g.isfinite().all() for g in gradients)), device=device)
    dist.all_reduce(bad, op=dist.ReduceOp.MAX)
    if bad:
        return scale / 2
    flat = torch.cat([g.flatten() for g in gradients]) / scale
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    flat *= min(1.0, 1.0 / max(flat.norm().item(), 1e-12))
    parts = flat.split([g.numel() for g in gradients])
    apply([part.view(g.shape) for part, g in zip(parts, gradients)])
    return scale


# %% right: inf and nan live through the sum
def scaled_step(gradients, scale, apply):
    n = dist.get_world_size()
    for g in gradients:
        g.div_(scale * n)
        dist.all_reduce(g)
    norm = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(g) for g in gradients]))
    if not all(bool(g.isfinite().all()) for g in gradients):
        return scale * 0.5
    apply([g / norm.clamp(min=1.0) for g in gradients])
    return scale


# %% right: torch's own clipping
import torch.distributed as d
from torch.nn.utils import clip_grad_norm_


def scaled_step(gradients, scale, apply):
    good = torch.ones(1, dtype=torch.int32, device=gradients[0].device)
    for g in gradients:
        good *= int(torch.isfinite(g).all())
    d.all_reduce(good, op=d.ReduceOp.MIN)
    if good.item() == 0:
        return scale / 2.0
    works = [d.all_reduce(g, async_op=True) for g in gradients]
    holders = []
    for g, work in zip(gradients, works):
        work.wait()
        p = nn.Parameter(torch.zeros_like(g))
        p.grad = g / d.get_world_size() / scale
        holders.append(p)
    clip_grad_norm_(holders, 1.0)
    apply([p.grad for p in holders])
    return scale


# %% right: functional collectives and foreach
import torch.distributed._functional_collectives as funcol
from torch.distributed import group


def scaled_step(grads, loss_scale, update):
    finite = torch.stack([g.isfinite().all() for g in grads]).all().float()
    finite = funcol.all_reduce(finite, "min", group.WORLD)
    if finite.item() < 0.5:
        return loss_scale / 2
    reduced = [funcol.wait_tensor(funcol.all_reduce(g, "sum", group.WORLD)) for g in grads]
    means = torch._foreach_div(reduced, loss_scale * dist.get_world_size())
    norm = torch.stack(torch._foreach_norm(means)).norm().item()
    if norm > 1:
        torch._foreach_div_(means, norm)
    update(means)
    return loss_scale


# %% right: a class with methods
class Step:
    def __init__(self, gradients, scale):
        self.gradients, self.scale = [g / scale for g in gradients], scale

    def overflown(self):
        mine = sum((~torch.isfinite(g)).sum() for g in self.gradients)
        count = torch.as_tensor(mine, dtype=torch.int64, device=device).reshape(1)
        dist.all_reduce(count)
        return count.item() > 0

    def mean(self):
        for g in self.gradients:
            dist.all_reduce(g)
            g /= dist.get_world_size()

    def clip(self):
        norm = sum(g.double().square().sum().item() for g in self.gradients) ** 0.5
        self.gradients = [g * (1 / norm if norm > 1 else 1) for g in self.gradients]


def scaled_step(gradients, scale, apply):
    step = Step(gradients, scale)
    if step.overflown():
        return scale / 2
    step.mean()
    step.clip()
    apply(step.gradients)
    return scale


# %% right: flags as objects
def scaled_step(gradients, scale, apply):
    mine = all(torch.isfinite(g).all().item() for g in gradients)
    everybodys = [None] * dist.get_world_size()
    dist.all_gather_object(everybodys, mine)
    if not all(everybodys):
        return scale / 2
    means = []
    for g in gradients:
        whole = g.clone()
        dist.all_reduce(whole)
        means.append(whole / (scale * dist.get_world_size()))
    norm = torch.cat([m.reshape(-1) for m in means]).pow(2).sum().sqrt()
    factor = torch.where(norm > 1, 1 / norm, torch.ones_like(norm))
    apply([m.mul_(factor) for m in means])
    return scale


# %% right: the flag travels with the gradients
def scaled_step(gradients, scale, apply):
    sizes = [g.numel() for g in gradients]
    bad = sum(int((g.isnan() | g.isinf()).any()) for g in gradients)
    message = torch.cat([*(torch.nan_to_num(g, 0, 0, 0).reshape(-1) / scale for g in gradients), torch.tensor([float(bad)])])
    dist.all_reduce(message, dist.ReduceOp.SUM)
    *flats, flag = message.split([*sizes, 1])
    if flag.item() != 0:
        return scale / 2
    flats = [f / dist.get_world_size() for f in flats]
    norm = torch.sqrt(sum(torch.dot(f, f) for f in flats)).item()
    apply([(f if norm <= 1 else f / norm).reshape(g.shape) for f, g in zip(flats, gradients)])
    return scale


# %% right: reduce-scatter and all-gather, the norm from the shares
def scaled_step(gradients, scale, apply):
    n = dist.get_world_size()
    flat = torch.cat([g.ravel() for g in gradients]).div(scale)
    flat = torch.nn.functional.pad(flat, (0, -flat.numel() % n))
    share = torch.empty(flat.numel() // n)
    dist.reduce_scatter_tensor(share, flat)
    share /= n
    square = share.square().sum().reshape(1)
    dist.all_reduce(square)
    # inf and nan reach every rank in the sum of squares; a square can overflow by itself: ask the shares
    bad = (~share.isfinite()).any().float().reshape(1)
    dist.all_reduce(bad, op=dist.ReduceOp.MAX)
    if bad.item():
        return scale / 2
    share /= square.sqrt().clamp_min(1.0)
    dist.all_gather_into_tensor(flat, share)
    result, at = [], 0
    for g in gradients:
        result.append(flat[at : at + g.numel()].reshape(g.size()))
        at += g.numel()
    apply(result)
    return scale


# %% right: einsum and numpy norms, the flag through all_gather
import numpy as np


def scaled_step(gradients, scale, apply):
    n = dist.get_world_size()
    flag = torch.tensor([not np.isfinite(g.cpu().numpy()).all() for g in gradients]).any().to(torch.uint8).reshape(1)
    flags = [torch.zeros_like(flag) for _ in range(n)]
    dist.all_gather(flags, flag)
    if torch.cat(flags).sum() > 0:
        return float(np.divide(scale, 2))
    for g in gradients:
        g /= n
        dist.all_reduce(g)
        g *= 1 / scale
    norm = float(np.sqrt(sum(float(torch.einsum("i,i->", g.flatten(), g.flatten())) for g in gradients)))
    apply([g.clone() if norm <= 1.0 else g.mul(1.0 / norm) for g in gradients])
    return scale


# %% wrong: each rank decides alone
def scaled_step(gradients, scale, apply):
    bad = torch.tensor(float(any(not g.isfinite().all() for g in gradients)))
    if bad:
        return scale / 2
    for g in gradients:
        g /= scale
        dist.all_reduce(g)
        g /= dist.get_world_size()
    norm = torch.cat([g.flatten() for g in gradients]).norm()
    for g in gradients:
        g /= norm.clamp(min=1.0)
    apply(gradients)
    return scale


# %% wrong: each rank decides alone, but all reduce
def scaled_step(gradients, scale, apply):
    bad = torch.tensor(float(any(not g.isfinite().all() for g in gradients)))
    for g in gradients:
        g /= scale
        dist.all_reduce(g)
        g /= dist.get_world_size()
    norm = torch.cat([g.flatten() for g in gradients]).norm()
    for g in gradients:
        g /= norm.clamp(min=1.0)
    if bad:
        return scale / 2
    apply(gradients)
    return scale


# %% wrong: nan is overlooked
def scaled_step(gradients, scale, apply):
    bad = torch.tensor(float(any(g.isinf().any() for g in gradients)))
    dist.all_reduce(bad, op=dist.ReduceOp.MAX)
    if bad:
        return scale / 2
    for g in gradients:
        g /= scale
        dist.all_reduce(g)
        g /= dist.get_world_size()
    norm = torch.cat([g.flatten() for g in gradients]).norm()
    for g in gradients:
        g /= norm.clamp(min=1.0)
    apply(gradients)
    return scale


# %% wrong: inf is overlooked
def scaled_step(gradients, scale, apply):
    bad = torch.tensor(float(any(g.isnan().any() for g in gradients)))
    dist.all_reduce(bad, op=dist.ReduceOp.MAX)
    if bad:
        return scale / 2
    for g in gradients:
        g /= scale
        dist.all_reduce(g)
        g /= dist.get_world_size()
    norm = torch.cat([g.flatten() for g in gradients]).norm()
    for g in gradients:
        g /= norm.clamp(min=1.0)
    apply(gradients)
    return scale


# %% wrong: minus inf is overlooked
def scaled_step(gradients, scale, apply):
    bad = torch.tensor(float(any(((g == torch.inf) | g.isnan()).any() for g in gradients)))
    dist.all_reduce(bad, op=dist.ReduceOp.MAX)
    if bad:
        return scale / 2
    for g in gradients:
        g /= scale
        dist.all_reduce(g)
        g /= dist.get_world_size()
    norm = torch.cat([g.flatten() for g in gradients]).norm()
    for g in gradients:
        g /= norm.clamp(min=1.0)
    apply(gradients)
    return scale


# %% wrong: the first tensor only is looked at
def scaled_step(gradients, scale, apply):
    bad = torch.tensor(float(any(not g.isfinite().all() for g in gradients[:1])))
    dist.all_reduce(bad, op=dist.ReduceOp.MAX)
    if bad:
        return scale / 2
    for g in gradients:
        g /= scale
        dist.all_reduce(g)
        g /= dist.get_world_size()
    norm = torch.cat([g.flatten() for g in gradients]).norm()
    for g in gradients:
        g /= norm.clamp(min=1.0)
    apply(gradients)
    return scale


# %% wrong: the last tensor only is looked at
def scaled_step(gradients, scale, apply):
    bad = torch.tensor(float(any(not g.isfinite().all() for g in gradients[-1:])))
    dist.all_reduce(bad, op=dist.ReduceOp.MAX)
    if bad:
        return scale / 2
    for g in gradients:
        g /= scale
        dist.all_reduce(g)
        g /= dist.get_world_size()
    norm = torch.cat([g.flatten() for g in gradients]).norm()
    for g in gradients:
        g /= norm.clamp(min=1.0)
    apply(gradients)
    return scale


# %% wrong: MIN for MAX
def scaled_step(gradients, scale, apply):
    bad = torch.tensor(float(any(not g.isfinite().all() for g in gradients)))
    dist.all_reduce(bad, op=dist.ReduceOp.MIN)
    if bad:
        return scale / 2
    for g in gradients:
        g /= scale
        dist.all_reduce(g)
        g /= dist.get_world_size()
    norm = torch.cat([g.flatten() for g in gradients]).norm()
    for g in gradients:
        g /= norm.clamp(min=1.0)
    apply(gradients)
    return scale


# %% wrong: skips only if exactly one rank is bad -> on every rank
def scaled_step(gradients, scale, apply):
    bad = torch.tensor(float(any(not g.isfinite().all() for g in gradients)))
    dist.all_reduce(bad, op=dist.ReduceOp.SUM)
    if bad == 1:
        return scale / 2
    for g in gradients:
        g /= scale
        dist.all_reduce(g)
        g /= dist.get_world_size()
    norm = torch.cat([g.flatten() for g in gradients]).norm()
    for g in gradients:
        g /= norm.clamp(min=1.0)
    apply(gradients)
    return scale


# %% wrong: skips only if all ranks are bad
def scaled_step(gradients, scale, apply):
    bad = torch.tensor(float(any(not g.isfinite().all() for g in gradients)))
    dist.all_reduce(bad, op=dist.ReduceOp.SUM)
    if bad == dist.get_world_size():
        return scale / 2
    for g in gradients:
        g /= scale
        dist.all_reduce(g)
        g /= dist.get_world_size()
    norm = torch.cat([g.flatten() for g in gradients]).norm()
    for g in gradients:
        g /= norm.clamp(min=1.0)
    apply(gradients)
    return scale


# %% wrong: rank 0 decides for all
def scaled_step(gradients, scale, apply):
    bad = torch.tensor(float(any(not g.isfinite().all() for g in gradients)))
    dist.broadcast(bad, 0)
    if bad:
        return scale / 2
    for g in gradients:
        g /= scale
        dist.all_reduce(g)
        g /= dist.get_world_size()
    norm = torch.cat([g.flatten() for g in gradients]).norm()
    for g in gradients:
        g /= norm.clamp(min=1.0)
    apply(gradients)
    return scale


# %% wrong: the scale is not divided out
def scaled_step(gradients, scale, apply):
    bad = torch.tensor(float(any(not g.isfinite().all() for g in gradients)))
    dist.all_reduce(bad, op=dist.ReduceOp.MAX)
    if bad:
        return scale / 2
    for g in gradients:
        dist.all_reduce(g)
        g /= dist.get_world_size()
    norm = torch.cat([g.flatten() for g in gradients]).norm()
    for g in gradients:
        g /= norm.clamp(min=1.0)
    apply(gradients)
    return scale


# %% wrong: a sum and no mean
def scaled_step(gradients, scale, apply):
    bad = torch.tensor(float(any(not g.isfinite().all() for g in gradients)))
    dist.all_reduce(bad, op=dist.ReduceOp.MAX)
    if bad:
        return scale / 2
    for g in gradients:
        g /= scale
        dist.all_reduce(g)
    norm = torch.cat([g.flatten() for g in gradients]).norm()
    for g in gradients:
        g /= norm.clamp(min=1.0)
    apply(gradients)
    return scale


# %% wrong: the mean of two ranks is written in, and of four
def scaled_step(gradients, scale, apply):
    bad = torch.tensor(float(any(not g.isfinite().all() for g in gradients)))
    dist.all_reduce(bad, op=dist.ReduceOp.MAX)
    if bad:
        return scale / 2
    for g in gradients:
        g /= scale
        dist.all_reduce(g)
        g /= 4
    norm = torch.cat([g.flatten() for g in gradients]).norm()
    for g in gradients:
        g /= norm.clamp(min=1.0)
    apply(gradients)
    return scale


# %% wrong: clipped one by one
def scaled_step(gradients, scale, apply):
    bad = torch.tensor(float(any(not g.isfinite().all() for g in gradients)))
    dist.all_reduce(bad, op=dist.ReduceOp.MAX)
    if bad:
        return scale / 2
    for g in gradients:
        g /= scale
        dist.all_reduce(g)
        g /= dist.get_world_size()
    for g in gradients:
        g /= g.norm().clamp(min=1.0)
    apply(gradients)
    return scale


# %% wrong: clipped before the mean
def scaled_step(gradients, scale, apply):
    bad = torch.tensor(float(any(not g.isfinite().all() for g in gradients)))
    dist.all_reduce(bad, op=dist.ReduceOp.MAX)
    if bad:
        return scale / 2
    for g in gradients:
        g /= scale
    norm = torch.cat([g.flatten() for g in gradients]).norm()
    for g in gradients:
        g /= norm.clamp(min=1.0)
    for g in gradients:
        dist.all_reduce(g)
        g /= dist.get_world_size()
    apply(gradients)
    return scale


# %% wrong: clipped before the scale is divided out
def scaled_step(gradients, scale, apply):
    bad = torch.tensor(float(any(not g.isfinite().all() for g in gradients)))
    dist.all_reduce(bad, op=dist.ReduceOp.MAX)
    if bad:
        return scale / 2
    for g in gradients:
        dist.all_reduce(g)
        g /= dist.get_world_size()
    norm = torch.cat([g.flatten() for g in gradients]).norm()
    for g in gradients:
        g /= norm.clamp(min=1.0)
    for g in gradients:
        g /= scale
    apply(gradients)
    return scale


# %% wrong: always a norm of one
def scaled_step(gradients, scale, apply):
    bad = torch.tensor(float(any(not g.isfinite().all() for g in gradients)))
    dist.all_reduce(bad, op=dist.ReduceOp.MAX)
    if bad:
        return scale / 2
    for g in gradients:
        g /= scale
        dist.all_reduce(g)
        g /= dist.get_world_size()
    norm = torch.cat([g.flatten() for g in gradients]).norm()
    for g in gradients:
        g /= norm
    apply(gradients)
    return scale


# %% wrong: never clipped
def scaled_step(gradients, scale, apply):
    bad = torch.tensor(float(any(not g.isfinite().all() for g in gradients)))
    dist.all_reduce(bad, op=dist.ReduceOp.MAX)
    if bad:
        return scale / 2
    for g in gradients:
        g /= scale
        dist.all_reduce(g)
        g /= dist.get_world_size()
    apply(gradients)
    return scale


# %% wrong: clipped by value
def scaled_step(gradients, scale, apply):
    bad = torch.tensor(float(any(not g.isfinite().all() for g in gradients)))
    dist.all_reduce(bad, op=dist.ReduceOp.MAX)
    if bad:
        return scale / 2
    for g in gradients:
        g /= scale
        dist.all_reduce(g)
        g /= dist.get_world_size()
    for g in gradients:
        g.clamp_(-1.0, 1.0)
    apply(gradients)
    return scale


# %% wrong: clipped by the sum of the norms
def scaled_step(gradients, scale, apply):
    bad = torch.tensor(float(any(not g.isfinite().all() for g in gradients)))
    dist.all_reduce(bad, op=dist.ReduceOp.MAX)
    if bad:
        return scale / 2
    for g in gradients:
        g /= scale
        dist.all_reduce(g)
        g /= dist.get_world_size()
    norm = torch.cat([g.flatten() for g in gradients]).norm()
    norm = sum(g.norm() for g in gradients)
    for g in gradients:
        g /= norm.clamp(min=1.0)
    apply(gradients)
    return scale


# %% wrong: clipped by the largest number
def scaled_step(gradients, scale, apply):
    bad = torch.tensor(float(any(not g.isfinite().all() for g in gradients)))
    dist.all_reduce(bad, op=dist.ReduceOp.MAX)
    if bad:
        return scale / 2
    for g in gradients:
        g /= scale
        dist.all_reduce(g)
        g /= dist.get_world_size()
    norm = torch.cat([g.flatten() for g in gradients]).abs().max()
    for g in gradients:
        g /= norm.clamp(min=1.0)
    apply(gradients)
    return scale


# %% wrong: clipped by the square of the norm
def scaled_step(gradients, scale, apply):
    bad = torch.tensor(float(any(not g.isfinite().all() for g in gradients)))
    dist.all_reduce(bad, op=dist.ReduceOp.MAX)
    if bad:
        return scale / 2
    for g in gradients:
        g /= scale
        dist.all_reduce(g)
        g /= dist.get_world_size()
    norm = torch.cat([g.flatten() for g in gradients]).norm() ** 2
    for g in gradients:
        g /= norm.clamp(min=1.0)
    apply(gradients)
    return scale


# %% wrong: the scale doubles after a good step
def scaled_step(gradients, scale, apply):
    bad = torch.tensor(float(any(not g.isfinite().all() for g in gradients)))
    dist.all_reduce(bad, op=dist.ReduceOp.MAX)
    if bad:
        return scale / 2
    for g in gradients:
        g /= scale
        dist.all_reduce(g)
        g /= dist.get_world_size()
    norm = torch.cat([g.flatten() for g in gradients]).norm()
    for g in gradients:
        g /= norm.clamp(min=1.0)
    apply(gradients)
    return 2 * scale


# %% wrong: nothing comes back after a good step
def scaled_step(gradients, scale, apply):
    bad = torch.tensor(float(any(not g.isfinite().all() for g in gradients)))
    dist.all_reduce(bad, op=dist.ReduceOp.MAX)
    if bad:
        return scale / 2
    for g in gradients:
        g /= scale
        dist.all_reduce(g)
        g /= dist.get_world_size()
    norm = torch.cat([g.flatten() for g in gradients]).norm()
    for g in gradients:
        g /= norm.clamp(min=1.0)
    apply(gradients)


# %% wrong: the scale stays after a skip
def scaled_step(gradients, scale, apply):
    bad = torch.tensor(float(any(not g.isfinite().all() for g in gradients)))
    dist.all_reduce(bad, op=dist.ReduceOp.MAX)
    if bad:
        return scale
    for g in gradients:
        g /= scale
        dist.all_reduce(g)
        g /= dist.get_world_size()
    norm = torch.cat([g.flatten() for g in gradients]).norm()
    for g in gradients:
        g /= norm.clamp(min=1.0)
    apply(gradients)
    return scale


# %% wrong: half the scale after every step
def scaled_step(gradients, scale, apply):
    bad = torch.tensor(float(any(not g.isfinite().all() for g in gradients)))
    dist.all_reduce(bad, op=dist.ReduceOp.MAX)
    if bad:
        return scale / 2
    for g in gradients:
        g /= scale
        dist.all_reduce(g)
        g /= dist.get_world_size()
    norm = torch.cat([g.flatten() for g in gradients]).norm()
    for g in gradients:
        g /= norm.clamp(min=1.0)
    apply(gradients)
    return scale / 2


# %% wrong: a whole number for half the scale -> halved after a skipped step
def scaled_step(gradients, scale, apply):
    bad = torch.tensor(float(any(not g.isfinite().all() for g in gradients)))
    dist.all_reduce(bad, op=dist.ReduceOp.MAX)
    if bad:
        return scale // 2 if scale > 1 else 0.0
    for g in gradients:
        g /= scale
        dist.all_reduce(g)
        g /= dist.get_world_size()
    norm = torch.cat([g.flatten() for g in gradients]).norm()
    for g in gradients:
        g /= norm.clamp(min=1.0)
    apply(gradients)
    return scale


# %% wrong: apply on rank 0 only
def scaled_step(gradients, scale, apply):
    bad = torch.tensor(float(any(not g.isfinite().all() for g in gradients)))
    dist.all_reduce(bad, op=dist.ReduceOp.MAX)
    if bad:
        return scale / 2
    for g in gradients:
        g /= scale
        dist.all_reduce(g)
        g /= dist.get_world_size()
    norm = torch.cat([g.flatten() for g in gradients]).norm()
    for g in gradients:
        g /= norm.clamp(min=1.0)
    if dist.get_rank() == 0:
        apply(gradients)
    return scale


# %% wrong: apply once for each tensor
def scaled_step(gradients, scale, apply):
    bad = torch.tensor(float(any(not g.isfinite().all() for g in gradients)))
    dist.all_reduce(bad, op=dist.ReduceOp.MAX)
    if bad:
        return scale / 2
    for g in gradients:
        g /= scale
        dist.all_reduce(g)
        g /= dist.get_world_size()
    norm = torch.cat([g.flatten() for g in gradients]).norm()
    for g in gradients:
        g /= norm.clamp(min=1.0)
    for g in gradients:
        apply([g])
    return scale


# %% wrong: apply twice
def scaled_step(gradients, scale, apply):
    bad = torch.tensor(float(any(not g.isfinite().all() for g in gradients)))
    dist.all_reduce(bad, op=dist.ReduceOp.MAX)
    if bad:
        return scale / 2
    for g in gradients:
        g /= scale
        dist.all_reduce(g)
        g /= dist.get_world_size()
    norm = torch.cat([g.flatten() for g in gradients]).norm()
    for g in gradients:
        g /= norm.clamp(min=1.0)
    apply(gradients)
    apply(gradients)
    return scale


# %% wrong: apply in reverse
def scaled_step(gradients, scale, apply):
    bad = torch.tensor(float(any(not g.isfinite().all() for g in gradients)))
    dist.all_reduce(bad, op=dist.ReduceOp.MAX)
    if bad:
        return scale / 2
    for g in gradients:
        g /= scale
        dist.all_reduce(g)
        g /= dist.get_world_size()
    norm = torch.cat([g.flatten() for g in gradients]).norm()
    for g in gradients:
        g /= norm.clamp(min=1.0)
    apply(gradients[::-1])
    return scale


# %% wrong: apply gets flat tensors
def scaled_step(gradients, scale, apply):
    bad = torch.tensor(float(any(not g.isfinite().all() for g in gradients)))
    dist.all_reduce(bad, op=dist.ReduceOp.MAX)
    if bad:
        return scale / 2
    for g in gradients:
        g /= scale
        dist.all_reduce(g)
        g /= dist.get_world_size()
    norm = torch.cat([g.flatten() for g in gradients]).norm()
    for g in gradients:
        g /= norm.clamp(min=1.0)
    apply([g.flatten() for g in gradients])
    return scale


# %% wrong: apply gets one flat tensor
def scaled_step(gradients, scale, apply):
    bad = torch.tensor(float(any(not g.isfinite().all() for g in gradients)))
    dist.all_reduce(bad, op=dist.ReduceOp.MAX)
    if bad:
        return scale / 2
    for g in gradients:
        g /= scale
        dist.all_reduce(g)
        g /= dist.get_world_size()
    norm = torch.cat([g.flatten() for g in gradients]).norm()
    for g in gradients:
        g /= norm.clamp(min=1.0)
    apply([torch.cat([g.flatten() for g in gradients])])
    return scale


# %% wrong: apply also with zeros after an overflow
def scaled_step(gradients, scale, apply):
    bad = torch.tensor(float(any(not g.isfinite().all() for g in gradients)))
    dist.all_reduce(bad, op=dist.ReduceOp.MAX)
    if bad:
        apply([torch.zeros_like(g) for g in gradients])
        return scale / 2
    for g in gradients:
        g /= scale
        dist.all_reduce(g)
        g /= dist.get_world_size()
    norm = torch.cat([g.flatten() for g in gradients]).norm()
    for g in gradients:
        g /= norm.clamp(min=1.0)
    apply(gradients)
    return scale


# %% wrong: apply gets the tensors one by one as arguments
def scaled_step(gradients, scale, apply):
    bad = torch.tensor(float(any(not g.isfinite().all() for g in gradients)))
    dist.all_reduce(bad, op=dist.ReduceOp.MAX)
    if bad:
        return scale / 2
    for g in gradients:
        g /= scale
        dist.all_reduce(g)
        g /= dist.get_world_size()
    norm = torch.cat([g.flatten() for g in gradients]).norm()
    for g in gradients:
        g /= norm.clamp(min=1.0)
    apply(*gradients)
    return scale


# %% wrong: the bad rank leaves before the flag is reduced
def scaled_step(gradients, scale, apply):
    bad = torch.tensor(float(any(not g.isfinite().all() for g in gradients)))
    if bad:
        return scale / 2
    dist.all_reduce(bad, op=dist.ReduceOp.MAX)
    if bad:
        return scale / 2
    for g in gradients:
        g /= scale
        dist.all_reduce(g)
        g /= dist.get_world_size()
    norm = torch.cat([g.flatten() for g in gradients]).norm()
    for g in gradients:
        g /= norm.clamp(min=1.0)
    apply(gradients)
    return scale


# %% wrong: only the bad rank halves its scale
def scaled_step(gradients, scale, apply):
    bad = torch.tensor(float(any(not g.isfinite().all() for g in gradients)))
    mine = bad.clone()
    dist.all_reduce(bad, op=dist.ReduceOp.MAX)
    if bad:
        return scale / 2 if mine else scale
    for g in gradients:
        g /= scale
        dist.all_reduce(g)
        g /= dist.get_world_size()
    norm = torch.cat([g.flatten() for g in gradients]).norm()
    for g in gradients:
        g /= norm.clamp(min=1.0)
    apply(gradients)
    return scale


# %% wrong: one number in a thousand may be bad
def scaled_step(gradients, scale, apply):
    bad = torch.tensor(float(sum((~g.isfinite()).sum() for g in gradients) > 1))
    dist.all_reduce(bad, op=dist.ReduceOp.MAX)
    if bad:
        return scale / 2
    for g in gradients:
        g /= scale
        dist.all_reduce(g)
        g /= dist.get_world_size()
    norm = torch.cat([g.flatten() for g in gradients]).norm()
    for g in gradients:
        g /= norm.clamp(min=1.0)
    apply(gradients)
    return scale


# %% wrong: the flag is not waited for
def scaled_step(gradients, scale, apply):
    bad = torch.tensor(float(any(not g.isfinite().all() for g in gradients)))
    dist.all_reduce(bad, op=dist.ReduceOp.MAX, async_op=True)
    if bad:
        return scale / 2
    for g in gradients:
        g /= scale
        dist.all_reduce(g)
        g /= dist.get_world_size()
    norm = torch.cat([g.flatten() for g in gradients]).norm()
    for g in gradients:
        g /= norm.clamp(min=1.0)
    apply(gradients)
    return scale


# %% wrong: the mean of ranks is not waited for -> never waited for
def scaled_step(gradients, scale, apply):
    bad = torch.tensor(float(any(not g.isfinite().all() for g in gradients)))
    dist.all_reduce(bad, op=dist.ReduceOp.MAX)
    if bad:
        return scale / 2
    for g in gradients:
        g /= scale
        dist.all_reduce(g, async_op=True)
        g /= dist.get_world_size()
    norm = torch.cat([g.flatten() for g in gradients]).norm()
    for g in gradients:
        g /= norm.clamp(min=1.0)
    apply(gradients)
    return scale


# %% wrong: clips to twice the norm
def scaled_step(gradients, scale, apply):
    bad = torch.tensor(float(any(not g.isfinite().all() for g in gradients)))
    dist.all_reduce(bad, op=dist.ReduceOp.MAX)
    if bad:
        return scale / 2
    for g in gradients:
        g /= scale
        dist.all_reduce(g)
        g /= dist.get_world_size()
    norm = torch.cat([g.flatten() for g in gradients]).norm()
    for g in gradients:
        g /= (norm / 2).clamp(min=1.0)
    apply(gradients)
    return scale


# %% wrong: the mean of the clipped norm over ranks
def scaled_step(gradients, scale, apply):
    bad = torch.tensor(float(any(not g.isfinite().all() for g in gradients)))
    dist.all_reduce(bad, op=dist.ReduceOp.MAX)
    if bad:
        return scale / 2
    for g in gradients:
        g /= scale
        dist.all_reduce(g)
        g /= dist.get_world_size()
    norm = torch.cat([g.flatten() for g in gradients]).norm() / dist.get_world_size()
    for g in gradients:
        g /= norm.clamp(min=1.0)
    apply(gradients)
    return scale


# %% wrong: a scale of 65,536 is written in
def scaled_step(gradients, scale, apply):
    bad = torch.tensor(float(any(not g.isfinite().all() for g in gradients)))
    dist.all_reduce(bad, op=dist.ReduceOp.MAX)
    if bad:
        return scale / 2
    for g in gradients:
        g /= 65536.0
        dist.all_reduce(g)
        g /= dist.get_world_size()
    norm = torch.cat([g.flatten() for g in gradients]).norm()
    for g in gradients:
        g /= norm.clamp(min=1.0)
    apply(gradients)
    return scale


# %% wrong: only tensors with dimensions are averaged
def scaled_step(gradients, scale, apply):
    bad = torch.tensor(float(any(not g.isfinite().all() for g in gradients)))
    dist.all_reduce(bad, op=dist.ReduceOp.MAX)
    if bad:
        return scale / 2
    for g in gradients:
        g /= scale
        if g.dim():
            dist.all_reduce(g)
            g /= dist.get_world_size()
    norm = torch.cat([g.flatten() for g in gradients]).norm()
    for g in gradients:
        g /= norm.clamp(min=1.0)
    apply(gradients)
    return scale


# %% right: the course's world_size
def scaled_step(gradients, scale, apply):
    n = world_size
    bad = torch.tensor([0.0], device=device)
    for g in gradients:
        if not g.isfinite().all():
            bad[0] = 1.0
    dist.all_reduce(bad, op=dist.ReduceOp.MAX)
    if bad.item() > 0:
        return scale / 2
    for g in gradients:
        g /= scale
        dist.all_reduce(g)
        g /= n
    norm = torch.cat([g.reshape(-1) for g in gradients]).norm()
    if norm > 1:
        for g in gradients:
            g /= norm
    apply(gradients)
    return scale


# %% wrong: zeros are divided by zero
def scaled_step(gradients, scale, apply):
    n = dist.get_world_size()
    bad = torch.tensor([0.0], device=device)
    for g in gradients:
        if not g.isfinite().all():
            bad[0] = 1.0
    dist.all_reduce(bad, op=dist.ReduceOp.MAX)
    if bad.item() > 0:
        return scale / 2
    for g in gradients:
        g /= scale
        dist.all_reduce(g)
        g /= n
    norm = torch.cat([g.reshape(-1) for g in gradients]).norm().item()
    factor = min(1.0, 1.0 / norm)
    for g in gradients:
        g *= factor
    apply(gradients)
    return scale


# %% wrong: zeros become nan
def scaled_step(gradients, scale, apply):
    n = dist.get_world_size()
    bad = torch.tensor([0.0], device=device)
    for g in gradients:
        if not g.isfinite().all():
            bad[0] = 1.0
    dist.all_reduce(bad, op=dist.ReduceOp.MAX)
    if bad.item() > 0:
        return scale / 2
    for g in gradients:
        g /= scale
        dist.all_reduce(g)
        g /= n
    norm = torch.cat([g.reshape(-1) for g in gradients]).norm()
    for g in gradients:
        g.mul_(norm.clamp(max=1.0)).div_(norm)
    apply(gradients)
    return scale


# %% wrong: never below one
def scaled_step(gradients, scale, apply):
    n = dist.get_world_size()
    bad = torch.tensor([0.0], device=device)
    for g in gradients:
        if not g.isfinite().all():
            bad[0] = 1.0
    dist.all_reduce(bad, op=dist.ReduceOp.MAX)
    if bad.item() > 0:
        return max(1.0, scale / 2)
    for g in gradients:
        g /= scale
        dist.all_reduce(g)
        g /= n
    norm = torch.cat([g.reshape(-1) for g in gradients]).norm()
    if norm > 1:
        for g in gradients:
            g /= norm
    apply(gradients)
    return scale


# %% wrong: a generator -> apply wants a list
def scaled_step(gradients, scale, apply):
    n = dist.get_world_size()
    bad = torch.tensor([0.0], device=device)
    for g in gradients:
        if not g.isfinite().all():
            bad[0] = 1.0
    dist.all_reduce(bad, op=dist.ReduceOp.MAX)
    if bad.item() > 0:
        return scale / 2
    for g in gradients:
        g /= scale
        dist.all_reduce(g)
        g /= n
    norm = torch.cat([g.reshape(-1) for g in gradients]).norm()
    if norm > 1:
        for g in gradients:
            g /= norm
    apply(g for g in gradients)
    return scale


# %% wrong: the sum of all numbers overflows
def scaled_step(gradients, scale, apply):
    n = dist.get_world_size()
    bad = torch.tensor([0.0], device=device)
    for g in gradients:
        if not g.sum().isfinite():
            bad[0] = 1.0
    dist.all_reduce(bad, op=dist.ReduceOp.MAX)
    if bad.item() > 0:
        return scale / 2
    for g in gradients:
        g /= scale
        dist.all_reduce(g)
        g /= n
    norm = torch.cat([g.reshape(-1) for g in gradients]).norm()
    if norm > 1:
        for g in gradients:
            g /= norm
    apply(gradients)
    return scale


# %% wrong: clips where the norm is above two
def scaled_step(gradients, scale, apply):
    n = dist.get_world_size()
    bad = any(not bool(g.isfinite().all()) for g in gradients)
    flag = torch.tensor([float(bad)], device=device)
    dist.all_reduce(flag, op=dist.ReduceOp.MAX)
    if flag.item():
        return scale / 2
    for g in gradients:
        g.div_(scale).div_(n)
        dist.all_reduce(g)
    norm = sum(float(g.double().square().sum()) for g in gradients) ** 0.5
    if norm > 2:
        for g in gradients:
            g.div_(norm)
    apply(gradients)
    return scale


# %% wrong: dimensions of one are lost
def scaled_step(gradients, scale, apply):
    n = dist.get_world_size()
    bad = any(not bool(g.isfinite().all()) for g in gradients)
    flag = torch.tensor([float(bad)], device=device)
    dist.all_reduce(flag, op=dist.ReduceOp.MAX)
    if flag.item():
        return scale / 2
    for g in gradients:
        g.div_(scale).div_(n)
        dist.all_reduce(g)
    norm = sum(float(g.double().square().sum()) for g in gradients) ** 0.5
    if norm > 1:
        for g in gradients:
            g.div_(norm)
    apply([g.squeeze() for g in gradients])
    return scale


# %% wrong: equal shapes share one tensor
def scaled_step(gradients, scale, apply):
    n = dist.get_world_size()
    bad = any(not bool(g.isfinite().all()) for g in gradients)
    flag = torch.tensor([float(bad)], device=device)
    dist.all_reduce(flag, op=dist.ReduceOp.MAX)
    if flag.item():
        return scale / 2
    for g in gradients:
        g.div_(scale).div_(n)
        dist.all_reduce(g)
    norm = sum(float(g.double().square().sum()) for g in gradients) ** 0.5
    if norm > 1:
        for g in gradients:
            g.div_(norm)
    by = {g.shape: g for g in gradients}
    apply([by[g.shape] for g in gradients])
    return scale
