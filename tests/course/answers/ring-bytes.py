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


# %% wrong: the tensor once -> whatever the number of ranks
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


# %% wrong: fp64 -> 8 bytes per number
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


# %% wrong: one argument -> The check called
def bytes_sent(parameters):
    return 4 * parameters
