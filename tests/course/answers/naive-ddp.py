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


# %% wrong: everyone's gradients gathered -> were gathered by the others
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


# %% wrong: another argument -> The check called average_gradients(model)
def average_gradients(model, world_size):
    for p in model.parameters():
        dist.all_reduce(p.grad)
        p.grad /= world_size
