"""A unit test starts no process and loads no torch; one that does belongs in another folder."""

import os
import subprocess
import sys

import pytest

LOADED_BY_OTHERS = "torch" in sys.modules  # where other folders' tests share the process


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    def refuse(*_, **__):
        pytest.fail("a unit test starts a process")

    for owner, name in ((os, "fork"), (os, "posix_spawn"), (os, "system"), (subprocess.Popen, "__init__")):
        monkeypatch.setattr(owner, name, refuse)
    yield
    torch = sys.modules.get("torch")  # a test's own stand-in has no file
    assert LOADED_BY_OTHERS or not getattr(torch, "__file__", None), "this test, or a module it imports, loads torch"
