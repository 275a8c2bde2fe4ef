"""The check of lesson 02's second exercise: what device 0 holds and sends. Two numbers, no torch."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from mgpu_lab.checks.core import Wrong
from mgpu_lab.checks.mistakes import judge_number

PARAMETERS, DEVICES, SAMPLES, OUTPUTS = 1_000_000, 6, 60, 60 * 1000
FP32 = 4


def device_zero(answer: Any) -> str:
    """``{"on_device_0": ..., "sent_for_replicas": ...}`` in bytes."""
    names = ("on_device_0", "sent_for_replicas")
    if not isinstance(answer, Mapping) or any(answer.get(name) is None or answer[name] is ... for name in names):
        raise Wrong('Answer with a dictionary of both: {"on_device_0": ..., "sent_for_replicas": ...}.')
    copy, outputs = FP32 * PARAMETERS, FP32 * OUTPUTS
    wanted = 4 * copy + outputs
    held = {
        4 * copy: "Nearly. Where are the outputs of all samples when the loss is computed?",
        4 * copy + OUTPUTS: "You counted the outputs as numbers. An fp32 number has four bytes.",
        4 * copy + outputs / SAMPLES: "Those are the outputs of one sample. The batch has more.",
        4 * copy + DEVICES * outputs: "The batch of 60 is cut into shards. No device gets 60 samples of its own.",
        4 * copy + 2 * outputs: "You counted the outputs twice. Their gradient is not asked for.",
        3 * copy + outputs: "One copy is missing. Adam keeps two moments, and there are gradients too.",
        2 * copy + outputs: "Parameters, gradients, and? What does Adam remember about each parameter?",
        copy + outputs: "Only the parameters and outputs. After the backward there is more, and Adam has its state.",
        5 * copy + outputs: "One copy too many. Device 0 needs no replica: it uses the model itself.",
        wanted / DEVICES: "DataParallel divides the batch only. What lasts is not shared out.",
        4 * copy + outputs / DEVICES: "Gather brings the outputs of all samples, not only device 0's own.",
        (4 + DEVICES - 1) * copy + outputs: "The replicas of the others are on the others.",
        4 * PARAMETERS + OUTPUTS: "Those are numbers. An fp32 number has four bytes.",
        wanted / 2: "Those are two bytes per number. An fp32 number has four.",
        2 * wanted: "Those are eight bytes per number. An fp32 number has four.",
        (DEVICES - 1) * copy: "That is what is sent for the replicas. Here what device 0 holds is asked for.",
        **dict.fromkeys((wanted / 1e6, wanted / 2**20, wanted / 1e9, wanted / 2**30), "Answer in bytes."),
    }
    judge = functools.partial(judge_number, relative=0.0, ask="Answer in bytes, as a number")
    judge(answer[names[0]], wanted, held, "on_device_0: parameters, gradients, two moments, outputs.")
    needed = (DEVICES - 1) * copy
    sent = {
        DEVICES * copy: "Device 0 uses the model itself and sends no copy to itself.",
        copy: "Each of the other devices needs a copy of its own.",
        (DEVICES - 1) * PARAMETERS: "Those are numbers. An fp32 number has four bytes.",
        2 * needed: "The gradients come back in the backward. Here only the forward is asked for.",
        needed / DEVICES: "A replica is a whole model, not a share of it.",
        2 * needed / DEVICES: "That is an all-reduce. DataParallel sends whole copies from one device.",
        4 * needed: "A replica has weights. Gradients and Adam's moments stay on device 0.",
        **dict.fromkeys((needed / 1e6, needed / 2**20, needed / 1e9, needed / 2**30), "Answer in bytes."),
    }
    judge(answer[names[1]], needed, sent, "sent_for_replicas: how many copies, how large is one?")
    copies = DEVICES - 1
    return f"16 bytes per parameter and all outputs on one device, and {copies} whole models sent at every forward."
