"""%ranks and %%ranks: parse the line, delegate to ``Ranks``, hand the result to ``display``."""

from __future__ import annotations

import argparse
import importlib
import shlex
import threading
from typing import TYPE_CHECKING, Any

from IPython.core.magic import Magics, line_cell_magic, magics_class

from mgpu_lab.engine.ranks import Ranks, prepare
from mgpu_lab.notebook.completion import CellHelp
from mgpu_lab.notebook.display import LiveView, show_result
from mgpu_lab.notebook.export import write_script
from mgpu_lab.notebook.hints import Hints
from mgpu_lab.notebook.options import CELL, check_command, make_parsers
from mgpu_lab.notebook.own_frames import OwnFrames
from mgpu_lab.notebook.status import StatusTable
from mgpu_lab.notebook.watch import Watch
from mgpu_lab.wire.errors import RanksError, UsageError

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

INSTANCE = "_mgpu_lab_magics"
VARIABLE = "ranks"  # how Python cells of the notebook reach the ranks that the magics drive


@magics_class
class RanksMagics(Magics):
    """The magics of one notebook and the ranks they drive."""

    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell)
        self.notebook = shell
        self._ranks: Ranks | None = None
        self.parsers = make_parsers()
        self.help = CellHelp(shell, lambda: self.ranks)
        self.hints = Hints(shell, lambda: self.ranks)
        self.frames = OwnFrames(shell)

    @property
    def ranks(self) -> Ranks | None:
        """The ranks that run; None once a cell has stopped them by ``ranks.stop()``."""
        if self._ranks is not None and self._ranks.stopped:
            self.hints.lost, self._ranks = self._ranks.ever_ran(), None
        return self._ranks

    @line_cell_magic("ranks")  # type: ignore[arg-type]
    def ranks_magic(self, line: str, cell: str | None = None) -> Any:
        """Run a cell on the ranks, or manage them with a command.

            %ranks start -n 2        start them (--device cpu or cuda, --timeout S for every cell)
            %ranks                   show them: process, device, state, memory, last cell
            %ranks where             tell where each one stands
            %ranks restart           start new processes (--on 1: one of them); their variables are lost
            %ranks stop              end them
            %ranks export train.py   write the cells that ran as a script for torchrun (--force: overwrite)

            %%ranks                  run this cell on all ranks, or with
            %%ranks --on 0,2-3       on these,
            %%ranks --timeout 60     for 60 seconds at most,
            %%ranks --watch          showing memory and throughput meanwhile.

        A rank starts with the names rank, world_size, local_rank, device, torch, dist, meter, timeline and
        memory_ledger. In the notebook `ranks.push(name=value)` and `ranks.pull("name")` send values to the ranks and
        fetch them.
        """
        try:
            words = shlex.split(line)
        except ValueError as error:
            raise UsageError(f"the line cannot be read: {error}") from None
        if cell is not None:
            self.run_cell(self.parsers[""].parse_args(words), cell)
            return None
        words = words or ["status"]
        check_command(words)
        name = words[0]
        options = self.parsers[name].parse_args(words[1:])
        try:
            return getattr(self, name)(options)
        except KeyboardInterrupt:
            raise RanksError(f"Stop was pressed during `%ranks {name}`; `%ranks` shows what runs now.") from None

    def running(self) -> Ranks:
        """Return the ranks; RanksError where none run."""
        if self.ranks is None:
            raise RanksError("no ranks run: start them with `%ranks start`.")
        return self.ranks

    # ---- commands

    def start(self, options: argparse.Namespace) -> None:
        """Start ranks; those that run already are fine where they are what is asked for."""
        if self.ranks is not None:
            print(self.ranks.suffice(options.n, options.device))
            if options.timeout is not None:
                self.ranks.timeout = options.timeout
            return
        ranks = self._ranks = self.notebook.user_ns[VARIABLE] = Ranks(options.n, options.device, options.timeout)
        # the first live view would otherwise wait for this import
        threading.Thread(target=importlib.import_module, args=("ipywidgets",), daemon=True).start()
        print(f"Started {ranks.choice}.")

    def status(self, _: argparse.Namespace) -> StatusTable:
        """Return the status table."""
        return StatusTable(tuple(self.running().status()))

    def where(self, _: argparse.Namespace) -> None:
        """Print where each rank stands."""
        print(self.running().where())

    def restart(self, options: argparse.Namespace) -> None:
        """Start new processes."""
        ranks = self.running()
        ranks.restart(options.on)
        some = "Started again; the other ranks keep their variables."
        print(f"Started {ranks.choice}." if options.on is None else some)

    def stop(self, _: argparse.Namespace) -> None:
        """Stop the ranks."""
        if self.ranks is None:
            print("No ranks run.")
            return
        count = len(self.ranks)
        self.close()
        print(f"Stopped {count} rank{'s' if count != 1 else ''}.")

    def export(self, options: argparse.Namespace) -> None:
        """Write the cells run so far as a script."""
        ranks = self.running()
        print(write_script(options.path, ranks.journal, len(ranks), force=options.force))

    # ---- cells

    def run_cell(self, options: argparse.Namespace, cell: str) -> None:
        if not cell.strip():
            raise UsageError("the cell is empty: write the code for the ranks below the %%ranks line.")
        if self.ranks is None:
            self.start(self.parsers["start"].parse_args([]))
        ranks, typed = self.running(), self.typed()
        view = LiveView(self.notebook, others=options.watch and typed, silent=not typed)
        watching = Watch(ranks).show(replaceable=not typed) if options.watch else None
        count = self.notebook.displayhook.prompt_count
        table = result = None
        try:
            result = ranks.run(cell, options.on, options.timeout, execution_count=count, on_progress=view.update)
        finally:
            if watching is not None and typed:
                table = watching.stop()
            elif watching is not None:
                watching.close()
            view.close(more_follows=table is not None or (result is not None and result.shows_something()))
        show_result(self.notebook, result, table, [] if result.ok else self.hints.for_result(result))

    def typed(self) -> bool:
        """Whether the notebook's cell is this magic: of code that calls it, the output is not ours to clear."""
        kernel = getattr(self.notebook, "kernel", None)
        code = kernel.get_parent("shell").get("content", {}).get("code", "") if kernel is not None else ""
        return str(code).lstrip().startswith(CELL)

    def close(self) -> None:
        if self.ranks is not None:
            ranks, self._ranks = self.ranks, None
            self.hints.lost = ranks.ever_ran()
            if self.notebook.user_ns.get(VARIABLE) is ranks:
                del self.notebook.user_ns[VARIABLE]
            ranks.stop()


def register(shell: InteractiveShell) -> None:
    """Register the magics; start preloading in the background. ``%reload_ext`` stops the ranks first: it unloads."""
    magics = RanksMagics(shell)
    setattr(shell, INSTANCE, magics)
    shell.register_magics(magics)
    magics.help.install()
    magics.hints.install()
    magics.frames.install()
    prepare()


def unregister(shell: InteractiveShell) -> None:
    if (magics := getattr(shell, INSTANCE, None)) is not None:
        if magics.ranks is not None:
            magics.stop(argparse.Namespace())
        magics.help.remove()
        magics.hints.remove()
        magics.frames.remove()
        shell.magics_manager.magics["line"].pop("ranks", None)
        shell.magics_manager.magics["cell"].pop("ranks", None)
        delattr(shell, INSTANCE)
