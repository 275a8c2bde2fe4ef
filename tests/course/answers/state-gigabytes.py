# %% right: as in the lesson
def gigabytes(parameters, weight_bytes, gradient_bytes, master):
    master_bytes = 4 if master else 0
    moment_bytes = 4 if master else weight_bytes
    return parameters * (weight_bytes + gradient_bytes + master_bytes + 2 * moment_bytes) / 1e9


# %% right: a lambda
answer = lambda p, w, g, m: p / 10**9 * (w + g + (12 if m else 2 * w))


# %% right: numpy
import numpy as np


def gigabytes(parameters, weight_bytes, gradient_bytes, master):
    updated = np.where(master, 4, weight_bytes)
    return np.float64(parameters) * np.sum([weight_bytes, gradient_bytes, 4 * bool(master), *2 * [updated]]) * 1e-9


# %% right: fractions
from fractions import Fraction


def gigabytes(parameters, weight_bytes, gradient_bytes, master):
    parts = {"weights": weight_bytes, "gradients": gradient_bytes}
    parts |= {"masters": 4, "m": 4, "v": 4} if master else {"m": weight_bytes, "v": weight_bytes}
    return Fraction(int(parameters)) * sum(parts.values()) / 10**9


# %% right: a tensor, in a class
class Gigabytes:
    MOMENTS = 2

    def __call__(self, parameters, weight_bytes, gradient_bytes, master):
        kept = [weight_bytes, gradient_bytes]
        if master:
            kept.append(4)
        kept += [kept[-1] if master else weight_bytes] * self.MOMENTS
        return torch.tensor(kept, dtype=torch.float64).sum() * parameters / 1e9


answer = Gigabytes()


# %% right: real tensors of one element
def gigabytes(parameters, weight_bytes, gradient_bytes, master):
    types = {1: torch.float8_e4m3fn, 2: torch.bfloat16, 4: torch.float32}
    weight = types[weight_bytes]
    state = [torch.float32] * 3 if master else [weight] * 2
    return sum(each.itemsize for each in [weight, types[gradient_bytes], *state]) * parameters / 1e9


# %% wrong: bytes -> returns GB
def gigabytes(parameters, weight_bytes, gradient_bytes, master):
    return parameters * (weight_bytes + gradient_bytes + (12 if master else 2 * weight_bytes))


# %% wrong: GiB -> 10^9
def gigabytes(parameters, weight_bytes, gradient_bytes, master):
    return parameters * (weight_bytes + gradient_bytes + (12 if master else 2 * weight_bytes)) / 2**30


# %% wrong: one moment -> two moments
def gigabytes(parameters, weight_bytes, gradient_bytes, master):
    return parameters * (weight_bytes + gradient_bytes + (8 if master else weight_bytes)) / 1e9


# %% wrong: no moments -> Where are
def gigabytes(parameters, weight_bytes, gradient_bytes, master):
    return parameters * (weight_bytes + gradient_bytes + 4 * master) / 1e9


# %% wrong: no masters -> master weights are missing
def gigabytes(parameters, weight_bytes, gradient_bytes, master):
    return parameters * (weight_bytes + gradient_bytes + (8 if master else 2 * weight_bytes)) / 1e9


# %% wrong: moments always of the weights' type -> With masters AdamW updates these
def gigabytes(parameters, weight_bytes, gradient_bytes, master):
    return parameters * (weight_bytes + gradient_bytes + 4 * master + 2 * weight_bytes) / 1e9


# %% wrong: moments always fp32 -> Without masters
def gigabytes(parameters, weight_bytes, gradient_bytes, master):
    return parameters * (weight_bytes + gradient_bytes + 4 * master + 8) / 1e9


# %% wrong: gradients like weights -> Gradients can have another type
def gigabytes(parameters, weight_bytes, gradient_bytes, master):
    return parameters * (2 * weight_bytes + (12 if master else 2 * weight_bytes)) / 1e9


# %% wrong: masters in place of weights -> weights that forward and backward use
def gigabytes(parameters, weight_bytes, gradient_bytes, master):
    return parameters * (gradient_bytes + (12 if master else 2 * weight_bytes)) / 1e9


# %% wrong: 16 always -> For
def gigabytes(parameters, weight_bytes, gradient_bytes, master):
    return parameters * 16 / 1e9


# %% wrong: masters twice the weights -> For
def gigabytes(parameters, weight_bytes, gradient_bytes, master):
    wide = 2 * weight_bytes if master else weight_bytes
    return parameters * (weight_bytes + gradient_bytes + master * wide + 2 * wide) / 1e9


# %% wrong: rounded -> For
def gigabytes(parameters, weight_bytes, gradient_bytes, master):
    return round(parameters * (weight_bytes + gradient_bytes + (12 if master else 2 * weight_bytes)) / 1e9)


# %% wrong: prints -> must return a number
def gigabytes(parameters, weight_bytes, gradient_bytes, master):
    print(parameters * (weight_bytes + gradient_bytes + (12 if master else 2 * weight_bytes)) / 1e9)


# %% wrong: text -> must return a number
def gigabytes(parameters, weight_bytes, gradient_bytes, master):
    return f"{parameters * (weight_bytes + gradient_bytes + (12 if master else 2 * weight_bytes)) / 1e9:.0f} GB"


# %% wrong: three arguments -> does not take that
def gigabytes(parameters, weight_bytes, master):
    return parameters * (2 * weight_bytes + (12 if master else 2 * weight_bytes)) / 1e9
