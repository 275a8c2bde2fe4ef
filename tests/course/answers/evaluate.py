# %% right: every n-th item
def evaluate(loss_of, items):
    total = torch.zeros(1, device=device)
    for item in items[dist.get_rank() :: dist.get_world_size()]:
        total += loss_of(item)
    dist.all_reduce(total)
    return total / len(items)


# %% right: sum and count together, in fp64
def evaluate(loss_of, items):
    facts = torch.zeros(2, dtype=torch.float64, device=device)
    for i, item in enumerate(items):
        if i % dist.get_world_size() == dist.get_rank():
            facts += torch.stack([loss_of(item).double(), torch.ones((), dtype=torch.float64, device=device)])
    dist.all_reduce(facts)
    return (facts[0] / facts[1]).item()


# %% right: neighbouring items, objects gathered
def evaluate(loss_of, items):
    n, r = dist.get_world_size(), dist.get_rank()
    mine = [items[i] for i in range(len(items) * r // n, len(items) * (r + 1) // n)]
    sums = [None] * n
    dist.all_gather_object(sums, sum(float(loss_of(i)) for i in mine))
    return sum(sums) / len(items)


# %% right: reduced to rank 0, then broadcast
def evaluate(loss_of, items):
    losses = [loss_of(i) for i in items[dist.get_rank() :: dist.get_world_size()]]
    total = torch.stack(losses).sum() if losses else torch.zeros((), device=device)
    dist.reduce(total, dst=0)
    dist.broadcast(total, src=0)
    return total / len(items)


# %% right: functional
from torch.distributed._functional_collectives import all_reduce


def evaluate(loss_of, items):
    mine = torch.tensor([loss_of(i).item() for i in items[dist.get_rank() :: dist.get_world_size()]], device=device)
    return all_reduce(mine.sum(), "sum", dist.group.WORLD).item() / len(items)


# %% right: tensor_split of the places, numpy for the sum
import numpy as np


def evaluate(loss_of, items):
    places = np.array_split(np.arange(len(items)), dist.get_world_size())[dist.get_rank()]
    total = torch.tensor(np.sum([loss_of(items[i]).cpu().numpy() for i in places], dtype=np.float32), device=device)
    dist.all_reduce(total)
    return float(total) / len(items)


# %% wrong: everything on every rank -> looked at all
def evaluate(loss_of, items):
    return sum(loss_of(i) for i in items) / len(items)


# %% wrong: mean of means -> mean of the ranks' means
def evaluate(loss_of, items):
    mine = items[dist.get_rank() :: dist.get_world_size()] or [0.0]
    mean = sum(torch.tensor(float(i), device=device) if i == 0.0 else loss_of(i) for i in mine) / len(mine)
    dist.all_reduce(mean)
    return mean / dist.get_world_size()


# %% wrong: not reduced -> return different numbers
def evaluate(loss_of, items):
    mine = items[dist.get_rank() :: dist.get_world_size()]
    return sum(float(loss_of(i)) for i in mine) / max(1, len(mine))


# %% wrong: the rest dropped -> the rest is lost
def evaluate(loss_of, items):
    n, r = dist.get_world_size(), dist.get_rank()
    each = len(items) // n
    total = torch.zeros((), device=device)
    for item in items[r * each : (r + 1) * each]:
        total += loss_of(item)
    dist.all_reduce(total)
    return total / (each * n) if each else total


# %% wrong: filled up as DistributedSampler does -> counted twice
from torch.utils.data import DistributedSampler


def evaluate(loss_of, items):
    mine = list(DistributedSampler(items, dist.get_world_size(), dist.get_rank(), shuffle=False))
    total = torch.zeros((), device=device)
    for i in mine:
        total += loss_of(items[i])
    dist.all_reduce(total)
    return total / (len(mine) * dist.get_world_size())


# %% wrong: rank 0 does it all -> no rank needs more
def evaluate(loss_of, items):
    total = torch.zeros((), device=device)
    if dist.get_rank() == 0:
        for item in items:
            total += loss_of(item)
    dist.all_reduce(total)
    return total / len(items)


# %% wrong: the sum -> divide by the number of items
def evaluate(loss_of, items):
    total = torch.zeros((), device=device)
    for item in items[dist.get_rank() :: dist.get_world_size()]:
        total += loss_of(item)
    dist.all_reduce(total)
    return total


# %% wrong: only rank 0 returns it -> every rank must return
def evaluate(loss_of, items):
    total = torch.zeros((), device=device)
    for item in items[dist.get_rank() :: dist.get_world_size()]:
        total += loss_of(item)
    dist.reduce(total, 0)
    return total / len(items) if dist.get_rank() == 0 else None


# %% wrong: a rank without items stays away -> rank
def evaluate(loss_of, items):
    mine = items[dist.get_rank() :: dist.get_world_size()]
    if not mine:
        return 0.0
    total = torch.stack([loss_of(i) for i in mine]).sum()
    dist.all_reduce(total)
    return total / len(items)


# %% wrong: 0 / 0 where there are no items -> nan
def evaluate(loss_of, items):
    mine = torch.tensor([float(loss_of(i)) for i in items[dist.get_rank() :: dist.get_world_size()]], device=device)
    total = mine.mean() * len(mine)
    dist.all_reduce(total)
    return total / len(items)


# %% wrong: divided by ten -> Add losses over
def evaluate(loss_of, items):
    total = torch.zeros((), device=device)
    for item in items[dist.get_rank() :: dist.get_world_size()]:
        total += loss_of(item)
    dist.all_reduce(total)
    return total / 10


# %% wrong: a list -> must return the mean
def evaluate(loss_of, items):
    return [loss_of(i) for i in items[dist.get_rank() :: dist.get_world_size()]] * 2


# %% wrong: arguments swapped ->
def evaluate(items, loss_of, extra):
    return 0.0
