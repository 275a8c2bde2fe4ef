"""Setup verification: this machine, and the command line with its exit status."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from mgpu_lab.verification import example, verify
from mgpu_lab.verification.host import read_host
from mgpu_lab.verification.torch_probe import TorchFacts


def run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command],
        capture_output=True, text=True, timeout=300, check=False, env=os.environ | environment,
    )  # fmt: skip


WITHOUT_TORCH = """
import sys, mgpu_lab
from mgpu_lab.verification import verify
report = verify()
assert 'torch' not in sys.modules, 'torch was imported'
assert report.find('torch')[0].found.startswith(report.machine.torch.version), report
assert report.machine.torch.gloo, report
assert report.ok, report
"""


def test_this_machine_is_verified_without_torch_in_the_calling_process():
    done = run("-c", WITHOUT_TORCH)
    assert done.returncode == 0, done.stderr


def test_the_public_name_is_the_function_whatever_was_imported_first():
    code = "import mgpu_lab.__main__, mgpu_lab.verification as v; print(mgpu_lab.verify(v.example('no_gpu')).ok)"
    done = run("-c", code)
    assert done.stdout == "True\n", done.stderr


def test_command_line_says_ok_with_0(tmp_path):
    done = run("-m", "mgpu_lab", "verify", "--json")
    data = json.loads(done.stdout)
    assert (done.returncode, data["ok"]) == (0, True)
    path = tmp_path / "here.json"
    path.write_text(done.stdout)
    again = run("-m", "mgpu_lab", "verify", "--load", str(path))
    assert (again.returncode, "captured in here.json" in again.stdout) == (0, True)


def test_command_line_says_failure_with_1():
    done = run("-m", "mgpu_lab", "verify", "--example", "torch_missing")
    assert (done.returncode, "[FAIL] torch" in done.stdout) == (1, True)


@pytest.mark.parametrize(
    "arguments", [("--example", "gtx"), ("--load", "/none.json"), ("--colour",), ("--example", "no_gpu", "--load", "x")]
)
def test_command_line_says_misuse_with_2_and_without_traceback(arguments):
    done = run("-m", "mgpu_lab", "verify", *arguments)
    assert (done.returncode, bool(done.stderr.strip()), "Traceback" in done.stderr) == (2, True, False)


@pytest.mark.parametrize(
    ("torch", "status", "words", "code"),
    [
        ("raise ImportError('libtorch is broken')", "fail", "import_failed: libtorch is broken", 1),
        ("raise NameError('_C is missing')", "fail", "import_failed: _C is missing", 1),
        ("import time; time.sleep(600)", "unknown", "timeout: no answer within 1 s", 0),
        ("import os; os._exit(3)", "unknown", "no_answer: exit status 3", 0),
    ],
)
def test_a_torch_that_does_not_answer(torch, status, words, code, tmp_path):
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch/__init__.py").write_text(torch)
    timeout = "1" if "sleep" in torch else "60"
    done = run("-m", "mgpu_lab", "verify", "--json", "--timeout", timeout, PYTHONPATH=str(tmp_path))
    data = json.loads(done.stdout)
    [found] = [each for each in data["rows"] if each["name"] == "torch"]
    assert (found["status"], done.returncode) == (status, code)
    problem, detail = words.split(": ")
    assert data["machine"]["torch"]["problem"] == problem
    assert detail in found["reason"]


def test_a_working_folder_that_is_gone_is_no_obstacle(tmp_path):
    code = "import os, mgpu_lab.verification as v; os.chdir(FOLDER); os.rmdir(FOLDER); v.verify(timeout_s=0.01)"
    done = run("-c", code.replace("FOLDER", repr(str(tmp_path))))
    assert done.returncode == 0, done.stderr


def test_facts_of_torch_default_to_unknown():
    assert (TorchFacts().gloo, TorchFacts().peers) == (None, None)


def test_nothing_of_this_machine_but_facts_is_in_the_report():
    report = repr(verify(replace(example("no_gpu"), host=read_host())))
    assert str(Path.home()) not in report
    assert str(Path.cwd()) not in report
