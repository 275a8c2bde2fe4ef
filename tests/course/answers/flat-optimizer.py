# %% right: pad, chunk, all_gather_into_tensor
class FlatOptimizer:
    def __init__(self, params, optimizer_class, **defaults):
        self.params, self.size = list(params), dist.get_world_size()
        self.counts = [p.numel() for p in self.params]
        self.each = -(-sum(self.counts) // self.size)
        self.part = torch.nn.Parameter(self.own_part(self.params).clone())
        self.local = optimizer_class([self.part], **defaults)

    def own_part(self, tensors):
        flat = torch.cat([t.detach().flatten() for t in tensors])
        padded = torch.nn.functional.pad(flat, (0, self.each * self.size - len(flat)))
        return padded.chunk(self.size)[dist.get_rank()]

    def step(self):
        self.part.grad = self.own_part([p.grad for p in self.params])
        self.local.step()
        whole = self.part.new_empty(self.each * self.size)
        dist.all_gather_into_tensor(whole, self.part.detach())
        for p, new in zip(self.params, whole[: sum(self.counts)].split(self.counts)):
            p.detach().copy_(new.view_as(p))


# %% right: parameters are views of the flat tensor, gathered in place
class FlatOptimizer:
    def __init__(self, params, optimizer_class, **defaults):
        self.params = list(params)
        n, total = dist.get_world_size(), sum(p.numel() for p in self.params)
        self.each = (total + n - 1) // n
        self.flat = torch.zeros(self.each * n, dtype=self.params[0].dtype, device=self.params[0].device)
        at = 0
        for p in self.params:
            self.flat[at : at + p.numel()] = p.data.flatten()
            p.data = self.flat[at : at + p.numel()].view(p.shape)
            at += p.numel()
        self.part = torch.nn.Parameter(self.flat[dist.get_rank() * self.each :][: self.each])
        self.local = optimizer_class([self.part], **defaults)

    def step(self):
        grads = torch.cat([p.grad.flatten() for p in self.params])
        grads = torch.cat([grads, grads.new_zeros(self.flat.numel() - grads.numel())])
        self.part.grad = grads[dist.get_rank() * self.each :][: self.each]
        self.local.step()
        dist.all_gather_into_tensor(self.flat, self.part.detach().clone())


# %% right: a list of parts, names imported by hand, vector_to_parameters
from torch.distributed import all_gather, get_rank, get_world_size
from torch.nn.utils import parameters_to_vector, vector_to_parameters


class FlatOptimizer:
    def __init__(self, params, optimizer_class, **defaults):
        self.params = [*params]
        vector = parameters_to_vector(self.params).detach()
        self.total, self.share = vector.numel(), -(-vector.numel() // get_world_size())
        self.mine = torch.nn.Parameter(self.cut(vector))
        self.local = optimizer_class([self.mine], **defaults)

    def cut(self, vector):
        own = vector.new_zeros(self.share)
        piece = vector[get_rank() * self.share : (get_rank() + 1) * self.share]
        own[: piece.numel()] = piece
        return own

    def step(self):
        self.mine.grad = self.cut(parameters_to_vector([p.grad for p in self.params]))
        self.local.step()
        parts = [torch.empty_like(self.mine) for _ in range(get_world_size())]
        all_gather(parts, self.mine.data)
        vector_to_parameters(torch.cat(parts)[: self.total], self.params)


# %% right: functional all-gather
import torch.distributed._functional_collectives as funcol


class FlatOptimizer:
    def __init__(self, params, optimizer_class, **defaults):
        self.params = list(params)
        self.n, self.me = dist.get_world_size(), dist.get_rank()
        self.part = torch.nn.Parameter(self.own([p.detach() for p in self.params]))
        self.local = optimizer_class([self.part], **defaults)

    def own(self, tensors):
        flat = torch.cat([t.reshape(-1) for t in tensors])
        flat = torch.cat([flat, flat.new_zeros(-flat.numel() % self.n)])
        return flat.view(self.n, -1)[self.me].clone()

    @torch.no_grad()
    def step(self):
        self.part.grad = self.own([p.grad for p in self.params])
        self.local.step()
        flat = funcol.all_gather_tensor(self.part.detach(), 0, dist.group.WORLD)
        at = 0
        for p in self.params:
            p.copy_(flat[at : at + p.numel()].reshape(p.shape))
            at += p.numel()


# %% right: each part is broadcast by its rank, asynchronously
class FlatOptimizer:
    def __init__(self, params, optimizer_class, **defaults):
        self.params = list(params)
        n, r = dist.get_world_size(), dist.get_rank()
        flat = torch.cat([p.detach().view(-1) for p in self.params])
        self.used = flat.numel()
        self.rows = torch.zeros(n, -(-flat.numel() // n), dtype=flat.dtype, device=flat.device)
        self.rows.view(-1)[: self.used] = flat
        self.part = torch.nn.Parameter(self.rows[r].clone())
        self.local = optimizer_class([self.part], **defaults)

    def step(self):
        r, grads = dist.get_rank(), torch.zeros_like(self.rows)
        grads.view(-1)[: self.used] = torch.cat([p.grad.view(-1) for p in self.params])
        self.part.grad = grads[r].clone()
        self.local.step()
        self.rows[r] = self.part.detach()
        works = [dist.broadcast(row, src, async_op=True) for src, row in enumerate(self.rows)]
        for work in works:
            work.wait()
        at = 0
        for p in self.params:
            p.data.copy_(self.rows.view(-1)[at : at + p.numel()].view_as(p))
            at += p.numel()


# %% right: a subclass of torch.optim.Optimizer
class FlatOptimizer(torch.optim.Optimizer):
    def __init__(self, params, optimizer_class, **defaults):
        super().__init__(list(params), defaults)
        self.flat_params = self.param_groups[0]["params"]
        self.part = torch.nn.Parameter(self._part([p.data for p in self.flat_params]))
        self.local = optimizer_class([self.part], **defaults)

    def _part(self, tensors):
        n, flat = dist.get_world_size(), torch.cat([t.flatten() for t in tensors])
        return torch.nn.functional.pad(flat, (0, -len(flat) % n)).chunk(n)[dist.get_rank()].clone()

    def step(self):
        self.part.grad = self._part([p.grad for p in self.flat_params])
        self.local.step()
        whole = self.part.data.new_empty(dist.get_world_size() * self.part.numel())
        dist.all_gather_into_tensor(whole, self.part.data)
        for p in self.flat_params:
            p.data.copy_(whole[: p.numel()].view_as(p))
            whole = whole[p.numel() :]


# %% wrong: not written back -> have not changed
class FlatOptimizer:
    def __init__(self, params, optimizer_class, **defaults):
        self.params, n = list(params), dist.get_world_size()
        flat = torch.cat([p.detach().flatten() for p in self.params])
        self.pad = -len(flat) % n
        self.part = torch.nn.Parameter(torch.nn.functional.pad(flat, (0, self.pad)).chunk(n)[dist.get_rank()].clone())
        self.local = optimizer_class([self.part], **defaults)

    def step(self):
        flat = torch.cat([p.grad.flatten() for p in self.params])
        n = dist.get_world_size()
        self.part.grad = torch.nn.functional.pad(flat, (0, self.pad)).chunk(n)[dist.get_rank()].clone()
        self.local.step()
        whole = self.part.data.new_empty(len(flat) + self.pad)
        dist.all_gather_into_tensor(whole, self.part.data)


# %% wrong: the gradient of the first step for ever -> renewed before each step
class FlatOptimizer:
    def __init__(self, params, optimizer_class, **defaults):
        self.params, self.n = list(params), dist.get_world_size()
        self.part = torch.nn.Parameter(self.own([p.data for p in self.params]))
        self.local = optimizer_class([self.part], **defaults)

    def own(self, tensors):
        flat = torch.cat([t.flatten() for t in tensors])
        return torch.nn.functional.pad(flat, (0, -len(flat) % self.n)).chunk(self.n)[dist.get_rank()].clone()

    def step(self):
        if self.part.grad is None:
            self.part.grad = self.own([p.grad for p in self.params])
        self.local.step()
        whole = self.part.data.new_empty(self.n * self.part.numel())
        dist.all_gather_into_tensor(whole, self.part.data)
        for p in self.params:
            p.data.copy_(whole[: p.numel()].view_as(p))
            whole = whole[p.numel() :]


# %% wrong: a flat tensor in fp32 -> fp32's precision only
class FlatOptimizer:
    def __init__(self, params, optimizer_class, **defaults):
        self.params, self.n = list(params), dist.get_world_size()
        self.part = torch.nn.Parameter(self.own([p.data for p in self.params]))
        self.local = optimizer_class([self.part], **defaults)

    def own(self, tensors):
        flat = torch.cat([t.flatten() for t in tensors]).float()
        return torch.nn.functional.pad(flat, (0, -len(flat) % self.n)).chunk(self.n)[dist.get_rank()].clone()

    def step(self):
        self.part.grad = self.own([p.grad for p in self.params])
        self.local.step()
        whole = self.part.data.new_empty(self.n * self.part.numel())
        dist.all_gather_into_tensor(whole, self.part.data)
        for p in self.params:
            p.data.copy_(whole[: p.numel()].view_as(p))
            whole = whole[p.numel() :]


# %% wrong: state for everything -> numbers of state
class FlatOptimizer:
    def __init__(self, params, optimizer_class, **defaults):
        self.params = list(params)
        self.flat = torch.nn.Parameter(torch.cat([p.data.flatten() for p in self.params]))
        self.local = optimizer_class([self.flat], **defaults)

    def step(self):
        self.flat.grad = torch.cat([p.grad.flatten() for p in self.params])
        self.local.step()
        whole = self.flat.data
        for p in self.params:
            p.data.copy_(whole[: p.numel()].view_as(p))
            whole = whole[p.numel() :]


# %% wrong: all_reduce of zeros and the own part -> One all-gather is enough
class FlatOptimizer:
    def __init__(self, params, optimizer_class, **defaults):
        self.params, self.n = list(params), dist.get_world_size()
        self.part = torch.nn.Parameter(self.own([p.data for p in self.params]))
        self.local = optimizer_class([self.part], **defaults)

    def own(self, tensors):
        flat = torch.cat([t.flatten() for t in tensors])
        return torch.nn.functional.pad(flat, (0, -len(flat) % self.n)).chunk(self.n)[dist.get_rank()].clone()

    def step(self):
        self.part.grad = self.own([p.grad for p in self.params])
        self.local.step()
        whole = self.part.data.new_zeros(self.n, self.part.numel())
        whole[dist.get_rank()] = self.part.data
        dist.all_reduce(whole)
        whole = whole.flatten()
        for p in self.params:
            p.data.copy_(whole[: p.numel()].view_as(p))
            whole = whole[p.numel() :]


# %% wrong: gathered twice -> One all-gather is enough
class FlatOptimizer:
    def __init__(self, params, optimizer_class, **defaults):
        self.params, self.n = list(params), dist.get_world_size()
        self.part = torch.nn.Parameter(self.own([p.data for p in self.params]))
        self.local = optimizer_class([self.part], **defaults)

    def own(self, tensors):
        flat = torch.cat([t.flatten() for t in tensors])
        return torch.nn.functional.pad(flat, (0, -len(flat) % self.n)).chunk(self.n)[dist.get_rank()].clone()

    def step(self):
        self.part.grad = self.own([p.grad for p in self.params])
        self.local.step()
        whole = self.part.data.new_empty(self.n * self.part.numel())
        for _ in range(2):
            dist.all_gather_into_tensor(whole, self.part.data)
        for p in self.params:
            p.data.copy_(whole[: p.numel()].view_as(p))
            whole = whole[p.numel() :]


# %% wrong: parts in the wrong order -> where its rank belongs
class FlatOptimizer:
    def __init__(self, params, optimizer_class, **defaults):
        self.params, self.n = list(params), dist.get_world_size()
        self.part = torch.nn.Parameter(self.own([p.data for p in self.params]))
        self.local = optimizer_class([self.part], **defaults)

    def own(self, tensors):
        flat = torch.cat([t.flatten() for t in tensors])
        return torch.nn.functional.pad(flat, (0, -len(flat) % self.n)).chunk(self.n)[dist.get_rank()].clone()

    def step(self):
        self.part.grad = self.own([p.grad for p in self.params])
        self.local.step()
        whole = self.part.data.new_empty(self.n * self.part.numel())
        dist.all_gather_into_tensor(whole, self.part.data)
        whole = whole.roll(self.part.numel() if self.n > 1 else 1)
        for p in self.params:
            p.data.copy_(whole[: p.numel()].view_as(p))
            whole = whole[p.numel() :]


# %% wrong: rounded down, the last numbers are in nobody's part -> Mind the padding
class FlatOptimizer:
    def __init__(self, params, optimizer_class, **defaults):
        self.params, self.n = list(params), dist.get_world_size()
        self.each = sum(p.numel() for p in self.params) // self.n
        self.part = torch.nn.Parameter(self.own([p.data for p in self.params]))
        self.local = optimizer_class([self.part], **defaults)

    def own(self, tensors):
        return torch.cat([t.flatten() for t in tensors])[dist.get_rank() * self.each :][: self.each].clone()

    def step(self):
        self.part.grad = self.own([p.grad for p in self.params])
        self.local.step()
        whole = self.part.data.new_empty(self.n * self.each)
        dist.all_gather_into_tensor(whole, self.part.data)
        whole = torch.cat([whole, torch.cat([p.data.flatten() for p in self.params])[len(whole) :]])
        for p in self.params:
            p.data.copy_(whole[: p.numel()].view_as(p))
            whole = whole[p.numel() :]


# %% wrong: no .local -> as `.local`
class FlatOptimizer:
    def __init__(self, params, optimizer_class, **defaults):
        self.params, self.n = list(params), dist.get_world_size()
        self.part = torch.nn.Parameter(self.own([p.data for p in self.params]))
        self.mine = optimizer_class([self.part], **defaults)

    def own(self, tensors):
        flat = torch.cat([t.flatten() for t in tensors])
        return torch.nn.functional.pad(flat, (0, -len(flat) % self.n)).chunk(self.n)[dist.get_rank()].clone()

    def step(self):
        self.part.grad = self.own([p.grad for p in self.params])
        self.mine.step()
        whole = self.part.data.new_empty(self.n * self.part.numel())
        dist.all_gather_into_tensor(whole, self.part.data)
        for p in self.params:
            p.data.copy_(whole[: p.numel()].view_as(p))
            whole = whole[p.numel() :]


# %% wrong: rank 0 alone gathers -> rank
class FlatOptimizer:
    def __init__(self, params, optimizer_class, **defaults):
        self.params, self.n = list(params), dist.get_world_size()
        self.part = torch.nn.Parameter(self.own([p.data for p in self.params]))
        self.local = optimizer_class([self.part], **defaults)

    def own(self, tensors):
        flat = torch.cat([t.flatten() for t in tensors])
        return torch.nn.functional.pad(flat, (0, -len(flat) % self.n)).chunk(self.n)[dist.get_rank()].clone()

    def step(self):
        self.part.grad = self.own([p.grad for p in self.params])
        self.local.step()
        whole = self.part.data.new_empty(self.n * self.part.numel())
        if dist.get_rank() == 0:
            dist.all_gather_into_tensor(whole, self.part.data)
        for p in self.params:
            p.data.copy_(whole[: p.numel()].view_as(p))
            whole = whole[p.numel() :]


# %% wrong: an instance -> must be a class
def FlatOptimizer(params, optimizer_class, **defaults):
    return optimizer_class(params, **defaults)


# %% wrong: no step -> no method step
class FlatOptimizer:
    def __init__(self, params, optimizer_class, **defaults):
        self.local = optimizer_class(params, **defaults)


# %% right: parameters_to_vector
from torch.nn.utils import parameters_to_vector, vector_to_parameters
class FlatOptimizer:
    def __init__(self, params, optimizer_class, **defaults):
        self.params = list(params)
        self.total = sum(p.numel() for p in self.params)
        n = dist.get_world_size()
        self.size = -(-self.total // n)
        self.part = torch.nn.Parameter(self.slice(parameters_to_vector(self.params).detach()))
        self.local = optimizer_class([self.part], **defaults)
    def slice(self, flat):
        flat = torch.nn.functional.pad(flat, (0, self.size * dist.get_world_size() - self.total))
        r = dist.get_rank()
        return flat[r * self.size : (r + 1) * self.size].clone()
    def step(self):
        self.part.grad = self.slice(torch.cat([p.grad.flatten() for p in self.params]))
        self.local.step()
        whole = self.part.new_empty(self.size * dist.get_world_size())
        dist.all_gather_into_tensor(whole, self.part.detach())
        vector_to_parameters(whole[: self.total], self.params)

# %% right: the parameters become views of the flat tensor
class FlatOptimizer:
    def __init__(self, params, optimizer_class, **defaults):
        self.ps = [*params]
        n, r = dist.get_world_size(), dist.get_rank()
        count = sum(p.numel() for p in self.ps)
        self.flat = torch.zeros((count + n - 1) // n * n, dtype=self.ps[0].dtype, device=self.ps[0].device)
        self.grads = torch.zeros_like(self.flat)
        at = 0
        for p in self.ps:
            view = self.flat[at : at + p.numel()].view(p.shape)
            view.copy_(p.detach())
            p.data = view
            at += p.numel()
        self.part = self.flat.chunk(n)[r]
        self.part.grad = None
        self.part.requires_grad_()
        self.local = optimizer_class([self.part], **defaults)
    def step(self):
        n, r = dist.get_world_size(), dist.get_rank()
        torch.cat([p.grad.reshape(-1) for p in self.ps], out=self.grads[: sum(p.numel() for p in self.ps)])
        self.part.grad = self.grads.chunk(n)[r]
        self.local.step()
        with torch.no_grad():
            dist.all_gather_into_tensor(self.flat, self.part.detach().clone())

# %% right: all_gather into a list, async
class Flat:
    def __init__(self, parameters, make, **kw):
        self.parameters = tuple(parameters)
        self.n, self.r = dist.get_world_size(), dist.get_rank()
        flat = self.flatten([p.detach() for p in self.parameters])
        self.mine = flat[self.r].clone().requires_grad_(True)
        self.local = make([self.mine], **kw)
    def flatten(self, tensors):
        flat = torch.cat([t.flatten() for t in tensors])
        missing = -flat.numel() % self.n
        return torch.cat([flat, flat.new_zeros(missing)]).view(self.n, -1)
    @torch.no_grad()
    def step(self):
        self.mine.grad = self.flatten([p.grad for p in self.parameters])[self.r].clone()
        self.local.step()
        parts = [torch.empty_like(self.mine) for _ in range(self.n)]
        dist.all_gather(parts, self.mine.detach(), async_op=True).wait()
        flat = torch.cat(parts)
        for p in self.parameters:
            p.copy_(flat[: p.numel()].view_as(p))
            flat = flat[p.numel() :]

# %% right: functional all-gather, again
import torch.distributed._functional_collectives as fc
class FlatOptimizer:
    def __init__(self, params, optimizer_class, **defaults):
        self.params = list(params)
        self.sizes = [p.numel() for p in self.params]
        self.share = -(-sum(self.sizes) // dist.get_world_size())
        own = self.own(p.detach() for p in self.params)
        self.weight = nn.Parameter(own)
        self.local = optimizer_class([self.weight], **defaults)
    def own(self, tensors):
        flat = torch.cat([t.reshape(-1) for t in tensors])
        got = flat[dist.get_rank() * self.share :][: self.share]
        out = flat.new_zeros(self.share)
        out[: got.numel()] = got
        return out
    def step(self):
        self.weight.grad = self.own(p.grad for p in self.params)
        self.local.step()
        flat = fc.wait_tensor(fc.all_gather_tensor(self.weight.detach(), 0, dist.group.WORLD))
        with torch.no_grad():
            for p, new in zip(self.params, flat[: sum(self.sizes)].split(self.sizes)):
                p.copy_(new.view_as(p))

# %% right: a ring of sends
class FlatOptimizer:
    def __init__(self, params, optimizer_class, **defaults):
        self.params = list(params)
        self.n, self.r = dist.get_world_size(), dist.get_rank()
        flat = self.lay(p.data for p in self.params)
        self.part = torch.nn.Parameter(flat[self.r].clone())
        self.local = optimizer_class([self.part], **defaults)
    def lay(self, tensors):
        flat = torch.cat([t.flatten() for t in tensors])
        return torch.nn.functional.pad(flat, (0, -len(flat) % self.n)).view(self.n, -1)
    def step(self):
        self.part.grad = self.lay(p.grad for p in self.params)[self.r].clone()
        self.local.step()
        rows = torch.empty(self.n, self.part.numel(), dtype=self.part.dtype, device=self.part.device)
        rows[self.r] = self.part.data
        for hop in range(self.n - 1):
            out, into = (self.r - hop) % self.n, (self.r - hop - 1) % self.n
            works = dist.batch_isend_irecv([dist.P2POp(dist.isend, rows[out], (self.r + 1) % self.n), dist.P2POp(dist.irecv, rows[into], (self.r - 1) % self.n)])
            for w in works:
                w.wait()
        at = 0
        for p in self.params:
            p.data.copy_(rows.view(-1)[at : at + p.numel()].view(p.shape))
            at += p.numel()

# %% right: only pieces, never the whole gradient
class FlatOptimizer:
    def __init__(self, params, optimizer_class, **defaults):
        self.params = list(params)
        n, r = dist.get_world_size(), dist.get_rank()
        total = sum(p.numel() for p in self.params)
        self.size = (total + n - 1) // n
        begin, end = r * self.size, (r + 1) * self.size
        self.pieces, at = [], 0
        for p in self.params:
            a, b = max(begin, at), min(end, at + p.numel())
            if a < b:
                self.pieces.append((p, a - at, b - at, a - begin, b - begin))
            at += p.numel()
        first = self.params[0]
        self.part = torch.zeros(self.size, dtype=first.dtype, device=first.device)
        for p, a, b, c, d in self.pieces:
            self.part[c:d] = p.detach().flatten()[a:b]
        self.part.requires_grad_()
        self.part.grad = torch.zeros_like(self.part)
        self.local = optimizer_class([self.part], **defaults)
    def step(self):
        for p, a, b, c, d in self.pieces:
            self.part.grad[c:d] = p.grad.flatten()[a:b]
        self.local.step()
        flat = self.part.new_empty(self.size * dist.get_world_size()).detach()
        dist.all_gather_into_tensor(flat, self.part.data)
        at = 0
        for p in self.params:
            p.data = flat[at : at + p.numel()].view_as(p).clone()
            at += p.numel()

# %% wrong: closures, no class of its own -> must be a class
from types import SimpleNamespace
def FlatOptimizer(params, optimizer_class, **defaults):
    params = list(params)
    n, r = dist.get_world_size(), dist.get_rank()
    pad = -sum(p.numel() for p in params) % n
    lay = lambda ts: torch.cat([*(t.detach().flatten() for t in ts), params[0].detach().new_zeros(pad)])
    part = lay(params).tensor_split(n)[r].clone().requires_grad_()
    local = optimizer_class([part], **defaults)
    def step():
        part.grad = lay(p.grad for p in params).tensor_split(n)[r]
        local.step()
        flat = lay(params)
        dist.all_gather_into_tensor(flat, part.detach())
        for p, new in zip(params, flat.split([*(p.numel() for p in params), pad])):
            p.data.copy_(new.view(p.shape))
    return SimpleNamespace(local=local, step=step)

# %% right: all_gather_single's old name, futures, a subclass of Optimizer
class FlatOptimizer(torch.optim.Optimizer):
    def __init__(self, params, optimizer_class, **defaults):
        super().__init__(list(params), dict(defaults))
        self.n, self.r = dist.get_world_size(), dist.get_rank()
        ps = self.param_groups[0]["params"]
        flat = torch.cat([p.detach().ravel() for p in ps])
        self.k = -(-flat.numel() // self.n)
        flat = torch.cat((flat, flat.new_zeros(self.k * self.n - flat.numel())))
        self.shard = nn.Parameter(flat.narrow(0, self.r * self.k, self.k).clone())
        self.local = optimizer_class((self.shard,), **defaults)
    def step(self, closure=None):
        ps = self.param_groups[0]["params"]
        g = torch.cat([p.grad.ravel() for p in ps])
        g = torch.cat((g, g.new_zeros(self.k * self.n - g.numel())))
        self.shard.grad = g.narrow(0, self.r * self.k, self.k)
        self.local.step()
        self.shard.grad = None
        dist.all_gather_into_tensor(g, self.shard.detach(), async_op=True).get_future().wait()
        done = 0
        with torch.no_grad():
            for p in ps:
                p.copy_(g.narrow(0, done, p.numel()).view(p.size()))
                done += p.numel()

# %% wrong: no padding
class FlatOptimizer:
    def __init__(self, params, optimizer_class, **defaults):
        self.params = list(params)
        self.n, self.r = dist.get_world_size(), dist.get_rank()
        self.total = sum(p.numel() for p in self.params)
        self.size = self.total // self.n
        self.part = torch.nn.Parameter(self.own([p.detach() for p in self.params]))
        self.local = optimizer_class([self.part], **defaults)
    def own(self, tensors):
        flat = torch.cat([t.flatten() for t in tensors])
        pass
        return flat[self.r * self.size : (self.r + 1) * self.size].clone()
    def step(self):
        self.part.grad = self.own([p.grad for p in self.params])
        self.local.step()
        flat = self.part.detach().new_empty(self.size * self.n)
        dist.all_gather_into_tensor(flat, self.part.detach())
        at = 0
        for p in self.params:
            p.data.copy_(flat[at : at + p.numel()].view_as(p))
            at += p.numel()

# %% wrong: the last numbers left out
class FlatOptimizer:
    def __init__(self, params, optimizer_class, **defaults):
        self.params = list(params)
        self.n, self.r = dist.get_world_size(), dist.get_rank()
        self.total = sum(p.numel() for p in self.params)
        self.size = self.total // self.n
        self.part = torch.nn.Parameter(self.own([p.detach() for p in self.params]))
        self.local = optimizer_class([self.part], **defaults)
    def own(self, tensors):
        flat = torch.cat([t.flatten() for t in tensors])
        flat = torch.nn.functional.pad(flat, (0, max(0, self.size * self.n - self.total)))
        return flat[self.r * self.size : (self.r + 1) * self.size].clone()
    def step(self):
        self.part.grad = self.own([p.grad for p in self.params])
        self.local.step()
        flat = self.part.detach().new_empty(self.size * self.n)
        dist.all_gather_into_tensor(flat, self.part.detach())
        at = 0
        for p in self.params:
            p.data.copy_(torch.cat([flat, p.detach().flatten()])[at : at + p.numel()].view_as(p))
            at += p.numel()

# %% wrong: one number too many when it divides
class FlatOptimizer:
    def __init__(self, params, optimizer_class, **defaults):
        self.params = list(params)
        self.n, self.r = dist.get_world_size(), dist.get_rank()
        self.total = sum(p.numel() for p in self.params)
        self.size = self.total // self.n + 1
        self.part = torch.nn.Parameter(self.own([p.detach() for p in self.params]))
        self.local = optimizer_class([self.part], **defaults)
    def own(self, tensors):
        flat = torch.cat([t.flatten() for t in tensors])
        flat = torch.nn.functional.pad(flat, (0, self.size * self.n - self.total))
        return flat[self.r * self.size : (self.r + 1) * self.size].clone()
    def step(self):
        self.part.grad = self.own([p.grad for p in self.params])
        self.local.step()
        flat = self.part.detach().new_empty(self.size * self.n)
        dist.all_gather_into_tensor(flat, self.part.detach())
        at = 0
        for p in self.params:
            p.data.copy_(flat[at : at + p.numel()].view_as(p))
            at += p.numel()

# %% wrong: ranks fixed at two
class FlatOptimizer:
    def __init__(self, params, optimizer_class, **defaults):
        self.params = list(params)
        self.n, self.r = 2, dist.get_rank()
        self.total = sum(p.numel() for p in self.params)
        self.size = -(-self.total // self.n)
        self.part = torch.nn.Parameter(self.own([p.detach() for p in self.params]))
        self.local = optimizer_class([self.part], **defaults)
    def own(self, tensors):
        flat = torch.cat([t.flatten() for t in tensors])
        flat = torch.nn.functional.pad(flat, (0, self.size * self.n - self.total))
        return flat[self.r * self.size : (self.r + 1) * self.size].clone()
    def step(self):
        self.part.grad = self.own([p.grad for p in self.params])
        self.local.step()
        flat = self.part.detach().new_empty(self.size * self.n)
        dist.all_gather_into_tensor(flat, self.part.detach())
        at = 0
        for p in self.params:
            p.data.copy_(flat[at : at + p.numel()].view_as(p))
            at += p.numel()

# %% wrong: state of the whole flat tensor
class FlatOptimizer:
    def __init__(self, params, optimizer_class, **defaults):
        self.params = list(params)
        self.n, self.r = dist.get_world_size(), dist.get_rank()
        self.total = sum(p.numel() for p in self.params)
        self.size = -(-self.total // self.n)
        self.part = torch.nn.Parameter(torch.cat([p.detach().flatten() for p in self.params]))
        self.local = optimizer_class([self.part], **defaults)
    def own(self, tensors):
        flat = torch.cat([t.flatten() for t in tensors])
        flat = torch.nn.functional.pad(flat, (0, self.size * self.n - self.total))
        return flat[self.r * self.size : (self.r + 1) * self.size].clone()
    def step(self):
        self.part.grad = torch.cat([p.grad.flatten() for p in self.params])
        self.local.step()
        flat = self.part.detach().new_empty(self.size * self.n)
        dist.all_gather_into_tensor(flat, self.own([self.part.detach()]))
        at = 0
        for p in self.params:
            p.data.copy_(flat[at : at + p.numel()].view_as(p))
            at += p.numel()

# %% wrong: a plain optimizer beside it
class FlatOptimizer:
    def __init__(self, params, optimizer_class, **defaults):
        self.params = list(params)
        self.n, self.r = dist.get_world_size(), dist.get_rank()
        self.total = sum(p.numel() for p in self.params)
        self.size = -(-self.total // self.n)
        self.part = torch.nn.Parameter(self.own([p.detach() for p in self.params]))
        self.plain = optimizer_class(self.params, **defaults)
        self.local = optimizer_class([self.part], **defaults)
    def own(self, tensors):
        flat = torch.cat([t.flatten() for t in tensors])
        flat = torch.nn.functional.pad(flat, (0, self.size * self.n - self.total))
        return flat[self.r * self.size : (self.r + 1) * self.size].clone()
    def step(self):
        self.part.grad = self.own([p.grad for p in self.params])
        self.plain.step()
        self.local.step()
        flat = self.part.detach().new_empty(self.size * self.n)
        dist.all_gather_into_tensor(flat, self.part.detach())
        at = 0
        for p in self.params:
            p.data.copy_(flat[at : at + p.numel()].view_as(p))
            at += p.numel()

# %% wrong: all-reduce of zeros elsewhere
class FlatOptimizer:
    def __init__(self, params, optimizer_class, **defaults):
        self.params = list(params)
        self.n, self.r = dist.get_world_size(), dist.get_rank()
        self.total = sum(p.numel() for p in self.params)
        self.size = -(-self.total // self.n)
        self.part = torch.nn.Parameter(self.own([p.detach() for p in self.params]))
        self.local = optimizer_class([self.part], **defaults)
    def own(self, tensors):
        flat = torch.cat([t.flatten() for t in tensors])
        flat = torch.nn.functional.pad(flat, (0, self.size * self.n - self.total))
        return flat[self.r * self.size : (self.r + 1) * self.size].clone()
    def step(self):
        self.part.grad = self.own([p.grad for p in self.params])
        self.local.step()
        flat = self.part.detach().new_empty(self.size * self.n)
        flat.zero_()
        flat[self.r * self.size : (self.r + 1) * self.size] = self.part.detach()
        dist.all_reduce(flat)
        at = 0
        for p in self.params:
            p.data.copy_(flat[at : at + p.numel()].view_as(p))
            at += p.numel()

# %% wrong: one all-gather of the whole from each rank
class FlatOptimizer:
    def __init__(self, params, optimizer_class, **defaults):
        self.params = list(params)
        self.n, self.r = dist.get_world_size(), dist.get_rank()
        self.total = sum(p.numel() for p in self.params)
        self.size = -(-self.total // self.n)
        self.part = torch.nn.Parameter(self.own([p.detach() for p in self.params]))
        self.local = optimizer_class([self.part], **defaults)
    def own(self, tensors):
        flat = torch.cat([t.flatten() for t in tensors])
        flat = torch.nn.functional.pad(flat, (0, self.size * self.n - self.total))
        return flat[self.r * self.size : (self.r + 1) * self.size].clone()
    def step(self):
        self.part.grad = self.own([p.grad for p in self.params])
        self.local.step()
        flat = self.part.detach().new_empty(self.size * self.n)
        flat.zero_()
        flat[self.r * self.size : (self.r + 1) * self.size] = self.part.detach()
        every = [torch.empty_like(flat) for _ in range(self.n)]
        dist.all_gather(every, flat)
        flat = sum(every)
        at = 0
        for p in self.params:
            p.data.copy_(flat[at : at + p.numel()].view_as(p))
            at += p.numel()

# %% wrong: gathered twice, again
class FlatOptimizer:
    def __init__(self, params, optimizer_class, **defaults):
        self.params = list(params)
        self.n, self.r = dist.get_world_size(), dist.get_rank()
        self.total = sum(p.numel() for p in self.params)
        self.size = -(-self.total // self.n)
        self.part = torch.nn.Parameter(self.own([p.detach() for p in self.params]))
        self.local = optimizer_class([self.part], **defaults)
    def own(self, tensors):
        flat = torch.cat([t.flatten() for t in tensors])
        flat = torch.nn.functional.pad(flat, (0, self.size * self.n - self.total))
        return flat[self.r * self.size : (self.r + 1) * self.size].clone()
    def step(self):
        self.part.grad = self.own([p.grad for p in self.params])
        self.local.step()
        flat = self.part.detach().new_empty(self.size * self.n)
        dist.all_gather_into_tensor(flat, self.part.detach())
        dist.all_gather_into_tensor(flat, self.part.detach())
        at = 0
        for p in self.params:
            p.data.copy_(flat[at : at + p.numel()].view_as(p))
            at += p.numel()

# %% wrong: never written back
class FlatOptimizer:
    def __init__(self, params, optimizer_class, **defaults):
        self.params = list(params)
        self.n, self.r = dist.get_world_size(), dist.get_rank()
        self.total = sum(p.numel() for p in self.params)
        self.size = -(-self.total // self.n)
        self.part = torch.nn.Parameter(self.own([p.detach() for p in self.params]))
        self.local = optimizer_class([self.part], **defaults)
    def own(self, tensors):
        flat = torch.cat([t.flatten() for t in tensors])
        flat = torch.nn.functional.pad(flat, (0, self.size * self.n - self.total))
        return flat[self.r * self.size : (self.r + 1) * self.size].clone()
    def step(self):
        self.part.grad = self.own([p.grad for p in self.params])
        self.local.step()
        flat = self.part.detach().new_empty(self.size * self.n)
        dist.all_gather_into_tensor(flat, self.part.detach())
        at = 0
        for p in self.params:
            p.data = p.data
            at += p.numel()

# %% wrong: written back in reverse order
class FlatOptimizer:
    def __init__(self, params, optimizer_class, **defaults):
        self.params = list(params)
        self.n, self.r = dist.get_world_size(), dist.get_rank()
        self.total = sum(p.numel() for p in self.params)
        self.size = -(-self.total // self.n)
        self.part = torch.nn.Parameter(self.own([p.detach() for p in self.params]))
        self.local = optimizer_class([self.part], **defaults)
    def own(self, tensors):
        flat = torch.cat([t.flatten() for t in tensors])
        flat = torch.nn.functional.pad(flat, (0, self.size * self.n - self.total))
        return flat[self.r * self.size : (self.r + 1) * self.size].clone()
    def step(self):
        self.part.grad = self.own([p.grad for p in self.params])
        self.local.step()
        flat = self.part.detach().new_empty(self.size * self.n)
        dist.all_gather_into_tensor(flat, self.part.detach())
        at = 0
        for p in reversed(self.params):
            p.data.copy_(flat[at : at + p.numel()].view_as(p))
            at += p.numel()

# %% wrong: a new optimizer at each step
class FlatOptimizer:
    def __init__(self, params, optimizer_class, **defaults):
        self.params = list(params)
        self.n, self.r = dist.get_world_size(), dist.get_rank()
        self.total = sum(p.numel() for p in self.params)
        self.size = -(-self.total // self.n)
        self.part = torch.nn.Parameter(self.own([p.detach() for p in self.params]))
        self.make = lambda: optimizer_class([self.part], **defaults)
        self.local = self.make()
    def own(self, tensors):
        flat = torch.cat([t.flatten() for t in tensors])
        flat = torch.nn.functional.pad(flat, (0, self.size * self.n - self.total))
        return flat[self.r * self.size : (self.r + 1) * self.size].clone()
    def step(self):
        self.part.grad = self.own([p.grad for p in self.params])
        self.local = self.make()
        self.local.step()
        flat = self.part.detach().new_empty(self.size * self.n)
        dist.all_gather_into_tensor(flat, self.part.detach())
        at = 0
        for p in self.params:
            p.data.copy_(flat[at : at + p.numel()].view_as(p))
            at += p.numel()

# %% wrong: lr of its own -> get the defaults
class FlatOptimizer:
    def __init__(self, params, optimizer_class, **defaults):
        self.params = list(params)
        self.n, self.r = dist.get_world_size(), dist.get_rank()
        self.total = sum(p.numel() for p in self.params)
        self.size = -(-self.total // self.n)
        self.part = torch.nn.Parameter(self.own([p.detach() for p in self.params]))
        self.local = optimizer_class([self.part], lr=1e-3)
    def own(self, tensors):
        flat = torch.cat([t.flatten() for t in tensors])
        flat = torch.nn.functional.pad(flat, (0, self.size * self.n - self.total))
        return flat[self.r * self.size : (self.r + 1) * self.size].clone()
    def step(self):
        self.part.grad = self.own([p.grad for p in self.params])
        self.local.step()
        flat = self.part.detach().new_empty(self.size * self.n)
        dist.all_gather_into_tensor(flat, self.part.detach())
        at = 0
        for p in self.params:
            p.data.copy_(flat[at : at + p.numel()].view_as(p))
            at += p.numel()

# %% wrong: gradients pile up
class FlatOptimizer:
    def __init__(self, params, optimizer_class, **defaults):
        self.params = list(params)
        self.n, self.r = dist.get_world_size(), dist.get_rank()
        self.total = sum(p.numel() for p in self.params)
        self.size = -(-self.total // self.n)
        self.part = torch.nn.Parameter(self.own([p.detach() for p in self.params]))
        self.local = optimizer_class([self.part], **defaults)
    def own(self, tensors):
        flat = torch.cat([t.flatten() for t in tensors])
        flat = torch.nn.functional.pad(flat, (0, self.size * self.n - self.total))
        return flat[self.r * self.size : (self.r + 1) * self.size].clone()
    def step(self):
        self.part.grad = self.own([p.grad for p in self.params]) + (0 if self.part.grad is None else self.part.grad)
        self.local.step()
        flat = self.part.detach().new_empty(self.size * self.n)
        dist.all_gather_into_tensor(flat, self.part.detach())
        at = 0
        for p in self.params:
            p.data.copy_(flat[at : at + p.numel()].view_as(p))
            at += p.numel()

# %% wrong: the first step's gradients for ever
class FlatOptimizer:
    def __init__(self, params, optimizer_class, **defaults):
        self.params = list(params)
        self.n, self.r = dist.get_world_size(), dist.get_rank()
        self.total = sum(p.numel() for p in self.params)
        self.size = -(-self.total // self.n)
        self.part = torch.nn.Parameter(self.own([p.detach() for p in self.params]))
        self.local = optimizer_class([self.part], **defaults)
    def own(self, tensors):
        flat = torch.cat([t.flatten() for t in tensors])
        flat = torch.nn.functional.pad(flat, (0, self.size * self.n - self.total))
        return flat[self.r * self.size : (self.r + 1) * self.size].clone()
    def step(self):
        self.part.grad = self.own([p.grad for p in self.params]) if self.part.grad is None else self.part.grad
        self.local.step()
        flat = self.part.detach().new_empty(self.size * self.n)
        dist.all_gather_into_tensor(flat, self.part.detach())
        at = 0
        for p in self.params:
            p.data.copy_(flat[at : at + p.numel()].view_as(p))
            at += p.numel()

# %% wrong: divided by the ranks -> the gradient as they are
class FlatOptimizer:
    def __init__(self, params, optimizer_class, **defaults):
        self.params = list(params)
        self.n, self.r = dist.get_world_size(), dist.get_rank()
        self.total = sum(p.numel() for p in self.params)
        self.size = -(-self.total // self.n)
        self.part = torch.nn.Parameter(self.own([p.detach() for p in self.params]))
        self.local = optimizer_class([self.part], **defaults)
    def own(self, tensors):
        flat = torch.cat([t.flatten() for t in tensors])
        flat = torch.nn.functional.pad(flat, (0, self.size * self.n - self.total))
        return flat[self.r * self.size : (self.r + 1) * self.size].clone()
    def step(self):
        self.part.grad = self.own([p.grad for p in self.params]) / self.n
        self.local.step()
        flat = self.part.detach().new_empty(self.size * self.n)
        dist.all_gather_into_tensor(flat, self.part.detach())
        at = 0
        for p in self.params:
            p.data.copy_(flat[at : at + p.numel()].view_as(p))
            at += p.numel()

# %% wrong: gradients all-reduced once more
class FlatOptimizer:
    def __init__(self, params, optimizer_class, **defaults):
        self.params = list(params)
        self.n, self.r = dist.get_world_size(), dist.get_rank()
        self.total = sum(p.numel() for p in self.params)
        self.size = -(-self.total // self.n)
        self.part = torch.nn.Parameter(self.own([p.detach() for p in self.params]))
        self.local = optimizer_class([self.part], **defaults)
    def own(self, tensors):
        flat = torch.cat([t.flatten() for t in tensors])
        flat = torch.nn.functional.pad(flat, (0, self.size * self.n - self.total))
        return flat[self.r * self.size : (self.r + 1) * self.size].clone()
    def step(self):
        for p in self.params:
            dist.all_reduce(p.grad)
            p.grad /= self.n
        self.part.grad = self.own([p.grad for p in self.params])
        self.local.step()
        flat = self.part.detach().new_empty(self.size * self.n)
        dist.all_gather_into_tensor(flat, self.part.detach())
        at = 0
        for p in self.params:
            p.data.copy_(flat[at : at + p.numel()].view_as(p))
            at += p.numel()

# %% wrong: another rank's part
class FlatOptimizer:
    def __init__(self, params, optimizer_class, **defaults):
        self.params = list(params)
        self.n, self.r = dist.get_world_size(), dist.get_rank()
        self.total = sum(p.numel() for p in self.params)
        self.size = -(-self.total // self.n)
        self.part = torch.nn.Parameter(self.own([p.detach() for p in self.params]))
        self.local = optimizer_class([self.part], **defaults)
    def own(self, tensors):
        flat = torch.cat([t.flatten() for t in tensors])
        flat = torch.nn.functional.pad(flat, (0, self.size * self.n - self.total))
        return flat[(self.n - 1 - self.r) * self.size : (self.n - self.r) * self.size].clone()
    def step(self):
        self.part.grad = self.own([p.grad for p in self.params])
        self.local.step()
        flat = self.part.detach().new_empty(self.size * self.n)
        dist.all_gather_into_tensor(flat, self.part.detach())
        at = 0
        for p in self.params:
            p.data.copy_(flat[at : at + p.numel()].view_as(p))
            at += p.numel()

# %% wrong: gathered before the step -> after the own part
class FlatOptimizer:
    def __init__(self, params, optimizer_class, **defaults):
        self.params = list(params)
        self.n, self.r = dist.get_world_size(), dist.get_rank()
        self.total = sum(p.numel() for p in self.params)
        self.size = -(-self.total // self.n)
        self.part = torch.nn.Parameter(self.own([p.detach() for p in self.params]))
        self.local = optimizer_class([self.part], **defaults)
    def own(self, tensors):
        flat = torch.cat([t.flatten() for t in tensors])
        flat = torch.nn.functional.pad(flat, (0, self.size * self.n - self.total))
        return flat[self.r * self.size : (self.r + 1) * self.size].clone()
    def step(self):
        self.part.grad = self.own([p.grad for p in self.params])
        flat = self.part.detach().new_empty(self.size * self.n)
        dist.all_gather_into_tensor(flat, self.part.detach())
        self.local.step()
        at = 0
        for p in self.params:
            p.data.copy_(flat[at : at + p.numel()].view_as(p))
            at += p.numel()

# %% wrong: flat in fp32
class FlatOptimizer:
    def __init__(self, params, optimizer_class, **defaults):
        self.params = list(params)
        self.n, self.r = dist.get_world_size(), dist.get_rank()
        self.total = sum(p.numel() for p in self.params)
        self.size = -(-self.total // self.n)
        self.part = torch.nn.Parameter(self.own([p.detach() for p in self.params]))
        self.local = optimizer_class([self.part], **defaults)
    def own(self, tensors):
        flat = torch.cat([t.flatten() for t in tensors]).float()
        flat = torch.nn.functional.pad(flat, (0, self.size * self.n - self.total))
        return flat[self.r * self.size : (self.r + 1) * self.size].clone()
    def step(self):
        self.part.grad = self.own([p.grad for p in self.params])
        self.local.step()
        flat = self.part.detach().new_empty(self.size * self.n)
        dist.all_gather_into_tensor(flat, self.part.detach())
        at = 0
        for p in self.params:
            p.data.copy_(flat[at : at + p.numel()].view_as(p))
            at += p.numel()

# %% wrong: the generator read twice
class FlatOptimizer:
    def __init__(self, params, optimizer_class, **defaults):
        self.total = sum(p.numel() for p in params)
        self.params = list(params)
        self.n, self.r = dist.get_world_size(), dist.get_rank()
        self.size = -(-self.total // self.n)
        self.part = torch.nn.Parameter(self.own([p.detach() for p in self.params]))
        self.local = optimizer_class([self.part], **defaults)
    def own(self, tensors):
        flat = torch.cat([t.flatten() for t in tensors])
        flat = torch.nn.functional.pad(flat, (0, self.size * self.n - self.total))
        return flat[self.r * self.size : (self.r + 1) * self.size].clone()
    def step(self):
        self.part.grad = self.own([p.grad for p in self.params])
        self.local.step()
        flat = self.part.detach().new_empty(self.size * self.n)
        dist.all_gather_into_tensor(flat, self.part.detach())
        at = 0
        for p in self.params:
            p.data.copy_(flat[at : at + p.numel()].view_as(p))
            at += p.numel()

# %% wrong: each tensor padded by itself -> with padding is
class FlatOptimizer:
    def __init__(self, params, optimizer_class, **defaults):
        self.params = list(params)
        self.n, self.r = dist.get_world_size(), dist.get_rank()
        self.size = sum(-(-p.numel() // self.n) for p in self.params)
        self.total = sum(p.numel() for p in self.params)
        self.part = torch.nn.Parameter(self.own([p.detach() for p in self.params]))
        self.local = optimizer_class([self.part], **defaults)
    def own(self, tensors):
        flat = torch.cat([t.flatten() for t in tensors])
        flat = torch.nn.functional.pad(flat, (0, self.size * self.n - self.total))
        return flat[self.r * self.size : (self.r + 1) * self.size].clone()
    def step(self):
        self.part.grad = self.own([p.grad for p in self.params])
        self.local.step()
        flat = self.part.detach().new_empty(self.size * self.n)
        dist.all_gather_into_tensor(flat, self.part.detach())
        at = 0
        for p in self.params:
            p.data.copy_(flat[at : at + p.numel()].view_as(p))
            at += p.numel()

# %% wrong: the padding is one whole share
class FlatOptimizer:
    def __init__(self, params, optimizer_class, **defaults):
        self.params = list(params)
        self.n, self.r = dist.get_world_size(), dist.get_rank()
        self.total = sum(p.numel() for p in self.params)
        self.size = -(-self.total // self.n) + (self.total % self.n > 0) * (self.n - self.total % self.n)
        self.part = torch.nn.Parameter(self.own([p.detach() for p in self.params]))
        self.local = optimizer_class([self.part], **defaults)
    def own(self, tensors):
        flat = torch.cat([t.flatten() for t in tensors])
        flat = torch.nn.functional.pad(flat, (0, self.size * self.n - self.total))
        return flat[self.r * self.size : (self.r + 1) * self.size].clone()
    def step(self):
        self.part.grad = self.own([p.grad for p in self.params])
        self.local.step()
        flat = self.part.detach().new_empty(self.size * self.n)
        dist.all_gather_into_tensor(flat, self.part.detach())
        at = 0
        for p in self.params:
            p.data.copy_(flat[at : at + p.numel()].view_as(p))
            at += p.numel()

# %% wrong: local is the class
class FlatOptimizer:
    def __init__(self, params, optimizer_class, **defaults):
        self.params = list(params)
        self.n, self.r = dist.get_world_size(), dist.get_rank()
        self.total = sum(p.numel() for p in self.params)
        self.size = -(-self.total // self.n)
        self.part = torch.nn.Parameter(self.own([p.detach() for p in self.params]))
        self.local, self.inner = optimizer_class, optimizer_class([self.part], **defaults)
    def own(self, tensors):
        flat = torch.cat([t.flatten() for t in tensors])
        flat = torch.nn.functional.pad(flat, (0, self.size * self.n - self.total))
        return flat[self.r * self.size : (self.r + 1) * self.size].clone()
    def step(self):
        self.part.grad = self.own([p.grad for p in self.params])
        self.inner.step()
        flat = self.part.detach().new_empty(self.size * self.n)
        dist.all_gather_into_tensor(flat, self.part.detach())
        at = 0
        for p in self.params:
            p.data.copy_(flat[at : at + p.numel()].view_as(p))
            at += p.numel()

# %% wrong: new parameters in the place of the old ones
class FlatOptimizer:
    def __init__(self, params, optimizer_class, **defaults):
        self.params = list(params)
        self.n, self.r = dist.get_world_size(), dist.get_rank()
        self.total = sum(p.numel() for p in self.params)
        self.size = -(-self.total // self.n)
        self.part = torch.nn.Parameter(self.own([p.detach() for p in self.params]))
        self.local = optimizer_class([self.part], **defaults)
    def own(self, tensors):
        flat = torch.cat([t.flatten() for t in tensors])
        flat = torch.nn.functional.pad(flat, (0, self.size * self.n - self.total))
        return flat[self.r * self.size : (self.r + 1) * self.size].clone()
    def step(self):
        self.part.grad = self.own([p.grad for p in self.params])
        self.local.step()
        flat = self.part.detach().new_empty(self.size * self.n)
        dist.all_gather_into_tensor(flat, self.part.detach())
        at = 0
        for p in self.params:
            p = torch.nn.Parameter(flat[at : at + p.numel()].view_as(p))
            at += p.numel()

# %% wrong: rank 0 steps for all
class FlatOptimizer:
    def __init__(self, params, optimizer_class, **defaults):
        self.params = list(params)
        self.n, self.r = dist.get_world_size(), dist.get_rank()
        self.total = sum(p.numel() for p in self.params)
        self.size = -(-self.total // self.n)
        self.part = torch.nn.Parameter(self.own([p.detach() for p in self.params]))
        self.local = optimizer_class([self.part], **defaults)
    def own(self, tensors):
        flat = torch.cat([t.flatten() for t in tensors])
        flat = torch.nn.functional.pad(flat, (0, self.size * self.n - self.total))
        return flat[self.r * self.size : (self.r + 1) * self.size].clone()
    def step(self):
        self.part.grad = self.own([p.grad for p in self.params])
        if self.r == 0:
            self.local.step()
        flat = self.part.detach().new_empty(self.size * self.n)
        dist.all_gather_into_tensor(flat, self.part.detach())
        at = 0
        for p in self.params:
            p.data.copy_(flat[at : at + p.numel()].view_as(p))
            at += p.numel()

# %% wrong: only rank 0 gathers
class FlatOptimizer:
    def __init__(self, params, optimizer_class, **defaults):
        self.params = list(params)
        self.n, self.r = dist.get_world_size(), dist.get_rank()
        self.total = sum(p.numel() for p in self.params)
        self.size = -(-self.total // self.n)
        self.part = torch.nn.Parameter(self.own([p.detach() for p in self.params]))
        self.local = optimizer_class([self.part], **defaults)
    def own(self, tensors):
        flat = torch.cat([t.flatten() for t in tensors])
        flat = torch.nn.functional.pad(flat, (0, self.size * self.n - self.total))
        return flat[self.r * self.size : (self.r + 1) * self.size].clone()
    def step(self):
        self.part.grad = self.own([p.grad for p in self.params])
        self.local.step()
        flat = self.part.detach().new_empty(self.size * self.n)
        if self.r:
            return
        dist.all_gather_into_tensor(flat, self.part.detach())
        at = 0
        for p in self.params:
            p.data.copy_(flat[at : at + p.numel()].view_as(p))
            at += p.numel()


# %% wrong: a hidden optimizer over all does the work -> numbers of state
hidden = []


class FlatOptimizer:
    def __init__(self, params, optimizer_class, **defaults):
        self.params, self.n = list(params), dist.get_world_size()
        self.part = torch.nn.Parameter(self.cut([p.data for p in self.params]))
        self.local = optimizer_class([self.part], **defaults)
        hidden.append(optimizer_class(self.params, **defaults))

    def cut(self, tensors):
        flat = torch.cat([t.flatten() for t in tensors])
        return torch.nn.functional.pad(flat, (0, -len(flat) % self.n)).chunk(self.n)[dist.get_rank()].clone()

    def step(self):
        self.part.grad = self.cut([p.grad for p in self.params])
        self.local.step()
        hidden[-1].step()


# %% wrong from 3: padding for two ranks
class FlatOptimizer:
    def __init__(self, params, optimizer_class, **defaults):
        self.params = list(params)
        self.n, self.me = dist.get_world_size(), dist.get_rank()
        flat = self.pack([p.data for p in self.params])
        self.k = flat.numel() // self.n
        self.own = nn.Parameter(flat[self.me * self.k : (self.me + 1) * self.k].clone())
        self.local = optimizer_class([self.own], **defaults)

    def pack(self, tensors):
        flat = torch.cat([t.reshape(-1) for t in tensors])
        return nn.functional.pad(flat, (0, flat.numel() % 2 if self.n > 1 else 0))

    def step(self):
        grads = self.pack([p.grad for p in self.params])
        self.own.grad = grads[self.me * self.k : (self.me + 1) * self.k].clone()
        self.local.step()
        whole = self.own.data.new_empty(self.n * self.k)
        dist.all_gather_into_tensor(whole, self.own.data)
        at = 0
        for p in self.params:
            new = whole[at : at + p.numel()]
            p.data.view(-1)[: new.numel()].copy_(new)
            at += p.numel()


# %% wrong from 3: the remainder is taken for the padding
class FlatOptimizer:
    def __init__(self, params, optimizer_class, **defaults):
        self.params = list(params)
        self.n, self.me = dist.get_world_size(), dist.get_rank()
        flat = self.pack([p.data for p in self.params])
        self.k = flat.numel() // self.n
        self.own = nn.Parameter(flat[self.me * self.k : (self.me + 1) * self.k].clone())
        self.local = optimizer_class([self.own], **defaults)

    def pack(self, tensors):
        flat = torch.cat([t.reshape(-1) for t in tensors])
        return nn.functional.pad(flat, (0, flat.numel() % self.n))

    def step(self):
        grads = self.pack([p.grad for p in self.params])
        self.own.grad = grads[self.me * self.k : (self.me + 1) * self.k].clone()
        self.local.step()
        whole = self.own.data.new_empty(self.n * self.k)
        dist.all_gather_into_tensor(whole, self.own.data)
        at = 0
        for p in self.params:
            new = whole[at : at + p.numel()]
            p.data.view(-1)[: new.numel()].copy_(new)
            at += p.numel()
