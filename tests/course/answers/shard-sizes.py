# %% right: rounded up, cut until nothing is left
def shard_sizes(samples, devices):
    size = -(-samples // devices)
    return [min(size, samples - first) for first in range(0, samples, size)]


# %% right: a while loop
def shard_sizes(samples, devices):
    size, left, sizes = (samples + devices - 1) // devices, samples, []
    while left:
        sizes.append(min(size, left))
        left -= sizes[-1]
    return sizes


# %% right: torch's own chunk
def shard_sizes(samples, devices):
    return [len(shard) for shard in torch.arange(samples).chunk(devices)]


# %% right: full shards and a rest, as a tuple
import math


def shard_sizes(samples, devices):
    full, rest = divmod(samples, math.ceil(samples / devices))
    return (math.ceil(samples / devices),) * full + ((rest,) if rest else ())


# %% right: a generator
def shard_sizes(samples, devices):
    size = -(-samples // devices)
    for first in range(0, samples, size):
        yield min(size, samples - first)


# %% right: numpy
import numpy as np


def shard_sizes(samples, devices):
    size = int(np.ceil(samples / devices))
    edges = np.minimum(np.arange(0, samples + size, size), samples)
    return np.diff(edges)


# %% right: a recursion
def shard_sizes(samples, devices, size=None):
    size = size or -(-samples // devices)
    return [samples] if samples <= size else [size, *shard_sizes(samples - size, devices, size)]


# %% wrong: evened out -> you even the shards out
def shard_sizes(samples, devices):
    low, more = divmod(samples, devices)
    return [low + (i < more) for i in range(devices) if low + (i < more)]


# %% wrong: zeros for the idle -> not in the list
def shard_sizes(samples, devices):
    size = -(-samples // devices)
    return [max(0, min(size, samples - i * size)) for i in range(devices)]


# %% wrong: rounded down, too many shards -> Round the size of a shard up
def shard_sizes(samples, devices):
    size = max(1, samples // devices)
    return [min(size, samples - first) for first in range(0, samples, size)]


# %% wrong: the rest is forgotten -> your shards hold 4 samples together
def shard_sizes(samples, devices):
    size = -(-samples // devices)
    return [size] * (samples // size)


# %% wrong: the small one first -> the small shard comes last
def shard_sizes(samples, devices):
    size = -(-samples // devices)
    return [min(size, samples - first) for first in range(0, samples, size)][::-1]


# %% wrong: fractions -> whole numbers
def shard_sizes(samples, devices):
    return [samples / devices] * devices


# %% wrong: a number -> Return a list
def shard_sizes(samples, devices):
    return -(-samples // devices)


# %% wrong: the shards themselves -> whole numbers
def shard_sizes(samples, devices):
    return list(torch.arange(samples).chunk(devices))


# %% wrong: a table of the shown cases -> samples on
def shard_sizes(samples, devices):
    return {(5, 4): [2, 2, 1], (8, 4): [2, 2, 2, 2], (3, 4): [1, 1, 1]}.get((samples, devices), [3, 3, 3])


# %% wrong: an argument is missing -> The check calls shard_sizes(8, 4)
def shard_sizes(samples):
    return [samples]


# %% wrong: calls itself without end -> calls itself without end
def shard_sizes(samples, devices):
    return shard_sizes(samples, devices)


# %% wrong: the last shard takes all that rounding down leaves -> even the shards out
def shard_sizes(samples, devices):
    low = samples // devices
    return [low] * (devices - 1) + [samples - low * (devices - 1)] if low else [1] * samples
