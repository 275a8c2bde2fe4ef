# %% right: reduce to the owner
def keep_own_gradients(parameters, owner):
    for p in parameters:
        if p.grad is not None:
            dist.reduce(p.grad, dst=owner[p])
            p.grad = p.grad / dist.get_world_size() if owner[p] == dist.get_rank() else None


# %% right: asynchronous, all waited for, names imported by hand
from torch.distributed import get_rank, get_world_size, reduce


def keep_own_gradients(parameters, owner):
    trained = [p for p in parameters if p.grad is not None]
    works = [reduce(p.grad, owner[p], async_op=True) for p in trained]
    for p, work in zip(trained, works):
        work.wait()
        if owner[p] == get_rank():
            p.grad.div_(get_world_size())
        else:
            p.grad = None


# %% right: one flat message to each owner
def keep_own_gradients(parameters, owner):
    for rank_ in range(dist.get_world_size()):
        group = [p for p in parameters if p.grad is not None and owner[p] == rank_]
        if not group:
            continue
        flat = torch.cat([p.grad.flatten() for p in group]) / dist.get_world_size()
        dist.reduce(flat, rank_)
        at = 0
        for p in group:
            p.grad = flat[at : at + p.numel()].view_as(p).clone() if rank_ == dist.get_rank() else None
            at += p.numel()


# %% right: reduce_scatter of padded shares
def keep_own_gradients(parameters, owner):
    n, me = dist.get_world_size(), dist.get_rank()
    trained = [p for p in parameters if p.grad is not None]
    shares = [[p for p in trained if owner[p] == r] for r in range(n)]
    width = max(sum(p.numel() for p in share) for share in shares)
    rows = trained[0].grad.new_zeros(n, width)
    for r, share in enumerate(shares):
        if share:
            flat = torch.cat([p.grad.flatten() for p in share])
            rows[r, : flat.numel()] = flat
    own = rows.new_empty(width)
    dist.reduce_scatter_tensor(own, rows.flatten())
    for p in trained:
        p.grad = None
    at = 0
    for p in shares[me]:
        p.grad = own[at : at + p.numel()].view_as(p) / n
        at += p.numel()


# %% right: from rank to rank, added up by the owner
def keep_own_gradients(parameters, owner):
    me, n = dist.get_rank(), dist.get_world_size()
    for p in parameters:
        if p.grad is None:
            continue
        if owner[p] == me:
            for other in range(n):
                if other != me:
                    one = torch.empty_like(p.grad)
                    dist.recv(one, other)
                    p.grad += one
            p.grad /= n
        else:
            dist.send(p.grad, owner[p])
            p.grad = None


# %% right: divided first, so that the sum is the mean
def keep_own_gradients(parameters, owner):
    with torch.no_grad():
        for p in filter(lambda p: p.requires_grad, parameters):
            p.grad.mul_(1 / dist.get_world_size())
            dist.reduce(p.grad, owner[p], op=dist.ReduceOp.SUM)
            if owner[p] != dist.get_rank():
                del p.grad


# %% right: gathered at the owner only
def keep_own_gradients(parameters, owner):
    for p in parameters:
        if not p.requires_grad:
            continue
        mine = owner[p] == dist.get_rank()
        every = [torch.empty_like(p.grad) for _ in range(dist.get_world_size())] if mine else None
        dist.gather(p.grad, every, dst=owner[p])
        p.grad = torch.stack(every).mean(0) if mine else None


# %% wrong: all_reduce -> throw it away
def keep_own_gradients(parameters, owner):
    for p in parameters:
        if p.grad is not None:
            dist.all_reduce(p.grad)
            p.grad = p.grad / dist.get_world_size() if owner[p] == dist.get_rank() else None


# %% wrong: functional all_reduce -> throw it away
import torch.distributed._functional_collectives as funcol


def keep_own_gradients(parameters, owner):
    for p in parameters:
        if p.grad is not None:
            total = funcol.all_reduce(p.grad, "avg" if False else "sum", dist.group.WORLD)
            p.grad = total / dist.get_world_size() if owner[p] == dist.get_rank() else None


# %% wrong: nothing is dropped -> does not own
def keep_own_gradients(parameters, owner):
    for p in parameters:
        if p.grad is not None:
            dist.reduce(p.grad, dst=owner[p])
            p.grad /= dist.get_world_size()


# %% wrong: kept in a list -> still holds the memory
kept = []


def keep_own_gradients(parameters, owner):
    for p in parameters:
        if p.grad is not None:
            kept.append(p.grad)
            dist.reduce(p.grad, dst=owner[p])
            p.grad = p.grad / dist.get_world_size() if owner[p] == dist.get_rank() else None


# %% wrong: a view of them is kept -> still holds the memory
views = {}


def keep_own_gradients(parameters, owner):
    for i, p in enumerate(parameters):
        if p.grad is not None:
            views[i] = p.grad.view(-1)
            dist.reduce(p.grad, dst=owner[p])
            p.grad = p.grad / dist.get_world_size() if owner[p] == dist.get_rank() else None


# %% wrong: the sum -> holds the sum
def keep_own_gradients(parameters, owner):
    for p in parameters:
        if p.grad is not None:
            dist.reduce(p.grad, dst=owner[p])
            if owner[p] != dist.get_rank():
                p.grad = None


# %% wrong: divided by 2, whatever the number of ranks -> mean
def keep_own_gradients(parameters, owner):
    for p in parameters:
        if p.grad is not None:
            dist.reduce(p.grad, dst=owner[p])
            p.grad = p.grad / 2 if owner[p] == dist.get_rank() and dist.get_world_size() == 2 else (
                p.grad / 4 if owner[p] == dist.get_rank() else None
            )


# %% wrong: divided twice -> twice
def keep_own_gradients(parameters, owner):
    n = dist.get_world_size()
    for p in parameters:
        if p.grad is not None:
            p.grad /= n
            dist.reduce(p.grad, dst=owner[p])
            p.grad = p.grad / n if owner[p] == dist.get_rank() else None


# %% wrong: nothing is sent -> nothing was added up
def keep_own_gradients(parameters, owner):
    for p in parameters:
        if p.grad is not None:
            p.grad = p.grad / dist.get_world_size() if owner[p] == dist.get_rank() else None


# %% wrong: always to rank 0 -> mean over the ranks
def keep_own_gradients(parameters, owner):
    for p in parameters:
        if p.grad is not None:
            dist.reduce(p.grad, dst=0)
            p.grad = p.grad / dist.get_world_size() if owner[p] == dist.get_rank() else None


# %% wrong: gathered by all -> gathered whole
def keep_own_gradients(parameters, owner):
    for p in parameters:
        if p.grad is not None:
            every = [torch.empty_like(p.grad) for _ in range(dist.get_world_size())]
            dist.all_gather(every, p.grad)
            p.grad = sum(every) / len(every) if owner[p] == dist.get_rank() else None


# %% wrong: sent twice -> bytes left one of
def keep_own_gradients(parameters, owner):
    for p in parameters:
        if p.grad is not None:
            dist.reduce(p.grad.clone(), dst=owner[p])
            dist.reduce(p.grad, dst=owner[p])
            p.grad = p.grad / dist.get_world_size() if owner[p] == dist.get_rank() else None


# %% wrong: the frozen one gets zeros -> frozen
def keep_own_gradients(parameters, owner):
    for p in parameters:
        if p.grad is None:
            p.grad = torch.zeros_like(p)
        dist.reduce(p.grad, dst=owner[p])
        p.grad = p.grad / dist.get_world_size() if owner[p] == dist.get_rank() else None


# %% wrong: only the owner calls reduce -> rank
def keep_own_gradients(parameters, owner):
    for p in parameters:
        if p.grad is not None:
            if owner[p] == dist.get_rank():
                dist.reduce(p.grad, dst=owner[p])
                p.grad /= dist.get_world_size()
            else:
                p.grad = None


# %% wrong: everything is dropped -> lost its gradient
def keep_own_gradients(parameters, owner):
    for p in parameters:
        if p.grad is not None:
            dist.reduce(p.grad, dst=owner[p])
            p.grad = None


# %% wrong: owner is not taken -> keep_own_gradients(parameters, owner)
def keep_own_gradients(parameters):
    for p in parameters:
        p.grad = None


# %% right: reduce one by one
def keep(parameters, owner):
    for p in parameters:
        if p.grad is None:
            continue
        dist.reduce(p.grad, dst=owner[p])
        if owner[p] == dist.get_rank():
            p.grad /= dist.get_world_size()
        else:
            p.grad = None

# %% right: async, waited for
def keep(params, who):
    live = [p for p in params if p.requires_grad]
    works = []
    for p in live:
        p.grad.div_(dist.get_world_size())
        works.append(dist.reduce(p.grad, who[p], async_op=True))
    for w in works:
        w.wait()
    for p in live:
        if who[p] != dist.get_rank():
            p.grad = None

# %% right: one flat bucket for each owner
def keep(parameters, owner):
    n, me = dist.get_world_size(), dist.get_rank()
    for r in range(n):
        share = [p for p in parameters if p.grad is not None and owner[p] == r]
        if not share:
            continue
        flat = torch.cat([p.grad.flatten() for p in share])
        dist.reduce(flat, dst=r)
        flat /= n
        for p, part in zip(share, flat.split([p.numel() for p in share])):
            p.grad = part.view_as(p).clone() if r == me else None

# %% right: point to point
def keep(parameters, owner):
    n, me = dist.get_world_size(), dist.get_rank()
    for p in parameters:
        if p.grad is None:
            continue
        if owner[p] != me:
            dist.send(p.grad, dst=owner[p])
            p.grad = None
            continue
        arriving = torch.empty_like(p.grad)
        for other in range(n):
            if other != me:
                dist.recv(arriving, src=other)
                p.grad += arriving
        p.grad /= n

# %% right: gather to the owner, mean of a stack
def keep(parameters, owner):
    for p in parameters:
        if p.grad is not None:
            here = owner[p] == dist.get_rank()
            into = [torch.empty_like(p.grad) for _ in range(dist.get_world_size())] if here else None
            dist.gather(p.grad, into, dst=owner[p])
            p.grad = torch.stack(into).mean(0) if here else None

# %% right: all-to-all with uneven splits
def keep(parameters, owner):
    n, me = dist.get_world_size(), dist.get_rank()
    live = [p for p in parameters if p.grad is not None]
    if not live:
        return
    shares = [[p for p in live if owner[p] == r] for r in range(n)]
    sizes = [sum(p.numel() for p in s) for s in shares]
    out = torch.cat([p.grad.reshape(-1) for s in shares for p in s])
    into = out.new_empty(n * sizes[me])
    dist.all_to_all_single(into, out, output_split_sizes=[sizes[me]] * n, input_split_sizes=sizes)
    mean = into.view(n, -1).mean(0)
    for r, s in enumerate(shares):
        at = 0
        for p in s:
            if r == me:
                p.grad = mean[at : at + p.numel()].view(p.shape).clone()
                at += p.numel()
            else:
                p.grad = None

# %% right: a chain that passes partial sums on
def keep(parameters, owner):
    n, me = dist.get_world_size(), dist.get_rank()
    for p in (p for p in parameters if p.grad is not None):
        far = (owner[p] - me) % n  # steps to the owner
        if far < n - 1:
            before = torch.empty_like(p.grad)
            dist.recv(before, src=(me - 1) % n)
            p.grad.add_(before)
        if far > 0:
            dist.send(p.grad, dst=(me + 1) % n)
            p.grad = None
        else:
            p.grad.mul_(1 / n)

# %% right: futures, gradients taken out of the parameters first
def keep(parameters, owner):
    taken = []
    for p in parameters:
        g, p.grad = p.grad, None
        if g is not None:
            taken.append((p, g / dist.get_world_size()))
            del g
    futures = [dist.reduce(g, dst=owner[p], async_op=True).get_future() for p, g in taken]
    torch.futures.wait_all(futures)
    for p, g in taken:
        if owner[p] == dist.get_rank():
            p.grad = g

# %% right: a class with a call
class Keeper:
    def __init__(self, n=None):
        self.n = n
    def __call__(self, parameters, owner):
        mine = lambda p: owner[p] == dist.get_rank()
        for p in filter(lambda p: p.grad is not None, parameters):
            dist.reduce(p.grad.data, owner[p], op=dist.ReduceOp.SUM)
            p.grad = p.grad / dist.get_world_size() if mine(p) else None
keep = Keeper()

# %% wrong: all-reduce, then drop
def keep(parameters, owner):
    for p in parameters:
        if p.grad is not None:
            dist.all_reduce(p.grad)
            p.grad = p.grad / dist.get_world_size() if owner[p] == dist.get_rank() else None

# %% wrong: the sum, not the mean
def keep(parameters, owner):
    for p in parameters:
        if p.grad is not None:
            dist.reduce(p.grad, dst=owner[p])
            if owner[p] != dist.get_rank():
                p.grad = None

# %% wrong: divides by two
def keep(parameters, owner):
    for p in parameters:
        if p.grad is not None:
            dist.reduce(p.grad, dst=owner[p])
            p.grad = p.grad / 2 if owner[p] == dist.get_rank() else None

# %% wrong: divided before and after
def keep(parameters, owner):
    n = dist.get_world_size()
    for p in parameters:
        if p.grad is not None:
            p.grad /= n
            dist.reduce(p.grad, dst=owner[p])
            p.grad = p.grad / n if owner[p] == dist.get_rank() else None

# %% wrong: the frozen one has no gradient
def keep(parameters, owner):
    for p in parameters:
        dist.reduce(p.grad, dst=owner[p])
        p.grad = p.grad / dist.get_world_size() if owner[p] == dist.get_rank() else None

# %% wrong: only the owner calls
def keep(parameters, owner):
    for p in parameters:
        if p.grad is not None:
            if owner[p] == dist.get_rank():
                dist.reduce(p.grad, dst=owner[p])
                p.grad /= dist.get_world_size()
            else:
                p.grad = None

# %% wrong: the others keep theirs
def keep(parameters, owner):
    for p in parameters:
        if p.grad is not None:
            dist.reduce(p.grad, dst=owner[p])
            if owner[p] == dist.get_rank():
                p.grad /= dist.get_world_size()

# %% wrong: zeros elsewhere
def keep(parameters, owner):
    for p in parameters:
        if p.grad is not None:
            dist.reduce(p.grad, dst=owner[p])
            if owner[p] == dist.get_rank():
                p.grad /= dist.get_world_size()
            else:
                p.grad.zero_()

# %% wrong: an empty storage elsewhere, not None
def keep(parameters, owner):
    for p in parameters:
        if p.grad is not None:
            dist.reduce(p.grad, dst=owner[p])
            if owner[p] == dist.get_rank():
                p.grad /= dist.get_world_size()
            else:
                p.grad.untyped_storage().resize_(0)

# %% wrong: owner by turns, not as told
def keep(parameters, owner):
    for i, p in enumerate(parameters):
        if p.grad is not None:
            to = i % dist.get_world_size()
            dist.reduce(p.grad, dst=to)
            p.grad = p.grad / dist.get_world_size() if to == dist.get_rank() else None

# %% wrong: no traffic at all
def keep(parameters, owner):
    for p in parameters:
        if p.grad is not None and owner[p] != dist.get_rank():
            p.grad = None

# %% wrong: kept in a list, again
kept = []
def keep(parameters, owner):
    for p in parameters:
        if p.grad is not None:
            dist.reduce(p.grad, dst=owner[p])
            kept.append(p.grad)
            p.grad = p.grad / dist.get_world_size() if owner[p] == dist.get_rank() else None

# %% wrong: views of one flat buffer keep it all -> views of larger tensors
def keep(parameters, owner):
    live = [p for p in parameters if p.grad is not None]
    flat = torch.cat([p.grad.flatten() for p in live])
    for p, part in zip(live, flat.split([p.numel() for p in live])):
        dist.reduce(part, dst=owner[p])
        p.grad = part.div_(dist.get_world_size()).view_as(p) if owner[p] == dist.get_rank() else None

# %% wrong: kept as an attribute of the parameter
def keep(parameters, owner):
    for p in parameters:
        if p.grad is not None:
            dist.reduce(p.grad, dst=owner[p])
            p.old = p.grad
            p.grad = p.grad / dist.get_world_size() if owner[p] == dist.get_rank() else None

# %% wrong: in bfloat16 on the wire
def keep(parameters, owner):
    for p in parameters:
        if p.grad is not None:
            wire = p.grad.bfloat16()
            dist.reduce(wire, dst=owner[p])
            p.grad = wire.to(p.dtype) / dist.get_world_size() if owner[p] == dist.get_rank() else None

# %% wrong: the largest
def keep(parameters, owner):
    for p in parameters:
        if p.grad is not None:
            dist.reduce(p.grad, dst=owner[p], op=dist.ReduceOp.MAX)
            p.grad = p.grad if owner[p] == dist.get_rank() else None

# %% wrong: reduced twice
def keep(parameters, owner):
    n = dist.get_world_size()
    for p in parameters:
        if p.grad is not None:
            copy = p.grad.clone()
            dist.reduce(copy, dst=owner[p])
            dist.reduce(p.grad, dst=owner[p])
            p.grad = p.grad / n if owner[p] == dist.get_rank() else None

# %% wrong: all-gather, everyone gets everything
def keep(parameters, owner):
    n = dist.get_world_size()
    for p in parameters:
        if p.grad is not None:
            every = [torch.empty_like(p.grad) for _ in range(n)]
            dist.all_gather(every, p.grad)
            p.grad = sum(every) / n if owner[p] == dist.get_rank() else None

# %% wrong: to rank 0, which sends on to the owner
def keep(parameters, owner):
    n, me = dist.get_world_size(), dist.get_rank()
    for p in parameters:
        if p.grad is None:
            continue
        dist.reduce(p.grad, dst=0)
        dist.broadcast(p.grad, src=0)
        p.grad = p.grad / n if owner[p] == me else None

# %% wrong: None on the owner, kept elsewhere
def keep(parameters, owner):
    for p in parameters:
        if p.grad is not None:
            dist.reduce(p.grad, dst=owner[p])
            p.grad = p.grad / dist.get_world_size() if owner[p] != dist.get_rank() else None

# %% wrong: a new zero gradient for the frozen one
def keep(parameters, owner):
    for p in parameters:
        if p.grad is None:
            p.grad = torch.zeros_like(p)
        dist.reduce(p.grad, dst=owner.get(p, 0))
        p.grad = p.grad / dist.get_world_size() if owner.get(p, 0) == dist.get_rank() else None

# %% wrong: returns the gradients, leaves p.grad
def keep(parameters, owner):
    result = {}
    for p in parameters:
        if p.grad is not None:
            g = p.grad.clone()
            dist.reduce(g, dst=owner[p])
            if owner[p] == dist.get_rank():
                result[p] = g / dist.get_world_size()
    return result

# %% wrong: the mean goes into the weights' place
def keep(parameters, owner):
    for p in parameters:
        if p.grad is not None:
            dist.reduce(p.grad, dst=owner[p])
            if owner[p] == dist.get_rank():
                p.data.sub_(p.grad / dist.get_world_size())
            p.grad = None

# %% wrong: fp32 on the wire for fp64
def keep(parameters, owner):
    for p in parameters:
        if p.grad is not None:
            wire = p.grad.float()
            dist.reduce(wire, dst=owner[p])
            p.grad = (wire / dist.get_world_size()).to(p.dtype) if owner[p] == dist.get_rank() else None


# %% wrong: the step is taken, too -> The parameters have changed
def keep_own_gradients(parameters, owner):
    for p in parameters:
        if p.grad is not None:
            dist.reduce(p.grad, dst=owner[p])
            if owner[p] == dist.get_rank():
                p.grad /= dist.get_world_size()
                p.data -= 1e-3 * p.grad
            else:
                p.grad = None


# %% wrong: the owners of the first call are remembered
first = []


def keep_own_gradients(parameters, owner):
    if len(first) != len(parameters):
        first[:] = [owner[p] if p.requires_grad else None for p in parameters]
    for p, r in zip(parameters, first):
        if p.grad is not None:
            r = owner[p] if r is None else r
            dist.reduce(p.grad, dst=r)
            p.grad = p.grad / dist.get_world_size() if r == dist.get_rank() else None


# %% wrong: freezes what others own -> requires_grad
def keep_own_gradients(parameters, owner):
    for p in parameters:
        if p.grad is not None:
            dist.reduce(p.grad, dst=owner[p])
            if owner[p] == dist.get_rank():
                p.grad.div_(dist.get_world_size())
            else:
                p.grad = None
                p.requires_grad_(False)
