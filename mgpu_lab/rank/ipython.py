"""IPython's shell as a rank needs it: displays go to the kernel, plain Python runs without a search for magics."""

import ast
import contextlib
from collections.abc import Callable
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
        """Run a cell; one that is plain Python without the search for what is not in it.

        With 64 ranks on 2 cores that search is more than half of an empty cell: every rank makes it with cold caches.
        """
        usual = options == {"store_history": False} and not args
        tree = plain_tree(raw_cell, self.user_ns, self._parse) if usual and self._takes_plain_cells() else None
        if tree is None:
            return super().run_cell(raw_cell, *args, **options)  # type: ignore[no-untyped-call,no-any-return]
        info = ExecutionInfo(raw_cell, False, False, True, None)  # noqa: FBT003
        result = ExecutionResult(info)
        self.events.trigger("pre_execute")
        self.events.trigger("pre_run_cell", info)
        try:
            with self.builtin_trap, self.display_trap:
                self.displayhook.exec_result = result
                self._run_plain(tree.body, self.compile.cache(raw_cell, self.execution_count, raw_code=raw_cell))
        except BaseException as error:  # noqa: BLE001 - it is the cell's
            result.error_in_exec = error
        finally:
            self.displayhook.exec_result = None
            self.events.trigger("post_execute")
            self.events.trigger("post_run_cell", result)
        return result

    def _parse(self, source: str) -> Any:
        return self.compile.ast_parse(source)

    def _takes_plain_cells(self) -> bool:
        """Whether nothing has been set that only IPython's own way would heed."""
        transforms = len(self.input_transformers_post) + len(self.input_transformer_manager.cleanup_transforms)
        as_made = transforms == self.transforms_kept and not self.ast_transformers
        return as_made and self.ast_node_interactivity == "last_expr" and version_info >= KNOWN_IPYTHON

    def _run_plain(self, body: list[ast.stmt], name: str) -> None:
        """Run statement by statement, as IPython does, and show the last one's value."""
        translate: Any = self.compile
        for node in body:
            if node is body[-1] and isinstance(node, ast.Expr):
                code = translate(ast.Interactive([node]), name, "single")
            else:
                code = translate(ast.Module([node], []), name, "exec")
            exec(code, self.user_global_ns, self.user_ns)  # noqa: S102 - running cells is what a rank is for

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
    shell.builtin_trap.__enter__()  # for good: to do it for every cell costs more than a short cell
    shell.transforms_kept = len(shell.input_transformers_post) + len(shell.input_transformer_manager.cleanup_transforms)
    return shell


def warm_up(shell: _Shell) -> None:
    """Run cells and render an error."""
    for source in ("pass", "for _ in ():\n    pass", "1 / 0"):
        if (error := shell.run_cell(source, store_history=False).error_in_exec) is not None:
            shell.InteractiveTB.structured_traceback(type(error), error, error.__traceback__)
    if shell.display_formatter is not None:
        shell.display_formatter.format([1])
