# %% right: the lesson's class
class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module, self.buckets, self.bucket_of, room = module, [], {}, 0
        for tensor in [*module.parameters(), *module.buffers()]:
            dist.broadcast(tensor.detach(), src=0)
        for p in reversed([p for p in module.parameters() if p.requires_grad]):
            if room <= p.nbytes or p.dtype != self.buckets[-1][0].dtype:
                self.buckets, room = [*self.buckets, []], bucket_mb * 2**20
            self.buckets[-1].append(p)
            self.bucket_of[p] = len(self.buckets) - 1
            room -= p.nbytes
            p.register_post_accumulate_grad_hook(self.arrived)
        module.register_forward_pre_hook(self.share_buffers)
        self.flying, self.missing = [], [len(bucket) for bucket in self.buckets]

    def arrived(self, p):
        self.missing[self.bucket_of[p]] -= 1
        while len(self.flying) < len(self.buckets) and self.missing[len(self.flying)] == 0:
            self.launch(self.buckets[len(self.flying)])

    def launch(self, bucket):
        marks = torch.tensor([p.grad is not None for p in bucket]).to(bucket[0])
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in bucket]
        flat = torch.cat([marks, *(grad.flatten() for grad in grads)])
        self.flying.append((flat, dist.all_reduce(flat, async_op=True)))

    def finish_gradients(self):
        while len(self.flying) < len(self.buckets):
            self.launch(self.buckets[len(self.flying)])
        for bucket, (flat, work) in zip(self.buckets, self.flying, strict=True):
            work.wait()
            marks, *means = (flat / dist.get_world_size()).split([len(bucket), *(p.numel() for p in bucket)])
            for p, used, mean in zip(bucket, marks, means, strict=True):
                p.grad = mean.view_as(p) if used else None
        self.flying, self.missing = [], [len(bucket) for bucket in self.buckets]

    def share_buffers(self, module, _inputs):
        for buffer in module.buffers() if module.training else ():
            dist.broadcast(buffer, src=0)


# %% right: functional all-reduces
import torch.distributed._functional_collectives as funcol


class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module, self.buckets, self.bucket_of, room = module, [], {}, 0
        for tensor in [*module.parameters(), *module.buffers()]:
            dist.broadcast(tensor.detach(), src=0)
        for p in reversed([p for p in module.parameters() if p.requires_grad]):
            if room <= p.nbytes or p.dtype != self.buckets[-1][0].dtype:
                self.buckets, room = [*self.buckets, []], bucket_mb * 2**20
            self.buckets[-1].append(p)
            self.bucket_of[p] = len(self.buckets) - 1
            room -= p.nbytes
            p.register_post_accumulate_grad_hook(self.arrived)
        module.register_forward_pre_hook(self.share_buffers)
        self.flying, self.missing = [], [len(bucket) for bucket in self.buckets]

    def arrived(self, p):
        self.missing[self.bucket_of[p]] -= 1
        while len(self.flying) < len(self.buckets) and self.missing[len(self.flying)] == 0:
            self.launch(self.buckets[len(self.flying)])

    def launch(self, bucket):
        marks = torch.tensor([p.grad is not None for p in bucket]).to(bucket[0])
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in bucket]
        flat = torch.cat([marks, *(grad.flatten() for grad in grads)])
        self.flying.append((flat, funcol.all_reduce(flat, "sum", dist.group.WORLD)))

    def finish_gradients(self):
        while len(self.flying) < len(self.buckets):
            self.launch(self.buckets[len(self.flying)])
        for bucket, (flat, work) in zip(self.buckets, self.flying, strict=True):
            flat = work + 0
            marks, *means = (flat / dist.get_world_size()).split([len(bucket), *(p.numel() for p in bucket)])
            for p, used, mean in zip(bucket, marks, means, strict=True):
                p.grad = mean.view_as(p) if used else None
        self.flying, self.missing = [], [len(bucket) for bucket in self.buckets]

    def share_buffers(self, module, _inputs):
        for buffer in module.buffers() if module.training else ():
            dist.broadcast(buffer, src=0)


# %% right: a bucket object, futures, unused ones by hand in the end
from torch.distributed import all_reduce, broadcast, get_world_size


class Bucket:
    def __init__(self, params):
        self.params, self.left, self.future = params, set(params), None

    def go(self):
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in self.params]
        used = grads[0].new_tensor([p.grad is not None for p in self.params])
        flat = torch.cat([used, torch.nn.utils.parameters_to_vector(grads)]).div_(get_world_size())
        self.future = all_reduce(flat, async_op=True).get_future()

    def take(self):
        flat = self.future.wait()[0]
        at = len(self.params)
        for p, used in zip(self.params, flat[:at].tolist()):
            p.grad = flat[at : at + p.numel()].view(p.shape).clone() if used > 0 else None
            at += p.numel()
        self.left, self.future = set(self.params), None


class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module = module
        with torch.no_grad():
            for t in module.state_dict(keep_vars=True).values():
                broadcast(t, 0)
        params = [p for p in module.parameters() if p.requires_grad][::-1]
        groups, size = [[]], 0
        for p in params:
            if groups[-1] and size + p.nbytes > bucket_mb * 1048576:
                groups.append([])
                size = 0
            groups[-1].append(p)
            size += p.nbytes
        self.buckets = [Bucket(g) for g in groups if g]
        for b in self.buckets:
            for p in b.params:
                p.register_post_accumulate_grad_hook(lambda p, b=b: self.ready(b, p))
        module.register_forward_pre_hook(self.before)

    def before(self, module, args):
        if module.training:
            for b in module.buffers():
                broadcast(b, 0)

    def ready(self, bucket, p):
        bucket.left.discard(p)
        for b in self.buckets:
            if b.left:
                break
            if b.future is None:
                b.go()

    def finish_gradients(self):
        for b in self.buckets:
            if b.future is None:
                b.go()
        for b in self.buckets:
            b.take()


# %% right: reduce-scatter during backward, all-gather at the end
class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module, self.n = module, dist.get_world_size()
        for t in list(module.parameters()) + list(module.buffers()):
            dist.broadcast(t.data, 0)
        self.buckets = []
        for p in reversed([p for p in module.parameters() if p.requires_grad]):
            if not self.buckets or sum(q.nbytes for q in self.buckets[-1]) + p.nbytes > bucket_mb * 2**20:
                self.buckets.append([])
            self.buckets[-1].append(p)
            p.register_post_accumulate_grad_hook(self.hook)
        self.started, self.seen = [], set()
        module.register_forward_pre_hook(self.sync)

    def sync(self, module, inputs):
        for b in module.buffers():
            dist.broadcast(b, 0)

    def hook(self, p):
        self.seen.add(p)
        while len(self.started) < len(self.buckets) and self.seen.issuperset(self.buckets[len(self.started)]):
            self.start()

    def start(self):
        params = self.buckets[len(self.started)]
        parts = [params[0].new_tensor([p.grad is not None for p in params])]
        parts += [(torch.zeros_like(p) if p.grad is None else p.grad).reshape(-1) for p in params]
        whole = torch.cat(parts)
        whole = torch.nn.functional.pad(whole, (0, -len(whole) % self.n))
        piece = whole.new_empty(len(whole) // self.n)
        self.started.append((params, whole, piece, dist.reduce_scatter_tensor(piece, whole, async_op=True)))

    def finish_gradients(self):
        while len(self.started) < len(self.buckets):
            self.start()
        for params, whole, piece, work in self.started:
            work.wait()
            dist.all_gather_into_tensor(whole, piece / self.n)
            at = len(params)
            for used, p in zip(whole[: len(params)], params):
                new = whole[at : at + p.numel()].view_as(p)
                p.grad = new if used else None
                at += p.numel()
        self.started, self.seen = [], set()


# %% right: one lasting flat buffer in pieces, a separate message for the marks
class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module = module
        for t in [*module.parameters(), *module.buffers()]:
            dist.broadcast(t.detach(), src=0)
        self.params = [p for p in module.parameters() if p.requires_grad][::-1]
        self.flat = torch.zeros(sum(p.numel() for p in self.params), dtype=self.params[0].dtype, device=self.params[0].device)
        self.views = dict(zip(self.params, self.flat.split([p.numel() for p in self.params])))
        self.ends, start, at = [], 0, 0
        for p in self.params:
            if at > start and (at + p.numel() - start) * p.element_size() > bucket_mb * 2**20:
                self.ends.append((start, at))
                start = at
            at += p.numel()
        self.ends.append((start, at))
        self.works, self.got = [], 0
        self.used = dict.fromkeys(self.params, 0.0)
        for p in self.params:
            p.register_post_accumulate_grad_hook(self.copy)
        module.register_forward_pre_hook(self.sync)

    def sync(self, module, _):
        if module.training:
            for b in module.buffers():
                dist.broadcast(b, src=0)

    def copy(self, p):
        self.views[p].copy_(p.grad.flatten())
        self.used[p] = 1.0
        done = 0
        for q in self.params:
            if not self.used[q]:
                break
            done += q.numel()
        while len(self.works) < len(self.ends) and self.ends[len(self.works)][1] <= done:
            a, b = self.ends[len(self.works)]
            self.works.append(dist.all_reduce(self.flat[a:b], async_op=True))

    def finish_gradients(self):
        for a, b in self.ends[len(self.works) :]:
            self.works.append(dist.all_reduce(self.flat[a:b], async_op=True))
        marks = torch.tensor(list(self.used.values()), device=self.flat.device)
        dist.all_reduce(marks)
        for work in self.works:
            work.wait()
        self.flat /= dist.get_world_size()
        for p, mark in zip(self.params, marks.tolist()):
            p.grad = self.views[p].clone().view_as(p) if mark else None
        self.flat.zero_()
        self.works, self.used = [], dict.fromkeys(self.params, 0.0)


# %% right: rank alone sends nothing
class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module, self.buckets, self.bucket_of, room = module, [], {}, 0
        for tensor in [*module.parameters(), *module.buffers()]:
            dist.broadcast(tensor.detach(), src=0)
        for p in reversed([p for p in module.parameters() if p.requires_grad]):
            if room <= p.nbytes or p.dtype != self.buckets[-1][0].dtype:
                self.buckets, room = [*self.buckets, []], bucket_mb * 2**20
            self.buckets[-1].append(p)
            self.bucket_of[p] = len(self.buckets) - 1
            room -= p.nbytes
            p.register_post_accumulate_grad_hook(self.arrived)
        module.register_forward_pre_hook(self.share_buffers)
        self.flying, self.missing = [], [len(bucket) for bucket in self.buckets]

    def arrived(self, p):
        if dist.get_world_size() == 1:
            return
        self.missing[self.bucket_of[p]] -= 1
        while len(self.flying) < len(self.buckets) and self.missing[len(self.flying)] == 0:
            self.launch(self.buckets[len(self.flying)])

    def launch(self, bucket):
        marks = torch.tensor([p.grad is not None for p in bucket]).to(bucket[0])
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in bucket]
        flat = torch.cat([marks, *(grad.flatten() for grad in grads)])
        self.flying.append((flat, dist.all_reduce(flat, async_op=True)))

    def finish_gradients(self):
        if dist.get_world_size() == 1:
            return
        while len(self.flying) < len(self.buckets):
            self.launch(self.buckets[len(self.flying)])
        for bucket, (flat, work) in zip(self.buckets, self.flying, strict=True):
            work.wait()
            marks, *means = (flat / dist.get_world_size()).split([len(bucket), *(p.numel() for p in bucket)])
            for p, used, mean in zip(bucket, marks, means, strict=True):
                p.grad = mean.view_as(p) if used else None
        self.flying, self.missing = [], [len(bucket) for bucket in self.buckets]

    def share_buffers(self, module, _inputs):
        for buffer in module.buffers() if module.training else ():
            dist.broadcast(buffer, src=0)


# %% wrong: no broadcast at the start -> who makes their parameters equal
class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module, self.buckets, self.bucket_of, room = module, [], {}, 0
        for tensor in []:
            dist.broadcast(tensor.detach(), src=0)
        for p in reversed([p for p in module.parameters() if p.requires_grad]):
            if room <= p.nbytes or p.dtype != self.buckets[-1][0].dtype:
                self.buckets, room = [*self.buckets, []], bucket_mb * 2**20
            self.buckets[-1].append(p)
            self.bucket_of[p] = len(self.buckets) - 1
            room -= p.nbytes
            p.register_post_accumulate_grad_hook(self.arrived)
        module.register_forward_pre_hook(self.share_buffers)
        self.flying, self.missing = [], [len(bucket) for bucket in self.buckets]

    def arrived(self, p):
        self.missing[self.bucket_of[p]] -= 1
        while len(self.flying) < len(self.buckets) and self.missing[len(self.flying)] == 0:
            self.launch(self.buckets[len(self.flying)])

    def launch(self, bucket):
        marks = torch.tensor([p.grad is not None for p in bucket]).to(bucket[0])
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in bucket]
        flat = torch.cat([marks, *(grad.flatten() for grad in grads)])
        self.flying.append((flat, dist.all_reduce(flat, async_op=True)))

    def finish_gradients(self):
        while len(self.flying) < len(self.buckets):
            self.launch(self.buckets[len(self.flying)])
        for bucket, (flat, work) in zip(self.buckets, self.flying, strict=True):
            work.wait()
            marks, *means = (flat / dist.get_world_size()).split([len(bucket), *(p.numel() for p in bucket)])
            for p, used, mean in zip(bucket, marks, means, strict=True):
                p.grad = mean.view_as(p) if used else None
        self.flying, self.missing = [], [len(bucket) for bucket in self.buckets]

    def share_buffers(self, module, _inputs):
        for buffer in module.buffers() if module.training else ():
            dist.broadcast(buffer, src=0)


# %% wrong: buffers not made equal at the start -> who makes their buffers equal
class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module, self.buckets, self.bucket_of, room = module, [], {}, 0
        for tensor in module.parameters():
            dist.broadcast(tensor.detach(), src=0)
        for p in reversed([p for p in module.parameters() if p.requires_grad]):
            if room <= p.nbytes or p.dtype != self.buckets[-1][0].dtype:
                self.buckets, room = [*self.buckets, []], bucket_mb * 2**20
            self.buckets[-1].append(p)
            self.bucket_of[p] = len(self.buckets) - 1
            room -= p.nbytes
            p.register_post_accumulate_grad_hook(self.arrived)
        module.register_forward_pre_hook(self.share_buffers)
        self.flying, self.missing = [], [len(bucket) for bucket in self.buckets]

    def arrived(self, p):
        self.missing[self.bucket_of[p]] -= 1
        while len(self.flying) < len(self.buckets) and self.missing[len(self.flying)] == 0:
            self.launch(self.buckets[len(self.flying)])

    def launch(self, bucket):
        marks = torch.tensor([p.grad is not None for p in bucket]).to(bucket[0])
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in bucket]
        flat = torch.cat([marks, *(grad.flatten() for grad in grads)])
        self.flying.append((flat, dist.all_reduce(flat, async_op=True)))

    def finish_gradients(self):
        while len(self.flying) < len(self.buckets):
            self.launch(self.buckets[len(self.flying)])
        for bucket, (flat, work) in zip(self.buckets, self.flying, strict=True):
            work.wait()
            marks, *means = (flat / dist.get_world_size()).split([len(bucket), *(p.numel() for p in bucket)])
            for p, used, mean in zip(bucket, marks, means, strict=True):
                p.grad = mean.view_as(p) if used else None
        self.flying, self.missing = [], [len(bucket) for bucket in self.buckets]

    def share_buffers(self, module, _inputs):
        for buffer in module.buffers() if module.training else ():
            dist.broadcast(buffer, src=0)


# %% wrong: the sum -> not their mean
class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module, self.buckets, self.bucket_of, room = module, [], {}, 0
        for tensor in [*module.parameters(), *module.buffers()]:
            dist.broadcast(tensor.detach(), src=0)
        for p in reversed([p for p in module.parameters() if p.requires_grad]):
            if room <= p.nbytes or p.dtype != self.buckets[-1][0].dtype:
                self.buckets, room = [*self.buckets, []], bucket_mb * 2**20
            self.buckets[-1].append(p)
            self.bucket_of[p] = len(self.buckets) - 1
            room -= p.nbytes
            p.register_post_accumulate_grad_hook(self.arrived)
        module.register_forward_pre_hook(self.share_buffers)
        self.flying, self.missing = [], [len(bucket) for bucket in self.buckets]

    def arrived(self, p):
        self.missing[self.bucket_of[p]] -= 1
        while len(self.flying) < len(self.buckets) and self.missing[len(self.flying)] == 0:
            self.launch(self.buckets[len(self.flying)])

    def launch(self, bucket):
        marks = torch.tensor([p.grad is not None for p in bucket]).to(bucket[0])
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in bucket]
        flat = torch.cat([marks, *(grad.flatten() for grad in grads)])
        self.flying.append((flat, dist.all_reduce(flat, async_op=True)))

    def finish_gradients(self):
        while len(self.flying) < len(self.buckets):
            self.launch(self.buckets[len(self.flying)])
        for bucket, (flat, work) in zip(self.buckets, self.flying, strict=True):
            work.wait()
            marks, *means = (flat).split([len(bucket), *(p.numel() for p in bucket)])
            for p, used, mean in zip(bucket, marks, means, strict=True):
                p.grad = mean.view_as(p) if used else None
        self.flying, self.missing = [], [len(bucket) for bucket in self.buckets]

    def share_buffers(self, module, _inputs):
        for buffer in module.buffers() if module.training else ():
            dist.broadcast(buffer, src=0)


# %% wrong: two written in ->
class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module, self.buckets, self.bucket_of, room = module, [], {}, 0
        for tensor in [*module.parameters(), *module.buffers()]:
            dist.broadcast(tensor.detach(), src=0)
        for p in reversed([p for p in module.parameters() if p.requires_grad]):
            if room <= p.nbytes or p.dtype != self.buckets[-1][0].dtype:
                self.buckets, room = [*self.buckets, []], bucket_mb * 2**20
            self.buckets[-1].append(p)
            self.bucket_of[p] = len(self.buckets) - 1
            room -= p.nbytes
            p.register_post_accumulate_grad_hook(self.arrived)
        module.register_forward_pre_hook(self.share_buffers)
        self.flying, self.missing = [], [len(bucket) for bucket in self.buckets]

    def arrived(self, p):
        self.missing[self.bucket_of[p]] -= 1
        while len(self.flying) < len(self.buckets) and self.missing[len(self.flying)] == 0:
            self.launch(self.buckets[len(self.flying)])

    def launch(self, bucket):
        marks = torch.tensor([p.grad is not None for p in bucket]).to(bucket[0])
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in bucket]
        flat = torch.cat([marks, *(grad.flatten() for grad in grads)])
        self.flying.append((flat, dist.all_reduce(flat, async_op=True)))

    def finish_gradients(self):
        while len(self.flying) < len(self.buckets):
            self.launch(self.buckets[len(self.flying)])
        for bucket, (flat, work) in zip(self.buckets, self.flying, strict=True):
            work.wait()
            marks, *means = (flat / 2).split([len(bucket), *(p.numel() for p in bucket)])
            for p, used, mean in zip(bucket, marks, means, strict=True):
                p.grad = mean.view_as(p) if used else None
        self.flying, self.missing = [], [len(bucket) for bucket in self.buckets]

    def share_buffers(self, module, _inputs):
        for buffer in module.buffers() if module.training else ():
            dist.broadcast(buffer, src=0)


# %% wrong: never waited for -> never waited for
class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module, self.buckets, self.bucket_of, room = module, [], {}, 0
        for tensor in [*module.parameters(), *module.buffers()]:
            dist.broadcast(tensor.detach(), src=0)
        for p in reversed([p for p in module.parameters() if p.requires_grad]):
            if room <= p.nbytes or p.dtype != self.buckets[-1][0].dtype:
                self.buckets, room = [*self.buckets, []], bucket_mb * 2**20
            self.buckets[-1].append(p)
            self.bucket_of[p] = len(self.buckets) - 1
            room -= p.nbytes
            p.register_post_accumulate_grad_hook(self.arrived)
        module.register_forward_pre_hook(self.share_buffers)
        self.flying, self.missing = [], [len(bucket) for bucket in self.buckets]

    def arrived(self, p):
        self.missing[self.bucket_of[p]] -= 1
        while len(self.flying) < len(self.buckets) and self.missing[len(self.flying)] == 0:
            self.launch(self.buckets[len(self.flying)])

    def launch(self, bucket):
        marks = torch.tensor([p.grad is not None for p in bucket]).to(bucket[0])
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in bucket]
        flat = torch.cat([marks, *(grad.flatten() for grad in grads)])
        self.flying.append((flat, dist.all_reduce(flat, async_op=True)))

    def finish_gradients(self):
        while len(self.flying) < len(self.buckets):
            self.launch(self.buckets[len(self.flying)])
        for bucket, (flat, work) in zip(self.buckets, self.flying, strict=True):
            marks, *means = (flat / dist.get_world_size()).split([len(bucket), *(p.numel() for p in bucket)])
            for p, used, mean in zip(bucket, marks, means, strict=True):
                p.grad = mean.view_as(p) if used else None
        self.flying, self.missing = [], [len(bucket) for bucket in self.buckets]

    def share_buffers(self, module, _inputs):
        for buffer in module.buffers() if module.training else ():
            dist.broadcast(buffer, src=0)


# %% wrong: everything after backward -> only after backward has ended
class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module, self.buckets, self.bucket_of, room = module, [], {}, 0
        for tensor in [*module.parameters(), *module.buffers()]:
            dist.broadcast(tensor.detach(), src=0)
        for p in reversed([p for p in module.parameters() if p.requires_grad]):
            if room <= p.nbytes or p.dtype != self.buckets[-1][0].dtype:
                self.buckets, room = [*self.buckets, []], bucket_mb * 2**20
            self.buckets[-1].append(p)
            self.bucket_of[p] = len(self.buckets) - 1
            room -= p.nbytes
            p.register_post_accumulate_grad_hook(lambda _: None)
        module.register_forward_pre_hook(self.share_buffers)
        self.flying, self.missing = [], [len(bucket) for bucket in self.buckets]

    def arrived(self, p):
        self.missing[self.bucket_of[p]] -= 1
        while len(self.flying) < len(self.buckets) and self.missing[len(self.flying)] == 0:
            self.launch(self.buckets[len(self.flying)])

    def launch(self, bucket):
        marks = torch.tensor([p.grad is not None for p in bucket]).to(bucket[0])
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in bucket]
        flat = torch.cat([marks, *(grad.flatten() for grad in grads)])
        self.flying.append((flat, dist.all_reduce(flat, async_op=True)))

    def finish_gradients(self):
        while len(self.flying) < len(self.buckets):
            self.launch(self.buckets[len(self.flying)])
        for bucket, (flat, work) in zip(self.buckets, self.flying, strict=True):
            work.wait()
            marks, *means = (flat / dist.get_world_size()).split([len(bucket), *(p.numel() for p in bucket)])
            for p, used, mean in zip(bucket, marks, means, strict=True):
                p.grad = mean.view_as(p) if used else None
        self.flying, self.missing = [], [len(bucket) for bucket in self.buckets]

    def share_buffers(self, module, _inputs):
        for buffer in module.buffers() if module.training else ():
            dist.broadcast(buffer, src=0)


# %% wrong: buckets in forward order -> of the traffic had left
class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module, self.buckets, self.bucket_of, room = module, [], {}, 0
        for tensor in [*module.parameters(), *module.buffers()]:
            dist.broadcast(tensor.detach(), src=0)
        for p in [p for p in module.parameters() if p.requires_grad]:
            if room <= p.nbytes or p.dtype != self.buckets[-1][0].dtype:
                self.buckets, room = [*self.buckets, []], bucket_mb * 2**20
            self.buckets[-1].append(p)
            self.bucket_of[p] = len(self.buckets) - 1
            room -= p.nbytes
            p.register_post_accumulate_grad_hook(self.arrived)
        module.register_forward_pre_hook(self.share_buffers)
        self.flying, self.missing = [], [len(bucket) for bucket in self.buckets]

    def arrived(self, p):
        self.missing[self.bucket_of[p]] -= 1
        while len(self.flying) < len(self.buckets) and self.missing[len(self.flying)] == 0:
            self.launch(self.buckets[len(self.flying)])

    def launch(self, bucket):
        marks = torch.tensor([p.grad is not None for p in bucket]).to(bucket[0])
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in bucket]
        flat = torch.cat([marks, *(grad.flatten() for grad in grads)])
        self.flying.append((flat, dist.all_reduce(flat, async_op=True)))

    def finish_gradients(self):
        while len(self.flying) < len(self.buckets):
            self.launch(self.buckets[len(self.flying)])
        for bucket, (flat, work) in zip(self.buckets, self.flying, strict=True):
            work.wait()
            marks, *means = (flat / dist.get_world_size()).split([len(bucket), *(p.numel() for p in bucket)])
            for p, used, mean in zip(bucket, marks, means, strict=True):
                p.grad = mean.view_as(p) if used else None
        self.flying, self.missing = [], [len(bucket) for bucket in self.buckets]

    def share_buffers(self, module, _inputs):
        for buffer in module.buffers() if module.training else ():
            dist.broadcast(buffer, src=0)


# %% wrong: the unit is KiB -> Is the unit right
class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module, self.buckets, self.bucket_of, room = module, [], {}, 0
        for tensor in [*module.parameters(), *module.buffers()]:
            dist.broadcast(tensor.detach(), src=0)
        for p in reversed([p for p in module.parameters() if p.requires_grad]):
            if room <= p.nbytes or p.dtype != self.buckets[-1][0].dtype:
                self.buckets, room = [*self.buckets, []], bucket_mb * 2**10
            self.buckets[-1].append(p)
            self.bucket_of[p] = len(self.buckets) - 1
            room -= p.nbytes
            p.register_post_accumulate_grad_hook(self.arrived)
        module.register_forward_pre_hook(self.share_buffers)
        self.flying, self.missing = [], [len(bucket) for bucket in self.buckets]

    def arrived(self, p):
        self.missing[self.bucket_of[p]] -= 1
        while len(self.flying) < len(self.buckets) and self.missing[len(self.flying)] == 0:
            self.launch(self.buckets[len(self.flying)])

    def launch(self, bucket):
        marks = torch.tensor([p.grad is not None for p in bucket]).to(bucket[0])
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in bucket]
        flat = torch.cat([marks, *(grad.flatten() for grad in grads)])
        self.flying.append((flat, dist.all_reduce(flat, async_op=True)))

    def finish_gradients(self):
        while len(self.flying) < len(self.buckets):
            self.launch(self.buckets[len(self.flying)])
        for bucket, (flat, work) in zip(self.buckets, self.flying, strict=True):
            work.wait()
            marks, *means = (flat / dist.get_world_size()).split([len(bucket), *(p.numel() for p in bucket)])
            for p, used, mean in zip(bucket, marks, means, strict=True):
                p.grad = mean.view_as(p) if used else None
        self.flying, self.missing = [], [len(bucket) for bucket in self.buckets]

    def share_buffers(self, module, _inputs):
        for buffer in module.buffers() if module.training else ():
            dist.broadcast(buffer, src=0)


# %% wrong: one bucket whatever is asked -> whatever bucket_mb says
class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module, self.buckets, self.bucket_of, room = module, [], {}, 0
        for tensor in [*module.parameters(), *module.buffers()]:
            dist.broadcast(tensor.detach(), src=0)
        for p in reversed([p for p in module.parameters() if p.requires_grad]):
            if room <= p.nbytes or p.dtype != self.buckets[-1][0].dtype:
                self.buckets, room = [*self.buckets, []], 2**40
            self.buckets[-1].append(p)
            self.bucket_of[p] = len(self.buckets) - 1
            room -= p.nbytes
            p.register_post_accumulate_grad_hook(self.arrived)
        module.register_forward_pre_hook(self.share_buffers)
        self.flying, self.missing = [], [len(bucket) for bucket in self.buckets]

    def arrived(self, p):
        self.missing[self.bucket_of[p]] -= 1
        while len(self.flying) < len(self.buckets) and self.missing[len(self.flying)] == 0:
            self.launch(self.buckets[len(self.flying)])

    def launch(self, bucket):
        marks = torch.tensor([p.grad is not None for p in bucket]).to(bucket[0])
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in bucket]
        flat = torch.cat([marks, *(grad.flatten() for grad in grads)])
        self.flying.append((flat, dist.all_reduce(flat, async_op=True)))

    def finish_gradients(self):
        while len(self.flying) < len(self.buckets):
            self.launch(self.buckets[len(self.flying)])
        for bucket, (flat, work) in zip(self.buckets, self.flying, strict=True):
            work.wait()
            marks, *means = (flat / dist.get_world_size()).split([len(bucket), *(p.numel() for p in bucket)])
            for p, used, mean in zip(bucket, marks, means, strict=True):
                p.grad = mean.view_as(p) if used else None
        self.flying, self.missing = [], [len(bucket) for bucket in self.buckets]

    def share_buffers(self, module, _inputs):
        for buffer in module.buffers() if module.training else ():
            dist.broadcast(buffer, src=0)


# %% wrong: a bucket for each parameter -> one bucket holds the whole model
class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module, self.buckets, self.bucket_of, room = module, [], {}, 0
        for tensor in [*module.parameters(), *module.buffers()]:
            dist.broadcast(tensor.detach(), src=0)
        for p in reversed([p for p in module.parameters() if p.requires_grad]):
            if True or p.dtype != self.buckets[-1][0].dtype:
                self.buckets, room = [*self.buckets, []], bucket_mb * 2**20
            self.buckets[-1].append(p)
            self.bucket_of[p] = len(self.buckets) - 1
            room -= p.nbytes
            p.register_post_accumulate_grad_hook(self.arrived)
        module.register_forward_pre_hook(self.share_buffers)
        self.flying, self.missing = [], [len(bucket) for bucket in self.buckets]

    def arrived(self, p):
        self.missing[self.bucket_of[p]] -= 1
        while len(self.flying) < len(self.buckets) and self.missing[len(self.flying)] == 0:
            self.launch(self.buckets[len(self.flying)])

    def launch(self, bucket):
        marks = torch.tensor([p.grad is not None for p in bucket]).to(bucket[0])
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in bucket]
        flat = torch.cat([marks, *(grad.flatten() for grad in grads)])
        self.flying.append((flat, dist.all_reduce(flat, async_op=True)))

    def finish_gradients(self):
        while len(self.flying) < len(self.buckets):
            self.launch(self.buckets[len(self.flying)])
        for bucket, (flat, work) in zip(self.buckets, self.flying, strict=True):
            work.wait()
            marks, *means = (flat / dist.get_world_size()).split([len(bucket), *(p.numel() for p in bucket)])
            for p, used, mean in zip(bucket, marks, means, strict=True):
                p.grad = mean.view_as(p) if used else None
        self.flying, self.missing = [], [len(bucket) for bucket in self.buckets]

    def share_buffers(self, module, _inputs):
        for buffer in module.buffers() if module.training else ():
            dist.broadcast(buffer, src=0)


# %% wrong: every flat buffer is kept -> never let go
class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module, self.buckets, self.bucket_of, room = module, [], {}, 0
        for tensor in [*module.parameters(), *module.buffers()]:
            dist.broadcast(tensor.detach(), src=0)
        for p in reversed([p for p in module.parameters() if p.requires_grad]):
            if room <= p.nbytes or p.dtype != self.buckets[-1][0].dtype:
                self.buckets, room = [*self.buckets, []], bucket_mb * 2**20
            self.buckets[-1].append(p)
            self.bucket_of[p] = len(self.buckets) - 1
            room -= p.nbytes
            p.register_post_accumulate_grad_hook(self.arrived)
        module.register_forward_pre_hook(self.share_buffers)
        self.flying, self.missing = [], [len(bucket) for bucket in self.buckets]

    def arrived(self, p):
        self.missing[self.bucket_of[p]] -= 1
        while len(self.flying) < len(self.buckets) and self.missing[len(self.flying)] == 0:
            self.launch(self.buckets[len(self.flying)])

    kept = []

    def launch(self, bucket):
        marks = torch.tensor([p.grad is not None for p in bucket]).to(bucket[0])
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in bucket]
        flat = torch.cat([marks, *(grad.flatten() for grad in grads)])
        self.kept.append(flat)
        self.flying.append((flat, dist.all_reduce(flat, async_op=True)))

    def finish_gradients(self):
        while len(self.flying) < len(self.buckets):
            self.launch(self.buckets[len(self.flying)])
        for bucket, (flat, work) in zip(self.buckets, self.flying, strict=True):
            work.wait()
            marks, *means = (flat / dist.get_world_size()).split([len(bucket), *(p.numel() for p in bucket)])
            for p, used, mean in zip(bucket, marks, means, strict=True):
                p.grad = mean.view_as(p) if used else None
        self.flying, self.missing = [], [len(bucket) for bucket in self.buckets]

    def share_buffers(self, module, _inputs):
        for buffer in module.buffers() if module.training else ():
            dist.broadcast(buffer, src=0)


# %% wrong: every gradient is kept -> never let go
class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module, self.buckets, self.bucket_of, room = module, [], {}, 0
        for tensor in [*module.parameters(), *module.buffers()]:
            dist.broadcast(tensor.detach(), src=0)
        for p in reversed([p for p in module.parameters() if p.requires_grad]):
            if room <= p.nbytes or p.dtype != self.buckets[-1][0].dtype:
                self.buckets, room = [*self.buckets, []], bucket_mb * 2**20
            self.buckets[-1].append(p)
            self.bucket_of[p] = len(self.buckets) - 1
            room -= p.nbytes
            p.register_post_accumulate_grad_hook(self.arrived)
        module.register_forward_pre_hook(self.share_buffers)
        self.flying, self.missing = [], [len(bucket) for bucket in self.buckets]

    kept = []

    def arrived(self, p):
        self.kept.append(p.grad.clone())
        self.missing[self.bucket_of[p]] -= 1
        while len(self.flying) < len(self.buckets) and self.missing[len(self.flying)] == 0:
            self.launch(self.buckets[len(self.flying)])

    def launch(self, bucket):
        marks = torch.tensor([p.grad is not None for p in bucket]).to(bucket[0])
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in bucket]
        flat = torch.cat([marks, *(grad.flatten() for grad in grads)])
        self.flying.append((flat, dist.all_reduce(flat, async_op=True)))

    def finish_gradients(self):
        while len(self.flying) < len(self.buckets):
            self.launch(self.buckets[len(self.flying)])
        for bucket, (flat, work) in zip(self.buckets, self.flying, strict=True):
            work.wait()
            marks, *means = (flat / dist.get_world_size()).split([len(bucket), *(p.numel() for p in bucket)])
            for p, used, mean in zip(bucket, marks, means, strict=True):
                p.grad = mean.view_as(p) if used else None
        self.flying, self.missing = [], [len(bucket) for bucket in self.buckets]

    def share_buffers(self, module, _inputs):
        for buffer in module.buffers() if module.training else ():
            dist.broadcast(buffer, src=0)


# %% wrong: unused parameters get zeros -> must stay None
class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module, self.buckets, self.bucket_of, room = module, [], {}, 0
        for tensor in [*module.parameters(), *module.buffers()]:
            dist.broadcast(tensor.detach(), src=0)
        for p in reversed([p for p in module.parameters() if p.requires_grad]):
            if room <= p.nbytes or p.dtype != self.buckets[-1][0].dtype:
                self.buckets, room = [*self.buckets, []], bucket_mb * 2**20
            self.buckets[-1].append(p)
            self.bucket_of[p] = len(self.buckets) - 1
            room -= p.nbytes
            p.register_post_accumulate_grad_hook(self.arrived)
        module.register_forward_pre_hook(self.share_buffers)
        self.flying, self.missing = [], [len(bucket) for bucket in self.buckets]

    def arrived(self, p):
        self.missing[self.bucket_of[p]] -= 1
        while len(self.flying) < len(self.buckets) and self.missing[len(self.flying)] == 0:
            self.launch(self.buckets[len(self.flying)])

    def launch(self, bucket):
        marks = torch.tensor([p.grad is not None for p in bucket]).to(bucket[0])
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in bucket]
        flat = torch.cat([marks, *(grad.flatten() for grad in grads)])
        self.flying.append((flat, dist.all_reduce(flat, async_op=True)))

    def finish_gradients(self):
        while len(self.flying) < len(self.buckets):
            self.launch(self.buckets[len(self.flying)])
        for bucket, (flat, work) in zip(self.buckets, self.flying, strict=True):
            work.wait()
            marks, *means = (flat / dist.get_world_size()).split([len(bucket), *(p.numel() for p in bucket)])
            for p, used, mean in zip(bucket, marks, means, strict=True):
                p.grad = mean.view_as(p)
        self.flying, self.missing = [], [len(bucket) for bucket in self.buckets]

    def share_buffers(self, module, _inputs):
        for buffer in module.buffers() if module.training else ():
            dist.broadcast(buffer, src=0)


# %% wrong: a parameter used elsewhere stays None -> used on some ranks, not on this one
class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module, self.buckets, self.bucket_of, room = module, [], {}, 0
        for tensor in [*module.parameters(), *module.buffers()]:
            dist.broadcast(tensor.detach(), src=0)
        for p in reversed([p for p in module.parameters() if p.requires_grad]):
            if room <= p.nbytes or p.dtype != self.buckets[-1][0].dtype:
                self.buckets, room = [*self.buckets, []], bucket_mb * 2**20
            self.buckets[-1].append(p)
            self.bucket_of[p] = len(self.buckets) - 1
            room -= p.nbytes
            p.register_post_accumulate_grad_hook(self.arrived)
        module.register_forward_pre_hook(self.share_buffers)
        self.flying, self.missing = [], [len(bucket) for bucket in self.buckets]

    def arrived(self, p):
        self.missing[self.bucket_of[p]] -= 1
        while len(self.flying) < len(self.buckets) and self.missing[len(self.flying)] == 0:
            self.launch(self.buckets[len(self.flying)])

    def launch(self, bucket):
        marks = torch.tensor([p.grad is not None for p in bucket]).to(bucket[0])
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in bucket]
        flat = torch.cat([marks, *(grad.flatten() for grad in grads)])
        self.flying.append((flat, dist.all_reduce(flat, async_op=True)))

    def finish_gradients(self):
        while len(self.flying) < len(self.buckets):
            self.launch(self.buckets[len(self.flying)])
        for bucket, (flat, work) in zip(self.buckets, self.flying, strict=True):
            work.wait()
            marks, *means = (flat / dist.get_world_size()).split([len(bucket), *(p.numel() for p in bucket)])
            for p, used, mean in zip(bucket, marks, means, strict=True):
                p.grad = mean.view_as(p) if used and p.grad is not None else None
        self.flying, self.missing = [], [len(bucket) for bucket in self.buckets]

    def share_buffers(self, module, _inputs):
        for buffer in module.buffers() if module.training else ():
            dist.broadcast(buffer, src=0)


# %% wrong: waited for inside backward -> before the next one starts
def waited(work):
    work.wait()
    return work


class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module, self.buckets, self.bucket_of, room = module, [], {}, 0
        for tensor in [*module.parameters(), *module.buffers()]:
            dist.broadcast(tensor.detach(), src=0)
        for p in reversed([p for p in module.parameters() if p.requires_grad]):
            if room <= p.nbytes or p.dtype != self.buckets[-1][0].dtype:
                self.buckets, room = [*self.buckets, []], bucket_mb * 2**20
            self.buckets[-1].append(p)
            self.bucket_of[p] = len(self.buckets) - 1
            room -= p.nbytes
            p.register_post_accumulate_grad_hook(self.arrived)
        module.register_forward_pre_hook(self.share_buffers)
        self.flying, self.missing = [], [len(bucket) for bucket in self.buckets]

    def arrived(self, p):
        self.missing[self.bucket_of[p]] -= 1
        while len(self.flying) < len(self.buckets) and self.missing[len(self.flying)] == 0:
            self.launch(self.buckets[len(self.flying)])

    def launch(self, bucket):
        marks = torch.tensor([p.grad is not None for p in bucket]).to(bucket[0])
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in bucket]
        flat = torch.cat([marks, *(grad.flatten() for grad in grads)])
        self.flying.append((flat, waited(dist.all_reduce(flat, async_op=True))))

    def finish_gradients(self):
        while len(self.flying) < len(self.buckets):
            self.launch(self.buckets[len(self.flying)])
        for bucket, (flat, work) in zip(self.buckets, self.flying, strict=True):
            work.wait()
            marks, *means = (flat / dist.get_world_size()).split([len(bucket), *(p.numel() for p in bucket)])
            for p, used, mean in zip(bucket, marks, means, strict=True):
                p.grad = mean.view_as(p) if used else None
        self.flying, self.missing = [], [len(bucket) for bucket in self.buckets]

    def share_buffers(self, module, _inputs):
        for buffer in module.buffers() if module.training else ():
            dist.broadcast(buffer, src=0)


# %% wrong: synchronous inside backward -> backward stands still
class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module, self.buckets, self.bucket_of, room = module, [], {}, 0
        for tensor in [*module.parameters(), *module.buffers()]:
            dist.broadcast(tensor.detach(), src=0)
        for p in reversed([p for p in module.parameters() if p.requires_grad]):
            if room <= p.nbytes or p.dtype != self.buckets[-1][0].dtype:
                self.buckets, room = [*self.buckets, []], bucket_mb * 2**20
            self.buckets[-1].append(p)
            self.bucket_of[p] = len(self.buckets) - 1
            room -= p.nbytes
            p.register_post_accumulate_grad_hook(self.arrived)
        module.register_forward_pre_hook(self.share_buffers)
        self.flying, self.missing = [], [len(bucket) for bucket in self.buckets]

    def arrived(self, p):
        self.missing[self.bucket_of[p]] -= 1
        while len(self.flying) < len(self.buckets) and self.missing[len(self.flying)] == 0:
            self.launch(self.buckets[len(self.flying)])

    def launch(self, bucket):
        marks = torch.tensor([p.grad is not None for p in bucket]).to(bucket[0])
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in bucket]
        flat = torch.cat([marks, *(grad.flatten() for grad in grads)])
        self.flying.append((flat, dist.all_reduce(flat) or dist.barrier(async_op=True)))

    def finish_gradients(self):
        while len(self.flying) < len(self.buckets):
            self.launch(self.buckets[len(self.flying)])
        for bucket, (flat, work) in zip(self.buckets, self.flying, strict=True):
            work.wait()
            marks, *means = (flat / dist.get_world_size()).split([len(bucket), *(p.numel() for p in bucket)])
            for p, used, mean in zip(bucket, marks, means, strict=True):
                p.grad = mean.view_as(p) if used else None
        self.flying, self.missing = [], [len(bucket) for bucket in self.buckets]

    def share_buffers(self, module, _inputs):
        for buffer in module.buffers() if module.training else ():
            dist.broadcast(buffer, src=0)


# %% wrong: buffers drift -> drifts apart
class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module, self.buckets, self.bucket_of, room = module, [], {}, 0
        for tensor in [*module.parameters(), *module.buffers()]:
            dist.broadcast(tensor.detach(), src=0)
        for p in reversed([p for p in module.parameters() if p.requires_grad]):
            if room <= p.nbytes or p.dtype != self.buckets[-1][0].dtype:
                self.buckets, room = [*self.buckets, []], bucket_mb * 2**20
            self.buckets[-1].append(p)
            self.bucket_of[p] = len(self.buckets) - 1
            room -= p.nbytes
            p.register_post_accumulate_grad_hook(self.arrived)
        module.register_forward_pre_hook(self.share_buffers)
        self.flying, self.missing = [], [len(bucket) for bucket in self.buckets]

    def arrived(self, p):
        self.missing[self.bucket_of[p]] -= 1
        while len(self.flying) < len(self.buckets) and self.missing[len(self.flying)] == 0:
            self.launch(self.buckets[len(self.flying)])

    def launch(self, bucket):
        marks = torch.tensor([p.grad is not None for p in bucket]).to(bucket[0])
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in bucket]
        flat = torch.cat([marks, *(grad.flatten() for grad in grads)])
        self.flying.append((flat, dist.all_reduce(flat, async_op=True)))

    def finish_gradients(self):
        while len(self.flying) < len(self.buckets):
            self.launch(self.buckets[len(self.flying)])
        for bucket, (flat, work) in zip(self.buckets, self.flying, strict=True):
            work.wait()
            marks, *means = (flat / dist.get_world_size()).split([len(bucket), *(p.numel() for p in bucket)])
            for p, used, mean in zip(bucket, marks, means, strict=True):
                p.grad = mean.view_as(p) if used else None
        self.flying, self.missing = [], [len(bucket) for bucket in self.buckets]

    def share_buffers(self, module, _inputs):
        for buffer in module.buffers() if False else ():
            dist.broadcast(buffer, src=0)


# %% wrong: a copy of the model -> handed in
import copy


class MyDDP:
    def __init__(self, module, bucket_mb=25):
        module = copy.deepcopy(module)
        self.module, self.buckets, self.bucket_of, room = module, [], {}, 0
        for tensor in [*module.parameters(), *module.buffers()]:
            dist.broadcast(tensor.detach(), src=0)
        for p in reversed([p for p in module.parameters() if p.requires_grad]):
            if room <= p.nbytes or p.dtype != self.buckets[-1][0].dtype:
                self.buckets, room = [*self.buckets, []], bucket_mb * 2**20
            self.buckets[-1].append(p)
            self.bucket_of[p] = len(self.buckets) - 1
            room -= p.nbytes
            p.register_post_accumulate_grad_hook(self.arrived)
        module.register_forward_pre_hook(self.share_buffers)
        self.flying, self.missing = [], [len(bucket) for bucket in self.buckets]

    def arrived(self, p):
        self.missing[self.bucket_of[p]] -= 1
        while len(self.flying) < len(self.buckets) and self.missing[len(self.flying)] == 0:
            self.launch(self.buckets[len(self.flying)])

    def launch(self, bucket):
        marks = torch.tensor([p.grad is not None for p in bucket]).to(bucket[0])
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in bucket]
        flat = torch.cat([marks, *(grad.flatten() for grad in grads)])
        self.flying.append((flat, dist.all_reduce(flat, async_op=True)))

    def finish_gradients(self):
        while len(self.flying) < len(self.buckets):
            self.launch(self.buckets[len(self.flying)])
        for bucket, (flat, work) in zip(self.buckets, self.flying, strict=True):
            work.wait()
            marks, *means = (flat / dist.get_world_size()).split([len(bucket), *(p.numel() for p in bucket)])
            for p, used, mean in zip(bucket, marks, means, strict=True):
                p.grad = mean.view_as(p) if used else None
        self.flying, self.missing = [], [len(bucket) for bucket in self.buckets]

    def share_buffers(self, module, _inputs):
        for buffer in module.buffers() if module.training else ():
            dist.broadcast(buffer, src=0)


# %% wrong: each gradient travels twice -> more than once
class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module, self.buckets, self.bucket_of, room = module, [], {}, 0
        for tensor in [*module.parameters(), *module.buffers()]:
            dist.broadcast(tensor.detach(), src=0)
        for p in reversed([p for p in module.parameters() if p.requires_grad]):
            if room <= p.nbytes or p.dtype != self.buckets[-1][0].dtype:
                self.buckets, room = [*self.buckets, []], bucket_mb * 2**20
            self.buckets[-1].append(p)
            self.bucket_of[p] = len(self.buckets) - 1
            room -= p.nbytes
            p.register_post_accumulate_grad_hook(self.arrived)
        module.register_forward_pre_hook(self.share_buffers)
        self.flying, self.missing = [], [len(bucket) for bucket in self.buckets]

    def arrived(self, p):
        self.missing[self.bucket_of[p]] -= 1
        while len(self.flying) < len(self.buckets) and self.missing[len(self.flying)] == 0:
            self.launch(self.buckets[len(self.flying)])

    def launch(self, bucket):
        marks = torch.tensor([p.grad is not None for p in bucket]).to(bucket[0])
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in bucket]
        flat = torch.cat([marks, *(grad.flatten() for grad in grads)])
        self.flying.append((flat, dist.all_reduce(flat, async_op=True) if dist.all_reduce(flat.clone(), async_op=True).wait() else None))

    def finish_gradients(self):
        while len(self.flying) < len(self.buckets):
            self.launch(self.buckets[len(self.flying)])
        for bucket, (flat, work) in zip(self.buckets, self.flying, strict=True):
            work.wait()
            marks, *means = (flat / dist.get_world_size()).split([len(bucket), *(p.numel() for p in bucket)])
            for p, used, mean in zip(bucket, marks, means, strict=True):
                p.grad = mean.view_as(p) if used else None
        self.flying, self.missing = [], [len(bucket) for bucket in self.buckets]

    def share_buffers(self, module, _inputs):
        for buffer in module.buffers() if module.training else ():
            dist.broadcast(buffer, src=0)


# %% wrong: float32 on the wire -> float32
class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module, self.buckets, self.bucket_of, room = module, [], {}, 0
        for tensor in [*module.parameters(), *module.buffers()]:
            dist.broadcast(tensor.detach(), src=0)
        for p in reversed([p for p in module.parameters() if p.requires_grad]):
            if room <= p.nbytes or p.dtype != self.buckets[-1][0].dtype:
                self.buckets, room = [*self.buckets, []], bucket_mb * 2**20
            self.buckets[-1].append(p)
            self.bucket_of[p] = len(self.buckets) - 1
            room -= p.nbytes
            p.register_post_accumulate_grad_hook(self.arrived)
        module.register_forward_pre_hook(self.share_buffers)
        self.flying, self.missing = [], [len(bucket) for bucket in self.buckets]

    def arrived(self, p):
        self.missing[self.bucket_of[p]] -= 1
        while len(self.flying) < len(self.buckets) and self.missing[len(self.flying)] == 0:
            self.launch(self.buckets[len(self.flying)])

    def launch(self, bucket):
        marks = torch.tensor([p.grad is not None for p in bucket]).to(bucket[0])
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in bucket]
        flat = torch.cat([marks, *(grad.flatten() for grad in grads)]).float()
        self.flying.append((flat, dist.all_reduce(flat, async_op=True)))

    def finish_gradients(self):
        while len(self.flying) < len(self.buckets):
            self.launch(self.buckets[len(self.flying)])
        for bucket, (flat, work) in zip(self.buckets, self.flying, strict=True):
            work.wait()
            marks, *means = (flat / dist.get_world_size()).split([len(bucket), *(p.numel() for p in bucket)])
            for p, used, mean in zip(bucket, marks, means, strict=True):
                p.grad = mean.view_as(p).to(p.dtype) if used else None
        self.flying, self.missing = [], [len(bucket) for bucket in self.buckets]

    def share_buffers(self, module, _inputs):
        for buffer in module.buffers() if module.training else ():
            dist.broadcast(buffer, src=0)


# %% wrong: one bucket early, the others after backward -> of the traffic had left
class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module, self.buckets, self.bucket_of, room = module, [], {}, 0
        for tensor in [*module.parameters(), *module.buffers()]:
            dist.broadcast(tensor.detach(), src=0)
        for p in reversed([p for p in module.parameters() if p.requires_grad]):
            if room <= p.nbytes or p.dtype != self.buckets[-1][0].dtype:
                self.buckets, room = [*self.buckets, []], bucket_mb * 2**20
            self.buckets[-1].append(p)
            self.bucket_of[p] = len(self.buckets) - 1
            room -= p.nbytes
            p.register_post_accumulate_grad_hook(self.arrived)
        module.register_forward_pre_hook(self.share_buffers)
        self.flying, self.missing = [], [len(bucket) for bucket in self.buckets]

    def arrived(self, p):
        self.missing[self.bucket_of[p]] -= 1
        while len(self.flying) < 1 and self.missing[len(self.flying)] == 0:
            self.launch(self.buckets[len(self.flying)])

    def launch(self, bucket):
        marks = torch.tensor([p.grad is not None for p in bucket]).to(bucket[0])
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in bucket]
        flat = torch.cat([marks, *(grad.flatten() for grad in grads)])
        self.flying.append((flat, dist.all_reduce(flat, async_op=True)))

    def finish_gradients(self):
        while len(self.flying) < len(self.buckets):
            self.launch(self.buckets[len(self.flying)])
        for bucket, (flat, work) in zip(self.buckets, self.flying, strict=True):
            work.wait()
            marks, *means = (flat / dist.get_world_size()).split([len(bucket), *(p.numel() for p in bucket)])
            for p, used, mean in zip(bucket, marks, means, strict=True):
                p.grad = mean.view_as(p) if used else None
        self.flying, self.missing = [], [len(bucket) for bucket in self.buckets]

    def share_buffers(self, module, _inputs):
        for buffer in module.buffers() if module.training else ():
            dist.broadcast(buffer, src=0)


# %% wrong: no bucket_mb -> The check called MyDDP
class MyDDP:
    def __init__(self, module):
        bucket_mb = 25
        self.module, self.buckets, self.bucket_of, room = module, [], {}, 0
        for tensor in [*module.parameters(), *module.buffers()]:
            dist.broadcast(tensor.detach(), src=0)
        for p in reversed([p for p in module.parameters() if p.requires_grad]):
            if room <= p.nbytes or p.dtype != self.buckets[-1][0].dtype:
                self.buckets, room = [*self.buckets, []], bucket_mb * 2**20
            self.buckets[-1].append(p)
            self.bucket_of[p] = len(self.buckets) - 1
            room -= p.nbytes
            p.register_post_accumulate_grad_hook(self.arrived)
        module.register_forward_pre_hook(self.share_buffers)
        self.flying, self.missing = [], [len(bucket) for bucket in self.buckets]

    def arrived(self, p):
        self.missing[self.bucket_of[p]] -= 1
        while len(self.flying) < len(self.buckets) and self.missing[len(self.flying)] == 0:
            self.launch(self.buckets[len(self.flying)])

    def launch(self, bucket):
        marks = torch.tensor([p.grad is not None for p in bucket]).to(bucket[0])
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in bucket]
        flat = torch.cat([marks, *(grad.flatten() for grad in grads)])
        self.flying.append((flat, dist.all_reduce(flat, async_op=True)))

    def finish_gradients(self):
        while len(self.flying) < len(self.buckets):
            self.launch(self.buckets[len(self.flying)])
        for bucket, (flat, work) in zip(self.buckets, self.flying, strict=True):
            work.wait()
            marks, *means = (flat / dist.get_world_size()).split([len(bucket), *(p.numel() for p in bucket)])
            for p, used, mean in zip(bucket, marks, means, strict=True):
                p.grad = mean.view_as(p) if used else None
        self.flying, self.missing = [], [len(bucket) for bucket in self.buckets]

    def share_buffers(self, module, _inputs):
        for buffer in module.buffers() if module.training else ():
            dist.broadcast(buffer, src=0)


# %% wrong: results thrown away -> others computed never arrived
class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module, self.buckets, self.bucket_of, room = module, [], {}, 0
        for tensor in [*module.parameters(), *module.buffers()]:
            dist.broadcast(tensor.detach(), src=0)
        for p in reversed([p for p in module.parameters() if p.requires_grad]):
            if room <= p.nbytes or p.dtype != self.buckets[-1][0].dtype:
                self.buckets, room = [*self.buckets, []], bucket_mb * 2**20
            self.buckets[-1].append(p)
            self.bucket_of[p] = len(self.buckets) - 1
            room -= p.nbytes
            p.register_post_accumulate_grad_hook(self.arrived)
        module.register_forward_pre_hook(self.share_buffers)
        self.flying, self.missing = [], [len(bucket) for bucket in self.buckets]

    def arrived(self, p):
        self.missing[self.bucket_of[p]] -= 1
        while len(self.flying) < len(self.buckets) and self.missing[len(self.flying)] == 0:
            self.launch(self.buckets[len(self.flying)])

    def launch(self, bucket):
        marks = torch.tensor([p.grad is not None for p in bucket]).to(bucket[0])
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in bucket]
        flat = torch.cat([marks, *(grad.flatten() for grad in grads)])
        self.flying.append((flat, dist.all_reduce(flat, async_op=True)))

    def finish_gradients(self):
        while len(self.flying) < len(self.buckets):
            self.launch(self.buckets[len(self.flying)])
        for bucket, (flat, work) in zip(self.buckets, self.flying, strict=True):
            work.wait()
            marks, *means = (flat / dist.get_world_size()).split([len(bucket), *(p.numel() for p in bucket)])
            for p, used, mean in zip(bucket, marks, means, strict=True):
                pass
        self.flying, self.missing = [], [len(bucket) for bucket in self.buckets]

    def share_buffers(self, module, _inputs):
        for buffer in module.buffers() if module.training else ():
            dist.broadcast(buffer, src=0)
