# %% right: the largest first, to the least loaded rank; broadcasts
class Shard:
    def __init__(self, params, optimizer_class, **defaults):
        self.params, self.owner, load = list(params), {}, [0] * dist.get_world_size()
        for p in sorted(self.params, key=torch.numel, reverse=True):
            self.owner[p] = load.index(min(load))
            load[self.owner[p]] += p.numel()
        mine = [p for p in self.params if self.owner[p] == dist.get_rank()]
        self.local = optimizer_class(mine, **defaults)

    def step(self):
        self.local.step()
        for p in self.params:
            if p.requires_grad:
                dist.broadcast(p.data, src=self.owner[p])


# %% right: runs of neighbours, asynchronous broadcasts, names imported by hand
from torch.distributed import broadcast, get_rank, get_world_size


class Shard:
    def __init__(self, params, optimizer_class, **defaults):
        self.params = [p for p in params if p.requires_grad]
        total, seen, self.owners = sum(p.numel() for p in self.params), 0, []
        for p in self.params:
            self.owners.append(min(seen * get_world_size() // total, get_world_size() - 1))
            seen += p.numel()
        own = [p for p, owner in zip(self.params, self.owners) if owner == get_rank()]
        self.local = optimizer_class([{"params": own}], **defaults)

    def step(self):
        self.local.step()
        works = [broadcast(p.detach(), owner, async_op=True) for p, owner in zip(self.params, self.owners)]
        [work.wait() for work in works]


# %% right: a flat tensor cut in equal parts
class Shard:
    def __init__(self, params, optimizer_class, **defaults):
        self.params = [p for p in params if p.requires_grad]
        n, total = dist.get_world_size(), sum(p.numel() for p in self.params)
        self.each = -(-total // n)
        self.part = torch.nn.Parameter(self.mine([p.detach() for p in self.params]).clone())
        self.local = optimizer_class([self.part], **defaults)

    def mine(self, tensors):
        flat = torch.cat([t.reshape(-1) for t in tensors])
        flat = torch.nn.functional.pad(flat, (0, self.each * dist.get_world_size() - flat.numel()))
        return flat[dist.get_rank() * self.each : (dist.get_rank() + 1) * self.each]

    def step(self):
        self.part.grad = self.mine([p.grad for p in self.params])
        self.local.step()
        parts = [torch.empty_like(self.part) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, self.part.detach())
        flat, at = torch.cat(parts), 0
        with torch.no_grad():
            for p in self.params:
                p.copy_(flat[at : at + p.numel()].view_as(p))
                at += p.numel()


# %% right: a subclass of Optimizer, functional broadcast
import torch.distributed._functional_collectives as funcol


class Shard(torch.optim.Optimizer):
    def __init__(self, params, optimizer_class, **defaults):
        params = list(params)
        super().__init__(params, defaults)
        n, load = dist.get_world_size(), {r: 0 for r in range(dist.get_world_size())}
        self.to = []
        for p in sorted(params, key=lambda p: -p.numel()):
            r = min(load, key=load.get)
            load[r] += p.numel()
            self.to.append((p, r))
        self.local = optimizer_class([{"params": [p for p, r in self.to if r == dist.get_rank()]}], **defaults)

    def step(self):
        self.local.step()
        with torch.no_grad():
            for p, r in self.to:
                if p.grad is not None:
                    p.copy_(funcol.broadcast(p, r, dist.group.WORLD))


# %% right: one flat message from each owner
class Shard:
    def __init__(self, params, optimizer_class, **defaults):
        n = dist.get_world_size()
        self.groups = [[] for _ in range(n)]
        for p in sorted((p for p in params if p.requires_grad), key=lambda p: p.numel()):
            min(self.groups, key=lambda g: sum(q.numel() for q in g)).append(p)
        self.local = optimizer_class(self.groups[dist.get_rank()] or [torch.nn.Parameter(torch.empty(0))], **defaults)

    @torch.no_grad()
    def step(self):
        self.local.step()
        for owner, group in enumerate(self.groups):
            flat = torch.nn.utils.parameters_to_vector(group)
            dist.broadcast(flat, owner)
            torch.nn.utils.vector_to_parameters(flat, group)


# %% right: from rank to rank
class Shard:
    def __init__(self, params, optimizer_class, **defaults):
        self.params, n = list(params), dist.get_world_size()
        order = sorted(range(len(self.params)), key=lambda i: -self.params[i].numel())
        load, self.owner = [0] * n, {}
        for i in order:
            self.owner[i] = min(range(n), key=load.__getitem__)
            load[self.owner[i]] += self.params[i].numel()
        self.local = optimizer_class([p for i, p in enumerate(self.params) if self.owner[i] == dist.get_rank()], **defaults)

    def step(self):
        self.local.step()
        me = dist.get_rank()
        for i, p in enumerate(self.params):
            if p.grad is None:
                continue
            if self.owner[i] == me:
                for other in range(dist.get_world_size()):
                    if other != me:
                        dist.send(p.data, other)
            else:
                dist.recv(p.data, self.owner[i])


# %% wrong: every rank keeps everything -> keeps state for
class Shard:
    def __init__(self, params, optimizer_class, **defaults):
        self.local = optimizer_class(params, **defaults)

    def step(self):
        self.local.step()


# %% wrong: nothing is sent -> old values
class Shard:
    def __init__(self, params, optimizer_class, **defaults):
        params, load = list(params), [0] * dist.get_world_size()
        mine = []
        for p in sorted(params, key=lambda p: -p.numel()):
            r = load.index(min(load))
            load[r] += p.numel()
            mine += [p] * (r == dist.get_rank())
        self.local = optimizer_class(mine, **defaults)

    def step(self):
        self.local.step()


# %% wrong: in turn, whatever their size -> A fair share plus the largest parameter
class Shard:
    def __init__(self, params, optimizer_class, **defaults):
        self.params = list(params)
        n = dist.get_world_size()
        self.owner = {p: (0 if i % 2 == 0 else min(1, n - 1)) for i, p in enumerate(self.params)}
        self.local = optimizer_class([p for p in self.params if self.owner[p] == dist.get_rank()] or
                                     [torch.nn.Parameter(torch.empty(0))], **defaults)

    def step(self):
        self.local.step()
        for p in self.params:
            if p.requires_grad:
                dist.broadcast(p.data, self.owner[p])


# %% wrong: all_reduce of zeros and values -> Sending each of the
class Shard:
    def __init__(self, params, optimizer_class, **defaults):
        self.params, load, self.owner = list(params), [0] * dist.get_world_size(), {}
        for p in sorted(self.params, key=lambda p: -p.numel()):
            self.owner[p] = load.index(min(load))
            load[self.owner[p]] += p.numel()
        self.local = optimizer_class([p for p in self.params if self.owner[p] == dist.get_rank()], **defaults)

    def step(self):
        self.local.step()
        for p in self.params:
            if p.requires_grad:
                if self.owner[p] != dist.get_rank():
                    p.data.zero_()
                dist.all_reduce(p.data)


# %% wrong: a second optimizer of everything beside it -> keeps state for
class Shard:
    def __init__(self, params, optimizer_class, **defaults):
        self.params = list(params)
        self.everything = [optimizer_class(self.params, **defaults)]
        self.local = optimizer_class([torch.nn.Parameter(torch.zeros(1))], **defaults)

    def step(self):
        self.everything[0].step()


# %% wrong: no .local -> as `.local`
class Shard:
    def __init__(self, params, optimizer_class, **defaults):
        self.params, n = list(params), dist.get_world_size()
        load, self.owner = [0] * n, {}
        for p in sorted(self.params, key=lambda p: -p.numel()):
            self.owner[p] = load.index(min(load))
            load[self.owner[p]] += p.numel()
        self.own = optimizer_class([p for p in self.params if self.owner[p] == dist.get_rank()], **defaults)

    def step(self):
        self.own.step()
        for p in self.params:
            if p.requires_grad:
                dist.broadcast(p.data, self.owner[p])


# %% wrong: a new optimizer each step -> is not
class Shard:
    def __init__(self, params, optimizer_class, **defaults):
        self.params, load, self.owner = list(params), [0] * dist.get_world_size(), {}
        for p in sorted(self.params, key=lambda p: -p.numel()):
            self.owner[p] = load.index(min(load))
            load[self.owner[p]] += p.numel()
        self.make = lambda: optimizer_class([p for p in self.params if self.owner[p] == dist.get_rank()], **defaults)

    def step(self):
        self.local = self.make()
        self.local.step()
        for p in self.params:
            if p.requires_grad:
                dist.broadcast(p.data, self.owner[p])


# %% wrong: defaults are left out -> differ from the plain optimizer's
class Shard:
    def __init__(self, params, optimizer_class, **defaults):
        self.params, load, self.owner = list(params), [0] * dist.get_world_size(), {}
        for p in sorted(self.params, key=lambda p: -p.numel()):
            self.owner[p] = load.index(min(load))
            load[self.owner[p]] += p.numel()
        self.local = optimizer_class([p for p in self.params if self.owner[p] == dist.get_rank()], lr=1e-3)

    def step(self):
        self.local.step()
        for p in self.params:
            if p.requires_grad:
                dist.broadcast(p.data, self.owner[p])


# %% wrong: nothing happens -> no parameter has changed
class Shard:
    def __init__(self, params, optimizer_class, **defaults):
        self.local = optimizer_class(params, **defaults)

    def step(self):
        pass


# %% wrong: no step -> no method step
class Shard:
    def __init__(self, params, optimizer_class, **defaults):
        self.local = optimizer_class(params, **defaults)


# %% wrong: defaults are not taken -> does not fit that call
class Shard:
    def __init__(self, params, optimizer_class):
        self.local = optimizer_class(params)

    def step(self):
        self.local.step()


# %% wrong: only owners broadcast -> rank
class Shard:
    def __init__(self, params, optimizer_class, **defaults):
        self.params, load, self.owner = list(params), [0] * dist.get_world_size(), {}
        for p in sorted(self.params, key=lambda p: -p.numel()):
            self.owner[p] = load.index(min(load))
            load[self.owner[p]] += p.numel()
        self.local = optimizer_class([p for p in self.params if self.owner[p] == dist.get_rank()], **defaults)

    def step(self):
        self.local.step()
        for p in self.params:
            if p.requires_grad and self.owner[p] == dist.get_rank():
                dist.broadcast(p.data, self.owner[p])


# %% wrong: gathered from every rank, then one is chosen -> Sending each of the
class Shard:
    def __init__(self, params, optimizer_class, **defaults):
        self.params, load, self.owner = list(params), [0] * dist.get_world_size(), {}
        for p in sorted(self.params, key=lambda p: -p.numel()):
            self.owner[p] = load.index(min(load))
            load[self.owner[p]] += p.numel()
        self.local = optimizer_class([p for p in self.params if self.owner[p] == dist.get_rank()], **defaults)

    def step(self):
        self.local.step()
        for p in self.params:
            if p.requires_grad:
                every = [torch.empty_like(p) for _ in range(dist.get_world_size())]
                dist.all_gather(every, p.data)
                p.data.copy_(every[self.owner[p]])


# %% wrong: the frozen one is changed -> frozen parameter
class Shard:
    def __init__(self, params, optimizer_class, **defaults):
        self.params, load, self.owner = list(params), [0] * dist.get_world_size(), {}
        for p in sorted(self.params, key=lambda p: -p.numel()):
            self.owner[p] = load.index(min(load))
            load[self.owner[p]] += p.numel()
        self.local = optimizer_class([p for p in self.params if self.owner[p] == dist.get_rank()], **defaults)

    def step(self):
        self.local.step()
        for p in self.params:
            if p.grad is None:
                p.data.zero_()
            else:
                dist.broadcast(p.data, self.owner[p])
