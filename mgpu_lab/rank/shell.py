"""The IPython shell inside a rank: runs a cell, catches its displays, renders its errors.

A rank has no keyboard: ``input()`` and ``%debug`` give a clear error instead of waiting.
"""

import builtins
import contextlib
import inspect
import io
import os
import sys
import traceback
import warnings
from collections.abc import Callable
from types import TracebackType
from typing import Any

from mgpu_lab.rank.ipython import ExitRequestedError, NoKeyboardError, RankDisplayHook, RankPublisher, shell_in
from mgpu_lab.rank.position import is_communication, line_of
from mgpu_lab.rank.tracebacks import hide_package, own_frames, presentable, words
from mgpu_lab.wire.cells import is_cell_file
from mgpu_lab.wire.errors import LabError
from mgpu_lab.wire.frames import chain
from mgpu_lab.wire.messages import Failure

FRAMES_KEPT = 10  # at either end of a traceback
LINES_KEPT = 200


class RankShell:
    """One rank's shell and its standard streams."""

    def __init__(self, show: Callable[..., None], namespace: dict[str, Any], directory: str) -> None:
        RankPublisher.show = RankDisplayHook.show = staticmethod(show)
        self.streams = {1: os.dup(1), 2: os.dup(2)}
        self.pipes = {fd: os.fstat(own) for fd, own in self.streams.items()}
        self.open_streams()
        self.shell = shell_in(directory)
        self.shell.user_ns.update(namespace)
        self.cell = ""
        warnings.filterwarnings("ignore", message="To exit: use")  # `failure` says what became of sys.exit()
        # torch tells DeepSpeed which of its functions are old; a learner can do nothing about it
        warnings.filterwarnings("ignore", category=FutureWarning, module=r"torch\.distributed\.c10d_logger")
        builtins.input = refuse_input
        sys.breakpointhook = refuse_input

    @property
    def user_ns(self) -> dict[str, Any]:
        namespace: dict[str, Any] = self.shell.user_ns
        return namespace

    # ---- streams

    def open_streams(self) -> None:
        """Point file descriptors 1 and 2, and Python's stdout and stderr, at the kernel's pipes."""
        for fd, name in ((1, "stdout"), (2, "stderr")):
            os.dup2(self.streams[fd], fd)
            raw = open(fd, "wb", closefd=False)  # noqa: SIM115 - lives as long as the process
            stream = io.TextIOWrapper(raw, encoding="utf-8", errors="backslashreplace", line_buffering=True)
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)
        self.stdout, self.stderr = sys.stdout, sys.stderr

    def restore_streams(self) -> None:
        """Undo what a cell may have done to its streams, then flush them."""
        for fd, name, stream in ((1, "stdout", self.stdout), (2, "stderr", self.stderr)):
            try:
                getattr(sys, name).flush()
                same = os.path.samestat(os.fstat(fd), self.pipes[fd]) and not stream.closed
            except Exception:  # noqa: BLE001 - whatever the cell has put in its place
                same = False
            if not same:
                self.open_streams()
                return
            setattr(sys, name, stream)
            stream.flush()

    def flush(self) -> None:
        for stream in (self.stdout, self.stderr):
            with contextlib.suppress(ValueError, OSError):
                stream.flush()

    def write_mark(self, mark: bytes) -> None:
        """Write into the kernel's pipe, behind what has been printed, whatever became of descriptor 1."""
        self.flush()
        os.write(self.streams[1], mark)

    # ---- cells

    def run(self, source: str, execution_count: int) -> BaseException | None:
        self.cell = RankDisplayHook.cell = source
        self.shell.execution_count = execution_count
        result = self.shell.run_cell(source, store_history=False)
        error: BaseException | None = result.error_before_exec or result.error_in_exec
        return error

    def failure(self, error: BaseException, *, released: bool = False) -> Failure:
        """Render an error: the cell's own frames first, without frames of this package or of IPython.

        ``released`` says that we have cut the group's connections: then an error out of communication is the echo
        of that, nobody will read its frames, and one line is enough.
        """
        if isinstance(error, SystemExit):
            said = f"the cell called sys.exit({error.code!r}); the rank lives on, only the cell ended."
            error = ExitRequestedError(said)
        frames = own_frames(error.__traceback__)
        innermost = next((tb for tb in reversed(frames) if is_cell_file(tb.tb_frame.f_code.co_filename)), None)
        line = None if innermost is None else innermost.tb_lineno
        source = "" if innermost is None else line_of(innermost.tb_frame.f_code.co_filename, innermost.tb_lineno)
        if isinstance(error, SyntaxError):
            line = error.lineno if isinstance(error.lineno, int) else line
        communicating = any(is_communication(tb.tb_frame.f_code.co_filename, source) for tb in frames)
        echo = communicating and not isinstance(error, LabError)
        if len(frames) > 2 * FRAMES_KEPT:  # a deep recursion: a minute of rendering, and nobody reads it
            frames = frames[:FRAMES_KEPT] + frames[-FRAMES_KEPT:]
        lines = traceback.format_exception_only(error)
        if not (released and echo):
            with contextlib.suppress(BaseException):  # rendering must not hide the error
                lines = self.render(error, frames)
        text = tuple(presentable(each) for each in lines[:LINES_KEPT])
        return Failure(type(error).__name__, presentable(words(error)), text, line, echo)

    def render(self, error: BaseException, frames: list[TracebackType]) -> list[str]:
        """Return the traceback's lines in IPython's form, from the cell's first line on."""
        if isinstance(error, SyntaxError) and not frames:
            return list(self.shell.SyntaxTB.structured_traceback(type(error), error, None))
        hide_package(error)
        name_module_of_cells(frames)
        return list(self.shell.InteractiveTB.structured_traceback(type(error), error, chain(frames)))

    # ---- completion and help

    def kind(self, name: str) -> str | None:
        """Return the full name of the type of a variable's value; None where there is no such variable."""
        kind = type(self.user_ns[name]) if name in self.user_ns else None
        return None if kind is None else f"{kind.__module__}.{kind.__qualname__}"

    def completions(self, code: str, cursor: int) -> tuple[int, int, list[tuple[str, str]]]:
        """Return start, end and (text, type) of the completions at ``cursor``."""
        from IPython.core.completer import provisionalcompleter, rectify_completions

        with provisionalcompleter():
            found = list(rectify_completions(code, self.shell.Completer.completions(code, cursor)))
        if not found:
            return cursor, cursor, []
        return found[0].start, found[0].end, [(each.text, each.type or "") for each in found]

    def help(self, name: str, detail: int) -> dict[str, Any]:
        """Return the help of ``name`` as a bundle; empty where there is none."""
        try:
            bundle: dict[str, Any] = self.shell.object_inspect_mime(name, detail_level=detail)  # type: ignore[no-untyped-call]
        except KeyError:
            return {}
        return bundle


def name_module_of_cells(frames: list[TracebackType]) -> None:
    """Tell ``inspect`` that cells belong to ``__main__``: for every frame it would go through thousands of modules.

    In a fork that costs 130 ms and 19 MB the first time, since whatever is touched is copied.
    """
    for name in filter(is_cell_file, {tb.tb_frame.f_code.co_filename for tb in frames}):
        inspect.modulesbyfile.update(dict.fromkeys((name, os.path.abspath(name)), "__main__"))  # noqa: PTH100 - inspect's key


def refuse_input(*_: Any, **__: Any) -> str:
    raise NoKeyboardError("a rank has no keyboard: set the value in the cell, or send it with ranks.push(name=value).")
