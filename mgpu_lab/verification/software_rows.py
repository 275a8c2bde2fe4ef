"""Judges what is installed: Python, torch and its CUDA, NCCL and gloo, the course's packages.

Driver numbers: CUDA compatibility guide, table of minor version compatibility: a CUDA 12.9 program runs on a driver
made for CUDA 12.2, "with limited feature-set", since 12.x asks for driver 525 or newer.
"""

from collections.abc import Iterator

from mgpu_lab.reports import Status
from mgpu_lab.verification.findings import Finding, unknown
from mgpu_lab.verification.host import PURPOSES, Host
from mgpu_lab.verification.machine import Machine
from mgpu_lab.verification.torch_probe import TorchFacts
from mgpu_lab.verification.visible import read_visible

_PYTHON_MIN = (3, 11)
_DRIVER_MIN = {11: "450", 12: "525", 13: "580"}
_NO_NVML = ("library_not_found", "not_installed")
_NVML_PROBLEMS = {
    "driver_not_loaded": (
        "the driver's library is here, but its kernel module is not loaded",
        "Run `sudo modprobe nvidia`, or restart the machine.",
    ),
    "version_mismatch": (
        "the driver's library and its kernel module differ in version, as after an update",
        "Restart the machine, so that the new driver is loaded.",
    ),
    "no_permission": ("this user may not ask the driver", "Ask for access to /dev/nvidia* (often the group `video`)."),
}


def software_findings(machine: Machine) -> Iterator[Finding]:
    yield _python(machine.host)
    yield _driver(machine)
    yield _torch(machine.torch)
    if not machine.torch.problem:
        yield _cuda(machine)
        yield _optional("cuDNN", machine.torch.cudnn, machine.torch)
        yield _optional("NCCL", machine.torch.nccl, machine.torch)
        yield _gloo(machine.torch)
    for package in PURPOSES:
        yield _package(package, machine.host)


def _python(host: Host) -> Finding:
    found = ".".join(map(str, host.python))
    if host.python < _PYTHON_MIN:
        remedy = "Recreate the environment with Python 3.11 or newer: `make lab`."
        return Finding("Python", found, "fail", "the course is written for Python 3.11 and newer", remedy)
    return Finding("Python", found)


def _driver(machine: Machine) -> Finding:
    name, hardware = "NVIDIA driver", machine.hardware
    if hardware.nvml != "ok":
        return _no_driver(name, machine)
    if hardware.driver_version is None:
        reason = hardware.unknown.get("driver_version", "NVML did not say")
        return unknown(name, reason, "Look with `nvidia-smi`.")
    return Finding(name, f"{hardware.driver_version}, made for CUDA {hardware.driver_cuda or '(unknown)'}")


def _no_driver(name: str, machine: Machine) -> Finding:
    hardware = machine.hardware
    if hardware.nvml in _NVML_PROBLEMS:
        reason, remedy = _NVML_PROBLEMS[hardware.nvml]
        return Finding(name, "does not answer", "warn", reason, remedy)
    if not hardware.pci_cards and not machine.torch.devices and hardware.nvml in _NO_NVML:
        return Finding(name, "none", reason="none is needed: there is no NVIDIA GPU here")
    if hardware.nvml == "not_installed":
        remedy = "Install it: `python -m pip install nvidia-ml-py`."
        return unknown(name, "there is a GPU, but the package nvidia-ml-py that asks about it is missing", remedy)
    if hardware.nvml == "library_not_found":
        reason = "the PCI bus lists an NVIDIA card, and there is no driver library that Python can load"
        remedy = "Install the NVIDIA driver; in a container, start it with `docker run --gpus all`."
        return Finding(name, "none", "warn", reason, remedy)
    return unknown(name, f"NVML: {hardware.nvml}", "See what `nvidia-smi` says.")


def _torch(torch: TorchFacts) -> Finding:
    remedy = "Install it: run `make lab`, or `python -m pip install torch` in this environment."
    if torch.problem == "not_installed":
        return Finding("torch", "not installed", "fail", "every lesson needs it", remedy)
    if torch.problem == "import_failed":
        return Finding("torch", "does not import", "fail", torch.detail, "Install it again: `make lab`.")
    if torch.problem:
        remedy = "Run `python -c 'import torch'` in a terminal and see what it says."
        return unknown("torch", f"asking it failed: {torch.detail}", remedy)
    build = f"CUDA {torch.cuda}" if torch.cuda else f"ROCm {torch.hip}" if torch.hip else "CPU only"
    return Finding("torch", f"{torch.version} ({build})")


def _cuda(machine: Machine) -> Finding:
    name, torch = "CUDA in torch", machine.torch
    if torch.hip:
        reason = "this torch is for AMD GPUs, which this report does not know"
        return unknown(name, reason, "Look with `rocm-smi`.")
    if torch.cuda_available and torch.devices:
        count = len(torch.devices)
        return Finding(name, f"works, {count} {'device' if count == 1 else 'devices'}")
    if not machine.hardware.gpus:
        return Finding(name, "not available", reason="there is no GPU to use; ranks run on the CPU")
    reason, remedy = _why_no_cuda(machine)
    return Finding(name, "not available", "warn", reason, remedy)


def _why_no_cuda(machine: Machine) -> tuple[str, str]:
    """Return the first reason why torch does not see the GPUs that NVML sees, and the remedy."""
    torch, hardware = machine.torch, machine.hardware
    if torch.cuda is None:
        reason = "this torch was built for CPUs only, so the GPUs lie idle"
        return reason, "Install the CUDA build of the same torch version (pytorch.org, Get started)."
    if _major(hardware.driver_cuda) < _major(torch.cuda):
        needed = _DRIVER_MIN.get(_major(torch.cuda), "a newer series")
        reason = (
            f"torch was built for CUDA {torch.cuda}, which needs driver {needed} or newer; "
            f"driver {hardware.driver_version} was made for CUDA {hardware.driver_cuda}"
        )
        return reason, f"Update the driver to {needed} or newer, or {_older_torch(_major(hardware.driver_cuda))}."
    value = machine.host.environment.get("CUDA_VISIBLE_DEVICES")
    if value is not None and not read_visible(value, hardware.gpus).gpus:
        reason = "CUDA_VISIBLE_DEVICES leaves no GPU visible"
        return reason, "Unset CUDA_VISIBLE_DEVICES and start Jupyter again."
    reason = f"torch finds no usable GPU: {torch.cuda_message or 'it gave no message'}"
    return reason, "If `nvidia-smi` works, start `nvidia-fabricmanager` (NVSwitch only) or reinstall torch."


def _older_torch(major: int) -> str:
    """Name the builds that this driver runs: every minor version of its own CUDA, and whatever is older."""
    older = f"install a torch built for any CUDA {major}.x"
    return f"{older}: they all run on driver {_DRIVER_MIN[major]} or newer" if major in _DRIVER_MIN else older


def _major(version: str | None) -> int:
    """Return 13 for "13.0". An unknown version counts as new: it is then not blamed."""
    return int(version.split(".")[0]) if version else 1000


def _optional(name: str, version: str | None, torch: TorchFacts) -> Finding:
    if version:
        return Finding(name, version)
    if torch.cuda is None:
        return Finding(name, "none", reason="only GPUs use it")
    return unknown(name, "torch did not say", "Look at `python -m torch.utils.collect_env`.")


def _gloo(torch: TorchFacts) -> Finding:
    if torch.gloo:
        return Finding("gloo", "in torch", reason="carries the collectives of CPU ranks")
    if torch.gloo is None:
        return unknown("gloo", "torch did not say", "Look at `torch.distributed.is_gloo_available()`.")
    remedy = "Install torch from its official wheels, which contain gloo."
    return Finding("gloo", "not in torch", "fail", "CPU ranks have no other way to communicate", remedy)


def _package(name: str, host: Host) -> Finding:
    version = host.packages.get(name)
    if version:
        return Finding(name, version)
    if name not in host.packages:
        return unknown(name, "was not looked for", f"Look with `python -m pip show {name}`.")
    status: Status = "fail" if name == "ipykernel" else "warn"
    remedy = f"Install it into this environment: `python -m pip install {name}`."
    return Finding(name, "not installed", status, f"it {PURPOSES[name]}", remedy)
