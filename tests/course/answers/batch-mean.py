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
