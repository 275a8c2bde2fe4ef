"""Make .venv and install the course in it: `python tools/install.py [--extra test]`; run again, it does nothing.

An extra is one of pyproject.toml's, or `serving`: that one is laid over the course by tools/lay_vllm.py.

Every failure ends in one line that says what to do; pip's own output is kept in .venv/install.log.
It does not look at GPUs beyond "is there an NVIDIA driver": `python -m mgpu_lab verify` does.

Without a driver torch's CPU build is installed (0.2 GB; the standard build brings several GB of CUDA
libraries), looked for in pip's own find-links folder, then in the configured indexes and PyTorch's CPU index.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import lay_vllm
from run_pip import LOG, PYTHON, ROOT, VENV, SetupError, explain, last_line, pip, say, try_pip

STAMP = VENV / "installed.json"
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
# A finished .venv takes 2 GB with the CPU build (measured); the bounds for the GPU build are estimates.
# pip collects what it downloads in the temp directory before it installs any of it.
FREE_GB = {"cpu": 4.0, "gpu": 14.0}
DOWNLOAD_GB = {"cpu": 1.0, "gpu": 5.0}


@dataclass(frozen=True)
class Wanted:
    """What an installation was made from; equal to the stamp's contents when there is nothing to do."""

    fingerprint: str
    root: str
    torch: str
    extras: tuple[str, ...]

    def satisfied_by(self, stamp: Wanted | None) -> bool:
        """Return whether the installation that `stamp` records will do here (a GPU build serves everywhere)."""
        return (
            stamp is not None
            and (stamp.fingerprint, stamp.root) == (self.fingerprint, self.root)
            and stamp.torch in {"gpu", self.torch}
            and set(self.extras) <= set(stamp.extras)
        )


def main() -> int:
    """Install what is missing; 0 when the environment is ready, 1 after a one-line error."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--extra", action="append", default=[], help="an extra of pyproject.toml, or serving")
    parser.add_argument("--torch", choices=("auto", "cpu", "gpu"), default="auto", help="which build of torch")
    args = parser.parse_args()
    try:
        install(args.torch, args.extra)
    except (SetupError, OSError) as error:
        print(f"mgpu_lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("mgpu_lab: stopped; the same command goes on from here", file=sys.stderr)
        return 1
    return 0


def install(torch: str, extras: Iterable[str]) -> None:
    """Bring .venv to what pyproject.toml and constraints.txt ask for; return at once where nothing is missing."""
    build = torch if torch != "auto" else "gpu" if has_nvidia_driver() else "cpu"
    stamp = read_stamp()
    every = tuple(sorted({*known(extras), *(stamp.extras if stamp else ())}))
    wanted = Wanted(fingerprint(every), str(ROOT), build, every)
    if wanted.satisfied_by(stamp) and venv_works():
        return
    check_disk(build, lay_vllm.FREE_GB[build] if lay_vllm.EXTRA in every else 0.0)
    if not venv_works():
        make_venv()
    LOG.write_text("")
    check_network()
    install_torch(build)
    solved = [extra for extra in every if extra != lay_vllm.EXTRA]
    names = f"[{','.join(solved)}]" if solved else ""
    pip(f"mgpu_lab{names} and what it needs", "install", "--editable", f".{names}", *keep_torch())
    if lay_vllm.EXTRA in every:
        lay_vllm.lay_over(build)
    STAMP.write_text(json.dumps(asdict(wanted), indent=1))
    say(f"ready: {VENV}")


def has_nvidia_driver() -> bool:
    """Return whether an NVIDIA driver is on this machine (the kernel module's folder, or its command)."""
    return Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi") is not None


def known(extras: Iterable[str]) -> set[str]:
    """Return the extras as a set; an unknown one, which pip would only warn of, is refused."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for unknown in {*extras} - {*declared, lay_vllm.EXTRA}:
        raise SetupError(f"there is no extra {unknown!r}, but {', '.join(sorted([*declared, lay_vllm.EXTRA]))}")
    return {*extras}


def fingerprint(extras: Iterable[str]) -> str:
    """Hash the files that decide what is installed: contents, not dates, which a checkout changes."""
    names = ("pyproject.toml", "constraints.txt", *([lay_vllm.REQUIREMENTS] if lay_vllm.EXTRA in extras else []))
    return hashlib.sha256(b"".join((ROOT / name).read_bytes() for name in names)).hexdigest()


def read_stamp() -> Wanted | None:
    """Return what the last finished installation was made from, or None."""
    try:
        stamp = json.loads(STAMP.read_text())
        return Wanted(**{**stamp, "extras": tuple(stamp["extras"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def venv_works() -> bool:
    """Return whether .venv holds a Python of this version that has pip (not so if it was moved or left half made)."""
    probe = "import sys, importlib.util as u; print(*sys.version_info[:2], bool(u.find_spec('pip')))"
    try:
        answer = subprocess.run([PYTHON, "-c", probe], capture_output=True, text=True, check=False).stdout.split()
    except OSError:
        return False
    return answer[2:] == ["True"] and (int(answer[0]), int(answer[1])) >= (3, 11)


def make_venv() -> None:
    """Make .venv from the Python that runs this script."""
    say(f"making .venv with Python {sys.version.split()[0]}")
    made = subprocess.run([sys.executable, "-m", "venv", "--clear", VENV], capture_output=True, text=True, check=False)
    if made.returncode == 0:
        return
    words = made.stdout + made.stderr
    if "ensurepip" in words:
        version = f"{sys.version_info[0]}.{sys.version_info[1]}"
        raise SetupError(f"this Python cannot make environments; on Debian or Ubuntu: apt install python{version}-venv")
    raise SetupError(explain(words) or f"no .venv could be made: {last_line(words)}")


def check_disk(build: str, more_gb: float = 0.0) -> None:
    """Stop early where .venv or pip's downloads would not fit; MGPU_LAB_FREE_GB sets another bound."""
    needs = {ROOT: FREE_GB[build], Path(tempfile.gettempdir()): DOWNLOAD_GB[build]}
    if installed_torch():  # the rest is small
        needs = dict.fromkeys(needs, 1.0)
    bound = os.environ.get("MGPU_LAB_FREE_GB")
    for place, need_gb in needs.items():
        free_gb = shutil.disk_usage(place).free / 1e9
        bound_gb = float(bound or need_gb + more_gb)
        if free_gb < bound_gb:
            raise SetupError(
                f"too little disk: {place} has {free_gb:.1f} GB free, {bound_gb:g} GB are needed:"
                " make room, or set TMPDIR or clone to a larger disk"
            )


def check_network() -> None:
    """Fetch one small package, so that a missing network shows in seconds, not after pip's retries."""
    with tempfile.TemporaryDirectory() as folder:
        fast = ("--retries", "1", "--timeout", "20", "--no-deps", "--dest", folder)
        if not try_pip("download", *fast, "setuptools"):
            raise SetupError(
                "no network, or no package index in reach: check the connection, the proxy and pip's settings"
                f" (pip's output: {LOG})"
            )


def install_torch(build: str) -> None:
    """Install the CPU build of the pinned torch where that is wanted and in reach; else pip chooses later."""
    pin, have = pinned("torch"), installed_torch()
    if build == "gpu":
        if have.endswith("+cpu"):
            pip("the standard PyTorch in place of the CPU build", "uninstall", "--yes", "torch")
        return
    if not sys.platform.startswith("linux") or have.partition("+")[0] == pin:
        return  # on macOS and Windows the standard build is a CPU one
    wheel = f"torch=={pin}+cpu"
    say(f"installing PyTorch {pin}, the CPU build")
    if try_pip("install", "--no-deps", "--no-index", wheel):
        return
    if try_pip("install", "--no-deps", "--retries", "1", "--extra-index-url", CPU_INDEX, wheel):
        return
    say(f"no CPU build of PyTorch {pin} is in reach: the standard one follows, with GBs of CUDA libraries")
    check_disk("gpu")


def keep_torch() -> list[str]:
    """Name the installed torch in full, or pip may replace it by the standard build with CUDA."""
    have = installed_torch()
    return [f"torch=={have}"] if have.partition("+")[0] == pinned("torch") else []


def pinned(name: str) -> str:
    """Return the version that constraints.txt pins `name` to."""
    match = re.search(rf"^{name}==(\S+)", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    if match is None:
        raise SetupError(f"constraints.txt does not pin {name}")
    return match.group(1)


def installed_torch() -> str:
    """Return the version of torch in .venv, "" where there is none."""
    command = [str(PYTHON), "-c", "import importlib.metadata as m; print(m.version('torch'))"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return ""


if __name__ == "__main__":
    sys.exit(main())
