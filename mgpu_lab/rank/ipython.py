"""IPython's shell as a rank needs it: displays go to the kernel, plain Python runs without a search for magics."""

import contextlib
from collections.abc import Callable, Coroutine
from typing import Any, ClassVar

from IPython import version_info
from IPython.core import page
from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import ExecutionInfo, ExecutionResult, InteractiveShell
from traitlets import Type
from traitlets.config import Config

from mgpu_lab.rank.plain_python import plain_tree
from mgpu_lab.wire.errors import LabError

KNOWN_IPYTHON = (8, 10)  # whose steps ``run_cell`` takes; an older one (Google Colab's) runs every cell its own way


class NoKeyboardError(LabError):
    """A cell on a rank asked for input."""


class ExitRequestedError(LabError):
    """A cell on a rank called exit or quit."""


class RankPublisher(DisplayPublisher):
    show: ClassVar[Callable[..., None]]

    def publish(self, data: Any, metadata: Any = None, **options: Any) -> None:  # type: ignore[override]
        display_id = (options.get("transient") or {}).get("display_id")
        type(self).show(data, metadata or {}, display_id, update=bool(options.get("update")))

    def clear_output(self, wait: bool = False) -> None:  # noqa: FBT001, FBT002 - IPython's signature
        """Leave the output: the kernel shows one area for all ranks, which is not one rank's to clear."""


class RankDisplayHook(DisplayHook):
    """Send the value of a cell's last expression to the kernel."""

    show: ClassVar[Callable[..., None]]
    cell: ClassVar[str] = ""

    def quiet(self) -> bool:
        """Show nothing where the cell ends in a semicolon (IPython looks in the history, which ranks have not)."""
        return bool(self.semicolon_at_end_of_expression(type(self).cell))  # type: ignore[no-untyped-call]

    def write_output_prompt(self) -> None:
        """Print no prompt."""

    def write_format_data(self, format_dict: Any, md_dict: Any = None) -> None:
        type(self).show(format_dict, md_dict or {}, None, update=False)

    def finish_displayhook(self) -> None:
        """Print no trailing newline."""


class _Shell(InteractiveShell):
    """IPython's shell, less what a rank has no use for: a terminal, a history, and a second look at plain Python."""

    display_pub_class = Type(RankPublisher)
    displayhook_class = Type(RankDisplayHook)
    transforms_kept = 0  # how many transformations are IPython's own

    def run_cell(self, raw_cell: str, *args: Any, **options: Any) -> ExecutionResult:
        """Run a cell; one that is plain Python by IPython's own steps, less the search for what is not in it.

        With 64 ranks on 2 cores that search is half of an empty cell's time: every rank runs it with cold caches.
        """
        own = len(self.input_transformers_post) + len(self.input_transformer_manager.cleanup_transforms)
        parse: Any = self.compile.ast_parse
        ours = own == self.transforms_kept and version_info >= KNOWN_IPYTHON
        tree = plain_tree(raw_cell, self.user_ns, parse) if ours else None
        if tree is None:
            return super().run_cell(raw_cell, *args, **options)  # type: ignore[no-untyped-call,no-any-return]
        info = ExecutionInfo(raw_cell, False, False, True, None)  # noqa: FBT003
        result = ExecutionResult(info)
        self.events.trigger("pre_execute")
        self.events.trigger("pre_run_cell", info)
        try:
            with self.builtin_trap, self.display_trap:
                name = self.compile.cache(raw_cell, self.execution_count, raw_code=raw_cell)
                self.displayhook.exec_result = result
                body = self.transform_ast(tree).body  # type: ignore[no-untyped-call]
                run_to_end(self.run_ast_nodes(body, name, self.ast_node_interactivity, self.compile, result))
        finally:
            self.displayhook.exec_result = None
            self.events.trigger("post_execute")
            self.events.trigger("post_run_cell", result)
        return result

    def _tee(self, *_: Any, **__: Any) -> Any:
        return contextlib.nullcontext()  # it is the history that would keep what was printed

    def init_io(self) -> None:
        """Leave the streams to ``RankShell``."""

    def ask_exit(self) -> None:
        raise ExitRequestedError("exit ends nothing here: `%ranks stop` ends the ranks, `%ranks restart` begins again.")

    def showtraceback(self, *_: Any, **__: Any) -> None:
        """Show nothing here: the error travels to the kernel as data."""

    def showsyntaxerror(self, *_: Any, **__: Any) -> None:
        """Show nothing here either."""

    def enable_gui(self, gui: Any = None) -> None:
        """Need no event loop: figures are drawn inline."""


def shell_in(directory: str) -> _Shell:
    """Return this process's shell, without history, user configuration or prompts; made where there is none yet."""
    if _Shell.initialized():
        return _Shell.instance()
    config = Config()
    config.HistoryManager.enabled = False
    config.HistoryManager.hist_file = ":memory:"
    config.InteractiveShell.colors = "neutral"
    config.IPCompleter.use_jedi = False
    shell = _Shell.instance(config=config, ipython_dir=directory)
    vars(shell)["system"] = shell.system_raw  # no pseudo-terminal: children write into our pipes
    shell.set_hook("show_in_pager", page.as_hook(page.display_page), 99)  # type: ignore[no-untyped-call]
    shell.transforms_kept = len(shell.input_transformers_post) + len(shell.input_transformer_manager.cleanup_transforms)
    return shell


def warm_up(shell: _Shell) -> None:
    """Run cells and render an error."""
    for source in ("pass", "for _ in ():\n    pass", "1 / 0"):
        if (error := shell.run_cell(source, store_history=False).error_in_exec) is not None:
            shell.InteractiveTB.structured_traceback(type(error), error, error.__traceback__)
    if shell.display_formatter is not None:
        shell.display_formatter.format([1])


def run_to_end(coroutine: Coroutine[Any, Any, Any]) -> None:
    """Run a coroutine that awaits nothing but others like it."""
    with contextlib.suppress(StopIteration):
        coroutine.send(None)
