# %% right: weighted sum
def batch_mean(losses, sizes):
    counts = torch.tensor(sizes, dtype=losses.dtype, device=losses.device)
    return (losses * counts).sum() / counts.sum()


# %% right: a loop
def batch_mean(losses, sizes):
    total = 0
    for loss, size in zip(losses, sizes):
        total = total + loss * size
    return total / sum(sizes)


# %% right: shares in fp32, of shape (1,)
def batch_mean(losses, sizes):
    shares = torch.tensor(sizes, device=losses.device) / sum(sizes)
    return (losses * shares).sum().reshape(1)


# %% right: a dot product
def batch_mean(losses, sizes):
    return torch.dot(losses, torch.as_tensor(sizes).to(losses)) / sum(sizes)


# %% right: each loss repeated for each of its samples
def batch_mean(losses, sizes):
    return losses.repeat_interleave(torch.tensor(sizes, device=losses.device)).mean()


# %% right: written into the vector
def batch_mean(losses, sizes):
    losses.mul_(torch.tensor(sizes, dtype=losses.dtype, device=losses.device))
    return losses.sum().div_(sum(sizes))


# %% right: numpy's shares, an einsum
import numpy as np


def batch_mean(losses, sizes):
    shares = np.array(sizes) / np.sum(sizes)
    return torch.einsum("i,i->", losses, torch.from_numpy(shares).to(losses))


# %% right: a callable object
class Mean:
    def __call__(self, losses, sizes):
        return sum(map(torch.mul, losses, map(torch.tensor, sizes))) / sum(sizes)


batch_mean = Mean()


# %% wrong: the mean of means -> counts every shard alike
def batch_mean(losses, sizes):
    return losses.mean()


# %% wrong: the shares of 3 and 2 -> For shards of [4, 4] samples
def batch_mean(losses, sizes):
    return losses[0] * 0.6 + losses[-1] * 0.4


# %% wrong: never divided -> the sum over all samples
def batch_mean(losses, sizes):
    return sum(loss * size for loss, size in zip(losses, sizes))


# %% wrong: divided by shards -> not of shards
def batch_mean(losses, sizes):
    return (losses * torch.tensor(sizes)).mean()


# %% wrong: added up -> adds the shards' means up
def batch_mean(losses, sizes):
    return losses.sum()


# %% wrong: the last shard -> one shard's loss
def batch_mean(losses, sizes):
    return losses[-1]


# %% wrong: turned round -> turned round
def batch_mean(losses, sizes):
    weights = 1 / torch.tensor(sizes, dtype=losses.dtype)
    return (losses * weights).sum() / weights.sum()


# %% wrong: a plain number -> a plain number
def batch_mean(losses, sizes):
    return sum(loss.item() * size for loss, size in zip(losses, sizes)) / sum(sizes)


# %% wrong: a new tensor -> cannot be differentiated
def batch_mean(losses, sizes):
    return torch.tensor(sum(loss.item() * size for loss, size in zip(losses, sizes)) / sum(sizes))


# %% wrong: a new leaf -> its gradient is not
def batch_mean(losses, sizes):
    mean = sum(loss.item() * size for loss, size in zip(losses, sizes)) / sum(sizes)
    return torch.tensor(mean, requires_grad=True)


# %% wrong: the value of one, the gradient of another -> its gradient is not
def batch_mean(losses, sizes):
    right = (losses * torch.tensor(sizes)).sum() / sum(sizes)
    return losses.mean() + (right - losses.mean()).detach()


# %% wrong: still a vector -> backward needs a scalar
def batch_mean(losses, sizes):
    return losses * torch.tensor(sizes) / sum(sizes)


# %% wrong: an argument is missing -> The check calls batch_mean(losses, sizes)
def batch_mean(losses):
    return losses.mean()


# %% right: weighted by a tensor of sizes
def batch_mean(losses, sizes):
    weights = torch.tensor(sizes, dtype=losses.dtype, device=losses.device)
    return (losses * weights).sum() / weights.sum()


# %% right: a dot product (a second one)
def batch_mean(losses, sizes):
    return losses @ losses.new_tensor(sizes) / sum(sizes)


# %% right: a loop over the shards
def batch_mean(losses, sizes):
    total = 0
    for i in range(len(sizes)):
        total = total + losses[i] * sizes[i]
    return total / sum(sizes)


# %% right: python's sum over a zip
batch_mean = lambda losses, sizes: sum(a * n for a, n in zip(losses, sizes)) / sum(sizes)


# %% right: each loss as often as it has samples
def batch_mean(losses, sizes):
    return losses.repeat_interleave(torch.tensor(sizes, device=losses.device)).mean()


# %% right: expanded to samples
def batch_mean(losses, sizes):
    return torch.cat([loss.expand(n) for loss, n in zip(losses, sizes, strict=True)]).mean()


# %% right: einsum
def batch_mean(values, counts):
    share = torch.tensor([n / sum(counts) for n in counts], dtype=values.dtype, device=values.device)
    return torch.einsum("i,i->", values, share)


# %% right: a mean that is carried along
def batch_mean(losses, sizes):
    mean, seen = losses[0], sizes[0]
    for loss, n in zip(losses[1:], sizes[1:]):
        seen += n
        mean = mean + (loss - mean) * (n / seen)
    return mean


# %% right: a vector with one element
def batch_mean(losses, sizes):
    weights = torch.tensor(sizes).to(losses)
    return torch.matmul(losses[None], weights[:, None] / weights.sum()).reshape(1)


# %% right: a layer with the shares for weights
def batch_mean(losses, sizes):
    shares = torch.tensor([sizes], dtype=losses.dtype, device=losses.device) / sum(sizes)
    return nn.functional.linear(losses, shares)


# %% right: its own autograd function
class Mean(torch.autograd.Function):
    @staticmethod
    def forward(ctx, losses, shares):
        ctx.save_for_backward(shares)
        return (losses * shares).sum()
    @staticmethod
    def backward(ctx, grad):
        (shares,) = ctx.saved_tensors
        return grad * shares, None
def batch_mean(losses, sizes):
    sizes = torch.as_tensor(sizes, dtype=losses.dtype, device=losses.device)
    return Mean.apply(losses, sizes / sizes.sum())


# %% right: numpy makes the shares
import numpy as np
def batch_mean(losses, sizes):
    shares = np.array(sizes) / np.sum(sizes)
    return torch.dot(losses, torch.from_numpy(shares).to(losses))


# %% right: functools and a stack
from functools import reduce
from operator import add
def batch_mean(losses, sizes):
    return reduce(add, torch.stack([l * s for l, s in zip(losses.unbind(), sizes)])) / reduce(add, sizes)


# %% right: an object
class BatchMean:
    def __call__(self, losses, sizes):
        counts = torch.tensor(sizes, dtype=torch.long, device=losses.device)
        return torch.sum(losses * counts) / counts.sum()
batch_mean = BatchMean()


# %% right: a module
class BatchMean(nn.Module):
    def forward(self, losses, sizes):
        weight = torch.tensor(sizes, device=losses.device)
        return losses.mul(weight).sum().div(weight.sum())
batch_mean = BatchMean()


# %% right: in fp64 inside, and back
def batch_mean(losses, sizes):
    shares = torch.tensor(sizes, dtype=torch.float64, device=losses.device)
    return ((losses.double() * shares).sum() / shares.sum()).to(losses.dtype)


# %% right: the plain mean, put right by what it lacks
def batch_mean(losses, sizes):
    n = torch.tensor(sizes, dtype=losses.dtype, device=losses.device)
    return losses.mean() + (losses * (n / n.mean() - 1)).mean()


# %% right: each divided first
def batch_mean(losses, sizes):
    whole = sum(sizes)
    return torch.stack([loss * (size / whole) for loss, size in zip(losses, sizes)]).sum()


# %% right: on ranks that do not ask each other, whoever they are
def batch_mean(losses, sizes):
    assert 0 <= rank < world_size
    return torch.tensordot(losses, torch.tensor(sizes, dtype=losses.dtype, device=device), dims=1).div(sum(sizes))


# %% right: segments of a repeated vector
def batch_mean(losses, sizes):
    index = [i for i, n in enumerate(sizes) for _ in range(n)]
    return losses[index].mean()


# %% wrong: the plain mean
def batch_mean(losses, sizes):
    return losses.mean()


# %% wrong: the sum -> adds the shards' means up
def batch_mean(losses, sizes):
    return losses.sum()


# %% wrong: the sum divided by the samples -> divide by the number of all samples
def batch_mean(losses, sizes):
    return losses.sum() / sum(sizes)


# %% wrong: not divided
def batch_mean(losses, sizes):
    return (losses * torch.tensor(sizes, device=losses.device)).sum()


# %% wrong: divided by the number of shards
def batch_mean(losses, sizes):
    return (losses * torch.tensor(sizes, device=losses.device)).sum() / len(sizes)


# %% wrong: divided by the ranks
def batch_mean(losses, sizes):
    return (losses * torch.tensor(sizes, device=losses.device)).sum() / world_size


# %% wrong: divided by the largest -> divide by the number of all samples
def batch_mean(losses, sizes):
    return (losses * torch.tensor(sizes, device=losses.device)).sum() / (max(sizes) * len(sizes))


# %% wrong: the mean of the weighted -> Divided once too often
def batch_mean(losses, sizes):
    return (losses * torch.tensor(sizes, device=losses.device) / sum(sizes)).mean()


# %% wrong: a vector
def batch_mean(losses, sizes):
    return losses * torch.tensor(sizes, device=losses.device) / sum(sizes)


# %% wrong: a Python number -> plain number
def batch_mean(losses, sizes):
    return sum(a * n for a, n in zip(losses.tolist(), sizes)) / sum(sizes)


# %% wrong: item of the right one
def batch_mean(losses, sizes):
    return ((losses * torch.tensor(sizes, device=losses.device)).sum() / sum(sizes)).item()


# %% wrong: a new tensor (a second one)
def batch_mean(losses, sizes):
    return torch.tensor(sum(a.item() * n for a, n in zip(losses, sizes)) / sum(sizes), dtype=losses.dtype)


# %% wrong: a new tensor that asks for gradients
def batch_mean(losses, sizes):
    mean = sum(a.item() * n for a, n in zip(losses, sizes)) / sum(sizes)
    return torch.tensor(mean, dtype=losses.dtype, requires_grad=True)


# %% wrong: detached -> cannot be differentiated
def batch_mean(losses, sizes):
    return (losses.detach() * torch.tensor(sizes, device=losses.device)).sum() / sum(sizes)


# %% wrong: no graph -> cannot be differentiated
@torch.no_grad()
def batch_mean(losses, sizes):
    return (losses * torch.tensor(sizes, device=losses.device)).sum() / sum(sizes)


# %% wrong: the right value with the gradient of the plain mean
def batch_mean(losses, sizes):
    right = (losses * torch.tensor(sizes, device=losses.device)).sum() / sum(sizes)
    return losses.mean() + (right - losses.mean()).detach()


# %% wrong: the right gradient with the value of the plain mean
def batch_mean(losses, sizes):
    right = (losses * torch.tensor(sizes, device=losses.device)).sum() / sum(sizes)
    return right + (losses.mean() - right).detach()


# %% wrong: a backward that forgets the shares -> backward fails
class Mean(torch.autograd.Function):
    @staticmethod
    def forward(ctx, losses, shares):
        return (losses * shares).sum()
    @staticmethod
    def backward(ctx, grad):
        return grad, None
def batch_mean(losses, sizes):
    sizes = torch.as_tensor(sizes, dtype=losses.dtype, device=losses.device)
    return Mean.apply(losses, sizes / sizes.sum())


# %% wrong: the sizes of the example
def batch_mean(losses, sizes):
    return (losses[0] * 3 + losses[1] * 2) / 5


# %% wrong: two shards only -> For shards of [2, 2, 1]
def batch_mean(losses, sizes):
    return (losses[0] * sizes[0] + losses[1] * sizes[1]) / (sizes[0] + sizes[1])


# %% wrong: as many shards as ranks
def batch_mean(losses, sizes):
    return sum(losses[i] * sizes[i] for i in range(world_size)) / sum(sizes)


# %% wrong: takes the first for the full ones and the last for the rest
def batch_mean(losses, sizes):
    return (losses[:-1].sum() * sizes[0] + losses[-1] * sizes[-1]) / (sizes[0] * len(sizes))


# %% wrong: whole number division
def batch_mean(losses, sizes):
    return sum(a * n for a, n in zip(losses, sizes)) // sum(sizes)


# %% wrong: whole number shares
def batch_mean(losses, sizes):
    shares = torch.tensor([n // sum(sizes) for n in sizes], device=losses.device)
    return (losses * shares).sum()


# %% wrong: losses cut to whole numbers
def batch_mean(losses, sizes):
    return (losses.long() * torch.tensor(sizes, device=losses.device)).sum() / sum(sizes)


# %% wrong: in single precision always -> loses digits
def batch_mean(losses, sizes):
    return (losses.float() * torch.tensor(sizes, device=losses.device)).sum() / sum(sizes)


# %% wrong: in half precision
def batch_mean(losses, sizes):
    return (losses.half() * torch.tensor(sizes, device=losses.device)).sum() / sum(sizes)


# %% wrong: a dot product of two dtypes -> same dtype
def batch_mean(losses, sizes):
    return losses @ torch.tensor(sizes, device=losses.device) / sum(sizes)


# %% wrong: a dot product with fp32 only -> same dtype
def batch_mean(losses, sizes):
    return losses @ torch.tensor(sizes, dtype=torch.float32, device=losses.device) / sum(sizes)


# %% wrong: sizes sorted -> counts less
def batch_mean(losses, sizes):
    return sum(a * n for a, n in zip(losses, sorted(sizes))) / sum(sizes)


# %% wrong: sizes the other way round
def batch_mean(losses, sizes):
    return sum(a * n for a, n in zip(losses, reversed(sizes))) / sum(sizes)


# %% wrong: divided by the sizes
def batch_mean(losses, sizes):
    return (losses / torch.tensor(sizes, device=losses.device)).sum() / sum(sizes)


# %% wrong: weights by softmax
def batch_mean(losses, sizes):
    return losses @ torch.softmax(losses.new_tensor(sizes), 0)


# %% wrong: only rank 0 computes
def batch_mean(losses, sizes):
    if rank != 0:
        return None
    return (losses * torch.tensor(sizes, device=losses.device)).sum() / sum(sizes)


# %% wrong: the ranks' losses added
def batch_mean(losses, sizes):
    mean = (losses * torch.tensor(sizes, device=losses.device)).sum() / sum(sizes)
    dist.all_reduce(mean.detach())
    return mean


# %% wrong: takes this rank's shard -> one shard's loss
def batch_mean(losses, sizes):
    return losses[rank % len(sizes)]


# %% wrong: changes the data of the losses -> its gradient is not
def batch_mean(losses, sizes):
    losses.data *= torch.tensor(sizes, device=losses.device) * len(sizes) / sum(sizes)
    return losses.mean()


# %% wrong: empties the list of sizes -> changed the list of sizes
def batch_mean(losses, sizes):
    whole = sum(sizes)
    return sum(losses[i] * sizes.pop(0) for i in range(len(sizes))) / whole


# %% wrong: prints it -> Return a tensor, not None
def batch_mean(losses, sizes):
    print((losses * torch.tensor(sizes, device=losses.device)).sum() / sum(sizes))


# %% wrong: calls backward itself -> backward fails
def batch_mean(losses, sizes):
    mean = (losses * torch.tensor(sizes, device=losses.device)).sum() / sum(sizes)
    mean.backward()
    return mean


# %% wrong: wants no sizes -> The check calls batch_mean(losses, sizes)
def batch_mean(losses):
    return losses.mean()


# %% wrong: the median
def batch_mean(losses, sizes):
    return losses.repeat_interleave(torch.tensor(sizes, device=losses.device)).median()


# %% wrong: nan where there is one shard -> not nan
def batch_mean(losses, sizes):
    n = torch.tensor(sizes, dtype=losses.dtype, device=losses.device)
    spread = n.std()
    return (losses * n).sum() / n.sum() + 0 * spread


# %% wrong: the last shard counts like the others unless it has one sample
def batch_mean(losses, sizes):
    if sizes[-1] == 1:
        return (losses * torch.tensor(sizes, device=losses.device)).sum() / sum(sizes)
    return losses.mean()


# %% wrong: up to four shards
def batch_mean(losses, sizes):
    return sum(losses[i] * sizes[i] for i in range(min(4, len(sizes)))) / sum(sizes[:4])
