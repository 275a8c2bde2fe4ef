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
# %% right: whole numbers
narrow_slot = {"gpu": 1, "times_longer": 8}
# %% right: divided from the two printed figures
narrow_slot = {"gpu": 1, "times_longer": 31.5 / 3.94}
# %% right: built with dict(), as a fraction
from fractions import Fraction

narrow_slot = dict(times_longer=Fraction(8, 1), gpu=1)
# %% right: worked out from transfers, encoding and lanes
per_lane = {3: 8 * 128 / 130 / 8, 4: 16 * 128 / 130 / 8}
seconds = [1 / (per_lane[4] * 16), 1 / (per_lane[3] * 4)]
narrow_slot = {"gpu": seconds.index(max(seconds)), "times_longer": max(seconds) / min(seconds)}
# %% right: numpy's numbers
import numpy as np

speed = np.array([31.5, 3.94])
narrow_slot = {"gpu": speed.argmin(), "times_longer": speed.max() / speed.min()}
# %% right: a tensor's numbers
speed = torch.tensor([31.5, 3.94])
narrow_slot = {"gpu": int(speed.argmin()), "times_longer": float(speed.max() / speed.min())}
# %% right: roughly, on the low side of 2%
narrow_slot = {"gpu": 1, "times_longer": 7.9}
# %% right: roughly, on the high side of 2%
narrow_slot = {"gpu": 1, "times_longer": 8.1}
# %% right: Decimal
from decimal import Decimal

narrow_slot = {"gpu": 1, "times_longer": Decimal("31.5") / Decimal("3.94")}
# %% wrong: the fast card's number -> has all of its lanes
narrow_slot = {"gpu": 0, "times_longer": 8.0}
# %% wrong: the lanes alone -> counted lanes
narrow_slot = {"gpu": 1, "times_longer": 4}
# %% wrong: the generation alone -> compared generations
narrow_slot = {"gpu": 1, "times_longer": 2}
# %% wrong: upside down -> Turned round
narrow_slot = {"gpu": 1, "times_longer": 3.94 / 31.5}
# %% wrong: one less, as in "seven times longer" -> one more
narrow_slot = {"gpu": 1, "times_longer": 7}
# %% wrong: the difference of the bandwidths
narrow_slot = {"gpu": 1, "times_longer": 31.5 - 3.94}
# %% wrong: lanes times the generations' quotient
narrow_slot = {"gpu": 1, "times_longer": 16 / 4 * 4 / 3}
# %% wrong: in per cent
narrow_slot = {"gpu": 1, "times_longer": 800}
# %% wrong: just beyond 2%
narrow_slot = {"gpu": 1, "times_longer": 8.2}
# %% wrong: just below 2%
narrow_slot = {"gpu": 1, "times_longer": 7.8}
# %% wrong: both doubled for an all-reduce -> you have it twice
narrow_slot = {"gpu": 1, "times_longer": 16.0}
# %% wrong: no times_longer -> still open
narrow_slot = {"gpu": 1}
# %% wrong: another key -> still open
narrow_slot = {"gpu": 1, "times": 8.0}
# %% wrong: a tuple -> dictionary
narrow_slot = (1, 8.0)
# %% wrong: the number as text
narrow_slot = {"gpu": 1, "times_longer": "8x"}
# %% wrong: the card's whole name -> number of the GPU
narrow_slot = {"gpu": "GPU 1", "times_longer": 8.0}
# %% wrong: the slots left open
narrow_slot = {"gpu": 1, "times_longer": ...}
# %% wrong: nothing
narrow_slot = None
# %% wrong: not a number
narrow_slot = {"gpu": 1, "times_longer": float("nan")}
# %% wrong: the seconds of both
narrow_slot = {"gpu": 1, "times_longer": [1 / 31.5, 1 / 3.94]}
# %% wrong: counted from 1, the second card -> no GPU 2
narrow_slot = {"gpu": 2, "times_longer": 8.0}
