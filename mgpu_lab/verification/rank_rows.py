"""Says what ranks will run here, over which backend, and how CUDA_VISIBLE_DEVICES numbers their GPUs."""

from collections.abc import Iterator

from mgpu_lab.verification.findings import Finding, unknown
from mgpu_lab.verification.machine import Machine
from mgpu_lab.verification.visible import Visible, read_visible

_START = "%ranks start"
_SETTLE = "Settle the row on {} first."


def rank_findings(machine: Machine) -> Iterator[Finding]:
    yield default_ranks(machine)
    if machine.hardware.gpus:
        yield _visible(machine)
        yield _order(machine)
    if "RANK" in machine.host.environment or "WORLD_SIZE" in machine.host.environment:
        reason = "RANK or WORLD_SIZE is set, as torchrun does; scripts take this for one of several processes"
        remedy = "Start Jupyter from a shell without them: `unset RANK WORLD_SIZE`."
        yield Finding("launcher variables", "set", "warn", reason, remedy)


def default_ranks(machine: Machine) -> Finding:
    """Say what ``%ranks start`` does here."""
    torch = machine.torch
    if torch.problem in {"not_installed", "import_failed"}:
        return Finding(_START, "cannot start ranks", "fail", "torch is missing or broken", _SETTLE.format("torch"))
    if torch.problem:
        return unknown(_START, "torch did not answer", _SETTLE.format("torch"))
    if torch.gloo is False:
        return Finding(_START, "cannot start ranks", "fail", "torch has no gloo", _SETTLE.format("gloo"))
    if len(torch.devices) > 1:
        return Finding(_START, f"{len(torch.devices)} ranks over NCCL, one on each GPU")
    return _cpu_ranks(machine)


def _cpu_ranks(machine: Machine) -> Finding:
    found = "2 ranks on the CPU over gloo"
    if machine.torch.devices:
        reason = (
            "one GPU carries one rank: `%ranks start --device cuda`; "
            "where a lesson needs several ranks, they run on the CPU"
        )
        return Finding(_START, found, reason=reason)
    if machine.hardware.gpus:
        reason = "torch cannot use the GPUs of this machine"
        return Finding(_START, found, "warn", reason, _SETTLE.format("CUDA in torch"))
    reason = "there is no GPU to use, and that is fine: every lesson runs, and says what only a GPU can show"
    return Finding(_START, found, reason=reason)


def _visible(machine: Machine) -> Finding:
    name = "CUDA_VISIBLE_DEVICES"
    value, gpus = machine.host.environment.get(name), machine.hardware.gpus
    if value is None:
        return Finding(name, "not set: every GPU is visible")
    if "MIG-" in value:
        return Finding(name, value, reason="names a MIG slice, which becomes cuda:0")
    visible = read_visible(value, gpus)
    if visible.repeated is not None or visible.stopped_at is not None or not visible.gpus:
        return _mistaken(name, value, visible)
    found = f"{value}: {visible.mapping()}"
    if visible.gpus == tuple(gpu.index for gpu in gpus):
        return Finding(name, found)
    reason = "torch numbers what is visible from 0 on; this report and `nvidia-smi` keep the driver's numbers"
    return Finding(name, found, reason=reason)


def _mistaken(name: str, value: str, visible: Visible) -> Finding:
    left = visible.mapping() or "no GPU is visible"
    if visible.repeated is not None:
        reason = f"{visible.repeated} stands there twice, which hides every GPU"
    elif visible.stopped_at:
        reason = f"{visible.stopped_at} names no GPU, and CUDA ignores it and all that follows"
    else:
        reason = "it is set to nothing, which hides every GPU"
    remedy = f"Correct it or `unset {name}`, and start Jupyter again."
    return Finding(name, f"{value or '(empty)'}: {left}", "warn", reason, remedy)


def _order(machine: Machine) -> Finding:
    name = "CUDA's order of GPUs"
    order = machine.host.environment.get("CUDA_DEVICE_ORDER", "FASTEST_FIRST")
    seen = _seen(machine)
    expected = read_visible(machine.host.environment.get("CUDA_VISIBLE_DEVICES"), machine.hardware.gpus)
    if seen and seen.gpus != expected.gpus:
        reason = "CUDA sorts different GPUs by speed, so its numbers are not those of `nvidia-smi`"
        remedy = "Set CUDA_DEVICE_ORDER=PCI_BUS_ID before Jupyter starts."
        return Finding(name, seen.mapping(), "warn", reason, remedy)
    if seen is None and order != "PCI_BUS_ID" and len({gpu.name for gpu in machine.hardware.gpus}) > 1:
        reason = "the models differ, and CUDA puts the fastest first, which may not be GPU 0"
        return unknown(name, reason, "Set CUDA_DEVICE_ORDER=PCI_BUS_ID before Jupyter starts.")
    reason = "" if seen else "expected, not seen: the GPUs are of one model, or CUDA_DEVICE_ORDER says so"
    return Finding(name, "as in `nvidia-smi`", reason=reason)


def _seen(machine: Machine) -> Visible | None:
    """Find out by UUID which GPU each torch device really is; None where torch or NVML did not tell."""
    numbers = {gpu.uuid.removeprefix("GPU-"): gpu.index for gpu in machine.hardware.gpus if gpu.uuid}
    seen = [numbers.get(device.uuid.removeprefix("GPU-")) for device in machine.torch.devices]
    known = [gpu for gpu in seen if gpu is not None]
    return Visible(tuple(known)) if known and len(known) == len(seen) else None
