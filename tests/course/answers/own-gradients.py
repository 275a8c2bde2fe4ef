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
