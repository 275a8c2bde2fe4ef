# %% right: in place, fp32 total
def add_up(gradients):
    total, count = None, 0
    for gradient in gradients:
        if total is None:
            total = torch.zeros_like(gradient, dtype=torch.float32)
        total += gradient
        count += 1
    return total.div_(count).bfloat16()


# %% right: new tensors, a wide copy of each
def add_up(gradients):
    total, count = 0.0, 0
    for gradient in gradients:
        wide = gradient.float()
        total = total + wide
        count += 1
    return (total / count).to(torch.bfloat16)


# %% right: next and enumerate
def add_up(gradients):
    total = next(gradients).to(torch.float32)
    count = 1
    for count, gradient in enumerate(gradients, start=2):
        torch.add(total, gradient, out=total)
    return torch.div(total, count).type(torch.bfloat16)


# %% right: a class that is called
class Adder:
    def __init__(self):
        self.total, self.count = None, 0

    def add(self, gradient):
        self.count += 1
        self.total = gradient.float() if self.total is None else self.total.add_(gradient)

    def __call__(self, gradients):
        self.total, self.count = None, 0
        for gradient in gradients:
            self.add(gradient)
        return (self.total / self.count).bfloat16()


answer = Adder()


# %% right: reduce
import functools


def add_up(gradients):
    total, count = functools.reduce(
        lambda so_far, gradient: (so_far[0] + gradient.float(), so_far[1] + 1), gradients, (torch.tensor(0.0), 0)
    )
    return (total / count).bfloat16()


# %% right: numpy
import numpy as np


def add_up(gradients):
    total, count = None, 0
    for gradient in gradients:
        array = gradient.float().numpy()
        total = array.copy() if total is None else np.add(total, array, out=total)
        count += 1
    return torch.from_numpy(total / np.float32(count)).bfloat16()


# %% right: while and StopIteration, kahan besides
def add_up(gradients):
    first = next(gradients)
    total, lost, count = first.float(), torch.zeros(first.shape), 1
    del first
    while True:
        try:
            gradient = next(gradients)
        except StopIteration:
            break
        y = gradient - lost
        t = total + y
        lost = (t - total) - y
        total, count = t, count + 1
        del y, t, gradient
    return (total / count).bfloat16()


# %% right: a running mean in fp32
def add_up(gradients):
    mean, count = None, 0
    for gradient in gradients:
        count += 1
        if mean is None:
            mean = gradient.float()
        else:
            mean += (gradient.float() - mean) / count
    return mean.bfloat16()


# %% wrong: sums in bf16 -> The sum runs in bf16
def add_up(gradients):
    total, count = 0, 0
    for gradient in gradients:
        total = total + gradient
        count += 1
    return total / count


# %% wrong: 48 written into it -> divided by 48
def add_up(gradients):
    total = 0.0
    for gradient in gradients:
        total = total + gradient.float()
    return (total / 48).bfloat16()


# %% wrong: forgets to divide -> This is the sum
def add_up(gradients):
    return sum(gradient.float() for gradient in gradients).bfloat16()


# %% wrong: rounds before it divides -> Rounded twice
def add_up(gradients):
    total, count = 0.0, 0
    for gradient in gradients:
        total = total + gradient.float()
        count += 1
    return total.bfloat16() / count


# %% wrong: returns fp32 -> to come back in bf16
def add_up(gradients):
    total, count = 0.0, 0
    for gradient in gradients:
        total = total + gradient.float()
        count += 1
    return total / count


# %% wrong: keeps all gradients -> earlier gradients were still held
def add_up(gradients):
    return torch.stack(list(gradients)).float().mean(0).bfloat16()


# %% wrong: keeps wide copies -> fp32 tensors were alive at once
def add_up(gradients):
    return torch.stack([gradient.float() for gradient in gradients]).mean(0).bfloat16()


# %% wrong: fp64 -> fp64 takes twice
def add_up(gradients):
    total, count = 0.0, 0
    for gradient in gradients:
        total = total + gradient.double()
        count += 1
    return (total / count).bfloat16()


# %% wrong: keeps bf16 clones -> bytes were held
def add_up(gradients):
    kept = [gradient.clone() for gradient in gradients]
    return (sum(each.float() for each in kept) / len(kept)).bfloat16()


# %% wrong: keeps numpy arrays -> bytes were held
import numpy as np


def add_up(gradients):
    kept = [gradient.float().numpy().copy() for gradient in gradients]
    return torch.from_numpy(np.mean(kept, axis=0, dtype=np.float32)).bfloat16()


# %% wrong: keeps lists -> bytes were held
def add_up(gradients):
    kept = [gradient.tolist() for gradient in gradients]
    return torch.tensor(kept).mean(0).bfloat16()


# %% wrong: one number -> gradients' shape
def add_up(gradients):
    total, count = 0.0, 0
    for gradient in gradients:
        total = total + gradient.float()
        count += 1
    return (total / count).mean().bfloat16()


# %% wrong: skips the last -> not the mean rounded once
def add_up(gradients):
    total, count, waiting = 0.0, 0, None
    for gradient in gradients:
        if waiting is not None:
            total = total + waiting.float()
        waiting, count = gradient, count + 1
    return (torch.as_tensor(total) / count).bfloat16().expand_as(waiting)


# %% wrong: divides each in bf16 -> is divided in bf16
def add_up(gradients):
    first = next(gradients)
    total = (first / 48).float()
    n = 1
    for gradient in gradients:
        total += gradient / 48
        n += 1
    return (total * (48 / n)).bfloat16()


# %% wrong: one off -> The sum is divided by
def add_up(gradients):
    total, count = 0.0, 1
    for gradient in gradients:
        total = total + gradient.float()
        count += 1
    return (total / count).bfloat16()


# %% wrong: needs the count -> does not take that
def add_up(gradients, count):
    return (sum(gradient.float() for gradient in gradients) / count).bfloat16()


# %% wrong: flattens -> gradients' shape
def add_up(gradients):
    total, count = 0.0, 0
    for gradient in gradients:
        total = total + gradient.float().flatten()
        count += 1
    return (total / count).bfloat16()


# %% right: the plain loop, in place
def add_up(gradients):
    total, count = None, 0
    for g in gradients:
        total = g.float() if total is None else total.add_(g)
        count += 1
    return (total / count).bfloat16()


# %% right: next and try
def add_up(gradients):
    total = next(gradients).to(torch.float32)
    number = 1
    while True:
        try:
            total += next(gradients)
        except StopIteration:
            return total.div(number).to(torch.bfloat16)
        number += 1


# %% right: functools.reduce over pairs of a sum and a count
from functools import reduce


def add_up(gradients):
    total, count = reduce(lambda so_far, g: (so_far[0] + g.float(), so_far[1] + 1), gradients, (0.0, 0))
    return (total / count).bfloat16()


# %% right: sum of a generator, zipped with a counter that is asked second
import itertools


def add_up(gradients):
    counter = itertools.count()
    total = sum(g.float() for g, _ in zip(gradients, counter, strict=False))
    return (total / next(counter)).type(torch.bfloat16)


# %% right: numpy (a stranger's)
import numpy as np


def add_up(gradients):
    total, count = np.float32(0), 0
    for g in gradients:
        total = total + g.float().numpy()
        count += 1
    return torch.from_numpy(np.asarray(total / np.float32(count), dtype=np.float32)).bfloat16()


# %% right: a class with a running sum and Kahan's compensation
class KahanSum:
    def __init__(self, first):
        self.sum = first.float()
        self.lost = torch.zeros_like(self.sum)

    def add(self, g):
        wanted = g.float() - self.lost
        new = self.sum + wanted
        self.lost = (new - self.sum) - wanted
        self.sum = new


def add_up(gradients):
    running, count = KahanSum(next(gradients)), 1
    for count, g in enumerate(gradients, 2):
        running.add(g)
    return (running.sum / count).bfloat16()


# %% right: torch.div into a new bf16 tensor
def add_up(gradients):
    iterator = iter(gradients)
    first = next(iterator)
    total = torch.empty(first.shape, dtype=torch.float32).copy_(first)
    del first
    count = 1
    for g in iterator:
        torch.add(total, g, out=total)
        del g
        count += 1
    return torch.div(total, count, out=torch.empty(total.shape, dtype=torch.bfloat16))


# %% right: a wide copy of each gradient kept in a variable
def add_up(gradients):
    count = 0
    for gradient in gradients:
        wide = gradient.float()
        total = wide.clone() if count == 0 else total.add_(wide)
        count += 1
    return total.div_(count).bfloat16()


# %% right: stack of two, summed
def add_up(gradients):
    n, total = 1, next(gradients).float()
    for g in gradients:
        total = torch.stack((total, g.float())).sum(dim=0)
        n += 1
    return (total / n).to(dtype=torch.bfloat16)


# %% right: a coroutine-like generator that yields running sums
from collections import deque
from itertools import accumulate


def add_up(gradients):
    sums = accumulate(((g.float(), 1) for g in gradients), lambda a, b: (a[0].add_(b[0]), a[1] + b[1]))
    ((total, count),) = deque(sums, maxlen=1)
    return (total / count).bfloat16()


# %% right: flattened and put into shape again
def add_up(gradients):
    g = next(gradients)
    shape, total, n = g.shape, g.flatten().float(), 1
    for g in gradients:
        total = torch.einsum("i->i", total) + g.reshape(-1)
        n += 1
    return (total / n).reshape(shape).bfloat16()


# %% wrong: the sum
def add_up(gradients):
    total = next(gradients).float()
    for g in gradients:
        total += g
    return total.bfloat16()


# %% wrong: added up in bf16
def add_up(gradients):
    total, n = next(gradients).clone(), 1
    for g in gradients:
        total += g
        n += 1
    return total / n


# %% wrong: a mean in fp32
def add_up(gradients):
    total, n = next(gradients).float(), 1
    for g in gradients:
        total += g
        n += 1
    return total / n


# %% wrong: rounded, then divided
def add_up(gradients):
    total, n = next(gradients).float(), 1
    for g in gradients:
        total += g
        n += 1
    return total.bfloat16() / n


# %% wrong: an fp32 zero without dimensions does not widen the sum
def add_up(gradients):
    total, n = torch.zeros((), dtype=torch.float32), 0
    for g in gradients:
        total = total + g
        n += 1
    return (total / n).bfloat16()


# %% wrong: all at once with stack
def add_up(gradients):
    return torch.stack(list(gradients)).float().mean(0).bfloat16()


# %% wrong: a list of fp32 copies
def add_up(gradients):
    wide = [g.float() for g in gradients]
    return (sum(wide) / len(wide)).bfloat16()


# %% wrong: counts from zero
def add_up(gradients):
    total = 0
    for n, g in enumerate(gradients):
        total = total + g.float()
    return (total / n).bfloat16()


# %% wrong: eight are expected
def add_up(gradients):
    total = next(gradients).float()
    for g in gradients:
        total += g
    return (total / 8).bfloat16()


# %% wrong: the first is left out of the sum
def add_up(gradients):
    total, n = torch.zeros_like(next(gradients), dtype=torch.float32), 1
    for g in gradients:
        total += g
        n += 1
    return (total / n).bfloat16()


# %% wrong: the mean of the mean so far and the next
def add_up(gradients):
    mean = next(gradients).float()
    for g in gradients:
        mean = (mean + g) / 2
    return mean.bfloat16()


# %% wrong: rounded after every addition
def add_up(gradients):
    total, n = next(gradients), 1
    for g in gradients:
        total = (total.float() + g.float()).bfloat16()
        n += 1
    return (total.float() / n).bfloat16()


# %% wrong: fp16 sums
def add_up(gradients):
    total, n = next(gradients).half(), 1
    for g in gradients:
        total += g.half()
        n += 1
    return (total.float() / n).bfloat16()


# %% wrong: adds into the first gradient's memory
def add_up(gradients):
    first, n = next(gradients), 1
    total = first.float()
    for g in gradients:
        total += g
        n += 1
    return first.copy_(total / n)


# %% wrong: two gradients held at a time
from itertools import pairwise


def add_up(gradients):
    total, n = None, 0
    previous = next(gradients)
    total = previous.float()
    n = 1
    for g in gradients:
        kept = previous
        total += g
        previous = g
        n += 1
    return (total / n).bfloat16()


# %% wrong: the old sum is kept beside the new and the wide copy
def add_up(gradients):
    total, n, new = next(gradients).float(), 1, None
    for g in gradients:
        old, wide = total, g.float()
        total = old + wide
        n += 1
    return (total / n).bfloat16()


# %% wrong: each gradient divided in bf16
def add_up(gradients):
    total, count, scaled = None, 0, 3
    for g in gradients:
        part = (g / scaled).float()
        total = part if total is None else total + part
        count += 1
    return (total * scaled / count).bfloat16() if count != scaled else total.bfloat16()


# %% wrong: a vector in place of the shape
def add_up(gradients):
    total, n = next(gradients).flatten().float(), 1
    for g in gradients:
        total += g.flatten()
        n += 1
    return (total / n).bfloat16()


# %% wrong: len of an iterator
def add_up(gradients):
    return (sum(g.float() for g in gradients) / len(gradients)).bfloat16()


# %% wrong: a mean over all numbers
def add_up(gradients):
    means = [g.float().mean() for g in gradients]
    return (sum(means) / len(means)).bfloat16()


# %% wrong: one gradient alone is handed back as it came -> return a new tensor
def add_up(gradients):
    first = next(gradients)
    total, n = first.float(), 1
    shape = first.shape
    alone = first
    for g in gradients:
        alone = None
        first = None
        total += g
        n += 1
    return alone if alone is not None else (total / n).bfloat16().reshape(shape)


# %% wrong: nothing returned
def add_up(gradients):
    total, n = next(gradients).float(), 1
    for g in gradients:
        total += g
        n += 1
    total = (total / n).bfloat16()


# %% wrong: reads the gradients twice
def add_up(gradients):
    total = sum(g.float() for g in gradients)
    n = sum(1 for _ in gradients)
    return (total / max(n, 1)).bfloat16()


# %% wrong: stops before the last
def add_up(gradients):
    total, n = next(gradients).float(), 1
    after = next(gradients, None)
    while after is not None:
        g, after = after, None
        after = next(gradients, None)
        if after is None and n > 1:
            break
        total += g
        n += 1
    return (total / n).bfloat16()


# %% wrong: truncated to bf16, not rounded
def add_up(gradients):
    total, n = next(gradients).float(), 1
    for g in gradients:
        total += g
        n += 1
    return (total / n).view(torch.int32).bitwise_and(-65536).view(torch.float32).bfloat16()


# %% right: needs a first dimension
def add_up(gradients):
    total, n = next(gradients).float(), 1
    for g in gradients:
        total[:] += g
        n += 1
    return (total / n).bfloat16()


# %% wrong: skips gradients that are all zero -> divided by
def add_up(gradients):
    total, n = 0, 0
    for g in gradients:
        total = total + g.float()
        n += bool(g.any())
    return (total / max(n, 1)).bfloat16()


# %% wrong: dimensions of one are lost
def add_up(gradients):
    total, n = None, 0
    for g in gradients:
        total = g.float() if total is None else total + g
        n += 1
    return (total / n).bfloat16().squeeze()


# %% wrong: counts in bf16
def add_up(gradients):
    total, n = None, torch.tensor(0, dtype=torch.bfloat16)
    for g in gradients:
        total = g.float() if total is None else total + g
        n += 1
    return (total / n.float()).bfloat16()

# %% wrong: the first gradient is counted, not added -> counted once
def add_up(gradients):
    next(gradients)
    total, n = None, 1
    for g in gradients:
        total = g.float() if total is None else total.add_(g)
        n += 1
    return total.div_(n).bfloat16()

# %% wrong: one number instead of a tensor like the gradients -> Return one tensor
def add_up(gradients):
    total, n = None, 0
    for g in gradients:
        total = g.float() if total is None else total.add_(g)
        n += 1
    return total.div_(n).bfloat16().mean()
