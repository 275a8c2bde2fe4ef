# %% right: the three parts, one by one
def bytes_per_rank(parameters, ranks, stage):
    weights = 2 / ranks if stage >= 3 else 2
    gradients = 2 / ranks if stage >= 2 else 2
    state = 12 / ranks if stage >= 1 else 12
    return parameters * (weights + gradients + state)


# %% right: a table of lambdas
FORMULAS = {0: lambda n: 16, 1: lambda n: 4 + 12 / n, 2: lambda n: 2 + 14 / n, 3: lambda n: 16 / n}
bytes_per_rank = lambda parameters, ranks, stage: parameters * FORMULAS[stage](ranks)  # noqa: E731


# %% right: a loop over parts
def bytes_per_rank(parameters, ranks, stage):
    total = 0
    for size, shared_from in ((12, 1), (2, 2), (2, 3)):
        total += size * parameters / (ranks if stage >= shared_from else 1)
    return total


# %% right: numpy
def bytes_per_rank(parameters, ranks, stage):
    import numpy as np

    parts, first = np.array([2.0, 2.0, 12.0]), np.array([3, 2, 1])
    return (np.where(stage >= first, parts / ranks, parts) * parameters).sum()


# %% right: match
def bytes_per_rank(parameters, ranks, stage):
    match stage:
        case 0:
            each = 16
        case 1:
            each = 4 + 12 / ranks
        case 2:
            each = 2 + 14 / ranks
        case _:
            each = 16 / ranks
    return parameters * each


# %% right: a class with __call__
class Bill:
    def __call__(self, parameters, ranks, stage):
        whole = (16, 4, 2, 0)[stage]
        return parameters * whole + parameters * (16 - whole) / ranks


bytes_per_rank = Bill()


# %% right: whole bytes, as a tensor
def bytes_per_rank(parameters, ranks, stage):
    import torch

    shared = torch.tensor([0, 12, 14, 16], dtype=torch.float64)[stage]
    return (16 - shared + shared / ranks) * parameters


# %% wrong: what all ranks hold together -> all ranks hold together
def bytes_per_rank(parameters, ranks, stage):
    return parameters * (16, 4 + 12 / ranks, 2 + 14 / ranks, 16 / ranks)[stage] * ranks


# %% wrong: no master weights -> lacks the fp32 master weights
def bytes_per_rank(parameters, ranks, stage):
    return parameters * (12, 4 + 8 / ranks, 2 + 10 / ranks, 12 / ranks)[stage]


# %% wrong: fp32 gradients -> Here they are bf16
def bytes_per_rank(parameters, ranks, stage):
    return parameters * (18, 6 + 12 / ranks, 2 + 16 / ranks, 18 / ranks)[stage]


# %% wrong: no gradients -> the gradients are missing
def bytes_per_rank(parameters, ranks, stage):
    return parameters * (14, 2 + 12 / ranks, 2 + 12 / ranks, 14 / ranks)[stage]


# %% wrong: everything shared at every stage -> divided by the number of ranks
def bytes_per_rank(parameters, ranks, stage):
    return 16 * parameters / ranks


# %% wrong: stage 2 is stage 1 -> should be shared out at this stage
def bytes_per_rank(parameters, ranks, stage):
    return parameters * (16, 4 + 12 / ranks, 4 + 12 / ranks, 16 / ranks)[stage]


# %% wrong: two ranks written in -> Stage
def bytes_per_rank(parameters, ranks, stage):
    return parameters * (16, 10, 9, 8)[stage]


# %% wrong: bytes per parameter only -> Stage 0
def bytes_per_rank(parameters, ranks, stage):
    return (16, 4 + 12 / ranks, 2 + 14 / ranks, 16 / ranks)[stage]


# %% wrong: text -> must return a number
def bytes_per_rank(parameters, ranks, stage):
    return f"{parameters * 16 / ranks} bytes"


# %% wrong: an argument is missing -> bytes_per_rank(parameters, ranks, stage)
def bytes_per_rank(parameters, ranks):
    return parameters * 16 / ranks


# %% wrong: as DeepSpeed runs stage 1 without accumulation -> not shared out yet
def bytes_per_rank(parameters, ranks, stage):
    return parameters * (16, 2 + 14 / ranks, 2 + 14 / ranks, 16 / ranks)[stage]


# %% right: a table of formulas
def bytes_per_rank(parameters, ranks, stage):
    return parameters * {0: 16, 1: 4 + 12 / ranks, 2: 2 + 14 / ranks, 3: 16 / ranks}[stage]

# %% right: each part by itself, other names
def bill(p, n, s):
    weights = 2 * p / (n if s > 2 else 1)
    grads = 2 * p / (n if s > 1 else 1)
    state = 12 * p / (n if s > 0 else 1)
    return weights + grads + state

# %% right: a lambda
bytes_per_rank = lambda parameters, ranks, stage: sum(b * parameters / (ranks if stage >= at else 1) for b, at in ((12, 1), (2, 2), (2, 3)))

# %% right: exact fractions
from fractions import Fraction
def bytes_per_rank(parameters, ranks, stage):
    shared = (0, 12, 14, 16)[stage]
    return Fraction(parameters) * (16 - shared + Fraction(shared, ranks))

# %% right: a callable class's instance
class Bill:
    def __call__(self, parameters, ranks, stage):
        shared = [0, 12, 14, 16][stage]
        return parameters * (16 - shared) + parameters * shared / ranks
bytes_per_rank = Bill()

# %% right: numpy's number
import numpy as np
def bytes_per_rank(parameters, ranks, stage):
    kept, shared = np.array([16, 4, 2, 0]), np.array([0, 12, 14, 16])
    return (parameters * (kept + shared / ranks))[stage]

# %% right: match, again
def bytes_per_rank(parameters, ranks, stage):
    match stage:
        case 0:
            return 16 * parameters
        case 1:
            return 4 * parameters + 12 * parameters / ranks
        case 2:
            return 2 * parameters + 14 * parameters / ranks
        case _:
            return 16 * parameters / ranks

# %% right: a partial of a general function
from functools import partial
def general(w, g, o, parameters, ranks, stage):
    d = [1, 1, 1]
    for i in range(stage):
        d[2 - i] = ranks
    return parameters * (w / d[0] + g / d[1] + o / d[2])
bytes_per_rank = partial(general, 2, 2, 12)

# %% right: whole bytes, floor, parameters first
def bytes_per_rank(parameters, ranks, stage):
    kept, shared = ((16, 0), (4, 12), (2, 14), (0, 16))[stage]
    return kept * parameters + -(-shared * parameters // ranks)

# %% wrong: fp32 gradients counted
def bytes_per_rank(parameters, ranks, stage):
    return parameters * {0: 18, 1: 6 + 12 / ranks, 2: 2 + 16 / ranks, 3: 18 / ranks}[stage]

# %% wrong: ranks fixed at two -> the number for 2 ranks
def bytes_per_rank(parameters, ranks, stage):
    return parameters * {0: 16, 1: 10, 2: 9, 3: 8}[stage]

# %% wrong: stage 2 as stage 1
def bytes_per_rank(parameters, ranks, stage):
    return parameters * {0: 16, 1: 4 + 12 / ranks, 2: 4 + 12 / ranks, 3: 16 / ranks}[stage]

# %% wrong: stage 1 as DeepSpeed measures it
def bytes_per_rank(parameters, ranks, stage):
    return parameters * {0: 16, 1: 2 + 14 / ranks, 2: 2 + 14 / ranks, 3: 16 / ranks}[stage]

# %% wrong: integer division inside -> rounded to a whole number
def bytes_per_rank(parameters, ranks, stage):
    return parameters * {0: 16, 1: 4 + 12 // ranks, 2: 2 + 14 // ranks, 3: 16 // ranks}[stage]

# %% wrong: weights whole in stage 3
def bytes_per_rank(parameters, ranks, stage):
    return parameters * {0: 16, 1: 4 + 12 / ranks, 2: 2 + 14 / ranks, 3: 2 + 14 / ranks}[stage]

# %% wrong: master weights forgotten
def bytes_per_rank(parameters, ranks, stage):
    return parameters * {0: 12, 1: 4 + 8 / ranks, 2: 2 + 10 / ranks, 3: 12 / ranks}[stage]

# %% wrong: master weights not shared -> or the master weights stay whole
def bytes_per_rank(parameters, ranks, stage):
    return parameters * {0: 16, 1: 8 + 8 / ranks, 2: 6 + 10 / ranks, 3: 4 + 12 / ranks}[stage]

# %% wrong: per parameter -> for one parameter
def bytes_per_rank(parameters, ranks, stage):
    return {0: 16, 1: 4 + 12 / ranks, 2: 2 + 14 / ranks, 3: 16 / ranks}[stage]

# %% wrong: of all ranks together
def bytes_per_rank(parameters, ranks, stage):
    return ranks * parameters * {0: 16, 1: 4 + 12 / ranks, 2: 2 + 14 / ranks, 3: 16 / ranks}[stage]

# %% wrong: in GB -> in GB
def bytes_per_rank(parameters, ranks, stage):
    return parameters * {0: 16, 1: 4 + 12 / ranks, 2: 2 + 14 / ranks, 3: 16 / ranks}[stage] / 1e9

# %% wrong: stage 0 forgotten
def bytes_per_rank(parameters, ranks, stage):
    return parameters * {1: 4 + 12 / ranks, 2: 2 + 14 / ranks, 3: 16 / ranks}[stage]

# %% wrong: stage 0 gives None
def bytes_per_rank(parameters, ranks, stage):
    if stage == 1: return parameters * (4 + 12 / ranks)
    if stage == 2: return parameters * (2 + 14 / ranks)
    if stage == 3: return parameters * 16 / ranks

# %% wrong: prints
def bytes_per_rank(parameters, ranks, stage):
    print(parameters * {0: 16, 1: 4 + 12 / ranks, 2: 2 + 14 / ranks, 3: 16 / ranks}[stage])

# %% wrong: stage and ranks changed places
def bytes_per_rank(parameters, stage, ranks):
    return parameters * {0: 16, 1: 4 + 12 / ranks, 2: 2 + 14 / ranks, 3: 16 / ranks}.get(stage, 0)

# %% wrong: a text
def bytes_per_rank(parameters, ranks, stage):
    return f"{parameters * (16, 4 + 12 / ranks, 2 + 14 / ranks, 16 / ranks)[stage]} bytes"

# %% wrong: steady, gradients gone
def bytes_per_rank(parameters, ranks, stage):
    return parameters * (14, 2 + 12 / ranks, 2 + 12 / ranks, 14 / ranks)[stage]

# %% wrong: gradients shared first
def bytes_per_rank(parameters, ranks, stage):
    return parameters * (16, 14 + 2 / ranks, 2 + 14 / ranks, 16 / ranks)[stage]

# %% wrong: no argument for the stage
def bytes_per_rank(parameters, ranks):
    return parameters * 16 / ranks
