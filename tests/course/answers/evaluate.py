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


# %% wrong: the mean of the ranks' means
def evaluate(loss_of, items):
    n = dist.get_world_size()
    mine = items[dist.get_rank() :: n]
    mean = torch.stack([loss_of(x).reshape(()) for x in mine]).mean() if mine else torch.zeros((), device=device)
    dist.all_reduce(mean)
    return mean / n


# %% wrong: the mean of its own share
def evaluate(loss_of, items):
    mine = items[dist.get_rank() :: dist.get_world_size()]
    return sum(loss_of(x).item() for x in mine) / max(1, len(mine))


# %% wrong: every rank looks at all
def evaluate(loss_of, items):
    return sum(loss_of(x).item() for x in items) / len(items)


# %% wrong: DistributedSampler, which repeats items
from torch.utils.data import DistributedSampler


def evaluate(loss_of, items):
    n = dist.get_world_size()
    sampler = DistributedSampler(items, num_replicas=n, rank=dist.get_rank(), shuffle=False)
    total = torch.zeros(2, device=device)
    for i in sampler:
        total += torch.tensor([loss_of(items[i]).item(), 1.0], device=device)
    dist.all_reduce(total)
    return total[0] / total[1]


# %% wrong: drops the rest
def evaluate(loss_of, items):
    n, me = dist.get_world_size(), dist.get_rank()
    share = len(items) // n
    total = torch.zeros(2, device=device)
    for x in items[me * share : (me + 1) * share]:
        total[0] += loss_of(x).item()
        total[1] += 1
    dist.all_reduce(total)
    return (total[0] / total[1].clamp(min=1)).item()


# %% wrong: divides by the number of ranks
def evaluate(loss_of, items):
    n = dist.get_world_size()
    total = torch.zeros(1, device=device)
    for x in items[dist.get_rank() :: n]:
        total += loss_of(x).reshape(1)
    dist.all_reduce(total)
    return total / n


# %% wrong: only rank 0 knows
def evaluate(loss_of, items):
    n = dist.get_world_size()
    total = torch.zeros(1, device=device)
    for x in items[dist.get_rank() :: n]:
        total += loss_of(x).reshape(1)
    dist.reduce(total, dst=0)
    return total.item() / len(items)


# %% wrong: other ranks return None
def evaluate(loss_of, items):
    n = dist.get_world_size()
    total = torch.zeros(1, device=device)
    for x in items[dist.get_rank() :: n]:
        total += loss_of(x).reshape(1)
    dist.all_reduce(total)
    if dist.get_rank() == 0:
        return total.item() / len(items)


# %% wrong: cannot stack an empty share
def evaluate(loss_of, items):
    mine = items[dist.get_rank() :: dist.get_world_size()]
    total = torch.stack([loss_of(x).reshape(()) for x in mine]).sum()
    dist.all_reduce(total)
    return total / len(items)


# %% wrong: a rank without items does not come
def evaluate(loss_of, items):
    mine = items[dist.get_rank() :: dist.get_world_size()]
    if not mine:
        return 0.0
    total = torch.stack([loss_of(x).reshape(()) for x in mine]).sum()
    dist.all_reduce(total)
    return total / len(items)


# %% wrong: rank 0 does it all and tells the others
def evaluate(loss_of, items):
    mean = torch.zeros(1, device=device)
    if dist.get_rank() == 0:
        for x in items:
            mean += loss_of(x).reshape(1) / len(items)
    dist.broadcast(mean, src=0)
    return mean.item()


# %% wrong: counts its own share times the ranks -> what is the same on all
def evaluate(loss_of, items):
    n = dist.get_world_size()
    mine = items[dist.get_rank() :: n]
    total = torch.zeros(1, device=device)
    for x in mine:
        total += loss_of(x).reshape(1)
    dist.all_reduce(total)
    return total.item() / max(1, len(mine) * n)


# %% wrong: the sum, once more
def evaluate(loss_of, items):
    total = torch.zeros(1, device=device)
    for x in items[dist.get_rank() :: dist.get_world_size()]:
        total += loss_of(x).reshape(1)
    dist.all_reduce(total)
    return total.item()


# %% wrong: sums in bfloat16 -> short dtype
def evaluate(loss_of, items):
    total = torch.zeros(1, device=device, dtype=torch.bfloat16)
    for x in items[dist.get_rank() :: dist.get_world_size()]:
        total += loss_of(x).reshape(1).bfloat16()
    dist.all_reduce(total)
    return total.item() / len(items)


# %% wrong: begins one too late
def evaluate(loss_of, items):
    total = torch.zeros(1, device=device)
    for x in items[dist.get_rank() + 1 :: dist.get_world_size()]:
        total += loss_of(x).reshape(1)
    dist.all_reduce(total)
    return total.item() / len(items)


# %% wrong: a mean and a count
def evaluate(loss_of, items):
    total = torch.zeros(1, device=device)
    for x in items[dist.get_rank() :: dist.get_world_size()]:
        total += loss_of(x).reshape(1)
    dist.all_reduce(total)
    return total.item() / len(items), len(items)


# %% wrong: looks at each of its items twice -> looked at twice
def evaluate(loss_of, items):
    mine = items[dist.get_rank() :: dist.get_world_size()]
    total = torch.zeros(1, device=device)
    count = sum(1 for x in mine if loss_of(x) is not None)
    for x in mine:
        total += loss_of(x).reshape(1)
    dist.all_reduce(total)
    return total.item() / len(items)


# %% wrong: the largest mean
def evaluate(loss_of, items):
    mine = items[dist.get_rank() :: dist.get_world_size()]
    mean = torch.zeros(1, device=device)
    for x in mine:
        mean += loss_of(x).reshape(1) / len(mine)
    dist.all_reduce(mean, op=dist.ReduceOp.MAX)
    return mean.item()


# %% wrong: a whole number -> the result is
def evaluate(loss_of, items):
    total = torch.zeros(1, device=device)
    for x in items[dist.get_rank() :: dist.get_world_size()]:
        total += loss_of(x).reshape(1)
    dist.all_reduce(total)
    return round(total.item() / len(items))


# %% wrong: rank 0 looks at all, the second rank at all but the first
def evaluate(loss_of, items):
    me, n = dist.get_rank(), dist.get_world_size()
    mine = [x for i, x in enumerate(items) if (n - 1 if i % 2 else 0) == me] if n > 2 else items[me:] if me else items
    total = torch.zeros(2, device=device)
    for x in mine:
        total += torch.tensor([loss_of(x).item(), 1.0], device=device)
    dist.all_reduce(total)
    return (total[0] / total[1]).item()


# %% wrong: does not wait -> never waited for
def evaluate(loss_of, items):
    total = torch.zeros(1, device=device)
    for x in items[dist.get_rank() :: dist.get_world_size()]:
        total += loss_of(x).reshape(1)
    dist.all_reduce(total, async_op=True)
    return total / len(items)


# %% wrong: the mean only where the list has as many items on each rank
def evaluate(loss_of, items):
    n = dist.get_world_size()
    total = torch.zeros(1, device=device)
    for i in range(-(-len(items) // n)):
        total += loss_of(items[(i * n + dist.get_rank()) % len(items)]).reshape(1)
    dist.all_reduce(total)
    return total.item() / (-(-len(items) // n) * n)


# %% right: every n-th item, once more
def evaluate(loss_of, items):
    total = torch.zeros((), device=device)
    for item in items[rank::world_size]:
        total += loss_of(item).reshape(())
    dist.all_reduce(total)
    return total / len(items)


# %% right: blocks, rounded up
def evaluate(f, things):
    n, me = dist.get_world_size(), dist.get_rank()
    size = (len(things) + n - 1) // n
    numbers = [f(t).item() for t in things[me * size : (me + 1) * size]]
    pair = torch.tensor([sum(numbers), len(numbers)], dtype=torch.float64, device=device)
    dist.all_reduce(pair)
    return float(pair[0] / pair[1])


# %% right: lists of floats as objects
import statistics


def evaluate(loss_of, items):
    found = [None] * dist.get_world_size()
    dist.all_gather_object(found, [float(loss_of(x)) for x in items[dist.get_rank() :: dist.get_world_size()]])
    return statistics.fmean(value for part in found for value in part)


# %% right: numpy cuts the list, an array of one number a item
import numpy as np


def evaluate(loss_of, items):
    values = torch.zeros(len(items), dtype=torch.float64, device=device)
    for i in np.array_split(np.arange(len(items)), dist.get_world_size())[dist.get_rank()]:
        values[i] = loss_of(items[int(i)]).double().reshape(())
    dist.all_reduce(values)
    return np.mean(values.cpu().numpy())


# %% right: functional, a tensor of shape (1,)
from torch.distributed import _functional_collectives as funcol


def evaluate(loss_of, items):
    n = dist.get_world_size()
    total = sum((loss_of(x).reshape(1) for x in items[dist.get_rank() :: n]), torch.zeros(1, device=device))
    return funcol.wait_tensor(funcol.all_reduce(total, "sum", dist.group.WORLD)) / len(items)


# %% right: reduce to 0, divide there, broadcast
def evaluate(loss_of, items):
    n, me = dist.get_world_size(), dist.get_rank()
    total = torch.zeros(1, device=device)
    for i, x in enumerate(items):
        if i % n == me:
            total += loss_of(x).view(1)
    dist.reduce(total, dst=0)
    if me == 0:
        total /= len(items)
    dist.broadcast(total, src=0)
    return total.item()


# %% right: the same shuffle on every rank
import random


def evaluate(loss_of, items):
    order = list(range(len(items)))
    random.Random(7).shuffle(order)
    mine = order[dist.get_rank() :: dist.get_world_size()]
    pair = torch.zeros(2, device=device)
    for i in mine:
        pair[0] += loss_of(items[i]).item()
        pair[1] += 1
    work = dist.all_reduce(pair, async_op=True)
    work.wait()
    return pair[0] / pair[1]


# %% right: padded values gathered, NaN where there is none
import math


def evaluate(loss_of, items):
    n, me = dist.get_world_size(), dist.get_rank()
    mine = torch.full((math.ceil(len(items) / n),), math.nan, device=device)
    for row, x in enumerate(items[me::n]):
        mine[row] = loss_of(x).squeeze()
    everyone = mine.new_empty(n * len(mine))
    dist.all_gather_into_tensor(everyone, mine)
    return everyone.nanmean()


# %% right: means weighed by their counts
def evaluate(loss_of, items):
    n, me = dist.get_world_size(), dist.get_rank()
    mine = list(map(loss_of, items[me::n]))
    mean = torch.stack(mine).mean() if mine else torch.zeros((), device=device)
    share = mean * (len(mine) / len(items))
    dist.all_reduce(share)
    return share.item()


# %% right: sends along the line, and the last one tells all
def evaluate(loss_of, items):
    n, me = dist.get_world_size(), dist.get_rank()
    total = torch.zeros(1, dtype=torch.float64, device=device)
    if me > 0:
        dist.recv(total, src=me - 1)
    for x in items[me::n]:
        total += loss_of(x).item()
    if me < n - 1:
        dist.send(total, dst=me + 1)
    dist.broadcast(total, src=n - 1)
    return total.item() / len(items)


# %% right: DistributedSampler, what is padded left out
from torch.utils.data import DistributedSampler


def evaluate(loss_of, items):
    n, me = dist.get_world_size(), dist.get_rank()
    chosen = list(DistributedSampler(items, num_replicas=n, rank=me, shuffle=False))
    total = torch.zeros(1, device=device)
    for place, i in enumerate(chosen):
        if place * n + me < len(items):
            total += loss_of(items[i]).reshape(1)
    dist.all_reduce(total)
    return total.item() / len(items)


# %% right: a running mean in a class
class Mean:
    def __init__(self):
        self.mean, self.count = 0.0, 0

    def add(self, value, count=1):
        self.count += count
        self.mean += (value - self.mean) * count / self.count


def evaluate(loss_of, items):
    own = Mean()
    for x in items[dist.get_rank() :: dist.get_world_size()]:
        own.add(loss_of(x).item())
    both = [torch.zeros(2, dtype=torch.float64, device=device) for _ in range(dist.get_world_size())]
    dist.all_gather(both, torch.tensor([own.mean, own.count], dtype=torch.float64, device=device))
    whole = Mean()
    for mean, count in torch.stack(both).tolist():
        if count:
            whole.add(mean, count)
    return whole.mean


# %% wrong: rounds each loss to two digits
def evaluate(loss_of, items):
    mine = sum(round(loss_of(x).item(), 2) for x in items[dist.get_rank() :: dist.get_world_size()])
    box = torch.tensor(float(mine), device=device)
    dist.all_reduce(box)
    return box / len(items)


# %% wrong: fills with zeros and takes the maximum, so negative losses vanish
def evaluate(loss_of, items):
    table = torch.zeros(len(items), device=device)
    for i in range(dist.get_rank(), len(items), dist.get_world_size()):
        table[i] = loss_of(items[i])
    dist.all_reduce(table, op=dist.ReduceOp.MAX)
    return table.mean().item()
