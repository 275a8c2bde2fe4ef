# %% right: two adapters, weights on the host
ways = [
    dict(method="fsdp", adapter="qlora", seq_len=1024, checkpointing="full", offload="cpu"),
    dict(method="fsdp", adapter="lora", seq_len=1024, checkpointing="full", offload="cpu"),
]

# %% right: a tuple
ways = (
    {"method": "zero3", "adapter": "lora", "seq_len": 1024, "checkpointing": "full", "offload": "cpu"},
    {"method": "fsdp", "adapter": "qlora", "seq_len": 1024, "checkpointing": "full", "offload": "cpu"},
)

# %% right: drives
ways = [
    dict(method="zero3", seq_len=1024, checkpointing="full", offload="nvme"),
    dict(method="fsdp", adapter="qlora", seq_len=1024, checkpointing="full", offload="cpu"),
]

# %% right: both on drives, one with adapters
ways = [
    dict(method="zero3", seq_len=1024, checkpointing="full", offload="nvme"),
    dict(method="zero3", seq_len=1024, checkpointing="full", offload="nvme", adapter="lora"),
]

# %% right: a common part
job = dict(seq_len=1024, checkpointing="full", offload="cpu")
ways = [job | dict(method=method, adapter="lora") for method in ("fsdp", "zero3")]

# %% right: fsdp is the default method
ways = [
    dict(adapter="qlora", seq_len=1024, checkpointing="full", offload="cpu"),
    dict(adapter="lora", seq_len=1024, checkpointing="full", offload="cpu"),
]

# %% right: all defaults written out
full = dict(
    method="fsdp",
    adapter="qlora",
    micro_batch=1,
    seq_len=1024,
    accumulation=1,
    dtype="bf16",
    master="fp32",
    checkpointing="full",
    optimizer="adamw",
    lora_rank=16,
    tensor_parallel=1,
    pipeline_parallel=1,
    offload="cpu",
)
ways = [full, {**full, "adapter": "lora", "optimizer": "sgd"}]

# %% right: short sequences, a larger micro-batch
ways = [
    dict(method="fsdp", adapter="qlora", micro_batch=4, seq_len=256, checkpointing="full", offload="cpu"),
    dict(method="fsdp", adapter="lora", micro_batch=2, seq_len=512, checkpointing="full", offload="cpu"),
]

# %% right: longer sequences
ways = [
    dict(method="fsdp", adapter="qlora", seq_len=2048, checkpointing="full", offload="cpu"),
    dict(method="zero3", adapter="lora", seq_len=1536, checkpointing="full", offload="cpu"),
]

# %% right: selective checkpointing
ways = [
    dict(method="fsdp", adapter="qlora", seq_len=1024, checkpointing="selective", offload="cpu"),
    dict(method="fsdp", adapter="lora", seq_len=1024, checkpointing="full", offload="cpu"),
]

# %% right: a loop that searches
from itertools import product

from mgpu_lab import plan_training

found = []
for method, adapter, offload in product(("fsdp", "zero3"), ("qlora", "lora"), ("cpu",)):
    options = dict(method=method, adapter=adapter, offload=offload, seq_len=1024, checkpointing="full")
    plan = plan_training("llama-3.1-70b", "2x RTX-4090", **options)
    if plan.fits and plan.host_bytes < 128 * 2**30:
        found.append(options)
ways = found[:2]

# %% right: small ranks
ways = [
    dict(method="fsdp", adapter="qlora", lora_rank=4, seq_len=1024, checkpointing="full", offload="cpu"),
    dict(method="fsdp", adapter="lora", lora_rank=8, seq_len=1024, checkpointing="full", offload="cpu"),
]

# %% right: 8-bit Adam
ways = [
    dict(method="fsdp", adapter="qlora", optimizer="adamw8bit", seq_len=1024, checkpointing="full", offload="cpu"),
    dict(method="zero3", adapter="lora", optimizer="sgd", seq_len=1024, checkpointing="full", offload="cpu"),
]

# %% right: gradients added up
ways = [
    dict(method="fsdp", adapter="qlora", accumulation=16, seq_len=1024, checkpointing="full", offload="cpu"),
    dict(method="fsdp", adapter="lora", accumulation=8, seq_len=1024, checkpointing="full", offload="cpu"),
]

# %% right: ordered dictionaries
from collections import OrderedDict

one = OrderedDict(method="fsdp", adapter="qlora", seq_len=1024, checkpointing="full", offload="cpu")
two = OrderedDict(one, adapter="lora")
ways = [one, two]

# %% right: read-only views
from types import MappingProxyType

one = dict(method="fsdp", adapter="qlora", seq_len=1024, checkpointing="full", offload="cpu")
ways = [MappingProxyType(one), MappingProxyType(one | {"adapter": "lora"})]

# %% right: half precision
ways = [
    dict(method="fsdp", adapter="qlora", dtype="fp16", seq_len=1024, checkpointing="full", offload="cpu"),
    dict(method="fsdp", adapter="lora", dtype="fp16", seq_len=1024, checkpointing="full", offload="cpu"),
]

# %% right: no adapter said so
ways = [
    dict(method="zero3", adapter=None, offload="nvme", seq_len=1024, checkpointing="full"),
    dict(method="zero3", adapter="lora", offload="cpu", seq_len=1024, checkpointing="full"),
]

# %% right: filled in later
ways = [{}, {}]
for way, adapter in zip(ways, ("lora", "qlora"), strict=True):
    way["method"] = "fsdp"
    way["adapter"] = adapter
    way.update(offload="cpu", checkpointing="full", seq_len=1024)

# %% right: only the offload differs
base = dict(method="zero3", adapter="lora", seq_len=1024, checkpointing="full")
ways = [dict(base, offload=where) for where in ("cpu", "nvme")]

# %% right: sizes differ, too
ways = [
    dict(method="fsdp", adapter="qlora", seq_len=4096, checkpointing="full", offload="cpu"),
    dict(method="zero3", adapter="lora", seq_len=1024, micro_batch=2, checkpointing="full", offload="cpu"),
]

# %% right: one token more than asked
ways = [
    dict(method="fsdp", adapter="qlora", seq_len=1025, checkpointing="full", offload="cpu"),
    dict(method="fsdp", adapter="lora", seq_len=205, micro_batch=5, checkpointing="full", offload="cpu"),
]

# %% right: no master of the weights
ways = [
    dict(method="zero3", master=None, offload="nvme", seq_len=1024, checkpointing="full"),
    dict(method="fsdp", adapter="qlora", offload="cpu", seq_len=1024, checkpointing="full"),
]


# %% right: a function that makes them
def way(**more):
    return dict(seq_len=1024, checkpointing="full", offload="cpu") | more


ways = [way(method="fsdp", adapter="qlora"), way(method="zero3", adapter="lora")]

# %% right: values of a dictionary
named = {
    "q": dict(method="fsdp", adapter="qlora", seq_len=1024, checkpointing="full", offload="cpu"),
    "l": dict(method="fsdp", adapter="lora", seq_len=1024, checkpointing="full", offload="cpu"),
}
ways = list(named.values())

# %% right: from a frozen class
from dataclasses import asdict, dataclass


@dataclass
class Way:
    adapter: str
    method: str = "fsdp"
    seq_len: int = 1024
    checkpointing: str = "full"
    offload: str = "cpu"


ways = [asdict(Way("qlora")), asdict(Way("lora"))]


# %% right: a subclass of list
class Ways(list):
    pass


ways = Ways(
    dict(adapter=a, method="fsdp", seq_len=1024, checkpointing="full", offload="cpu") for a in ("lora", "qlora")
)

# %% wrong: untouched -> Not attempted yet
ways = [..., ...]

# %% wrong: one is open -> What is there fits. Two ways are asked for
ways = [dict(method="fsdp", adapter="qlora", seq_len=1024, checkpointing="full", offload="cpu"), ...]

# %% wrong: one way -> What is there fits. Two ways are asked for
ways = [dict(method="fsdp", adapter="qlora", seq_len=1024, checkpointing="full", offload="cpu")]

# %% wrong: the way itself, not a list -> Answer with a list of two dictionaries
ways = dict(method="fsdp", adapter="qlora", seq_len=1024, checkpointing="full", offload="cpu")

# %% wrong: none -> Not attempted yet
ways = []

# %% wrong: three -> What is there fits. Two ways are asked for
way = dict(method="fsdp", adapter="qlora", seq_len=1024, checkpointing="full", offload="cpu")
ways = [way, way | {"adapter": "lora"}, way | {"method": "zero3"}]

# %% wrong: a text -> Answer with a list of two dictionaries
ways = "fsdp and qlora"

# %% wrong: a number -> Answer with a list of two dictionaries
ways = 2

# %% wrong: empty options -> GiB of 23.64 at the peak
ways = [{}, {}]

# %% wrong: the same twice -> they are one way with other numbers
way = dict(method="fsdp", adapter="qlora", seq_len=1024, checkpointing="full", offload="cpu")
ways = [way, way]

# %% wrong: only the length differs -> they are one way with other numbers
way = dict(method="fsdp", adapter="qlora", seq_len=1024, checkpointing="full", offload="cpu")
ways = [way, way | {"seq_len": 2048}]

# %% wrong: only the rank of the adapters differs -> they are one way with other numbers
way = dict(method="fsdp", adapter="qlora", seq_len=1024, checkpointing="full", offload="cpu")
ways = [way, way | {"lora_rank": 8}]

# %% wrong: only checkpointing differs -> they are one way with other numbers
way = dict(method="fsdp", adapter="qlora", seq_len=1024, checkpointing="full", offload="cpu")
ways = [way, way | {"checkpointing": "selective"}]

# %% wrong: only the optimizer differs -> they are one way with other numbers
way = dict(method="fsdp", adapter="qlora", seq_len=1024, checkpointing="full", offload="cpu")
ways = [way, way | {"optimizer": "sgd"}]

# %% wrong: a default written out is no difference -> they are one way with other numbers
way = dict(adapter="qlora", seq_len=1024, checkpointing="full", offload="cpu")
ways = [way, way | {"method": "fsdp"}]

# %% wrong: tensor_parallel of 1 written out -> they are one way with other numbers
way = dict(method="fsdp", adapter="qlora", seq_len=1024, checkpointing="full", offload="cpu")
ways = [way, way | {"tensor_parallel": 1}]

# %% wrong: adapters in a whole copy -> GiB of 23.64 at the peak
ways = [
    dict(method="ddp", adapter="qlora", seq_len=1024, checkpointing="full"),
    dict(method="fsdp", adapter="qlora", seq_len=1024, checkpointing="full", offload="cpu"),
]

# %% wrong: LoRA sharded -> GiB of 23.64 at the peak
ways = [
    dict(method="fsdp", adapter="lora", seq_len=1024, checkpointing="full"),
    dict(method="fsdp", adapter="qlora", seq_len=1024, checkpointing="full", offload="cpu"),
]

# %% wrong: all parameters sharded -> GiB of 23.64 at the peak
ways = [
    dict(method="fsdp", seq_len=1024, checkpointing="full"),
    dict(method="fsdp", adapter="qlora", seq_len=1024, checkpointing="full", offload="cpu"),
]

# %% wrong: no checkpointing -> GiB of 23.64 at the peak
ways = [
    dict(method="fsdp", adapter="qlora", seq_len=1024, offload="cpu"),
    dict(method="fsdp", adapter="lora", seq_len=1024, offload="cpu", checkpointing="full"),
]

# %% wrong: the default length -> GiB of 23.64 at the peak
ways = [
    dict(method="fsdp", adapter="qlora", checkpointing="full", offload="cpu"),
    dict(method="fsdp", adapter="lora", seq_len=1024, offload="cpu", checkpointing="full"),
]

# %% wrong: too few tokens -> at least 1,024 are asked for
ways = [
    dict(method="fsdp", adapter="qlora", seq_len=512, checkpointing="full", offload="cpu"),
    dict(method="fsdp", adapter="lora", seq_len=1024, offload="cpu", checkpointing="full"),
]

# %% wrong: one token too few -> at least 1,024 are asked for
ways = [
    dict(method="fsdp", adapter="qlora", seq_len=1023, checkpointing="full", offload="cpu"),
    dict(method="fsdp", adapter="lora", seq_len=1024, offload="cpu", checkpointing="full"),
]

# %% wrong: accumulation is no micro-batch -> at least 1,024 are asked for
ways = [
    dict(method="fsdp", adapter="qlora", seq_len=128, accumulation=8, checkpointing="full", offload="cpu"),
    dict(method="fsdp", adapter="lora", seq_len=1024, offload="cpu", checkpointing="full"),
]

# %% wrong: too much on the host -> GiB on the host; 128 are allowed
ways = [
    dict(method="zero3", seq_len=1024, checkpointing="full", offload="cpu"),
    dict(method="fsdp", adapter="lora", seq_len=1024, offload="cpu", checkpointing="full"),
]

# %% wrong: too much on the host, plain SGD -> GiB on the host; 128 are allowed
ways = [
    dict(method="fsdp", adapter="lora", seq_len=1024, offload="cpu", checkpointing="full"),
    dict(method="zero3", seq_len=1024, checkpointing="full", offload="cpu", optimizer="sgd"),
]

# %% wrong: drives without ZeRO-3 -> is DeepSpeed's stage 3
ways = [
    dict(method="fsdp", seq_len=1024, checkpointing="full", offload="nvme"),
    dict(method="fsdp", adapter="lora", seq_len=1024, offload="cpu", checkpointing="full"),
]

# %% wrong: offload of copies -> needs a method that shards
ways = [
    dict(method="ddp", adapter="qlora", seq_len=1024, checkpointing="full", offload="cpu"),
    dict(method="fsdp", adapter="lora", seq_len=1024, offload="cpu", checkpointing="full"),
]

# %% wrong: an unknown method -> is not one of
ways = [
    dict(method="deepspeed", adapter="qlora", seq_len=1024, checkpointing="full", offload="cpu"),
    dict(method="fsdp", adapter="lora", seq_len=1024, offload="cpu", checkpointing="full"),
]

# %% wrong: a capital -> is not one of
ways = [
    dict(method="FSDP", adapter="QLoRA", seq_len=1024, checkpointing="full", offload="cpu"),
    dict(method="fsdp", adapter="lora", seq_len=1024, offload="cpu", checkpointing="full"),
]

# %% wrong: an unknown option -> cannot be chosen here
ways = [
    dict(method="fsdp", lora="q", seq_len=1024, checkpointing="full", offload="cpu"),
    dict(method="fsdp", adapter="lora", seq_len=1024, offload="cpu", checkpointing="full"),
]

# %% wrong: the model among the options -> cannot be chosen here
ways = [
    dict(model="llama-3.1-8b", method="fsdp", adapter="qlora", seq_len=1024, checkpointing="full", offload="cpu"),
    dict(method="fsdp", adapter="lora", seq_len=1024, offload="cpu", checkpointing="full"),
]

# %% wrong: a machine among the options -> cannot be chosen here
ways = [
    dict(machine_or_name="8x H100-SXM-80GB", method="fsdp", adapter="qlora", seq_len=1024, checkpointing="full"),
    dict(method="fsdp", adapter="lora", seq_len=1024, offload="cpu", checkpointing="full"),
]

# %% wrong: world_size smuggled -> cannot be chosen here
ways = [
    dict(world_size=64, method="fsdp", adapter="qlora", seq_len=1024, checkpointing="full"),
    dict(method="fsdp", adapter="lora", seq_len=1024, offload="cpu", checkpointing="full"),
]

# %% wrong: the plans -> a dictionary with options of plan_training
from mgpu_lab import plan_training

way = dict(method="fsdp", adapter="qlora", seq_len=1024, checkpointing="full", offload="cpu")
ways = [plan_training("llama-3.1-70b", "2x RTX-4090", **each) for each in (way, way | {"adapter": "lora"})]

# %% wrong: a length as text -> must be a whole number, 1 or more
ways = [
    dict(method="fsdp", adapter="qlora", seq_len="1024", checkpointing="full", offload="cpu"),
    dict(method="fsdp", adapter="lora", seq_len=1024, offload="cpu", checkpointing="full"),
]

# %% wrong: a length of nothing -> must be a whole number, 1 or more
ways = [
    dict(method="fsdp", adapter="qlora", seq_len=0, checkpointing="full", offload="cpu"),
    dict(method="fsdp", adapter="lora", seq_len=1024, offload="cpu", checkpointing="full"),
]

# %% wrong: not a number -> must be a whole number, 1 or more
ways = [
    dict(method="fsdp", adapter="qlora", seq_len=float("nan"), checkpointing="full", offload="cpu"),
    dict(method="fsdp", adapter="lora", seq_len=1024, offload="cpu", checkpointing="full"),
]

# %% wrong: a huge length -> No step is that large
ways = [
    dict(method="fsdp", adapter="qlora", seq_len=10**400, checkpointing="full", offload="cpu"),
    dict(method="fsdp", adapter="lora", seq_len=1024, offload="cpu", checkpointing="full"),
]

# %% wrong: pairs, not dictionaries -> a dictionary with options of plan_training
ways = [
    [("method", "fsdp"), ("adapter", "qlora"), ("seq_len", 1024), ("checkpointing", "full"), ("offload", "cpu")],
    [("method", "fsdp"), ("adapter", "lora"), ("seq_len", 1024), ("checkpointing", "full"), ("offload", "cpu")],
]

# %% wrong: keys that are no names -> cannot be chosen here
ways = [{1: "fsdp"}, dict(method="fsdp", adapter="lora", seq_len=1024, offload="cpu", checkpointing="full")]

# %% wrong: placeholders inside -> is still open
ways = [
    dict(method="fsdp", adapter=..., seq_len=1024, checkpointing="full", offload="cpu"),
    dict(method="fsdp", adapter="lora", seq_len=1024, offload="cpu", checkpointing="full"),
]

# %% wrong: an option in a list -> a whole number of Python is asked for
ways = [
    dict(method=["fsdp"], adapter="qlora", seq_len=1024, checkpointing="full", offload="cpu"),
    dict(method="fsdp", adapter="lora", seq_len=1024, offload="cpu", checkpointing="full"),
]

# %% wrong: a true checkpointing -> is not one of
ways = [
    dict(method="fsdp", adapter="qlora", seq_len=1024, checkpointing=True, offload="cpu"),
    dict(method="fsdp", adapter="lora", seq_len=1024, offload="cpu", checkpointing="full"),
]

# %% wrong: cards that are not there -> does not divide 2 GPUs
ways = [
    dict(method="fsdp", adapter="qlora", seq_len=1024, checkpointing="full", tensor_parallel=4, offload="cpu"),
    dict(method="fsdp", adapter="lora", seq_len=1024, offload="cpu", checkpointing="full"),
]

# %% wrong: a pipeline of whole weights -> GiB of 23.64 at the peak
ways = [
    dict(method="ddp", pipeline_parallel=2, seq_len=1024, checkpointing="full"),
    dict(method="fsdp", adapter="lora", seq_len=1024, offload="cpu", checkpointing="full"),
]

# %% wrong: tensor parallel LoRA -> GiB of 23.64 at the peak
ways = [
    dict(method="ddp", adapter="lora", tensor_parallel=2, seq_len=1024, checkpointing="full"),
    dict(method="fsdp", adapter="lora", seq_len=1024, offload="cpu", checkpointing="full"),
]


# %% wrong: a function -> Answer with a list of two dictionaries
def ways():
    return [
        dict(method="fsdp", adapter="qlora", seq_len=1024, checkpointing="full", offload="cpu"),
        dict(method="fsdp", adapter="lora", seq_len=1024, offload="cpu", checkpointing="full"),
    ]


# %% wrong: a set of names -> Answer with a list of two dictionaries
ways = {"fsdp", "zero3"}

# %% wrong: huge micro-batch -> GiB of 23.64 at the peak
ways = [
    dict(method="fsdp", adapter="qlora", seq_len=16, micro_batch=4096, checkpointing="full", offload="cpu"),
    dict(method="fsdp", adapter="lora", seq_len=1024, offload="cpu", checkpointing="full"),
]

# %% wrong: dtype fp8 -> is not one of
ways = [
    dict(method="fsdp", dtype="fp8", seq_len=1024, checkpointing="full", offload="cpu"),
    dict(method="fsdp", adapter="lora", seq_len=1024, offload="cpu", checkpointing="full"),
]

# %% right: a merge of dictionaries
base = dict(seq_len=1024, checkpointing="full")
ways = [
    {**base, "offload": "cpu", "adapter": "lora", "method": "zero3"},
    {**base, "offload": "nvme", "adapter": None, "method": "zero3"},
]

# %% right: from text
import json

ways = json.loads(
    '[{"method": "fsdp", "adapter": "lora", "offload": "cpu", "seq_len": 1024, "checkpointing": "full"}, {"method": "zero3", "adapter": "lora", "offload": "nvme", "seq_len": 1024, "checkpointing": "full"}]'
)

# %% right: long but few sequences
ways = [
    dict(method="fsdp", adapter="qlora", seq_len=3000, checkpointing="full", offload="cpu"),
    dict(method="fsdp", adapter="lora", seq_len=1024, checkpointing="full", offload="cpu"),
]

# %% right: many short sequences
ways = [
    dict(method="fsdp", adapter="qlora", seq_len=1, micro_batch=1024, checkpointing="full", offload="cpu"),
    dict(method="fsdp", adapter="lora", seq_len=1024, checkpointing="full", offload="cpu"),
]

# %% right: a counter among them
from collections import ChainMap

common = dict(seq_len=1024, checkpointing="full", offload="cpu", method="fsdp")
ways = [dict(ChainMap(dict(adapter=a), common)) for a in ("lora", "qlora")]

# %% right: a chain map itself
from collections import ChainMap

common = dict(seq_len=1024, checkpointing="full", offload="cpu", method="fsdp")
ways = [ChainMap(dict(adapter=a), common) for a in ("lora", "qlora")]

# %% right: sorted by a key
ways = sorted(
    [
        dict(method="fsdp", adapter="qlora", seq_len=1024, checkpointing="full", offload="cpu"),
        dict(method="fsdp", adapter="lora", seq_len=1024, checkpointing="full", offload="cpu"),
    ],
    key=lambda way: way["adapter"],
)

# %% right: a named tuple of two
from typing import NamedTuple


class Two(NamedTuple):
    first: dict
    second: dict


ways = Two(
    dict(method="fsdp", adapter="qlora", seq_len=1024, checkpointing="full", offload="cpu"),
    dict(method="fsdp", adapter="lora", seq_len=1024, checkpointing="full", offload="cpu"),
)

# %% right: a copy that is changed
from copy import deepcopy

first = dict(method="fsdp", adapter="qlora", seq_len=1024, checkpointing="full", offload="cpu")
second = deepcopy(first)
second["method"] = "zero3"
second["adapter"] = "lora"
ways = [first, second]

# %% right: numbers from powers
ways = [
    dict(method="zero3", adapter="lora", seq_len=2**10, micro_batch=2**0, offload="cpu", checkpointing="full"),
    dict(method="zero3", seq_len=1 << 10, offload="nvme", checkpointing="full"),
]


# %% right: text subclasses
class Name(str):
    pass


ways = [
    dict(method=Name("fsdp"), adapter=Name(a), seq_len=1024, offload=Name("cpu"), checkpointing="full")
    for a in ("lora", "qlora")
]

# %% right: an SGD and a rank
ways = [
    dict(
        method="zero3",
        adapter="lora",
        lora_rank=64,
        optimizer="sgd",
        seq_len=1024,
        checkpointing="full",
        offload="nvme",
    ),
    dict(method="fsdp", adapter="lora", seq_len=1024, checkpointing="full", offload="cpu"),
]

# %% wrong: a settings dictionary of DeepSpeed -> cannot be chosen here
ways = [
    dict(
        method="zero3",
        adapter="lora",
        seq_len=1024,
        checkpointing="full",
        offload="cpu",
        deepspeed={"reduce_bucket_size": 1},
    ),
    dict(method="fsdp", adapter="lora", seq_len=1024, checkpointing="full", offload="cpu"),
]

# %% wrong: assumptions -> cannot be chosen here
ways = [
    dict(method="fsdp", adapter="qlora", seq_len=1024, checkpointing="full", assumptions={"memory": 0}),
    dict(method="fsdp", adapter="lora", seq_len=1024, checkpointing="full", offload="cpu"),
]

# %% wrong: a numpy length -> a whole number of Python is asked for
import numpy as np

ways = [
    dict(method="fsdp", adapter="qlora", seq_len=np.int64(1024), checkpointing="full", offload="cpu"),
    dict(method="fsdp", adapter="lora", seq_len=1024, checkpointing="full", offload="cpu"),
]

# %% wrong: a tensor as length -> a whole number of Python is asked for
import torch

ways = [
    dict(method="fsdp", adapter="qlora", seq_len=torch.tensor(1024), checkpointing="full", offload="cpu"),
    dict(method="fsdp", adapter="lora", seq_len=1024, checkpointing="full", offload="cpu"),
]

# %% wrong: a fraction -> a whole number of Python is asked for
from fractions import Fraction

ways = [
    dict(method="fsdp", adapter="qlora", seq_len=Fraction(2048, 2), checkpointing="full", offload="cpu"),
    dict(method="fsdp", adapter="lora", seq_len=1024, checkpointing="full", offload="cpu"),
]

# %% wrong: a decimal -> a whole number of Python is asked for
from decimal import Decimal

ways = [
    dict(method="fsdp", adapter="qlora", seq_len=Decimal(1024), checkpointing="full", offload="cpu"),
    dict(method="fsdp", adapter="lora", seq_len=1024, checkpointing="full", offload="cpu"),
]

# %% wrong: an array of methods -> a whole number of Python is asked for
import numpy as np

ways = [
    dict(method=np.array(["fsdp", "zero3"]), adapter="qlora", seq_len=1024, checkpointing="full", offload="cpu"),
    dict(method="fsdp", adapter="lora", seq_len=1024, checkpointing="full", offload="cpu"),
]

# %% wrong: a whole float -> must be a whole number, 1 or more
ways = [
    dict(method="fsdp", adapter="qlora", seq_len=1024.0, checkpointing="full", offload="cpu"),
    dict(method="fsdp", adapter="lora", seq_len=1024, checkpointing="full", offload="cpu"),
]

# %% wrong: a length of None and no checkpointing -> GiB of 23.64 at the peak
ways = [
    dict(method="fsdp", adapter="qlora", seq_len=None, offload="cpu"),
    dict(method="fsdp", adapter="lora", seq_len=1024, checkpointing="full", offload="cpu"),
]

# %% wrong: a micro-batch of None -> must be a whole number, 1 or more
ways = [
    dict(method="fsdp", adapter="qlora", seq_len=1024, micro_batch=None, offload="cpu"),
    dict(method="fsdp", adapter="lora", seq_len=1024, checkpointing="full", offload="cpu"),
]

# %% wrong: the second is bad, the first is open -> GiB of 23.64 at the peak
ways = [..., dict(method="fsdp", adapter="lora", seq_len=1024, checkpointing="full")]

# %% wrong: a number Python does not print -> No step is that large
ways = [
    dict(method="fsdp", adapter="qlora", seq_len=10**5000, checkpointing="full", offload="cpu"),
    dict(method="fsdp", adapter="lora", seq_len=1024, checkpointing="full", offload="cpu"),
]

# %% wrong: minus a huge number -> No step is that large
ways = [
    dict(method="fsdp", adapter="qlora", seq_len=-(10**5000), checkpointing="full", offload="cpu"),
    dict(method="fsdp", adapter="lora", seq_len=1024, checkpointing="full", offload="cpu"),
]

# %% wrong: a million tokens -> GiB of 23.64 at the peak
ways = [
    dict(method="fsdp", adapter="qlora", seq_len=1024 * 1024, checkpointing="full", offload="cpu"),
    dict(method="fsdp", adapter="lora", seq_len=1024, checkpointing="full", offload="cpu"),
]

# %% wrong: a rank of zero -> must be a whole number, 1 or more
ways = [
    dict(method="fsdp", adapter="qlora", lora_rank=0, seq_len=1024, checkpointing="full", offload="cpu"),
    dict(method="fsdp", adapter="lora", seq_len=1024, checkpointing="full", offload="cpu"),
]

# %% wrong: a rank that is true -> must be a whole number, 1 or more
ways = [
    dict(method="fsdp", adapter="qlora", lora_rank=True, seq_len=1024, checkpointing="full", offload="cpu"),
    dict(method="fsdp", adapter="lora", seq_len=1024, checkpointing="full", offload="cpu"),
]

# %% wrong: a key with a dash -> cannot be chosen here
ways = [
    {"method": "fsdp", "adapter": "qlora", "seq-len": 1024, "checkpointing": "full", "offload": "cpu"},
    dict(method="fsdp", adapter="lora", seq_len=1024, checkpointing="full", offload="cpu"),
]

# %% wrong: upper-case key -> cannot be chosen here
ways = [
    dict(Method="fsdp", adapter="qlora", seq_len=1024, checkpointing="full", offload="cpu"),
    dict(method="fsdp", adapter="lora", seq_len=1024, checkpointing="full", offload="cpu"),
]

# %% wrong: an adapter called none -> is not one of
ways = [
    dict(method="zero3", adapter="none", seq_len=1024, checkpointing="full", offload="nvme"),
    dict(method="fsdp", adapter="lora", seq_len=1024, checkpointing="full", offload="cpu"),
]

# %% wrong: an empty adapter -> is not one of
ways = [
    dict(method="zero3", adapter="", seq_len=1024, checkpointing="full", offload="nvme"),
    dict(method="fsdp", adapter="lora", seq_len=1024, checkpointing="full", offload="cpu"),
]

# %% wrong: Lion -> is not one of
ways = [
    dict(method="fsdp", adapter="qlora", optimizer="lion", seq_len=1024, checkpointing="full", offload="cpu"),
    dict(method="fsdp", adapter="lora", seq_len=1024, checkpointing="full", offload="cpu"),
]

# %% wrong: 4 bits as a dtype -> is not one of
ways = [
    dict(method="fsdp", dtype="nf4", seq_len=1024, checkpointing="full", offload="cpu"),
    dict(method="fsdp", adapter="lora", seq_len=1024, checkpointing="full", offload="cpu"),
]

# %% wrong: ZeRO-1 with all weights -> GiB of 23.64 at the peak
ways = [
    dict(method="zero1", seq_len=1024, checkpointing="full", offload="cpu"),
    dict(method="fsdp", adapter="lora", seq_len=1024, checkpointing="full", offload="cpu"),
]

# %% wrong: ZeRO-2 with LoRA -> GiB of 23.64 at the peak
ways = [
    dict(method="zero2", adapter="lora", seq_len=1024, checkpointing="full", offload="cpu"),
    dict(method="fsdp", adapter="lora", seq_len=1024, checkpointing="full", offload="cpu"),
]

# %% wrong: 8-bit Adam alone -> GiB of 23.64 at the peak
ways = [
    dict(method="fsdp", optimizer="adamw8bit", seq_len=1024, checkpointing="full"),
    dict(method="fsdp", adapter="lora", seq_len=1024, checkpointing="full", offload="cpu"),
]

# %% wrong: nested lists -> a dictionary with options of plan_training
ways = [
    [dict(method="fsdp", adapter="qlora", seq_len=1024, checkpointing="full", offload="cpu")],
    [dict(method="fsdp", adapter="lora", seq_len=1024, checkpointing="full", offload="cpu")],
]

# %% wrong: a string of dictionaries -> Answer with a list of two dictionaries
ways = '[dict(method="fsdp", adapter="qlora", seq_len=1024, checkpointing="full", offload="cpu"), dict(method="fsdp", adapter="lora", seq_len=1024, checkpointing="full", offload="cpu")]'

# %% wrong: a dictionary of two ways -> Answer with a list of two dictionaries
ways = {
    "a": dict(method="fsdp", adapter="qlora", seq_len=1024, checkpointing="full", offload="cpu"),
    "b": dict(method="fsdp", adapter="lora", seq_len=1024, checkpointing="full", offload="cpu"),
}

# %% wrong: a generator -> Answer with a list of two dictionaries
ways = (
    way
    for way in (
        dict(method="fsdp", adapter="qlora", seq_len=1024, checkpointing="full", offload="cpu"),
        dict(method="fsdp", adapter="lora", seq_len=1024, checkpointing="full", offload="cpu"),
    )
)

# %% wrong: a lambda -> Answer with a list of two dictionaries
ways = lambda: [
    dict(method="fsdp", adapter="qlora", seq_len=1024, checkpointing="full", offload="cpu"),
    dict(method="fsdp", adapter="lora", seq_len=1024, checkpointing="full", offload="cpu"),
]

# %% wrong: a set of frozen pairs -> Answer with a list of two dictionaries
ways = {frozenset(dict(method="fsdp", adapter="qlora", seq_len=1024, checkpointing="full", offload="cpu").items())}

# %% wrong: accumulation is the only difference -> they are one way with other numbers
ways = [
    dict(method="fsdp", adapter="qlora", seq_len=1024, checkpointing="full", offload="cpu"),
    dict(method="fsdp", adapter="qlora", seq_len=1024, checkpointing="full", offload="cpu") | {"accumulation": 4},
]

# %% wrong: dtype is the only difference -> they are one way with other numbers
ways = [
    dict(method="fsdp", adapter="qlora", seq_len=1024, checkpointing="full", offload="cpu"),
    dict(method="fsdp", adapter="qlora", seq_len=1024, checkpointing="full", offload="cpu") | {"dtype": "fp16"},
]

# %% wrong: a way that is true -> a dictionary with options of plan_training
ways = [True, dict(method="fsdp", adapter="qlora", seq_len=1024, checkpointing="full", offload="cpu")]

# %% wrong: a third that is open -> What is there fits. Two ways are asked for
ways = [
    dict(method="fsdp", adapter="qlora", seq_len=1024, checkpointing="full", offload="cpu"),
    dict(method="fsdp", adapter="lora", seq_len=1024, checkpointing="full", offload="cpu"),
    ...,
]

# %% wrong: bytes as a method -> a whole number of Python is asked for
ways = [
    dict(method=b"fsdp", adapter="qlora", seq_len=1024, checkpointing="full", offload="cpu"),
    dict(method="fsdp", adapter="lora", seq_len=1024, checkpointing="full", offload="cpu"),
]

# %% wrong: a complex batch -> a whole number of Python is asked for
ways = [
    dict(method="fsdp", adapter="qlora", micro_batch=1j, seq_len=1024, checkpointing="full", offload="cpu"),
    dict(method="fsdp", adapter="lora", seq_len=1024, checkpointing="full", offload="cpu"),
]
