"""What the installed torch can do, found out in a short-lived process of its own.

The calling process imports no torch and initialises no CUDA. Run as a program, this file prints the facts as
one line of JSON.
"""

import importlib
import importlib.util
import json
import subprocess
import sys
import warnings
from dataclasses import dataclass
from typing import Any

_MARK = "mgpu_lab torch facts: "
_PROGRAM = "import runpy, sys; runpy.run_path(sys.argv[1], run_name='__main__')"


@dataclass(frozen=True)
class CudaDevice:
    """A GPU as torch numbers it (``cuda:index``), after CUDA_VISIBLE_DEVICES."""

    index: int
    name: str
    uuid: str
    compute_capability: tuple[int, int]


@dataclass(frozen=True)
class TorchFacts:
    """Torch's build and what it sees.

    ``problem``: "" or "not_installed", "import_failed", "timeout", "no_answer", with ``detail``.
    ``peers`` holds the pairs (a, b), a < b, of which each may read the other's memory; None: not asked.
    """

    problem: str = ""
    detail: str = ""
    version: str | None = None
    cuda: str | None = None
    hip: str | None = None
    cudnn: str | None = None
    nccl: str | None = None
    gloo: bool | None = None
    architectures: tuple[str, ...] = ()
    cuda_available: bool | None = None
    cuda_message: str = ""
    devices: tuple[CudaDevice, ...] = ()
    peers: tuple[tuple[int, int], ...] | None = None


def ask_torch(timeout_s: float = 120.0) -> dict[str, Any]:
    """Return the fields of ``TorchFacts`` as plain data, or the problem that kept torch from answering."""
    command = [sys.executable, "-c", _PROGRAM, __file__]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired:
        return {"problem": "timeout", "detail": f"no answer within {timeout_s:g} s"}
    except (OSError, ValueError, OverflowError) as error:
        return {"problem": "no_answer", "detail": str(error)}
    for text in done.stdout.splitlines():
        if text.startswith(_MARK):
            facts: dict[str, Any] = json.loads(text.removeprefix(_MARK))
            return facts
    last = (done.stderr.strip().splitlines() or ["it printed nothing"])[-1]
    return {"problem": "no_answer", "detail": f"exit status {done.returncode}: {last}"}


def look() -> dict[str, Any]:
    """Import torch and describe it. Only ever called in the short-lived process."""
    if importlib.util.find_spec("torch") is None:
        return {"problem": "not_installed"}
    try:
        torch: Any = importlib.import_module("torch")
        dist: Any = importlib.import_module("torch.distributed")
    except Exception as error:  # noqa: BLE001 - a broken build also raises NameError and AttributeError
        return {"problem": "import_failed", "detail": str(error).strip().split("\n")[0]}
    facts: dict[str, Any] = {"version": torch.__version__, "cuda": torch.version.cuda, "hip": torch.version.hip}
    facts |= {"gloo": dist.is_available() and dist.is_gloo_available(), "cudnn": _cudnn(torch.backends.cudnn.version())}
    if dist.is_available() and dist.is_nccl_available():
        facts["nccl"] = ".".join(str(part) for part in torch.cuda.nccl.version()[:3])
    return facts | _cuda_facts(torch)


def _cuda_facts(torch: Any) -> dict[str, Any]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        facts: dict[str, Any] = {"cuda_available": torch.cuda.is_available()}
    if caught:
        facts["cuda_message"] = str(caught[-1].message).split("\n")[0].split(" (Triggered")[0]
    if not facts["cuda_available"]:
        return facts
    try:
        facts["architectures"] = torch.cuda.get_arch_list()
        facts["devices"] = [_device(torch, index) for index in range(torch.cuda.device_count())]
        facts["peers"] = _peers(torch, torch.cuda.device_count())
    except RuntimeError as error:
        facts["cuda_message"] = str(error).split("\n")[0]
    return facts


def _device(torch: Any, index: int) -> dict[str, Any]:
    seen = torch.cuda.get_device_properties(index)
    capability = [seen.major, seen.minor]
    return {"index": index, "name": seen.name, "uuid": str(seen.uuid), "compute_capability": capability}


def _peers(torch: Any, count: int) -> list[list[int]]:
    ask = torch.cuda.can_device_access_peer
    return [[a, b] for a in range(count) for b in range(a + 1, count) if ask(a, b) and ask(b, a)]


def _cudnn(number: int | None) -> str | None:
    """91002 is 9.10.2; before version 9, 8902 is 8.9.2."""
    if number is None:
        return None
    major_unit = 10000 if number >= 90000 else 1000  # noqa: PLR2004
    return f"{number // major_unit}.{number % major_unit // 100}.{number % 100}"


if __name__ == "__main__":
    print(_MARK + json.dumps(look()))
