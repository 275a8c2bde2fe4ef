"""Tab completion and help inside a %%ranks cell: the names are those of the ranks, not of the notebook."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from IPython.core.completer import SimpleCompletion, context_matcher
from IPython.utils.tokenutil import token_at_cursor

from mgpu_lab.engine.ranks import Ranks

if TYPE_CHECKING:
    from IPython.core.completer import CompletionContext, SimpleMatcherResult
    from IPython.core.interactiveshell import InteractiveShell

MAGIC = "%%ranks"


class CellHelp:
    """Answer the notebook's questions about names in a %%ranks cell."""

    def __init__(self, shell: InteractiveShell, ranks: Callable[[], Ranks | None]) -> None:
        self.shell, self.ranks = shell, ranks
        self.inspect_before: Any = None

        @context_matcher(identifier="mgpu_lab.engine.ranks")  # type: ignore[untyped-decorator]
        def matcher(context: CompletionContext) -> SimpleMatcherResult:
            return self.complete(context)

        self.matcher: Any = matcher  # a method cannot carry the attributes that IPython looks for

    def install(self) -> None:
        """Hook into the completer and, in a notebook's kernel, into its help."""
        self.shell.Completer.custom_matchers.append(self.matcher)
        if (kernel := getattr(self.shell, "kernel", None)) is not None:
            self.inspect_before = kernel.do_inspect
            kernel.do_inspect = self.inspect

    def remove(self) -> None:
        if self.matcher in self.shell.Completer.custom_matchers:
            self.shell.Completer.custom_matchers.remove(self.matcher)
        if self.inspect_before is not None:
            self.shell.kernel.do_inspect = self.inspect_before  # type: ignore[attr-defined]

    def complete(self, context: CompletionContext) -> SimpleMatcherResult:
        """Return the ranks' completions for a %%ranks cell, nothing for other cells."""
        ranks = self.ranks()
        if ranks is None or not context.full_text.startswith(MAGIC) or context.cursor_line == 0:
            return {"completions": []}
        code = context.full_text.split("\n", 1)[1]
        lines = code.split("\n")[: context.cursor_line]
        cursor = sum(len(line) + 1 for line in lines[:-1]) + context.cursor_position
        start, _, found = ranks.complete(code, cursor)
        completions = [SimpleCompletion(text=text, type=kind) for text, kind in found]
        return {"completions": completions, "matched_fragment": code[start:cursor], "suppress": True}

    def inspect(self, code: str, cursor_pos: int, *args: Any, **kwargs: Any) -> Any:
        """Return the ranks' help for the name at the cursor of a %%ranks cell."""
        ranks = self.ranks()
        if ranks is not None and code.startswith(MAGIC):
            name = token_at_cursor(code, cursor_pos)
            bundle = ranks.help(name, int(args[0] if args else kwargs.get("detail_level", 0))) if name else {}
            if bundle:
                return {"status": "ok", "data": bundle, "metadata": {}, "found": True}
        return self.inspect_before(code, cursor_pos, *args, **kwargs)
