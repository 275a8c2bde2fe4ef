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


# %% right: starts of a range, and what is left from each
def shard_sizes(samples, devices):
    size = (samples + devices - 1) // devices
    return [min(size, samples - start) for start in range(0, samples, size)]


# %% right: a loop that takes from the rest
def shard_sizes(samples, devices):
    per_shard = -(-samples // devices)
    sizes = []
    while samples > 0:
        take = per_shard if samples >= per_shard else samples
        sizes.append(take)
        samples -= take
    return sizes


# %% right: divmod, and the rest only where there is one
def shard_sizes(samples, devices):
    q, r = divmod(samples, devices)
    full, rest = divmod(samples, q + bool(r))
    return [q + bool(r)] * full + [rest] * bool(rest)


# %% right: torch.chunk, asked for its lengths
import torch as t
def shard_sizes(n, k):
    return [len(piece) for piece in t.arange(n).chunk(k)]


# %% right: torch.chunk of a tensor without memory
def shard_sizes(samples, devices):
    return [part.shape[0] for part in torch.empty(samples, device="meta").chunk(devices)]


# %% right: itself, on what is left
def shard_sizes(samples, devices):
    import math
    def rest(left, size):
        return [left] if left <= size else [size, *rest(left - size, size)]
    return rest(samples, math.ceil(samples / devices))


# %% right: itself, with the devices that are left
def shard_sizes(samples, devices):
    if samples == 0:
        return []
    first = -(-samples // devices)
    return [first] + rest(samples - first, first)
def rest(left, size):
    return [] if left == 0 else [min(left, size)] + rest(left - min(left, size), size)
answer = shard_sizes


# %% right: a lambda and exact fractions
from fractions import Fraction
from math import ceil
shard_sizes = lambda s, d: [min(c, s - i * c) for c in [ceil(Fraction(s, d))] for i in range(ceil(Fraction(s, c)))]


# %% right: numpy, differences of the cuts
import numpy as np
def shard_sizes(samples, devices):
    cuts = np.arange(0, samples, -(-samples // devices))
    return np.diff(np.append(cuts, samples)).tolist()


# %% right: numpy whole numbers in a list
import numpy as np
def shard_sizes(samples, devices):
    size = int(np.ceil(samples / devices))
    return list(np.minimum(size, samples - np.arange(0, samples, size)))


# %% right: an object that is called
class Scatter:
    def __call__(self, samples, devices):
        whole = samples // devices + (samples % devices > 0)
        return [len(range(samples)[i : i + whole]) for i in range(0, samples, whole)]
shard_sizes = Scatter()


# %% right: counts the device of each sample
from collections import Counter
def shard_sizes(samples, devices):
    size = -(-samples // devices)
    return list(Counter(sample // size for sample in range(samples)).values())


# %% right: each device takes the less of two, empty ones are dropped
def shard_sizes(samples, devices):
    size = -(-samples // devices)
    sizes = [max(0, min(size, samples - d * size)) for d in range(devices)]
    return [size for size in sizes if size]


# %% right: a generator, collected by functools
import functools, itertools
def listed(f):
    return functools.wraps(f)(lambda *a: list(f(*a)))
@listed
def shard_sizes(samples, devices):
    size = -(-samples // devices)
    sample = iter(range(samples))
    while piece := tuple(itertools.islice(sample, size)):
        yield len(piece)


# %% wrong: as even as can be, like numpy.array_split -> you even the shards out
def shard_sizes(samples, devices):
    q, r = divmod(samples, devices)
    return [q + 1] * r + [q] * (devices - r)


# %% wrong: as even as can be, without the empty ones
def shard_sizes(samples, devices):
    q, r = divmod(samples, devices)
    return [n for n in [q + 1] * r + [q] * (devices - r) if n]


# %% wrong: rounded down, the last one takes all the rest
def shard_sizes(samples, devices):
    q = samples // devices
    return [q] * (devices - 1) + [samples - q * (devices - 1)]


# %% wrong: rounded down, and one shard more
def shard_sizes(samples, devices):
    q, r = divmod(samples, devices)
    return [q] * devices + ([r] if r else [])


# %% wrong: zeros for those who get nothing
def shard_sizes(samples, devices):
    size = -(-samples // devices)
    return [max(0, min(size, samples - d * size)) for d in range(devices)]


# %% wrong: the rest is negative where devices are left over -> cannot hold -1
def shard_sizes(samples, devices):
    size = -(-samples // devices)
    return [size] * (devices - 1) + [samples - size * (devices - 1)]


# %% wrong: rounded to the nearest -> Round the size of a shard up
def shard_sizes(samples, devices):
    size = max(1, round(samples / devices))
    return [min(size, samples - s) for s in range(0, samples, size)]


# %% wrong: always one more than rounded down
def shard_sizes(samples, devices):
    size = samples // devices + 1
    return [min(size, samples - s) for s in range(0, samples, size)]


# %% wrong: a zero at the end where it divides -> not in the list
def shard_sizes(samples, devices):
    size = -(-samples // devices)
    return [size] * (samples // size) + [samples % size]


# %% wrong: drops the short last one -> hold 4 samples together
def shard_sizes(samples, devices):
    size = -(-samples // devices)
    return [size] * (samples // size)


# %% wrong: the short one stands first
def shard_sizes(samples, devices):
    size = -(-samples // devices)
    return [min(size, samples - s) for s in range(0, samples, size)][::-1]


# %% wrong: the example of the Deeper section
def shard_sizes(samples, devices):
    return [2, 2, 1]


# %% wrong: the arguments the other way round
def shard_sizes(devices, samples):
    size = -(-samples // devices)
    return [min(size, samples - s) for s in range(0, samples, size)]


# %% wrong: prints it -> it was None
def shard_sizes(samples, devices):
    size = -(-samples // devices)
    print([min(size, samples - s) for s in range(0, samples, size)])


# %% wrong: the starts of the shards -> more than there are
def shard_sizes(samples, devices):
    size = -(-samples // devices)
    return list(range(0, samples, size))


# %% wrong: how many shards
def shard_sizes(samples, devices):
    size = -(-samples // devices)
    return len(range(0, samples, size))


# %% wrong: the shards themselves (a second one)
def shard_sizes(samples, devices):
    size = -(-samples // devices)
    return [list(range(samples))[s : s + size] for s in range(0, samples, size)]


# %% wrong: a list that is kept between calls -> keeps something in between
def shard_sizes(samples, devices, sizes=[]):
    size = -(-samples // devices)
    sizes += [min(size, samples - s) for s in range(0, samples, size)]
    return sizes


# %% wrong: all on one where there are more devices than samples
def shard_sizes(samples, devices):
    if devices > samples:
        return [samples]
    size = -(-samples // devices)
    return [min(size, samples - s) for s in range(0, samples, size)]


# %% wrong: a number for one device -> for 7 samples on 1 device it was 7
def shard_sizes(samples, devices):
    if devices == 1:
        return samples
    size = -(-samples // devices)
    return [min(size, samples - s) for s in range(0, samples, size)]


# %% wrong: recomputes the size for the rest, so it comes out even -> you even the shards out
def shard_sizes(samples, devices):
    sizes = []
    while samples:
        sizes.append(-(-samples // devices))
        samples -= sizes[-1]
        devices -= 1
    return sizes


# %% wrong: calls itself and never ends
def shard_sizes(samples, devices):
    return [-(-samples // devices)] + shard_sizes(samples, devices)


# %% wrong: refuses what does not divide
def shard_sizes(samples, devices):
    assert samples % devices == 0
    return [samples // devices] * devices


# %% wrong: torch.split, which takes a size and not a number of pieces
def shard_sizes(samples, devices):
    return [len(piece) for piece in torch.arange(samples).split(devices)]


# %% wrong: torch.tensor_split, which is even -> you even the shards out
def shard_sizes(samples, devices):
    return [len(piece) for piece in torch.arange(samples).tensor_split(devices)]


# %% wrong: divides by the number of GPUs that it finds
def shard_sizes(samples, devices):
    devices = max(torch.cuda.device_count(), 1)
    size = -(-samples // devices)
    return [min(size, samples - s) for s in range(0, samples, size)]


# %% wrong: no second argument -> you have 4 shards for 1 device.
def shard_sizes(samples, n=2):
    devices = 4
    size = -(-samples // devices)
    return [min(size, samples - s) for s in range(0, samples, size)]


# %% wrong: one argument only
def shard_sizes(samples):
    return [samples]


# %% wrong: a dictionary by device
def shard_sizes(samples, devices):
    size = -(-samples // devices)
    return {d: min(size, samples - s) for d, s in enumerate(range(0, samples, size))}


# %% wrong: a text
def shard_sizes(samples, devices):
    size = -(-samples // devices)
    return str([min(size, samples - s) for s in range(0, samples, size)])


# %% wrong: a list, not a function -> function or class itself
shard_sizes = [2, 2, 1]


# %% wrong: a shard never has one sample
def shard_sizes(samples, devices):
    size = max(2, -(-samples // devices))
    return [min(size, samples - s) for s in range(0, samples, size)]


# %% wrong: the last two are merged where the last would have one sample
def shard_sizes(samples, devices):
    size = -(-samples // devices)
    sizes = [min(size, samples - s) for s in range(0, samples, size)]
    if len(sizes) > 1 and sizes[-1] == 1:
        sizes[-2:] = [sizes[-2] + 1]
    return sizes


# %% wrong: no more than eight devices
def shard_sizes(samples, devices):
    size = -(-samples // min(devices, 8))
    return [min(size, samples - s) for s in range(0, samples, size)]
