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
# %% wrong: wants a group -> does not take that: missing a required argument: 'group'
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
# %% right: F.pad, one tensor each
import torch.nn.functional as F


def any_length(x):
    n = dist.get_world_size()
    padded = F.pad(x, (0, -x.numel() % n))
    share = padded.new_empty(padded.numel() // n)
    dist.reduce_scatter_tensor(share, padded)
    dist.all_gather_into_tensor(padded, share)
    x.copy_(padded[: x.numel()])
# %% right: lists, with the lesson's names rank and world_size
def any_length(x):
    per = -(-len(x) // world_size)
    padded = torch.zeros(per * world_size, dtype=x.dtype, device=x.device)
    padded[: len(x)] = x
    share = torch.empty(per, dtype=x.dtype, device=x.device)
    dist.reduce_scatter(share, list(padded.chunk(world_size)))
    shares = [torch.empty_like(share) for _ in range(world_size)]
    dist.all_gather(shares, share)
    x[:] = torch.cat(shares)[: len(x)]
# %% right: functional collectives (a second reader's)
import torch.distributed._functional_collectives as funcol


def any_length(x):
    group = dist.group.WORLD
    n = group.size()
    whole = torch.cat([x, x.new_zeros((n - x.numel() % n) % n)])
    share = funcol.wait_tensor(funcol.reduce_scatter_tensor(whole, "sum", 0, group))
    x.copy_(funcol.wait_tensor(funcol.all_gather_tensor(share, 0, group))[: x.numel()])
# %% right: asynchronous, waited for (a second reader's)
def any_length(tensor):
    n = dist.get_world_size()
    length = tensor.shape[0]
    buffer = tensor.new_empty((length + n - 1) // n * n).fill_(7)
    buffer[:length].copy_(tensor)
    share = tensor.new_empty(buffer.shape[0] // n)
    work = dist.reduce_scatter_tensor(share, buffer, async_op=True)
    work.wait()
    work = dist.all_gather_into_tensor(buffer, share, async_op=True)
    work.wait()
    tensor.copy_(buffer[:length])
    return tensor
# %% right: a class
class AnyLength:
    def __init__(self, op=dist.ReduceOp.SUM):
        self.op = op

    def __call__(self, x):
        ranks = dist.get_world_size()
        padding = (ranks - x.size(0)) % ranks
        padded = torch.cat([x, x.new_zeros(padding)]) if padding else x.clone()
        share = torch.empty_like(padded[: padded.size(0) // ranks])
        dist.reduce_scatter_tensor(share, padded, op=self.op)
        dist.all_gather_into_tensor(padded, share)
        x.copy_(padded[: x.size(0)])


any_length = AnyLength()
# %% right: padded with numpy
import numpy as np


def any_length(x):
    n = dist.get_world_size()
    array = np.pad(x.cpu().numpy(), (0, -len(x) % n))
    pieces = [torch.from_numpy(piece.copy()).to(x.device) for piece in np.split(array, n)]
    share = torch.empty_like(pieces[0])
    dist.reduce_scatter(share, pieces)
    dist.all_gather(pieces, share)
    x.copy_(torch.cat(pieces)[: len(x)])
# %% right: an element in turn for every rank
def any_length(x):
    n = dist.get_world_size()
    rows = -(-x.numel() // n)
    table = x.new_zeros(rows * n)
    table[: x.numel()] = x
    columns = [column.contiguous() for column in table.view(rows, n).unbind(1)]
    mine = torch.empty_like(columns[0])
    dist.reduce_scatter(mine, columns)
    dist.all_gather(columns, mine)
    x.copy_(torch.stack(columns, 1).flatten()[: x.numel()])
# %% right: names imported by hand (a second reader's)
from torch.distributed import all_gather_into_tensor, get_world_size, reduce_scatter_tensor


def any_length(v):
    n, length = get_world_size(), v.numel()
    each = (length + n - 1) // n
    whole = v.new_zeros(n * each)
    whole[:length] = v
    reduce_scatter_tensor(mine := v.new_zeros(each), whole)
    all_gather_into_tensor(whole, mine)
    v.copy_(whole[:length])
# %% right: a lambda
def _share(padded, n):
    share = padded.new_empty(padded.numel() // n)
    dist.reduce_scatter_tensor(share, padded)
    return share


def _gathered(share, n):
    whole = share.new_empty(share.numel() * n)
    dist.all_gather_into_tensor(whole, share)
    return whole


any_length = lambda x: x.copy_(  # noqa: E731
    _gathered(
        _share(torch.cat([x, x.new_zeros(-len(x) % dist.get_world_size())]), dist.get_world_size()),
        dist.get_world_size(),
    )[: len(x)]
)
# %% right: a partial
import functools


def reduce_and_gather(x, reduce, gather):
    n = dist.get_world_size()
    whole = torch.constant_pad_nd(x, (0, -x.numel() % n))
    share = whole.new_zeros(whole.numel() // n)
    reduce(share, whole)
    gather(whole, share)
    x.copy_(whole[: x.numel()])


any_length = functools.partial(
    reduce_and_gather, reduce=dist.reduce_scatter_tensor, gather=dist.all_gather_into_tensor
)
# %% right: nothing to do on one rank
def any_length(x):
    n = dist.get_world_size()
    if n == 1:
        return x
    pad = (n - x.numel() % n) % n
    padded = torch.cat([x, torch.zeros(pad, dtype=x.dtype, device=x.device)])
    share = torch.empty(padded.numel() // n, dtype=x.dtype, device=x.device)
    dist.reduce_scatter(share, list(padded.split(share.numel())))
    gathered = [torch.empty_like(share) for _ in range(n)]
    dist.all_gather(gathered, share)
    torch.cat(gathered, out=padded)
    x.copy_(padded[: x.numel()])
    return x
# %% right: the gather written straight into the buffer's views
def any_length(x):
    n = dist.get_world_size()
    size = -(-x.numel() // n)
    buffer = x.new_zeros(n, size)
    buffer.view(-1)[: x.numel()] = x
    share = torch.empty_like(buffer[0])
    dist.reduce_scatter(share, list(buffer))
    dist.all_gather(list(buffer), share)
    x.copy_(buffer.view(-1)[: x.numel()])
# %% right: no copy where the length divides already
def any_length(x):
    n = dist.get_world_size()
    pad = -len(x) % n
    whole = x if pad == 0 else torch.cat([x, x.new_empty(pad)])
    if pad:
        whole[len(x) :] = 0
    share = whole.new_empty(len(whole) // n)
    dist.reduce_scatter_tensor(share, whole)
    dist.all_gather_into_tensor(whole, share)
    if pad:
        x.copy_(whole[: len(x)])
# %% right: the group given, by the process group's own methods' names
def any_length(x):
    pg = dist.distributed_c10d._get_default_group()
    n = pg.size()
    filled = torch.zeros((x.numel() + n - 1) // n * n, dtype=x.dtype, device=device)
    filled[: x.numel()] = x
    share = torch.zeros(filled.numel() // n, dtype=x.dtype, device=device)
    pg._reduce_scatter_base(share, filled).wait()
    pg._allgather_base(filled, share).wait()
    x[...] = filled[: x.numel()]
# %% right: autograd's functions
import torch.distributed.nn.functional as dnn


def any_length(x):
    n = dist.get_world_size()
    padded = torch.cat([x, x.new_zeros(-x.numel() % n)])
    share = dnn.reduce_scatter(torch.empty_like(padded[: padded.numel() // n]), list(padded.chunk(n)))
    x.copy_(torch.cat(dnn.all_gather(share))[: x.numel()])
# %% wrong: all_reduce (a second reader's)
def any_length(x):
    dist.all_reduce(x)
# %% wrong: pads a whole round where the length divides -> pad less
def any_length(x):
    n = dist.get_world_size()
    padded = torch.cat([x, x.new_zeros(n - x.numel() % n)])
    share = padded.new_empty(padded.numel() // n)
    dist.reduce_scatter_tensor(share, padded)
    dist.all_gather_into_tensor(padded, share)
    x.copy_(padded[: x.numel()])
# %% wrong: a padded buffer of fp32 for every dtype -> buffers of x's own type
def any_length(x):
    n = dist.get_world_size()
    padded = torch.zeros(-(-x.numel() // n) * n, device=x.device)
    padded[: x.numel()] = x
    share = torch.empty(padded.numel() // n, device=x.device)
    dist.reduce_scatter_tensor(share, padded)
    dist.all_gather_into_tensor(padded, share)
    x.copy_(padded[: x.numel()])
# %% wrong: the name x is bound anew -> x does not hold it
def any_length(x):
    n = dist.get_world_size()
    padded = torch.cat([x, x.new_zeros(-x.numel() % n)])
    share = padded.new_empty(padded.numel() // n)
    dist.reduce_scatter_tensor(share, padded)
    dist.all_gather_into_tensor(padded, share)
    x = padded[: x.numel()]
    return x
# %% wrong: the rest is left out -> Pad before you cut
def any_length(x):
    n = dist.get_world_size()
    whole = x[: x.numel() // n * n]
    share = whole.new_empty(whole.numel() // n)
    dist.reduce_scatter_tensor(share, whole.clone())
    dist.all_gather_into_tensor(whole, share)
# %% wrong: chunks without padding
def any_length(x):
    n = dist.get_world_size()
    shares = list(x.chunk(n))
    mine = torch.empty_like(shares[dist.get_rank()])
    dist.reduce_scatter(mine, shares)
    dist.all_gather(shares, mine)
# %% wrong: the mean -> That is the mean
def any_length(x):
    n = dist.get_world_size()
    padded = torch.cat([x, x.new_zeros(-x.numel() % n)])
    share = padded.new_empty(padded.numel() // n)
    dist.reduce_scatter_tensor(share, padded)
    dist.all_gather_into_tensor(padded, share)
    x.copy_(padded[: x.numel()] / n)
# %% wrong: never waits for the gather -> never waited for
def any_length(x):
    n = dist.get_world_size()
    padded = torch.cat([x, x.new_zeros(-x.numel() % n)])
    share = padded.new_empty(padded.numel() // n)
    dist.reduce_scatter_tensor(share, padded)
    dist.all_gather_into_tensor(padded, share, async_op=True)
    x.copy_(padded[: x.numel()])
# %% wrong: never waits for the reduce-scatter -> never waited for
def any_length(x):
    n = dist.get_world_size()
    padded = torch.cat([x, x.new_zeros(-x.numel() % n)])
    share = padded.new_empty(padded.numel() // n)
    dist.reduce_scatter_tensor(share, padded, async_op=True)
    dist.all_gather_into_tensor(padded, share)
    x.copy_(padded[: x.numel()])
# %% wrong: all_reduce where the tensor is short
def any_length(x):
    n = dist.get_world_size()
    if x.numel() < n:
        dist.all_reduce(x)
        return
    padded = torch.cat([x, x.new_zeros(-x.numel() % n)])
    share = padded.new_empty(padded.numel() // n)
    dist.reduce_scatter_tensor(share, padded)
    dist.all_gather_into_tensor(padded, share)
    x.copy_(padded[: x.numel()])
# %% wrong: ranks without a share go home -> returned after 0 calls
def any_length(x):
    n = dist.get_world_size()
    if dist.get_rank() >= x.numel():
        return
    padded = torch.cat([x, x.new_zeros(-x.numel() % n)])
    share = padded.new_empty(padded.numel() // n)
    dist.reduce_scatter_tensor(share, padded)
    dist.all_gather_into_tensor(padded, share)
    x.copy_(padded[: x.numel()])
# %% wrong: the number of ranks written in, 4 -> outputShape
def any_length(x):
    padded = torch.cat([x, x.new_zeros(-x.numel() % 4)])
    share = padded.new_empty(padded.numel() // 4)
    dist.reduce_scatter_tensor(share, padded)
    dist.all_gather_into_tensor(padded, share)
    x.copy_(padded[: x.numel()])
# %% wrong: the rest by a small all_reduce
def any_length(x):
    n = dist.get_world_size()
    even = x.numel() // n * n
    if even:
        share = x.new_empty(even // n)
        dist.reduce_scatter_tensor(share, x[:even].clone())
        dist.all_gather_into_tensor(x[:even], share)
    if even < x.numel():
        dist.all_reduce(x[even:])
# %% wrong: everybody's whole tensor gathered, and added up
def any_length(x):
    everybody = [torch.empty_like(x) for _ in range(dist.get_world_size())]
    dist.all_gather(everybody, x)
    x.copy_(torch.stack(everybody).sum(0))
# %% wrong: padded to a multiple of 64
def any_length(x):
    n = dist.get_world_size()
    padded = torch.cat([x, x.new_zeros(-x.numel() % (64 * n))])
    share = padded.new_empty(padded.numel() // n)
    dist.reduce_scatter_tensor(share, padded)
    dist.all_gather_into_tensor(padded, share)
    x.copy_(padded[: x.numel()])
# %% wrong: padded to the length times the ranks
def any_length(x):
    n = dist.get_world_size()
    padded = torch.cat([x, x.new_zeros(x.numel() * (n - 1))])
    share = padded.new_empty(x.numel())
    dist.reduce_scatter_tensor(share, padded)
    dist.all_gather_into_tensor(padded, share)
    x.copy_(padded[: x.numel()])
# %% wrong: the maximum -> largest number
def any_length(x):
    n = dist.get_world_size()
    padded = torch.cat([x, x.new_zeros(-x.numel() % n)])
    share = padded.new_empty(padded.numel() // n)
    dist.reduce_scatter_tensor(share, padded, op=dist.ReduceOp.MAX)
    dist.all_gather_into_tensor(padded, share)
    x.copy_(padded[: x.numel()])
# %% wrong: the shares put back in the wrong order
def any_length(x):
    n = dist.get_world_size()
    padded = torch.cat([x, x.new_zeros(-x.numel() % n)])
    shares = list(padded.chunk(n))
    mine = torch.empty_like(shares[0])
    dist.reduce_scatter(mine, shares)
    gathered = [torch.empty_like(mine) for _ in range(n)]
    dist.all_gather(gathered, mine)
    x.copy_(torch.cat(gathered[::-1])[: x.numel()])
# %% wrong: a barrier in front -> 1 x barrier
def any_length(x):
    n = dist.get_world_size()
    dist.barrier()
    padded = torch.cat([x, x.new_zeros(-x.numel() % n)])
    share = padded.new_empty(padded.numel() // n)
    dist.reduce_scatter_tensor(share, padded)
    dist.all_gather_into_tensor(padded, share)
    x.copy_(padded[: x.numel()])
# %% wrong: asks everybody for the length first
def any_length(x):
    n = dist.get_world_size()
    lengths = [None] * n
    dist.all_gather_object(lengths, x.numel())
    padded = torch.cat([x, x.new_zeros(-max(lengths) % n)])
    share = padded.new_empty(padded.numel() // n)
    dist.reduce_scatter_tensor(share, padded)
    dist.all_gather_into_tensor(padded, share)
    x.copy_(padded[: x.numel()])
# %% wrong: n elements at a time
def any_length(x):
    n = dist.get_world_size()
    padded = torch.cat([x, x.new_zeros(-x.numel() % n)])
    for row in padded.split(n):
        share = row.new_empty(1)
        dist.reduce_scatter_tensor(share, row.clone())
        dist.all_gather_into_tensor(row, share)
    x.copy_(padded[: x.numel()])
# %% wrong: x is made longer -> rite the sums into
def any_length(x):
    n = dist.get_world_size()
    padded = torch.cat([x, x.new_zeros(-x.numel() % n)])
    share = padded.new_empty(padded.numel() // n)
    dist.reduce_scatter_tensor(share, padded)
    dist.all_gather_into_tensor(padded, share)
    x.data = padded
# %% wrong: rank 0 only writes back -> On rank 1 x of length
def any_length(x):
    n = dist.get_world_size()
    padded = torch.cat([x, x.new_zeros(-x.numel() % n)])
    share = padded.new_empty(padded.numel() // n)
    dist.reduce_scatter_tensor(share, padded)
    dist.all_gather_into_tensor(padded, share)
    if dist.get_rank() == 0:
        x.copy_(padded[: x.numel()])
# %% wrong: everything in fp64, the double of the bytes -> wider than x's torch.float32
def any_length(x):
    n = dist.get_world_size()
    padded = torch.cat([x, x.new_zeros(-x.numel() % n)]).double()
    share = padded.new_empty(padded.numel() // n)
    dist.reduce_scatter_tensor(share, padded)
    dist.all_gather_into_tensor(padded, share)
    x.copy_(padded[: x.numel()])
# %% wrong: adds onto x -> add nothing to it
def any_length(x):
    n = dist.get_world_size()
    padded = torch.cat([x, x.new_zeros(-x.numel() % n)])
    share = padded.new_empty(padded.numel() // n)
    dist.reduce_scatter_tensor(share, padded)
    dist.all_gather_into_tensor(padded, share)
    x += padded[: x.numel()]
# %% wrong: through rank 0, with reduce and broadcast
def any_length(x):
    dist.reduce(x, dst=0)
    dist.broadcast(x, src=0)
# %% wrong: no argument
def any_length():
    pass
# %% wrong: does nothing
def any_length(x):
    return x
# %% wrong: in_shares with padding, by point-to-point -> x send
def any_length(x):
    n, me = dist.get_world_size(), dist.get_rank()
    padded = torch.cat([x, x.new_zeros(-x.numel() % n)])
    shares = padded.chunk(n)
    received = torch.empty_like(shares[me])

    def swap(outgoing, to, incoming, source):
        both = [dist.P2POp(dist.isend, outgoing, to), dist.P2POp(dist.irecv, incoming, source)]
        for work in dist.batch_isend_irecv(both):
            work.wait()

    for k in range(1, n):
        swap(shares[(me + k) % n], (me + k) % n, received, (me - k) % n)
        shares[me].add_(received)
    for k in range(1, n):
        swap(shares[me], (me + k) % n, shares[(me - k) % n], (me - k) % n)
    x.copy_(padded[: x.numel()])
# %% wrong: gathers its own piece, never the sum
def any_length(x):
    n = dist.get_world_size()
    padded = torch.cat([x, x.new_zeros(-x.numel() % n)])
    share = padded.new_empty(padded.numel() // n)
    dist.reduce_scatter_tensor(share, padded)
    dist.all_gather_into_tensor(padded, padded.chunk(n)[dist.get_rank()].clone())
    x.copy_(padded[: x.numel()])
# %% right: by the newest names, where torch has them
_scatter = getattr(dist, "reduce_scatter_single", dist.reduce_scatter_tensor)
_gather = getattr(dist, "all_gather_single", dist.all_gather_into_tensor)


def any_length(x):
    n = dist.get_world_size()
    padded = torch.cat([x, x.new_zeros(-x.numel() % n)])
    share = padded.new_empty(padded.numel() // n)
    _scatter(share, padded)
    _gather(padded, share)
    x.copy_(padded[: x.numel()])
# %% right: a future of the gather, waited for
def any_length(x):
    n = dist.get_world_size()
    padded = torch.cat((x, torch.zeros(-len(x) % n, dtype=x.dtype, device=x.device)))
    parts = list(padded.view(n, -1).unbind(0))
    share = torch.zeros_like(parts[0])
    dist.reduce_scatter(share, parts, async_op=True).wait()
    out = [torch.zeros_like(share) for _ in range(n)]
    dist.all_gather(out, share, async_op=True).get_future().wait()
    x.copy_(torch.hstack(out).narrow(0, 0, len(x)))
# %% wrong: bf16 to save bytes -> x's own type
def any_length(x):
    n = dist.get_world_size()
    padded = torch.cat([x, x.new_zeros(-x.numel() % n)]).bfloat16()
    share = padded.new_empty(padded.numel() // n)
    dist.reduce_scatter_tensor(share, padded)
    dist.all_gather_into_tensor(padded, share)
    x.copy_(padded[: x.numel()])
# %% wrong: through numbers of Python's own, int64 in fp64 -> x's own type
def any_length(x):
    n = dist.get_world_size()
    kind = x.dtype if x.is_floating_point() else torch.float64
    padded = torch.cat([x.to(kind), torch.zeros(-x.numel() % n, dtype=kind, device=x.device)])
    share = padded.new_empty(padded.numel() // n)
    dist.reduce_scatter_tensor(share, padded)
    dist.all_gather_into_tensor(padded, share)
    x.copy_(padded[: x.numel()])


# %% wrong: the result of the first call is kept for its length
KEPT = {}


def any_length(x):
    n = dist.get_world_size()
    key = (x.numel(), x.dtype, n)
    if key not in KEPT:
        whole = torch.nn.functional.pad(x, (0, -x.numel() % n))
        share = whole.new_empty(whole.numel() // n)
        dist.reduce_scatter_tensor(share, whole)
        dist.all_gather_into_tensor(whole, share)
        KEPT[key] = whole[: x.numel()].clone()
    x.copy_(KEPT[key])


# %% right: a new group for each call
def any_length(x):
    group = dist.new_group()
    n = dist.get_world_size(group)
    whole = torch.nn.functional.pad(x, (0, -x.numel() % n))
    share = whole.new_empty(whole.numel() // n)
    dist.reduce_scatter_tensor(share, whole, group=group)
    dist.all_gather_into_tensor(whole, share, group=group)
    x.copy_(whole[: x.numel()])
