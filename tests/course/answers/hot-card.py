# %% right: three at 1290 against four at 765
answer = {"gpu": 2, "reason": "heat", "times_faster": 3 * 1290 / (4 * 765)}
# %% right: two decimals
answer = {"gpu": 2, "reason": "heat", "times_faster": 1.26}
# %% right: three decimals, in capitals
answer = {"gpu": 2, "reason": "HEAT", "times_faster": 1.265}
# %% right: in other words
answer = {"gpu": 2, "reason": "too hot (driver)", "times_faster": 1.2647}
# %% right: from a list of clocks
clocks = [1305, 1320, 765, 1290]
ill = min(range(4), key=clocks.__getitem__)
rest = [clock for gpu, clock in enumerate(clocks) if gpu != ill]
answer = {"gpu": ill, "reason": "heat", "times_faster": len(rest) * min(rest) / (len(clocks) * min(clocks))}
# %% right: numpy
import numpy as np

clocks = np.array([1305, 1320, 765, 1290])
answer = {"gpu": clocks.argmin(), "reason": "heat", "times_faster": 0.75 * np.delete(clocks, 2).min() / clocks.min()}
# %% right: a tensor
import torch

answer = {"gpu": torch.tensor(2), "reason": "heat ", "times_faster": torch.tensor([1290 * 3 / 3060])}
# %% wrong: the next slowest -> far below the rest
answer = {"gpu": 3, "reason": "heat", "times_faster": 1.26}
# %% wrong: counted from 1 -> far below the rest
answer = {"gpu": 3, "reason": "heat", "times_faster": 3 * 1290 / (4 * 765)}
# %% wrong: not there -> no GPU 4
answer = {"gpu": 4, "reason": "heat", "times_faster": 1.26}
# %% wrong: power -> at its power limit
answer = {"gpu": 2, "reason": "power", "times_faster": 1.26}
# %% wrong: only the count -> share of GPUs left
answer = {"gpu": 2, "reason": "heat", "times_faster": 3 / 4}
# %% wrong: only the clock -> three batches, not four
answer = {"gpu": 2, "reason": "heat", "times_faster": 1290 / 765}
# %% wrong: the fastest of the rest -> wait for the slowest
answer = {"gpu": 2, "reason": "heat", "times_faster": 3 * 1320 / (4 * 765)}
# %% wrong: the mean of the rest -> wait for the slowest
answer = {"gpu": 2, "reason": "heat", "times_faster": 3 * 1305 / (4 * 765)}
# %% wrong: clocks added up -> as if nobody waited
answer = {"gpu": 2, "reason": "heat", "times_faster": (1305 + 1320 + 1290) / (1305 + 1320 + 765 + 1290)}
# %% wrong: the ill card's own pace only -> all four run at its pace
answer = {"gpu": 2, "reason": "heat", "times_faster": 3 * 1290 / (1305 + 1320 + 765 + 1290)}
# %% wrong: one decimal -> two decimals
answer = {"gpu": 2, "reason": "heat", "times_faster": 1.3}
# %% wrong: upside down -> Turned round
answer = {"gpu": 2, "reason": "heat", "times_faster": 4 * 765 / (3 * 1290)}
# %% wrong: 4 / 3 -> 3/4, not 4/3
answer = {"gpu": 2, "reason": "heat", "times_faster": 4 / 3 * 1290 / 765}
# %% wrong: the gain alone -> one more
answer = {"gpu": 2, "reason": "heat", "times_faster": 3 * 1290 / (4 * 765) - 1}
# %% wrong: no reason -> reason is still open
answer = {"gpu": 2, "times_faster": 1.26}
# %% right: two decimals (a second reader's)
hot_card = {"gpu": 2, "reason": "heat", "times_faster": 1.26}
# %% right: three decimals, rounded
hot_card = {"gpu": 2, "reason": "heat", "times_faster": 1.265}
# %% right: computed from the clocks
hot_card = {"gpu": 2, "reason": "heat", "times_faster": 3 * 1290 / (4 * 765)}
# %% right: clocks in a numpy array
import numpy as np

clocks = np.array([1305, 1320, 765, 1290])
rest = np.delete(clocks, clocks.argmin())
hot_card = {
    "gpu": clocks.argmin(),
    "reason": "heat",
    "times_faster": rest.min() * len(rest) / (clocks.min() * len(clocks)),
}
# %% right: by seconds per step
from fractions import Fraction

clocks = {0: 1305, 1: 1320, 2: 765, 3: 1290}


def samples_per_second(gpus, batch=32):
    seconds = max(Fraction(batch, clocks[g]) for g in gpus)
    return batch * len(gpus) / seconds


ill = min(clocks, key=clocks.get)
faster = samples_per_second([g for g in clocks if g != ill]) / samples_per_second(list(clocks))
hot_card = dict(gpu=ill, reason="heat", times_faster=faster)
# %% right: cut after two decimals from 1.2647
import math

hot_card = {"times_faster": math.floor(100 * 3870 / 3060) / 100, "reason": "heat", "gpu": 2}
# %% right: a tensor's number
hot_card = {"gpu": 2, "reason": "heat", "times_faster": (torch.tensor(3870.0) / 3060).item()}
# %% right: read from the example itself
from mgpu_lab.verification import example

gpus = example("throttling").hardware.gpus
slow = min(gpus, key=lambda gpu: gpu.sm_clock_mhz)
others = [gpu.sm_clock_mhz for gpu in gpus if gpu is not slow]
hot_card = {"gpu": slow.index, "reason": "heat", "times_faster": 3 * min(others) / (4 * slow.sm_clock_mhz)}
# %% wrong: the sum of the clocks, as if nobody waited -> as if nobody waited
hot_card = {"gpu": 2, "reason": "heat", "times_faster": (1305 + 1320 + 1290) / (1305 + 1320 + 765 + 1290)}
# %% wrong: forgets that a quarter of the samples is gone -> three batches, not four
hot_card = {"gpu": 2, "reason": "heat", "times_faster": 1290 / 765}
# %% wrong: the fastest of the rest sets the pace -> wait for the slowest
hot_card = {"gpu": 2, "reason": "heat", "times_faster": 3 * 1320 / (4 * 765)}
# %% wrong: the mean of the rest sets the pace -> wait for the slowest
hot_card = {"gpu": 2, "reason": "heat", "times_faster": (1305 + 1320 + 1290) / (4 * 765)}
# %% wrong: upside down (a second reader's) -> Turned round
hot_card = {"gpu": 2, "reason": "heat", "times_faster": 3060 / 3870}
# %% wrong: only the gain
hot_card = {"gpu": 2, "reason": "heat", "times_faster": 0.26}
# %% wrong: one decimal (a second reader's) -> two decimals
hot_card = {"gpu": 2, "reason": "heat", "times_faster": 1.3}
# %% wrong: three quarters -> share of GPUs left
hot_card = {"gpu": 2, "reason": "heat", "times_faster": 0.75}
# %% wrong: the card repaired, not taken out
hot_card = {"gpu": 2, "reason": "heat", "times_faster": 4 * 1290 / (4 * 765) * 4 / 4}
# %% wrong: four thirds the other way round -> 3/4, not 4/3
hot_card = {"gpu": 2, "reason": "heat", "times_faster": 1290 / 765 * 4 / 3}
# %% wrong: in per cent
hot_card = {"gpu": 2, "reason": "heat", "times_faster": 126}
# %% wrong: power (a second reader's) -> at its power limit
hot_card = {"gpu": 2, "reason": "power", "times_faster": 1.26}
# %% wrong: the wrong card, the slowest of the healthy ones
hot_card = {"gpu": 3, "reason": "power", "times_faster": 1.26}
# %% wrong: counted from 1 (a second reader's) -> far below the rest
hot_card = {"gpu": 3, "reason": "heat", "times_faster": 1.2647}
# %% wrong: the row's own words
hot_card = {"gpu": 2, "reason": "slow clock", "times_faster": 1.2647}
# %% wrong: no times_faster
hot_card = {"gpu": 2, "reason": "heat"}
# %% wrong: no reason (a second reader's)
hot_card = {"gpu": 2, "times_faster": 1.2647}
# %% wrong: a tuple
hot_card = (2, "heat", 1.2647)
# %% wrong: both reasons -> one reason
hot_card = {"gpu": 2, "reason": ["heat", "power"], "times_faster": 1.2647}
# %% wrong: a number as text
hot_card = {"gpu": 2, "reason": "heat", "times_faster": "a quarter"}
# %% wrong: the larger batch too, so that no sample is lost
hot_card = {"gpu": 2, "reason": "heat", "times_faster": round(1290 / 765 / (4 / 3) * 4 / 3, 2)}
# %% wrong: a slot left open
hot_card = {"gpu": 2, "reason": ..., "times_faster": 1.2647}
# %% right: almost, 1.27
hot_card = {"gpu": 2, "reason": "heat", "times_faster": 1.27}
# %% wrong: almost, 1.25
hot_card = {"gpu": 2, "reason": "heat", "times_faster": 1.25}


# %% right: the words of the report
hot_card = {"gpu": 2, "reason": "too hot (driver)", "times_faster": 1.2647}
