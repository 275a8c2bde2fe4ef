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


# %% wrong: defaults are not taken -> does not take that
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


# %% right: sorted and dealt, snake order
class Shard:
    def __init__(self, params, optimizer_class, **defaults):
        self.params = list(params)
        n, r = dist.get_world_size(), dist.get_rank()
        order = sorted(range(len(self.params)), key=lambda i: -self.params[i].numel())
        self.owner = {}
        for place, i in enumerate(order):
            lap, at = divmod(place, n)
            self.owner[i] = at if lap % 2 == 0 else n - 1 - at
        self.local = optimizer_class([p for i, p in enumerate(self.params) if self.owner[i] == r], **defaults)

    @torch.no_grad()
    def step(self):
        self.local.step()
        for i, p in enumerate(self.params):
            dist.broadcast(p, self.owner[i])

# %% right: heap, async broadcasts waited for
import heapq
class Mine:
    def __init__(self, parameters, kind, **kw):
        ps = list(parameters)
        heap = [(0, r) for r in range(dist.get_world_size())]
        self.shares = [[] for _ in heap]
        for p in sorted(ps, key=lambda p: p.numel(), reverse=True):
            load, r = heapq.heappop(heap)
            self.shares[r].append(p)
            heapq.heappush(heap, (load + p.numel(), r))
        self.local = kind(self.shares[dist.get_rank()], **kw)
    def step(self):
        self.local.step()
        works = [dist.broadcast(p.detach(), src=r, async_op=True) for r, share in enumerate(self.shares) for p in share if p.requires_grad]
        for w in works:
            w.wait()

# %% right: one flat broadcast for each owner
class Shard:
    def __init__(self, params, optimizer_class, **defaults):
        ps = [p for p in params if p.requires_grad]
        n = dist.get_world_size()
        self.shares = [[] for _ in range(n)]
        for p in sorted(ps, key=torch.numel, reverse=True):
            min(self.shares, key=lambda s: sum(q.numel() for q in s)).append(p)
        self.local = optimizer_class(self.shares[dist.get_rank()], **defaults)
    def step(self):
        self.local.step()
        for src, share in enumerate(self.shares):
            flat = torch.nn.utils.parameters_to_vector(share).detach().clone()
            dist.broadcast(flat, src=src)
            torch.nn.utils.vector_to_parameters(flat, share)

# %% right: functional broadcast
import torch.distributed._functional_collectives as fc
class Shard:
    def __init__(self, params, optimizer_class, **defaults):
        self.params = sorted(params, key=lambda p: p.numel(), reverse=True)
        self.local = optimizer_class(self.params[dist.get_rank()::dist.get_world_size()], **defaults)
    def step(self):
        self.local.step()
        n = dist.get_world_size()
        for i, p in enumerate(self.params):
            new = fc.broadcast(p.detach(), i % n, dist.group.WORLD)
            with torch.no_grad():
                p.copy_(fc.wait_tensor(new))

# %% right: torch's own ZeroRedundancyOptimizer inside
from torch.distributed.optim import ZeroRedundancyOptimizer
class Shard:
    def __init__(self, params, optimizer_class, **defaults):
        self.zero = ZeroRedundancyOptimizer(list(params), optimizer_class, **defaults)
    @property
    def local(self):
        return self.zero.optim
    def step(self):
        self.zero.step()

# %% right: passed along a ring, each rank sends a number once
class Shard:
    def __init__(self, params, optimizer_class, **defaults):
        self.params = sorted((p for p in params if p.requires_grad), key=lambda p: -p.numel())
        self.n, self.r = dist.get_world_size(), dist.get_rank()
        self.local = optimizer_class(self.params[self.r :: self.n], **defaults)
    def step(self):
        self.local.step()
        for i, p in enumerate(self.params):
            far = (self.r - i % self.n) % self.n
            if far > 0:
                dist.recv(p.data, src=(self.r - 1) % self.n)
            if far < self.n - 1:
                dist.send(p.data, dst=(self.r + 1) % self.n)

# %% right: futures, add_param_group for the shares
class Shard:
    def __init__(self, params, optimizer_class, **defaults):
        me, count = dist.get_rank(), dist.get_world_size()
        load, self.owned, own = torch.zeros(count), [], []
        for p in sorted(params, key=torch.Tensor.numel, reverse=True):
            to = int(load.argmin())
            load[to] += p.numel()
            self.owned.append((to, p))
            if to == me:
                own.append(p)
        self.local = optimizer_class(own[:1], **defaults)
        if own[1:]:
            self.local.add_param_group({"params": own[1:]})
    def step(self):
        self.local.step()
        torch.futures.wait_all([dist.broadcast(p.data, to, async_op=True).get_future() for to, p in self.owned])

# %% right: the first fit that keeps below the fair share, hand-imported names
from torch.distributed import broadcast, get_rank, get_world_size
class Shard:
    def __init__(self, params, optimizer_class, **defaults):
        params = [*params]
        fair = sum(map(torch.numel, params)) / get_world_size()
        loads = [0] * get_world_size()
        self.table = []
        for p in sorted(params, key=torch.numel, reverse=True):
            for r in range(len(loads)):
                if loads[r] + p.numel() <= fair or loads[r] == min(loads):
                    break
            loads[r] += p.numel()
            self.table.append((p, r))
        self.local = optimizer_class([p for p, r in self.table if r == get_rank()], **defaults)
    def step(self):
        self.local.step()
        for p, r in self.table:
            if p.grad is not None:
                broadcast(p.data, src=r)

# %% wrong: a function that makes a class -> must be a class
def Shard(params, optimizer_class, **defaults):
    params = sorted(params, key=torch.numel)[::-1]
    n = dist.get_world_size()
    class Sharded:
        local = optimizer_class([p for i, p in enumerate(params) if i % n == dist.get_rank()], **defaults)
        def step(self):
            self.local.step()
            for i, p in enumerate(params):
                if p.requires_grad:
                    dist.broadcast(p.data, i % n)
    return Sharded()

# %% wrong: no sending
class Shard:
    def __init__(self, params, optimizer_class, **defaults):
        ps = sorted(params, key=torch.numel, reverse=True)
        self.local = optimizer_class(ps[dist.get_rank()::dist.get_world_size()], **defaults)
    def step(self):
        self.local.step()

# %% wrong: sends before the step
class Shard:
    def __init__(self, params, optimizer_class, **defaults):
        self.ps = sorted(params, key=torch.numel, reverse=True)
        self.local = optimizer_class(self.ps[dist.get_rank()::dist.get_world_size()], **defaults)
    def step(self):
        for i, p in enumerate(self.ps):
            dist.broadcast(p.data, i % dist.get_world_size())
        self.local.step()

# %% wrong: broadcasts the own parameters only
class Shard:
    def __init__(self, params, optimizer_class, **defaults):
        self.ps = sorted(params, key=torch.numel, reverse=True)[dist.get_rank()::dist.get_world_size()]
        self.local = optimizer_class(self.ps, **defaults)
    def step(self):
        self.local.step()
        for p in self.ps:
            dist.broadcast(p.data, dist.get_rank())

# %% wrong: all-reduce of zeros elsewhere, twice the traffic
class Shard:
    def __init__(self, params, optimizer_class, **defaults):
        self.ps = sorted(params, key=torch.numel, reverse=True)
        self.local = optimizer_class(self.ps[dist.get_rank()::dist.get_world_size()], **defaults)
    def step(self):
        self.local.step()
        for i, p in enumerate(self.ps):
            if i % dist.get_world_size() != dist.get_rank():
                p.data.zero_()
            dist.all_reduce(p.data)

# %% wrong: every rank keeps the whole state
class Shard:
    def __init__(self, params, optimizer_class, **defaults):
        self.ps = sorted(params, key=torch.numel, reverse=True)
        self.local = optimizer_class(self.ps, **defaults)
    def step(self):
        self.local.step()
        for i, p in enumerate(self.ps):
            dist.broadcast(p.data, i % dist.get_world_size())

# %% wrong: a whole optimizer beside the local one
class Shard:
    def __init__(self, params, optimizer_class, **defaults):
        self.ps = sorted(params, key=torch.numel, reverse=True)
        self.whole = optimizer_class(self.ps, **defaults)
        self.local = optimizer_class(self.ps[dist.get_rank()::dist.get_world_size()], **defaults)
    def step(self):
        self.whole.step()
        for i, p in enumerate(self.ps):
            dist.broadcast(p.data, i % dist.get_world_size())

# %% wrong: a new local optimizer at each step
class Shard:
    def __init__(self, params, optimizer_class, **defaults):
        self.ps = sorted(params, key=torch.numel, reverse=True)
        self.make = lambda: optimizer_class(self.ps[dist.get_rank()::dist.get_world_size()], **defaults)
        self.local = self.make()
    def step(self):
        self.local = self.make()
        self.local.step()
        for i, p in enumerate(self.ps):
            dist.broadcast(p.data, i % dist.get_world_size())

# %% wrong: the state deleted after the step
class Shard:
    def __init__(self, params, optimizer_class, **defaults):
        self.ps = sorted(params, key=torch.numel, reverse=True)
        self.local = optimizer_class(self.ps[dist.get_rank()::dist.get_world_size()], **defaults)
    def step(self):
        self.local.step()
        self.local.state.clear()
        for i, p in enumerate(self.ps):
            dist.broadcast(p.data, i % dist.get_world_size())

# %% wrong: defaults forgotten
class Shard:
    def __init__(self, params, optimizer_class, **defaults):
        self.ps = sorted(params, key=torch.numel, reverse=True)
        self.local = optimizer_class(self.ps[dist.get_rank()::dist.get_world_size()], lr=1e-3)
    def step(self):
        self.local.step()
        for i, p in enumerate(self.ps):
            dist.broadcast(p.data, i % dist.get_world_size())

# %% wrong: always AdamW
class Shard:
    def __init__(self, params, optimizer_class, **defaults):
        self.ps = sorted(params, key=torch.numel, reverse=True)
        self.local = torch.optim.AdamW(self.ps[dist.get_rank()::dist.get_world_size()], lr=defaults["lr"])
    def step(self):
        self.local.step()
        for i, p in enumerate(self.ps):
            dist.broadcast(p.data, i % dist.get_world_size())

# %% wrong: the generator read twice
class Shard:
    def __init__(self, params, optimizer_class, **defaults):
        n, r = dist.get_world_size(), dist.get_rank()
        self.local = optimizer_class([p for i, p in enumerate(params) if i % n == r], **defaults)
        self.ps = list(params)
    def step(self):
        self.local.step()
        for i, p in enumerate(self.ps):
            dist.broadcast(p.data, i % dist.get_world_size())

# %% wrong: contiguous halves by count, not by numbers
class Shard:
    def __init__(self, params, optimizer_class, **defaults):
        self.ps = sorted(params, key=torch.numel, reverse=True)
        n, r = dist.get_world_size(), dist.get_rank()
        self.owner = [min(i * n // len(self.ps), n - 1) for i in range(len(self.ps))]
        self.local = optimizer_class([p for p, o in zip(self.ps, self.owner) if o == r], **defaults)
    def step(self):
        self.local.step()
        for p, o in zip(self.ps, self.owner):
            dist.broadcast(p.data, o)

# %% wrong: the broadcast copies get the values
class Shard:
    def __init__(self, params, optimizer_class, **defaults):
        self.ps = sorted(params, key=torch.numel, reverse=True)
        self.local = optimizer_class(self.ps[dist.get_rank()::dist.get_world_size()], **defaults)
    def step(self):
        self.local.step()
        for i, p in enumerate(self.ps):
            dist.broadcast(p.data.clone(), i % dist.get_world_size())

# %% wrong: everything from rank 0
class Shard:
    def __init__(self, params, optimizer_class, **defaults):
        self.ps = sorted(params, key=torch.numel, reverse=True)
        self.local = optimizer_class(self.ps[dist.get_rank()::dist.get_world_size()], **defaults)
    def step(self):
        self.local.step()
        for p in self.ps:
            dist.broadcast(p.data, 0)

# %% wrong: each sent twice
class Shard:
    def __init__(self, params, optimizer_class, **defaults):
        self.ps = sorted(params, key=torch.numel, reverse=True)
        self.local = optimizer_class(self.ps[dist.get_rank()::dist.get_world_size()], **defaults)
    def step(self):
        self.local.step()
        for i, p in enumerate(self.ps + self.ps):
            dist.broadcast(p.data, i % len(self.ps) % dist.get_world_size())

# %% wrong: sends the gradients too
class Shard:
    def __init__(self, params, optimizer_class, **defaults):
        self.ps = sorted(params, key=torch.numel, reverse=True)
        self.local = optimizer_class(self.ps[dist.get_rank()::dist.get_world_size()], **defaults)
    def step(self):
        for p in self.ps:
            if p.grad is not None:
                dist.all_reduce(p.grad)
                p.grad /= dist.get_world_size()
        self.local.step()
        for i, p in enumerate(self.ps):
            dist.broadcast(p.data, i % dist.get_world_size())

# %% wrong: rounded on the way, half precision travels
class Shard:
    def __init__(self, params, optimizer_class, **defaults):
        self.ps = sorted(params, key=torch.numel, reverse=True)
        self.local = optimizer_class(self.ps[dist.get_rank()::dist.get_world_size()], **defaults)
    def step(self):
        self.local.step()
        for i, p in enumerate(self.ps):
            half = p.data.half()
            dist.broadcast(half, i % dist.get_world_size())
            p.data.copy_(half)

# %% wrong: fp32 travels, fp64 loses digits
class Shard:
    def __init__(self, params, optimizer_class, **defaults):
        self.ps = sorted(params, key=torch.numel, reverse=True)
        self.local = optimizer_class(self.ps[dist.get_rank()::dist.get_world_size()], **defaults)
    def step(self):
        self.local.step()
        for i, p in enumerate(self.ps):
            wire = p.data.float()
            dist.broadcast(wire, i % dist.get_world_size())
            p.data.copy_(wire)

# %% wrong: the frozen one is trained and needs a gradient
class Shard:
    def __init__(self, params, optimizer_class, **defaults):
        self.ps = sorted(params, key=torch.numel, reverse=True)
        self.local = optimizer_class(self.ps[dist.get_rank()::dist.get_world_size()], **defaults)
    def step(self):
        for p in self.ps:
            p.grad = p.grad.contiguous()
        self.local.step()
        for i, p in enumerate(self.ps):
            dist.broadcast(p.data, i % dist.get_world_size())

# %% wrong: owners by turns from each rank's own point of view
class Shard:
    def __init__(self, params, optimizer_class, **defaults):
        self.ps = sorted(params, key=torch.numel, reverse=True)
        n, r = dist.get_world_size(), dist.get_rank()
        self.owner = [(i + r) % n for i in range(len(self.ps))]
        self.local = optimizer_class([p for p, o in zip(self.ps, self.owner) if o == r], **defaults)
    def step(self):
        self.local.step()
        for p, o in zip(self.ps, self.owner):
            dist.broadcast(p.data, o)

# %% wrong: all-gather of every rank's whole parameters
class Shard:
    def __init__(self, params, optimizer_class, **defaults):
        self.ps = sorted(params, key=torch.numel, reverse=True)
        self.local = optimizer_class(self.ps[dist.get_rank()::dist.get_world_size()], **defaults)
    def step(self):
        self.local.step()
        for i, p in enumerate(self.ps):
            n = dist.get_world_size()
            everyones = [torch.empty_like(p) for _ in range(n)]
            dist.all_gather(everyones, p.data)
            p.data.copy_(everyones[i % n])

# %% wrong: no attribute local
class Shard:
    def __init__(self, params, optimizer_class, **defaults):
        self.ps = sorted(params, key=torch.numel, reverse=True)
        self.optimizer = optimizer_class(self.ps[dist.get_rank()::dist.get_world_size()], **defaults)
    def step(self):
        self.optimizer.step()
        for i, p in enumerate(self.ps):
            dist.broadcast(p.data, i % dist.get_world_size())

# %% wrong: steps everything, then drops the others' state -> Only an owner updates
class Shard:
    def __init__(self, params, optimizer_class, **defaults):
        self.ps = sorted(params, key=torch.numel, reverse=True)
        self.local = optimizer_class(self.ps, **defaults)
        self.mine = self.ps[dist.get_rank()::dist.get_world_size()]
    def step(self):
        self.local.step()
        for p in [p for p in self.local.state if all(p is not q for q in self.mine)]:
            del self.local.state[p]
        for i, p in enumerate(self.ps):
            dist.broadcast(p.data, i % dist.get_world_size())

# %% wrong: the update is applied twice on the owner
class Shard:
    def __init__(self, params, optimizer_class, **defaults):
        self.ps = sorted(params, key=torch.numel, reverse=True)
        self.local = optimizer_class(self.ps[dist.get_rank()::dist.get_world_size()], **defaults)
    def step(self):
        self.local.step()
        self.local.step()
        for i, p in enumerate(self.ps):
            dist.broadcast(p.data, i % dist.get_world_size())


# %% right: a hook after the local step sends
class Shard:
    def __init__(self, params, optimizer_class, **defaults):
        self.params = list(params)
        self.owner = self.deal(dist.get_world_size())
        self.local = optimizer_class([p for p in self.params if self.owner[id(p)] == dist.get_rank()], **defaults)
        self.local.register_step_post_hook(self.send)
        self.step = self.local.step

    def deal(self, n):
        shares = [0] * n
        owner = {}
        for p in sorted(self.params, key=lambda q: q.nelement(), reverse=True):
            r = min(range(n), key=shares.__getitem__)
            owner[id(p)], shares[r] = r, shares[r] + p.nelement()
        return owner

    def send(self, *_):
        for p in self.params:
            if p.requires_grad:
                torch.distributed.broadcast(tensor=p.data, src=self.owner[id(p)])


# %% wrong: the same number of tensors for each rank, neighbours together
class Shard:
    def __init__(self, params, optimizer_class, **defaults):
        self.params = list(params)
        self.n = dist.get_world_size()
        own = [p for i, p in enumerate(self.params) if self.owner(i) == dist.get_rank()]
        self.local = optimizer_class(own, **defaults)

    def owner(self, i):
        return i * self.n // len(self.params)

    def step(self):
        self.local.step()
        for i, p in enumerate(self.params):
            if p.requires_grad:
                dist.broadcast(p.data, src=self.owner(i))


# %% wrong: sorted by size and cut into equal counts
class Shard:
    def __init__(self, params, optimizer_class, **defaults):
        params = sorted(params, key=lambda p: p.numel())
        n = dist.get_world_size()
        self.table = [(p, i * n // len(params)) for i, p in enumerate(params)]
        self.local = optimizer_class([{"params": [p for p, r in self.table if r == dist.get_rank()]}], **defaults)

    def step(self):
        self.local.step()
        for p, r in self.table:
            if p.requires_grad:
                dist.broadcast(p.data, src=r)


# %% wrong from 3: made for two ranks
class Shard:
    def __init__(self, params, optimizer_class, **defaults):
        load, self.table = [0, 0], []
        for p in sorted(params, key=lambda p: p.numel(), reverse=True):
            r = int(load[1] < load[0]) if dist.get_world_size() > 1 else 0
            load[r] += p.numel()
            self.table.append((p, r))
        self.local = optimizer_class([{"params": [p for p, r in self.table if r == dist.get_rank()]}], **defaults)

    def step(self):
        self.local.step()
        for p, r in self.table:
            if p.requires_grad:
                dist.broadcast(p.data, src=r)


# %% wrong: through rank 0, two ways for most numbers
class Shard:
    def __init__(self, params, optimizer_class, **defaults):
        params = sorted(params, key=lambda p: p.numel(), reverse=True)
        n = dist.get_world_size()
        self.table = [(p, i % n) for i, p in enumerate(params) if p.requires_grad]
        self.local = optimizer_class(params[dist.get_rank() :: n], **defaults)

    def step(self):
        self.local.step()
        me = dist.get_rank()
        for p, r in self.table:
            if r and me == r:
                dist.send(p.data, dst=0)
            elif r and me == 0:
                dist.recv(p.data, src=r)
            dist.broadcast(p.data, src=0)


# %% wrong: the last rank takes all but the largest few
class Shard:
    def __init__(self, params, optimizer_class, **defaults):
        params = sorted(params, key=lambda p: p.numel(), reverse=True)
        n = dist.get_world_size()
        self.table = [(p, i % n if n < 3 else min(i, n - 1)) for i, p in enumerate(params)]
        self.local = optimizer_class([p for p, r in self.table if r == dist.get_rank()], **defaults)

    def step(self):
        self.local.step()
        for p, r in self.table:
            if p.requires_grad:
                dist.broadcast(p.data, src=r)


# %% wrong: never above the fair share, so the last rank takes what is left
class Shard:
    def __init__(self, params, optimizer_class, **defaults):
        n, params = dist.get_world_size(), sorted(params, key=lambda p: p.numel(), reverse=True)
        fair = sum(p.numel() for p in params) / n
        r, load, self.table = 0, 0, []
        for p in params:
            if load and load + p.numel() > fair and r < n - 1:
                r, load = r + 1, 0
            load += p.numel()
            self.table.append((p, r))
        self.local = optimizer_class([{"params": [p for p, r in self.table if r == dist.get_rank()]}], **defaults)

    def step(self):
        self.local.step()
        for p, r in self.table:
            if p.requires_grad:
                dist.broadcast(p.data, src=r)
