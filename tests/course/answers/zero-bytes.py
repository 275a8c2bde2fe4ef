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
