"""Training speed and memory of ranks against the same script under torchrun, and what comparing calls costs.

The script is the cell, exported by %ranks export; both sides use the same number of threads per rank. They train
in turn, ten steps each, the other side asleep, so that a machine that is busy for a while slows both.
Not covered: start-up (``start_and_cell``); GPUs: everything here runs on gloo and the CPU.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from measuring import Row, begin, cell, load_and_warm, make_kernel, show

PAIRS = 20
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2")
TRAIN = """
import json, os, pathlib, statistics, time
from transformers import LlamaConfig, LlamaForCausalLM
torch.manual_seed(0)
config = LlamaConfig(vocab_size=256, hidden_size=128, intermediate_size=384, num_hidden_layers=4,
                     num_attention_heads=4, max_position_embeddings=128)
model = torch.nn.parallel.DistributedDataParallel(LlamaForCausalLM(config))
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
tokens = torch.randint(256, (4, 128), generator=torch.Generator().manual_seed(rank))

def some_steps(count=10):
    steps_s, processor_began = [], time.process_time()
    for _ in range(count):
        began = time.perf_counter()
        model(input_ids=tokens, labels=tokens).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        steps_s.append(time.perf_counter() - began)
    speed = world_size * tokens.numel() / statistics.median(steps_s)
    processor_speed = count * tokens.numel() / (time.process_time() - processor_began)
    return json.dumps(["tokens/s", torch.get_num_threads(), speed, processor_speed])

def serve(folder):  # under torchrun: train whenever told to, sleep in between
    turn = 0
    while not (folder / "stop").exists():
        if not (folder / f"go{turn}").exists():
            time.sleep(0.01)
            continue
        answer = some_steps()
        if rank == 0:
            (folder / "answer").write_text(answer)
            (folder / "answer").rename(folder / f"answer{turn}")
        turn += 1

if "BENCHMARK_FOLDER" in os.environ:
    serve(pathlib.Path(os.environ["BENCHMARK_FOLDER"]))
"""
MEMORY = """
import json
model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(8, 8))
optimizer = torch.optim.AdamW(model.parameters())
model(torch.ones(4, 8)).sum().backward()
optimizer.step()
lines = [line.split() for line in open("/proc/self/smaps_rollup")]
private_kib = sum(int(line[1]) for line in lines if line[0] in ("Private_Clean:", "Private_Dirty:"))
print(json.dumps(["private", private_kib * 1024 / 1e6, rank]))
"""
COLLECTIVE = """
import json, statistics, time
ones = torch.ones(16)
def spent_us(call, times=20):
    dist.barrier()
    began = time.perf_counter()
    for _ in range(times):
        call(ones)
    return 1e6 * (time.perf_counter() - began) / times
plain = dist.all_reduce.__wrapped__
pairs = [(spent_us(dist.all_reduce), spent_us(plain)) for _ in range(60)][10:]
if rank == 0:
    print(json.dumps(["all_reduce"] + pairs))
"""


def found(text: str, name: str) -> list[list[Any]]:
    """Return the JSON lists that begin with ``name``, without it; two processes may have printed into one line."""
    starts = [each.start() for each in re.finditer(re.escape("[" + json.dumps(name)), text)]
    return [json.JSONDecoder().raw_decode(text, start)[0][1:] for start in starts]


def in_ranks(kernel: Any, source: str) -> str:
    """Run a cell on new ranks."""
    cell(kernel, "%ranks restart")
    return cell(kernel, f"%%ranks{source}", timeout_s=300)


def torchrun(script: Path, threads: int, **environ: str) -> subprocess.Popen[str]:
    """Start a script on 2 processes with so many threads each."""
    env = {**os.environ, "OMP_NUM_THREADS": str(threads), "CUDA_VISIBLE_DEVICES": "", **environ}
    return subprocess.Popen([sys.executable, *TORCHRUN, str(script)], env=env, stdout=subprocess.PIPE, text=True)


class TorchrunSide:
    """The exported script under torchrun, training whenever it is told to."""

    def __init__(self, script: Path, threads: int, folder: Path) -> None:
        """Start it."""
        self.folder, self.turn = folder, 0
        self.process = torchrun(script, threads, BENCHMARK_FOLDER=str(folder))

    def some_steps(self) -> str:
        """Let it train some steps."""
        (self.folder / f"go{self.turn}").touch()
        answer = self.folder / f"answer{self.turn}"
        while not answer.exists():
            if self.process.poll() is not None:
                msg = "the script under torchrun has ended early"
                raise RuntimeError(msg)
            time.sleep(0.01)
        self.turn += 1
        return answer.read_text()

    def stop(self) -> None:
        """Let it end."""
        (self.folder / "stop").touch()
        self.process.communicate(timeout=60)


def speed(kernel: Any, directory: Path) -> None:
    """Compare tokens per second, some steps here and some there in turn."""
    in_ranks(kernel, TRAIN)
    cell(kernel, f"%ranks export {directory / 'train.py'}")
    threads = int(cell(kernel, "%%ranks --on 0\nprint(torch.get_num_threads())").split()[-1])
    other = TorchrunSide(directory / "train.py", threads, directory)
    sides = {
        "ranks": lambda: cell(kernel, "%%ranks \nanswer = some_steps()\nif rank == 0: print(answer)"),
        "torchrun": other.some_steps,
    }
    answers: dict[str, list[Any]] = {name: [] for name in sides}
    try:
        for turn in range(PAIRS + 1):
            for name in sides if turn % 2 else reversed(sides):  # A B B A
                answers[name] += found(sides[name](), "tokens/s")
    finally:
        other.stop()
    if {answer[0] for side in answers.values() for answer in side} != {threads}:
        msg = f"not comparable: the sides ran with different numbers of threads: {answers}"
        raise RuntimeError(msg)
    compare("tokens/s", 1, answers, limit=0.97)
    compare("tokens/s of processor time", 2, answers, limit=None)


def compare(what: str, column: int, answers: dict[str, list[Any]], limit: float | None) -> None:
    """Print one figure of both sides and its ratio; the first turn was for warming up."""
    inside, outside = (tuple(answer[column] for answer in side[1:]) for side in answers.values())
    show(Row(f"small Llama, DDP, {what}: %%ranks", inside, "tokens/s"))
    show(Row("  the same script under torchrun", outside, "tokens/s"))
    ratios = tuple(a / b for a, b in zip(inside, outside, strict=True))
    show(Row("  inside / torchrun, pair by pair", ratios, "x", limit=limit, at_least=True))


def memory(kernel: Any, directory: Path) -> None:
    """Compare a rank's private memory after a first DDP step."""
    script = directory / "memory.py"
    inside = tuple(value for value, _ in found(in_ranks(kernel, MEMORY), "private"))
    cell(kernel, f"%ranks export {script} --force")
    outside = tuple(value for value, _ in found(torchrun(script, 1).communicate(timeout=120)[0], "private"))
    show(Row("private memory after a first DDP step: a rank", inside, "MB", limit=60))
    show(Row("the same in a torchrun process", outside, "MB"))


def comparison(kernel: Any) -> None:
    """Compare an all_reduce of 64 bytes with and without our comparison in front of it."""
    pairs = found(in_ranks(kernel, COLLECTIVE), "all_reduce")[0]
    show(Row("all_reduce of 64 bytes, calls compared between ranks", tuple(a for a, _ in pairs), "us"))
    show(Row("all_reduce of 64 bytes, not compared", tuple(b for _, b in pairs), "us"))
    show(Row("  compared / not compared", tuple(a / b for a, b in pairs), "x"))


def main() -> None:
    """Measure and print."""
    begin("Training")
    with tempfile.TemporaryDirectory() as name, make_kernel(Path(name)) as kernel:
        load_and_warm(kernel)
        cell(kernel, "%ranks start -n 2 --device cpu")
        speed(kernel, Path(name))
        memory(kernel, Path(name))
        comparison(kernel)


if __name__ == "__main__":
    main()
