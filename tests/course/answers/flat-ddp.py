# %% right: cat, one all-reduce, copied back
def flat_average(model):
    grads = [p.grad for p in model.parameters() if p.grad is not None]
    flat = torch.cat([g.flatten() for g in grads])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    for g, new in zip(grads, flat.split([g.numel() for g in grads]), strict=True):
        g.copy_(new.view_as(g))


# %% right: gradients become views of the flat tensor
def flat_average(model):
    params = [p for p in model.parameters() if p.requires_grad]
    flat, at = torch.nn.utils.parameters_to_vector([p.grad for p in params]), 0
    dist.all_reduce(flat.div_(dist.get_world_size()))
    for p in params:
        p.grad, at = flat[at : at + p.numel()].view(p.shape), at + p.numel()


# %% right: reduce-scatter and all-gather
def flat_average(model):
    n, grads = dist.get_world_size(), [p.grad for p in model.parameters() if p.grad is not None]
    flat = torch.cat([g.reshape(-1) for g in grads])
    size = len(flat)
    flat = torch.nn.functional.pad(flat, (0, -size % n))
    mine = flat.new_empty(len(flat) // n)
    dist.reduce_scatter_tensor(mine, flat)
    dist.all_gather_into_tensor(flat, mine / n)
    torch._foreach_copy_(grads, [new.view_as(g) for g, new in zip(grads, flat[:size].split([g.numel() for g in grads]))])


# %% right: functional, flattened by torch's own helper
import torch.distributed._functional_collectives as fc
from torch._utils import _flatten_dense_tensors, _unflatten_dense_tensors


def flat_average(model):
    grads = [p.grad for p in model.parameters() if p.grad is not None]
    flat = fc.all_reduce(_flatten_dense_tensors(grads), "sum", list(range(dist.get_world_size()))).wait()
    for g, new in zip(grads, _unflatten_dense_tensors(flat / dist.get_world_size(), grads)):
        g.copy_(new)


# %% right: a count travels beside it
def flat_average(model):
    grads = [p.grad for p in model.parameters() if p.grad is not None]
    ranks = torch.ones(1, device=grads[0].device)
    dist.all_reduce(ranks)
    flat = torch.cat([g.ravel() for g in grads])
    dist.all_reduce(flat, async_op=True).wait()
    at = 0
    for g in grads:
        g.view(-1)[:] = flat[at : at + g.numel()] / ranks.item()
        at += g.numel()


# %% right: filled by hand, a future
def flat_average(model):
    grads = [p.grad for p in model.parameters() if p.grad is not None]
    flat = torch.empty(sum(g.numel() for g in grads), dtype=grads[0].dtype, device=grads[0].device)
    at = 0
    for g in grads:
        flat[at : at + g.numel()] = g.view(-1)
        at += g.numel()
    [flat] = dist.all_reduce(flat, async_op=True).get_future().wait()
    at = 0
    for g in grads:
        g.copy_(flat[at : at + g.numel()].view(g.shape)).div_(dist.get_world_size())
        at += g.numel()


# %% wrong: one by one -> all are to travel in one
def flat_average(model):
    for p in model.parameters():
        if p.grad is not None:
            dist.all_reduce(p.grad)
            p.grad /= dist.get_world_size()


# %% wrong: one by one, async -> all are to travel in one
def flat_average(model):
    grads = [p.grad for p in model.parameters() if p.grad is not None]
    for work in [dist.all_reduce(g, async_op=True) for g in grads]:
        work.wait()
    for g in grads:
        g /= dist.get_world_size()


# %% wrong: never copied back ->
def flat_average(model):
    flat = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()


# %% wrong: the sum -> it is the sum over
def flat_average(model):
    grads = [p.grad for p in model.parameters() if p.grad is not None]
    flat = torch.cat([g.flatten() for g in grads])
    dist.all_reduce(flat)
    for g, new in zip(grads, flat.split([g.numel() for g in grads])):
        g.copy_(new.view_as(g))


# %% wrong: copied back in the reverse order ->
def flat_average(model):
    grads = [p.grad for p in model.parameters() if p.grad is not None]
    flat = torch.cat([g.flatten() for g in grads])
    dist.all_reduce(flat)
    flat = flat.flip(0) / dist.get_world_size()
    for g, new in zip(grads, flat.split([g.numel() for g in grads])):
        g.copy_(new.view_as(g))


# %% wrong: the last gradient is a little off -> differs from the mean
def flat_average(model):
    params = [p for p in model.parameters() if p.grad is not None]
    flat = torch.cat([p.grad.flatten() for p in params])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    for p, new in zip(params, flat.split([p.numel() for p in params])):
        with torch.no_grad():
            p.grad = None
            p.grad = new.view_as(p)
    params[-1].grad = params[-1].grad.to(params[-1].dtype) * 1.01


# %% wrong: a float32 buffer -> float32
def flat_average(model):
    grads = [p.grad for p in model.parameters() if p.grad is not None]
    flat = torch.cat([g.flatten().float() for g in grads])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    for g, new in zip(grads, flat.split([g.numel() for g in grads])):
        g.copy_(new.view_as(g))


# %% wrong: zeros for frozen parameters -> must stay None
def flat_average(model):
    params = list(model.parameters())
    flat = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in params])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    for p, new in zip(params, flat.split([p.numel() for p in params])):
        p.grad = new.view_as(p)


# %% wrong: gathered from everyone -> were gathered by the others
def flat_average(model):
    grads = [p.grad for p in model.parameters() if p.grad is not None]
    flat = torch.cat([g.flatten() for g in grads])
    every = [torch.empty_like(flat) for _ in range(dist.get_world_size())]
    dist.all_gather(every, flat)
    mean = sum(every) / len(every)
    for g, new in zip(grads, mean.split([g.numel() for g in grads])):
        g.copy_(new.view_as(g))


# %% wrong: the flat tensor is kept for good -> still in memory
flats = []


def flat_average(model):
    grads = [p.grad for p in model.parameters() if p.grad is not None]
    flats.append(torch.cat([g.flatten() for g in grads]))
    dist.all_reduce(flats[-1])
    for g, new in zip(grads, flats[-1].split([g.numel() for g in grads])):
        g.copy_(new.view_as(g) / dist.get_world_size())


# %% wrong: rank 0 only -> rank 1
def flat_average(model):
    grads = [p.grad for p in model.parameters() if p.grad is not None]
    flat = torch.cat([g.flatten() for g in grads])
    if dist.get_rank() == 0:
        dist.all_reduce(flat)
    for g, new in zip(grads, flat.split([g.numel() for g in grads])):
        g.copy_(new.view_as(g) / dist.get_world_size())
