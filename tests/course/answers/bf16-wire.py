# %% right: as in the lesson
def pieces(x):
    size = dist.get_world_size()
    share = -(-len(x) // size)
    return torch.cat([x, x.new_zeros(share * size - len(x))]).view(size, share)


def exchanged(sent):
    versions = torch.empty_like(sent)
    dist.all_to_all_single(versions, sent)
    return versions


def gathered(mine):
    shares = [torch.empty_like(mine) for _ in range(dist.get_world_size())]
    dist.all_gather(shares, mine)
    return torch.cat(shares)


def mean_share(x):
    return (exchanged(pieces(x)).float().sum(0) / dist.get_world_size()).bfloat16()


def reduce_mean(x):
    x.copy_(gathered(mean_share(x))[: len(x)])


# %% right: into one tensor, mean
def pieces(x):
    size = dist.get_world_size()
    share = -(-len(x) // size)
    return torch.cat([x, x.new_zeros(share * size - len(x))]).view(size, share)


def exchanged(sent):
    versions = torch.empty_like(sent)
    dist.all_to_all_single(versions, sent)
    return versions


def reduce_mean(x):
    mine = exchanged(pieces(x)).float().mean(0).bfloat16()
    whole = torch.empty_like(pieces(x)).view(-1)
    dist.all_gather_into_tensor(whole, mine)
    x.copy_(whole[: len(x)])


# %% right: point to point, batched
def pieces(x):
    size = dist.get_world_size()
    share = -(-len(x) // size)
    return torch.cat([x, x.new_zeros(share * size - len(x))]).view(size, share)


from torch.distributed import P2POp, batch_isend_irecv, get_rank, get_world_size, irecv, isend


def reduce_mean(x):
    n, me = get_world_size(), get_rank()
    mine = list(pieces(x).unbind(0))
    got = [torch.empty_like(mine[0]) for _ in range(n)]
    got[me] = mine[me]
    others = [r for r in range(n) if r != me]
    if others:
        for work in batch_isend_irecv(
            [P2POp(isend, mine[r].contiguous(), r) for r in others] + [P2POp(irecv, got[r], r) for r in others]
        ):
            work.wait()
    mean = (sum(each.float() for each in got) / n).to(torch.bfloat16)
    result = [torch.empty_like(mean) for _ in range(n)]
    result[me] = mean
    if others:
        for work in batch_isend_irecv([P2POp(isend, mean, r) for r in others] + [P2POp(irecv, result[r], r) for r in others]):
            work.wait()
    x.copy_(torch.cat(result)[: x.numel()])


# %% right: functional collectives
import torch.distributed._functional_collectives as funcol


def reduce_mean(x):
    n = dist.get_world_size()
    padded = torch.nn.functional.pad(x, (0, -len(x) % n))
    versions = funcol.wait_tensor(funcol.all_to_all_single(padded, None, None, dist.group.WORLD))
    mine = versions.view(n, -1).to(torch.float32).sum(dim=0).div(n).to(torch.bfloat16)
    whole = funcol.wait_tensor(funcol.all_gather_tensor(mine, 0, dist.group.WORLD))
    x.copy_(whole[: len(x)])


# %% right: asynchronous, waits, fp64 inside
def pieces(x):
    size = dist.get_world_size()
    share = -(-len(x) // size)
    return torch.cat([x, x.new_zeros(share * size - len(x))]).view(size, share)


def reduce_mean(x):
    n = dist.get_world_size()
    sent = pieces(x).contiguous()
    versions = torch.empty_like(sent)
    dist.all_to_all_single(versions, sent, async_op=True).wait()
    mine = (versions.double().sum(0) / n).bfloat16()
    whole = x.new_empty(n * len(mine))
    work = dist.all_gather_into_tensor(whole, mine, async_op=True)
    work.wait()
    x[:] = whole[: len(x)]


# %% right: uneven shares, lists
def reduce_mean(x):
    n, me = dist.get_world_size(), dist.get_rank()
    bounds = [len(x) * r // n for r in range(n + 1)]
    lengths = [b - a for a, b in zip(bounds, bounds[1:])]
    got = x.new_empty(n * lengths[me])
    dist.all_to_all_single(got, x.clone(), [lengths[me]] * n, lengths)
    mine = (got.view(n, lengths[me]).float().sum(0) / n).bfloat16()
    out = torch.empty_like(x)
    dist.all_to_all_single(out, mine.repeat(n), lengths, [lengths[me]] * n)
    x.copy_(out)


# %% right: the bytes as uint8, futures
def pieces(x):
    size = dist.get_world_size()
    share = -(-len(x) // size)
    return torch.cat([x, x.new_zeros(share * size - len(x))]).view(size, share)


def reduce_mean(x):
    n = dist.get_world_size()
    sent = pieces(x).contiguous().view(torch.uint8)
    versions = torch.empty_like(sent)
    dist.all_to_all_single(versions, sent, async_op=True).get_future().wait()
    mine = versions.view(torch.bfloat16).float().mean(dim=0).bfloat16()
    whole = [torch.empty_like(mine) for _ in range(n)]
    dist.all_gather(whole, mine, async_op=True).get_future().wait()
    x.copy_(torch.cat(whole)[: len(x)])


# %% wrong: reduces in bf16 -> all_reduce adds up on its way
def reduce_mean(x):
    dist.all_reduce(x)
    x /= dist.get_world_size()


# %% wrong: reduces in bf16, imported by hand -> all_reduce adds up on its way
from torch.distributed import all_reduce as summed


def reduce_mean(x):
    summed(x)
    x.div_(dist.get_world_size())


# %% wrong: reduces in fp32 -> all_reduce adds up on its way
def reduce_mean(x):
    wide = x.float()
    dist.all_reduce(wide)
    x.copy_(wide / dist.get_world_size())


# %% wrong: reduce-scatter in bf16, functional -> reduce_scatter adds up on its way
def pieces(x):
    size = dist.get_world_size()
    share = -(-len(x) // size)
    return torch.cat([x, x.new_zeros(share * size - len(x))]).view(size, share)


def gathered(mine):
    shares = [torch.empty_like(mine) for _ in range(dist.get_world_size())]
    dist.all_gather(shares, mine)
    return torch.cat(shares)


import torch.distributed._functional_collectives as funcol


def reduce_mean(x):
    n = dist.get_world_size()
    padded = pieces(x).reshape(-1)
    mine = funcol.wait_tensor(funcol.reduce_scatter_tensor(padded, "sum", 0, dist.group.WORLD))
    x.copy_(gathered((mine.float() / n).bfloat16())[: len(x)])


# %% wrong: exchanges fp32 -> only bf16 may travel
def pieces(x):
    size = dist.get_world_size()
    share = -(-len(x) // size)
    return torch.cat([x, x.new_zeros(share * size - len(x))]).view(size, share)


def exchanged(sent):
    versions = torch.empty_like(sent)
    dist.all_to_all_single(versions, sent)
    return versions


def gathered(mine):
    shares = [torch.empty_like(mine) for _ in range(dist.get_world_size())]
    dist.all_gather(shares, mine)
    return torch.cat(shares)


def reduce_mean(x):
    x.copy_(gathered(exchanged(pieces(x).float()).mean(0).bfloat16())[: len(x)])


# %% wrong: forgets to divide -> That is the sum
def pieces(x):
    size = dist.get_world_size()
    share = -(-len(x) // size)
    return torch.cat([x, x.new_zeros(share * size - len(x))]).view(size, share)


def exchanged(sent):
    versions = torch.empty_like(sent)
    dist.all_to_all_single(versions, sent)
    return versions


def gathered(mine):
    shares = [torch.empty_like(mine) for _ in range(dist.get_world_size())]
    dist.all_gather(shares, mine)
    return torch.cat(shares)


def reduce_mean(x):
    x.copy_(gathered(exchanged(pieces(x)).float().sum(0).bfloat16())[: len(x)])


# %% wrong from 3: sums in bf16 -> The sum was made in bf16
def pieces(x):
    size = dist.get_world_size()
    share = -(-len(x) // size)
    return torch.cat([x, x.new_zeros(share * size - len(x))]).view(size, share)


def exchanged(sent):
    versions = torch.empty_like(sent)
    dist.all_to_all_single(versions, sent)
    return versions


def gathered(mine):
    shares = [torch.empty_like(mine) for _ in range(dist.get_world_size())]
    dist.all_gather(shares, mine)
    return torch.cat(shares)


def reduce_mean(x):
    versions = exchanged(pieces(x))
    total = versions[0].clone()
    for version in versions[1:]:
        total += version
    x.copy_(gathered(total / dist.get_world_size())[: len(x)])


# %% wrong from 3: divides before -> Divided before the sum
def pieces(x):
    size = dist.get_world_size()
    share = -(-len(x) // size)
    return torch.cat([x, x.new_zeros(share * size - len(x))]).view(size, share)


def exchanged(sent):
    versions = torch.empty_like(sent)
    dist.all_to_all_single(versions, sent)
    return versions


def gathered(mine):
    shares = [torch.empty_like(mine) for _ in range(dist.get_world_size())]
    dist.all_gather(shares, mine)
    return torch.cat(shares)


def reduce_mean(x):
    versions = exchanged(pieces(x) / dist.get_world_size())
    x.copy_(gathered(versions.float().sum(0).bfloat16())[: len(x)])


# %% wrong: returns only -> write the mean back into x
def pieces(x):
    size = dist.get_world_size()
    share = -(-len(x) // size)
    return torch.cat([x, x.new_zeros(share * size - len(x))]).view(size, share)


def exchanged(sent):
    versions = torch.empty_like(sent)
    dist.all_to_all_single(versions, sent)
    return versions


def gathered(mine):
    shares = [torch.empty_like(mine) for _ in range(dist.get_world_size())]
    dist.all_gather(shares, mine)
    return torch.cat(shares)


def mean_share(x):
    return (exchanged(pieces(x)).float().sum(0) / dist.get_world_size()).bfloat16()


def reduce_mean(x):
    return gathered(mean_share(x))[: len(x)]


# %% wrong: leaves the tail -> Pad before you cut
def pieces(x):
    size = dist.get_world_size()
    share = -(-len(x) // size)
    return torch.cat([x, x.new_zeros(share * size - len(x))]).view(size, share)


def exchanged(sent):
    versions = torch.empty_like(sent)
    dist.all_to_all_single(versions, sent)
    return versions


def gathered(mine):
    shares = [torch.empty_like(mine) for _ in range(dist.get_world_size())]
    dist.all_gather(shares, mine)
    return torch.cat(shares)


def mean_share(x):
    return (exchanged(pieces(x)).float().sum(0) / dist.get_world_size()).bfloat16()


def reduce_mean(x):
    whole = len(x) - len(x) % dist.get_world_size()
    if whole:
        part = x[:whole]
        part.copy_(gathered(mean_share(part)))


# %% wrong: shares in the wrong order -> in rank order
def pieces(x):
    size = dist.get_world_size()
    share = -(-len(x) // size)
    return torch.cat([x, x.new_zeros(share * size - len(x))]).view(size, share)


def exchanged(sent):
    versions = torch.empty_like(sent)
    dist.all_to_all_single(versions, sent)
    return versions


def gathered(mine):
    shares = [torch.empty_like(mine) for _ in range(dist.get_world_size())]
    dist.all_gather(shares, mine)
    return torch.cat(shares)


def mean_share(x):
    return (exchanged(pieces(x)).float().sum(0) / dist.get_world_size()).bfloat16()


def reduce_mean(x):
    mine = mean_share(x)
    x.copy_(torch.cat(gathered(mine).split(len(mine))[::-1])[: len(x)])


# %% wrong: one number at a time -> one exchange and one gather
def pieces(x):
    size = dist.get_world_size()
    share = -(-len(x) // size)
    return torch.cat([x, x.new_zeros(share * size - len(x))]).view(size, share)


def exchanged(sent):
    versions = torch.empty_like(sent)
    dist.all_to_all_single(versions, sent)
    return versions


def gathered(mine):
    shares = [torch.empty_like(mine) for _ in range(dist.get_world_size())]
    dist.all_gather(shares, mine)
    return torch.cat(shares)


def mean_share(x):
    return (exchanged(pieces(x)).float().sum(0) / dist.get_world_size()).bfloat16()


def reduce_mean(x):
    for number in x:
        part = number.view(1)
        part.copy_(gathered(mean_share(part))[:1])


# %% wrong: the gather never waited for -> never waited for
def pieces(x):
    size = dist.get_world_size()
    share = -(-len(x) // size)
    return torch.cat([x, x.new_zeros(share * size - len(x))]).view(size, share)


def exchanged(sent):
    versions = torch.empty_like(sent)
    dist.all_to_all_single(versions, sent)
    return versions


def mean_share(x):
    return (exchanged(pieces(x)).float().sum(0) / dist.get_world_size()).bfloat16()


def reduce_mean(x):
    mine = mean_share(x)
    whole = x.new_empty(dist.get_world_size() * len(mine))
    dist.all_gather_into_tensor(whole, mine, async_op=True)
    import time

    time.sleep(0.2)
    x.copy_(whole[: len(x)])


# %% wrong: a second argument -> does not take that
def reduce_mean(x, size):
    dist.all_reduce(x)
    x /= size


# %% wrong from 3: rounds twice -> Rounded twice
def pieces(x):
    size = dist.get_world_size()
    share = -(-len(x) // size)
    return torch.cat([x, x.new_zeros(share * size - len(x))]).view(size, share)


def exchanged(sent):
    versions = torch.empty_like(sent)
    dist.all_to_all_single(versions, sent)
    return versions


def gathered(mine):
    shares = [torch.empty_like(mine) for _ in range(dist.get_world_size())]
    dist.all_gather(shares, mine)
    return torch.cat(shares)


def reduce_mean(x):
    x.copy_(gathered(exchanged(pieces(x)).float().sum(0).bfloat16() / dist.get_world_size())[: len(x)])


# %% right: padded, all_to_all_single and all_gather_into_tensor
def reduce_mean(x):
    n = dist.get_world_size()
    share = -(-x.numel() // n)
    padded = torch.zeros(share * n, dtype=x.dtype, device=x.device)
    padded[: x.numel()] = x
    theirs = torch.empty_like(padded)
    dist.all_to_all_single(theirs, padded)
    mine = (theirs.view(n, share).float().sum(0) / n).bfloat16()
    whole = torch.empty_like(padded)
    dist.all_gather_into_tensor(whole, mine)
    x.copy_(whole[: x.numel()])


# %% right: functional collectives (a stranger's)
import torch.distributed._functional_collectives as funcol
from torch.nn.functional import pad


def reduce_mean(vector):
    group = dist.group.WORLD
    n = dist.get_world_size(group)
    padded = pad(vector, (0, -vector.numel() % n))
    versions = funcol.wait_tensor(funcol.all_to_all_single(padded, None, None, group)).reshape(n, -1)
    share = versions.to(torch.float32).mean(dim=0).to(torch.bfloat16)
    vector[:] = funcol.all_gather_tensor(share, 0, group)[: len(vector)]


# %% right: uneven shares point to point
def reduce_mean(x):
    n, me = dist.get_world_size(), dist.get_rank()
    others = [r for r in range(n) if r != me]
    shares = list(x.tensor_split(n))
    got = {r: torch.empty_like(shares[me]) for r in others}
    swap([(r, shares[r].clone(), got[r]) for r in others])
    total = shares[me].float()
    for r in others:
        total += got[r].float()
    shares[me].copy_(total / n)
    swap([(r, shares[me].clone(), shares[r]) for r in others])


def swap(parts):
    ops = [op for r, out, into in parts for op in (send(out, r), receive(into, r)) if op is not None]
    for work in dist.batch_isend_irecv(ops) if ops else []:
        work.wait()


def send(tensor, peer):
    return dist.P2POp(dist.isend, tensor, peer) if tensor.numel() else None


def receive(tensor, peer):
    return dist.P2POp(dist.irecv, tensor, peer) if tensor.numel() else None


answer = reduce_mean


# %% right: async with waits, einsum for the mean
from torch.distributed import all_gather_into_tensor, all_to_all_single, get_world_size


def reduce_mean(x):
    size, length = get_world_size(), x.numel()
    rows = torch.cat([x, x.new_zeros((size - length % size) % size)])
    columns = torch.empty_like(rows)
    work = all_to_all_single(columns, rows, async_op=True)
    work.wait()
    columns = columns.reshape(size, -1).float()
    mean = torch.einsum("rc,r->c", columns, torch.full((size,), 1.0)) / size
    back = torch.empty_like(rows)
    all_gather_into_tensor(back, mean.bfloat16(), async_op=True).wait()
    x.data.copy_(back.narrow(0, 0, length))


# %% right: all_to_all_single with uneven splits, all_gather with a list
def reduce_mean(x):
    n, me = dist.get_world_size(), dist.get_rank()
    most = (len(x) + n - 1) // n
    sizes = [max(0, min(most, len(x) - r * most)) for r in range(n)]
    received = x.new_empty(n * sizes[me])
    dist.all_to_all_single(received, x, [sizes[me]] * n, sizes)
    share = received.view(n, sizes[me]).float().sum(0).div(n).to(x.dtype)
    parts = [x.new_empty(most) for _ in range(n)]
    dist.all_gather(parts, torch.cat([share, x.new_zeros(most - sizes[me])]))
    torch.cat([part[:size] for part, size in zip(parts, sizes)], out=x)


# %% right: a class and numpy sums
import numpy as np


class Mean:
    def __init__(self, group=None):
        self.group, self.n = group, dist.get_world_size(group)

    def shares(self, x):
        return torch.nn.functional.pad(x, (0, (self.n - x.shape[0]) % self.n)).chunk(self.n)

    def __call__(self, x):
        shares = self.shares(x)
        mine = torch.empty(self.n, shares[0].shape[0], dtype=torch.bfloat16)
        dist.all_to_all_single(mine.view(-1), torch.cat(shares), group=self.group)
        summed = np.add.reduce(mine.float().numpy(), axis=0, dtype=np.float32) / np.float32(self.n)
        everything = torch.empty(self.n * summed.size, dtype=torch.bfloat16)
        dist.all_gather_into_tensor(everything, torch.from_numpy(summed).bfloat16(), group=self.group)
        x.copy_(everything[: x.shape[0]])


def reduce_mean(x):
    Mean()(x)


# %% right: gathered share by share, then an all-gather
def reduce_mean(x):
    n, me = dist.get_world_size(), dist.get_rank()
    buffer = torch.zeros(-(-x.numel() // n) * n, dtype=torch.bfloat16)
    buffer[: x.numel()].copy_(x)
    rows = list(buffer.view(n, -1).unbind())
    for root in range(n):
        got = [torch.empty_like(rows[root]) for _ in range(n)] if root == me else None
        dist.gather(rows[root].contiguous(), got, dst=root)
        if got:
            mine = sum(each.float() for each in got)
    all_ = [torch.empty_like(rows[0]) for _ in range(n)]
    dist.all_gather(all_, (mine / n).bfloat16())
    x.copy_(torch.cat(all_)[: x.numel()])


# %% right: a future's then, a partner's bits as whole numbers on the wire
def reduce_mean(x):
    n = dist.get_world_size()
    padded = torch.nn.functional.pad(x, (0, -len(x) % n))
    out = torch.empty_like(padded)
    dist.all_to_all_single(out, padded)
    mean = torch.stack(out.chunk(n)).float().mean(0).bfloat16() if len(padded) else out
    whole = torch.empty_like(padded)
    future = dist.all_gather_into_tensor(whole, mean, async_op=True).get_future()
    future.then(lambda _: x.copy_(whole[: len(x)])).wait()


# %% right: reversed order of shares, isend and recv in turn
def reduce_mean(x):
    n, me = dist.get_world_size(), dist.get_rank()
    width = (x.numel() + n - 1) // n
    p = torch.zeros(width * n, dtype=x.dtype)
    p[: x.numel()] = x
    p = p.view(n, width)
    acc = p[me].to(torch.float32)
    for shift in range(1, n):
        to, frm = (me + shift) % n, (me - shift) % n
        sending = dist.isend(p[to].contiguous(), to)
        piece = torch.empty(width, dtype=x.dtype)
        dist.recv(piece, frm)
        sending.wait()
        acc = acc + piece
    p[me] = acc / n
    for shift in range(1, n):
        to, frm = (me + shift) % n, (me - shift) % n
        sending = dist.isend(p[me].contiguous(), to)
        piece = torch.empty(width, dtype=x.dtype)
        dist.recv(piece, frm)
        sending.wait()
        p[frm] = piece
    x.copy_(p.flatten()[: x.numel()])


# %% wrong: summed by all_reduce in bf16
def reduce_mean(x):
    dist.all_reduce(x)
    x /= dist.get_world_size()


# %% wrong: fp32 on the wire
def reduce_mean(x):
    wide = x.float()
    dist.all_reduce(wide)
    x.copy_(wide / dist.get_world_size())


# %% wrong: a sum and no mean
def reduce_mean(x):
    n = dist.get_world_size()
    padded = torch.nn.functional.pad(x, (0, -len(x) % n))
    out, whole = torch.empty_like(padded), torch.empty_like(padded)
    dist.all_to_all_single(out, padded)
    dist.all_gather_into_tensor(whole, out.view(n, -1).float().sum(0).bfloat16())
    x.copy_(whole[: len(x)])


# %% wrong: rounded before the division by a number that is no power of two
def reduce_mean(x):
    n = dist.get_world_size()
    padded = torch.nn.functional.pad(x, (0, -len(x) % n))
    out, whole = torch.empty_like(padded), torch.empty_like(padded)
    dist.all_to_all_single(out, padded)
    third = (out.view(n, -1).float().sum(0) / 3).bfloat16()
    dist.all_gather_into_tensor(whole, (third.float() * 3 / n).bfloat16())
    x.copy_(whole[: len(x)])


# %% wrong: each rank divides its bf16 gradient by three first
def reduce_mean(x):
    n = dist.get_world_size()
    padded = torch.nn.functional.pad(x / 3, (0, -len(x) % n))
    out, whole = torch.empty_like(padded), torch.empty_like(padded)
    dist.all_to_all_single(out, padded)
    dist.all_gather_into_tensor(whole, (out.view(n, -1).float().sum(0) * 3 / n).bfloat16())
    x.copy_(whole[: len(x)])


# %% wrong: the shares are divided and added up in bf16
def reduce_mean(x):
    n = dist.get_world_size()
    padded = torch.nn.functional.pad(x, (0, -len(x) % n))
    out, whole = torch.empty_like(padded), torch.empty_like(padded)
    dist.all_to_all_single(out, padded)
    total = out.view(n, -1)[0] / 3
    for other in out.view(n, -1)[1:]:
        total += other / 3
    dist.all_gather_into_tensor(whole, total * 3 / n)
    x.copy_(whole[: len(x)])


# %% wrong: a new tensor comes back, x stays
def reduce_mean(x):
    n = dist.get_world_size()
    padded = torch.nn.functional.pad(x, (0, -len(x) % n))
    out, whole = torch.empty_like(padded), torch.empty_like(padded)
    dist.all_to_all_single(out, padded)
    dist.all_gather_into_tensor(whole, (out.view(n, -1).float().sum(0) / n).bfloat16())
    return whole[: len(x)]


# %% wrong: the name x is bound anew
def reduce_mean(x):
    n, length = dist.get_world_size(), len(x)
    x = torch.nn.functional.pad(x, (0, -len(x) % n))
    out = torch.empty_like(x)
    dist.all_to_all_single(out, x)
    whole = torch.empty_like(x)
    dist.all_gather_into_tensor(whole, (out.view(n, -1).float().sum(0) / n).bfloat16())
    x = whole[:length]


# %% wrong: lengths must divide evenly
def reduce_mean(x):
    n = dist.get_world_size()
    out = torch.empty_like(x)
    dist.all_to_all_single(out, x)
    dist.all_gather_into_tensor(x, (out.view(n, -1).float().sum(0) / n).bfloat16())


# %% wrong: the remainder is left alone
def reduce_mean(x):
    n = dist.get_world_size()
    even = len(x) // n * n
    head = x[:even].clone()
    out, whole = torch.empty_like(head), torch.empty_like(head)
    if even:
        dist.all_to_all_single(out, head)
        dist.all_gather_into_tensor(whole, (out.view(n, -1).float().sum(0) / n).bfloat16())
    x[:even] = whole


# %% wrong: a whole row too much of padding counts in the mean
def reduce_mean(x):
    n = dist.get_world_size()
    padded = torch.nn.functional.pad(x, (0, -len(x) % n))
    out, whole = torch.empty_like(padded), torch.empty_like(padded)
    dist.all_to_all_single(out, padded)
    dist.all_gather_into_tensor(whole, (out.view(n, -1).float().sum(0) / (n + 1)).bfloat16())
    x.copy_(whole[: len(x)])


# %% wrong: four ranks are written in -> divided by 4
def reduce_mean(x):
    n = dist.get_world_size()
    padded = torch.nn.functional.pad(x, (0, -len(x) % n))
    out, whole = torch.empty_like(padded), torch.empty_like(padded)
    dist.all_to_all_single(out, padded)
    dist.all_gather_into_tensor(whole, (out.view(n, -1).float().sum(0) / 4).bfloat16())
    x.copy_(whole[: len(x)])


# %% wrong: the gather is not waited for -> never waited for
def reduce_mean(x):
    n = dist.get_world_size()
    padded = torch.nn.functional.pad(x, (0, -len(x) % n))
    out, whole = torch.empty_like(padded), torch.empty_like(padded)
    dist.all_to_all_single(out, padded)
    dist.all_gather_into_tensor(whole, (out.view(n, -1).float().sum(0) / n).bfloat16(), async_op=True)
    x.copy_(whole[: len(x)])


# %% wrong: the swap is not waited for -> never waited for
def reduce_mean(x):
    n = dist.get_world_size()
    padded = torch.nn.functional.pad(x, (0, -len(x) % n))
    out, whole = torch.zeros_like(padded), torch.empty_like(padded)
    dist.all_to_all_single(out, padded, async_op=True)
    dist.all_gather_into_tensor(whole, (out.view(n, -1).float().sum(0) / n).bfloat16())
    x.copy_(whole[: len(x)])


# %% wrong: the shares are swapped in fp32
def reduce_mean(x):
    n = dist.get_world_size()
    padded = torch.nn.functional.pad(x, (0, -len(x) % n)).float()
    out = torch.empty_like(padded)
    dist.all_to_all_single(out, padded)
    whole = torch.empty_like(padded, dtype=torch.bfloat16)
    dist.all_gather_into_tensor(whole, (out.view(n, -1).sum(0) / n).bfloat16())
    x.copy_(whole[: len(x)])


# %% wrong: the means are gathered in fp32
def reduce_mean(x):
    n = dist.get_world_size()
    padded = torch.nn.functional.pad(x, (0, -len(x) % n))
    out = torch.empty_like(padded)
    dist.all_to_all_single(out, padded)
    whole = torch.empty_like(padded, dtype=torch.float32)
    dist.all_gather_into_tensor(whole, out.view(n, -1).float().sum(0) / n)
    x.copy_(whole[: len(x)])


# %% wrong: twice the padding of the vector's length
def reduce_mean(x):
    n = dist.get_world_size()
    padded = torch.cat([x, torch.zeros(len(x) * (n - 1) + n, dtype=x.dtype)])[: 2 * len(x) + (-2 * len(x)) % n]
    padded = torch.nn.functional.pad(padded, (0, -len(padded) % n))
    out, whole = torch.empty_like(padded), torch.empty_like(padded)
    dist.all_to_all_single(out, padded)
    dist.all_gather_into_tensor(whole, (out.view(n, -1).float().sum(0) / n).bfloat16())
    x.copy_(whole[: len(x)])


# %% wrong: everybody has everything, twice
def reduce_mean(x):
    n = dist.get_world_size()
    all_of_them = [torch.empty_like(x) for _ in range(n)]
    dist.all_gather(all_of_them, x)
    dist.all_gather(all_of_them, x)
    x.copy_(torch.stack(all_of_them).float().mean(0))


# %% wrong: the shares in the wrong order
def reduce_mean(x):
    n = dist.get_world_size()
    padded = torch.nn.functional.pad(x, (0, -len(x) % n))
    out, whole = torch.empty_like(padded), torch.empty_like(padded)
    dist.all_to_all_single(out, padded)
    dist.all_gather_into_tensor(whole, (out.view(n, -1).float().sum(0) / n).bfloat16())
    x.copy_(whole.view(n, -1).flip(0).flatten()[: len(x)])


# %% wrong: rank 0 alone gets the mean
def reduce_mean(x):
    n = dist.get_world_size()
    got = [torch.empty_like(x) for _ in range(n)] if dist.get_rank() == 0 else None
    dist.gather(x, got)
    if got:
        x.copy_(torch.stack(got).float().mean(0))


# %% wrong: rank 0 leaves early
def reduce_mean(x):
    n = dist.get_world_size()
    padded = torch.nn.functional.pad(x, (0, -len(x) % n))
    out, whole = torch.empty_like(padded), torch.empty_like(padded)
    dist.all_to_all_single(out, padded)
    if dist.get_rank() == 0:
        return
    dist.all_gather_into_tensor(whole, (out.view(n, -1).float().sum(0) / n).bfloat16())
    x.copy_(whole[: len(x)])


# %% wrong: chunk gives fewer shares than ranks
def reduce_mean(x):
    n = dist.get_world_size()
    shares = x.chunk(n)
    most = len(shares[0])
    padded = torch.cat([torch.nn.functional.pad(s, (0, most - len(s))) for s in shares])
    out, whole = torch.empty_like(padded), torch.empty_like(padded)
    dist.all_to_all_single(out, padded)
    dist.all_gather_into_tensor(whole, (out.view(n, -1).float().sum(0) / n).bfloat16())
    x.copy_(whole[: len(x)])


# %% wrong: short vectors are left as they are
def reduce_mean(x):
    n = dist.get_world_size()
    if len(x) < n:
        return
    padded = torch.nn.functional.pad(x, (0, -len(x) % n))
    out, whole = torch.empty_like(padded), torch.empty_like(padded)
    dist.all_to_all_single(out, padded)
    dist.all_gather_into_tensor(whole, (out.view(n, -1).float().sum(0) / n).bfloat16())
    x.copy_(whole[: len(x)])


# %% wrong: fp16 on the wire and in the sum -> only bf16 may travel
def reduce_mean(x):
    n = dist.get_world_size()
    padded = torch.nn.functional.pad(x.half(), (0, -len(x) % n))
    out, whole = torch.empty_like(padded), torch.empty_like(padded)
    dist.all_to_all_single(out, padded)
    dist.all_gather_into_tensor(whole, (out.view(n, -1).float().sum(0) / n).half())
    x.copy_(whole[: len(x)])


# %% wrong: the median of the ranks
def reduce_mean(x):
    n = dist.get_world_size()
    padded = torch.nn.functional.pad(x, (0, -len(x) % n))
    out, whole = torch.empty_like(padded), torch.empty_like(padded)
    dist.all_to_all_single(out, padded)
    dist.all_gather_into_tensor(whole, out.view(n, -1).float().median(0).values.bfloat16())
    x.copy_(whole[: len(x)])


# %% wrong: torch's compress hook by hand
def reduce_mean(x):
    sent = x.div(dist.get_world_size()).bfloat16()
    dist.all_reduce(sent)
    x.copy_(sent)


# %% right: torch's mean of bf16, which adds up in fp32
def reduce_mean(x):
    n = dist.get_world_size()
    padded = torch.nn.functional.pad(x, (0, -len(x) % n))
    theirs = torch.empty_like(padded)
    dist.all_to_all_single(theirs, padded)
    dist.all_gather_into_tensor(padded, theirs.view(n, -1).mean(0))
    x.copy_(padded[: len(x)])


# %% wrong from 3: short vectors are gathered whole
def reduce_mean(x):
    n = dist.get_world_size()
    if len(x) <= 2 * n:
        parts = [torch.empty_like(x) for _ in range(n)]
        dist.all_gather(parts, x.clone())
        x.copy_(sum(p.float() for p in parts) / n)
        return
    padded = torch.nn.functional.pad(x, (0, -len(x) % n))
    theirs = torch.empty_like(padded)
    dist.all_to_all_single(theirs, padded)
    dist.all_gather_into_tensor(padded, (theirs.view(n, -1).float().sum(0) / n).bfloat16())
    x.copy_(padded[: len(x)])


# %% right: the name world_size, which follows
def reduce_mean(x):
    n = world_size
    padded = torch.nn.functional.pad(x, (0, -len(x) % n))
    theirs = torch.empty_like(padded)
    dist.all_to_all_single(theirs, padded)
    dist.all_gather_into_tensor(padded, (theirs.view(n, -1).float().sum(0) / n).bfloat16())
    x.copy_(padded[: len(x)])


# %% wrong: an object tells the length first
def reduce_mean(x):
    n = dist.get_world_size()
    lengths = [None] * n
    dist.all_gather_object(lengths, len(x))
    padded = torch.nn.functional.pad(x, (0, -max(lengths) % n))
    theirs = torch.empty_like(padded)
    dist.all_to_all_single(theirs, padded)
    dist.all_gather_into_tensor(padded, (theirs.view(n, -1).float().sum(0) / n).bfloat16())
    x.copy_(padded[: len(x)])


# %% wrong: an fp32 norm travels besides
def reduce_mean(x):
    n = dist.get_world_size()
    norm = x.float().norm()
    dist.all_reduce(norm)
    padded = torch.nn.functional.pad(x, (0, -len(x) % n))
    theirs = torch.empty_like(padded)
    dist.all_to_all_single(theirs, padded)
    dist.all_gather_into_tensor(padded, (theirs.view(n, -1).float().sum(0) / n).bfloat16())
    x.copy_(padded[: len(x)])


# %% wrong: by files -> Nothing went through
import os
import tempfile


def reduce_mean(x):
    n, me = dist.get_world_size(), dist.get_rank()
    folder = os.path.join(tempfile.gettempdir(), f"reduce_mean_{os.getppid()}")
    os.makedirs(folder, exist_ok=True)
    torch.save(x.float(), os.path.join(folder, f"{me}.pt"))
    dist.barrier()
    total = sum(torch.load(os.path.join(folder, f"{r}.pt")) for r in range(n))
    dist.barrier()
    x.copy_(total / n)


# %% right: each owner broadcasts its share
def reduce_mean(x):
    n, me = dist.get_world_size(), dist.get_rank()
    padded = nn.functional.pad(x.clone(), (0, (n - len(x) % n) % n))
    got = padded.new_empty(padded.shape)
    dist.all_to_all_single(got, padded)
    acc = 0.0
    for version in got.chunk(n):
        acc = acc + version.float()
    for owner, part in enumerate(padded.chunk(n)):
        if owner == me:
            part.copy_(acc / n)
        dist.broadcast(part, src=owner)
    x.copy_(padded[: len(x)])


# %% wrong: x gets another storage -> new memory
def reduce_mean(x):
    n = dist.get_world_size()
    size = x.numel()
    sent = nn.functional.pad(x, (0, -size % n))
    got = torch.empty_like(sent)
    dist.all_to_all_single(got, sent)
    share = (got.view(n, -1).float().sum(0) / n).bfloat16()
    out = torch.empty_like(sent)
    dist.all_gather_into_tensor(out, share)
    x.data = out[:size].clone()


# %% wrong: fp16 in the sum
def reduce_mean(x):
    n = dist.get_world_size()
    size = x.numel()
    sent = nn.functional.pad(x, (0, -size % n))
    got = torch.empty_like(sent)
    dist.all_to_all_single(got, sent)
    share = (got.view(n, -1).half().sum(0) / n).bfloat16()
    out = torch.empty_like(sent)
    dist.all_gather_into_tensor(out, share)
    x.copy_(out[:size])


# %% wrong: zeros are left out of the mean
def reduce_mean(x):
    n = dist.get_world_size()
    size = x.numel()
    sent = nn.functional.pad(x, (0, -size % n))
    got = torch.empty_like(sent)
    dist.all_to_all_single(got, sent)
    rows = got.view(n, -1).float()
    share = (rows.sum(0) / rows.ne(0).sum(0).clamp(min=1)).bfloat16()
    out = torch.empty_like(sent)
    dist.all_gather_into_tensor(out, share)
    x.copy_(out[:size])


# %% wrong: the mean is rounded to fp16 and then to bf16
def reduce_mean(x):
    n = dist.get_world_size()
    size = x.numel()
    sent = nn.functional.pad(x, (0, -size % n))
    got = torch.empty_like(sent)
    dist.all_to_all_single(got, sent)
    share = got.view(n, -1).float().sum(0).div(n).half().bfloat16()
    out = torch.empty_like(sent)
    dist.all_gather_into_tensor(out, share)
    x.copy_(out[:size])
