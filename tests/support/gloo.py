"""Run a function on N ranks (a process and a thread each, gloo) and return what each rank returned.

For tests of what runs inside a rank, without the engine. The processes are forked from a server that has
imported the heavy packages once.
"""

import gc
import multiprocessing
import os
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from mgpu_lab.rank.template import ASK_THE_GPU
from mgpu_lab.wire.driver import has_driver

PRELOAD = [*["torch", "torch._dynamo", "torch.distributed.fsdp"], *([] if has_driver() else ASK_THE_GPU)]


def on_ranks(world_size: int, function: Callable[..., Any], *args: object, timeout_s: float = 300) -> list[Any]:
    """`function(*args)` on every rank; a list in rank order, or RuntimeError with the first rank's traceback.

    The function is one that a fresh process can import: defined at the top of a test module.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOAD)
    with tempfile.TemporaryDirectory() as folder:
        pipes = [context.Pipe(duplex=False) for _ in range(world_size)]
        ranks = [
            context.Process(target=_rank, args=((rank, world_size, folder), sender, function, args))
            for rank, (_, sender) in enumerate(pipes)
        ]
        for process in ranks:
            process.start()
        for _, sender in pipes:
            sender.close()
        try:
            return _results([receiver for receiver, _ in pipes], time.monotonic() + timeout_s)
        finally:
            for process in ranks:
                process.kill()
                process.join()


def _results(receivers: list[Connection], deadline: float) -> list[Any]:
    """One answer per rank; the first failure or silence ends the wait."""
    results: dict[int, Any] = {}
    while len(results) < len(receivers):
        left = {receiver: rank for rank, receiver in enumerate(receivers) if rank not in results}
        ready = multiprocessing.connection.wait(list(left), timeout=max(0.0, deadline - time.monotonic()))
        if not ready:
            raise RuntimeError(f"no answer in time from rank(s) {sorted(left.values())}")
        for receiver in ready:
            rank = left[receiver]  # type: ignore[index]
            try:
                failed, results[rank] = receiver.recv()  # type: ignore[union-attr]
            except EOFError:
                raise RuntimeError(f"rank {rank} died without an answer") from None
            if failed:
                raise RuntimeError(f"rank {rank} raised\n{results[rank]}")
    return [results[rank] for rank in range(len(receivers))]


def _rank(seat: tuple[int, int, str], sender: Connection, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
    """The process of one rank: join the group, run, send the answer, and stay until it is taken."""
    import torch
    import torch.distributed as dist

    rank, world_size, folder = seat
    warnings.simplefilter("ignore")
    gc.freeze()  # what the server has imported is no garbage: collections become quick
    torch.set_num_threads(1)
    torch.manual_seed(rank)
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(world_size)}
    os.environ |= {"LOCAL_WORLD_SIZE": str(world_size), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}
    os.environ |= {"GLOO_SOCKET_IFNAME": "lo", "DS_ACCELERATOR": "cpu"}
    try:
        store = dist.FileStore(str(Path(folder) / "store"), world_size)
        dist.init_process_group("gloo", store=store, rank=rank, world_size=world_size)
        answer = (False, function(*args))
        dist.barrier()
    except BaseException:  # noqa: BLE001 - whatever it was, the test shows it
        answer = (True, traceback.format_exc())
    sender.send(answer)
    sender.close()
    time.sleep(60)
