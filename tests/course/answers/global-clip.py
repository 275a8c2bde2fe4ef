# %% right: squares in fp64, one all_reduce
def clip_to_global_norm(gradients, max_norm):
    squares = torch.zeros((), dtype=torch.float64, device=device)
    for gradient in gradients:
        squares += gradient.double().square().sum()
    dist.all_reduce(squares)
    norm = squares.sqrt()
    for gradient in gradients:
        gradient.mul_((max_norm / norm).clamp(max=1.0))
    return norm


# %% right: torch's get_total_norm, imported by hand, a float comes back
from torch.distributed import all_reduce
from torch.nn.utils import get_total_norm


def clip_to_global_norm(gradients, max_norm):
    own = float(get_total_norm(gradients)) if gradients else 0.0
    squares = torch.tensor([own**2], device=device)
    all_reduce(squares)
    norm = squares.item() ** 0.5
    if norm > max_norm:
        for g in gradients:
            g *= max_norm / (norm + 1e-6)
    return norm


# %% right: functional all_reduce
import torch.distributed._functional_collectives as funcol


def clip_to_global_norm(gradients, max_norm):
    squares = sum((g.double() ** 2).sum() for g in gradients) + torch.zeros((), dtype=torch.float64, device=device)
    norm = funcol.all_reduce(squares, "sum", dist.group.WORLD).sqrt()
    scale = min(1.0, float(max_norm / norm))
    [g.mul_(scale) for g in gradients]
    return norm.item()


# %% right: one number from each rank is gathered
def clip_to_global_norm(gradients, max_norm):
    own = torch.stack([g.float().norm() for g in gradients]).norm() if gradients else torch.tensor(0.0, device=device)
    every = [torch.empty_like(own) for _ in range(dist.get_world_size())]
    dist.all_gather(every, own)
    norm = torch.stack(every).norm()
    torch._foreach_mul_(gradients, min(1.0, max_norm / norm.item())) if gradients else None
    return norm


# %% right: numpy for the squares, asynchronous
def clip_to_global_norm(gradients, max_norm):
    import numpy as np

    squares = sum(float(np.square(g.cpu().numpy().astype("float64")).sum()) for g in gradients)
    total = torch.tensor(squares, dtype=torch.float64, device=device)
    dist.all_reduce(total, async_op=True).wait()
    norm = total.sqrt()
    if norm > max_norm:
        for g in gradients:
            g.copy_(g * (max_norm / norm))
    return norm


# %% right: reduced to rank 0, then sent to all
def clip_to_global_norm(gradients, max_norm):
    squares = torch.zeros(1, dtype=torch.float64, device=device)
    for g in gradients:
        squares += torch.dot(g.double().flatten(), g.double().flatten())
    dist.reduce(squares, 0)
    dist.broadcast(squares, 0)
    norm = squares.sqrt().item()
    coefficient = max_norm / norm if norm > max_norm else 1
    for i in range(len(gradients)):
        gradients[i][...] = gradients[i] * coefficient
    return norm


# %% right: a future
def clip_to_global_norm(gradients, max_norm):
    squares = torch.tensor(0.0, dtype=torch.float64, device=device) + sum(g.double().pow(2).sum() for g in gradients)
    future = dist.all_reduce(squares, async_op=True).get_future().then(lambda done: done.value()[0].sqrt())
    norm = future.wait()
    for g in gradients:
        g.div_(max(1.0, float(norm) / max_norm))
    return norm


# %% wrong: the own norm only -> its own share
def clip_to_global_norm(gradients, max_norm):
    norm = torch.cat([g.flatten() for g in gradients]).norm() if gradients else torch.tensor(0.0)
    for g in gradients:
        g.mul_(min(1.0, max_norm / float(norm)))
    return norm


# %% wrong: norms are added up -> added up
def clip_to_global_norm(gradients, max_norm):
    norm = torch.cat([torch.zeros(1).double(), *(g.double().flatten() for g in gradients)]).norm()
    dist.all_reduce(norm)
    for g in gradients:
        g.mul_(min(1.0, max_norm / float(norm)))
    return norm


# %% wrong: the largest norm -> largest of the ranks' norms
def clip_to_global_norm(gradients, max_norm):
    norm = torch.cat([torch.zeros(1).double(), *(g.double().flatten() for g in gradients)]).norm()
    dist.all_reduce(norm, dist.ReduceOp.MAX)
    for g in gradients:
        g.mul_(min(1.0, max_norm / float(norm)))
    return norm


# %% wrong: max_norm is taken as 1 -> multiplied by
def clip_to_global_norm(gradients, max_norm):
    squares = torch.zeros((), dtype=torch.float64) + sum(g.double().square().sum() for g in gradients)
    dist.all_reduce(squares)
    norm = squares.sqrt()
    for g in gradients:
        g.mul_((1.7 / norm).clamp(max=1.0))
    return norm


# %% wrong: max_norm left out -> max_norm was left out
def clip_to_global_norm(gradients, max_norm):
    squares = torch.zeros((), dtype=torch.float64) + sum(g.double().square().sum() for g in gradients)
    dist.all_reduce(squares)
    norm = squares.sqrt()
    for g in gradients:
        g.mul_((1.0 / norm).clamp(max=1.0))
    return norm


# %% wrong: small ones grow -> never makes them larger
def clip_to_global_norm(gradients, max_norm):
    squares = torch.zeros((), dtype=torch.float64) + sum(g.double().square().sum() for g in gradients)
    dist.all_reduce(squares)
    for g in gradients:
        g.mul_(max_norm / squares.sqrt())
    return squares.sqrt()


# %% wrong: copies -> in place
def clip_to_global_norm(gradients, max_norm):
    squares = torch.zeros((), dtype=torch.float64) + sum(g.double().square().sum() for g in gradients)
    dist.all_reduce(squares)
    gradients = [g * (max_norm / squares.sqrt()).clamp(max=1) for g in gradients]
    return squares.sqrt()


# %% wrong: each tensor by its own norm -> different numbers
def clip_to_global_norm(gradients, max_norm):
    squares = torch.zeros((), dtype=torch.float64) + sum(g.double().square().sum() for g in gradients)
    dist.all_reduce(squares)
    for g in gradients:
        g.mul_(min(1.0, max_norm / float(g.norm())))
    return squares.sqrt()


# %% wrong: the norm from after -> the returned norm is
def clip_to_global_norm(gradients, max_norm):
    squares = torch.zeros((), dtype=torch.float64) + sum(g.double().square().sum() for g in gradients)
    dist.all_reduce(squares)
    norm = squares.sqrt()
    for g in gradients:
        g.mul_((max_norm / norm).clamp(max=1.0))
    return norm.clamp(max=max_norm)


# %% wrong: nothing comes back -> returns no number
def clip_to_global_norm(gradients, max_norm):
    squares = torch.zeros((), dtype=torch.float64) + sum(g.double().square().sum() for g in gradients)
    dist.all_reduce(squares)
    for g in gradients:
        g.mul_((max_norm / squares.sqrt()).clamp(max=1.0))


# %% wrong: a rank without gradients leaves -> rank
def clip_to_global_norm(gradients, max_norm):
    if not gradients:
        return 0.0
    squares = sum(g.double().square().sum() for g in gradients)
    dist.all_reduce(squares)
    for g in gradients:
        g.mul_((max_norm / squares.sqrt()).clamp(max=1.0))
    return squares.sqrt()


# %% wrong: all gradients are gathered -> bytes left a rank
def clip_to_global_norm(gradients, max_norm):
    every = [None] * dist.get_world_size()
    dist.all_gather_object(every, gradients)
    norm = torch.cat([g.double().flatten() for share in every for g in share]).norm()
    for g in gradients:
        g.mul_((max_norm / norm).clamp(max=1.0))
    return norm


# %% wrong: a call for each place in a list of 40 -> bytes left a rank
def clip_to_global_norm(gradients, max_norm):
    squares = torch.zeros(40, dtype=torch.float64)
    for i, g in enumerate(gradients):
        squares[i] = g.double().square().sum()
    for each in squares:
        dist.all_reduce(each)
    norm = squares.sum().sqrt()
    for g in gradients:
        g.mul_((max_norm / norm).clamp(max=1.0))
    return norm


# %% wrong: no max_norm taken -> clip_to_global_norm(gradients, max_norm)
def clip_to_global_norm(gradients):
    return 0.0
