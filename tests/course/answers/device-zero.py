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
