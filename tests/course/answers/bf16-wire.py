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


# %% wrong: sums in bf16 -> The sum was made in bf16
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


# %% wrong: divides before -> Divided before the sum
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


# %% wrong: rounds twice -> Rounded twice
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
