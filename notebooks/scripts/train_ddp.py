"""Train a small language model with DDP: a complete script to start your own from. It needs only PyTorch.

    torchrun --standalone --nproc_per_node=2 train_ddp.py --checkpoint run.pt

Killed? The same command, with as many ranks, goes on from the last checkpoint as if nothing had happened.
On several machines the checkpoint must lie where all of them see it: rank 0 writes it, every rank reads it.
"""

import argparse
import gc
import itertools
import os
import sys
from pathlib import Path
from pydoc_data.topics import topics

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.elastic.multiprocessing.errors import record
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, Dataset, DistributedSampler, Subset

CONTEXT = 64


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=16, help="sequences per rank and step")
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=0, help="processes per rank that load data")
    parser.add_argument("--checkpoint", type=Path, metavar="PATH", help="go on from it if it exists, and save to it")
    parser.add_argument("--save-every", type=int, metavar="N", help="save every N steps, not only after each epoch")
    parser.add_argument("--stop-after", type=int, metavar="STEPS", help="end with status 1 there, as if killed")
    return parser.parse_args()


class Text(Dataset):
    """The first 150,000 bytes of Python's own reference, in sequences of CONTEXT bytes and the one that follows."""

    def __init__(self):
        text = "".join(topics[name] for name in sorted(topics)).encode()
        self.tokens = torch.frombuffer(bytearray(text[:150_000]), dtype=torch.uint8).long()

    def __len__(self):
        return (len(self.tokens) - 1) // CONTEXT

    def __getitem__(self, index):
        return self.tokens[index * CONTEXT : (index + 1) * CONTEXT + 1]


class LanguageModel(nn.Module):
    """Predicts the next byte; `forward` returns the mean loss of a batch."""

    def __init__(self, dropout, width=64, heads=4, layers=2):
        super().__init__()
        self.token, self.place = nn.Embedding(256, width), nn.Embedding(CONTEXT, width)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(width, heads, 4 * width, dropout, batch_first=True, norm_first=True)
            for _ in range(layers)
        )
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 256)

    def forward(self, tokens):
        inputs, targets = tokens[:, :-1], tokens[:, 1:]
        x = self.token(inputs) + self.place.weight
        mask = nn.Transformer.generate_square_subsequent_mask(CONTEXT, device=x.device)
        for layer in self.layers:
            x = layer(x, src_mask=mask, is_causal=True)
        return nn.functional.cross_entropy(self.head(self.norm(x)).flatten(0, 1), targets.flatten())


def set_up():
    """Join the process group; return this rank's device."""
    if "RANK" not in os.environ:  # not started by torchrun: one rank, alone
        os.environ |= {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1"}
        os.environ |= {"MASTER_ADDR": "localhost", "MASTER_PORT": "0"}
    if torch.cuda.device_count() < int(os.environ.get("LOCAL_WORLD_SIZE", "1")):  # not a GPU for each rank
        if torch.cuda.is_available():
            print("fewer GPUs here than ranks: this one trains on the CPU", file=sys.stderr)
        dist.init_process_group("gloo")
        return torch.device("cpu")
    device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
    torch.cuda.set_device(device)  # or whatever names no GPU, such as gather_object, would use GPU 0
    dist.init_process_group("nccl", device_id=device)
    return device


def save(path, model, optimizer, progress, sums):
    """Rank 0 writes; every rank calls it, and gives what only it has.

    Add whatever else has a state: a scheduler, a gradient scaler, Python's `random`, NumPy's random numbers (their
    array by `tolist()`: `load` refuses NumPy arrays).
    """
    own = {"sums": sums.cpu(), "cpu_rng": torch.get_rng_state()}
    if sums.is_cuda:
        own["cuda_rng"] = torch.cuda.get_rng_state()
    everyones = [None] * dist.get_world_size() if dist.get_rank() == 0 else None
    dist.gather_object(own, everyones)
    if dist.get_rank() == 0:
        state = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
        temporary = path.with_name(f"{path.name}.tmp")
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save({**state, "progress": progress, "ranks": everyones}, temporary)
        temporary.replace(path)  # in one go: whenever the process is killed, `path` is a whole checkpoint


def load(path, model, optimizer, sums):
    """Take up what `save` wrote; return the progress."""
    state = torch.load(path, map_location="cpu", weights_only=True)  # "cpu", or all load onto rank 0's GPU
    if len(state["ranks"]) != dist.get_world_size():
        raise SystemExit(f"{path} is of {len(state['ranks'])} ranks, here are {dist.get_world_size()}")
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    own = state["ranks"][dist.get_rank()]
    sums.copy_(own["sums"])
    torch.set_rng_state(own["cpu_rng"])
    if sums.is_cuda and "cuda_rng" in own:  # one that was written on the CPU has none
        torch.cuda.set_rng_state(own["cuda_rng"])
    return state["progress"]


def mean_over_ranks(sums):
    """[sum of losses, number of items] of each rank -> the mean over all items, whichever rank had them."""
    total = sums.clone()
    dist.all_reduce(total)
    return (total[0] / total[1]).item()


@torch.no_grad()
def validate(model, loader, device):
    """Mean loss over the held-out text. `model` is the plain one: the ranks may have unequal numbers of batches."""
    model.eval()
    sums = torch.zeros(2, dtype=torch.float64, device=device)
    for tokens in loader:
        sums[0] += model(tokens.to(device)) * len(tokens)
        sums[1] += len(tokens)
    model.train()
    return mean_over_ranks(sums)


def train(args, device):
    rank, world_size = dist.get_rank(), dist.get_world_size()
    # Must differ between ranks: what training draws, or all drop the same units. Must be equal: the sampler's seed, or
    # ranks read the same items. The first weights need not be drawn alike, since DDP sends rank 0's to everyone.
    torch.manual_seed(args.seed + rank)
    model = LanguageModel(args.dropout).to(device)
    device_ids = [device.index] if device.type == "cuda" else None
    ddp = DistributedDataParallel(model, device_ids=device_ids, gradient_as_bucket_view=True)  # else .grad is a copy
    # DDP rearranges its buckets after the first backward pass, and with more than two ranks that changes the rounding.
    ddp(torch.zeros(1, CONTEXT + 1, dtype=torch.long, device=device)).backward()  # so this one is for nothing, and a
    ddp.zero_grad()  # resumed run rounds as an undisturbed one
    optimizer = torch.optim.AdamW(ddp.parameters(), lr=args.lr)
    text = Text()
    first = len(text) * 9 // 10
    training, held_out = Subset(text, range(first)), Subset(text, range(first + rank, len(text), world_size))
    sampler = DistributedSampler(training, seed=args.seed, drop_last=True)
    generator = torch.Generator()  # what the workers are seeded from
    loading = {"batch_size": args.batch_size, "num_workers": args.workers, "pin_memory": device.type == "cuda"}
    loader = DataLoader(training, sampler=sampler, generator=generator, **loading)
    held_out_loader = DataLoader(held_out, **loading)  # without a sampler, which would repeat items to fill up

    progress = {"epoch": 0, "step": 0, "total_steps": 0, "losses": []}  # step: within the epoch
    sums = torch.zeros(2, dtype=torch.float64, device=device)
    found = [args.checkpoint is not None and args.checkpoint.exists()]
    dist.broadcast_object_list(found)  # rank 0 decides, so that all go the same way
    if found[0]:
        progress = load(args.checkpoint, model, optimizer, sums)
        if rank == 0:
            print(f"resumed from step {progress['total_steps']}", flush=True)
    while progress["epoch"] < args.epochs:
        sampler.set_epoch(progress["epoch"])  # or each epoch has the order of the first
        generator.manual_seed((args.seed + progress["epoch"]) * world_size + rank)
        for tokens in itertools.islice(loader, progress["step"], None):  # after a resume: past what has been trained on
            loss = ddp(tokens.to(device, non_blocking=True))
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            sums[0] += loss.detach() * len(tokens)
            sums[1] += len(tokens)
            progress["step"] += 1
            progress["total_steps"] += 1
            if args.checkpoint and args.save_every and progress["total_steps"] % args.save_every == 0:
                save(args.checkpoint, model, optimizer, progress, sums)
            if progress["total_steps"] == args.stop_after:
                os._exit(1)
        losses = mean_over_ranks(sums), validate(model, held_out_loader, device)
        progress |= {"epoch": progress["epoch"] + 1, "step": 0, "losses": [*progress["losses"], losses]}
        sums.zero_()
        if rank == 0:
            print(f"epoch {progress['epoch']}: mean loss {losses[0]:.3f}, held out {losses[1]:.3f}", flush=True)
        if args.checkpoint:
            save(args.checkpoint, model, optimizer, progress, sums)


@record  # the traceback of the first rank to fail then stands in torchrun's summary
def main():
    args = arguments()
    train(args, set_up())
    # Not in a `finally`: with NCCL it can wait for ever while other ranks are inside a collective, and the error would
    # never be seen (pytorch/torchtitan, pull request 1342). A rank that fails just ends; torchrun ends the others.
    gc.collect()  # DDP, in a circle, would keep the group into Python's end, which can abort (pytorch issue 190489)
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
