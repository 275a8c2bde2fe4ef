# %% right: the total first, then each gradient
def weighted_average(model, n_tokens):
    total = torch.tensor(float(n_tokens), device=device)
    dist.all_reduce(total)
    for p in model.parameters():
        p.grad *= n_tokens / total
        dist.all_reduce(p.grad)


# %% right: one flat message with the count at its end
def weighted_average(model, n_tokens):
    params = list(model.parameters())
    flat = torch.cat([(p.grad * n_tokens).flatten() for p in params] + [params[0].new_tensor([n_tokens])])
    dist.all_reduce(flat)
    *parts, total = flat.split([*(p.numel() for p in params), 1])
    for p, part in zip(params, parts):
        p.grad.copy_((part / total).view_as(p))


# %% right: whole numbers, async, imported by hand
from torch.distributed import all_reduce


def weighted_average(model, n_tokens):
    count = torch.tensor([n_tokens], dtype=torch.int64, device=device)
    work = all_reduce(count, async_op=True)
    works = []
    for p in model.parameters():
        p.grad.mul_(n_tokens)
        works.append(all_reduce(p.grad, async_op=True))
    work.wait()
    for w, p in zip(works, model.parameters()):
        w.wait()
        p.grad.div_(count.item())


# %% right: functional
import torch.distributed._functional_collectives as fc


def weighted_average(model, n_tokens):
    world = dist.group.WORLD
    total = fc.all_reduce(torch.tensor(n_tokens, dtype=torch.float64, device=device), "sum", world)
    for p in model.parameters():
        p.grad = fc.all_reduce(p.grad * (n_tokens / total), "sum", world).clone()


# %% right: counts as objects, gradients by reduce-scatter and all-gather
def weighted_average(model, n_tokens):
    n = dist.get_world_size()
    counts = [None] * n
    dist.all_gather_object(counts, n_tokens)
    params = list(model.parameters())
    flat = torch.cat([p.grad.flatten() for p in params]) * (n_tokens / sum(counts))
    size = len(flat)
    flat = torch.nn.functional.pad(flat, (0, -size % n))
    mine = flat.new_empty(len(flat) // n)
    dist.reduce_scatter_tensor(mine, flat)
    dist.all_gather_into_tensor(flat, mine)
    for p, part in zip(params, flat[:size].split([p.numel() for p in params])):
        p.grad.copy_(part.view_as(p))


# %% right: futures
def weighted_average(model, n_tokens):
    [total] = dist.all_reduce(torch.tensor([n_tokens * 1.0], device=device), async_op=True).get_future().wait()
    share = n_tokens / total.item()
    for f in [dist.all_reduce(p.grad.mul_(share), async_op=True).get_future() for p in model.parameters()]:
        f.wait()


# %% wrong: mean of means -> mean of the ranks' means
def weighted_average(model, n_tokens):
    for p in model.parameters():
        dist.all_reduce(p.grad)
        p.grad /= dist.get_world_size()


# %% wrong: not divided -> divided by nothing
def weighted_average(model, n_tokens):
    for p in model.parameters():
        p.grad *= n_tokens
        dist.all_reduce(p.grad)


# %% wrong: the first trial's total written in ->
def weighted_average(model, n_tokens):
    total = {1: 8, 2: 10, 3: 15, 4: 18}[dist.get_world_size()]
    for p in model.parameters():
        p.grad *= n_tokens / total
        dist.all_reduce(p.grad)


# %% wrong: weighs by rank ->
def weighted_average(model, n_tokens):
    n = dist.get_world_size()
    for p in model.parameters():
        p.grad *= 2 * (dist.get_rank() + 1) / (n * (n + 1))
        dist.all_reduce(p.grad)


# %% wrong: divided by the ranks -> divided by the number of ranks
def weighted_average(model, n_tokens):
    for p in model.parameters():
        p.grad *= n_tokens
        dist.all_reduce(p.grad)
        p.grad /= dist.get_world_size()


# %% wrong: divided by own tokens in the end ->
def weighted_average(model, n_tokens):
    for p in model.parameters():
        p.grad *= n_tokens
        dist.all_reduce(p.grad)
        p.grad /= n_tokens * dist.get_world_size()


# %% wrong: all gradients gathered -> one all-reduce each
def weighted_average(model, n_tokens):
    n = dist.get_world_size()
    counts = torch.empty(n, device=device)
    dist.all_gather_into_tensor(counts, torch.tensor([float(n_tokens)], device=device))
    for p in model.parameters():
        every = [torch.empty_like(p) for _ in range(n)]
        dist.all_gather(every, p.grad)
        p.grad = sum(e * c for e, c in zip(every, counts)) / counts.sum()


# %% wrong: sent twice -> one all-reduce each
def weighted_average(model, n_tokens):
    total = torch.tensor(float(n_tokens), device=device)
    dist.all_reduce(total)
    for p in model.parameters():
        dist.all_reduce(p.grad.clone())
        p.grad *= n_tokens / total
        dist.all_reduce(p.grad)


# %% wrong: the last gradient is forgotten ->
def weighted_average(model, n_tokens):
    total = torch.tensor(float(n_tokens), device=device)
    dist.all_reduce(total)
    for p in list(model.parameters())[:-1]:
        p.grad *= n_tokens / total
        dist.all_reduce(p.grad)


# %% wrong: a rank with one token stays away -> rank
def weighted_average(model, n_tokens):
    if n_tokens == 1:
        return
    total = torch.tensor(float(n_tokens), device=device)
    dist.all_reduce(total)
    for p in model.parameters():
        p.grad *= n_tokens / total
        dist.all_reduce(p.grad)


# %% wrong: arguments the other way round ->
def weighted_average(n_tokens, model):
    for p in model.parameters():
        p.grad *= n_tokens
