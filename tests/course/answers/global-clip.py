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
    torch._foreach_mul_(gradients, min(1.0, max_norm / max(norm.item(), 1e-12))) if gradients else None
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


# %% right: one all-reduce in double
def clip(gradients, max_norm):
    total = torch.zeros((), dtype=torch.float64, device=device)
    for g in gradients:
        total += g.double().square().sum()
    dist.all_reduce(total)
    norm = total.sqrt()
    if norm > max_norm:
        for g in gradients:
            g.mul_(max_norm / norm)
    return norm

# %% right: a Python float, math
import math
def clip(grads, limit):
    t = torch.tensor([sum(float((g.double() ** 2).sum()) for g in grads)], dtype=torch.float64, device=device)
    dist.all_reduce(t)
    n = math.sqrt(t.item())
    scale = min(1.0, limit / n) if n else 1.0
    [g.mul_(scale) for g in grads]
    return n

# %% right: functional all-reduce
import torch.distributed._functional_collectives as fc
def clip(gradients, max_norm):
    squares = sum((g.double().pow(2).sum() for g in gradients), torch.zeros((), dtype=torch.float64, device=device))
    norm = fc.wait_tensor(fc.all_reduce(squares, "sum", dist.group.WORLD)) ** 0.5
    factor = (max_norm / (norm + 1e-6)).clamp(max=1.0)
    for g in gradients:
        g *= factor.to(g.dtype)
    return norm

# %% right: all-gather of one number each, async
def clip(gradients, max_norm):
    own = torch.tensor(sum(g.double().norm().item() ** 2 for g in gradients), dtype=torch.float64, device=device)
    every = torch.empty(dist.get_world_size(), dtype=torch.float64, device=device)
    dist.all_gather_into_tensor(every, own.view(1), async_op=True).wait()
    norm = every.sum().sqrt().item()
    if norm > max_norm:
        torch._foreach_mul_(gradients, max_norm / norm) if gradients else None
    return norm

# %% right: reduce, then broadcast
def clip(gradients, max_norm):
    total = torch.tensor([float(sum(torch.sum(g.double() * g.double()) for g in gradients))], dtype=torch.float64, device=device)
    dist.reduce(total, dst=0)
    dist.broadcast(total, src=0)
    norm = total.sqrt()
    for g in gradients:
        if norm.item() > max_norm:
            g.copy_(g * (max_norm / norm.item()))
    return norm

# %% right: numpy, hypot of the gathered norms, futures
import numpy as np
def clip(gradients, max_norm):
    mine = np.sqrt(sum(np.square(g.cpu().numpy().astype(np.float64)).sum() for g in gradients))
    box = torch.tensor([mine ** 2], device=device, dtype=torch.float64)
    future = dist.all_reduce(box, async_op=True).get_future()
    future.wait()
    norm = float(np.sqrt(box.cpu().numpy()[0]))
    for g in gradients:
        g.mul_(min(1, max_norm / max(norm, 1e-300)))
    return norm

# %% right: torch's get_total_norm and clip_grads_with_norm_ on stand-ins
from torch.nn.utils import get_total_norm
def clip(gradients, max_norm):
    norm = get_total_norm(gradients).to(device, torch.float64) ** 2
    dist.all_reduce(norm, op=dist.ReduceOp.SUM)
    norm = norm.sqrt()
    coefficient = torch.clamp(max_norm / (norm + 1e-6), max=1.0).item()
    for g in gradients:
        g.mul_(coefficient)
    return norm

# %% right: a float32 counter
def clip(gradients, max_norm):
    total = torch.zeros(1, device=device)
    for g in gradients:
        total += g.pow(2).sum()
    dist.all_reduce(total)
    norm = total.sqrt()
    if norm > max_norm:
        for g in gradients:
            g.mul_(max_norm / norm.item())
    return norm

# %% right: passed round a ring, point to point
def clip(gradients, max_norm):
    n, r = dist.get_world_size(), dist.get_rank()
    own = torch.tensor([sum(float(g.double().square().sum()) for g in gradients)], dtype=torch.float64, device=device)
    total, passing = own.clone(), own
    for _ in range(n - 1):
        arriving = torch.empty_like(passing)
        ops = [dist.P2POp(dist.isend, passing, (r + 1) % n), dist.P2POp(dist.irecv, arriving, (r - 1) % n)]
        for work in dist.batch_isend_irecv(ops):
            work.wait()
        total, passing = total + arriving, arriving
    norm = total.sqrt().item()
    if norm > max_norm:
        for g in gradients:
            g.mul_(max_norm / norm)
    return norm

# %% wrong: the local norm
def clip(gradients, max_norm):
    norm = torch.nn.utils.get_total_norm(gradients)
    if norm > max_norm:
        for g in gradients:
            g.mul_(max_norm / norm)
    return norm

# %% wrong: norms added, not squares
def clip(gradients, max_norm):
    total = torch.tensor(sum(g.double().norm().item() for g in gradients), dtype=torch.float64, device=device)
    dist.all_reduce(total)
    if total > max_norm:
        for g in gradients:
            g.mul_(max_norm / total.item())
    return total

# %% wrong: each rank's norm added
def clip(gradients, max_norm):
    total = torch.tensor(sum(g.double().square().sum().item() for g in gradients) ** 0.5, dtype=torch.float64, device=device)
    dist.all_reduce(total)
    if total > max_norm:
        for g in gradients:
            g.mul_(max_norm / total.item())
    return total

# %% wrong: the largest of the ranks' norms
def clip(gradients, max_norm):
    total = torch.tensor(sum(g.double().square().sum().item() for g in gradients) ** 0.5, dtype=torch.float64, device=device)
    dist.all_reduce(total, op=dist.ReduceOp.MAX)
    if total > max_norm:
        for g in gradients:
            g.mul_(max_norm / total.item())
    return total

# %% wrong: no root
def clip(gradients, max_norm):
    total = torch.tensor(sum(g.double().square().sum().item() for g in gradients), dtype=torch.float64, device=device)
    dist.all_reduce(total)
    if total > max_norm:
        for g in gradients:
            g.mul_(max_norm / total.item())
    return total

# %% wrong: the mean over the ranks
def clip(gradients, max_norm):
    total = torch.tensor(sum(g.double().square().sum().item() for g in gradients), dtype=torch.float64, device=device)
    dist.all_reduce(total)
    norm = (total / dist.get_world_size()).sqrt()
    if norm > max_norm:
        for g in gradients:
            g.mul_(max_norm / norm.item())
    return norm

# %% wrong: always scaled, small ones grow
def clip(gradients, max_norm):
    total = torch.tensor(sum(g.double().square().sum().item() for g in gradients), dtype=torch.float64, device=device)
    dist.all_reduce(total)
    norm = total.sqrt()
    for g in gradients:
        g.mul_(max_norm / norm.item())
    return norm

# %% wrong: not in place
def clip(gradients, max_norm):
    total = torch.tensor(sum(g.double().square().sum().item() for g in gradients), dtype=torch.float64, device=device)
    dist.all_reduce(total)
    norm = total.sqrt()
    gradients = [g * min(1, max_norm / norm.item()) for g in gradients]
    return norm

# %% wrong: new tensors put into the list
def clip(gradients, max_norm):
    total = torch.tensor(sum(g.double().square().sum().item() for g in gradients), dtype=torch.float64, device=device)
    dist.all_reduce(total)
    norm = total.sqrt()
    for i in range(len(gradients)):
        gradients[i] = gradients[i] * min(1, max_norm / norm.item())
    return norm

# %% wrong: max_norm is 1
def clip(gradients, max_norm):
    total = torch.tensor(sum(g.double().square().sum().item() for g in gradients), dtype=torch.float64, device=device)
    dist.all_reduce(total)
    norm = total.sqrt()
    for g in gradients:
        g.mul_(min(1, 1 / norm.item()))
    return norm

# %% wrong: a rank without gradients leaves, again
def clip(gradients, max_norm):
    if not gradients:
        return 0.0
    total = torch.tensor(sum(g.double().square().sum().item() for g in gradients), dtype=torch.float64, device=device)
    dist.all_reduce(total)
    norm = total.sqrt()
    for g in gradients:
        g.mul_(min(1, max_norm / norm.item()))
    return norm

# %% wrong: a rank with a small norm leaves
def clip(gradients, max_norm):
    total = torch.tensor(sum(g.double().square().sum().item() for g in gradients), dtype=torch.float64, device=device)
    if total.sqrt() <= max_norm:
        return total.sqrt()
    dist.all_reduce(total)
    norm = total.sqrt()
    for g in gradients:
        g.mul_(min(1, max_norm / norm.item()))
    return norm

# %% wrong: the norm from after, again
def clip(gradients, max_norm):
    total = torch.tensor(sum(g.double().square().sum().item() for g in gradients), dtype=torch.float64, device=device)
    dist.all_reduce(total)
    norm = total.sqrt()
    for g in gradients:
        g.mul_(min(1, max_norm / norm.item()))
    return norm.clamp(max=max_norm)

# %% wrong: returns nothing
def clip(gradients, max_norm):
    total = torch.tensor(sum(g.double().square().sum().item() for g in gradients), dtype=torch.float64, device=device)
    dist.all_reduce(total)
    norm = total.sqrt()
    for g in gradients:
        g.mul_(min(1, max_norm / norm.item()))

# %% wrong: stacks an empty list
def clip(gradients, max_norm):
    total = torch.stack([g.double().square().sum() for g in gradients]).sum()
    dist.all_reduce(total)
    norm = total.sqrt()
    for g in gradients:
        g.mul_(min(1, max_norm / norm.item()))
    return norm

# %% wrong: only rank 0 knows the norm
def clip(gradients, max_norm):
    total = torch.tensor(sum(g.double().square().sum().item() for g in gradients), dtype=torch.float64, device=device)
    dist.reduce(total, dst=0)
    norm = total.sqrt()
    for g in gradients:
        g.mul_(min(1, max_norm / norm.item()))
    return norm

# %% wrong: the gradients travel
def clip(gradients, max_norm):
    everything = [None] * dist.get_world_size()
    dist.all_gather_object(everything, [g.cpu() for g in gradients])
    norm = sum(g.double().square().sum().item() for share in everything for g in share) ** 0.5
    for g in gradients:
        g.mul_(min(1, max_norm / norm))
    return norm

# %% wrong: a vector of many numbers travels
def clip(gradients, max_norm):
    numbers = torch.zeros(1000, dtype=torch.float64, device=device)
    for i, g in enumerate(gradients):
        numbers[i] = g.double().square().sum()
    dist.all_reduce(numbers)
    norm = numbers.sum().sqrt()
    for g in gradients:
        g.mul_(min(1, max_norm / norm.item()))
    return norm

# %% wrong: one all-reduce for each tensor
def clip(gradients, max_norm):
    total = 0.0
    for g in gradients:
        square = g.double().square().sum()
        dist.all_reduce(square)
        total += square
    norm = total ** 0.5
    for g in gradients:
        g.mul_(min(1, max_norm / norm))
    return norm

# %% wrong: the L1 norm
def clip(gradients, max_norm):
    total = torch.tensor(sum(g.double().abs().sum().item() for g in gradients), dtype=torch.float64, device=device)
    dist.all_reduce(total)
    for g in gradients:
        g.mul_(min(1, max_norm / total.item()))
    return total

# %% wrong: each tensor clipped by its own norm
def clip(gradients, max_norm):
    total = torch.tensor(sum(g.double().square().sum().item() for g in gradients), dtype=torch.float64, device=device)
    dist.all_reduce(total)
    for g in gradients:
        g.mul_(min(1, max_norm / g.norm().item()))
    return total.sqrt()

# %% wrong: the norm in half precision -> multiplied by
def clip(gradients, max_norm):
    total = torch.zeros((), dtype=torch.float32, device=device)
    for g in gradients:
        total += g.bfloat16().square().sum()
    total = total.bfloat16()
    dist.all_reduce(total)
    norm = total.float().sqrt()
    for g in gradients:
        g.mul_(min(1, max_norm / norm.item()))
    return norm

# %% wrong: clamps each number
def clip(gradients, max_norm):
    total = torch.tensor(sum(g.double().square().sum().item() for g in gradients), dtype=torch.float64, device=device)
    dist.all_reduce(total)
    for g in gradients:
        g.clamp_(-max_norm, max_norm)
    return total.sqrt()

# %% wrong: scaled twice where large
def clip(gradients, max_norm):
    total = torch.tensor(sum(g.double().square().sum().item() for g in gradients), dtype=torch.float64, device=device)
    dist.all_reduce(total)
    norm = total.sqrt()
    for g in gradients:
        g.mul_(min(1, max_norm / total.item()))
    return norm

# %% wrong: only the first tensor scaled
def clip(gradients, max_norm):
    total = torch.tensor(sum(g.double().square().sum().item() for g in gradients), dtype=torch.float64, device=device)
    dist.all_reduce(total)
    norm = total.sqrt()
    if gradients and norm > max_norm:
        gradients[0].mul_(max_norm / norm.item())
    return norm

# %% wrong: fp32 on the rank without gradients, fp64 on the others
def clip(gradients, max_norm):
    total = gradients[0].new_zeros(()) if gradients else torch.zeros((), device=device)
    for g in gradients:
        total += g.square().sum()
    dist.all_reduce(total)
    norm = total.sqrt()
    if norm > max_norm:
        for g in gradients:
            g.mul_(max_norm / norm)
    return norm


# %% wrong: only the ranks that are above the limit themselves scale
def clip_to_global_norm(gradients, max_norm):
    own = sum(g.double().square().sum().item() for g in gradients)
    square = torch.tensor(own, dtype=torch.float64, device=device)
    dist.all_reduce(square)
    norm = square.sqrt().item()
    if own**0.5 > max_norm:
        for g in gradients:
            g.mul_(max_norm / norm)
    return norm


# %% wrong: gradients that are all zero divide by zero
def clip_to_global_norm(gradients, max_norm):
    square = torch.tensor(sum(g.double().square().sum().item() for g in gradients), dtype=torch.float64, device=device)
    dist.all_reduce(square)
    norm = square.sqrt().item()
    factor = min(1.0, max_norm / norm)
    for g in gradients:
        g.mul_(factor)
    return norm


# %% wrong: never quite reaches the limit (divides by norm + 1e-3) -> not by
def clip_to_global_norm(gradients, max_norm):
    square = torch.tensor(sum(g.double().square().sum().item() for g in gradients), dtype=torch.float64, device=device)
    dist.all_reduce(square)
    norm = square.sqrt().item()
    if norm > max_norm:
        for g in gradients:
            g.mul_(max_norm / (norm + 1e-3))
    return norm


# %% wrong: new memory by way of .data -> new memory
def clip_to_global_norm(gradients, max_norm):
    square = torch.zeros(1, dtype=torch.float64, device=device)
    for g in gradients:
        square += g.double().square().sum()
    dist.all_reduce(square)
    norm = square.sqrt().item()
    if norm > max_norm:
        for g in gradients:
            g.data = g.data * (max_norm / norm)
    return norm


# %% wrong: compares the square with max_norm
def clip_to_global_norm(gradients, max_norm):
    square = torch.zeros(1, dtype=torch.float64, device=device)
    for g in gradients:
        square += g.double().square().sum()
    dist.all_reduce(square)
    norm = square.sqrt().item()
    if square.item() > max_norm:
        for g in gradients:
            g.mul_(max_norm / norm)
    return norm
