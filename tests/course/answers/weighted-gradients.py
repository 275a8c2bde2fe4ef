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


# %% wrong: the plain mean over ranks
def weighted_average(model, n_tokens):
    for p in model.parameters():
        dist.all_reduce(p.grad)
        p.grad /= dist.get_world_size()


# %% wrong: weighs and divides by the number of ranks
def weighted_average(model, n_tokens):
    for p in model.parameters():
        p.grad *= n_tokens
        dist.all_reduce(p.grad)
        p.grad /= dist.get_world_size()


# %% wrong: weighs and divides by its own tokens -> each rank's own tokens
def weighted_average(model, n_tokens):
    for p in model.parameters():
        p.grad *= n_tokens
        dist.all_reduce(p.grad)
        p.grad /= n_tokens


# %% wrong: weighs and never divides
def weighted_average(model, n_tokens):
    for p in model.parameters():
        p.grad *= n_tokens
        dist.all_reduce(p.grad)


# %% wrong: takes every rank's count for its own
def weighted_average(model, n_tokens):
    total = n_tokens * dist.get_world_size()
    for p in model.parameters():
        p.grad *= n_tokens / total
        dist.all_reduce(p.grad)


# %% wrong: weighs by the share and then takes the mean -> add up to 1
def weighted_average(model, n_tokens):
    total = torch.tensor([float(n_tokens)], dtype=torch.float64, device=device)
    dist.all_reduce(total)
    for p in model.parameters():
        p.grad *= n_tokens / total.item()
        dist.all_reduce(p.grad)
        p.grad /= dist.get_world_size()


# %% wrong: a whole division
def weighted_average(model, n_tokens):
    total = torch.tensor(n_tokens, device=device)
    dist.all_reduce(total)
    for p in model.parameters():
        p.grad *= n_tokens // total.item()
        dist.all_reduce(p.grad)


# %% wrong: the share upside down
def weighted_average(model, n_tokens):
    total = torch.tensor(n_tokens, device=device)
    dist.all_reduce(total)
    for p in model.parameters():
        p.grad *= total.item() / n_tokens
        dist.all_reduce(p.grad)


# %% wrong: weighs after the sum
def weighted_average(model, n_tokens):
    total = torch.tensor(n_tokens, device=device)
    dist.all_reduce(total)
    for p in model.parameters():
        dist.all_reduce(p.grad)
        p.grad *= n_tokens / total.item()


# %% wrong: by the largest count
def weighted_average(model, n_tokens):
    most = torch.tensor(n_tokens, device=device)
    dist.all_reduce(most, op=dist.ReduceOp.MAX)
    for p in model.parameters():
        p.grad *= n_tokens / most.item()
        dist.all_reduce(p.grad)
        p.grad /= dist.get_world_size()


# %% wrong: rank 0's count for all
def weighted_average(model, n_tokens):
    first = torch.tensor(n_tokens, device=device)
    dist.broadcast(first, src=0)
    for p in model.parameters():
        p.grad *= n_tokens / (first.item() * dist.get_world_size())
        dist.all_reduce(p.grad)


# %% wrong: gathers every rank's gradients
def weighted_average(model, n_tokens):
    n = dist.get_world_size()
    counts = [torch.zeros(1, dtype=torch.float64, device=device) for _ in range(n)]
    dist.all_gather(counts, torch.tensor([float(n_tokens)], dtype=torch.float64, device=device))
    share = torch.cat(counts) / torch.cat(counts).sum()
    for p in model.parameters():
        everyone = [torch.empty_like(p.grad) for _ in range(n)]
        dist.all_gather(everyone, p.grad)
        p.grad = sum(s * g for s, g in zip(share, everyone))


# %% wrong: asks for the total once and keeps it
def weighted_average(model, n_tokens, seen=[]):
    if not seen:
        total = torch.tensor(n_tokens, device=device)
        dist.all_reduce(total)
        seen.append(total.item())
    for p in model.parameters():
        p.grad *= n_tokens / seen[0]
        dist.all_reduce(p.grad)


# %% wrong: nothing to do where all have as many tokens
def weighted_average(model, n_tokens):
    n = dist.get_world_size()
    counts = [None] * n
    dist.all_gather_object(counts, n_tokens)
    if len(set(counts)) == 1:
        return
    for p in model.parameters():
        p.grad *= n_tokens / sum(counts)
        dist.all_reduce(p.grad)


# %% wrong: does not wait before it divides
def weighted_average(model, n_tokens):
    total = torch.tensor(n_tokens, device=device)
    dist.all_reduce(total)
    for p in model.parameters():
        p.grad *= n_tokens / total.item()
        dist.all_reduce(p.grad, async_op=True)


# %% wrong: a fixed number of tokens
def weighted_average(model, n_tokens):
    for p in model.parameters():
        p.grad *= n_tokens / 256
        dist.all_reduce(p.grad)


# %% wrong: the gradients go round twice
def weighted_average(model, n_tokens):
    total = torch.tensor(n_tokens, device=device)
    dist.all_reduce(total)
    for p in model.parameters():
        before = p.grad.clone()
        dist.all_reduce(before)
        p.grad *= n_tokens / total.item()
        dist.all_reduce(p.grad)


# %% wrong: weighs in float32 -> travelled as float32
def weighted_average(model, n_tokens):
    total = torch.tensor(n_tokens, device=device)
    dist.all_reduce(total)
    for p in model.parameters():
        mean = p.grad.float() * n_tokens / total.item()
        dist.all_reduce(mean)
        p.grad = mean.to(p.dtype)


# %% wrong: leaves the weights moved -> weights have changed
def weighted_average(model, n_tokens):
    total = torch.tensor(n_tokens, device=device)
    dist.all_reduce(total)
    for p in model.parameters():
        p.grad *= n_tokens / total.item()
        dist.all_reduce(p.grad)
        p.data -= 0.01 * p.grad


# %% right: weigh, sum, divide by the sum of counts
def weighted_average(model, n_tokens):
    total = torch.tensor(n_tokens, dtype=torch.int64, device=device)
    dist.all_reduce(total)
    for p in model.parameters():
        p.grad *= n_tokens
        dist.all_reduce(p.grad)
        p.grad /= total


# %% right: shares first
def weighted_average(net, count):
    total = torch.tensor([count], dtype=torch.float64, device=device)
    dist.all_reduce(total)
    share = count / total.item()
    for p in net.parameters():
        p.grad.mul_(share)
        dist.all_reduce(p.grad)


# %% right: the count rides at the end of the flat gradients
def weighted_average(model, n_tokens):
    grads = [p.grad for p in model.parameters()]
    flat = torch.cat([g.flatten() * n_tokens for g in grads] + [grads[0].new_tensor([n_tokens])])
    dist.all_reduce(flat)
    flat = flat[:-1] / flat[-1]
    for g, part in zip(grads, flat.split([g.numel() for g in grads])):
        g.copy_(part.view_as(g))


# %% right: counts as objects, a Fraction
from fractions import Fraction


def weighted_average(model, n_tokens):
    counts = [None] * dist.get_world_size()
    dist.all_gather_object(counts, n_tokens)
    share = float(Fraction(n_tokens, sum(counts)))
    works = []
    for p in model.parameters():
        p.grad *= share
        works.append(dist.all_reduce(p.grad, async_op=True))
    for work in works:
        work.wait()


# %% right: functional collectives
import torch.distributed._functional_collectives as funcol


def weighted_average(model, n_tokens):
    world = dist.group.WORLD
    total = funcol.all_reduce(torch.tensor([n_tokens], device=device), "sum", world)
    for p in model.parameters():
        p.grad = funcol.wait_tensor(funcol.all_reduce(p.grad * n_tokens, "sum", world)) / total


# %% right: as DDP would, scale by share times ranks and take the mean
def weighted_average(model, n_tokens):
    n = dist.get_world_size()
    counts = torch.zeros(n, dtype=torch.float64, device=device)
    counts[dist.get_rank()] = n_tokens
    dist.all_reduce(counts)
    scale = n * n_tokens / counts.sum().item()
    for p in model.parameters():
        p.grad.mul_(scale / n)
        dist.all_reduce(p.grad)


# %% right: reduce_scatter and all_gather, the divisor by all_gather_into_tensor
def weighted_average(model, n_tokens):
    n = dist.get_world_size()
    counts = torch.empty(n, dtype=torch.long, device=device)
    dist.all_gather_into_tensor(counts, torch.tensor([n_tokens], device=device))
    grads = [p.grad for p in model.parameters()]
    flat = torch.cat([g.flatten() for g in grads]) * n_tokens
    flat = nn.functional.pad(flat, (0, -len(flat) % n))
    piece = flat.new_empty(len(flat) // n)
    dist.reduce_scatter_tensor(piece, flat)
    dist.all_gather_into_tensor(flat, piece / counts.sum())
    at = 0
    for g in grads:
        g.copy_(flat[at : at + g.numel()].view_as(g))
        at += g.numel()


# %% right: two works at once, foreach
def weighted_average(model, n_tokens):
    grads = [p.grad for p in model.parameters()]
    torch._foreach_mul_(grads, float(n_tokens))
    count = torch.tensor(float(n_tokens), dtype=torch.double, device=device)
    works = [dist.all_reduce(t, async_op=True) for t in (count, *grads)]
    [work.wait() for work in works]
    torch._foreach_div_(grads, count.item())


# %% right: numpy weighs
def weighted_average(model, n_tokens):
    total = torch.tensor(n_tokens, device=device)
    dist.all_reduce(total)
    for p in model.parameters():
        weighed = torch.from_numpy(p.grad.cpu().numpy() * (n_tokens / int(total))).to(device)
        dist.all_reduce(weighed)
        p.grad.copy_(weighed)


# %% right: a class, counts sent to rank 0 and back
class Weigher:
    def __call__(self, model, n_tokens):
        total = self.total(n_tokens)
        for p in model.parameters():
            p.grad = torch.einsum("...,->...", p.grad, torch.tensor(n_tokens / total, dtype=p.dtype, device=device))
            dist.all_reduce(p.grad)

    def total(self, n):
        count = torch.tensor(n, device=device)
        dist.reduce(count, dst=0)
        dist.broadcast(count, src=0)
        return count.item()


weighted_average = Weigher()


# %% wrong from 3: counts travel as float16 pairs (thousands and rest)
def weighted_average(model, n_tokens):
    parts = torch.tensor([n_tokens // 1000, n_tokens % 1000], dtype=torch.float16, device=device)
    dist.all_reduce(parts)
    total = parts[0].item() * 1000 + parts[1].item()
    for p in model.parameters():
        p.grad *= n_tokens / total
        dist.all_reduce(p.grad)


# %% wrong: gradients of one shape are mixed up
def weighted_average(model, n_tokens):
    total = torch.tensor(float(n_tokens), device=device)
    dist.all_reduce(total)
    by_shape = {tuple(p.shape): p.grad for p in model.parameters()}
    for g in by_shape.values():
        g *= n_tokens / total.item()
        dist.all_reduce(g)


# %% wrong: hooks stay on the parameters and scale the next backward too -> a hook stay behind
def weighted_average(model, n_tokens):
    total = torch.tensor(float(n_tokens), device=device)
    dist.all_reduce(total)
    share = n_tokens / total.item()
    for p in model.parameters():
        p.register_hook(lambda g: g * share)
        p.grad *= share
        dist.all_reduce(p.grad)
