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
