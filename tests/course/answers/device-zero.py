# %% right: numbers
device_zero = {"on_device_0": 16_240_000, "sent_for_replicas": 20_000_000}


# %% right: computed
parameters, devices = 1_000_000, 6
device_zero = {
    "on_device_0": parameters * (4 + 4 + 8) + 60 * 1_000 * 4,
    "sent_for_replicas": (devices - 1) * parameters * 4,
}


# %% right: floats, the other order
device_zero = {"sent_for_replicas": 5 * 4e6, "on_device_0": 16e6 + 0.24e6}


# %% right: bytes of tensors
held = [torch.empty(1_000_000, device="meta").nbytes] * 4 + [torch.empty(60, 1000, device="meta").nbytes]
device_zero = dict(on_device_0=sum(held), sent_for_replicas=5 * held[0])


# %% right: numpy and a tensor
import numpy as np

device_zero = {
    "on_device_0": np.float32(0).nbytes * (4 * 10**6 + 60_000),
    "sent_for_replicas": torch.tensor(20_000_000),
}


# %% wrong: no outputs -> Where are the outputs
device_zero = {"on_device_0": 16_000_000, "sent_for_replicas": 20_000_000}


# %% wrong: the outputs counted, not their bytes -> You counted the outputs as numbers
device_zero = {"on_device_0": 16_060_000, "sent_for_replicas": 20_000_000}


# %% wrong: one moment -> Adam keeps two moments
device_zero = {"on_device_0": 12_240_000, "sent_for_replicas": 20_000_000}


# %% wrong: no Adam -> What does Adam remember
device_zero = {"on_device_0": 8_240_000, "sent_for_replicas": 20_000_000}


# %% wrong: shared out -> DataParallel divides the batch only
device_zero = {"on_device_0": 16_240_000 / 6, "sent_for_replicas": 20_000_000}


# %% wrong: only its own outputs -> not only device 0's own
device_zero = {"on_device_0": 16_040_000, "sent_for_replicas": 20_000_000}


# %% wrong: a replica of its own -> uses the model itself
device_zero = {"on_device_0": 20_240_000, "sent_for_replicas": 20_000_000}


# %% wrong: in megabytes -> Answer in bytes
device_zero = {"on_device_0": 16.24, "sent_for_replicas": 20}


# %% wrong: text -> Answer in bytes, as a number
device_zero = {"on_device_0": "16240000", "sent_for_replicas": "20000000"}


# %% wrong: six copies -> sends no copy to itself
device_zero = {"on_device_0": 16_240_000, "sent_for_replicas": 24_000_000}


# %% wrong: one copy -> a copy of its own
device_zero = {"on_device_0": 16_240_000, "sent_for_replicas": 4_000_000}


# %% wrong: the gradients too -> only the forward
device_zero = {"on_device_0": 16_240_000, "sent_for_replicas": 40_000_000}


# %% wrong: the all-reduce's formula -> That is an all-reduce
device_zero = {"on_device_0": 16_240_000, "sent_for_replicas": 2 * 5 / 6 * 4_000_000}


# %% wrong: half an answer -> Answer with a dictionary of both
device_zero = {"on_device_0": 16_240_000}


# %% wrong: a pair -> Answer with a dictionary of both
device_zero = (16_240_000, 20_000_000)


# %% right: sums spelled out
parameters = 1_000_000
outputs = 60 * 1_000 * 4
device_zero = {
    "on_device_0": parameters * (4 + 4 + 8) + outputs,
    "sent_for_replicas": (6 - 1) * parameters * 4,
}


# %% right: the numbers
device_zero = {"on_device_0": 16240000, "sent_for_replicas": 20000000}


# %% right: dict() with floats
device_zero = dict(on_device_0=16.24e6, sent_for_replicas=2e7)


# %% right: the other order, with sizes that torch knows
import torch as t
itemsize = t.finfo(t.float32).bits // 8
device_zero = {"sent_for_replicas": 5 * 10**6 * itemsize, "on_device_0": itemsize * (4 * 10**6 + 60 * 1000)}


# %% right: counted with tensors that have no memory
weight = torch.empty(1_000_000, device="meta")
outputs = torch.empty(60, 1000, device="meta")
device_zero = {}
device_zero["on_device_0"] = sum(t.nbytes for t in [weight] * 4 + [outputs])
device_zero["sent_for_replicas"] = sum(weight.nbytes for _ in range(1, 6))
answer = device_zero


# %% right: whole numbers of numpy
import numpy as np
P = np.int64(4_000_000)
device_zero = {"on_device_0": 4 * P + np.prod([60, 1000, 4]), "sent_for_replicas": P * 5}


# %% right: an ordered dictionary
from collections import OrderedDict
device_zero = OrderedDict(on_device_0=int("16240000"), sent_for_replicas=int("20000000"))


# %% right: a named tuple as a dictionary
from collections import namedtuple
Bytes = namedtuple("Bytes", "on_device_0 sent_for_replicas")
device_zero = Bytes(16_240_000, 20_000_000)._asdict()


# %% right: a counter
from collections import Counter
device_zero = Counter({"on_device_0": 4_000_000}) + Counter({"on_device_0": 4_000_000})
device_zero += Counter({"on_device_0": 8_000_000, "sent_for_replicas": 20_000_000})
device_zero["on_device_0"] += 240_000
answer = device_zero


# %% right: tensors of one element
b = torch.tensor([16_240_000, 20_000_000])
device_zero = dict(zip(("on_device_0", "sent_for_replicas"), b))


# %% wrong: no outputs (a second one)
device_zero = {"on_device_0": 16_000_000, "sent_for_replicas": 20_000_000}


# %% wrong: the outputs of device 0's shard only
device_zero = {"on_device_0": 16_040_000, "sent_for_replicas": 20_000_000}


# %% wrong: the outputs of the other devices only
device_zero = {"on_device_0": 16_200_000, "sent_for_replicas": 20_000_000}


# %% wrong: outputs gathered and device 0's own, which is left out by the text -> on_device_0
device_zero = {"on_device_0": 16_280_000, "sent_for_replicas": 20_000_000}


# %% wrong: the batch taken as per device -> No device gets 60
device_zero = {"on_device_0": 16_000_000 + 6 * 240_000, "sent_for_replicas": 20_000_000}


# %% wrong: outputs as a count, not bytes
device_zero = {"on_device_0": 16_060_000, "sent_for_replicas": 20_000_000}


# %% wrong: the outputs of one sample -> outputs of one sample
device_zero = {"on_device_0": 16_004_000, "sent_for_replicas": 20_000_000}


# %% wrong: one moment of Adam
device_zero = {"on_device_0": 12_240_000, "sent_for_replicas": 20_000_000}


# %% wrong: no gradients
device_zero = {"on_device_0": 12_000_000 + 240_000, "sent_for_replicas": 20e6}


# %% wrong: no Adam (a second one)
device_zero = {"on_device_0": 8_240_000, "sent_for_replicas": 20_000_000}


# %% wrong: parameters only
device_zero = {"on_device_0": 4_240_000, "sent_for_replicas": 20_000_000}


# %% wrong: everything divided among six
device_zero = {"on_device_0": 16_000_000 // 6 + 240_000, "sent_for_replicas": 20_000_000}


# %% wrong: numbers of elements
device_zero = {"on_device_0": 4_060_000, "sent_for_replicas": 5_000_000}


# %% wrong: megabytes
device_zero = {"on_device_0": 16.24, "sent_for_replicas": 20}


# %% wrong: half precision -> two bytes per number
device_zero = {"on_device_0": 8_120_000, "sent_for_replicas": 10_000_000}


# %% wrong: fp64 -> eight bytes per number
device_zero = {"on_device_0": 32_480_000, "sent_for_replicas": 40_000_000}


# %% wrong: a replica for device 0, too
device_zero = {"on_device_0": 16_240_000, "sent_for_replicas": 24_000_000}


# %% wrong: one replica
device_zero = {"on_device_0": 16_240_000, "sent_for_replicas": 4_000_000}


# %% wrong: with gradients on the way back
device_zero = {"on_device_0": 16_240_000, "sent_for_replicas": 40_000_000}


# %% wrong: a ring's share of a broadcast
device_zero = {"on_device_0": 16_240_000, "sent_for_replicas": 2 * 5 / 6 * 4_000_000}


# %% wrong: with the scattered samples
device_zero = {"on_device_0": 16_240_000, "sent_for_replicas": 20_000_000 + 200_000}


# %% wrong: sends Adam, too -> A replica has weights
device_zero = {"on_device_0": 16_240_000, "sent_for_replicas": 5 * 16_000_000}


# %% wrong: five elements per parameter, no bytes -> Those are numbers
device_zero = {"on_device_0": 16_240_000, "sent_for_replicas": 5_000_000}


# %% wrong: the replicas counted on device 0 -> on the others
device_zero = {"on_device_0": 36_240_000, "sent_for_replicas": 20_000_000}


# %% wrong: the numbers exchanged -> what is sent for the replicas
device_zero = {"on_device_0": 20_000_000, "sent_for_replicas": 16_240_000}


# %% wrong: one key
device_zero = {"on_device_0": 16_240_000}


# %% wrong: other keys
device_zero = {"device 0": 16_240_000, "device 1": 20_000_000}


# %% wrong: texts
device_zero = {"on_device_0": "16,240,000", "sent_for_replicas": "20,000,000"}


# %% wrong: a tuple
device_zero = (16_240_000, 20_000_000)


# %% wrong: one number
device_zero = 36_240_000


# %% wrong: a function
def device_zero():
    return {"on_device_0": 16_240_000, "sent_for_replicas": 20_000_000}


# %% wrong: zeros, as in the comment
device_zero = {"on_device_0": 0, "sent_for_replicas": 0}


# %% wrong: one value is still open -> dictionary of both
device_zero = {"on_device_0": 16_240_000, "sent_for_replicas": ...}


# %% wrong: the lesson's own model
device_zero = {"on_device_0": 6_434_836, "sent_for_replicas": 1_608_704}


# %% wrong: with Adam's step counters
device_zero = {"on_device_0": 16_240_004, "sent_for_replicas": 20_000_000}


# %% wrong: mebibytes rounded
device_zero = {"on_device_0": round(16_240_000 / 2**20) * 2**20, "sent_for_replicas": round(20_000_000 / 2**20) * 2**20}


# %% wrong: no number
device_zero = {"on_device_0": float("nan"), "sent_for_replicas": 20_000_000}


# %% wrong: a truth value -> not True
device_zero = {"on_device_0": True, "sent_for_replicas": 20_000_000}


# %% wrong: lists of parts
device_zero = {"on_device_0": [4_000_000, 4_000_000, 8_000_000, 240_000], "sent_for_replicas": [4_000_000] * 5}
