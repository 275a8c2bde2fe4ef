# %% right: pieces and steps
def bytes_sent(parameters, world_size):
    piece = 4 * parameters / world_size
    return 2 * (world_size - 1) * piece


# %% right: the formula
bytes_sent = lambda parameters, world_size: 8 * parameters * (1 - 1 / world_size)


# %% right: counted in a loop
def bytes_sent(parameters, world_size):
    total = 0.0
    for _ in range(world_size - 1):  # adding
        total += parameters * 4 / world_size
    for _ in range(world_size - 1):  # passing round
        total += parameters * 4 / world_size
    return total


# %% right: fractions
from fractions import Fraction


def bytes_sent(parameters, world_size):
    return float(Fraction(2 * (world_size - 1), world_size) * parameters * 4)


# %% right: a tensor
def bytes_sent(parameters, world_size):
    return torch.tensor(8.0, dtype=torch.float64) * parameters * (world_size - 1) / world_size


# %% wrong: the tensor once -> the whole tensor once: right on 2
def bytes_sent(parameters, world_size):
    return 4 * parameters


# %% wrong: elements -> number of elements
def bytes_sent(parameters, world_size):
    return 2 * (world_size - 1) / world_size * parameters


# %% wrong: one trip -> one trip round the ring
def bytes_sent(parameters, world_size):
    return (world_size - 1) / world_size * parameters * 4


# %% wrong: twice the tensor -> Close for many ranks
def bytes_sent(parameters, world_size):
    return 8 * parameters


# %% wrong: to every other rank -> to every other rank
def bytes_sent(parameters, world_size):
    return (world_size - 1) * 4 * parameters


# %% wrong: all ranks together -> whole tensor at each step
def bytes_sent(parameters, world_size):
    return 2 * (world_size - 1) * 4 * parameters


# %% wrong: fp64 -> 8 bytes per number, or what is received
def bytes_sent(parameters, world_size):
    return 2 * (world_size - 1) / world_size * parameters * 8


# %% wrong: bf16 -> 2 bytes per number
def bytes_sent(parameters, world_size):
    return 2 * (world_size - 1) / world_size * parameters * 2


# %% wrong: right for two ranks only ->
def bytes_sent(parameters, world_size):
    return 4 * parameters if world_size > 1 else 0


# %% wrong: text -> must return a number
def bytes_sent(parameters, world_size):
    return f"{8 * parameters * (world_size - 1) / world_size} bytes"


# %% wrong: one argument -> The check calls bytes_sent
def bytes_sent(parameters):
    return 4 * parameters


# %% wrong: forgets to cut into pieces
def bytes_sent(parameters, world_size):
    return 2 * (world_size - 1) * parameters * 4


# %% wrong: forgets the - 1
def bytes_sent(parameters, world_size):
    return 2 * parameters * 4


# %% wrong: the tensor's own size
def bytes_sent(parameters, world_size):
    return 4 * parameters


# %% wrong: only the first half of the way
def bytes_sent(parameters, world_size):
    return (world_size - 1) / world_size * parameters * 4


# %% wrong: numbers instead of bytes
def bytes_sent(parameters, world_size):
    return 2 * (world_size - 1) / world_size * parameters


# %% wrong: upside down
def bytes_sent(parameters, world_size):
    return 2 * world_size / (world_size - 1) * 4 * parameters if world_size > 1 else 0


# %% wrong: eight bytes for each
def bytes_sent(parameters, world_size):
    return 2 * (world_size - 1) / world_size * parameters * 8


# %% wrong: two bytes for each
def bytes_sent(parameters, world_size):
    return 2 * (world_size - 1) / world_size * parameters * 2


# %% wrong: a floor of the factor -> right on 2 ranks
def bytes_sent(parameters, world_size):
    return 2 * (world_size - 1) // world_size * parameters * 4


# %% wrong: a text
def bytes_sent(parameters, world_size):
    return f"{8 * parameters * (world_size - 1) / world_size} bytes"


# %% wrong: prints and returns nothing
def bytes_sent(parameters, world_size):
    8 * parameters * (world_size - 1) / world_size


# %% wrong: all ranks together, once more
def bytes_sent(parameters, world_size):
    return 8 * parameters * (world_size - 1)


# %% wrong: counts what is received as well -> received as well
def bytes_sent(parameters, world_size):
    return 16 * parameters * (world_size - 1) / world_size


# %% wrong: a tree
import math


def bytes_sent(parameters, world_size):
    return 2 * math.log2(world_size) * parameters * 4


# %% wrong: in MiB
def bytes_sent(parameters, world_size):
    return 8 * parameters * (world_size - 1) / world_size / 2**20


# %% wrong: the number of parameters of the lesson
def bytes_sent(parameters, world_size):
    return 8 * 98_880 * (world_size - 1) / world_size


# %% wrong: two ranks only
def bytes_sent(parameters, world_size):
    return 8 * parameters / 2


# %% wrong: arguments exchanged
def bytes_sent(world_size, parameters):
    return 8 * parameters * (world_size - 1) / world_size


# %% wrong: one argument, once more
def bytes_sent(parameters):
    return 4 * parameters


# %% wrong: bits -> number of bits
def bytes_sent(parameters, world_size):
    return 2 * (world_size - 1) / world_size * parameters * 32


# %% wrong: one step too many
def bytes_sent(parameters, world_size):
    return (2 * (world_size - 1) + 1) * 4 * parameters / world_size


# %% right: a float
def bytes_sent(parameters, world_size):
    return 2 * (world_size - 1) / world_size * 4 * parameters


# %% right: whole bytes
def bytes_sent(parameters, world_size):
    return 8 * parameters * (world_size - 1) // world_size


# %% right: a fraction
from fractions import Fraction


def bytes_sent(parameters, world_size):
    return Fraction(world_size - 1, world_size) * parameters * 8


# %% right: step by step
def bytes_sent(numbers, n):
    piece, sent = numbers * 4 / n, 0
    for _phase in ("pass and add", "pass on"):
        for _step in range(n - 1):
            sent += piece
    return sent


# %% right: a lambda with other names
bytes_sent = lambda p, n: 4 * p * (2 - 2 / n)


# %% right: numpy
import numpy as np


def bytes_sent(parameters, world_size):
    return np.float64(parameters) * np.dtype("float32").itemsize * 2 * np.subtract(1, 1 / world_size)


# %% right: a decimal
from decimal import Decimal


def bytes_sent(parameters, world_size):
    return Decimal(8) * parameters * (world_size - 1) / world_size


# %% right: torch's own size of a float32, one rank apart
def bytes_sent(parameters, world_size):
    if world_size == 1:
        return 0
    return round(torch.finfo(torch.float32).bits / 8 * parameters * 2 * (1 - 1 / world_size))


# %% right: the whole less its own piece, twice
class Ring:
    def __init__(self, parameters):
        self.size = parameters * 4

    def sends(self, ranks):
        return 2 * (self.size - self.size / ranks)


def bytes_sent(parameters, world_size):
    return Ring(parameters).sends(world_size)


# %% right: a tensor with one number
def bytes_sent(parameters, world_size):
    return torch.tensor(8.0 * parameters, dtype=torch.float64) * (world_size - 1) / world_size
