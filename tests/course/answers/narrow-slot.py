# %% right: counted by hand
answer = {"gpu": 1, "times_longer": 8}
# %% right: lanes times generations
lanes, generations = 16 / 4, 2 ** (4 - 3)
narrow_slot = {"gpu": 1, "times_longer": lanes * generations}
# %% right: the two rates of the rows
narrow_slot = dict(gpu=1, times_longer=31.5 / 3.94)
# %% right: numpy numbers
import numpy as np

found = {"gpu": np.int64(1), "times_longer": np.float64(16 * 16 / (4 * 8))}
# %% right: a tensor
import torch

found = {"times_longer": torch.tensor(8.0), "gpu": torch.tensor(1)}
# %% right: a fraction, and rounded
from fractions import Fraction

found = {"gpu": 1, "times_longer": Fraction(63, 8) * Fraction(64, 63)}
# %% right: seconds for 1 GB over each link
slow_s, fast_s = 1 / 3.94, 1 / 31.5
found = {"gpu": 1, "times_longer": round(slow_s / fast_s, 2)}
# %% wrong: the other card -> has all of its lanes
answer = {"gpu": 0, "times_longer": 8}
# %% wrong: a card that is not there -> no GPU 2
answer = {"gpu": 2, "times_longer": 8}
# %% wrong: lanes alone -> counted lanes
answer = {"gpu": 1, "times_longer": 4}
# %% wrong: generations alone -> compared generations
answer = {"gpu": 1, "times_longer": 2.0}
# %% wrong: the reciprocal -> Turned round
answer = {"gpu": 1, "times_longer": 3.94 / 31.5}
# %% wrong: a generation counted as four times -> you have it twice
answer = {"gpu": 1, "times_longer": 16}
# %% wrong: added instead of multiplied -> do not add up
answer = {"gpu": 1, "times_longer": 4 + 2}
# %% wrong: now against the slot's own maximum -> Compare the two cards
answer = {"gpu": 1, "times_longer": 1}
# %% wrong: the difference of the rates -> Two things differ
answer = {"gpu": 1, "times_longer": 31.5 - 3.94}
# %% wrong: the excess alone -> one more
answer = {"gpu": 1, "times_longer": 7}
# %% wrong: text -> Answer with a number
answer = {"gpu": 1, "times_longer": "8 times"}
# %% wrong: a pair -> dictionary
answer = (1, 8)
# %% wrong: half an answer -> still open
answer = {"gpu": 1, "times_longer": ...}
