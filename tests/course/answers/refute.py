# %% right: sharded all, and adapters
claim = {
    "refutes": dict(method="fsdp", seq_len=1024, checkpointing="full"),
    "holds": dict(method="ddp", adapter="lora", seq_len=2048, checkpointing="full"),
}

# %% right: QLoRA holds
claim = {
    "refutes": dict(method="fsdp", adapter="lora", seq_len=512, checkpointing="full"),
    "holds": dict(method="ddp", adapter="qlora", seq_len=4096, checkpointing="full"),
}

# %% right: only the length differs
job = dict(method="zero3", adapter="lora", checkpointing="full")
claim = {
    "refutes": job | dict(seq_len=256),
    "holds": dict(method="zero1", adapter="lora", checkpointing="full", seq_len=8192),
}

# %% right: accumulation
claim = {
    "refutes": dict(method="fsdp", adapter="qlora", seq_len=512),
    "holds": dict(method="ddp", adapter="lora", seq_len=1024, accumulation=16),
}

# %% right: defaults of the length
claim = dict(refutes=dict(method="fsdp", seq_len=512), holds=dict(method="ddp", adapter="lora", checkpointing="full"))

# %% right: the method left out
claim = dict(refutes=dict(seq_len=512), holds=dict(method="ddp", adapter="qlora", checkpointing="full"))

# %% right: ZeRO-1 adapters
claim = {
    "refutes": dict(method="zero3", adapter="lora", seq_len=512, checkpointing="full"),
    "holds": dict(method="zero1", adapter="lora", seq_len=4096, accumulation=4, checkpointing="full"),
}

# %% right: ZeRO-2 that gathers nothing
claim = {
    "refutes": dict(method="zero3", adapter="lora", seq_len=256),
    "holds": dict(method="zero2", adapter="lora", seq_len=4096, checkpointing="full"),
}

# %% right: an ordered one
from collections import OrderedDict

claim = OrderedDict(holds=OrderedDict(method="ddp", adapter="lora", seq_len=2048), refutes=OrderedDict(seq_len=512))

# %% right: a view
from types import MappingProxyType as View

claim = View(
    {
        "refutes": View(dict(method="fsdp", seq_len=1024)),
        "holds": View(dict(method="ddp", adapter="lora", seq_len=2048)),
    }
)

# %% right: searched
from mgpu_lab import plan_training


def efficiency(**options):
    eight, one = (plan_training("llama-3.2-1b", f"{n}x RTX-4090", **options) for n in (8, 1))
    return eight.tokens_per_s / one.tokens_per_s if eight.fits and one.fits else None


found = {}
for method in ("fsdp", "ddp"):
    for adapter in (None, "lora"):
        for seq_len in (512, 2048):
            options = dict(method=method, adapter=adapter, seq_len=seq_len, checkpointing="full")
            share = efficiency(**options)
            if share is not None and share <= 0.45:
                found.setdefault("refutes", options)
            if share is not None and share >= 0.97:
                found.setdefault("holds", options)
claim = found

# %% right: large micro-batches
claim = {
    "refutes": dict(method="fsdp", adapter="lora", seq_len=64, micro_batch=4),
    "holds": dict(method="ddp", adapter="lora", seq_len=512, micro_batch=8, checkpointing="full"),
}

# %% right: parallel sizes of one
claim = {
    "refutes": dict(method="fsdp", seq_len=512, tensor_parallel=1, pipeline_parallel=1),
    "holds": dict(method="ddp", adapter="lora", seq_len=2048, tensor_parallel=1, pipeline_parallel=1),
}

# %% right: no offload written out
claim = {
    "refutes": dict(method="fsdp", seq_len=512, offload="none", adapter=None),
    "holds": dict(method="ddp", seq_len=2048, offload="none", adapter="lora"),
}

# %% right: SGD
claim = {
    "refutes": dict(method="fsdp", optimizer="sgd", seq_len=512, checkpointing="full"),
    "holds": dict(method="ddp", optimizer="sgd", adapter="lora", seq_len=4096, checkpointing="full"),
}

# %% right: without masters
claim = {
    "refutes": dict(method="fsdp", master=None, seq_len=512, checkpointing="full"),
    "holds": dict(method="ddp", adapter="lora", seq_len=4096, checkpointing="full"),
}

# %% right: fp16
claim = {
    "refutes": dict(method="fsdp", adapter="lora", dtype="fp16", seq_len=512, checkpointing="full"),
    "holds": dict(method="ddp", adapter="lora", dtype="fp16", seq_len=4096, checkpointing="full"),
}

# %% right: filled in
claim = {"refutes": {}, "holds": {}}
claim["refutes"]["seq_len"] = 512
claim["refutes"]["method"] = "fsdp"
claim["holds"].update(method="ddp", adapter="lora", seq_len=2048)

# %% right: selective checkpointing
claim = {
    "refutes": dict(method="fsdp", seq_len=512, checkpointing="selective"),
    "holds": dict(method="ddp", adapter="qlora", seq_len=4096, checkpointing="selective"),
}

# %% right: the same options but one
job = dict(adapter="lora", seq_len=512, checkpointing="full", accumulation=16)
claim = {"refutes": dict(job, method="fsdp"), "holds": dict(job, method="ddp")}

# %% right: small ranks
claim = {
    "refutes": dict(method="fsdp", adapter="lora", lora_rank=4, seq_len=256),
    "holds": dict(method="ddp", adapter="lora", lora_rank=4, seq_len=2048),
}

# %% right: one token
claim = {
    "refutes": dict(method="fsdp", adapter="lora", seq_len=1),
    "holds": dict(method="ddp", adapter="lora", seq_len=2048),
}

# %% right: zipped
claim = dict(
    zip(("refutes", "holds"), (dict(seq_len=512), dict(method="ddp", adapter="lora", seq_len=2048)), strict=True)
)

# %% right: a default dictionary
from collections import defaultdict

claim = defaultdict(dict)
claim["refutes"] |= dict(method="zero3", adapter="lora", seq_len=512)
claim["holds"] |= dict(method="zero1", adapter="lora", seq_len=4096, accumulation=8, checkpointing="full")

# %% right: all of the weights by SGD without masters, and many accumulations
claim = {
    "refutes": dict(method="zero3", adapter="lora", seq_len=128, checkpointing="full"),
    "holds": dict(method="ddp", adapter="qlora", seq_len=2048, accumulation=64, checkpointing="full"),
}

# %% wrong: untouched -> Not attempted yet
claim = {"refutes": ..., "holds": ...}

# %% wrong: half of it -> Still open: holds
claim = {"refutes": dict(method="fsdp", seq_len=512), "holds": ...}

# %% wrong: the other half -> Still open: refutes
claim = {"refutes": None, "holds": dict(method="ddp", adapter="lora", seq_len=2048)}

# %% wrong: a key left out -> Still open: holds
claim = {"refutes": dict(method="fsdp", seq_len=512)}

# %% wrong: nothing -> Not attempted yet
claim = {}

# %% wrong: exchanged -> The two are exchanged
claim = {"holds": dict(method="fsdp", seq_len=1024), "refutes": dict(method="ddp", adapter="lora", seq_len=2048)}

# %% wrong: other keys -> Answer with a dictionary that has
claim = {"refute": dict(method="fsdp", seq_len=1024), "hold": dict(method="ddp", adapter="lora", seq_len=2048)}

# %% wrong: a list -> Answer with a dictionary that has
claim = [dict(method="fsdp", seq_len=1024), dict(method="ddp", adapter="lora", seq_len=2048)]

# %% wrong: texts -> a dictionary with options of plan_training
claim = {"refutes": "fsdp", "holds": "ddp with lora"}

# %% wrong: plans -> a dictionary with options of plan_training
from mgpu_lab import plan_training

claim = {
    "refutes": plan_training("llama-3.2-1b", "8x RTX-4090", method="fsdp", seq_len=512),
    "holds": plan_training("llama-3.2-1b", "8x RTX-4090", method="ddp", adapter="lora", seq_len=2048),
}

# %% wrong: empty options -> refutes, 1 card: does not fit
claim = {"refutes": {}, "holds": {}}

# %% wrong: full DDP with accumulation does not fit -> holds, 1 card: does not fit
claim = {
    "refutes": dict(method="fsdp", seq_len=512),
    "holds": dict(method="ddp", seq_len=4096, accumulation=64, checkpointing="full"),
}

# %% wrong: fits eight only -> refutes, 1 card: does not fit
claim = {"refutes": dict(method="fsdp", seq_len=4096), "holds": dict(method="ddp", adapter="lora", seq_len=2048)}

# %% wrong: activations do not fit -> holds, 1 card: does not fit
claim = {
    "refutes": dict(method="fsdp", seq_len=512),
    "holds": dict(method="ddp", adapter="lora", seq_len=65536, checkpointing="full"),
}

# %% wrong: the length of the default, nothing checkpointed -> holds, 1 card: does not fit
claim = {"refutes": dict(method="fsdp", seq_len=512), "holds": dict(method="ddp", adapter="lora", micro_batch=4)}

# %% wrong: not slow enough -> at most 50% is asked for
claim = {
    "refutes": dict(method="fsdp", adapter="lora", seq_len=4096, checkpointing="full"),
    "holds": dict(method="ddp", adapter="lora", seq_len=2048),
}

# %% wrong: not fast enough -> 95% or more is asked for
claim = {
    "refutes": dict(method="fsdp", seq_len=512),
    "holds": dict(method="fsdp", adapter="lora", seq_len=4096, checkpointing="full"),
}

# %% wrong: both hold -> at most 50% is asked for
job = dict(method="ddp", adapter="lora", seq_len=2048)
claim = {"refutes": job, "holds": job}

# %% wrong: both refute -> 95% or more is asked for
job = dict(method="fsdp", seq_len=512)
claim = {"refutes": job, "holds": job}

# %% wrong: tensor parallel refutes -> stays 1: a card keeps a whole copy or a shard
claim = {
    "refutes": dict(method="ddp", tensor_parallel=8, adapter="lora", seq_len=512),
    "holds": dict(method="ddp", adapter="lora", seq_len=2048),
}

# %% wrong: a pipeline refutes -> stays 1: a card keeps a whole copy or a shard
claim = {
    "refutes": dict(method="ddp", pipeline_parallel=8, seq_len=512),
    "holds": dict(method="ddp", adapter="lora", seq_len=2048),
}

# %% wrong: an unknown option -> cannot be chosen here
claim = {"refutes": dict(method="fsdp", batch=1), "holds": dict(method="ddp", adapter="lora", seq_len=2048)}

# %% wrong: an unknown method -> is not one of
claim = {"refutes": dict(method="FSDP", seq_len=512), "holds": dict(method="ddp", adapter="lora", seq_len=2048)}

# %% wrong: an unknown adapter -> is not one of
claim = {"refutes": dict(method="fsdp", seq_len=512), "holds": dict(method="ddp", adapter="LoRA", seq_len=2048)}

# %% wrong: a length of text -> must be a whole number, 1 or more
claim = {"refutes": dict(method="fsdp", seq_len="512"), "holds": dict(method="ddp", adapter="lora", seq_len=2048)}

# %% wrong: a length of zero -> must be a whole number, 1 or more
claim = {"refutes": dict(method="fsdp", seq_len=0), "holds": dict(method="ddp", adapter="lora", seq_len=2048)}

# %% wrong: a negative length -> must be a whole number, 1 or more
claim = {"refutes": dict(method="fsdp", seq_len=-512), "holds": dict(method="ddp", adapter="lora", seq_len=2048)}

# %% wrong: not a number -> must be a whole number, 1 or more
claim = {
    "refutes": dict(method="fsdp", seq_len=float("nan")),
    "holds": dict(method="ddp", adapter="lora", seq_len=2048),
}

# %% wrong: a slow link assumed -> cannot be chosen here
claim = {
    "refutes": dict(method="ddp", adapter="lora", seq_len=2048, assumptions={"mfu": 0.01}),
    "holds": dict(method="ddp", adapter="lora", seq_len=2048),
}

# %% wrong: a low MFU makes everything scale -> cannot be chosen here
claim = {
    "refutes": dict(method="fsdp", seq_len=512),
    "holds": dict(method="fsdp", seq_len=512, assumptions={"mfu": 0.001}),
}

# %% wrong: other cards -> cannot be chosen here
claim = {
    "refutes": dict(method="fsdp", seq_len=512),
    "holds": dict(machine_or_name="8x H100-SXM-80GB", method="fsdp", seq_len=4096),
}

# %% wrong: another model -> cannot be chosen here
claim = {
    "refutes": dict(model="llama-3.1-8b", method="fsdp", seq_len=512),
    "holds": dict(method="ddp", adapter="lora", seq_len=2048),
}

# %% wrong: a text of options -> Answer with a dictionary that has
claim = "refutes: fsdp, holds: ddp"

# %% wrong: a number -> Answer with a dictionary that has
claim = 0.95


# %% wrong: a function -> Answer with a dictionary that has
def claim():
    return {"refutes": dict(seq_len=512), "holds": dict(method="ddp", adapter="lora", seq_len=2048)}


# %% wrong: lists of options -> a dictionary with options of plan_training
claim = {"refutes": [dict(seq_len=512)], "holds": [dict(method="ddp", adapter="lora", seq_len=2048)]}

# %% wrong: pairs -> a dictionary with options of plan_training
claim = {"refutes": [("seq_len", 512)], "holds": [("method", "ddp"), ("adapter", "lora"), ("seq_len", 2048)]}

# %% wrong: placeholders inside -> is still open
claim = {"refutes": dict(method="fsdp", seq_len=...), "holds": dict(method="ddp", adapter="lora", seq_len=2048)}

# %% wrong: numbers as keys -> cannot be chosen here
claim = {"refutes": {0: "fsdp"}, "holds": dict(method="ddp", adapter="lora", seq_len=2048)}

# %% wrong: a third -> Answer with a dictionary that has
claim = {
    "refutes": dict(seq_len=512),
    "holds": dict(method="ddp", adapter="lora", seq_len=2048),
    "maybe": dict(method="zero1", seq_len=2048),
}

# %% wrong: offload of copies -> needs a method that shards
claim = {
    "refutes": dict(seq_len=512),
    "holds": dict(method="ddp", adapter="lora", seq_len=2048, offload="cpu"),
}

# %% wrong: a world smuggled -> cannot be chosen here
claim = {"refutes": dict(seq_len=512), "holds": dict(method="ddp", adapter="lora", seq_len=2048, world_size=1)}

# %% wrong: a half batch -> must be a whole number, 1 or more
claim = {"refutes": dict(seq_len=512, micro_batch=0.5), "holds": dict(method="ddp", adapter="lora", seq_len=2048)}

# %% wrong: a list as method -> a whole number of Python is asked for
claim = {"refutes": dict(seq_len=512, method=["fsdp"]), "holds": dict(method="ddp", adapter="lora", seq_len=2048)}

# %% wrong: full fine-tuning with ZeRO-1 -> refutes, 1 card: does not fit
claim = {
    "refutes": dict(method="zero1", seq_len=512, checkpointing="full"),
    "holds": dict(method="ddp", adapter="lora", seq_len=2048),
}

# %% right: plain
claim = {
    "refutes": dict(method="fsdp", adapter="lora", seq_len=512),
    "holds": dict(method="ddp", adapter="lora", seq_len=2048, checkpointing="full"),
}

# %% right: from text
import json

claim = json.loads(
    '{"refutes": {"method": "zero3", "adapter": "lora", "seq_len": 256}, "holds": {"method": "ddp", "adapter": "qlora", "seq_len": 4096, "checkpointing": "full"}}'
)

# %% right: a chain map
from collections import ChainMap

claim = dict(
    refutes=ChainMap(dict(method="fsdp"), dict(adapter="lora", seq_len=512)),
    holds=ChainMap(dict(method="ddp"), dict(adapter="lora", seq_len=2048)),
)

# %% right: only the method differs
job = dict(adapter="lora", seq_len=512, accumulation=32)
claim = {"refutes": {"method": "zero3"} | job, "holds": {"method": "ddp"} | job}

# %% right: only the length differs, far
claim = {
    "refutes": dict(method="zero3", adapter="lora", seq_len=64, checkpointing="full"),
    "holds": dict(method="zero2", adapter="lora", seq_len=8192, checkpointing="full"),
}

# %% right: a batch instead of a length
claim = {
    "refutes": dict(method="fsdp", adapter="qlora", seq_len=128, micro_batch=1),
    "holds": dict(method="ddp", adapter="qlora", seq_len=128, micro_batch=32),
}

# %% right: a large accumulation
claim = {
    "refutes": dict(method="fsdp", adapter="lora", seq_len=512),
    "holds": dict(method="ddp", adapter="lora", seq_len=256, accumulation=1000),
}

# %% right: views of parallel ones
claim = {
    "refutes": dict(method="fsdp", adapter="lora", seq_len=512, tensor_parallel=1),
    "holds": dict(method="ddp", adapter="lora", seq_len=2048, checkpointing="full"),
}

# %% right: 8-bit Adam
claim = {
    "refutes": dict(method="fsdp", optimizer="adamw8bit", adapter="lora", seq_len=512),
    "holds": dict(method="ddp", optimizer="adamw8bit", adapter="lora", seq_len=2048),
}

# %% right: on the host
claim = {
    "refutes": dict(method="fsdp", adapter="lora", offload="cpu", seq_len=512),
    "holds": dict(method="zero1", adapter="lora", offload="cpu", seq_len=4096, checkpointing="full", accumulation=8),
}

# %% right: from a class
from dataclasses import asdict, dataclass


@dataclass
class Job:
    method: str
    seq_len: int
    adapter: str = "lora"
    checkpointing: str = "full"


claim = {"refutes": asdict(Job("fsdp", 256)), "holds": asdict(Job("ddp", 4096))}

# %% wrong: DeepSpeed's settings -> cannot be chosen here
claim = {
    "refutes": dict(method="zero3", adapter="lora", seq_len=512, deepspeed={"reduce_bucket_size": 1}),
    "holds": dict(method="ddp", adapter="lora", seq_len=2048, checkpointing="full"),
}

# %% wrong: settings that are none -> cannot be chosen here
claim = {
    "refutes": dict(method="zero3", adapter="lora", seq_len=512, deepspeed=5),
    "holds": dict(method="ddp", adapter="lora", seq_len=2048, checkpointing="full"),
}

# %% wrong: tensor parallel of true -> must be a whole number, 1 or more
claim = {
    "refutes": dict(method="fsdp", adapter="lora", seq_len=512, tensor_parallel=True),
    "holds": dict(method="ddp", adapter="lora", seq_len=2048, checkpointing="full"),
}

# %% wrong: tensor parallel of zero -> stays 1: a card keeps a whole copy or a shard
claim = {
    "refutes": dict(method="fsdp", adapter="lora", seq_len=512, tensor_parallel=0),
    "holds": dict(method="ddp", adapter="lora", seq_len=2048, checkpointing="full"),
}

# %% wrong: tensor parallel open -> is still open
claim = {
    "refutes": dict(method="fsdp", adapter="lora", seq_len=512, tensor_parallel=...),
    "holds": dict(method="ddp", adapter="lora", seq_len=2048, checkpointing="full"),
}

# %% wrong: a pipeline of two -> stays 1: a card keeps a whole copy or a shard
claim = {
    "refutes": dict(method="fsdp", adapter="lora", seq_len=512, pipeline_parallel=2),
    "holds": dict(method="ddp", adapter="lora", seq_len=2048, checkpointing="full"),
}

# %% wrong: a numpy length -> a whole number of Python is asked for
import numpy as np

claim = {
    "refutes": dict(method="fsdp", adapter="lora", seq_len=np.int32(512)),
    "holds": dict(method="ddp", adapter="lora", seq_len=2048, checkpointing="full"),
}

# %% wrong: a tensor -> a whole number of Python is asked for
import torch

claim = {
    "refutes": dict(method="fsdp", adapter="lora", seq_len=torch.tensor([512, 2])),
    "holds": dict(method="ddp", adapter="lora", seq_len=2048, checkpointing="full"),
}

# %% wrong: a tensor for tensor parallel -> a whole number of Python is asked for
import torch

claim = {
    "refutes": dict(method="fsdp", adapter="lora", seq_len=512, tensor_parallel=torch.tensor([1, 1])),
    "holds": dict(method="ddp", adapter="lora", seq_len=2048, checkpointing="full"),
}

# %% wrong: a fraction -> a whole number of Python is asked for
from fractions import Fraction

claim = {
    "refutes": dict(method="fsdp", adapter="lora", seq_len=Fraction(512)),
    "holds": dict(method="ddp", adapter="lora", seq_len=2048, checkpointing="full"),
}

# %% wrong: an enormous accumulation -> No step is that large
claim = {
    "refutes": dict(method="fsdp", adapter="lora", seq_len=512),
    "holds": dict(method="ddp", adapter="lora", seq_len=256, accumulation=10**400),
}

# %% wrong: an enormous accumulation that Python does not print -> No step is that large
claim = {
    "refutes": dict(method="fsdp", adapter="lora", seq_len=512),
    "holds": dict(method="ddp", adapter="lora", seq_len=256, accumulation=10**5000),
}

# %% wrong: negative accumulation -> must be a whole number, 1 or more
claim = {
    "refutes": dict(method="fsdp", adapter="lora", seq_len=512),
    "holds": dict(method="ddp", adapter="lora", seq_len=256, accumulation=-4),
}

# %% wrong: texts of options -> a dictionary with options of plan_training
claim = {
    "refutes": 'dict(method="fsdp")',
    "holds": dict(method="ddp", adapter="lora", seq_len=2048, checkpointing="full"),
}

# %% wrong: true and false -> a dictionary with options of plan_training
claim = {"refutes": True, "holds": False}

# %% wrong: pairs of plans -> a dictionary with options of plan_training
from mgpu_lab import plan_training

claim = {
    "refutes": [plan_training("llama-3.2-1b", f"{n}x RTX-4090", seq_len=512) for n in (1, 8)],
    "holds": dict(method="ddp", adapter="lora", seq_len=2048, checkpointing="full"),
}

# %% wrong: not slow enough by far -> at most 50% is asked for
claim = {
    "refutes": dict(method="zero1", adapter="lora", seq_len=2048),
    "holds": dict(method="ddp", adapter="lora", seq_len=2048, checkpointing="full"),
}

# %% wrong: not slow enough with FSDP -> at most 50% is asked for
claim = {
    "refutes": dict(method="fsdp", adapter="lora", seq_len=8192, checkpointing="full"),
    "holds": dict(method="ddp", adapter="lora", seq_len=2048, checkpointing="full"),
}

# %% wrong: accumulation does not help FSDP -> 95% or more is asked for
claim = {
    "refutes": dict(method="fsdp", adapter="lora", seq_len=512),
    "holds": dict(method="fsdp", adapter="lora", seq_len=512, accumulation=64),
}

# %% wrong: larger adapters do not help -> 95% or more is asked for
claim = {
    "refutes": dict(method="fsdp", adapter="lora", seq_len=512),
    "holds": dict(method="fsdp", adapter="lora", seq_len=512, lora_rank=64),
}

# %% wrong: no checkpointing, long -> holds, 1 card: does not fit
claim = {
    "refutes": dict(method="fsdp", adapter="lora", seq_len=512),
    "holds": dict(method="ddp", adapter="lora", seq_len=8192),
}

# %% wrong: large batch -> holds, 1 card: does not fit
claim = {
    "refutes": dict(method="fsdp", adapter="lora", seq_len=512),
    "holds": dict(method="ddp", adapter="lora", seq_len=4096, micro_batch=8, checkpointing="full"),
}

# %% wrong: exchanged, once more -> The two are exchanged
claim = {
    "refutes": dict(method="ddp", adapter="lora", seq_len=2048, checkpointing="full"),
    "holds": dict(method="fsdp", adapter="lora", seq_len=512),
}

# %% wrong: a tuple of two -> Answer with a dictionary that has
claim = (
    dict(method="fsdp", adapter="lora", seq_len=512),
    dict(method="ddp", adapter="lora", seq_len=2048, checkpointing="full"),
)

# %% wrong: capital keys -> Answer with a dictionary that has
claim = {
    "Refutes": dict(method="fsdp", adapter="lora", seq_len=512),
    "Holds": dict(method="ddp", adapter="lora", seq_len=2048, checkpointing="full"),
}

# %% wrong: keys with a space -> Answer with a dictionary that has
claim = {
    "refutes ": dict(method="fsdp", adapter="lora", seq_len=512),
    "holds": dict(method="ddp", adapter="lora", seq_len=2048, checkpointing="full"),
}

# %% wrong: both in one -> Answer with a dictionary that has
claim = dict(method="fsdp", adapter="lora", seq_len=512)

# %% wrong: a generator -> Answer with a dictionary that has
claim = (
    each
    for each in (
        dict(method="fsdp", adapter="lora", seq_len=512),
        dict(method="ddp", adapter="lora", seq_len=2048, checkpointing="full"),
    )
)

# %% wrong: a lambda -> Answer with a dictionary that has
claim = lambda: {
    "refutes": dict(method="fsdp", adapter="lora", seq_len=512),
    "holds": dict(method="ddp", adapter="lora", seq_len=2048, checkpointing="full"),
}

# %% wrong: holds is empty -> holds, 1 card: does not fit
claim = {"refutes": dict(method="fsdp", adapter="lora", seq_len=512), "holds": {}}

# %% wrong: machine -> cannot be chosen here
claim = {
    "refutes": dict(machine="8x RTX-4090", seq_len=512),
    "holds": dict(method="ddp", adapter="lora", seq_len=2048, checkpointing="full"),
}

# %% wrong: nvlink -> cannot be chosen here
claim = {
    "refutes": dict(method="fsdp", adapter="lora", seq_len=512),
    "holds": dict(method="fsdp", adapter="lora", seq_len=512, nvlink=True),
}

# %% wrong: usd -> cannot be chosen here
claim = {"refutes": dict(usd=3), "holds": dict(method="ddp", adapter="lora", seq_len=2048, checkpointing="full")}

# %% wrong: nvme without ZeRO-3 -> is DeepSpeed's stage 3
claim = {
    "refutes": dict(method="fsdp", offload="nvme", seq_len=512),
    "holds": dict(method="ddp", adapter="lora", seq_len=2048, checkpointing="full"),
}

# %% wrong: a length of None is the default, and does not fit -> refutes, 1 card: does not fit
claim = {
    "refutes": dict(method="fsdp", seq_len=None),
    "holds": dict(method="ddp", adapter="lora", seq_len=2048, checkpointing="full"),
}

# %% wrong: a dictionary in a dictionary -> cannot be chosen here
claim = {
    "refutes": dict(options=dict(method="fsdp", seq_len=512)),
    "holds": dict(method="ddp", adapter="lora", seq_len=2048, checkpointing="full"),
}

# %% wrong: nothing but half a job -> at most 50% is asked for
claim = {"holds": ..., "refutes": dict(method="ddp", adapter="lora", seq_len=2048, checkpointing="full")}
