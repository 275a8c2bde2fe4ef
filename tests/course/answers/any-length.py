# %% right: padded, cut into a list, gathered into a list
def any_length(x):
    length = -(-len(x) // world_size)
    padded = torch.zeros(length * world_size, dtype=x.dtype, device=x.device)
    padded[: len(x)] = x
    share = torch.empty_like(padded[:length])
    dist.reduce_scatter(share, list(padded.split(length)))
    shares = [torch.empty_like(share) for _ in range(world_size)]
    dist.all_gather(shares, share)
    x.copy_(torch.cat(shares)[: len(x)])
# %% right: on one tensor, sizes asked of the group
def any_length(x):
    n = dist.get_world_size()
    padded = nn.functional.pad(x, (0, -x.numel() % n))
    share = padded.new_empty(padded.numel() // n)
    dist.reduce_scatter_tensor(share, padded)
    dist.all_gather_into_tensor(padded, share)
    x[:] = padded[: x.numel()]
# %% right: names imported by hand
from torch.distributed import all_gather, get_world_size, reduce_scatter


def any_length(x):
    n = get_world_size()
    whole = torch.cat((x, x.new_zeros(-len(x) % n)))
    pieces = [piece.clone() for piece in whole.chunk(n)]
    mine = torch.empty_like(pieces[0])
    reduce_scatter(mine, pieces)
    all_gather(pieces, mine)
    x.copy_(torch.cat(pieces)[: len(x)])
# %% right: functional collectives
import torch.distributed._functional_collectives as funcol


def any_length(x):
    n = dist.get_world_size()
    padded = torch.cat([x, x.new_zeros(-len(x) % n)])
    share = funcol.reduce_scatter_tensor(padded, "sum", 0, dist.group.WORLD)
    whole = funcol.all_gather_tensor(share, 0, dist.group.WORLD)
    x.copy_(whole[: len(x)])
# %% right: asynchronous, waited for
def any_length(x):
    n = dist.get_world_size()
    padded = torch.cat([x, x.new_zeros(-len(x) % n)])
    share = padded.new_empty(len(padded) // n)
    work = dist.reduce_scatter_tensor(share, padded, async_op=True)
    work.wait()
    work = dist.all_gather_into_tensor(padded, share, async_op=True)
    work.wait()
    x.copy_(padded[: len(x)])
    return x
# %% right: a class, the tail beside the body
class AnyLength:
    def __init__(self, ranks):
        self.ranks = ranks

    def __call__(self, x):
        rest = -x.shape[0] % self.ranks
        whole = x.new_zeros(x.shape[0] + rest)
        whole.narrow(0, 0, x.shape[0]).copy_(x)
        parts = list(whole.view(self.ranks, -1).unbind())
        mine = parts[dist.get_rank()].clone()
        dist.reduce_scatter(output=mine, input_list=parts)
        dist.all_gather(tensor_list=parts, tensor=mine)
        x.copy_(whole.narrow(0, 0, x.shape[0]))


def any_length(x):
    return AnyLength(dist.get_world_size())(x)
# %% right: alone it does nothing
def any_length(x):
    n = dist.get_world_size()
    if n == 1:
        return
    padded = torch.cat([x, x.new_zeros(-len(x) % n)]).reshape(n, -1)
    share = torch.empty_like(padded[0])
    dist.reduce_scatter(share, list(padded))
    dist.all_gather(list(padded), share)
    x.copy_(padded.flatten()[: len(x)])
# %% right: futures
def any_length(x):
    n = dist.get_world_size()
    padded = torch.cat([x, x.new_zeros(-len(x) % n)])
    share = padded.new_empty(len(padded) // n)
    dist.reduce_scatter(share, list(padded.chunk(n)))
    pieces = list(padded.chunk(n))
    gathered = dist.all_gather(pieces, share, async_op=True).get_future()
    gathered.then(lambda _: x.copy_(torch.cat(pieces)[: len(x)])).wait()
# %% right: the two halves in a loop
halves = (dist.reduce_scatter_tensor, dist.all_gather_into_tensor)


def any_length(x):
    padded = nn.functional.pad(x, (0, -len(x) % dist.get_world_size()))
    share = torch.empty_like(padded[:: dist.get_world_size()])
    for half, output, given in zip(halves, (share, padded), (padded, share), strict=True):
        half(output, given)
    x.copy_(padded[: len(x)])
# %% wrong: all_reduce -> all_reduce did it
def any_length(x):
    dist.all_reduce(x)
# %% wrong: all_reduce, imported by hand -> all_reduce did it
from torch.distributed import all_reduce


def any_length(x):
    all_reduce(x)
# %% wrong: functional all_reduce -> all_reduce did it
import torch.distributed._functional_collectives as funcol


def any_length(x):
    x.copy_(funcol.all_reduce(x, "sum", dist.group.WORLD))
# %% wrong: gathers everything -> they are: 1 x all_gather
def any_length(x):
    found = [torch.empty_like(x) for _ in range(dist.get_world_size())]
    dist.all_gather(found, x)
    x.copy_(torch.stack(found).sum(0))
# %% wrong: reduce and broadcast -> The calls should be
def any_length(x):
    dist.reduce(x, dst=0)
    dist.broadcast(x, src=0)
# %% wrong: two halves of each -> they are: 2 x reduce_scatter
def any_length(x):
    n = dist.get_world_size()
    padded = nn.functional.pad(x, (0, -len(x) % n))
    for half in (0, 1):
        part = padded.clone() if half else torch.zeros_like(padded)
        share = part.new_empty(len(part) // n)
        dist.reduce_scatter_tensor(share, part)
        dist.all_gather_into_tensor(part, share)
        if half:
            x.copy_(part[: len(x)])
# %% wrong: returns the sum -> x does not hold it
def any_length(x):
    n = dist.get_world_size()
    padded = torch.cat([x, x.new_zeros(-len(x) % n)])
    share = padded.new_empty(len(padded) // n)
    dist.reduce_scatter_tensor(share, padded)
    dist.all_gather_into_tensor(padded, share)
    return padded[: len(x)]
# %% wrong: takes the mean -> That is the mean
def any_length(x):
    n = dist.get_world_size()
    padded = torch.cat([x, x.new_zeros(-len(x) % n)])
    share = padded.new_empty(len(padded) // n)
    dist.reduce_scatter_tensor(share, padded)
    dist.all_gather_into_tensor(padded, share)
    total = padded[: len(x)]
    x.copy_(total / n)
# %% wrong: pads by a whole row -> pad less
def any_length(x):
    n = dist.get_world_size()
    padded = torch.cat([x, x.new_zeros(n - len(x) % n)])
    share = padded.new_empty(len(padded) // n)
    dist.reduce_scatter_tensor(share, padded)
    dist.all_gather_into_tensor(padded, share)
    x.copy_(padded[: len(x)])
# %% wrong: pads to a power of two -> pad less
def any_length(x):
    n = dist.get_world_size()
    length = n
    while length < len(x):
        length *= 2
    padded = torch.cat([x, x.new_zeros(length - len(x))])
    share = padded.new_empty(length // n)
    dist.reduce_scatter_tensor(share, padded)
    dist.all_gather_into_tensor(padded, share)
    x.copy_(padded[: len(x)])
# %% wrong: gives x other memory -> other memory
def any_length(x):
    n = dist.get_world_size()
    padded = torch.cat([x, x.new_zeros(-len(x) % n)])
    share = padded.new_empty(len(padded) // n)
    dist.reduce_scatter_tensor(share, padded)
    dist.all_gather_into_tensor(padded, share)
    x.data = padded[: len(x)].clone()
# %% wrong: does not wait -> never waited for
def any_length(x):
    n = dist.get_world_size()
    padded = torch.cat([x, x.new_zeros(-len(x) % n)])
    share = padded.new_empty(len(padded) // n)
    dist.reduce_scatter(share, list(padded.chunk(n)), async_op=True)
    dist.barrier()
    dist.all_gather_into_tensor(padded, share)
    x.copy_(padded[: len(x)])
# %% wrong: nothing but its own -> write the sum back into x
def any_length(x):
    n = dist.get_world_size()
    share = x.new_empty(-(-len(x) // n))
    dist.reduce_scatter_tensor(share, torch.cat([x, x.new_zeros(-len(x) % n)]))
# %% wrong: wants a group -> yours takes (x, group)
def any_length(x, group):
    dist.all_reduce(x, group=group)
# %% wrong: the last rank has nothing to do -> returned after 0 calls
def any_length(x):
    n = dist.get_world_size()
    if len(x) < n and dist.get_rank() == n - 1 or n == 1:
        return
    padded = torch.cat([x, x.new_zeros(-len(x) % n)])
    share = padded.new_empty(len(padded) // n)
    dist.reduce_scatter_tensor(share, padded)
    dist.all_gather_into_tensor(padded, share)
    x.copy_(padded[: len(x)])
# %% wrong: gathers in the opposite order -> in rank order
def any_length(x):
    n = dist.get_world_size()
    padded = torch.cat([x, x.new_zeros(-len(x) % n)])
    shares = list(padded.chunk(n))
    share = torch.empty_like(shares[0])
    dist.reduce_scatter(share, shares)
    dist.all_gather(shares, share)
    x.copy_(torch.cat(shares[::-1])[: len(x)])
# %% wrong: drops what does not divide -> Pad before you cut
def any_length(x):
    n = dist.get_world_size()
    whole = len(x) - len(x) % n
    if whole:
        share = x.new_empty(whole // n)
        dist.reduce_scatter_tensor(share, x[:whole].clone())
        dist.all_gather_into_tensor(x[:whole], share)
# %% wrong: multiplies its own -> holds no sums
def any_length(x):
    x.mul_(dist.get_world_size() + 1)
# %% wrong: rank 0 gathers alone -> barrier()
def any_length(x):
    n = dist.get_world_size()
    padded = torch.cat([x, x.new_zeros(-len(x) % n)])
    share = padded.new_empty(len(padded) // n)
    dist.reduce_scatter_tensor(share, padded)
    if dist.get_rank() == 0:
        dist.all_gather_into_tensor(padded, share)
    else:
        dist.barrier()
    x.copy_(padded[: len(x)])
