# %% right: the plain ones
choices = {"A": {"ddp": 4}, "B": {"fsdp": 8}, "C": {"fsdp": 16, "tp": 8}, "D": {"ddp": 2, "pp": 4}}
# %% right: all four numbers each
choices = {
    "A": {"ddp": 4, "fsdp": 1, "tp": 1, "pp": 1},
    "B": {"ddp": 1, "fsdp": 8, "tp": 1, "pp": 1},
    "C": {"ddp": 1, "fsdp": 16, "tp": 8, "pp": 1},
    "D": {"ddp": 2, "fsdp": 1, "tp": 1, "pp": 4},
}
# %% right: copies across, shards inside
choices = {"A": {"ddp": 4}, "B": {"ddp": 2, "fsdp": 4}, "C": {"ddp": 4, "fsdp": 4, "tp": 8}, "D": {"ddp": 2, "pp": 4}}
# %% right: another hybrid
choices = {"A": {"ddp": 4}, "B": {"fsdp": 8}, "C": {"ddp": 2, "fsdp": 8, "tp": 8}, "D": {"pp": 4, "ddp": 2}}
# %% right: by products
hosts, per_host = 16, 8
choices = {"A": dict(ddp=4), "B": dict(fsdp=per_host), "C": dict(fsdp=hosts, tp=per_host), "D": dict(pp=4, ddp=2)}
# %% right: numpy's numbers
import numpy as np

sizes = np.array([[4, 1, 1, 1], [1, 8, 1, 1], [1, 16, 8, 1], [2, 1, 1, 4]])
choices = {
    name: dict(zip(("ddp", "fsdp", "tp", "pp"), row, strict=True)) for name, row in zip("ABCD", sizes, strict=True)
}
# %% right: whole numbers as floats
choices = {"A": {"ddp": 16 / 4}, "B": {"fsdp": 8.0}, "C": {"fsdp": 128 / 8, "tp": 8.0}, "D": {"ddp": 8 / 4, "pp": 4.0}}
# %% right: every mesh tried
from itertools import product

from mgpu_lab.checks.lesson_07_mesh import CASES


def gb(case, ddp, fsdp, tp, pp):
    sequences = 1 if pp > 1 else case.sequences / (ddp * fsdp)
    return 16e-9 * case.parameters / (fsdp * tp * pp) + sequences * case.sequence_gb / tp


def slow(case, ddp, fsdp, tp, pp):
    weights, mine = 2 * case.parameters / (tp * pp), case.sequences / (ddp * fsdp)
    passed = 2 * case.width * case.tokens * mine
    speed = lambda inner: 1e9 * (case.inside_gb_s if inner <= case.gpus_per_host else case.between_gb_s)  # noqa: E731
    total = 8 * case.layers / pp * passed * (tp - 1) / tp / speed(tp)
    total += 3 * weights * (fsdp - 1) / fsdp / speed(tp * fsdp)
    total += 2 * weights / fsdp * (ddp - 1) / ddp / speed(tp * fsdp * ddp)
    total += (2 * passed / speed(case.gpus) if pp > 1 else 0) + case.compute_s * (pp - 1) / mine
    return total


def allowed(case, ddp, fsdp, tp, pp):
    whole = [case.gpus_per_host % tp, case.kv_heads % tp, case.layers % pp, case.sequences % (ddp * fsdp)]
    return ddp * fsdp * tp * pp == case.gpus and not any(whole) and (fsdp == 1 or pp == 1)


choices = {}
for name, case in CASES.items():
    powers = [2**i for i in range(8)]
    meshes = [m for m in product(powers, repeat=4) if allowed(case, *m) and gb(case, *m) <= case.memory_gb]
    choices[name] = dict(zip(("ddp", "fsdp", "tp", "pp"), min(meshes, key=lambda m: slow(case, *m)), strict=True))
# %% right: as integers of a tensor
import torch

choices = {"A": {"ddp": torch.tensor(4)}, "B": {"fsdp": 8}, "C": {"fsdp": 16, "tp": torch.tensor(8)}}
choices = {**choices, "D": {"ddp": 2, "pp": 4}}
# %% wrong: not a dictionary -> a mesh for each
choices = [4, 8, 128, 8]
# %% wrong: a machine that is none -> a mesh for each
choices = {"A": {"ddp": 4}, "E": {"fsdp": 8}}
# %% wrong: two are open -> Still open: C, D
choices = {"A": {"ddp": 4}, "B": {"fsdp": 8}, "C": ..., "D": ...}
# %% wrong: a name is left out -> Still open: D
choices = {"A": {"ddp": 4}, "B": {"fsdp": 8}, "C": {"fsdp": 16, "tp": 8}}
# %% wrong: a number for a mesh -> a mesh is a dictionary
choices = {"A": 4, "B": {"fsdp": 8}, "C": {"fsdp": 16, "tp": 8}, "D": {"ddp": 2, "pp": 4}}
# %% wrong: a key that is none -> a mesh is a dictionary
choices = {"A": {"dp": 4}, "B": {"fsdp": 8}, "C": {"fsdp": 16, "tp": 8}, "D": {"ddp": 2, "pp": 4}}
# %% wrong: no ranks -> 1 or more
choices = {"A": {"ddp": 4, "tp": 0}, "B": {"fsdp": 8}, "C": {"fsdp": 16, "tp": 8}, "D": {"ddp": 2, "pp": 4}}
# %% wrong: a half -> 1 or more
choices = {"A": {"ddp": 8, "tp": 0.5}, "B": {"fsdp": 8}, "C": {"fsdp": 16, "tp": 8}, "D": {"ddp": 2, "pp": 4}}
# %% wrong: a text -> 1 or more
choices = {"A": {"ddp": "4"}, "B": {"fsdp": 8}, "C": {"fsdp": 16, "tp": 8}, "D": {"ddp": 2, "pp": 4}}
# %% wrong: one host's GPUs only -> multiply to 8, and there are 128
choices = {"A": {"ddp": 4}, "B": {"fsdp": 8}, "C": {"tp": 8}, "D": {"ddp": 2, "pp": 4}}
# %% wrong: ddp and fsdp for the same GPUs -> multiply to 64, and there are 8
choices = {"A": {"ddp": 4}, "B": {"fsdp": 8, "ddp": 8}, "C": {"fsdp": 16, "tp": 8}, "D": {"ddp": 2, "pp": 4}}
# %% wrong: tensor parallel over all hosts -> does not lie inside a host of 8
choices = {"A": {"ddp": 4}, "B": {"fsdp": 8}, "C": {"fsdp": 8, "tp": 16}, "D": {"ddp": 2, "pp": 4}}
# %% wrong: tensor parallel across two hosts -> does not lie inside a host of 2
choices = {"A": {"ddp": 4}, "B": {"fsdp": 8}, "C": {"fsdp": 16, "tp": 8}, "D": {"tp": 4, "pp": 2}}
# %% wrong: more ranks than KV heads -> 4 KV heads cannot be dealt to 8
choices = {"A": {"ddp": 4}, "B": {"tp": 8}, "C": {"fsdp": 16, "tp": 8}, "D": {"ddp": 2, "pp": 4}}
# %% wrong: more stages than fit the layers -> 80 layers do not make 32 equal stages
choices = {"A": {"ddp": 4}, "B": {"fsdp": 8}, "C": {"pp": 32, "tp": 4}, "D": {"ddp": 2, "pp": 4}}
# %% wrong: FSDP over everything -> 128 groups read sequences of their own, and a step has 16
choices = {"A": {"ddp": 4}, "B": {"fsdp": 8}, "C": {"fsdp": 128}, "D": {"ddp": 2, "pp": 4}}
# %% wrong: a pipeline of shards -> gather the weights again
choices = {"A": {"ddp": 4}, "B": {"fsdp": 8}, "C": {"fsdp": 16, "tp": 8}, "D": {"fsdp": 2, "pp": 4}}
# %% wrong: eight copies of 8 billion parameters -> does not fit. 16 bytes x parameters / (fsdp x tp x pp) is 128 GB
choices = {"A": {"ddp": 4}, "B": {"ddp": 8}, "C": {"fsdp": 16, "tp": 8}, "D": {"ddp": 2, "pp": 4}}
# %% wrong: the activations forgotten -> the activations are 24 GB
choices = {"A": {"ddp": 4}, "B": {"ddp": 4, "fsdp": 2}, "C": {"fsdp": 16, "tp": 8}, "D": {"ddp": 2, "pp": 4}}
# %% wrong: sharding what fits -> The largest part is fsdp
choices = {"A": {"fsdp": 4}, "B": {"fsdp": 8}, "C": {"fsdp": 16, "tp": 8}, "D": {"ddp": 2, "pp": 4}}
# %% wrong: tensor parallel because there are four GPUs -> The largest part is tp
choices = {"A": {"tp": 4}, "B": {"fsdp": 8}, "C": {"fsdp": 16, "tp": 8}, "D": {"ddp": 2, "pp": 4}}
# %% wrong: tensor parallel where NVLink is -> The largest part is tp
choices = {"A": {"ddp": 4}, "B": {"fsdp": 2, "tp": 4}, "C": {"fsdp": 16, "tp": 8}, "D": {"ddp": 2, "pp": 4}}
# %% wrong: a pipeline of few micro-batches -> The largest part is the bubble
choices = {"A": {"ddp": 4}, "B": {"fsdp": 8}, "C": {"ddp": 2, "tp": 8, "pp": 8}, "D": {"ddp": 2, "pp": 4}}
# %% wrong: FSDP over the slow network -> fsdp: 54.6 s over the network
choices = {"A": {"ddp": 4}, "B": {"fsdp": 8}, "C": {"fsdp": 16, "tp": 8}, "D": {"fsdp": 8}}
# %% wrong: tensor parallel over PCIe -> tp: 5.37 s inside the hosts
choices = {"A": {"ddp": 4}, "B": {"fsdp": 8}, "C": {"fsdp": 16, "tp": 8}, "D": {"tp": 2, "pp": 4}}
# %% right: a function, keywords
def mesh(ddp=1, fsdp=1, tp=1, pp=1):
    return locals()


choices = {"A": mesh(4), "B": mesh(fsdp=4, ddp=2), "C": mesh(ddp=2, fsdp=8, tp=8), "D": mesh(pp=4, ddp=2)}
# %% right: filled in later
choices = {name: {} for name in "ABCD"}
choices["A"]["ddp"] = 4
choices["B"].update(fsdp=4, ddp=2)
choices["C"] |= {"ddp": 4, "fsdp": 4, "tp": 8}
choices["D"]["pp"] = choices["A"]["ddp"]
choices["D"].setdefault("ddp", 2)
# %% right: zip, other order of machines
choices = dict(zip("DCBA", [{"pp": 4, "ddp": 2}, {"tp": 8, "fsdp": 16}, {"fsdp": 8}, {"ddp": 4}]))
# %% right: what is left over
from mgpu_lab.checks.lesson_07_mesh import CASES

gpus = {name: case.hosts * case.gpus_per_host for name, case in CASES.items()}
choices = {
    "A": {"ddp": gpus["A"]},
    "B": {"fsdp": gpus["B"]},
    "C": {"tp": CASES["C"].gpus_per_host, "fsdp": gpus["C"] // CASES["C"].gpus_per_host},
    "D": {"pp": CASES["D"].hosts, "ddp": gpus["D"] // CASES["D"].hosts, "tp": True + 0},
}
# %% right: numbers of other kinds
from collections import Counter, OrderedDict
from fractions import Fraction

choices = {"A": Counter(ddp=4), "B": OrderedDict(fsdp=Fraction(16, 2)), "C": {"fsdp": 2**4, "tp": 1 << 3}, "D": {"ddp": 2, "pp": 4}}
# %% wrong: not a number -> ddp is a number of ranks, 1 or more, not nan
choices = {"A": {"ddp": float("nan")}, "B": {"fsdp": 8}, "C": {"fsdp": 16, "tp": 8}, "D": {"ddp": 2, "pp": 4}}
# %% wrong: without end -> ddp is a number of ranks, 1 or more, not inf
choices = {"A": {"ddp": float("inf")}, "B": {"fsdp": 8}, "C": {"fsdp": 16, "tp": 8}, "D": {"ddp": 2, "pp": 4}}
# %% wrong: two negatives -> 1 or more, not -2
choices = {"A": {"ddp": -2, "fsdp": -2}, "B": {"fsdp": 8}, "C": {"fsdp": 16, "tp": 8}, "D": {"ddp": 2, "pp": 4}}
# %% wrong: a bool -> 1 or more, not True
choices = {"A": {"ddp": True, "fsdp": 4}, "B": {"fsdp": 8}, "C": {"fsdp": 16, "tp": 8}, "D": {"ddp": 2, "pp": 4}}
# %% wrong: a digit repeated -> a number of about 401 digits
choices = {"A": {"ddp": 10**400}, "B": {"fsdp": 8}, "C": {"fsdp": 16, "tp": 8}, "D": {"ddp": 2, "pp": 4}}
# %% wrong: nested -> 1 or more, not {
choices = {"A": {"ddp": {"fsdp": 4}}, "B": {"fsdp": 8}, "C": {"fsdp": 16, "tp": 8}, "D": {"ddp": 2, "pp": 4}}
# %% wrong: a pair -> a mesh is a dictionary
choices = {"A": ("ddp", 4), "B": {"fsdp": 8}, "C": {"fsdp": 16, "tp": 8}, "D": {"ddp": 2, "pp": 4}}
# %% wrong: nothing for one -> multiply to 1, and there are 4
choices = {"A": {}, "B": {"fsdp": 8}, "C": {"fsdp": 16, "tp": 8}, "D": {"ddp": 2, "pp": 4}}
# %% wrong: a pipeline for a small model -> ddp 2 x pp 2: keeps all rules and takes 0.0884 s beside computing; 0.075 s is possible
choices = {"A": {"ddp": 2, "pp": 2}, "B": {"fsdp": 8}, "C": {"fsdp": 16, "tp": 8}, "D": {"ddp": 2, "pp": 4}}
# %% wrong: two stages of shards -> fsdp 2 x pp 2: fsdp and pp together
choices = {"A": {"fsdp": 2, "pp": 2}, "B": {"fsdp": 8}, "C": {"fsdp": 16, "tp": 8}, "D": {"ddp": 2, "pp": 4}}
# %% wrong: every way a bit -> takes 0.168 s beside computing; 0.133 s is possible. The largest part is tp
choices = {"A": {"ddp": 4}, "B": {"ddp": 2, "fsdp": 2, "tp": 2}, "C": {"fsdp": 16, "tp": 8}, "D": {"ddp": 2, "pp": 4}}
# %% wrong: tensor parallel and copies -> the activations are 24 GB
choices = {"A": {"ddp": 4}, "B": {"ddp": 4, "tp": 2}, "C": {"fsdp": 16, "tp": 8}, "D": {"ddp": 2, "pp": 4}}
# %% wrong: one stage a GPU -> The largest part is the bubble: 0.875 s
choices = {"A": {"ddp": 4}, "B": {"pp": 8}, "C": {"fsdp": 16, "tp": 8}, "D": {"ddp": 2, "pp": 4}}
# %% wrong: one copy too many: 82.5 GB -> is 70 GB, the activations are 12.5 GB, and a GPU has 80 GB
choices = {"A": {"ddp": 4}, "B": {"fsdp": 8}, "C": {"ddp": 8, "fsdp": 2, "tp": 8}, "D": {"ddp": 2, "pp": 4}}
# %% wrong: one copy too many, in a pipeline -> is 70 GB, the activations are 12.5 GB, and a GPU has 80 GB
choices = {"A": {"ddp": 4}, "B": {"fsdp": 8}, "C": {"ddp": 8, "tp": 8, "pp": 2}, "D": {"ddp": 2, "pp": 4}}
# %% wrong: more readers than sequences -> 32 groups read sequences of their own, and a step has 16
choices = {"A": {"ddp": 4}, "B": {"fsdp": 8}, "C": {"ddp": 4, "fsdp": 8, "tp": 4}, "D": {"ddp": 2, "pp": 4}}
# %% wrong: as Llama 405B -> fsdp and pp together
choices = {"A": {"ddp": 4}, "B": {"fsdp": 8}, "C": {"tp": 8, "pp": 4, "fsdp": 4}, "D": {"ddp": 2, "pp": 4}}
# %% wrong: stages on every other host -> takes 1.45 s beside computing; 1.17 s is possible. The largest part is the bubble: 1.05 s
choices = {"A": {"ddp": 4}, "B": {"fsdp": 8}, "C": {"ddp": 4, "tp": 8, "pp": 4}, "D": {"ddp": 2, "pp": 4}}
# %% wrong: a stage a GPU over the network -> takes 5.66 s beside computing; 3.64 s is possible. The largest part is pp: 4.29 s over the network
choices = {"A": {"ddp": 4}, "B": {"fsdp": 8}, "C": {"fsdp": 16, "tp": 8}, "D": {"pp": 8}}
# %% wrong: four copies of two stages -> is 104 GB, the activations are 2 GB
choices = {"A": {"ddp": 4}, "B": {"fsdp": 8}, "C": {"fsdp": 16, "tp": 8}, "D": {"ddp": 4, "pp": 2}}
# %% wrong: all but a pipeline -> is 52 GB, the activations are 32 GB
choices = {"A": {"ddp": 4}, "B": {"fsdp": 8}, "C": {"fsdp": 16, "tp": 8}, "D": {"ddp": 2, "fsdp": 2, "tp": 2}}
# %% wrong: the table itself -> a mesh is a dictionary
from mgpu_lab.checks.lesson_07_mesh import CASES

choices = dict(CASES)
# %% wrong: names in lower case -> a mesh for each
choices = {"a": {"ddp": 4}, "b": {"fsdp": 8}, "c": {"fsdp": 16, "tp": 8}, "d": {"ddp": 2, "pp": 4}}


# %% wrong: the cases changed first -> does not fit
from dataclasses import replace

from mgpu_lab.checks.lesson_07_mesh import CASES

given = CASES["C"]
CASES["C"] = replace(given, memory_gb=2000)
choices = {"A": {"ddp": 4}, "B": {"fsdp": 8}, "C": {"ddp": 16, "tp": 8}, "D": {"ddp": 2, "pp": 4}}


# %% wrong: a number that Python does not print -> a number of about 5001 digits
choices = {"A": {"ddp": 10**5000}, "B": {"fsdp": 8}, "C": {"fsdp": 16, "tp": 8}, "D": {"ddp": 2, "pp": 4}}


# %% wrong: a machine too many -> and nothing else
choices = {"A": {"ddp": 4}, "B": {"fsdp": 8}, "C": {"fsdp": 16, "tp": 8}, "D": {"ddp": 2, "pp": 4}, "E": {}}
