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


# %% right: spelt out with an if
def gigabytes(parameters, weight_bytes, gradient_bytes, master):
    each = weight_bytes + gradient_bytes
    if master:
        each += 4 + 4 + 4
    else:
        each += 2 * weight_bytes
    return parameters * each / 10**9


# %% right: a lambda, a true master counted as a number
gigabytes = lambda n, w, g, m: n * (w + g + 4 * bool(m) + 2 * (4 if m else w)) * 1e-9  # noqa: E731


# %% right: a table of parts summed in whole bytes first
def gigabytes(parameters, weight_bytes, gradient_bytes, master):
    updated = {True: 4, False: weight_bytes}[bool(master)]
    parts = {"weights": weight_bytes, "gradients": gradient_bytes, "masters": 4 if master else 0, "moments": 2 * updated}
    return sum(parameters * part for part in parts.values()) / 1_000_000_000


# %% right: exact fractions made a float at the end
from fractions import Fraction


def gigabytes(parameters, weight_bytes, gradient_bytes, master):
    moments = 8 if master else weight_bytes * 2
    masters = 4 if master else 0
    return float(Fraction(parameters) * Fraction(weight_bytes + gradient_bytes + masters + moments) / 10**9)


# %% right: numpy's dot product
import numpy as np


def gigabytes(parameters, weight_bytes, gradient_bytes, master):
    copies = np.array([weight_bytes, gradient_bytes, *([4, 4, 4] if master else [weight_bytes] * 2)], dtype=float)
    return float(copies @ np.full(len(copies), parameters)) / 1e9


# %% right: a partial of a wider function
from functools import partial


def state(tensors, parameters, weight_bytes, gradient_bytes, master):
    one = 4 if master else weight_bytes
    return (weight_bytes + gradient_bytes + (tensors if master else tensors - 1) * one) * parameters / 1e9


gigabytes = partial(state, 3)


# %% right: two returns, the fp32 copies as one constant
def gigabytes(parameters, weight_bytes, gradient_bytes, master=False):
    if not master:
        return parameters / 1e9 * (3 * weight_bytes + gradient_bytes)
    return parameters / 1e9 * (weight_bytes + gradient_bytes + 12)


# %% right: a numpy number
import numpy


def gigabytes(parameters, weight_bytes, gradient_bytes, master):
    return numpy.float64(parameters) * (weight_bytes + gradient_bytes + numpy.where(master, 12, 2 * weight_bytes)) / 1e9


# %% wrong: GiB in place of GB
def gigabytes(parameters, weight_bytes, gradient_bytes, master):
    return parameters * (weight_bytes + gradient_bytes + (12 if master else 2 * weight_bytes)) / 2**30


# %% wrong: moments always fp32 (a stranger's)
def gigabytes(parameters, weight_bytes, gradient_bytes, master):
    return parameters * (weight_bytes + gradient_bytes + 8 + (4 if master else 0)) / 1e9


# %% wrong: moments always of the weights' type (a stranger's)
def gigabytes(parameters, weight_bytes, gradient_bytes, master):
    return parameters * (3 * weight_bytes + gradient_bytes + (4 if master else 0)) / 1e9


# %% wrong: one moment only
def gigabytes(parameters, weight_bytes, gradient_bytes, master):
    return parameters * (weight_bytes + gradient_bytes + (8 if master else weight_bytes)) / 1e9


# %% wrong: masters in place of the weights
def gigabytes(parameters, weight_bytes, gradient_bytes, master):
    return parameters * (gradient_bytes + (12 if master else 3 * weight_bytes)) / 1e9


# %% wrong: gradients counted in the weights' type
def gigabytes(parameters, weight_bytes, gradient_bytes, master):
    return parameters * (2 * weight_bytes + (12 if master else 2 * weight_bytes)) / 1e9


# %% wrong: moments in the gradients' type without masters
def gigabytes(parameters, weight_bytes, gradient_bytes, master):
    return parameters * (weight_bytes + gradient_bytes + (12 if master else 2 * gradient_bytes)) / 1e9


# %% wrong: bytes and not GB
def gigabytes(parameters, weight_bytes, gradient_bytes, master):
    return parameters * (weight_bytes + gradient_bytes + (12 if master else 2 * weight_bytes))


# %% wrong: whole GB only
def gigabytes(parameters, weight_bytes, gradient_bytes, master):
    return parameters * (weight_bytes + gradient_bytes + (12 if master else 2 * weight_bytes)) // 10**9


# %% wrong: always 16 bytes
def gigabytes(parameters, weight_bytes, gradient_bytes, master):
    return 16 * parameters / 1e9


# %% wrong: the weights and gradients forgotten
def gigabytes(parameters, weight_bytes, gradient_bytes, master):
    return parameters * (12 if master else 2 * weight_bytes) / 1e9


# %% wrong: master turned round
def gigabytes(parameters, weight_bytes, gradient_bytes, master):
    return parameters * (weight_bytes + gradient_bytes + (2 * weight_bytes if master else 12)) / 1e9


# %% wrong: a word and not a number
def gigabytes(parameters, weight_bytes, gradient_bytes, master):
    return f"{parameters * (weight_bytes + gradient_bytes + (12 if master else 2 * weight_bytes)) / 1e9} GB"


# %% wrong: prints and returns nothing
def gigabytes(parameters, weight_bytes, gradient_bytes, master):
    print(parameters * (weight_bytes + gradient_bytes + (12 if master else 2 * weight_bytes)) / 1e9)


# %% wrong: the parts as a tuple
def gigabytes(parameters, weight_bytes, gradient_bytes, master):
    return weight_bytes * parameters / 1e9, gradient_bytes * parameters / 1e9, (12 if master else 8) * parameters / 1e9


# %% wrong: rounded to a tenth of a GB
def gigabytes(parameters, weight_bytes, gradient_bytes, master):
    return round(parameters * (weight_bytes + gradient_bytes + (12 if master else 2 * weight_bytes)) / 1e9, 1)


# %% wrong: bits and not bytes
def gigabytes(parameters, weight_bytes, gradient_bytes, master):
    return 8 * parameters * (weight_bytes + gradient_bytes + (12 if master else 2 * weight_bytes)) / 1e9


# %% wrong: 10 ** 6
def gigabytes(parameters, weight_bytes, gradient_bytes, master):
    return parameters * (weight_bytes + gradient_bytes + (12 if master else 2 * weight_bytes)) / 1e6


# %% wrong: no masters kept when the weights are 4 bytes
def gigabytes(parameters, weight_bytes, gradient_bytes, master):
    kept = 4 if master and weight_bytes < 4 else 0
    return parameters * (weight_bytes + gradient_bytes + kept + 2 * (4 if master else weight_bytes)) / 1e9


# %% wrong: a moment has four bytes or two
def gigabytes(parameters, weight_bytes, gradient_bytes, master):
    moment = 4 if master or weight_bytes >= 4 else 2
    return parameters * (weight_bytes + gradient_bytes + 2 * moment + (4 if master else 0)) / 1e9
