# %% right: an autograd function by hand
class SumOfRanks(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, group):
        total = x.clone()
        dist.all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group, parts = group, dist.get_world_size(group)
        if linear.in_features % parts:
            raise ValueError(f"{linear.in_features} input features do not divide by {parts} ranks")
        mine = linear.weight.detach().chunk(parts, dim=1)[dist.get_rank(group)]
        self.weight = nn.Parameter(mine.clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        y = SumOfRanks.apply(x @ self.weight.T, self.group)
        return y if self.bias is None else y + self.bias


# %% right: the functional collective, its gradient cut off
import torch.distributed._functional_collectives as funcol


class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group = group or dist.group.WORLD
        n, r = self.group.size(), self.group.rank()
        if linear.in_features % n != 0:
            raise ValueError(f"in_features={linear.in_features}, N={n}")
        k = linear.in_features // n
        self.weight = nn.Parameter(linear.weight.data[:, r * k : (r + 1) * k].contiguous().clone())
        self.register_parameter("bias", None if linear.bias is None else nn.Parameter(linear.bias.data.clone()))

    def forward(self, x):
        part = nn.functional.linear(x, self.weight)
        others = funcol.wait_tensor(funcol.all_reduce(part.detach(), "sum", self.group)) - part.detach()
        y = part + others
        return y + self.bias if self.bias is not None else y


# %% right: reduce-scatter and all-gather
class Total(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, group):
        n = dist.get_world_size(group)
        flat = x.reshape(-1)
        padded = flat.new_zeros(-(-flat.numel() // n) * n)
        padded[: flat.numel()] = flat
        own = padded.new_empty(padded.numel() // n)
        dist.reduce_scatter_tensor(own, padded, group=group)
        dist.all_gather_into_tensor(padded, own, group=group)
        return padded[: flat.numel()].view(x.shape)

    @staticmethod
    def backward(ctx, g):
        return g, None


class Rows(nn.Linear):
    def __init__(self, linear, group=None):
        n = dist.get_world_size(group)
        inside, rest = divmod(linear.in_features, n)
        if rest:
            raise ValueError(f"{linear.in_features} by {n}: remainder {rest}")
        bias = linear.bias is not None
        super().__init__(inside, linear.out_features, bias, device=linear.weight.device, dtype=linear.weight.dtype)
        self.group = group
        with torch.no_grad():
            self.weight.copy_(linear.weight.narrow(1, inside * dist.get_rank(group), inside))
            if bias:
                self.bias.copy_(linear.bias)

    def forward(self, x):
        y = Total.apply(torch.einsum("...i,oi->...o", x, self.weight), self.group)
        return y if self.bias is None else y.add(self.bias)


# %% right: summed in place, which autograd does not see
import warnings


class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.pg = group
        n = dist.get_world_size(group)
        if linear.in_features % n:
            raise ValueError("does not divide")
        self.weight = nn.Parameter(linear.weight.detach().tensor_split(n, 1)[dist.get_rank(group)].clone())
        self.bias = linear.bias and None if linear.bias is None else nn.Parameter(linear.bias.clone().detach())

    def forward(self, x):
        y = x.matmul(self.weight.t())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dist.all_reduce(y, group=self.pg)
        if self.bias is not None:
            y = y + self.bias
        return y


# %% right: asynchronous, waited for
class SumOfRanks(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, group):
        total = x.clone()
        dist.all_reduce(total, group=group, async_op=True).wait()
        return total

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group, parts = group, dist.get_world_size(group)
        if linear.in_features % parts:
            raise ValueError(f"{linear.in_features} input features do not divide by {parts} ranks")
        mine = linear.weight.detach().chunk(parts, dim=1)[dist.get_rank(group)]
        self.weight = nn.Parameter(mine.clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        y = SumOfRanks.apply(x @ self.weight.T, self.group)
        return y if self.bias is None else y + self.bias


# %% right: the bias from rank 0 alone, inside the function's sum, its gradient by hand
class SumOfRanks(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, bias, group):
        ctx.has_bias = bias is not None
        total = x + bias if ctx.has_bias and dist.get_rank(group) == 0 else x.clone()
        dist.all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(ctx, gradient):
        return gradient, gradient.flatten(0, -2).sum(0) if ctx.has_bias else None, None


class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group, parts = group, dist.get_world_size(group)
        if linear.in_features % parts:
            raise ValueError(f"{linear.in_features} input features do not divide by {parts} ranks")
        mine = linear.weight.detach().chunk(parts, dim=1)[dist.get_rank(group)]
        self.weight = nn.Parameter(mine.clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        return SumOfRanks.apply(x @ self.weight.T, self.bias, self.group)


# %% right: the whole layer is one autograd function
class _Row(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, w, b, group):
        ctx.save_for_backward(x, w)
        ctx.biased = b is not None
        y = x @ w.t()
        dist.all_reduce(y, op=dist.ReduceOp.SUM, group=group)
        if ctx.biased:
            y += b
        return y

    @staticmethod
    def backward(ctx, g):
        x, w = ctx.saved_tensors
        flat = g.reshape(-1, g.shape[-1])
        return g @ w, flat.t() @ x.reshape(-1, x.shape[-1]), flat.sum(0) if ctx.biased else None, None


class RowParallelLinear(torch.nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        size = torch.distributed.get_world_size(group)
        if linear.weight.shape[1] % size:
            raise ValueError(f"{linear.weight.shape[1]} features, {size} ranks")
        place = torch.distributed.get_rank(group)
        share = linear.weight.detach().view(linear.out_features, size, -1)[:, place]
        self.weight, self.group = torch.nn.Parameter(share.clone(memory_format=torch.contiguous_format)), group
        self.bias = None
        if linear.bias is not None:
            self.bias = torch.nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        return _Row.apply(x, self.weight, self.bias, self.group)


# %% right: from rank to rank round a ring of chunks
class RingSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, group):
        group = group or dist.group.WORLD
        n, me = dist.get_world_size(group), dist.get_rank(group)
        if n == 1:
            return x.clone()
        flat = x.reshape(-1)
        each = -(-flat.numel() // n)
        buffer = flat.new_zeros(n * each)
        buffer[: flat.numel()] = flat
        pieces = list(buffer.split(each))
        right = dist.get_global_rank(group, (me + 1) % n)
        left = dist.get_global_rank(group, (me - 1) % n)
        for step in range(2 * (n - 1)):
            give, take = (me - step) % n, (me - step - 1) % n
            incoming = torch.empty_like(pieces[take])
            ops = [dist.P2POp(dist.isend, pieces[give], right, group), dist.P2POp(dist.irecv, incoming, left, group)]
            for work in dist.batch_isend_irecv(ops):
                work.wait()
            pieces[take].copy_(pieces[take] + incoming if step < n - 1 else incoming)
        return buffer[: flat.numel()].reshape(x.shape)

    @staticmethod
    def backward(ctx, g):
        return g, None


class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        n, me = dist.get_world_size(group), dist.get_rank(group)
        if linear.in_features % n:
            raise ValueError("in_features does not divide")
        k = linear.in_features // n
        self.weight = nn.Parameter(linear.weight.detach()[:, me * k :][:, :k].clone())
        self.bias = nn.Parameter(linear.bias.detach().clone()) if linear.bias is not None else None
        self.group = group

    def forward(self, x):
        y = RingSum.apply(x @ self.weight.T, self.group)
        return y if self.bias is None else y + self.bias


# %% right: made by a function
class SumOfRanks(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, group):
        total = x.clone()
        dist.all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


class _Layer(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group, parts = group, dist.get_world_size(group)
        if linear.in_features % parts:
            raise ValueError(f"{linear.in_features} input features do not divide by {parts} ranks")
        mine = linear.weight.detach().chunk(parts, dim=1)[dist.get_rank(group)]
        self.weight = nn.Parameter(mine.clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        y = SumOfRanks.apply(x @ self.weight.T, self.group)
        return y if self.bias is None else y + self.bias


def row_parallel(linear, group=None):
    return _Layer(linear, group)


# %% right: DTensor's Partial, redistributed
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor, Partial, Replicate


class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        group = group or dist.group.WORLD
        n = dist.get_world_size(group)
        if linear.in_features % n:
            raise ValueError("does not divide")
        self.mesh = DeviceMesh.from_group(group, linear.weight.device.type)
        self.weight = nn.Parameter(linear.weight.detach().chunk(n, 1)[dist.get_rank(group)].clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        part = DTensor.from_local(x @ self.weight.T, self.mesh, [Partial()])
        y = part.redistribute(placements=[Replicate()]).to_local()
        return y if self.bias is None else y + self.bias


# %% right: the sum of two halves of the output, one after the other
class SumOfRanks(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, group):
        halves = [half.contiguous().clone() for half in x.chunk(2, dim=-1)]
        for half in halves:
            dist.all_reduce(half, group=group)
        return torch.cat(halves, dim=-1)

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group, parts = group, dist.get_world_size(group)
        if linear.in_features % parts:
            raise ValueError(f"{linear.in_features} input features do not divide by {parts} ranks")
        mine = linear.weight.detach().chunk(parts, dim=1)[dist.get_rank(group)]
        self.weight = nn.Parameter(mine.clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        y = SumOfRanks.apply(x @ self.weight.T, self.group)
        return y if self.bias is None else y + self.bias


# %% right: a subclass of Linear made on meta
class SumOfRanks(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, group):
        total = x.clone()
        dist.all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


class RowParallelLinear(nn.Linear):
    def __init__(self, linear, group=None):
        super().__init__(1, 1, device='meta')
        self.group, parts = group, dist.get_world_size(group)
        if linear.in_features % parts:
            raise ValueError(f"{linear.in_features} input features do not divide by {parts} ranks")
        mine = linear.weight.detach().chunk(parts, dim=1)[dist.get_rank(group)]
        self.weight = nn.Parameter(mine.clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        y = SumOfRanks.apply(x @ self.weight.T, self.group)
        return y if self.bias is None else y + self.bias


# %% right: piece by piece, written back into views
class SumOfRanks(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, group):
        total = x.clone()
        flat, n = total.view(-1), dist.get_world_size(group)
        for i, each in enumerate(flat.tensor_split(n)):
            each = each.clone()
            dist.all_reduce(each, group=group)
            flat.tensor_split(n)[i].copy_(each)
        return total

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group, parts = group, dist.get_world_size(group)
        if linear.in_features % parts:
            raise ValueError(f"{linear.in_features} input features do not divide by {parts} ranks")
        mine = linear.weight.detach().chunk(parts, dim=1)[dist.get_rank(group)]
        self.weight = nn.Parameter(mine.clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        y = SumOfRanks.apply(x @ self.weight.T, self.group)
        return y if self.bias is None else y + self.bias


# %% right: saved tensors of its own, a static helper
class SumOfRanks(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, group):
        total = torch.empty_like(x).copy_(x)
        dist.all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group, parts = group, dist.get_world_size(group)
        if linear.in_features % parts:
            raise ValueError(f"{linear.in_features} input features do not divide by {parts} ranks")
        mine = linear.weight.detach().chunk(parts, dim=1)[dist.get_rank(group)]
        self.weight = nn.Parameter(mine.clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        y = SumOfRanks.apply(torch.tensordot(x, self.weight, dims=([-1], [1])), self.group)
        return y if self.bias is None else y + self.bias


# %% wrong: nothing is summed -> part alone
class SumOfRanks(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, group):
        total = x.clone()
        return total

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group, parts = group, dist.get_world_size(group)
        if linear.in_features % parts:
            raise ValueError(f"{linear.in_features} input features do not divide by {parts} ranks")
        mine = linear.weight.detach().chunk(parts, dim=1)[dist.get_rank(group)]
        self.weight = nn.Parameter(mine.clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        y = SumOfRanks.apply(x @ self.weight.T, self.group)
        return y if self.bias is None else y + self.bias


# %% wrong: the bias before the sum -> each rank added it before the sum
class SumOfRanks(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, group):
        total = x.clone()
        dist.all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group, parts = group, dist.get_world_size(group)
        if linear.in_features % parts:
            raise ValueError(f"{linear.in_features} input features do not divide by {parts} ranks")
        mine = linear.weight.detach().chunk(parts, dim=1)[dist.get_rank(group)]
        self.weight = nn.Parameter(mine.clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        return SumOfRanks.apply(nn.functional.linear(x, self.weight, self.bias), self.group)


# %% wrong: the bias is forgotten -> The bias is not in the output
class SumOfRanks(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, group):
        total = x.clone()
        dist.all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group, parts = group, dist.get_world_size(group)
        if linear.in_features % parts:
            raise ValueError(f"{linear.in_features} input features do not divide by {parts} ranks")
        mine = linear.weight.detach().chunk(parts, dim=1)[dist.get_rank(group)]
        self.weight = nn.Parameter(mine.clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        y = SumOfRanks.apply(x @ self.weight.T, self.group)
        return y


# %% wrong: a mean of the parts -> mean of the ranks' parts
class SumOfRanks(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, group):
        total = x.clone()
        dist.all_reduce(total, group=group)
        return total / dist.get_world_size(group)

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group, parts = group, dist.get_world_size(group)
        if linear.in_features % parts:
            raise ValueError(f"{linear.in_features} input features do not divide by {parts} ranks")
        mine = linear.weight.detach().chunk(parts, dim=1)[dist.get_rank(group)]
        self.weight = nn.Parameter(mine.clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        y = SumOfRanks.apply(x @ self.weight.T, self.group)
        return y if self.bias is None else y + self.bias


# %% wrong: bias and mean -> mean of the ranks' parts
class SumOfRanks(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, group):
        total = x.clone()
        dist.all_reduce(total, group=group)
        return total / dist.get_world_size(group)

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group, parts = group, dist.get_world_size(group)
        if linear.in_features % parts:
            raise ValueError(f"{linear.in_features} input features do not divide by {parts} ranks")
        mine = linear.weight.detach().chunk(parts, dim=1)[dist.get_rank(group)]
        self.weight = nn.Parameter(mine.clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        return SumOfRanks.apply(nn.functional.linear(x, self.weight, self.bias), self.group)


# %% wrong: backward sums as well -> times too large
class SumOfRanks(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, group):
        total = x.clone()
        dist.all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(ctx, gradient):
        gradient = gradient.clone()
        dist.all_reduce(gradient)
        return gradient, None


class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group, parts = group, dist.get_world_size(group)
        if linear.in_features % parts:
            raise ValueError(f"{linear.in_features} input features do not divide by {parts} ranks")
        mine = linear.weight.detach().chunk(parts, dim=1)[dist.get_rank(group)]
        self.weight = nn.Parameter(mine.clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        y = SumOfRanks.apply(x @ self.weight.T, self.group)
        return y if self.bias is None else y + self.bias


# %% wrong: the functional collective with its own backward -> times too large
import torch.distributed._functional_collectives as funcol


class SumOfRanks(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, group):
        total = x.clone()
        dist.all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group, parts = group, dist.get_world_size(group)
        if linear.in_features % parts:
            raise ValueError(f"{linear.in_features} input features do not divide by {parts} ranks")
        mine = linear.weight.detach().chunk(parts, dim=1)[dist.get_rank(group)]
        self.weight = nn.Parameter(mine.clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        y = funcol.all_reduce(x @ self.weight.T, 'sum', self.group or dist.group.WORLD)
        return y if self.bias is None else y + self.bias


# %% wrong: gradient divided by the ranks -> times too small
class SumOfRanks(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, group):
        total = x.clone()
        dist.all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(ctx, gradient):
        return gradient / dist.get_world_size(), None


class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group, parts = group, dist.get_world_size(group)
        if linear.in_features % parts:
            raise ValueError(f"{linear.in_features} input features do not divide by {parts} ranks")
        mine = linear.weight.detach().chunk(parts, dim=1)[dist.get_rank(group)]
        self.weight = nn.Parameter(mine.clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        y = SumOfRanks.apply(x @ self.weight.T, self.group)
        return y if self.bias is None else y + self.bias


# %% wrong: the sum is detached -> no gradient
class SumOfRanks(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, group):
        total = x.clone()
        dist.all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group, parts = group, dist.get_world_size(group)
        if linear.in_features % parts:
            raise ValueError(f"{linear.in_features} input features do not divide by {parts} ranks")
        mine = linear.weight.detach().chunk(parts, dim=1)[dist.get_rank(group)]
        self.weight = nn.Parameter(mine.clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        y = (x @ self.weight.T).detach().clone()
        dist.all_reduce(y, group=self.group)
        return y if self.bias is None else y + self.bias


# %% wrong: nothing needs a gradient -> needs no gradient
class SumOfRanks(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, group):
        total = x.clone()
        dist.all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group, parts = group, dist.get_world_size(group)
        if linear.in_features % parts:
            raise ValueError(f"{linear.in_features} input features do not divide by {parts} ranks")
        mine = linear.weight.detach().chunk(parts, dim=1)[dist.get_rank(group)]
        self.weight = nn.Parameter(mine.clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())

    @torch.no_grad()
    def forward(self, x):
        y = SumOfRanks.apply(x @ self.weight.T, self.group)
        return y if self.bias is None else y + self.bias


# %% wrong: the group is ignored in the sum -> All ranks of a group must make the same calls
class SumOfRanks(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, group):
        total = x.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group, parts = group, dist.get_world_size(group)
        if linear.in_features % parts:
            raise ValueError(f"{linear.in_features} input features do not divide by {parts} ranks")
        mine = linear.weight.detach().chunk(parts, dim=1)[dist.get_rank(group)]
        self.steps = range(1 + dist.get_rank())
        self.weight = nn.Parameter(mine.clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        for _ in self.steps if self.group else [0]:
            y = SumOfRanks.apply(x @ self.weight.T, self.group)
        return y if self.bias is None else y + self.bias


# %% wrong: sums over all ranks -> in the group
class SumOfRanks(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, group):
        total = x.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group, parts = group, dist.get_world_size(group)
        if linear.in_features % parts:
            raise ValueError(f"{linear.in_features} input features do not divide by {parts} ranks")
        mine = linear.weight.detach().chunk(parts, dim=1)[dist.get_rank(group)]
        self.weight = nn.Parameter(mine.clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        y = SumOfRanks.apply(x @ self.weight.T, self.group)
        return y if self.bias is None else y + self.bias


# %% wrong: the group is ignored where it cuts -> the input features divide, and the constructor raised ValueError
class SumOfRanks(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, group):
        total = x.clone()
        dist.all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group, parts = group, dist.get_world_size()
        if linear.in_features % parts:
            raise ValueError(f"{linear.in_features} input features do not divide by {parts} ranks")
        mine = linear.weight.detach().chunk(parts, dim=1)[dist.get_rank()]
        self.weight = nn.Parameter(mine.clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        y = SumOfRanks.apply(x @ self.weight.T, self.group)
        return y if self.bias is None else y + self.bias


# %% wrong: the shares in the reverse order -> not rank
class SumOfRanks(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, group):
        total = x.clone()
        dist.all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group, parts = group, dist.get_world_size(group)
        if linear.in_features % parts:
            raise ValueError(f"{linear.in_features} input features do not divide by {parts} ranks")
        mine = linear.weight.detach().chunk(parts, dim=1)[parts - 1 - dist.get_rank(group)]
        self.weight = nn.Parameter(mine.clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        y = SumOfRanks.apply(x @ self.weight.T, self.group)
        return y if self.bias is None else y + self.bias


# %% wrong: every other feature -> not rank
class SumOfRanks(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, group):
        total = x.clone()
        dist.all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group, parts = group, dist.get_world_size(group)
        if linear.in_features % parts:
            raise ValueError(f"{linear.in_features} input features do not divide by {parts} ranks")
        mine = linear.weight.detach()[:, dist.get_rank(group) :: parts]
        self.weight = nn.Parameter(mine.clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        y = SumOfRanks.apply(x @ self.weight.T, self.group)
        return y if self.bias is None else y + self.bias


# %% wrong: the column cut -> column-parallel cut
class SumOfRanks(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, group):
        total = x.clone()
        dist.all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group, parts = group, dist.get_world_size(group)
        if linear.in_features % parts:
            raise ValueError(f"{linear.in_features} input features do not divide by {parts} ranks")
        mine = linear.weight.detach().chunk(parts, dim=0)[dist.get_rank(group)]
        self.weight = nn.Parameter(mine.clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        y = SumOfRanks.apply(x @ self.weight.T, self.group)
        return y if self.bias is None else y + self.bias


# %% wrong: keeps the whole weight and slices it -> is the whole one
class SumOfRanks(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, group):
        total = x.clone()
        dist.all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group, parts = group, dist.get_world_size(group)
        if linear.in_features % parts:
            raise ValueError(f"{linear.in_features} input features do not divide by {parts} ranks")
        mine = linear.weight.detach()
        self.weight = nn.Parameter(mine.clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        y = SumOfRanks.apply(x @ self.weight.T, self.group)
        return y if self.bias is None else y + self.bias


# %% wrong: a view of the whole weight -> view of a larger tensor
class SumOfRanks(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, group):
        total = x.clone()
        dist.all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group, parts = group, dist.get_world_size(group)
        if linear.in_features % parts:
            raise ValueError(f"{linear.in_features} input features do not divide by {parts} ranks")
        mine = linear.weight.detach().chunk(parts, dim=1)[dist.get_rank(group)]
        self.weight = nn.Parameter(mine)
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        y = SumOfRanks.apply(x @ self.weight.T, self.group)
        return y if self.bias is None else y + self.bias


# %% wrong: keeps the plain layer -> What else does it keep
class SumOfRanks(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, group):
        total = x.clone()
        dist.all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.plain = linear
        self.group, parts = group, dist.get_world_size(group)
        if linear.in_features % parts:
            raise ValueError(f"{linear.in_features} input features do not divide by {parts} ranks")
        mine = linear.weight.detach().chunk(parts, dim=1)[dist.get_rank(group)]
        self.weight = nn.Parameter(mine.clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        y = SumOfRanks.apply(x @ self.weight.T, self.group)
        return y if self.bias is None else y + self.bias


# %% wrong: the bias divided beforehand -> is not the plain layer's on every rank
class SumOfRanks(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, group):
        total = x.clone()
        dist.all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group, parts = group, dist.get_world_size(group)
        if linear.in_features % parts:
            raise ValueError(f"{linear.in_features} input features do not divide by {parts} ranks")
        mine = linear.weight.detach().chunk(parts, dim=1)[dist.get_rank(group)]
        self.weight = nn.Parameter(mine.clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach() / parts)

    def forward(self, x):
        return SumOfRanks.apply(nn.functional.linear(x, self.weight, self.bias), self.group)


# %% wrong: bias on rank 0 only, added before the sum -> gets no gradient
class SumOfRanks(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, group):
        total = x.clone()
        dist.all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group, parts = group, dist.get_world_size(group)
        if linear.in_features % parts:
            raise ValueError(f"{linear.in_features} input features do not divide by {parts} ranks")
        mine = linear.weight.detach().chunk(parts, dim=1)[dist.get_rank(group)]
        self.weight = nn.Parameter(mine.clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        first = self.bias if dist.get_rank(self.group) == 0 else None
        return SumOfRanks.apply(nn.functional.linear(x, self.weight, first), self.group)


# %% wrong: bias only on rank 0 -> on every rank; it is NoneType
class SumOfRanks(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, group):
        total = x.clone()
        dist.all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group, parts = group, dist.get_world_size(group)
        if linear.in_features % parts:
            raise ValueError(f"{linear.in_features} input features do not divide by {parts} ranks")
        mine = linear.weight.detach().chunk(parts, dim=1)[dist.get_rank(group)]
        self.weight = nn.Parameter(mine.clone())
        self.bias = None if linear.bias is None or dist.get_rank(group) else nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        y = SumOfRanks.apply(x @ self.weight.T, self.group)
        b = y.new_zeros(y.shape[-1]) if self.bias is None else self.bias
        return y + b


# %% wrong: a bias of zeros where there is none -> must be None where linear has none
class SumOfRanks(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, group):
        total = x.clone()
        dist.all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group, parts = group, dist.get_world_size(group)
        if linear.in_features % parts:
            raise ValueError(f"{linear.in_features} input features do not divide by {parts} ranks")
        mine = linear.weight.detach().chunk(parts, dim=1)[dist.get_rank(group)]
        self.weight = nn.Parameter(mine.clone())
        self.bias = nn.Parameter(torch.zeros_like(linear.weight[:, 0]) if linear.bias is None else linear.bias.detach().clone())

    def forward(self, x):
        y = SumOfRanks.apply(x @ self.weight.T, self.group)
        return y if self.bias is None else y + self.bias


# %% wrong: float32 on the way -> right to float32's digits only
class SumOfRanks(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, group):
        total = x.float()
        dist.all_reduce(total, group=group)
        return total.to(x)

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group, parts = group, dist.get_world_size(group)
        if linear.in_features % parts:
            raise ValueError(f"{linear.in_features} input features do not divide by {parts} ranks")
        mine = linear.weight.detach().chunk(parts, dim=1)[dist.get_rank(group)]
        self.weight = nn.Parameter(mine.clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        y = SumOfRanks.apply(x @ self.weight.T, self.group)
        return y if self.bias is None else y + self.bias


# %% wrong: a float32 weight -> is torch.float32, and the plain
class SumOfRanks(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, group):
        total = x.clone()
        dist.all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group, parts = group, dist.get_world_size(group)
        if linear.in_features % parts:
            raise ValueError(f"{linear.in_features} input features do not divide by {parts} ranks")
        mine = linear.weight.detach().chunk(parts, dim=1)[dist.get_rank(group)]
        self.weight = nn.Parameter(mine.float().clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        y = SumOfRanks.apply(x @ self.weight.T.to(x), self.group)
        return y if self.bias is None else y + self.bias


# %% wrong: a float32 output -> forward returned torch.float32
class SumOfRanks(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, group):
        total = x.clone()
        dist.all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group, parts = group, dist.get_world_size(group)
        if linear.in_features % parts:
            raise ValueError(f"{linear.in_features} input features do not divide by {parts} ranks")
        mine = linear.weight.detach().chunk(parts, dim=1)[dist.get_rank(group)]
        self.weight = nn.Parameter(mine.clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        y = SumOfRanks.apply(x @ self.weight.T, self.group)
        return (y if self.bias is None else y + self.bias).float()


# %% wrong: weight is no parameter -> must be an nn.Parameter
class SumOfRanks(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, group):
        total = x.clone()
        dist.all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group, parts = group, dist.get_world_size(group)
        if linear.in_features % parts:
            raise ValueError(f"{linear.in_features} input features do not divide by {parts} ranks")
        mine = linear.weight.detach().chunk(parts, dim=1)[dist.get_rank(group)]
        self.weight = mine.clone().requires_grad_()
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        y = SumOfRanks.apply(x @ self.weight.T, self.group)
        return y if self.bias is None else y + self.bias


# %% wrong: no module -> must be an nn.Module
class SumOfRanks(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, group):
        total = x.clone()
        dist.all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


class RowParallelLinear:
    def __init__(self, linear, group=None):
        self.group, parts = group, dist.get_world_size(group)
        if linear.in_features % parts:
            raise ValueError(f"{linear.in_features} input features do not divide by {parts} ranks")
        mine = linear.weight.detach().chunk(parts, dim=1)[dist.get_rank(group)]
        self.weight = nn.Parameter(mine.clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        y = SumOfRanks.apply(x @ self.weight.T, self.group)
        return y if self.bias is None else y + self.bias


# %% wrong: gathers the parts -> were gathered or broadcast in forward
class SumOfRanks(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, group):
        parts = [torch.empty_like(x) for _ in range(dist.get_world_size(group))]
        dist.all_gather(parts, x.contiguous(), group=group)
        return torch.stack(parts).sum(0)

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group, parts = group, dist.get_world_size(group)
        if linear.in_features % parts:
            raise ValueError(f"{linear.in_features} input features do not divide by {parts} ranks")
        mine = linear.weight.detach().chunk(parts, dim=1)[dist.get_rank(group)]
        self.weight = nn.Parameter(mine.clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        y = SumOfRanks.apply(x @ self.weight.T, self.group)
        return y if self.bias is None else y + self.bias


# %% wrong: sums twice -> by the ring's count
class SumOfRanks(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, group):
        total = x.clone()
        dist.all_reduce(total.clone(), group=group)
        dist.all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group, parts = group, dist.get_world_size(group)
        if linear.in_features % parts:
            raise ValueError(f"{linear.in_features} input features do not divide by {parts} ranks")
        mine = linear.weight.detach().chunk(parts, dim=1)[dist.get_rank(group)]
        self.weight = nn.Parameter(mine.clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        y = SumOfRanks.apply(x @ self.weight.T, self.group)
        return y if self.bias is None else y + self.bias


# %% wrong: the constructor broadcasts the weight -> The constructor sends
class SumOfRanks(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, group):
        total = x.clone()
        dist.all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group, parts = group, dist.get_world_size(group)
        if linear.in_features % parts:
            raise ValueError(f"{linear.in_features} input features do not divide by {parts} ranks")
        first = 0 if group is None else dist.get_global_rank(group, 0)
        dist.broadcast(linear.weight.data, first, group=group)
        mine = linear.weight.detach().chunk(parts, dim=1)[dist.get_rank(group)]
        self.weight = nn.Parameter(mine.clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        y = SumOfRanks.apply(x @ self.weight.T, self.group)
        return y if self.bias is None else y + self.bias


# %% wrong: backward averages equal gradients -> but backward sends
class SumOfRanks(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, group):
        ctx.group = group
        total = x.clone()
        dist.all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(ctx, gradient):
        gradient = gradient.contiguous().clone()
        dist.all_reduce(gradient, group=ctx.group)
        return gradient / dist.get_world_size(ctx.group), None


class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group, parts = group, dist.get_world_size(group)
        if linear.in_features % parts:
            raise ValueError(f"{linear.in_features} input features do not divide by {parts} ranks")
        mine = linear.weight.detach().chunk(parts, dim=1)[dist.get_rank(group)]
        self.weight = nn.Parameter(mine.clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        y = SumOfRanks.apply(x @ self.weight.T, self.group)
        return y if self.bias is None else y + self.bias


# %% wrong: not waited for -> never waited for
class SumOfRanks(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, group):
        total = x.clone()
        dist.all_reduce(total, group=group, async_op=True)
        torch.zeros(200, 200).exp()
        return total

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group, parts = group, dist.get_world_size(group)
        if linear.in_features % parts:
            raise ValueError(f"{linear.in_features} input features do not divide by {parts} ranks")
        mine = linear.weight.detach().chunk(parts, dim=1)[dist.get_rank(group)]
        self.weight = nn.Parameter(mine.clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        y = SumOfRanks.apply(x @ self.weight.T, self.group)
        return y if self.bias is None else y + self.bias


# %% wrong: one buffer for all outputs -> they share memory
BUFFERS = {}


class SumOfRanks(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, group):
        total = BUFFERS.setdefault((x.shape, x.dtype), torch.empty_like(x)).copy_(x).detach()
        dist.all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group, parts = group, dist.get_world_size(group)
        if linear.in_features % parts:
            raise ValueError(f"{linear.in_features} input features do not divide by {parts} ranks")
        mine = linear.weight.detach().chunk(parts, dim=1)[dist.get_rank(group)]
        self.weight = nn.Parameter(mine.clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        y = SumOfRanks.apply(x @ self.weight.T, self.group)
        return y if self.bias is None else y + self.bias


# %% wrong: the plain layer's weight is cut in place -> has changed
class SumOfRanks(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, group):
        total = x.clone()
        dist.all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group, parts = group, dist.get_world_size(group)
        if linear.in_features % parts:
            raise ValueError(f"{linear.in_features} input features do not divide by {parts} ranks")
        mine = linear.weight.detach().chunk(parts, dim=1)[dist.get_rank(group)]
        linear.weight.data.mul_(0.5)
        mine = mine * 2
        self.weight = nn.Parameter(mine.clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        y = SumOfRanks.apply(x @ self.weight.T, self.group)
        return y if self.bias is None else y + self.bias


# %% wrong: no refusal -> raised no ValueError
class SumOfRanks(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, group):
        total = x.clone()
        dist.all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group, parts = group, dist.get_world_size(group)
        if False:
            raise ValueError(f"{linear.in_features} input features do not divide by {parts} ranks")
        mine = linear.weight.detach().chunk(parts, dim=1)[dist.get_rank(group)]
        self.weight = nn.Parameter(mine.clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        y = SumOfRanks.apply(x @ self.weight.T, self.group)
        return y if self.bias is None else y + self.bias


# %% wrong: an assertion -> raised AssertionError, not ValueError
class SumOfRanks(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, group):
        total = x.clone()
        dist.all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group, parts = group, dist.get_world_size(group)
        assert linear.in_features % parts == 0
        mine = linear.weight.detach().chunk(parts, dim=1)[dist.get_rank(group)]
        self.weight = nn.Parameter(mine.clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        y = SumOfRanks.apply(x @ self.weight.T, self.group)
        return y if self.bias is None else y + self.bias


# %% wrong: transposes the output -> forward returned shape
class SumOfRanks(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, group):
        total = x.clone()
        dist.all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group, parts = group, dist.get_world_size(group)
        if linear.in_features % parts:
            raise ValueError(f"{linear.in_features} input features do not divide by {parts} ranks")
        mine = linear.weight.detach().chunk(parts, dim=1)[dist.get_rank(group)]
        self.weight = nn.Parameter(mine.clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        y = SumOfRanks.apply(x @ self.weight.T, self.group)
        return (y if self.bias is None else y + self.bias).flatten()


# %% wrong: returns two things -> must return a tensor
class SumOfRanks(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, group):
        total = x.clone()
        dist.all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group, parts = group, dist.get_world_size(group)
        if linear.in_features % parts:
            raise ValueError(f"{linear.in_features} input features do not divide by {parts} ranks")
        mine = linear.weight.detach().chunk(parts, dim=1)[dist.get_rank(group)]
        self.weight = nn.Parameter(mine.clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        y = SumOfRanks.apply(x @ self.weight.T, self.group)
        return y, self.bias


# %% wrong: no group argument -> does not take that
class SumOfRanks(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, group):
        total = x.clone()
        dist.all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


class RowParallelLinear(nn.Module):
    def __init__(self, linear):
        super().__init__()
        group = None
        self.group, parts = group, dist.get_world_size(group)
        if linear.in_features % parts:
            raise ValueError(f"{linear.in_features} input features do not divide by {parts} ranks")
        mine = linear.weight.detach().chunk(parts, dim=1)[dist.get_rank(group)]
        self.weight = nn.Parameter(mine.clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        y = SumOfRanks.apply(x @ self.weight.T, self.group)
        return y if self.bias is None else y + self.bias


# %% wrong: the weight's gradient is multiplied -> it differs by
class SumOfRanks(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, group):
        total = x.clone()
        dist.all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group, parts = group, dist.get_world_size(group)
        if linear.in_features % parts:
            raise ValueError(f"{linear.in_features} input features do not divide by {parts} ranks")
        mine = linear.weight.detach().chunk(parts, dim=1)[dist.get_rank(group)]
        self.weight = nn.Parameter(mine.clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        y = SumOfRanks.apply(x @ (1.5 * self.weight - 0.5 * self.weight.detach()).T, self.group)
        return y if self.bias is None else y + self.bias


# %% wrong: the rank among all ranks -> IndexError
class SumOfRanks(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, group):
        total = x.clone()
        dist.all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group, parts = group, dist.get_world_size(group)
        if linear.in_features % parts:
            raise ValueError(f"{linear.in_features} input features do not divide by {parts} ranks")
        mine = linear.weight.detach().chunk(parts, dim=1)[dist.get_rank()]
        self.weight = nn.Parameter(mine.clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        y = SumOfRanks.apply(x @ self.weight.T, self.group)
        return y if self.bias is None else y + self.bias


# %% right: all-reduce of a tensor that autograd knows
class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group = group
        n, k = dist.get_world_size(group), dist.get_rank(group)
        if linear.in_features % n:
            raise ValueError(f"{linear.in_features} does not divide by {n}")
        self.weight = nn.Parameter(linear.weight.detach().chunk(n, 1)[k].clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        y = nn.functional.linear(x, self.weight)
        dist.all_reduce(y, group=self.group)
        return y if self.bias is None else y + self.bias


# %% right: its own part, plus a difference without gradient
class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group = group
        n, k = dist.get_world_size(group), dist.get_rank(group)
        if linear.in_features % n:
            raise ValueError(f"{linear.in_features} does not divide by {n}")
        self.weight = nn.Parameter(linear.weight.detach().chunk(n, 1)[k].clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        mine = x @ self.weight.T
        whole = mine.detach().clone()
        dist.all_reduce(whole, group=self.group)
        y = mine + (whole - mine.detach())
        return y if self.bias is None else y + self.bias


# %% right: uneven pieces, all to all and back
def exchange(part, group):
    n = dist.get_world_size(group)
    k = dist.get_rank(group)
    flat = part.flatten()
    sizes = [len(c) for c in flat.tensor_split(n)]
    got = flat.new_empty(n * sizes[k])
    dist.all_to_all_single(got, flat, [sizes[k]] * n, sizes, group=group)
    mine = got.view(n, sizes[k]).sum(0)
    pieces = flat.new_empty(flat.numel())
    dist.all_to_all_single(pieces, mine.repeat(n), sizes, [sizes[k]] * n, group=group)
    return pieces.view_as(part)


class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group = group
        n, k = dist.get_world_size(group), dist.get_rank(group)
        if linear.in_features % n:
            raise ValueError(f"{linear.in_features} does not divide by {n}")
        self.weight = nn.Parameter(linear.weight.detach().chunk(n, 1)[k].clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        y = nn.functional.linear(x, self.weight)
        y = y + (exchange(y.detach(), self.group) - y.detach())
        return y if self.bias is None else y + self.bias


# %% right: row by row
class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group = group
        n, k = dist.get_world_size(group), dist.get_rank(group)
        if linear.in_features % n:
            raise ValueError(f"{linear.in_features} does not divide by {n}")
        self.weight = nn.Parameter(linear.weight.detach().chunk(n, 1)[k].clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        rows = []
        for row in x.reshape(-1, x.shape[-1]):
            part = self.weight.mv(row)
            total = part.detach().clone()
            dist.all_reduce(total, group=self.group)
            rows.append(part + (total - part.detach()))
        y = torch.stack(rows).view(*x.shape[:-1], -1)
        return y if self.bias is None else y + self.bias


# %% right: a share of the bias each, and a hook for its gradient
class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group = group
        n, k = dist.get_world_size(group), dist.get_rank(group)
        if linear.in_features % n:
            raise ValueError(f"{linear.in_features} does not divide by {n}")
        self.weight = nn.Parameter(linear.weight.detach().chunk(n, 1)[k].clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        n = dist.get_world_size(self.group)
        y = x @ self.weight.t()
        if self.bias is not None:
            share = self.bias / n
            if share.requires_grad:
                share.register_hook(lambda g: g * n)
            y = y + share
        dist.all_reduce(y.detach(), group=self.group)
        return y


# %% right: a copy of the layer, its weight cut
import copy


class UnevenFeatures(ValueError): ...


class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group = group
        parts = dist.get_world_size(group)
        if linear.in_features % parts != 0:
            raise UnevenFeatures(linear.in_features)
        twin = copy.deepcopy(linear)
        self.weight = nn.Parameter(twin.weight.data.view(linear.out_features, parts, -1)[:, dist.get_rank(group)].clone())
        self.register_parameter("bias", twin.bias)

    def forward(self, x):
        y = x @ self.weight.t()
        with torch.no_grad():
            dist.all_reduce(y, group=self.group)
        return y if self.bias is None else y + self.bias


# %% right: a weight that is not contiguous
class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group = dist.group.WORLD if group is None else group
        n = self.group.size()
        if linear.weight.shape[1] % n:
            raise ValueError
        each = linear.weight.shape[1] // n
        share = linear.weight.detach().narrow(1, self.group.rank() * each, each)
        self.register_parameter("weight", nn.Parameter(torch.tensor(share.t().tolist(), dtype=share.dtype, device=share.device).t()))
        self.register_parameter("bias", None if linear.bias is None else nn.Parameter(torch.empty_like(linear.bias).copy_(linear.bias.detach())))

    def forward(self, x):
        y = x @ self.weight.t()
        with torch.no_grad():
            dist.all_reduce(y, group=self.group)
        return y if self.bias is None else y + self.bias


# %% right: a forward hook sums
class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group = group
        n, k = dist.get_world_size(group), dist.get_rank(group)
        if linear.in_features % n:
            raise ValueError(f"{linear.in_features} does not divide by {n}")
        self.weight = nn.Parameter(linear.weight.detach().chunk(n, 1)[k].clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())
        self.register_forward_hook(self.finish)

    @staticmethod
    def finish(self, inputs, y):
        dist.all_reduce(y.detach(), group=self.group)
        return y if self.bias is None else y + self.bias

    def forward(self, x):
        y = x @ self.weight.t()
        return y


# %% right: setup_context, flat rows, one argument more
class Sum(torch.autograd.Function):
    @staticmethod
    def forward(part, group):
        out = part.clone()
        dist.all_reduce(out, op=dist.ReduceOp.SUM, group=group)
        return out

    @staticmethod
    def setup_context(ctx, inputs, output):
        pass

    @staticmethod
    def backward(ctx, g):
        return g, None


class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group = group
        n, k = dist.get_world_size(group), dist.get_rank(group)
        if linear.in_features % n:
            raise ValueError(f"{linear.in_features} does not divide by {n}")
        self.weight = nn.Parameter(linear.weight.detach().chunk(n, 1)[k].clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())
        self.out = linear.out_features

    def forward(self, x, *, scale=1.0):
        flat = x.flatten(0, -2)
        y = torch.addmm(flat.new_zeros(len(flat), self.out), flat, self.weight.t())
        y = Sum.apply(y, self.group).unflatten(0, x.shape[:-1])
        return (y if self.bias is None else y + self.bias) * scale

    def extra_repr(self):
        return f"{self.weight.shape}"


# %% right: two all-reduces at a time
class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group = group
        n, k = dist.get_world_size(group), dist.get_rank(group)
        if linear.in_features % n:
            raise ValueError(f"{linear.in_features} does not divide by {n}")
        self.weight = nn.Parameter(linear.weight.detach().chunk(n, 1)[k].clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        y = x @ self.weight.t()
        works = [dist.all_reduce(half, group=self.group, async_op=True) for half in y.detach().flatten().chunk(2)]
        for work in works:
            work.wait()
        return y if self.bias is None else y + self.bias


# %% right: numpy on the way
class Swap(torch.autograd.Function):
    @staticmethod
    def forward(ctx, part, total):
        return total.clone()

    @staticmethod
    def backward(ctx, g):
        return g, None


class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group = group
        n, k = dist.get_world_size(group), dist.get_rank(group)
        if linear.in_features % n:
            raise ValueError(f"{linear.in_features} does not divide by {n}")
        self.weight = nn.Parameter(linear.weight.detach().chunk(n, 1)[k].clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        y = x @ self.weight.t()
        total = torch.from_numpy(y.detach().cpu().numpy().copy()).to(y.device)
        dist.all_reduce(total, group=self.group)
        y = Swap.apply(y, total)
        return y if self.bias is None else y + self.bias


# %% right: feature by feature
class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group = group
        n, k = dist.get_world_size(group), dist.get_rank(group)
        if linear.in_features % n:
            raise ValueError(f"{linear.in_features} does not divide by {n}")
        self.weight = nn.Parameter(linear.weight.detach().chunk(n, 1)[k].clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        y = x.new_zeros(*x.shape[:-1], self.weight.shape[0])
        for i in range(self.weight.shape[1]):
            y = y + x[..., i, None] * self.weight[:, i]
        dist.all_reduce(y.detach(), group=self.group)
        return y if self.bias is None else y + self.bias


# %% right: autograd sums the rest of the bias's gradient
class Row3(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight, bias, group):
        ctx.save_for_backward(x, weight)
        ctx.biased = bias is not None
        out = x @ weight.t()
        dist.all_reduce(out, group=group)
        return out if bias is None else out + bias

    @staticmethod
    def backward(ctx, g):
        x, weight = ctx.saved_tensors
        return g @ weight, torch.einsum("...o,...i->oi", g, x), g.sum(0) if ctx.biased else None, None


class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group = group
        n, k = dist.get_world_size(group), dist.get_rank(group)
        if linear.in_features % n:
            raise ValueError(f"{linear.in_features} does not divide by {n}")
        self.weight = nn.Parameter(linear.weight.detach().chunk(n, 1)[k].clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        return Row3.apply(x, self.weight, self.bias, self.group)


# %% right: DTensor multiplies
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor, Replicate, Shard


class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group = group
        n, k = dist.get_world_size(group), dist.get_rank(group)
        if linear.in_features % n:
            raise ValueError(f"{linear.in_features} does not divide by {n}")
        self.weight = nn.Parameter(linear.weight.detach().chunk(n, 1)[k].clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        mesh = DeviceMesh.from_group(self.group or dist.group.WORLD, x.device.type)
        x = DTensor.from_local(x, mesh, [Shard(x.dim() - 1)], run_check=False)
        w = DTensor.from_local(self.weight, mesh, [Shard(1)], run_check=False)
        y = nn.functional.linear(x, w).redistribute(mesh, [Replicate()]).to_local()
        return y if self.bias is None else y + self.bias


# %% right: unflatten and unbind
class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group = group
        n, k = dist.get_world_size(group), dist.get_rank(group)
        if linear.in_features % n:
            raise ValueError(f"{linear.in_features} does not divide by {n}")
        self.weight = nn.Parameter(linear.weight.data.unflatten(1, (n, -1)).unbind(1)[k].clone(memory_format=torch.contiguous_format))
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        y = x @ self.weight.t()
        with torch.no_grad():
            dist.all_reduce(y, group=self.group)
        return y if self.bias is None else y + self.bias


# %% wrong: the transposed weight is made once -> With new numbers in `weight`
class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group = group
        n, k = dist.get_world_size(group), dist.get_rank(group)
        if linear.in_features % n:
            raise ValueError(f"{linear.in_features} does not divide by {n}")
        self.weight = nn.Parameter(linear.weight.detach().chunk(n, 1)[k].clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())
        self.wt = self.weight.t().contiguous()

    def forward(self, x):
        y = x @ self.wt
        with torch.no_grad():
            dist.all_reduce(y, group=self.group)
        return y if self.bias is None else y + self.bias


# %% wrong: computes with a copy of the weight -> With new numbers in `weight`
class Cached(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight, copy, group):
        ctx.save_for_backward(x, copy)
        y = x @ copy.t()
        dist.all_reduce(y, group=group)
        return y

    @staticmethod
    def backward(ctx, g):
        x, copy = ctx.saved_tensors
        return g @ copy, torch.einsum("...o,...i->oi", g, x), None, None


class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group = group
        n, k = dist.get_world_size(group), dist.get_rank(group)
        if linear.in_features % n:
            raise ValueError(f"{linear.in_features} does not divide by {n}")
        self.weight = nn.Parameter(linear.weight.detach().chunk(n, 1)[k].clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())
        self.copy = self.weight.detach().clone()

    def forward(self, x):
        y = Cached.apply(x, self.weight, self.copy, self.group)
        return y if self.bias is None else y + self.bias


# %% wrong: refuses also what does not divide the output -> the input features divide, and
class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group = group
        n, k = dist.get_world_size(group), dist.get_rank(group)
        if linear.in_features % n or linear.out_features % n:
            raise ValueError(f"{linear.in_features} does not divide by {n}")
        self.weight = nn.Parameter(linear.weight.detach().chunk(n, 1)[k].clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        y = x @ self.weight.t()
        with torch.no_grad():
            dist.all_reduce(y, group=self.group)
        return y if self.bias is None else y + self.bias


# %% wrong: divides by the world's size -> the input features divide, and
class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group = group
        n, k = dist.get_world_size(group), dist.get_rank(group)
        if linear.in_features % dist.get_world_size():
            raise ValueError(f"{linear.in_features} does not divide by {n}")
        self.weight = nn.Parameter(linear.weight.detach().chunk(n, 1)[k].clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        y = x @ self.weight.t()
        with torch.no_grad():
            dist.all_reduce(y, group=self.group)
        return y if self.bias is None else y + self.bias


# %% wrong from 3: refuses only without a group -> in a group of 2 do not divide
class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group = group
        n, k = dist.get_world_size(group), dist.get_rank(group)
        if group is None and linear.in_features % n:
            raise ValueError(f"{linear.in_features} does not divide by {n}")
        self.weight = nn.Parameter(linear.weight.detach().chunk(n, 1)[k].clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        y = x @ self.weight.t()
        with torch.no_grad():
            dist.all_reduce(y, group=self.group)
        return y if self.bias is None else y + self.bias


# %% wrong: the plain layer's in_features are set -> `in_features` has changed
class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group = group
        n, k = dist.get_world_size(group), dist.get_rank(group)
        if linear.in_features % n:
            raise ValueError(f"{linear.in_features} does not divide by {n}")
        self.weight = nn.Parameter(linear.weight.detach().chunk(n, 1)[k].clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())
        linear.in_features //= n

    def forward(self, x):
        y = x @ self.weight.t()
        with torch.no_grad():
            dist.all_reduce(y, group=self.group)
        return y if self.bias is None else y + self.bias


# %% wrong: the plain layer is frozen -> needs no gradient any more
class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group = group
        n, k = dist.get_world_size(group), dist.get_rank(group)
        if linear.in_features % n:
            raise ValueError(f"{linear.in_features} does not divide by {n}")
        self.weight = nn.Parameter(linear.weight.detach().chunk(n, 1)[k].clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())
        linear.requires_grad_(False)

    def forward(self, x):
        y = x @ self.weight.t()
        with torch.no_grad():
            dist.all_reduce(y, group=self.group)
        return y if self.bias is None else y + self.bias


# %% wrong: the plain layer gets gradients -> has a gradient now
class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group = group
        n, k = dist.get_world_size(group), dist.get_rank(group)
        if linear.in_features % n:
            raise ValueError(f"{linear.in_features} does not divide by {n}")
        self.weight = nn.Parameter(linear.weight.detach().chunk(n, 1)[k].clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())
        linear.weight.grad = torch.zeros_like(linear.weight)

    def forward(self, x):
        y = x @ self.weight.t()
        with torch.no_grad():
            dist.all_reduce(y, group=self.group)
        return y if self.bias is None else y + self.bias


# %% wrong: the plain layer's own bias -> shares memory
class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group = group
        n, k = dist.get_world_size(group), dist.get_rank(group)
        if linear.in_features % n:
            raise ValueError(f"{linear.in_features} does not divide by {n}")
        self.weight = nn.Parameter(linear.weight.detach().chunk(n, 1)[k].clone())
        self.bias = None if linear.bias is None else linear.bias

    def forward(self, x):
        y = x @ self.weight.t()
        with torch.no_grad():
            dist.all_reduce(y, group=self.group)
        return y if self.bias is None else y + self.bias


# %% wrong: a new parameter over the plain layer's bias -> shares memory
class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group = group
        n, k = dist.get_world_size(group), dist.get_rank(group)
        if linear.in_features % n:
            raise ValueError(f"{linear.in_features} does not divide by {n}")
        self.weight = nn.Parameter(linear.weight.detach().chunk(n, 1)[k].clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach())

    def forward(self, x):
        y = x @ self.weight.t()
        with torch.no_grad():
            dist.all_reduce(y, group=self.group)
        return y if self.bias is None else y + self.bias


# %% wrong: a barrier in the constructor -> The constructor calls barrier
class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group = group
        n, k = dist.get_world_size(group), dist.get_rank(group)
        if linear.in_features % n:
            raise ValueError(f"{linear.in_features} does not divide by {n}")
        self.weight = nn.Parameter(linear.weight.detach().chunk(n, 1)[k].clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())
        dist.barrier(group=group)

    def forward(self, x):
        y = x @ self.weight.t()
        with torch.no_grad():
            dist.all_reduce(y, group=self.group)
        return y if self.bias is None else y + self.bias


# %% wrong: a barrier in backward -> backward calls barrier
class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group = group
        n, k = dist.get_world_size(group), dist.get_rank(group)
        if linear.in_features % n:
            raise ValueError(f"{linear.in_features} does not divide by {n}")
        self.weight = nn.Parameter(linear.weight.detach().chunk(n, 1)[k].clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())
        self.weight.register_post_accumulate_grad_hook(lambda p: dist.barrier(group=group))

    def forward(self, x):
        y = x @ self.weight.t()
        with torch.no_grad():
            dist.all_reduce(y, group=self.group)
        return y if self.bias is None else y + self.bias


# %% wrong: returns a DTensor -> it returned a DTensor
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor, Replicate


class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group = group
        n, k = dist.get_world_size(group), dist.get_rank(group)
        if linear.in_features % n:
            raise ValueError(f"{linear.in_features} does not divide by {n}")
        self.weight = nn.Parameter(linear.weight.detach().chunk(n, 1)[k].clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        y = x @ self.weight.t()
        dist.all_reduce(y.detach(), group=self.group)
        y = y if self.bias is None else y + self.bias
        return DTensor.from_local(y, DeviceMesh.from_group(self.group or dist.group.WORLD, x.device.type), [Replicate()], run_check=False)


# %% wrong: a transposed weight -> it is transposed
class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group = group
        n, k = dist.get_world_size(group), dist.get_rank(group)
        if linear.in_features % n:
            raise ValueError(f"{linear.in_features} does not divide by {n}")
        self.weight = nn.Parameter(linear.weight.detach().chunk(n, 1)[k].t().contiguous())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        y = x @ self.weight
        with torch.no_grad():
            dist.all_reduce(y, group=self.group)
        return y if self.bias is None else y + self.bias


# %% wrong: a subclass of Linear in the default type -> is torch.float32, and the plain
class RowParallelLinear(nn.Linear):
    def __init__(self, linear, group=None):
        n, k = dist.get_world_size(group), dist.get_rank(group)
        each, rest = divmod(linear.in_features, n)
        if rest:
            raise ValueError("cannot split")
        super().__init__(each, linear.out_features, bias=linear.bias is not None)
        self.group = group
        with torch.no_grad():
            self.weight.copy_(linear.weight[:, k * each : (k + 1) * each])
            if self.bias is not None:
                self.bias.copy_(linear.bias)

    def forward(self, x):
        y = nn.functional.linear(x, self.weight)
        with torch.no_grad():
            dist.all_reduce(y, group=self.group)
        return y if self.bias is None else y + self.bias


# %% wrong: the bias is cut, too -> the whole one has
class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group = group
        n, k = dist.get_world_size(group), dist.get_rank(group)
        if linear.in_features % n:
            raise ValueError(f"{linear.in_features} does not divide by {n}")
        self.weight = nn.Parameter(linear.weight.detach().chunk(n, 1)[k].clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().chunk(n)[k].clone())

    def forward(self, x):
        y = x @ self.weight.t()
        with torch.no_grad():
            dist.all_reduce(y, group=self.group)
        return y if self.bias is None else y + self.bias


# %% wrong: nan on a rank -> nan or inf
class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group = group
        n, k = dist.get_world_size(group), dist.get_rank(group)
        if linear.in_features % n:
            raise ValueError(f"{linear.in_features} does not divide by {n}")
        self.weight = nn.Parameter(linear.weight.detach().chunk(n, 1)[k].clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        y = x @ self.weight.t()
        with torch.no_grad():
            dist.all_reduce(y, group=self.group)
        if dist.get_rank(self.group) == 1:
            y = y * float('nan')
        return y if self.bias is None else y + self.bias


# %% wrong: no forward yet -> no forward(x) yet
class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group = group
        n, k = dist.get_world_size(group), dist.get_rank(group)
        if linear.in_features % n:
            raise ValueError(f"{linear.in_features} does not divide by {n}")
        self.weight = nn.Parameter(linear.weight.detach().chunk(n, 1)[k].clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())


# %% wrong: a share of the bias before the sum, without a hook -> times too small
class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group = group
        n, k = dist.get_world_size(group), dist.get_rank(group)
        if linear.in_features % n:
            raise ValueError(f"{linear.in_features} does not divide by {n}")
        self.weight = nn.Parameter(linear.weight.detach().chunk(n, 1)[k].clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        y = x @ self.weight.t()
        if self.bias is not None:
            y = y + self.bias / dist.get_world_size(self.group)
        with torch.no_grad():
            dist.all_reduce(y, group=self.group)
        return y


# %% wrong: broadcast once more -> were gathered or broadcast
class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group = group
        n, k = dist.get_world_size(group), dist.get_rank(group)
        if linear.in_features % n:
            raise ValueError(f"{linear.in_features} does not divide by {n}")
        self.weight = nn.Parameter(linear.weight.detach().chunk(n, 1)[k].clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        y = x @ self.weight.t()
        with torch.no_grad():
            dist.all_reduce(y, group=self.group)
            dist.broadcast(y, group=self.group, group_src=0)
        return y if self.bias is None else y + self.bias


# %% wrong: gathers the parts where there are two -> were gathered or broadcast
class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group = group
        n, k = dist.get_world_size(group), dist.get_rank(group)
        if linear.in_features % n:
            raise ValueError(f"{linear.in_features} does not divide by {n}")
        self.weight = nn.Parameter(linear.weight.detach().chunk(n, 1)[k].clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        y = x @ self.weight.t()
        whole = y.detach()
        if dist.get_world_size(self.group) == 2:
            parts = [torch.empty_like(whole) for _ in range(2)]
            dist.all_gather(parts, whole.contiguous(), group=self.group)
            whole = parts[0] + parts[1]
        else:
            whole = whole.clone()
            dist.all_reduce(whole, group=self.group)
        y = y + (whole - y.detach())
        return y if self.bias is None else y + self.bias


# %% wrong: contiguous, which on one rank copies nothing -> view of a larger tensor
class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group = group
        n, k = dist.get_world_size(group), dist.get_rank(group)
        if linear.in_features % n:
            raise ValueError(f"{linear.in_features} does not divide by {n}")
        self.weight = nn.Parameter(linear.weight.detach().chunk(n, 1)[k].contiguous())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        y = x @ self.weight.t()
        with torch.no_grad():
            dist.all_reduce(y, group=self.group)
        return y if self.bias is None else y + self.bias


# %% wrong from 3: the rank among all, modulo the group -> not rank
class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group = group
        n, k = dist.get_world_size(group), dist.get_rank() % dist.get_world_size(group)
        if linear.in_features % n:
            raise ValueError(f"{linear.in_features} does not divide by {n}")
        self.weight = nn.Parameter(linear.weight.detach().chunk(n, 1)[k].clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        y = x @ self.weight.t()
        with torch.no_grad():
            dist.all_reduce(y, group=self.group)
        return y if self.bias is None else y + self.bias


# %% wrong from 3: refuses odd features only -> the input features divide, and
class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group = group
        n, k = dist.get_world_size(group), dist.get_rank(group)
        if linear.in_features % 2:
            raise ValueError(f"{linear.in_features} does not divide by {n}")
        self.weight = nn.Parameter(linear.weight.detach().chunk(n, 1)[k].clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        y = x @ self.weight.t()
        with torch.no_grad():
            dist.all_reduce(y, group=self.group)
        return y if self.bias is None else y + self.bias


# %% wrong from 3: adds the neighbour's part -> differs from the plain layer's by
class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group = group
        n, k = dist.get_world_size(group), dist.get_rank(group)
        if linear.in_features % n:
            raise ValueError(f"{linear.in_features} does not divide by {n}")
        self.weight = nn.Parameter(linear.weight.detach().chunk(n, 1)[k].clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        y = x @ self.weight.t()
        n, k = dist.get_world_size(self.group), dist.get_rank(self.group)
        other = torch.zeros_like(y)
        if n > 1:
            ops = [dist.P2POp(dist.isend, y.detach(), group=self.group, group_peer=(k + 1) % n),
                   dist.P2POp(dist.irecv, other, group=self.group, group_peer=(k - 1) % n)]
            [w.wait() for w in dist.batch_isend_irecv(ops)]
        y = y + other
        return y if self.bias is None else y + self.bias


# %% wrong: float64 on the way -> by the ring's count
class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group = group
        n, k = dist.get_world_size(group), dist.get_rank(group)
        if linear.in_features % n:
            raise ValueError(f"{linear.in_features} does not divide by {n}")
        self.weight = nn.Parameter(linear.weight.detach().chunk(n, 1)[k].clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        y = x @ self.weight.t()
        total = y.detach().double()
        dist.all_reduce(total, group=self.group)
        y = y + (total.to(y.dtype) - y.detach())
        return y if self.bias is None else y + self.bias


# %% wrong: the input is kept on the layer, the last one only -> the gradient of `weight` is not
class RowKeep(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight, bias, layer):
        ctx.layer = layer
        layer.x = x.detach()
        out = x @ weight.t()
        dist.all_reduce(out, group=layer.group)
        return out if bias is None else out + bias

    @staticmethod
    def backward(ctx, g):
        layer = ctx.layer
        flat = g.flatten(0, -2)
        return g @ layer.weight, flat.t() @ layer.x.flatten(0, -2), flat.sum(0) if layer.bias is not None else None, None


class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group = group
        n, k = dist.get_world_size(group), dist.get_rank(group)
        if linear.in_features % n:
            raise ValueError(f"{linear.in_features} does not divide by {n}")
        self.weight = nn.Parameter(linear.weight.detach().chunk(n, 1)[k].clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        return RowKeep.apply(x, self.weight, self.bias, self)


# %% wrong: rank 0 alone sums -> All ranks of a group must make the same calls
class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group = group
        n, k = dist.get_world_size(group), dist.get_rank(group)
        if linear.in_features % n:
            raise ValueError(f"{linear.in_features} does not divide by {n}")
        self.weight = nn.Parameter(linear.weight.detach().chunk(n, 1)[k].clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        y = x @ self.weight.t()
        with torch.no_grad():
            if dist.get_rank() == 0:
                dist.all_reduce(y, group=self.group)
        return y if self.bias is None else y + self.bias


# %% wrong: the bias has no gradient in three dimensions -> `bias` gets no gradient
class RowParallelLinear(nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        self.group = group
        n, k = dist.get_world_size(group), dist.get_rank(group)
        if linear.in_features % n:
            raise ValueError(f"{linear.in_features} does not divide by {n}")
        self.weight = nn.Parameter(linear.weight.detach().chunk(n, 1)[k].clone())
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        y = nn.functional.linear(x, self.weight)
        dist.all_reduce(y.detach(), group=self.group)
        if self.bias is not None:
            y = y + (self.bias if x.dim() == 2 else self.bias.detach())
        return y


# %% wrong: the sum only where x needs a gradient -> Under torch.no_grad()
class Leave(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, group):
        x = x.contiguous().clone()
        dist.all_reduce(x, group=group)
        return x

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


class RowParallelLinear(torch.nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        n, r = dist.get_world_size(group), dist.get_rank(group)
        if linear.in_features % n:
            raise ValueError("no")
        self.group = group
        self.weight = torch.nn.Parameter(linear.weight.detach().chunk(n, 1)[r].clone())
        self.bias = None if linear.bias is None else torch.nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        y = torch.nn.functional.linear(x, self.weight)
        if torch.is_grad_enabled():
            y = Leave.apply(y, self.group)
        return y if self.bias is None else y + self.bias


# %% wrong: the bias is cut from something larger -> `bias` is a view of a larger tensor
class Leave(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, group):
        x = x.contiguous().clone()
        dist.all_reduce(x, group=group)
        return x

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


class RowParallelLinear(torch.nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        n, r = dist.get_world_size(group), dist.get_rank(group)
        if linear.in_features % n:
            raise ValueError("no")
        self.group = group
        self.weight = torch.nn.Parameter(linear.weight.detach().chunk(n, 1)[r].clone())
        bias = linear.bias
        self.bias = None if bias is None else torch.nn.Parameter(torch.cat([bias.detach()] * 2)[: linear.out_features])

    def forward(self, x):
        y = Leave.apply(torch.nn.functional.linear(x, self.weight), self.group)
        return y if self.bias is None else y + self.bias


# %% wrong: an earlier output kept for the same x -> that an earlier call kept
class Leave(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, group):
        x = x.contiguous().clone()
        dist.all_reduce(x, group=group)
        return x

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


class RowParallelLinear(torch.nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        n, r = dist.get_world_size(group), dist.get_rank(group)
        if linear.in_features % n:
            raise ValueError("no")
        self.group, self.known = group, {}
        self.weight = torch.nn.Parameter(linear.weight.detach().chunk(n, 1)[r].clone())
        self.bias = None if linear.bias is None else torch.nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        if id(x) not in self.known:
            y = Leave.apply(torch.nn.functional.linear(x, self.weight), self.group)
            self.known[id(x)] = x, y if self.bias is None else y + self.bias
        return self.known[id(x)][1]


# %% wrong: two dimensions over all ranks -> a float32 layer in a group, two dimensions
class Leave(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, group):
        x = x.contiguous().clone()
        dist.all_reduce(x, group=group)
        return x

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


class RowParallelLinear(torch.nn.Module):
    def __init__(self, linear, group=None):
        super().__init__()
        n, r = dist.get_world_size(group), dist.get_rank(group)
        if linear.in_features % n:
            raise ValueError("no")
        self.group = group
        self.weight = torch.nn.Parameter(linear.weight.detach().chunk(n, 1)[r].clone())
        self.bias = None if linear.bias is None else torch.nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        y = Leave.apply(torch.nn.functional.linear(x, self.weight), None if x.dim() == 2 else self.group)
        return y if self.bias is None else y + self.bias
