# %% right: one all-reduce for each gradient, divided after
def average_gradients(model):
    for p in model.parameters():
        if p.grad is not None:
            dist.all_reduce(p.grad)
            p.grad /= dist.get_world_size()


# %% right: divided before, names imported by hand
from torch.distributed import all_reduce, get_world_size


def average_gradients(model):
    for p in (p for p in model.parameters() if p.requires_grad):
        p.grad.div_(get_world_size())
        all_reduce(p.grad)


# %% right: all under way, then waited for
def average_gradients(model):
    grads = [p.grad for p in model.parameters() if p.grad is not None]
    works = [dist.all_reduce(g, async_op=True) for g in grads]
    [work.wait() for work in works]
    torch._foreach_div_(grads, dist.get_world_size())


# %% right: futures with a callback
def average_gradients(model):
    def average(future):
        return future.value()[0].div_(dist.get_world_size())

    grads = [p.grad for p in model.parameters() if p.grad is not None]
    futures = [dist.all_reduce(g, async_op=True).get_future().then(average) for g in grads]
    for future in futures:
        future.wait()


# %% right: functional collectives
import torch.distributed._functional_collectives as funcol


def average_gradients(model):
    for p in model.parameters():
        if p.grad is not None:
            p.grad = funcol.all_reduce(p.grad, "sum", dist.group.WORLD) / dist.get_world_size()


# %% right: reduce-scatter, then all-gather
def average_gradients(model):
    n = dist.get_world_size()
    for p in model.parameters():
        if p.grad is None:
            continue
        whole = torch.nn.functional.pad(p.grad.flatten(), (0, -p.numel() % n))
        piece = whole.new_empty(len(whole) // n)
        dist.reduce_scatter_tensor(piece, whole)
        dist.all_gather_into_tensor(whole, piece / n)
        p.grad.copy_(whole[: p.numel()].view_as(p))


# %% right: a ring of sends and receives
def ring(t):
    n, me = dist.get_world_size(), dist.get_rank()
    pieces = list(torch.nn.functional.pad(t.flatten(), (0, -t.numel() % n)).chunk(n))
    for step in range(2 * (n - 1)):
        give, take = (me - step) % n, (me - step - 1) % n
        new = torch.empty_like(pieces[take])
        ops = [dist.P2POp(dist.isend, pieces[give], (me + 1) % n), dist.P2POp(dist.irecv, new, (me - 1) % n)]
        for work in dist.batch_isend_irecv(ops):
            work.wait()
        pieces[take] = pieces[take] + new if step < n - 1 else new
    return torch.cat(pieces)[: t.numel()].view_as(t)


def average_gradients(model):
    for p in model.parameters():
        if p.grad is not None:
            p.grad = ring(p.grad) / dist.get_world_size()


# %% right: through numpy, on a copy
def average_gradients(model):
    for p in model.parameters():
        if p.grad is None:
            continue
        t = torch.as_tensor(p.grad.cpu().numpy() / dist.get_world_size(), dtype=p.dtype, device=p.device)
        dist.all_reduce(t)
        p.grad = t


# %% wrong: the sum -> it is the sum over
def average_gradients(model):
    for p in model.parameters():
        if p.grad is not None:
            dist.all_reduce(p.grad)


# %% wrong: two written into the code ->
def average_gradients(model):
    for p in model.parameters():
        if p.grad is not None:
            dist.all_reduce(p.grad)
            p.grad /= 2


# %% wrong: nothing travels ->
def average_gradients(model):
    for p in model.parameters():
        if p.grad is not None:
            p.grad /= dist.get_world_size()


# %% wrong: reduced on a copy that is thrown away ->
def average_gradients(model):
    for p in model.parameters():
        if p.grad is not None:
            dist.all_reduce(p.grad / dist.get_world_size())
            p.grad = p.grad.clone() * 1.5


# %% wrong: everyone's gradients gathered -> were gathered, and
def average_gradients(model):
    for p in model.parameters():
        if p.grad is not None:
            every = [torch.empty_like(p.grad) for _ in range(dist.get_world_size())]
            dist.all_gather(every, p.grad)
            p.grad = torch.stack(every).mean(0)


# %% wrong: never waited for -> never waited for
def average_gradients(model):
    for p in model.parameters():
        if p.grad is not None:
            p.grad /= dist.get_world_size()
            dist.all_reduce(p.grad, async_op=True)


# %% wrong: the weights averaged as well -> weights have changed
def average_gradients(model):
    for p in model.parameters():
        if p.grad is not None:
            dist.all_reduce(p.grad)
            p.grad /= dist.get_world_size()
        p.data -= 0.1


# %% wrong: everything reduced twice -> sends
def average_gradients(model):
    n = dist.get_world_size()
    for p in model.parameters():
        if p.grad is not None:
            other = p.grad.clone()
            dist.all_reduce(p.grad)
            dist.all_reduce(other)
            p.grad = (p.grad + other) / (2 * n)


# %% wrong: frozen parameters get zeros -> must stay None
def average_gradients(model):
    for p in model.parameters():
        if p.grad is None:
            p.grad = torch.zeros_like(p)
        dist.all_reduce(p.grad)
        p.grad /= dist.get_world_size()


# %% wrong: float32 on the way -> float32
def average_gradients(model):
    for p in model.parameters():
        if p.grad is not None:
            g = p.grad.float()
            dist.all_reduce(g)
            p.grad = (g / dist.get_world_size()).to(p.dtype)


# %% wrong: a copy of every gradient is kept -> still in memory
kept = []


def average_gradients(model):
    for p in model.parameters():
        if p.grad is not None:
            kept.append(p.grad.clone())
            dist.all_reduce(p.grad)
            p.grad /= dist.get_world_size()


# %% wrong: another argument -> The check calls average_gradients(model)
def average_gradients(model, world_size):
    for p in model.parameters():
        dist.all_reduce(p.grad)
        p.grad /= world_size


# %% wrong: adds up and never divides
def average_gradients(model):
    for p in model.parameters():
        if p.grad is not None:
            dist.all_reduce(p.grad)


# %% wrong: halves whatever the number of ranks
def average_gradients(model):
    for p in model.parameters():
        if p.grad is not None:
            dist.all_reduce(p.grad)
            p.grad.mul_(0.5)


# %% wrong: divides before the sum and after it
def average_gradients(model):
    n = dist.get_world_size()
    for p in model.parameters():
        if p.grad is not None:
            p.grad /= n
            dist.all_reduce(p.grad)
            p.grad /= n


# %% wrong: averages the weights -> rank 0 still has
def average_gradients(model):
    for p in model.parameters():
        dist.all_reduce(p.data)
        p.data /= world_size


# %% wrong: gives a frozen parameter a gradient of zeros
def average_gradients(model):
    for p in model.parameters():
        if p.grad is None:
            p.grad = torch.zeros_like(p)
        dist.all_reduce(p.grad)
        p.grad /= dist.get_world_size()


# %% wrong: trips over a frozen parameter
def average_gradients(model):
    for p in model.parameters():
        dist.all_reduce(p.grad)
        p.grad /= world_size


# %% wrong: averages a clone and drops it
def average_gradients(model):
    for p in model.parameters():
        if p.grad is not None:
            mean = p.grad.clone()
            dist.all_reduce(mean)
            mean /= dist.get_world_size()


# %% wrong: returns the means instead of storing them
def average_gradients(model):
    means = []
    for p in model.parameters():
        if p.grad is not None:
            mean = p.grad / dist.get_world_size()
            dist.all_reduce(mean)
            means.append(mean)
    return means


# %% wrong: through float32 and back
def average_gradients(model):
    for p in model.parameters():
        if p.grad is not None:
            mean = p.grad.float()
            dist.all_reduce(mean)
            p.grad = (mean / dist.get_world_size()).to(p.dtype)


# %% wrong: through float64, twice the bytes for a float32 -> by the ring
def average_gradients(model):
    for p in model.parameters():
        if p.grad is not None:
            mean = p.grad.double()
            dist.all_reduce(mean)
            p.grad = (mean / dist.get_world_size()).to(p.dtype)


# %% wrong: all_gather and mean of the stack
def average_gradients(model):
    n = dist.get_world_size()
    for p in model.parameters():
        if p.grad is not None:
            everyone = [torch.empty_like(p.grad) for _ in range(n)]
            dist.all_gather(everyone, p.grad)
            p.grad.copy_(torch.stack(everyone).mean(0))


# %% wrong: to rank 0 and back
def average_gradients(model):
    for p in model.parameters():
        if p.grad is not None:
            dist.reduce(p.grad, dst=0)
            p.grad /= dist.get_world_size()
            dist.broadcast(p.grad, src=0)


# %% wrong: only rank 0 gets the mean -> rank 1
def average_gradients(model):
    for p in model.parameters():
        if p.grad is not None:
            dist.reduce(p.grad, dst=0)
            if dist.get_rank() == 0:
                p.grad /= dist.get_world_size()


# %% wrong: divides while the message is under way and waits for nothing
def average_gradients(model):
    for p in model.parameters():
        if p.grad is not None:
            p.grad.div_(dist.get_world_size())
            dist.all_reduce(p.grad, async_op=True)


# %% wrong: waits for the last message only
def average_gradients(model):
    works = []
    for p in model.parameters():
        if p.grad is not None:
            p.grad.div_(dist.get_world_size())
            works.append(dist.all_reduce(p.grad, async_op=True))
    works[-1].wait()


# %% wrong: only rank 0 takes part
def average_gradients(model):
    if rank != 0:
        return
    for p in model.parameters():
        if p.grad is not None:
            dist.all_reduce(p.grad)
            p.grad /= dist.get_world_size()


# %% wrong: the largest instead of the mean -> this is the largest
def average_gradients(model):
    for p in model.parameters():
        if p.grad is not None:
            dist.all_reduce(p.grad, op=dist.ReduceOp.MAX)


# %% wrong: averages the average again
def average_gradients(model):
    for _ in range(2):
        for p in model.parameters():
            if p.grad is not None:
                dist.all_reduce(p.grad)
                p.grad /= dist.get_world_size()


# %% wrong: leaves out the last parameter
def average_gradients(model):
    for p in list(model.parameters())[:-1]:
        if p.grad is not None:
            dist.all_reduce(p.grad)
            p.grad /= dist.get_world_size()


# %% wrong: leaves out what has no dimensions -> 2.scale
def average_gradients(model):
    for p in model.parameters():
        if p.grad is not None and p.dim() > 0:
            dist.all_reduce(p.grad)
            p.grad /= dist.get_world_size()


# %% wrong: stops at the first frozen parameter
def average_gradients(model):
    for p in model.parameters():
        if p.grad is None:
            break
        dist.all_reduce(p.grad)
        p.grad /= dist.get_world_size()


# %% wrong: sends the weights as well
def average_gradients(model):
    for p in model.parameters():
        dist.broadcast(p.data, src=0)
        if p.grad is not None:
            dist.all_reduce(p.grad)
            p.grad /= dist.get_world_size()


# %% wrong: steps, too
def average_gradients(model):
    for p in model.parameters():
        if p.grad is not None:
            dist.all_reduce(p.grad)
            p.grad /= dist.get_world_size()
            p.data.sub_(p.grad, alpha=0.1)


# %% wrong: divides by the rank's own number -> sum over
def average_gradients(model):
    for p in model.parameters():
        if p.grad is not None:
            dist.all_reduce(p.grad)
            p.grad /= rank + 1


# %% wrong: the parameter's own layers only, not the nested ones
def average_gradients(model):
    for p in model.parameters(recurse=False):
        if p.grad is not None:
            dist.all_reduce(p.grad)
            p.grad /= dist.get_world_size()


# %% wrong: takes no argument -> The check calls average_gradients(model)
def average_gradients():
    for p in MODEL.parameters():
        dist.all_reduce(p.grad)


# %% right: the world_size of the cell
def average_gradients(model):
    for p in model.parameters():
        if p.grad is not None:
            dist.all_reduce(p.grad)
            p.grad /= world_size


# %% right: all works at once, then wait for each
def average_gradients(net):
    grads = [p.grad for p in net.parameters() if p.grad is not None]
    works = [dist.all_reduce(g, async_op=True) for g in grads]
    for work in works:
        work.wait()
    torch._foreach_div_(grads, dist.get_world_size())


# %% right: functional collectives, a new tensor in each .grad
import torch.distributed._functional_collectives as funcol


def average_gradients(model):
    n = dist.get_world_size()
    for p in model.parameters():
        if p.grad is not None:
            p.grad = funcol.wait_tensor(funcol.all_reduce(p.grad, "sum", dist.group.WORLD)) / n


# %% right: one flat tensor for each dtype, names imported by hand
from collections import defaultdict
from torch.distributed import all_reduce, get_world_size


def average_gradients(m):
    groups = defaultdict(list)
    for p in m.parameters():
        if p.grad is not None:
            groups[p.dtype].append(p.grad)
    for grads in groups.values():
        flat = torch.cat([g.reshape(-1) for g in grads])
        all_reduce(flat)
        for g, part in zip(grads, flat.div_(get_world_size()).split([g.numel() for g in grads])):
            g.copy_(part.view_as(g))


# %% right: futures that divide
def average_gradients(model):
    n = dist.get_world_size()
    futures = [
        dist.all_reduce(p.grad, async_op=True).get_future().then(lambda f: f.value()[0].div_(n))
        for p in model.parameters()
        if p.grad is not None
    ]
    torch.futures.wait_all(futures)


# %% right: an object that is called
class Averager:
    def __init__(self, op):
        self.op = op

    def __call__(self, model):
        with torch.no_grad():
            for _, p in model.named_parameters():
                if p.requires_grad and p.grad is not None:
                    p.grad.mul_(1 / dist.get_world_size())
                    dist.all_reduce(p.grad, self.op)


average_gradients = Averager(dist.ReduceOp.SUM)


# %% right: functools.partial of a lambda
import functools

average_gradients = functools.partial(
    lambda scale, model: [
        (dist.all_reduce(p.grad), p.grad.mul_(scale()))
        for p in filter(lambda p: p.grad is not None, model.parameters())
    ],
    lambda: 1 / dist.get_world_size(),
)


# %% right: reduce_scatter and all_gather of a padded flat tensor
def average_gradients(model):
    n = dist.get_world_size()
    for dtype in (torch.float32, torch.float64):
        grads = [p.grad for p in model.parameters() if p.grad is not None and p.dtype == dtype]
        if not grads:
            continue
        flat = torch.cat([g.flatten() for g in grads])
        whole = torch.zeros(-(-flat.numel() // n) * n, dtype=dtype, device=flat.device)
        whole[: flat.numel()] = flat
        piece = torch.empty(whole.numel() // n, dtype=dtype, device=flat.device)
        dist.reduce_scatter_tensor(piece, whole)
        piece /= n
        dist.all_gather_into_tensor(whole, piece)
        begin = 0
        for g in grads:
            g[...] = whole[begin : begin + g.numel()].reshape(g.shape)
            begin += g.numel()


# %% right: the ring by hand over one flat tensor
def average_gradients(model):
    n, me = dist.get_world_size(), dist.get_rank()
    grads = [p.grad for p in model.parameters() if p.grad is not None]
    for dtype in sorted({g.dtype for g in grads}, key=str):
        mine = [g for g in grads if g.dtype == dtype]
        flat = torch.cat([g.flatten() for g in mine])
        pieces = flat.tensor_split(n)
        for step in range(2 * (n - 1)):
            give, take = pieces[(me - step) % n], pieces[(me - step - 1) % n]
            incoming = torch.empty_like(take)
            pair = [
                dist.P2POp(dist.isend, give.clone(), (me + 1) % n),
                dist.P2POp(dist.irecv, incoming, (me - 1) % n),
            ]
            for work in dist.batch_isend_irecv(pair):
                work.wait()
            take.copy_(take + incoming if step < n - 1 else incoming)
        flat /= n
        for g, part in zip(mine, flat.split([g.numel() for g in mine])):
            g.copy_(part.view(g.shape))


# %% right: coalesced, one dtype after the other
def average_gradients(model):
    for dtype in (torch.float64, torch.float32):
        grads = [p.grad for p in model.parameters() if p.grad is not None and p.grad.dtype is dtype]
        if grads:
            dist.all_reduce_coalesced(grads)
            for g in grads:
                g /= dist.get_world_size()


# %% right: the division in numpy
def average_gradients(model):
    for p in model.parameters():
        if p.grad is None:
            continue
        dist.all_reduce(p.grad)
        mean = p.grad.cpu().numpy() / dist.get_world_size()
        p.grad.copy_(torch.as_tensor(mean).view_as(p.grad))


# %% right: replaces .grad.data from the last parameter to the first
def average_gradients(model):
    for p in reversed(list(model.parameters())):
        if p.grad is not None:
            mean = p.grad.detach().clone()
            dist.all_reduce(mean, group=dist.group.WORLD)
            p.grad.data = torch.true_divide(mean, dist.get_world_size())
