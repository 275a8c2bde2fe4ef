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


# %% wrong: gathered from everyone -> were gathered, and
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


# %% wrong: rank 0 only -> returned after 0 calls, and rank 0 calls all_reduce
def flat_average(model):
    grads = [p.grad for p in model.parameters() if p.grad is not None]
    flat = torch.cat([g.flatten() for g in grads])
    if dist.get_rank() == 0:
        dist.all_reduce(flat)
    for g, new in zip(grads, flat.split([g.numel() for g in grads])):
        g.copy_(new.view_as(g) / dist.get_world_size())


# %% wrong: one all-reduce for each parameter
def flat_average(model):
    for p in model.parameters():
        if p.grad is not None:
            dist.all_reduce(p.grad)
            p.grad /= dist.get_world_size()


# %% wrong: averages the flat tensor and never copies back
def flat_average(model):
    flat = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()


# %% wrong: leaves every gradient flat -> of shape
def flat_average(model):
    having = [p for p in model.parameters() if p.grad is not None]
    flat = torch.cat([p.grad.flatten() for p in having])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    for p, part in zip(having, flat.split([p.numel() for p in having])):
        p.grad.data = part


# %% wrong: the sum, flat
def flat_average(model):
    having = [p for p in model.parameters() if p.grad is not None]
    flat = torch.cat([p.grad.flatten() for p in having])
    dist.all_reduce(flat)
    for p, part in zip(having, flat.split([p.numel() for p in having])):
        p.grad.copy_(part.view_as(p))


# %% wrong: every second gradient is copied back from one place too late
def flat_average(model):
    having = [p for p in model.parameters() if p.grad is not None]
    flat = torch.cat([p.grad.flatten() for p in having])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    at = 0
    for p in having:
        p.grad.copy_(flat.roll(-at)[: p.numel()].view_as(p))
        at += p.numel() + 1


# %% wrong: never moves its offset
def flat_average(model):
    having = [p for p in model.parameters() if p.grad is not None]
    flat = torch.cat([p.grad.flatten() for p in having])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    for p in having:
        p.grad.copy_(flat[: p.numel()].view_as(p))


# %% wrong: a float32 buffer for everything
def flat_average(model):
    having = [p for p in model.parameters() if p.grad is not None]
    flat = torch.zeros(sum(p.numel() for p in having), device=having[0].device)
    at = 0
    for p in having:
        flat[at : at + p.numel()] = p.grad.flatten()
        at += p.numel()
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    at = 0
    for p in having:
        p.grad.copy_(flat[at : at + p.numel()].view_as(p))
        at += p.numel()


# %% wrong: zeros travel for the frozen ones, which end with zeros
def flat_average(model):
    params = list(model.parameters())
    flat = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in params])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    for p, part in zip(params, flat.split([p.numel() for p in params])):
        p.grad = part.view_as(p).clone()


# %% wrong: zeros travel for the frozen ones, which keep None
def flat_average(model):
    params = list(model.parameters())
    flat = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten().detach() for p in params])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    for p, part in zip(params, flat.split([p.numel() for p in params])):
        if p.grad is not None:
            p.grad.copy_(part.view_as(p))


# %% wrong: two halves, two all-reduces -> 2 calls of all_reduce
def flat_average(model):
    having = [p for p in model.parameters() if p.grad is not None]
    flat = torch.cat([p.grad.flatten() for p in having])
    for half in flat.chunk(2):
        dist.all_reduce(half)
    flat /= dist.get_world_size()
    for p, part in zip(having, flat.split([p.numel() for p in having])):
        p.grad.copy_(part.view_as(p))


# %% wrong: weights and biases apart
def flat_average(model):
    for matrices in (True, False):
        having = [p for p in model.parameters() if p.grad is not None and (p.dim() > 1) == matrices]
        if having:
            flat = torch.cat([p.grad.flatten() for p in having])
            dist.all_reduce(flat)
            flat /= dist.get_world_size()
            for p, part in zip(having, flat.split([p.numel() for p in having])):
                p.grad.copy_(part.view_as(p))


# %% wrong: flattens in one order and copies back in the other -> its own place
def flat_average(model):
    having = [p for p in model.parameters() if p.grad is not None]
    flat = torch.cat([p.grad.flatten() for p in having])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    at = 0
    for p in reversed(having):
        p.grad.copy_(flat[at : at + p.numel()].view_as(p))
        at += p.numel()


# %% wrong: does not wait for its one message
def flat_average(model):
    having = [p for p in model.parameters() if p.grad is not None]
    flat = torch.cat([p.grad.flatten() for p in having]) / dist.get_world_size()
    dist.all_reduce(flat, async_op=True)
    for p, part in zip(having, flat.split([p.numel() for p in having])):
        p.grad = part.view_as(p)


# %% wrong: gathers all ranks' flat gradients
def flat_average(model):
    having = [p for p in model.parameters() if p.grad is not None]
    flat = torch.cat([p.grad.flatten() for p in having])
    everyone = flat.new_empty(dist.get_world_size(), flat.numel())
    dist.all_gather_into_tensor(everyone.view(-1), flat)
    for p, part in zip(having, everyone.mean(0).split([p.numel() for p in having])):
        p.grad.copy_(part.view_as(p))


# %% wrong: sends the weights in the same flat tensor
def flat_average(model):
    having = [p for p in model.parameters() if p.grad is not None]
    sizes = [p.numel() for p in having]
    flat = torch.cat([p.grad.flatten() for p in having] + [p.detach().flatten() for p in having])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    for p, part in zip(having, flat[: sum(sizes)].split(sizes)):
        p.grad.copy_(part.view_as(p))


# %% wrong: a buffer for the largest model it can think of
def flat_average(model):
    having = [p for p in model.parameters() if p.grad is not None]
    flat = torch.zeros(100_000, dtype=having[0].dtype, device=having[0].device)
    at = 0
    for p in having:
        flat[at : at + p.numel()] = p.grad.flatten()
        at += p.numel()
    dist.all_reduce(flat)
    at = 0
    for p in having:
        p.grad = (flat[at : at + p.numel()] / dist.get_world_size()).view_as(p)
        at += p.numel()


# %% wrong: fills its buffer in the first call only -> who holds them
def flat_average(model, cache={}):
    having = [p for p in model.parameters() if p.grad is not None]
    sizes = [p.numel() for p in having]
    if "flat" not in cache:
        cache["flat"] = torch.cat([p.grad.flatten() for p in having])
    flat = cache["flat"]
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    for p, part in zip(having, flat[: sum(sizes)].split(sizes)):
        p.grad.copy_(part.view_as(p))


# %% wrong: to rank 0 and back, flat
def flat_average(model):
    having = [p for p in model.parameters() if p.grad is not None]
    flat = torch.cat([p.grad.flatten() for p in having])
    dist.reduce(flat, 0)
    flat /= dist.get_world_size()
    dist.broadcast(flat, 0)
    for p, part in zip(having, flat.split([p.numel() for p in having])):
        p.grad.copy_(part.view_as(p))


# %% wrong: averages weights, flat
def flat_average(model):
    vector = nn.utils.parameters_to_vector(model.parameters()).detach()
    dist.all_reduce(vector)
    nn.utils.vector_to_parameters(vector / dist.get_world_size(), model.parameters())


# %% wrong: sends the flat gradients twice
def flat_average(model):
    having = [p for p in model.parameters() if p.grad is not None]
    flat = torch.cat([p.grad.flatten() for p in having])
    for _ in range(2):
        dist.all_reduce(flat)
        flat /= dist.get_world_size()
    for p, part in zip(having, flat.split([p.numel() for p in having])):
        p.grad.copy_(part.view_as(p))


# %% right: a view of one buffer in each .grad
def flat_average(model):
    having = [p for p in model.parameters() if p.grad is not None]
    flat = torch.cat([p.grad.view(-1) for p in having])
    dist.all_reduce(flat)
    flat /= world_size
    at = 0
    for p in having:
        p.grad = flat[at : at + p.numel()].view(p.shape)
        at += p.numel()


# %% right: torch's own flatten and unflatten
from torch._utils import _flatten_dense_tensors, _unflatten_dense_tensors


def flat_average(model):
    grads = [p.grad for p in model.parameters() if p.grad is not None]
    flat = _flatten_dense_tensors(grads).div_(dist.get_world_size())
    dist.all_reduce(flat, op=dist.ReduceOp.SUM)
    torch._foreach_copy_(grads, list(_unflatten_dense_tensors(flat, grads)))


# %% right: parameters_to_vector on the gradients
from torch.nn.utils import parameters_to_vector, vector_to_parameters


def flat_average(model):
    grads = [p.grad for p in model.parameters() if p.grad is not None]
    vector = parameters_to_vector(grads)
    dist.all_reduce(vector)
    vector_to_parameters(vector / dist.get_world_size(), grads)


# %% right: one reduce-scatter and one all-gather, padded
def flat_average(net):
    n = dist.get_world_size()
    grads = [p.grad for p in net.parameters() if p.grad is not None]
    flat = torch.cat([g.flatten() for g in grads])
    flat = nn.functional.pad(flat, (0, -flat.numel() % n))
    mine = flat.new_empty(flat.numel() // n)
    dist.reduce_scatter_tensor(mine, flat)
    dist.all_gather_into_tensor(flat, mine.div_(n))
    at = 0
    for g in grads:
        g.copy_(flat.narrow(0, at, g.numel()).reshape(g.shape))
        at += g.numel()


# %% right: reduce_scatter and all_gather of lists of uneven pieces
def flat_average(net):
    n, me = dist.get_world_size(), dist.get_rank()
    grads = [p.grad for p in net.parameters() if p.grad is not None]
    flat = torch.cat([g.flatten() for g in grads])
    flat = torch.cat([flat, flat.new_zeros(-flat.numel() % n)])
    pieces = list(flat.chunk(n))
    mine = torch.empty_like(pieces[me])
    dist.reduce_scatter(mine, pieces)
    dist.all_gather(pieces, mine / n)
    whole = torch.cat(pieces)
    for g, part in zip(grads, whole[: sum(g.numel() for g in grads)].split([g.numel() for g in grads])):
        g.copy_(part.unflatten(0, g.shape) if g.dim() else part[0])


# %% right: functional all_reduce
from torch.distributed._functional_collectives import all_reduce as functional_all_reduce


def flat_average(model):
    grads = [p.grad for p in model.parameters() if p.grad is not None]
    total = functional_all_reduce(torch.hstack([g.ravel() for g in grads]), "sum", dist.group.WORLD)
    mean = total / dist.get_world_size()
    pieces = iter(mean.split([g.numel() for g in grads]))
    for g in grads:
        g.copy_(next(pieces).view_as(g))


# %% right: asynchronous, divides meanwhile into the views
def flat_average(model):
    grads = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    first = next(iter(grads.values()))
    buffer = torch.empty(sum(map(torch.numel, grads.values())), dtype=first.dtype, device=first.device)
    torch.cat([g.reshape(-1) for g in grads.values()], out=buffer)
    dist.all_reduce(buffer, async_op=True).wait()
    offset = 0
    for g in grads.values():
        torch.div(buffer[offset : (offset := offset + g.numel())].view(g.shape), dist.get_world_size(), out=g)


# %% right: a future
def flat_average(model):
    n = dist.get_world_size()
    having = [p for p in model.parameters() if p.requires_grad]
    flat = torch.cat([p.grad.flatten() for p in having])
    mean = dist.all_reduce(flat, async_op=True).get_future().then(lambda f: f.value()[0] / n).wait()
    for p, part in zip(having, mean.split([p.numel() for p in having])):
        p.grad = part.reshape(p.shape).clone()


# %% right: an object with a method
class Flat:
    def gather(self, grads):
        return torch.cat([g.flatten() for g in grads])

    def average(self, model):
        grads = [p.grad for p in model.parameters() if p.grad is not None]
        flat = self.gather(grads)
        dist.all_reduce(flat)
        flat.mul_(1.0 / dist.get_world_size())
        for g in grads[::-1]:
            g.copy_(flat[-g.numel() :].view_as(g))
            flat = flat[: -g.numel()]


flat_average = Flat().average


# %% right: the coalesced call, which is one all-reduce
def flat_average(model):
    grads = [p.grad for p in model.parameters() if p.grad is not None]
    dist.all_reduce_coalesced(grads)
    for g in grads:
        g.div_(dist.get_world_size())


# %% right: numpy cuts and divides
import numpy as np


def flat_average(model):
    having = [p for p in model.parameters() if p.grad is not None]
    flat = torch.cat([p.grad.flatten() for p in having])
    dist.all_reduce(flat)
    cuts = np.cumsum([p.numel() for p in having])[:-1]
    for p, part in zip(having, np.split(flat.cpu().numpy() / dist.get_world_size(), cuts)):
        p.grad.copy_(torch.from_numpy(part.copy()).view_as(p))
