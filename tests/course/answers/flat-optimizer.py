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
