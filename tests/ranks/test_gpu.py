"""On one NVIDIA GPU: ranks forked late, CPU ranks beside it, release from NCCL, memory and time as CUDA counts them.

Last run on 2026-11-28 on an H100 (torch 2.11, NCCL 2.30.3) as a script of the same steps; skipped without a GPU.
"""

import os

import pytest
import torch

from mgpu_lab import Ranks
from mgpu_lab.engine.arguments import SHARING
from mgpu_lab.engine.ranks import prepare

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU"),
]
NCCL_SHARES = torch.cuda.is_available() and torch.cuda.nccl.version() >= (2, 30)
PEAK = """
net = torch.nn.Sequential(*[torch.nn.Linear(1024, 1024) for _ in range(6)]).to(device)
model = torch.nn.parallel.DistributedDataParallel(net, device_ids=[device])
optimizer = torch.optim.AdamW(model.parameters())
x = torch.randn(512, 1024, device=device)
def step():
    model(x).square().mean().backward(); optimizer.step(); optimizer.zero_grad()
for _ in range(4): step()
with memory_ledger(model, optimizer).peak() as peak: step()
torch.cuda.synchronize()
seen = peak.on("cuda"), torch.cuda.max_memory_allocated()
"""
ON_CPU = """
net = torch.nn.Linear(2, 2)
net(torch.ones(2)).sum().backward()
torch.optim.Adam(net.parameters()).step()
"""
ALONE = "x = torch.ones(4, device=device)\nif rank == 0:\n    dist.all_reduce(x); x.sum().item()"


@pytest.fixture(scope="module", autouse=True)
def template():
    assert prepare(120)


def test_ranks_forked_when_all_is_loaded_can_use_the_gpu():
    with Ranks(1, "cuda") as ranks:
        assert ranks.run("y = torch.ones(2, device=device).sum().item()").ok
        ranks.restart()
        assert ranks.run("y = torch.ones(2, device=device).sum().item()").ok
        assert ranks.pull("y") == [2.0]


def test_cpu_ranks_train_beside_it():
    with Ranks(2, "cpu") as ranks:
        assert ranks.run(ON_CPU).ok


def test_the_ledgers_peak_is_cudas():
    with Ranks(1, "cuda") as ranks:
        assert ranks.run(PEAK).ok
        [(ledger, cuda)] = ranks.pull("seen")
    assert ledger == cuda


@pytest.mark.skipif(not NCCL_SHARES, reason="needs NCCL 2.30 or newer, which lets ranks share a GPU")
def test_a_rank_alone_in_a_collective_is_released_with_its_variables(monkeypatch):
    monkeypatch.setenv(SHARING, "1")
    with Ranks(2, "cuda") as ranks:
        assert ranks.run("kept = rank").ok
        result = ranks.run(ALONE, timeout=2)
        assert not result.ok
        assert any("released" in note for note in result.notes)
        assert ranks.run("x = torch.ones(1, device=device); dist.all_reduce(x); y = x.item(), kept").ok
        assert ranks.pull("y") == [(2.0, 0), (2.0, 1)]


def test_two_ranks_are_refused_one_gpu_otherwise(monkeypatch):
    monkeypatch.delenv(SHARING, raising=False)
    if torch.cuda.device_count() == 1:
        with pytest.raises(Exception, match="one is needed for each rank"):
            Ranks(2, "cuda")
    assert SHARING not in os.environ
