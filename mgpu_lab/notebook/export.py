"""The cells that ran on the ranks as one readable script for torchrun, which prints the same values.

What only a notebook can do (magics, ``!commands``) becomes a comment that says so. Cells of the notebook's own
kernel are left out.
"""

import ast
import io
import pathlib
import re
import tokenize

from mgpu_lab.engine.journal import Step
from mgpu_lab.notebook.leaving_out import (
    EXERCISE,
    FAILED,
    Need,
    exists,
    left_out,
    relative_paths,
    unmet,
    without_checks,
)
from mgpu_lab.wire.errors import UsageError

HEADER = '''"""Cells of a notebook as a script. Run it with: torchrun --nproc_per_node={size} {name}"""

import os

import torch
import torch.distributed as dist

rank, world_size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
local_rank = int(os.environ["LOCAL_RANK"])
on_gpu = torch.cuda.device_count() >= int(os.environ["LOCAL_WORLD_SIZE"])
device = torch.device("cuda", local_rank) if on_gpu else torch.device("cpu")
if on_gpu:
    torch.cuda.set_device(device)
else:
    torch.set_num_threads(max(1, len(os.sched_getaffinity(0)) // world_size))
dist.init_process_group("cpu:gloo,cuda:nccl" if on_gpu else "gloo")
'''
USES = {
    "meter": "from mgpu_lab import Meter\n\nmeter = Meter(rank=rank)\n",
    "timeline": "from mgpu_lab import Timeline\n\ntimeline = Timeline(rank=rank)\n",
    "memory_ledger": "from mgpu_lab import memory_ledger\n",
}
SHOW = '''

def show(value):
    """Print a cell's last value, as the notebook shows it; what shows itself has done so."""
    if value is not None and not hasattr(value, "_ipython_display_"):
        print(repr(value))

'''
FOOTER = """
# DDP would keep the process group alive into the end of Python, where a gloo thread that still has a gradient to free
# aborts the process (pytorch issue 190489): without models the group goes, and its threads with it, while Python runs.
import gc

for name in [name for name, value in globals().items() if isinstance(value, torch.nn.Module)]:
    del globals()[name]
gc.collect()
dist.barrier()
dist.destroy_process_group()
"""
NEEDS_TOLD = 3
NOT_EXPORTED = "# not exported:"
NOTEBOOK_ONLY = re.compile(r"^(\s*)([%!].*|.*\?\??)$")


def write_script(path: str, steps: list[Step], world_size: int, *, force: bool = False) -> str:
    """Write the script; return one sentence. Raises UsageError where it would overwrite or there is nothing."""
    try:
        target = pathlib.Path(path).expanduser()
    except RuntimeError as error:  # ~somebody
        raise UsageError(f"{path} cannot be written: {error}") from None
    out = left_out(steps)
    if len(out) == len(steps):
        raise UsageError("nothing to export yet: run %%ranks cells first.")
    if target.exists() and not force:
        msg = f"{path} exists already: choose another name, or overwrite it with `%ranks export {path} --force`."
        raise UsageError(msg)
    try:
        target.write_text(script(steps, world_size, target.name), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}.") from None
    wrote = f"Wrote {sum(not step.is_push for step in steps) - len(out)} cells{told(out)} to {path}."
    return "\n".join([f"{wrote} Run them with: torchrun --nproc_per_node={world_size} {path}", *warnings(steps, out)])


def told(out: dict[int, str]) -> str:
    """Say how many cells are left out and why."""
    reasons = list(out.values())
    failed, exercises = reasons.count(FAILED), reasons.count(EXERCISE)
    parts = [f"{failed} that failed"] if failed else []
    parts += [f"{exercises} exercise{'s' if exercises > 1 else ''}"] if exercises else []
    return f" ({' and '.join(parts)} left out)" if parts else ""


def warnings(steps: list[Step], out: dict[int, str]) -> list[str]:
    """Say what would end the script early: names that nothing in it sets, and another folder."""
    said = []
    if needs := missing(steps, out):
        more = f"; and {len(needs) - NEEDS_TOLD} more" if len(needs) > NEEDS_TOLD else ""
        told = "; ".join(map(str, needs[:NEEDS_TOLD]))
        said.append(f"It is not complete: {told}{more}. Set what is missing where comments in it say so.")
    kept = [step.source for number, step in enumerate(steps, 1) if number not in out]
    if paths := relative_paths(kept, exists):
        are = "are paths" if len(paths) > 1 else "is a path"
        said.append(f"Run it in this folder: {', '.join(paths[:NEEDS_TOLD])} {are} relative to it.")
    return said


def missing(steps: list[Step], out: dict[int, str]) -> list[Need]:
    """Return what the script's cells need and nothing in it sets: a cell that is no plain Python sets nothing."""
    comments = {i for i, step in enumerate(steps, 1) if exported_cell(step.source).startswith(NOT_EXPORTED)}
    return unmet(steps, {*out, *comments})


def script(steps: list[Step], world_size: int, name: str = "train.py") -> str:
    out = left_out(steps)
    needs = missing(steps, out)
    missed = {need.setter for need in needs if not need.pushed}
    parts = []
    for number, step in enumerate(steps, 1):
        parts += [f"# set {need.name} here: {need}\n" for need in needs if need.cell == number]
        parts.append(omitted(step, number, out[number], number in missed) if number in out else exported(step, number))
    body = "\n".join(parts)
    uses = "".join(text for word, text in USES.items() if re.search(rf"\b{word}\b", body))
    show = SHOW if "show(" in body else "\n"
    return HEADER.format(size=world_size, name=name) + uses + show + body + FOOTER


def omitted(step: Step, number: int, why: str, missed: bool) -> str:  # noqa: FBT001 - a fact
    """Say that a cell is left out; show it where others need what it set."""
    shown = f", though cells below need names of it:\n{commented(step.source)}" if missed else "\n"
    return f"# cell {number} {why} and is left out{shown}"


def commented(source: str) -> str:
    return "".join(f"# {line}\n" for line in source.strip("\n").splitlines())


def exported(step: Step, number: int) -> str:
    source = step.source if step.is_push else exported_cell(without_checks(step.source))
    if step.on is not None:
        source += "" if ast.parse(source).body else "\npass"
        ranks = ", ".join(str(rank) for rank in step.on) + ("," if len(step.on) == 1 else "")
        source = f"if rank in ({ranks}):\n{indented(source)}"
    return source if step.is_push else f"# %% cell {number}\n{source}\n"


def exported_cell(cell: str) -> str:
    """Return a cell's code; all of it as a comment where it is nothing that a script can run."""
    source = printing_last_value((cell if parses(cell) else without_magics(cell)).strip("\n"))
    if parses(source):
        return source
    why = "uses await outside a function" if parses(source, ast.PyCF_ALLOW_TOP_LEVEL_AWAIT) else "is no plain Python"
    return f"{NOT_EXPORTED} {why}\n{commented(source)}"


def without_magics(source: str) -> str:
    """Turn lines that only IPython understands into comments."""
    lines = source.splitlines()
    inside = lines_inside_strings(source)
    for i, line in enumerate(lines):
        found = NOTEBOOK_ONLY.match(line)
        if found and i + 1 not in inside and not parses(line.strip()):
            lines[i] = f"{found[1]}pass  # notebook only: {line.strip()}"
    return "\n".join(lines)


def printing_last_value(source: str) -> str:
    """Wrap a last expression in ``show(...)``, as the notebook displays it."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return source
    last = tree.body[-1] if tree.body else None
    text = ast.get_source_segment(source, last) if isinstance(last, ast.Expr) else None
    if last is None or text is None or is_print(last) or source.rstrip().endswith(";"):
        return source
    before = "\n".join(source.splitlines()[: last.lineno - 1])
    return f"{before}\nshow({text})".lstrip("\n")


def is_print(node: ast.stmt) -> bool:
    """Whether a statement's value is None for certain: a call of print, or None itself."""
    value = node.value if isinstance(node, ast.Expr) else None
    if isinstance(value, ast.Constant):
        return value.value is None
    return isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "print"


def indented(source: str) -> str:
    """Indent code by four spaces, leaving the inside of multi-line strings as it is."""
    inside = lines_inside_strings(source)
    lines = source.splitlines()
    return "\n".join(line if i in inside or not line else f"    {line}" for i, line in enumerate(lines, 1))


def lines_inside_strings(source: str) -> set[int]:
    """Return the numbers of lines that begin inside a string."""
    inside: set[int] = set()
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.STRING or token.type == getattr(tokenize, "FSTRING_MIDDLE", -1):
                inside.update(range(token.start[0] + 1, token.end[0] + 1))
    except (tokenize.TokenError, IndentationError, SyntaxError):
        pass
    return inside


def parses(source: str, flags: int = 0) -> bool:
    try:
        compile(source, "cell", "exec", flags=flags, dont_inherit=True)
    except (SyntaxError, ValueError):
        return False
    return True
