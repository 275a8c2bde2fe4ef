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
