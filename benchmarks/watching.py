"""Training speed inside one %%ranks cell with the live view against without, some steps each in turn.

Rank 0 asks for the view by a file and the notebook's kernel opens or closes it meanwhile, so that both sides are
the same processes, the same model and the same cell. Not covered: the browser's own work (it is another process).
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from measuring import Row, begin, cell, load_and_warm, make_kernel, show

PAIRS = 30
LEAST = 0.98
SETTLE_S = 0.3
MODEL = """
import json, pathlib, statistics, time
from transformers import LlamaConfig, LlamaForCausalLM
torch.manual_seed(0)
config = LlamaConfig(vocab_size=256, hidden_size=128, intermediate_size=384, num_hidden_layers=4,
                     num_attention_heads=4, max_position_embeddings=128)
model = torch.nn.parallel.DistributedDataParallel(LlamaForCausalLM(config))
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
tokens = torch.randint(256, (4, 128), generator=torch.Generator().manual_seed(rank))

def some_steps(count=10):
    began, worked = time.perf_counter(), time.process_time()
    for _ in range(count):
        model(input_ids=tokens, labels=tokens).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        meter.step(tokens.numel())
    spent = time.perf_counter() - began, time.process_time() - worked
    return [count * tokens.numel() * world_size / each for each in spent]
"""
TRAIN = """
folder = pathlib.Path(FOLDER)
speeds = {True: [], False: []}
for turn in range(TURNS):
    live = (turn + 1) // 2 % 2 == 0  # A B B A
    if rank == 0:
        (folder / "wanted").write_text(str(live))
        (folder / "wanted").rename(folder / f"wanted{turn}")
    while not (folder / f"ready{turn}").exists():
        time.sleep(0.01)
    dist.barrier()
    speeds[live].append(some_steps())
if rank == 0:
    print(json.dumps(["speeds", speeds[True], speeds[False]]))
"""
SWITCH = """
import pathlib, threading, time
import mgpu_lab
folder = pathlib.Path(FOLDER)
view = mgpu_lab.watch()
updates = []
view.html.observe(lambda change: updates.append(change), "value")

def serve():
    for turn in range(TURNS):
        while not (folder / f"wanted{turn}").exists():
            time.sleep(0.01)
        (view.resume if (folder / f"wanted{turn}").read_text() == "True" else view.pause)()
        time.sleep(SETTLE_S)
        (folder / f"ready{turn}").touch()

threading.Thread(target=serve, daemon=True).start()
"""


def filled(source: str, directory: Path) -> str:
    """Put the numbers of this run into a cell."""
    names = {"FOLDER": repr(str(directory)), "TURNS": str(2 * PAIRS + 2), "SETTLE_S": str(SETTLE_S)}
    for name, value in names.items():
        source = source.replace(name, value)
    return source


def answer(text: str) -> list[list[Any]]:
    """Return the speeds with the view and without, both without the first turn, which was for warming up."""
    line = next(line for line in text.splitlines() if '"speeds"' in line)
    return [side[1:] for side in json.loads(line[line.index('["speeds"') :])[1:]]


def main() -> None:
    """Measure and print."""
    begin("Training while watched")
    with tempfile.TemporaryDirectory() as name, make_kernel(Path(name)) as kernel:
        load_and_warm(kernel)
        cell(kernel, "%ranks start -n 2 --device cpu")
        cell(kernel, f"%%ranks{MODEL}", timeout_s=300)
        cell(kernel, filled(SWITCH, Path(name)))
        cell(kernel, "view.show()")
        sides = answer(cell(kernel, f"%%ranks{filled(TRAIN, Path(name))}", timeout_s=500))
        updates = int(cell(kernel, "view.close()\nprint(len(updates))").split()[0])
    for column, what in enumerate(("tokens/s", "tokens/s of processor time")):
        live, without = (tuple(each[column] for each in side) for side in sides)
        a = show(Row(f"small Llama, DDP, 2 ranks, {what}: watched", live, "tokens/s"))
        b = show(Row("  not watched, same cell", without, "tokens/s"))
        show(Row("  watched / not watched, medians", (a.median / b.median,), "x", limit=LEAST, at_least=True))
        show(
            Row("  watched / not watched, pair by pair", tuple(x / y for x, y in zip(live, without, strict=True)), "x")
        )
    print(f"the view was rewritten {updates} times")


if __name__ == "__main__":
    main()
