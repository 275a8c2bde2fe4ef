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
            for t in (*module.parameters(), *module.buffers()):
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


# %% wrong: one bucket whatever is asked -> Is bucket_mb heeded
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


# %% wrong: a parameter used elsewhere stays None -> used on some ranks, not on rank
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


# %% wrong: waited for inside backward -> waited for while backward
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


# %% wrong: buffers drift -> not what comes from rank 0's
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


# %% wrong: no bucket_mb -> The check calls MyDDP
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


# %% wrong: every rank keeps its own start
class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module = module
        limit, self.buckets, size = bucket_mb * 2**20, [], float("inf")
        for p in reversed([p for p in module.parameters() if p.requires_grad]):
            if size + p.nbytes > limit:
                self.buckets.append([])
                size = 0
            self.buckets[-1].append(p)
            size += p.nbytes
        self.bucket_of = {p: i for i, bucket in enumerate(self.buckets) for p in bucket}
        for p in self.bucket_of:
            p.register_post_accumulate_grad_hook(self.arrived)
        module.register_forward_pre_hook(self.share)
        self.begin()

    def begin(self):
        self.missing = [len(bucket) for bucket in self.buckets]
        self.flying = []

    def share(self, module, args):
        if module.training:
            for buffer in module.buffers():
                dist.broadcast(buffer, src=0)

    def arrived(self, p):
        self.missing[self.bucket_of[p]] -= 1
        while len(self.flying) < len(self.buckets) and self.missing[len(self.flying)] == 0:
            self.launch()

    def launch(self):
        bucket = self.buckets[len(self.flying)]
        marks = torch.tensor([float(p.grad is not None) for p in bucket], dtype=bucket[0].dtype, device=bucket[0].device)
        grads = [(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in bucket]
        flat = torch.cat([marks, *grads]).detach()
        self.flying.append((flat, dist.all_reduce(flat, async_op=True)))

    def finish_gradients(self):
        while len(self.flying) < len(self.buckets):
            self.launch()
        for bucket, (flat, work) in zip(self.buckets, self.flying):
            work.wait()
            used, mean = flat[: len(bucket)], flat[len(bucket) :] / dist.get_world_size()
            for mark, p, part in zip(used, bucket, mean.split([p.numel() for p in bucket])):
                p.grad = part.view_as(p).clone() if mark > 0 else None
        self.begin()


# %% wrong: the start of the last rank
class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module = module
        for tensor in [*module.parameters(), *module.buffers()]:
            dist.broadcast(tensor.detach(), src=dist.get_world_size() - 1)
        limit, self.buckets, size = bucket_mb * 2**20, [], float("inf")
        for p in reversed([p for p in module.parameters() if p.requires_grad]):
            if size + p.nbytes > limit:
                self.buckets.append([])
                size = 0
            self.buckets[-1].append(p)
            size += p.nbytes
        self.bucket_of = {p: i for i, bucket in enumerate(self.buckets) for p in bucket}
        for p in self.bucket_of:
            p.register_post_accumulate_grad_hook(self.arrived)
        module.register_forward_pre_hook(self.share)
        self.begin()

    def begin(self):
        self.missing = [len(bucket) for bucket in self.buckets]
        self.flying = []

    def share(self, module, args):
        if module.training:
            for buffer in module.buffers():
                dist.broadcast(buffer, src=0)

    def arrived(self, p):
        self.missing[self.bucket_of[p]] -= 1
        while len(self.flying) < len(self.buckets) and self.missing[len(self.flying)] == 0:
            self.launch()

    def launch(self):
        bucket = self.buckets[len(self.flying)]
        marks = torch.tensor([float(p.grad is not None) for p in bucket], dtype=bucket[0].dtype, device=bucket[0].device)
        grads = [(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in bucket]
        flat = torch.cat([marks, *grads]).detach()
        self.flying.append((flat, dist.all_reduce(flat, async_op=True)))

    def finish_gradients(self):
        while len(self.flying) < len(self.buckets):
            self.launch()
        for bucket, (flat, work) in zip(self.buckets, self.flying):
            work.wait()
            used, mean = flat[: len(bucket)], flat[len(bucket) :] / dist.get_world_size()
            for mark, p, part in zip(used, bucket, mean.split([p.numel() for p in bucket])):
                p.grad = part.view_as(p).clone() if mark > 0 else None
        self.begin()


# %% wrong: frozen parameters keep each rank's start
class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module = module
        for tensor in [*(p for p in module.parameters() if p.requires_grad), *module.buffers()]:
            dist.broadcast(tensor.detach(), src=0)
        limit, self.buckets, size = bucket_mb * 2**20, [], float("inf")
        for p in reversed([p for p in module.parameters() if p.requires_grad]):
            if size + p.nbytes > limit:
                self.buckets.append([])
                size = 0
            self.buckets[-1].append(p)
            size += p.nbytes
        self.bucket_of = {p: i for i, bucket in enumerate(self.buckets) for p in bucket}
        for p in self.bucket_of:
            p.register_post_accumulate_grad_hook(self.arrived)
        module.register_forward_pre_hook(self.share)
        self.begin()

    def begin(self):
        self.missing = [len(bucket) for bucket in self.buckets]
        self.flying = []

    def share(self, module, args):
        if module.training:
            for buffer in module.buffers():
                dist.broadcast(buffer, src=0)

    def arrived(self, p):
        self.missing[self.bucket_of[p]] -= 1
        while len(self.flying) < len(self.buckets) and self.missing[len(self.flying)] == 0:
            self.launch()

    def launch(self):
        bucket = self.buckets[len(self.flying)]
        marks = torch.tensor([float(p.grad is not None) for p in bucket], dtype=bucket[0].dtype, device=bucket[0].device)
        grads = [(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in bucket]
        flat = torch.cat([marks, *grads]).detach()
        self.flying.append((flat, dist.all_reduce(flat, async_op=True)))

    def finish_gradients(self):
        while len(self.flying) < len(self.buckets):
            self.launch()
        for bucket, (flat, work) in zip(self.buckets, self.flying):
            work.wait()
            used, mean = flat[: len(bucket)], flat[len(bucket) :] / dist.get_world_size()
            for mark, p, part in zip(used, bucket, mean.split([p.numel() for p in bucket])):
                p.grad = part.view_as(p).clone() if mark > 0 else None
        self.begin()


# %% wrong: buffers keep each rank's start
class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module = module
        for tensor in module.parameters():
            dist.broadcast(tensor.detach(), src=0)
        limit, self.buckets, size = bucket_mb * 2**20, [], float("inf")
        for p in reversed([p for p in module.parameters() if p.requires_grad]):
            if size + p.nbytes > limit:
                self.buckets.append([])
                size = 0
            self.buckets[-1].append(p)
            size += p.nbytes
        self.bucket_of = {p: i for i, bucket in enumerate(self.buckets) for p in bucket}
        for p in self.bucket_of:
            p.register_post_accumulate_grad_hook(self.arrived)
        module.register_forward_pre_hook(self.share)
        self.begin()

    def begin(self):
        self.missing = [len(bucket) for bucket in self.buckets]
        self.flying = []

    def share(self, module, args):
        if module.training:
            for buffer in module.buffers():
                dist.broadcast(buffer, src=0)

    def arrived(self, p):
        self.missing[self.bucket_of[p]] -= 1
        while len(self.flying) < len(self.buckets) and self.missing[len(self.flying)] == 0:
            self.launch()

    def launch(self):
        bucket = self.buckets[len(self.flying)]
        marks = torch.tensor([float(p.grad is not None) for p in bucket], dtype=bucket[0].dtype, device=bucket[0].device)
        grads = [(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in bucket]
        flat = torch.cat([marks, *grads]).detach()
        self.flying.append((flat, dist.all_reduce(flat, async_op=True)))

    def finish_gradients(self):
        while len(self.flying) < len(self.buckets):
            self.launch()
        for bucket, (flat, work) in zip(self.buckets, self.flying):
            work.wait()
            used, mean = flat[: len(bucket)], flat[len(bucket) :] / dist.get_world_size()
            for mark, p, part in zip(used, bucket, mean.split([p.numel() for p in bucket])):
                p.grad = part.view_as(p).clone() if mark > 0 else None
        self.begin()


# %% wrong: averages the start -> parameters equal
class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module = module
        for tensor in [*module.parameters(), *module.buffers()]:
            mean = tensor.detach().double()
            dist.all_reduce(mean)
            tensor.data.copy_(mean / dist.get_world_size())
        limit, self.buckets, size = bucket_mb * 2**20, [], float("inf")
        for p in reversed([p for p in module.parameters() if p.requires_grad]):
            if size + p.nbytes > limit:
                self.buckets.append([])
                size = 0
            self.buckets[-1].append(p)
            size += p.nbytes
        self.bucket_of = {p: i for i, bucket in enumerate(self.buckets) for p in bucket}
        for p in self.bucket_of:
            p.register_post_accumulate_grad_hook(self.arrived)
        module.register_forward_pre_hook(self.share)
        self.begin()

    def begin(self):
        self.missing = [len(bucket) for bucket in self.buckets]
        self.flying = []

    def share(self, module, args):
        if module.training:
            for buffer in module.buffers():
                dist.broadcast(buffer, src=0)

    def arrived(self, p):
        self.missing[self.bucket_of[p]] -= 1
        while len(self.flying) < len(self.buckets) and self.missing[len(self.flying)] == 0:
            self.launch()

    def launch(self):
        bucket = self.buckets[len(self.flying)]
        marks = torch.tensor([float(p.grad is not None) for p in bucket], dtype=bucket[0].dtype, device=bucket[0].device)
        grads = [(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in bucket]
        flat = torch.cat([marks, *grads]).detach()
        self.flying.append((flat, dist.all_reduce(flat, async_op=True)))

    def finish_gradients(self):
        while len(self.flying) < len(self.buckets):
            self.launch()
        for bucket, (flat, work) in zip(self.buckets, self.flying):
            work.wait()
            used, mean = flat[: len(bucket)], flat[len(bucket) :] / dist.get_world_size()
            for mark, p, part in zip(used, bucket, mean.split([p.numel() for p in bucket])):
                p.grad = part.view_as(p).clone() if mark > 0 else None
        self.begin()


# %% wrong: buffers are shared at construction only
class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module = module
        for tensor in [*module.parameters(), *module.buffers()]:
            dist.broadcast(tensor.detach(), src=0)
        limit, self.buckets, size = bucket_mb * 2**20, [], float("inf")
        for p in reversed([p for p in module.parameters() if p.requires_grad]):
            if size + p.nbytes > limit:
                self.buckets.append([])
                size = 0
            self.buckets[-1].append(p)
            size += p.nbytes
        self.bucket_of = {p: i for i, bucket in enumerate(self.buckets) for p in bucket}
        for p in self.bucket_of:
            p.register_post_accumulate_grad_hook(self.arrived)
        self.begin()

    def begin(self):
        self.missing = [len(bucket) for bucket in self.buckets]
        self.flying = []

    def share(self, module, args):
        if module.training:
            for buffer in module.buffers():
                dist.broadcast(buffer, src=0)

    def arrived(self, p):
        self.missing[self.bucket_of[p]] -= 1
        while len(self.flying) < len(self.buckets) and self.missing[len(self.flying)] == 0:
            self.launch()

    def launch(self):
        bucket = self.buckets[len(self.flying)]
        marks = torch.tensor([float(p.grad is not None) for p in bucket], dtype=bucket[0].dtype, device=bucket[0].device)
        grads = [(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in bucket]
        flat = torch.cat([marks, *grads]).detach()
        self.flying.append((flat, dist.all_reduce(flat, async_op=True)))

    def finish_gradients(self):
        while len(self.flying) < len(self.buckets):
            self.launch()
        for bucket, (flat, work) in zip(self.buckets, self.flying):
            work.wait()
            used, mean = flat[: len(bucket)], flat[len(bucket) :] / dist.get_world_size()
            for mark, p, part in zip(used, bucket, mean.split([p.numel() for p in bucket])):
                p.grad = part.view_as(p).clone() if mark > 0 else None
        self.begin()


# %% wrong: buffers are averaged -> need not be reduced at all
class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module = module
        for tensor in [*module.parameters(), *module.buffers()]:
            dist.broadcast(tensor.detach(), src=0)
        limit, self.buckets, size = bucket_mb * 2**20, [], float("inf")
        for p in reversed([p for p in module.parameters() if p.requires_grad]):
            if size + p.nbytes > limit:
                self.buckets.append([])
                size = 0
            self.buckets[-1].append(p)
            size += p.nbytes
        self.bucket_of = {p: i for i, bucket in enumerate(self.buckets) for p in bucket}
        for p in self.bucket_of:
            p.register_post_accumulate_grad_hook(self.arrived)
        module.register_forward_pre_hook(self.share)
        self.begin()

    def begin(self):
        self.missing = [len(bucket) for bucket in self.buckets]
        self.flying = []

    def share(self, module, args):
        if module.training:
            for buffer in module.buffers():
                mean = buffer.double()
                dist.all_reduce(mean)
                buffer.copy_(mean / dist.get_world_size())

    def arrived(self, p):
        self.missing[self.bucket_of[p]] -= 1
        while len(self.flying) < len(self.buckets) and self.missing[len(self.flying)] == 0:
            self.launch()

    def launch(self):
        bucket = self.buckets[len(self.flying)]
        marks = torch.tensor([float(p.grad is not None) for p in bucket], dtype=bucket[0].dtype, device=bucket[0].device)
        grads = [(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in bucket]
        flat = torch.cat([marks, *grads]).detach()
        self.flying.append((flat, dist.all_reduce(flat, async_op=True)))

    def finish_gradients(self):
        while len(self.flying) < len(self.buckets):
            self.launch()
        for bucket, (flat, work) in zip(self.buckets, self.flying):
            work.wait()
            used, mean = flat[: len(bucket)], flat[len(bucket) :] / dist.get_world_size()
            for mark, p, part in zip(used, bucket, mean.split([p.numel() for p in bucket])):
                p.grad = part.view_as(p).clone() if mark > 0 else None
        self.begin()


# %% wrong: buffers come from the last rank -> not what comes from rank 0's
class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module = module
        for tensor in [*module.parameters(), *module.buffers()]:
            dist.broadcast(tensor.detach(), src=0)
        limit, self.buckets, size = bucket_mb * 2**20, [], float("inf")
        for p in reversed([p for p in module.parameters() if p.requires_grad]):
            if size + p.nbytes > limit:
                self.buckets.append([])
                size = 0
            self.buckets[-1].append(p)
            size += p.nbytes
        self.bucket_of = {p: i for i, bucket in enumerate(self.buckets) for p in bucket}
        for p in self.bucket_of:
            p.register_post_accumulate_grad_hook(self.arrived)
        module.register_forward_pre_hook(self.share)
        self.begin()

    def begin(self):
        self.missing = [len(bucket) for bucket in self.buckets]
        self.flying = []

    def share(self, module, args):
        if module.training:
            for buffer in module.buffers():
                dist.broadcast(buffer, src=dist.get_world_size() - 1)

    def arrived(self, p):
        self.missing[self.bucket_of[p]] -= 1
        while len(self.flying) < len(self.buckets) and self.missing[len(self.flying)] == 0:
            self.launch()

    def launch(self):
        bucket = self.buckets[len(self.flying)]
        marks = torch.tensor([float(p.grad is not None) for p in bucket], dtype=bucket[0].dtype, device=bucket[0].device)
        grads = [(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in bucket]
        flat = torch.cat([marks, *grads]).detach()
        self.flying.append((flat, dist.all_reduce(flat, async_op=True)))

    def finish_gradients(self):
        while len(self.flying) < len(self.buckets):
            self.launch()
        for bucket, (flat, work) in zip(self.buckets, self.flying):
            work.wait()
            used, mean = flat[: len(bucket)], flat[len(bucket) :] / dist.get_world_size()
            for mark, p, part in zip(used, bucket, mean.split([p.numel() for p in bucket])):
                p.grad = part.view_as(p).clone() if mark > 0 else None
        self.begin()


# %% wrong: buffers are shared in the first forward only
class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module = module
        for tensor in [*module.parameters(), *module.buffers()]:
            dist.broadcast(tensor.detach(), src=0)
        limit, self.buckets, size = bucket_mb * 2**20, [], float("inf")
        for p in reversed([p for p in module.parameters() if p.requires_grad]):
            if size + p.nbytes > limit:
                self.buckets.append([])
                size = 0
            self.buckets[-1].append(p)
            size += p.nbytes
        self.bucket_of = {p: i for i, bucket in enumerate(self.buckets) for p in bucket}
        for p in self.bucket_of:
            p.register_post_accumulate_grad_hook(self.arrived)
        module.register_forward_pre_hook(self.share)
        self.begin()

    def begin(self):
        self.missing = [len(bucket) for bucket in self.buckets]
        self.flying = []

    def share(self, module, args):
        if module.training and not getattr(self, "shared", False):
            self.shared = True
            for buffer in module.buffers():
                dist.broadcast(buffer, src=0)

    def arrived(self, p):
        self.missing[self.bucket_of[p]] -= 1
        while len(self.flying) < len(self.buckets) and self.missing[len(self.flying)] == 0:
            self.launch()

    def launch(self):
        bucket = self.buckets[len(self.flying)]
        marks = torch.tensor([float(p.grad is not None) for p in bucket], dtype=bucket[0].dtype, device=bucket[0].device)
        grads = [(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in bucket]
        flat = torch.cat([marks, *grads]).detach()
        self.flying.append((flat, dist.all_reduce(flat, async_op=True)))

    def finish_gradients(self):
        while len(self.flying) < len(self.buckets):
            self.launch()
        for bucket, (flat, work) in zip(self.buckets, self.flying):
            work.wait()
            used, mean = flat[: len(bucket)], flat[len(bucket) :] / dist.get_world_size()
            for mark, p, part in zip(used, bucket, mean.split([p.numel() for p in bucket])):
                p.grad = part.view_as(p).clone() if mark > 0 else None
        self.begin()


# %% right: buffers are shared after each forward
class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module = module
        for tensor in [*module.parameters(), *module.buffers()]:
            dist.broadcast(tensor.detach(), src=0)
        limit, self.buckets, size = bucket_mb * 2**20, [], float("inf")
        for p in reversed([p for p in module.parameters() if p.requires_grad]):
            if size + p.nbytes > limit:
                self.buckets.append([])
                size = 0
            self.buckets[-1].append(p)
            size += p.nbytes
        self.bucket_of = {p: i for i, bucket in enumerate(self.buckets) for p in bucket}
        for p in self.bucket_of:
            p.register_post_accumulate_grad_hook(self.arrived)
        module.register_forward_hook(lambda module, args, output: self.share(module, args))
        self.begin()

    def begin(self):
        self.missing = [len(bucket) for bucket in self.buckets]
        self.flying = []

    def share(self, module, args):
        if module.training:
            for buffer in module.buffers():
                dist.broadcast(buffer, src=0)

    def arrived(self, p):
        self.missing[self.bucket_of[p]] -= 1
        while len(self.flying) < len(self.buckets) and self.missing[len(self.flying)] == 0:
            self.launch()

    def launch(self):
        bucket = self.buckets[len(self.flying)]
        marks = torch.tensor([float(p.grad is not None) for p in bucket], dtype=bucket[0].dtype, device=bucket[0].device)
        grads = [(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in bucket]
        flat = torch.cat([marks, *grads]).detach()
        self.flying.append((flat, dist.all_reduce(flat, async_op=True)))

    def finish_gradients(self):
        while len(self.flying) < len(self.buckets):
            self.launch()
        for bucket, (flat, work) in zip(self.buckets, self.flying):
            work.wait()
            used, mean = flat[: len(bucket)], flat[len(bucket) :] / dist.get_world_size()
            for mark, p, part in zip(used, bucket, mean.split([p.numel() for p in bucket])):
                p.grad = part.view_as(p).clone() if mark > 0 else None
        self.begin()


# %% wrong: everything leaves in finish_gradients
class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module = module
        for tensor in [*module.parameters(), *module.buffers()]:
            dist.broadcast(tensor.detach(), src=0)
        limit, self.buckets, size = bucket_mb * 2**20, [], float("inf")
        for p in reversed([p for p in module.parameters() if p.requires_grad]):
            if size + p.nbytes > limit:
                self.buckets.append([])
                size = 0
            self.buckets[-1].append(p)
            size += p.nbytes
        self.bucket_of = {p: i for i, bucket in enumerate(self.buckets) for p in bucket}
        for p in self.bucket_of:
            p.register_post_accumulate_grad_hook(self.arrived)
        module.register_forward_pre_hook(self.share)
        self.begin()

    def begin(self):
        self.missing = [len(bucket) for bucket in self.buckets]
        self.flying = []

    def share(self, module, args):
        if module.training:
            for buffer in module.buffers():
                dist.broadcast(buffer, src=0)

    def arrived(self, p):
        self.missing[self.bucket_of[p]] -= 1

    def launch(self):
        bucket = self.buckets[len(self.flying)]
        marks = torch.tensor([float(p.grad is not None) for p in bucket], dtype=bucket[0].dtype, device=bucket[0].device)
        grads = [(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in bucket]
        flat = torch.cat([marks, *grads]).detach()
        self.flying.append((flat, dist.all_reduce(flat, async_op=True)))

    def finish_gradients(self):
        while len(self.flying) < len(self.buckets):
            self.launch()
        for bucket, (flat, work) in zip(self.buckets, self.flying):
            work.wait()
            used, mean = flat[: len(bucket)], flat[len(bucket) :] / dist.get_world_size()
            for mark, p, part in zip(used, bucket, mean.split([p.numel() for p in bucket])):
                p.grad = part.view_as(p).clone() if mark > 0 else None
        self.begin()


# %% wrong: backward waits for each bucket
class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module = module
        for tensor in [*module.parameters(), *module.buffers()]:
            dist.broadcast(tensor.detach(), src=0)
        limit, self.buckets, size = bucket_mb * 2**20, [], float("inf")
        for p in reversed([p for p in module.parameters() if p.requires_grad]):
            if size + p.nbytes > limit:
                self.buckets.append([])
                size = 0
            self.buckets[-1].append(p)
            size += p.nbytes
        self.bucket_of = {p: i for i, bucket in enumerate(self.buckets) for p in bucket}
        for p in self.bucket_of:
            p.register_post_accumulate_grad_hook(self.arrived)
        module.register_forward_pre_hook(self.share)
        self.begin()

    def begin(self):
        self.missing = [len(bucket) for bucket in self.buckets]
        self.flying = []

    def share(self, module, args):
        if module.training:
            for buffer in module.buffers():
                dist.broadcast(buffer, src=0)

    def arrived(self, p):
        self.missing[self.bucket_of[p]] -= 1
        while len(self.flying) < len(self.buckets) and self.missing[len(self.flying)] == 0:
            self.launch()

    def launch(self):
        bucket = self.buckets[len(self.flying)]
        marks = torch.tensor([float(p.grad is not None) for p in bucket], dtype=bucket[0].dtype, device=bucket[0].device)
        grads = [(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in bucket]
        flat = torch.cat([marks, *grads]).detach()
        work = dist.all_reduce(flat, async_op=True)
        work.wait()
        self.flying.append((flat, work))

    def finish_gradients(self):
        while len(self.flying) < len(self.buckets):
            self.launch()
        for bucket, (flat, work) in zip(self.buckets, self.flying):
            work.wait()
            used, mean = flat[: len(bucket)], flat[len(bucket) :] / dist.get_world_size()
            for mark, p, part in zip(used, bucket, mean.split([p.numel() for p in bucket])):
                p.grad = part.view_as(p).clone() if mark > 0 else None
        self.begin()


# %% wrong: blocking all_reduce in the hook
class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module = module
        for tensor in [*module.parameters(), *module.buffers()]:
            dist.broadcast(tensor.detach(), src=0)
        limit, self.buckets, size = bucket_mb * 2**20, [], float("inf")
        for p in reversed([p for p in module.parameters() if p.requires_grad]):
            if size + p.nbytes > limit:
                self.buckets.append([])
                size = 0
            self.buckets[-1].append(p)
            size += p.nbytes
        self.bucket_of = {p: i for i, bucket in enumerate(self.buckets) for p in bucket}
        for p in self.bucket_of:
            p.register_post_accumulate_grad_hook(self.arrived)
        module.register_forward_pre_hook(self.share)
        self.begin()

    def begin(self):
        self.missing = [len(bucket) for bucket in self.buckets]
        self.flying = []

    def share(self, module, args):
        if module.training:
            for buffer in module.buffers():
                dist.broadcast(buffer, src=0)

    def arrived(self, p):
        self.missing[self.bucket_of[p]] -= 1
        while len(self.flying) < len(self.buckets) and self.missing[len(self.flying)] == 0:
            self.launch()

    def launch(self):
        bucket = self.buckets[len(self.flying)]
        marks = torch.tensor([float(p.grad is not None) for p in bucket], dtype=bucket[0].dtype, device=bucket[0].device)
        grads = [(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in bucket]
        flat = torch.cat([marks, *grads]).detach()
        dist.all_reduce(flat)
        self.flying.append((flat, None))

    def finish_gradients(self):
        while len(self.flying) < len(self.buckets):
            self.launch()
        for bucket, (flat, work) in zip(self.buckets, self.flying):
            used, mean = flat[: len(bucket)], flat[len(bucket) :] / dist.get_world_size()
            for mark, p, part in zip(used, bucket, mean.split([p.numel() for p in bucket])):
                p.grad = part.view_as(p).clone() if mark > 0 else None
        self.begin()


# %% wrong: never divides
class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module = module
        for tensor in [*module.parameters(), *module.buffers()]:
            dist.broadcast(tensor.detach(), src=0)
        limit, self.buckets, size = bucket_mb * 2**20, [], float("inf")
        for p in reversed([p for p in module.parameters() if p.requires_grad]):
            if size + p.nbytes > limit:
                self.buckets.append([])
                size = 0
            self.buckets[-1].append(p)
            size += p.nbytes
        self.bucket_of = {p: i for i, bucket in enumerate(self.buckets) for p in bucket}
        for p in self.bucket_of:
            p.register_post_accumulate_grad_hook(self.arrived)
        module.register_forward_pre_hook(self.share)
        self.begin()

    def begin(self):
        self.missing = [len(bucket) for bucket in self.buckets]
        self.flying = []

    def share(self, module, args):
        if module.training:
            for buffer in module.buffers():
                dist.broadcast(buffer, src=0)

    def arrived(self, p):
        self.missing[self.bucket_of[p]] -= 1
        while len(self.flying) < len(self.buckets) and self.missing[len(self.flying)] == 0:
            self.launch()

    def launch(self):
        bucket = self.buckets[len(self.flying)]
        marks = torch.tensor([float(p.grad is not None) for p in bucket], dtype=bucket[0].dtype, device=bucket[0].device)
        grads = [(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in bucket]
        flat = torch.cat([marks, *grads]).detach()
        self.flying.append((flat, dist.all_reduce(flat, async_op=True)))

    def finish_gradients(self):
        while len(self.flying) < len(self.buckets):
            self.launch()
        for bucket, (flat, work) in zip(self.buckets, self.flying):
            work.wait()
            used, mean = flat[: len(bucket)], flat[len(bucket) :]
            for mark, p, part in zip(used, bucket, mean.split([p.numel() for p in bucket])):
                p.grad = part.view_as(p).clone() if mark > 0 else None
        self.begin()


# %% wrong: halves on any number of ranks
class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module = module
        for tensor in [*module.parameters(), *module.buffers()]:
            dist.broadcast(tensor.detach(), src=0)
        limit, self.buckets, size = bucket_mb * 2**20, [], float("inf")
        for p in reversed([p for p in module.parameters() if p.requires_grad]):
            if size + p.nbytes > limit:
                self.buckets.append([])
                size = 0
            self.buckets[-1].append(p)
            size += p.nbytes
        self.bucket_of = {p: i for i, bucket in enumerate(self.buckets) for p in bucket}
        for p in self.bucket_of:
            p.register_post_accumulate_grad_hook(self.arrived)
        module.register_forward_pre_hook(self.share)
        self.begin()

    def begin(self):
        self.missing = [len(bucket) for bucket in self.buckets]
        self.flying = []

    def share(self, module, args):
        if module.training:
            for buffer in module.buffers():
                dist.broadcast(buffer, src=0)

    def arrived(self, p):
        self.missing[self.bucket_of[p]] -= 1
        while len(self.flying) < len(self.buckets) and self.missing[len(self.flying)] == 0:
            self.launch()

    def launch(self):
        bucket = self.buckets[len(self.flying)]
        marks = torch.tensor([float(p.grad is not None) for p in bucket], dtype=bucket[0].dtype, device=bucket[0].device)
        grads = [(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in bucket]
        flat = torch.cat([marks, *grads]).detach()
        self.flying.append((flat, dist.all_reduce(flat, async_op=True)))

    def finish_gradients(self):
        while len(self.flying) < len(self.buckets):
            self.launch()
        for bucket, (flat, work) in zip(self.buckets, self.flying):
            work.wait()
            used, mean = flat[: len(bucket)], flat[len(bucket) :] / 2
            for mark, p, part in zip(used, bucket, mean.split([p.numel() for p in bucket])):
                p.grad = part.view_as(p).clone() if mark > 0 else None
        self.begin()


# %% wrong: unused on every rank: zeros instead of None
class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module = module
        for tensor in [*module.parameters(), *module.buffers()]:
            dist.broadcast(tensor.detach(), src=0)
        limit, self.buckets, size = bucket_mb * 2**20, [], float("inf")
        for p in reversed([p for p in module.parameters() if p.requires_grad]):
            if size + p.nbytes > limit:
                self.buckets.append([])
                size = 0
            self.buckets[-1].append(p)
            size += p.nbytes
        self.bucket_of = {p: i for i, bucket in enumerate(self.buckets) for p in bucket}
        for p in self.bucket_of:
            p.register_post_accumulate_grad_hook(self.arrived)
        module.register_forward_pre_hook(self.share)
        self.begin()

    def begin(self):
        self.missing = [len(bucket) for bucket in self.buckets]
        self.flying = []

    def share(self, module, args):
        if module.training:
            for buffer in module.buffers():
                dist.broadcast(buffer, src=0)

    def arrived(self, p):
        self.missing[self.bucket_of[p]] -= 1
        while len(self.flying) < len(self.buckets) and self.missing[len(self.flying)] == 0:
            self.launch()

    def launch(self):
        bucket = self.buckets[len(self.flying)]
        marks = torch.tensor([float(p.grad is not None) for p in bucket], dtype=bucket[0].dtype, device=bucket[0].device)
        grads = [(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in bucket]
        flat = torch.cat([marks, *grads]).detach()
        self.flying.append((flat, dist.all_reduce(flat, async_op=True)))

    def finish_gradients(self):
        while len(self.flying) < len(self.buckets):
            self.launch()
        for bucket, (flat, work) in zip(self.buckets, self.flying):
            work.wait()
            used, mean = flat[: len(bucket)], flat[len(bucket) :] / dist.get_world_size()
            for mark, p, part in zip(used, bucket, mean.split([p.numel() for p in bucket])):
                p.grad = part.view_as(p).clone()
        self.begin()


# %% wrong: a rank that did not use it keeps None
class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module = module
        for tensor in [*module.parameters(), *module.buffers()]:
            dist.broadcast(tensor.detach(), src=0)
        limit, self.buckets, size = bucket_mb * 2**20, [], float("inf")
        for p in reversed([p for p in module.parameters() if p.requires_grad]):
            if size + p.nbytes > limit:
                self.buckets.append([])
                size = 0
            self.buckets[-1].append(p)
            size += p.nbytes
        self.bucket_of = {p: i for i, bucket in enumerate(self.buckets) for p in bucket}
        for p in self.bucket_of:
            p.register_post_accumulate_grad_hook(self.arrived)
        module.register_forward_pre_hook(self.share)
        self.begin()

    def begin(self):
        self.missing = [len(bucket) for bucket in self.buckets]
        self.flying = []

    def share(self, module, args):
        if module.training:
            for buffer in module.buffers():
                dist.broadcast(buffer, src=0)

    def arrived(self, p):
        self.missing[self.bucket_of[p]] -= 1
        while len(self.flying) < len(self.buckets) and self.missing[len(self.flying)] == 0:
            self.launch()

    def launch(self):
        bucket = self.buckets[len(self.flying)]
        marks = torch.tensor([float(p.grad is not None) for p in bucket], dtype=bucket[0].dtype, device=bucket[0].device)
        grads = [(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in bucket]
        flat = torch.cat([marks, *grads]).detach()
        self.flying.append((flat, dist.all_reduce(flat, async_op=True)))

    def finish_gradients(self):
        while len(self.flying) < len(self.buckets):
            self.launch()
        for bucket, (flat, work) in zip(self.buckets, self.flying):
            work.wait()
            used, mean = flat[: len(bucket)], flat[len(bucket) :] / dist.get_world_size()
            for mark, p, part in zip(used, bucket, mean.split([p.numel() for p in bucket])):
                p.grad = part.view_as(p).clone() if p.grad is not None else None
        self.begin()


# %% wrong: the mean over the ranks that used it -> count as zeros
class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module = module
        for tensor in [*module.parameters(), *module.buffers()]:
            dist.broadcast(tensor.detach(), src=0)
        limit, self.buckets, size = bucket_mb * 2**20, [], float("inf")
        for p in reversed([p for p in module.parameters() if p.requires_grad]):
            if size + p.nbytes > limit:
                self.buckets.append([])
                size = 0
            self.buckets[-1].append(p)
            size += p.nbytes
        self.bucket_of = {p: i for i, bucket in enumerate(self.buckets) for p in bucket}
        for p in self.bucket_of:
            p.register_post_accumulate_grad_hook(self.arrived)
        module.register_forward_pre_hook(self.share)
        self.begin()

    def begin(self):
        self.missing = [len(bucket) for bucket in self.buckets]
        self.flying = []

    def share(self, module, args):
        if module.training:
            for buffer in module.buffers():
                dist.broadcast(buffer, src=0)

    def arrived(self, p):
        self.missing[self.bucket_of[p]] -= 1
        while len(self.flying) < len(self.buckets) and self.missing[len(self.flying)] == 0:
            self.launch()

    def launch(self):
        bucket = self.buckets[len(self.flying)]
        marks = torch.tensor([float(p.grad is not None) for p in bucket], dtype=bucket[0].dtype, device=bucket[0].device)
        grads = [(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in bucket]
        flat = torch.cat([marks, *grads]).detach()
        self.flying.append((flat, dist.all_reduce(flat, async_op=True)))

    def finish_gradients(self):
        while len(self.flying) < len(self.buckets):
            self.launch()
        for bucket, (flat, work) in zip(self.buckets, self.flying):
            work.wait()
            used, mean = flat[: len(bucket)], flat[len(bucket) :] / dist.get_world_size()
            for mark, p, part in zip(used, bucket, mean.split([p.numel() for p in bucket])):
                p.grad = (part.view_as(p) * dist.get_world_size() / mark).clone() if mark > 0 else None
        self.begin()


# %% wrong: buckets leave as they fill, in each rank's own order
class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module = module
        for tensor in [*module.parameters(), *module.buffers()]:
            dist.broadcast(tensor.detach(), src=0)
        limit, self.buckets, size = bucket_mb * 2**20, [], float("inf")
        for p in reversed([p for p in module.parameters() if p.requires_grad]):
            if size + p.nbytes > limit:
                self.buckets.append([])
                size = 0
            self.buckets[-1].append(p)
            size += p.nbytes
        self.bucket_of = {p: i for i, bucket in enumerate(self.buckets) for p in bucket}
        for p in self.bucket_of:
            p.register_post_accumulate_grad_hook(self.arrived)
        module.register_forward_pre_hook(self.share)
        self.begin()

    def begin(self):
        self.missing = [len(bucket) for bucket in self.buckets]
        self.flying = {}

    def share(self, module, args):
        if module.training:
            for buffer in module.buffers():
                dist.broadcast(buffer, src=0)

    def arrived(self, p):
        self.missing[self.bucket_of[p]] -= 1
        if self.missing[self.bucket_of[p]] == 0:
            self.launch(self.bucket_of[p])

    def launch(self, i):
        bucket = self.buckets[i]
        marks = torch.tensor([float(p.grad is not None) for p in bucket], dtype=bucket[0].dtype, device=bucket[0].device)
        grads = [(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in bucket]
        flat = torch.cat([marks, *grads]).detach()
        self.flying[i] = flat, dist.all_reduce(flat, async_op=True)

    def finish_gradients(self):
        for i, bucket in enumerate(self.buckets):
            if i not in self.flying:
                self.launch(i)
            flat, work = self.flying[i]
            work.wait()
            used, mean = flat[: len(bucket)], flat[len(bucket) :] / dist.get_world_size()
            for mark, p, part in zip(used, bucket, mean.split([p.numel() for p in bucket])):
                p.grad = part.view_as(p).clone() if mark > 0 else None
        self.begin()


# %% wrong: one bucket for each parameter
class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module = module
        for tensor in [*module.parameters(), *module.buffers()]:
            dist.broadcast(tensor.detach(), src=0)
        limit, self.buckets, size = bucket_mb * 2**20, [], float("inf")
        for p in reversed([p for p in module.parameters() if p.requires_grad]):
            if True:
                self.buckets.append([])
                size = 0
            self.buckets[-1].append(p)
            size += p.nbytes
        self.bucket_of = {p: i for i, bucket in enumerate(self.buckets) for p in bucket}
        for p in self.bucket_of:
            p.register_post_accumulate_grad_hook(self.arrived)
        module.register_forward_pre_hook(self.share)
        self.begin()

    def begin(self):
        self.missing = [len(bucket) for bucket in self.buckets]
        self.flying = []

    def share(self, module, args):
        if module.training:
            for buffer in module.buffers():
                dist.broadcast(buffer, src=0)

    def arrived(self, p):
        self.missing[self.bucket_of[p]] -= 1
        while len(self.flying) < len(self.buckets) and self.missing[len(self.flying)] == 0:
            self.launch()

    def launch(self):
        bucket = self.buckets[len(self.flying)]
        marks = torch.tensor([float(p.grad is not None) for p in bucket], dtype=bucket[0].dtype, device=bucket[0].device)
        grads = [(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in bucket]
        flat = torch.cat([marks, *grads]).detach()
        self.flying.append((flat, dist.all_reduce(flat, async_op=True)))

    def finish_gradients(self):
        while len(self.flying) < len(self.buckets):
            self.launch()
        for bucket, (flat, work) in zip(self.buckets, self.flying):
            work.wait()
            used, mean = flat[: len(bucket)], flat[len(bucket) :] / dist.get_world_size()
            for mark, p, part in zip(used, bucket, mean.split([p.numel() for p in bucket])):
                p.grad = part.view_as(p).clone() if mark > 0 else None
        self.begin()


# %% wrong: one bucket for everything
class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module = module
        for tensor in [*module.parameters(), *module.buffers()]:
            dist.broadcast(tensor.detach(), src=0)
        limit, self.buckets, size = float("1e30"), [], float("inf")
        for p in reversed([p for p in module.parameters() if p.requires_grad]):
            if size + p.nbytes > limit:
                self.buckets.append([])
                size = 0
            self.buckets[-1].append(p)
            size += p.nbytes
        self.bucket_of = {p: i for i, bucket in enumerate(self.buckets) for p in bucket}
        for p in self.bucket_of:
            p.register_post_accumulate_grad_hook(self.arrived)
        module.register_forward_pre_hook(self.share)
        self.begin()

    def begin(self):
        self.missing = [len(bucket) for bucket in self.buckets]
        self.flying = []

    def share(self, module, args):
        if module.training:
            for buffer in module.buffers():
                dist.broadcast(buffer, src=0)

    def arrived(self, p):
        self.missing[self.bucket_of[p]] -= 1
        while len(self.flying) < len(self.buckets) and self.missing[len(self.flying)] == 0:
            self.launch()

    def launch(self):
        bucket = self.buckets[len(self.flying)]
        marks = torch.tensor([float(p.grad is not None) for p in bucket], dtype=bucket[0].dtype, device=bucket[0].device)
        grads = [(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in bucket]
        flat = torch.cat([marks, *grads]).detach()
        self.flying.append((flat, dist.all_reduce(flat, async_op=True)))

    def finish_gradients(self):
        while len(self.flying) < len(self.buckets):
            self.launch()
        for bucket, (flat, work) in zip(self.buckets, self.flying):
            work.wait()
            used, mean = flat[: len(bucket)], flat[len(bucket) :] / dist.get_world_size()
            for mark, p, part in zip(used, bucket, mean.split([p.numel() for p in bucket])):
                p.grad = part.view_as(p).clone() if mark > 0 else None
        self.begin()


# %% wrong: bucket_mb times too large -> and its unit
class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module = module
        for tensor in [*module.parameters(), *module.buffers()]:
            dist.broadcast(tensor.detach(), src=0)
        limit, self.buckets, size = bucket_mb * 2**30, [], float("inf")
        for p in reversed([p for p in module.parameters() if p.requires_grad]):
            if size + p.nbytes > limit:
                self.buckets.append([])
                size = 0
            self.buckets[-1].append(p)
            size += p.nbytes
        self.bucket_of = {p: i for i, bucket in enumerate(self.buckets) for p in bucket}
        for p in self.bucket_of:
            p.register_post_accumulate_grad_hook(self.arrived)
        module.register_forward_pre_hook(self.share)
        self.begin()

    def begin(self):
        self.missing = [len(bucket) for bucket in self.buckets]
        self.flying = []

    def share(self, module, args):
        if module.training:
            for buffer in module.buffers():
                dist.broadcast(buffer, src=0)

    def arrived(self, p):
        self.missing[self.bucket_of[p]] -= 1
        while len(self.flying) < len(self.buckets) and self.missing[len(self.flying)] == 0:
            self.launch()

    def launch(self):
        bucket = self.buckets[len(self.flying)]
        marks = torch.tensor([float(p.grad is not None) for p in bucket], dtype=bucket[0].dtype, device=bucket[0].device)
        grads = [(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in bucket]
        flat = torch.cat([marks, *grads]).detach()
        self.flying.append((flat, dist.all_reduce(flat, async_op=True)))

    def finish_gradients(self):
        while len(self.flying) < len(self.buckets):
            self.launch()
        for bucket, (flat, work) in zip(self.buckets, self.flying):
            work.wait()
            used, mean = flat[: len(bucket)], flat[len(bucket) :] / dist.get_world_size()
            for mark, p, part in zip(used, bucket, mean.split([p.numel() for p in bucket])):
                p.grad = part.view_as(p).clone() if mark > 0 else None
        self.begin()


# %% wrong: bucket_mb counts numbers, not bytes -> and its unit
class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module = module
        for tensor in [*module.parameters(), *module.buffers()]:
            dist.broadcast(tensor.detach(), src=0)
        limit, self.buckets, size = bucket_mb * 2**20, [], float("inf")
        for p in reversed([p for p in module.parameters() if p.requires_grad]):
            if size + p.numel() > limit:
                self.buckets.append([])
                size = 0
            self.buckets[-1].append(p)
            size += p.numel()
        self.bucket_of = {p: i for i, bucket in enumerate(self.buckets) for p in bucket}
        for p in self.bucket_of:
            p.register_post_accumulate_grad_hook(self.arrived)
        module.register_forward_pre_hook(self.share)
        self.begin()

    def begin(self):
        self.missing = [len(bucket) for bucket in self.buckets]
        self.flying = []

    def share(self, module, args):
        if module.training:
            for buffer in module.buffers():
                dist.broadcast(buffer, src=0)

    def arrived(self, p):
        self.missing[self.bucket_of[p]] -= 1
        while len(self.flying) < len(self.buckets) and self.missing[len(self.flying)] == 0:
            self.launch()

    def launch(self):
        bucket = self.buckets[len(self.flying)]
        marks = torch.tensor([float(p.grad is not None) for p in bucket], dtype=bucket[0].dtype, device=bucket[0].device)
        grads = [(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in bucket]
        flat = torch.cat([marks, *grads]).detach()
        self.flying.append((flat, dist.all_reduce(flat, async_op=True)))

    def finish_gradients(self):
        while len(self.flying) < len(self.buckets):
            self.launch()
        for bucket, (flat, work) in zip(self.buckets, self.flying):
            work.wait()
            used, mean = flat[: len(bucket)], flat[len(bucket) :] / dist.get_world_size()
            for mark, p, part in zip(used, bucket, mean.split([p.numel() for p in bucket])):
                p.grad = part.view_as(p).clone() if mark > 0 else None
        self.begin()


# %% wrong: buckets overflow: full is found out one parameter late -> one parameter too late
class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module = module
        for tensor in [*module.parameters(), *module.buffers()]:
            dist.broadcast(tensor.detach(), src=0)
        limit, self.buckets, size = bucket_mb * 2**20, [], float("inf")
        for p in reversed([p for p in module.parameters() if p.requires_grad]):
            if size > limit:
                self.buckets.append([])
                size = 0
            self.buckets[-1].append(p)
            size += p.nbytes
        self.bucket_of = {p: i for i, bucket in enumerate(self.buckets) for p in bucket}
        for p in self.bucket_of:
            p.register_post_accumulate_grad_hook(self.arrived)
        module.register_forward_pre_hook(self.share)
        self.begin()

    def begin(self):
        self.missing = [len(bucket) for bucket in self.buckets]
        self.flying = []

    def share(self, module, args):
        if module.training:
            for buffer in module.buffers():
                dist.broadcast(buffer, src=0)

    def arrived(self, p):
        self.missing[self.bucket_of[p]] -= 1
        while len(self.flying) < len(self.buckets) and self.missing[len(self.flying)] == 0:
            self.launch()

    def launch(self):
        bucket = self.buckets[len(self.flying)]
        marks = torch.tensor([float(p.grad is not None) for p in bucket], dtype=bucket[0].dtype, device=bucket[0].device)
        grads = [(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in bucket]
        flat = torch.cat([marks, *grads]).detach()
        self.flying.append((flat, dist.all_reduce(flat, async_op=True)))

    def finish_gradients(self):
        while len(self.flying) < len(self.buckets):
            self.launch()
        for bucket, (flat, work) in zip(self.buckets, self.flying):
            work.wait()
            used, mean = flat[: len(bucket)], flat[len(bucket) :] / dist.get_world_size()
            for mark, p, part in zip(used, bucket, mean.split([p.numel() for p in bucket])):
                p.grad = part.view_as(p).clone() if mark > 0 else None
        self.begin()


# %% wrong: bucket size 25 whatever is asked for
class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module = module
        for tensor in [*module.parameters(), *module.buffers()]:
            dist.broadcast(tensor.detach(), src=0)
        limit, self.buckets, size = 25 * 2**20, [], float("inf")
        for p in reversed([p for p in module.parameters() if p.requires_grad]):
            if size + p.nbytes > limit:
                self.buckets.append([])
                size = 0
            self.buckets[-1].append(p)
            size += p.nbytes
        self.bucket_of = {p: i for i, bucket in enumerate(self.buckets) for p in bucket}
        for p in self.bucket_of:
            p.register_post_accumulate_grad_hook(self.arrived)
        module.register_forward_pre_hook(self.share)
        self.begin()

    def begin(self):
        self.missing = [len(bucket) for bucket in self.buckets]
        self.flying = []

    def share(self, module, args):
        if module.training:
            for buffer in module.buffers():
                dist.broadcast(buffer, src=0)

    def arrived(self, p):
        self.missing[self.bucket_of[p]] -= 1
        while len(self.flying) < len(self.buckets) and self.missing[len(self.flying)] == 0:
            self.launch()

    def launch(self):
        bucket = self.buckets[len(self.flying)]
        marks = torch.tensor([float(p.grad is not None) for p in bucket], dtype=bucket[0].dtype, device=bucket[0].device)
        grads = [(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in bucket]
        flat = torch.cat([marks, *grads]).detach()
        self.flying.append((flat, dist.all_reduce(flat, async_op=True)))

    def finish_gradients(self):
        while len(self.flying) < len(self.buckets):
            self.launch()
        for bucket, (flat, work) in zip(self.buckets, self.flying):
            work.wait()
            used, mean = flat[: len(bucket)], flat[len(bucket) :] / dist.get_world_size()
            for mark, p, part in zip(used, bucket, mean.split([p.numel() for p in bucket])):
                p.grad = part.view_as(p).clone() if mark > 0 else None
        self.begin()


# %% wrong: buckets in the order of the forward
class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module = module
        for tensor in [*module.parameters(), *module.buffers()]:
            dist.broadcast(tensor.detach(), src=0)
        limit, self.buckets, size = bucket_mb * 2**20, [], float("inf")
        for p in [p for p in module.parameters() if p.requires_grad]:
            if size + p.nbytes > limit:
                self.buckets.append([])
                size = 0
            self.buckets[-1].append(p)
            size += p.nbytes
        self.bucket_of = {p: i for i, bucket in enumerate(self.buckets) for p in bucket}
        for p in self.bucket_of:
            p.register_post_accumulate_grad_hook(self.arrived)
        module.register_forward_pre_hook(self.share)
        self.begin()

    def begin(self):
        self.missing = [len(bucket) for bucket in self.buckets]
        self.flying = []

    def share(self, module, args):
        if module.training:
            for buffer in module.buffers():
                dist.broadcast(buffer, src=0)

    def arrived(self, p):
        self.missing[self.bucket_of[p]] -= 1
        while len(self.flying) < len(self.buckets) and self.missing[len(self.flying)] == 0:
            self.launch()

    def launch(self):
        bucket = self.buckets[len(self.flying)]
        marks = torch.tensor([float(p.grad is not None) for p in bucket], dtype=bucket[0].dtype, device=bucket[0].device)
        grads = [(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in bucket]
        flat = torch.cat([marks, *grads]).detach()
        self.flying.append((flat, dist.all_reduce(flat, async_op=True)))

    def finish_gradients(self):
        while len(self.flying) < len(self.buckets):
            self.launch()
        for bucket, (flat, work) in zip(self.buckets, self.flying):
            work.wait()
            used, mean = flat[: len(bucket)], flat[len(bucket) :] / dist.get_world_size()
            for mark, p, part in zip(used, bucket, mean.split([p.numel() for p in bucket])):
                p.grad = part.view_as(p).clone() if mark > 0 else None
        self.begin()


# %% wrong: travels in float32
class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module = module
        for tensor in [*module.parameters(), *module.buffers()]:
            dist.broadcast(tensor.detach(), src=0)
        limit, self.buckets, size = bucket_mb * 2**20, [], float("inf")
        for p in reversed([p for p in module.parameters() if p.requires_grad]):
            if size + p.nbytes > limit:
                self.buckets.append([])
                size = 0
            self.buckets[-1].append(p)
            size += p.nbytes
        self.bucket_of = {p: i for i, bucket in enumerate(self.buckets) for p in bucket}
        for p in self.bucket_of:
            p.register_post_accumulate_grad_hook(self.arrived)
        module.register_forward_pre_hook(self.share)
        self.begin()

    def begin(self):
        self.missing = [len(bucket) for bucket in self.buckets]
        self.flying = []

    def share(self, module, args):
        if module.training:
            for buffer in module.buffers():
                dist.broadcast(buffer, src=0)

    def arrived(self, p):
        self.missing[self.bucket_of[p]] -= 1
        while len(self.flying) < len(self.buckets) and self.missing[len(self.flying)] == 0:
            self.launch()

    def launch(self):
        bucket = self.buckets[len(self.flying)]
        marks = torch.tensor([float(p.grad is not None) for p in bucket], dtype=bucket[0].dtype, device=bucket[0].device)
        grads = [(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in bucket]
        flat = torch.cat([marks, *grads]).detach().float()
        self.flying.append((flat, dist.all_reduce(flat, async_op=True)))

    def finish_gradients(self):
        while len(self.flying) < len(self.buckets):
            self.launch()
        for bucket, (flat, work) in zip(self.buckets, self.flying):
            work.wait()
            used, mean = flat[: len(bucket)], flat[len(bucket) :] / dist.get_world_size()
            for mark, p, part in zip(used, bucket, mean.split([p.numel() for p in bucket])):
                p.grad = part.view_as(p).to(p.dtype) if mark > 0 else None
        self.begin()


# %% wrong: keeps the flat tensors of every step
class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module = module
        for tensor in [*module.parameters(), *module.buffers()]:
            dist.broadcast(tensor.detach(), src=0)
        limit, self.buckets, size = bucket_mb * 2**20, [], float("inf")
        for p in reversed([p for p in module.parameters() if p.requires_grad]):
            if size + p.nbytes > limit:
                self.buckets.append([])
                size = 0
            self.buckets[-1].append(p)
            size += p.nbytes
        self.bucket_of = {p: i for i, bucket in enumerate(self.buckets) for p in bucket}
        for p in self.bucket_of:
            p.register_post_accumulate_grad_hook(self.arrived)
        module.register_forward_pre_hook(self.share)
        self.history = []
        self.begin()

    def begin(self):
        self.missing = [len(bucket) for bucket in self.buckets]
        self.flying = []

    def share(self, module, args):
        if module.training:
            for buffer in module.buffers():
                dist.broadcast(buffer, src=0)

    def arrived(self, p):
        self.missing[self.bucket_of[p]] -= 1
        while len(self.flying) < len(self.buckets) and self.missing[len(self.flying)] == 0:
            self.launch()

    def launch(self):
        bucket = self.buckets[len(self.flying)]
        marks = torch.tensor([float(p.grad is not None) for p in bucket], dtype=bucket[0].dtype, device=bucket[0].device)
        grads = [(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in bucket]
        flat = torch.cat([marks, *grads]).detach()
        self.flying.append((flat, dist.all_reduce(flat, async_op=True)))

    def finish_gradients(self):
        while len(self.flying) < len(self.buckets):
            self.launch()
        for bucket, (flat, work) in zip(self.buckets, self.flying):
            work.wait()
            self.history.append(flat)
            used, mean = flat[: len(bucket)], flat[len(bucket) :] / dist.get_world_size()
            for mark, p, part in zip(used, bucket, mean.split([p.numel() for p in bucket])):
                p.grad = part.view_as(p).clone() if mark > 0 else None
        self.begin()


# %% wrong: keeps flat buckets and their means
class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module = module
        for tensor in [*module.parameters(), *module.buffers()]:
            dist.broadcast(tensor.detach(), src=0)
        limit, self.buckets, size = bucket_mb * 2**20, [], float("inf")
        for p in reversed([p for p in module.parameters() if p.requires_grad]):
            if size + p.nbytes > limit:
                self.buckets.append([])
                size = 0
            self.buckets[-1].append(p)
            size += p.nbytes
        self.bucket_of = {p: i for i, bucket in enumerate(self.buckets) for p in bucket}
        for p in self.bucket_of:
            p.register_post_accumulate_grad_hook(self.arrived)
        module.register_forward_pre_hook(self.share)
        self.kept = None
        self.begin()

    def begin(self):
        self.missing = [len(bucket) for bucket in self.buckets]
        self.flying = []

    def share(self, module, args):
        if module.training:
            for buffer in module.buffers():
                dist.broadcast(buffer, src=0)

    def arrived(self, p):
        self.missing[self.bucket_of[p]] -= 1
        while len(self.flying) < len(self.buckets) and self.missing[len(self.flying)] == 0:
            self.launch()

    def launch(self):
        bucket = self.buckets[len(self.flying)]
        marks = torch.tensor([float(p.grad is not None) for p in bucket], dtype=bucket[0].dtype, device=bucket[0].device)
        grads = [(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in bucket]
        flat = torch.cat([marks, *grads]).detach()
        self.flying.append((flat, dist.all_reduce(flat, async_op=True)))

    def finish_gradients(self):
        while len(self.flying) < len(self.buckets):
            self.launch()
        for bucket, (flat, work) in zip(self.buckets, self.flying):
            work.wait()
            self.kept = (self.kept or []) + [flat] if bucket is not self.buckets[0] else [flat]
            self.kept.append(flat / dist.get_world_size())
            used, mean = flat[: len(bucket)], flat[len(bucket) :] / dist.get_world_size()
            for mark, p, part in zip(used, bucket, mean.split([p.numel() for p in bucket])):
                p.grad = part.view_as(p).clone() if mark > 0 else None
        self.begin()


# %% wrong: works on a copy of the module
import copy


class MyDDP:
    def __init__(self, module, bucket_mb=25):
        module = self.module = copy.deepcopy(module)
        for tensor in [*module.parameters(), *module.buffers()]:
            dist.broadcast(tensor.detach(), src=0)
        limit, self.buckets, size = bucket_mb * 2**20, [], float("inf")
        for p in reversed([p for p in module.parameters() if p.requires_grad]):
            if size + p.nbytes > limit:
                self.buckets.append([])
                size = 0
            self.buckets[-1].append(p)
            size += p.nbytes
        self.bucket_of = {p: i for i, bucket in enumerate(self.buckets) for p in bucket}
        for p in self.bucket_of:
            p.register_post_accumulate_grad_hook(self.arrived)
        module.register_forward_pre_hook(self.share)
        self.begin()

    def begin(self):
        self.missing = [len(bucket) for bucket in self.buckets]
        self.flying = []

    def share(self, module, args):
        if module.training:
            for buffer in module.buffers():
                dist.broadcast(buffer, src=0)

    def arrived(self, p):
        self.missing[self.bucket_of[p]] -= 1
        while len(self.flying) < len(self.buckets) and self.missing[len(self.flying)] == 0:
            self.launch()

    def launch(self):
        bucket = self.buckets[len(self.flying)]
        marks = torch.tensor([float(p.grad is not None) for p in bucket], dtype=bucket[0].dtype, device=bucket[0].device)
        grads = [(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in bucket]
        flat = torch.cat([marks, *grads]).detach()
        self.flying.append((flat, dist.all_reduce(flat, async_op=True)))

    def finish_gradients(self):
        while len(self.flying) < len(self.buckets):
            self.launch()
        for bucket, (flat, work) in zip(self.buckets, self.flying):
            work.wait()
            used, mean = flat[: len(bucket)], flat[len(bucket) :] / dist.get_world_size()
            for mark, p, part in zip(used, bucket, mean.split([p.numel() for p in bucket])):
                p.grad = part.view_as(p).clone() if mark > 0 else None
        self.begin()


# %% wrong: counters are not set back after a step -> In step 2 every
class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module = module
        for tensor in [*module.parameters(), *module.buffers()]:
            dist.broadcast(tensor.detach(), src=0)
        limit, self.buckets, size = bucket_mb * 2**20, [], float("inf")
        for p in reversed([p for p in module.parameters() if p.requires_grad]):
            if size + p.nbytes > limit:
                self.buckets.append([])
                size = 0
            self.buckets[-1].append(p)
            size += p.nbytes
        self.bucket_of = {p: i for i, bucket in enumerate(self.buckets) for p in bucket}
        for p in self.bucket_of:
            p.register_post_accumulate_grad_hook(self.arrived)
        module.register_forward_pre_hook(self.share)
        self.begin()

    def begin(self):
        self.missing = [len(bucket) for bucket in self.buckets]
        self.flying = []

    def share(self, module, args):
        if module.training:
            for buffer in module.buffers():
                dist.broadcast(buffer, src=0)

    def arrived(self, p):
        self.missing[self.bucket_of[p]] -= 1
        while len(self.flying) < len(self.buckets) and self.missing[len(self.flying)] == 0:
            self.launch()

    def launch(self):
        bucket = self.buckets[len(self.flying)]
        marks = torch.tensor([float(p.grad is not None) for p in bucket], dtype=bucket[0].dtype, device=bucket[0].device)
        grads = [(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in bucket]
        flat = torch.cat([marks, *grads]).detach()
        self.flying.append((flat, dist.all_reduce(flat, async_op=True)))

    def finish_gradients(self):
        while len(self.flying) < len(self.buckets):
            self.launch()
        for bucket, (flat, work) in zip(self.buckets, self.flying):
            work.wait()
            used, mean = flat[: len(bucket)], flat[len(bucket) :] / dist.get_world_size()
            for mark, p, part in zip(used, bucket, mean.split([p.numel() for p in bucket])):
                p.grad = part.view_as(p).clone() if mark > 0 else None
        self.flying = []


# %% wrong: waits for the last bucket only
class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module = module
        for tensor in [*module.parameters(), *module.buffers()]:
            dist.broadcast(tensor.detach(), src=0)
        limit, self.buckets, size = bucket_mb * 2**20, [], float("inf")
        for p in reversed([p for p in module.parameters() if p.requires_grad]):
            if size + p.nbytes > limit:
                self.buckets.append([])
                size = 0
            self.buckets[-1].append(p)
            size += p.nbytes
        self.bucket_of = {p: i for i, bucket in enumerate(self.buckets) for p in bucket}
        for p in self.bucket_of:
            p.register_post_accumulate_grad_hook(self.arrived)
        module.register_forward_pre_hook(self.share)
        self.begin()

    def begin(self):
        self.missing = [len(bucket) for bucket in self.buckets]
        self.flying = []

    def share(self, module, args):
        if module.training:
            for buffer in module.buffers():
                dist.broadcast(buffer, src=0)

    def arrived(self, p):
        self.missing[self.bucket_of[p]] -= 1
        while len(self.flying) < len(self.buckets) and self.missing[len(self.flying)] == 0:
            self.launch()

    def launch(self):
        bucket = self.buckets[len(self.flying)]
        marks = torch.tensor([float(p.grad is not None) for p in bucket], dtype=bucket[0].dtype, device=bucket[0].device)
        grads = [(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in bucket]
        flat = torch.cat([marks, *grads]).detach()
        self.flying.append((flat, dist.all_reduce(flat, async_op=True)))

    def finish_gradients(self):
        while len(self.flying) < len(self.buckets):
            self.launch()
        for bucket, (flat, work) in zip(self.buckets, self.flying):
            if bucket is self.buckets[-1]:
                work.wait()
            used, mean = flat[: len(bucket)], flat[len(bucket) :] / dist.get_world_size()
            for mark, p, part in zip(used, bucket, mean.split([p.numel() for p in bucket])):
                p.grad = part.view_as(p).clone() if mark > 0 else None
        self.begin()


# %% wrong: gives frozen parameters zeros
class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module = module
        for tensor in [*module.parameters(), *module.buffers()]:
            dist.broadcast(tensor.detach(), src=0)
        limit, self.buckets, size = bucket_mb * 2**20, [], float("inf")
        for p in reversed([p for p in module.parameters() if p.requires_grad]):
            if size + p.nbytes > limit:
                self.buckets.append([])
                size = 0
            self.buckets[-1].append(p)
            size += p.nbytes
        self.bucket_of = {p: i for i, bucket in enumerate(self.buckets) for p in bucket}
        for p in self.bucket_of:
            p.register_post_accumulate_grad_hook(self.arrived)
        module.register_forward_pre_hook(self.share)
        self.begin()

    def begin(self):
        self.missing = [len(bucket) for bucket in self.buckets]
        self.flying = []

    def share(self, module, args):
        if module.training:
            for buffer in module.buffers():
                dist.broadcast(buffer, src=0)

    def arrived(self, p):
        self.missing[self.bucket_of[p]] -= 1
        while len(self.flying) < len(self.buckets) and self.missing[len(self.flying)] == 0:
            self.launch()

    def launch(self):
        bucket = self.buckets[len(self.flying)]
        marks = torch.tensor([float(p.grad is not None) for p in bucket], dtype=bucket[0].dtype, device=bucket[0].device)
        grads = [(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in bucket]
        flat = torch.cat([marks, *grads]).detach()
        self.flying.append((flat, dist.all_reduce(flat, async_op=True)))

    def finish_gradients(self):
        for p in self.module.parameters():
            if not p.requires_grad:
                p.grad = torch.zeros_like(p)
        while len(self.flying) < len(self.buckets):
            self.launch()
        for bucket, (flat, work) in zip(self.buckets, self.flying):
            work.wait()
            used, mean = flat[: len(bucket)], flat[len(bucket) :] / dist.get_world_size()
            for mark, p, part in zip(used, bucket, mean.split([p.numel() for p in bucket])):
                p.grad = part.view_as(p).clone() if mark > 0 else None
        self.begin()


# %% wrong: sends everything a second time at the end
class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module = module
        for tensor in [*module.parameters(), *module.buffers()]:
            dist.broadcast(tensor.detach(), src=0)
        limit, self.buckets, size = bucket_mb * 2**20, [], float("inf")
        for p in reversed([p for p in module.parameters() if p.requires_grad]):
            if size + p.nbytes > limit:
                self.buckets.append([])
                size = 0
            self.buckets[-1].append(p)
            size += p.nbytes
        self.bucket_of = {p: i for i, bucket in enumerate(self.buckets) for p in bucket}
        for p in self.bucket_of:
            p.register_post_accumulate_grad_hook(self.arrived)
        module.register_forward_pre_hook(self.share)
        self.begin()

    def begin(self):
        self.missing = [len(bucket) for bucket in self.buckets]
        self.flying = []

    def share(self, module, args):
        if module.training:
            for buffer in module.buffers():
                dist.broadcast(buffer, src=0)

    def arrived(self, p):
        self.missing[self.bucket_of[p]] -= 1
        while len(self.flying) < len(self.buckets) and self.missing[len(self.flying)] == 0:
            self.launch()

    def launch(self):
        bucket = self.buckets[len(self.flying)]
        marks = torch.tensor([float(p.grad is not None) for p in bucket], dtype=bucket[0].dtype, device=bucket[0].device)
        grads = [(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in bucket]
        flat = torch.cat([marks, *grads]).detach()
        self.flying.append((flat, dist.all_reduce(flat, async_op=True)))

    def finish_gradients(self):
        for p in self.bucket_of:
            dist.all_reduce(torch.zeros_like(p))
        while len(self.flying) < len(self.buckets):
            self.launch()
        for bucket, (flat, work) in zip(self.buckets, self.flying):
            work.wait()
            used, mean = flat[: len(bucket)], flat[len(bucket) :] / dist.get_world_size()
            for mark, p, part in zip(used, bucket, mean.split([p.numel() for p in bucket])):
                p.grad = part.view_as(p).clone() if mark > 0 else None
        self.begin()


# %% wrong: without .module
class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.model = module
        for tensor in [*module.parameters(), *module.buffers()]:
            dist.broadcast(tensor.detach(), src=0)
        limit, self.buckets, size = bucket_mb * 2**20, [], float("inf")
        for p in reversed([p for p in module.parameters() if p.requires_grad]):
            if size + p.nbytes > limit:
                self.buckets.append([])
                size = 0
            self.buckets[-1].append(p)
            size += p.nbytes
        self.bucket_of = {p: i for i, bucket in enumerate(self.buckets) for p in bucket}
        for p in self.bucket_of:
            p.register_post_accumulate_grad_hook(self.arrived)
        module.register_forward_pre_hook(self.share)
        self.begin()

    def begin(self):
        self.missing = [len(bucket) for bucket in self.buckets]
        self.flying = []

    def share(self, module, args):
        if module.training:
            for buffer in module.buffers():
                dist.broadcast(buffer, src=0)

    def arrived(self, p):
        self.missing[self.bucket_of[p]] -= 1
        while len(self.flying) < len(self.buckets) and self.missing[len(self.flying)] == 0:
            self.launch()

    def launch(self):
        bucket = self.buckets[len(self.flying)]
        marks = torch.tensor([float(p.grad is not None) for p in bucket], dtype=bucket[0].dtype, device=bucket[0].device)
        grads = [(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in bucket]
        flat = torch.cat([marks, *grads]).detach()
        self.flying.append((flat, dist.all_reduce(flat, async_op=True)))

    def finish_gradients(self):
        while len(self.flying) < len(self.buckets):
            self.launch()
        for bucket, (flat, work) in zip(self.buckets, self.flying):
            work.wait()
            used, mean = flat[: len(bucket)], flat[len(bucket) :] / dist.get_world_size()
            for mark, p, part in zip(used, bucket, mean.split([p.numel() for p in bucket])):
                p.grad = part.view_as(p).clone() if mark > 0 else None
        self.begin()


# %% wrong: averages the weights at the end of a step as well
class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module = module
        for tensor in [*module.parameters(), *module.buffers()]:
            dist.broadcast(tensor.detach(), src=0)
        limit, self.buckets, size = bucket_mb * 2**20, [], float("inf")
        for p in reversed([p for p in module.parameters() if p.requires_grad]):
            if size + p.nbytes > limit:
                self.buckets.append([])
                size = 0
            self.buckets[-1].append(p)
            size += p.nbytes
        self.bucket_of = {p: i for i, bucket in enumerate(self.buckets) for p in bucket}
        for p in self.bucket_of:
            p.register_post_accumulate_grad_hook(self.arrived)
        module.register_forward_pre_hook(self.share)
        self.begin()

    def begin(self):
        self.missing = [len(bucket) for bucket in self.buckets]
        self.flying = []

    def share(self, module, args):
        if module.training:
            for buffer in module.buffers():
                dist.broadcast(buffer, src=0)

    def arrived(self, p):
        self.missing[self.bucket_of[p]] -= 1
        while len(self.flying) < len(self.buckets) and self.missing[len(self.flying)] == 0:
            self.launch()

    def launch(self):
        bucket = self.buckets[len(self.flying)]
        marks = torch.tensor([float(p.grad is not None) for p in bucket], dtype=bucket[0].dtype, device=bucket[0].device)
        grads = [(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in bucket]
        flat = torch.cat([marks, *grads]).detach()
        self.flying.append((flat, dist.all_reduce(flat, async_op=True)))

    def finish_gradients(self):
        for p in self.module.parameters():
            dist.all_reduce(p.data)
            p.data /= dist.get_world_size()
        while len(self.flying) < len(self.buckets):
            self.launch()
        for bucket, (flat, work) in zip(self.buckets, self.flying):
            work.wait()
            used, mean = flat[: len(bucket)], flat[len(bucket) :] / dist.get_world_size()
            for mark, p, part in zip(used, bucket, mean.split([p.numel() for p in bucket])):
                p.grad = part.view_as(p).clone() if mark > 0 else None
        self.begin()


# %% wrong: a parameter that this rank did not use is not sent
class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module = module
        for tensor in [*module.parameters(), *module.buffers()]:
            dist.broadcast(tensor.detach(), src=0)
        limit, self.buckets, size = bucket_mb * 2**20, [], float("inf")
        for p in reversed([p for p in module.parameters() if p.requires_grad]):
            if size + p.nbytes > limit:
                self.buckets.append([])
                size = 0
            self.buckets[-1].append(p)
            size += p.nbytes
        self.bucket_of = {p: i for i, bucket in enumerate(self.buckets) for p in bucket}
        for p in self.bucket_of:
            p.register_post_accumulate_grad_hook(self.arrived)
        module.register_forward_pre_hook(self.share)
        self.begin()

    def begin(self):
        self.missing = [len(bucket) for bucket in self.buckets]
        self.flying = []

    def share(self, module, args):
        if module.training:
            for buffer in module.buffers():
                dist.broadcast(buffer, src=0)

    def arrived(self, p):
        self.missing[self.bucket_of[p]] -= 1
        while len(self.flying) < len(self.buckets) and self.missing[len(self.flying)] == 0:
            self.launch()

    def launch(self):
        bucket = self.buckets[len(self.flying)]
        marks = torch.tensor([float(p.grad is not None) for p in bucket], dtype=bucket[0].dtype, device=bucket[0].device)
        grads = [p.grad.flatten() for p in bucket if p.grad is not None]
        flat = torch.cat([marks, *grads]).detach()
        self.flying.append((flat, dist.all_reduce(flat, async_op=True)))

    def finish_gradients(self):
        while len(self.flying) < len(self.buckets):
            self.launch()
        for bucket, (flat, work) in zip(self.buckets, self.flying):
            work.wait()
            used, mean = flat[: len(bucket)], flat[len(bucket) :] / dist.get_world_size()
            for mark, p, part in zip(used, bucket, mean.split([p.numel() for p in bucket])):
                p.grad = part.view_as(p).clone() if mark > 0 else None
        self.begin()


# %% wrong: marks as large as the gradients
class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module = module
        for tensor in [*module.parameters(), *module.buffers()]:
            dist.broadcast(tensor.detach(), src=0)
        limit, self.buckets, size = bucket_mb * 2**20, [], float("inf")
        for p in reversed([p for p in module.parameters() if p.requires_grad]):
            if size + p.nbytes > limit:
                self.buckets.append([])
                size = 0
            self.buckets[-1].append(p)
            size += p.nbytes
        self.bucket_of = {p: i for i, bucket in enumerate(self.buckets) for p in bucket}
        for p in self.bucket_of:
            p.register_post_accumulate_grad_hook(self.arrived)
        module.register_forward_pre_hook(self.share)
        self.begin()

    def begin(self):
        self.missing = [len(bucket) for bucket in self.buckets]
        self.flying = []

    def share(self, module, args):
        if module.training:
            for buffer in module.buffers():
                dist.broadcast(buffer, src=0)

    def arrived(self, p):
        self.missing[self.bucket_of[p]] -= 1
        while len(self.flying) < len(self.buckets) and self.missing[len(self.flying)] == 0:
            self.launch()

    def launch(self):
        bucket = self.buckets[len(self.flying)]
        marks = torch.cat([torch.full((p.numel(),), float(p.grad is not None), dtype=p.dtype, device=p.device) for p in bucket])
        grads = [(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in bucket]
        flat = torch.cat([marks, *grads]).detach()
        self.flying.append((flat, dist.all_reduce(flat, async_op=True)))

    def finish_gradients(self):
        while len(self.flying) < len(self.buckets):
            self.launch()
        for bucket, (flat, work) in zip(self.buckets, self.flying):
            work.wait()
            used, mean = flat.chunk(2)
            used, mean = [u[0] for u in used.split([p.numel() for p in bucket])], mean / dist.get_world_size()
            for mark, p, part in zip(used, bucket, mean.split([p.numel() for p in bucket])):
                p.grad = part.view_as(p).clone() if mark > 0 else None
        self.begin()


# %% wrong: a large parameter never travels
class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module = module
        for tensor in [*module.parameters(), *module.buffers()]:
            dist.broadcast(tensor.detach(), src=0)
        limit, self.buckets, size = bucket_mb * 2**20, [], float("inf")
        for p in reversed([p for p in module.parameters() if p.requires_grad and p.nbytes <= limit]):
            if size + p.nbytes > limit:
                self.buckets.append([])
                size = 0
            self.buckets[-1].append(p)
            size += p.nbytes
        self.bucket_of = {p: i for i, bucket in enumerate(self.buckets) for p in bucket}
        for p in self.bucket_of:
            p.register_post_accumulate_grad_hook(self.arrived)
        module.register_forward_pre_hook(self.share)
        self.begin()

    def begin(self):
        self.missing = [len(bucket) for bucket in self.buckets]
        self.flying = []

    def share(self, module, args):
        if module.training:
            for buffer in module.buffers():
                dist.broadcast(buffer, src=0)

    def arrived(self, p):
        self.missing[self.bucket_of[p]] -= 1
        while len(self.flying) < len(self.buckets) and self.missing[len(self.flying)] == 0:
            self.launch()

    def launch(self):
        bucket = self.buckets[len(self.flying)]
        marks = torch.tensor([float(p.grad is not None) for p in bucket], dtype=bucket[0].dtype, device=bucket[0].device)
        grads = [(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in bucket]
        flat = torch.cat([marks, *grads]).detach()
        self.flying.append((flat, dist.all_reduce(flat, async_op=True)))

    def finish_gradients(self):
        while len(self.flying) < len(self.buckets):
            self.launch()
        for bucket, (flat, work) in zip(self.buckets, self.flying):
            work.wait()
            used, mean = flat[: len(bucket)], flat[len(bucket) :] / dist.get_world_size()
            for mark, p, part in zip(used, bucket, mean.split([p.numel() for p in bucket])):
                p.grad = part.view_as(p).clone() if mark > 0 else None
        self.begin()


# %% wrong: only the first of the step's three is right: hooks are taken off
class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module = module
        for tensor in [*module.parameters(), *module.buffers()]:
            dist.broadcast(tensor.detach(), src=0)
        limit, self.buckets, size = bucket_mb * 2**20, [], float("inf")
        for p in reversed([p for p in module.parameters() if p.requires_grad]):
            if size + p.nbytes > limit:
                self.buckets.append([])
                size = 0
            self.buckets[-1].append(p)
            size += p.nbytes
        self.bucket_of = {p: i for i, bucket in enumerate(self.buckets) for p in bucket}
        for p in self.bucket_of:
            self.handles = getattr(self, 'handles', []) + [p.register_post_accumulate_grad_hook(self.arrived)]
        module.register_forward_pre_hook(self.share)
        self.begin()

    def begin(self):
        self.missing = [len(bucket) for bucket in self.buckets]
        self.flying = []

    def share(self, module, args):
        if module.training:
            for buffer in module.buffers():
                dist.broadcast(buffer, src=0)

    def arrived(self, p):
        self.missing[self.bucket_of[p]] -= 1
        while len(self.flying) < len(self.buckets) and self.missing[len(self.flying)] == 0:
            self.launch()

    def launch(self):
        bucket = self.buckets[len(self.flying)]
        marks = torch.tensor([float(p.grad is not None) for p in bucket], dtype=bucket[0].dtype, device=bucket[0].device)
        grads = [(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in bucket]
        flat = torch.cat([marks, *grads]).detach()
        self.flying.append((flat, dist.all_reduce(flat, async_op=True)))

    def finish_gradients(self):
        while len(self.flying) < len(self.buckets):
            self.launch()
        for bucket, (flat, work) in zip(self.buckets, self.flying):
            work.wait()
            used, mean = flat[: len(bucket)], flat[len(bucket) :] / dist.get_world_size()
            for mark, p, part in zip(used, bucket, mean.split([p.numel() for p in bucket])):
                p.grad = part.view_as(p).clone() if mark > 0 else None
        [handle.remove() for handle in self.handles]
        self.begin()


# %% wrong: finish_gradients is called finish
class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module = module
        for tensor in [*module.parameters(), *module.buffers()]:
            dist.broadcast(tensor.detach(), src=0)
        limit, self.buckets, size = bucket_mb * 2**20, [], float("inf")
        for p in reversed([p for p in module.parameters() if p.requires_grad]):
            if size + p.nbytes > limit:
                self.buckets.append([])
                size = 0
            self.buckets[-1].append(p)
            size += p.nbytes
        self.bucket_of = {p: i for i, bucket in enumerate(self.buckets) for p in bucket}
        for p in self.bucket_of:
            p.register_post_accumulate_grad_hook(self.arrived)
        module.register_forward_pre_hook(self.share)
        self.begin()

    def begin(self):
        self.missing = [len(bucket) for bucket in self.buckets]
        self.flying = []

    def share(self, module, args):
        if module.training:
            for buffer in module.buffers():
                dist.broadcast(buffer, src=0)

    def arrived(self, p):
        self.missing[self.bucket_of[p]] -= 1
        while len(self.flying) < len(self.buckets) and self.missing[len(self.flying)] == 0:
            self.launch()

    def launch(self):
        bucket = self.buckets[len(self.flying)]
        marks = torch.tensor([float(p.grad is not None) for p in bucket], dtype=bucket[0].dtype, device=bucket[0].device)
        grads = [(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in bucket]
        flat = torch.cat([marks, *grads]).detach()
        self.flying.append((flat, dist.all_reduce(flat, async_op=True)))

    def finish(self):
        while len(self.flying) < len(self.buckets):
            self.launch()
        for bucket, (flat, work) in zip(self.buckets, self.flying):
            work.wait()
            used, mean = flat[: len(bucket)], flat[len(bucket) :] / dist.get_world_size()
            for mark, p, part in zip(used, bucket, mean.split([p.numel() for p in bucket])):
                p.grad = part.view_as(p).clone() if mark > 0 else None
        self.begin()


# %% right: marks in front of each bucket
class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module = module
        for tensor in [*module.parameters(), *module.buffers()]:
            dist.broadcast(tensor.detach(), src=0)
        limit, self.buckets, size = bucket_mb * 2**20, [], float("inf")
        for p in reversed([p for p in module.parameters() if p.requires_grad]):
            if size + p.nbytes > limit:
                self.buckets.append([])
                size = 0
            self.buckets[-1].append(p)
            size += p.nbytes
        self.bucket_of = {p: i for i, bucket in enumerate(self.buckets) for p in bucket}
        for p in self.bucket_of:
            p.register_post_accumulate_grad_hook(self.arrived)
        module.register_forward_pre_hook(self.share)
        self.begin()

    def begin(self):
        self.missing = [len(bucket) for bucket in self.buckets]
        self.flying = []

    def share(self, module, args):
        if module.training:
            for buffer in module.buffers():
                dist.broadcast(buffer, src=0)

    def arrived(self, p):
        self.missing[self.bucket_of[p]] -= 1
        while len(self.flying) < len(self.buckets) and self.missing[len(self.flying)] == 0:
            self.launch()

    def launch(self):
        bucket = self.buckets[len(self.flying)]
        marks = torch.tensor([float(p.grad is not None) for p in bucket], dtype=bucket[0].dtype, device=bucket[0].device)
        grads = [(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in bucket]
        flat = torch.cat([marks, *grads]).detach()
        self.flying.append((flat, dist.all_reduce(flat, async_op=True)))

    def finish_gradients(self):
        while len(self.flying) < len(self.buckets):
            self.launch()
        for bucket, (flat, work) in zip(self.buckets, self.flying):
            work.wait()
            used, mean = flat[: len(bucket)], flat[len(bucket) :] / dist.get_world_size()
            for mark, p, part in zip(used, bucket, mean.split([p.numel() for p in bucket])):
                p.grad = part.view_as(p).clone() if mark > 0 else None
        self.begin()


# %% right: views of the flat tensors
class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module = module
        for tensor in [*module.parameters(), *module.buffers()]:
            dist.broadcast(tensor.detach(), src=0)
        limit, self.buckets, size = bucket_mb * 2**20, [], float("inf")
        for p in reversed([p for p in module.parameters() if p.requires_grad]):
            if size + p.nbytes > limit:
                self.buckets.append([])
                size = 0
            self.buckets[-1].append(p)
            size += p.nbytes
        self.bucket_of = {p: i for i, bucket in enumerate(self.buckets) for p in bucket}
        for p in self.bucket_of:
            p.register_post_accumulate_grad_hook(self.arrived)
        module.register_forward_pre_hook(self.share)
        self.begin()

    def begin(self):
        self.missing = [len(bucket) for bucket in self.buckets]
        self.flying = []

    def share(self, module, args):
        if module.training:
            for buffer in module.buffers():
                dist.broadcast(buffer, src=0)

    def arrived(self, p):
        self.missing[self.bucket_of[p]] -= 1
        while len(self.flying) < len(self.buckets) and self.missing[len(self.flying)] == 0:
            self.launch()

    def launch(self):
        bucket = self.buckets[len(self.flying)]
        marks = torch.tensor([float(p.grad is not None) for p in bucket], dtype=bucket[0].dtype, device=bucket[0].device)
        grads = [(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in bucket]
        flat = torch.cat([marks, *grads]).detach()
        self.flying.append((flat, dist.all_reduce(flat, async_op=True)))

    def finish_gradients(self):
        while len(self.flying) < len(self.buckets):
            self.launch()
        for bucket, (flat, work) in zip(self.buckets, self.flying):
            work.wait()
            used, mean = flat[: len(bucket)], flat[len(bucket) :].div_(dist.get_world_size())
            for mark, p, part in zip(used, bucket, mean.split([p.numel() for p in bucket])):
                p.grad = part.view_as(p) if mark > 0 else None
        self.begin()


# %% right: futures that divide
class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module = module
        for tensor in [*module.parameters(), *module.buffers()]:
            dist.broadcast(tensor.detach(), src=0)
        limit, self.buckets, size = bucket_mb * 2**20, [], float("inf")
        for p in reversed([p for p in module.parameters() if p.requires_grad]):
            if size + p.nbytes > limit:
                self.buckets.append([])
                size = 0
            self.buckets[-1].append(p)
            size += p.nbytes
        self.bucket_of = {p: i for i, bucket in enumerate(self.buckets) for p in bucket}
        for p in self.bucket_of:
            p.register_post_accumulate_grad_hook(self.arrived)
        module.register_forward_pre_hook(self.share)
        self.begin()

    def begin(self):
        self.missing = [len(bucket) for bucket in self.buckets]
        self.flying = []

    def share(self, module, args):
        if module.training:
            for buffer in module.buffers():
                dist.broadcast(buffer, src=0)

    def arrived(self, p):
        self.missing[self.bucket_of[p]] -= 1
        while len(self.flying) < len(self.buckets) and self.missing[len(self.flying)] == 0:
            self.launch()

    def launch(self):
        bucket = self.buckets[len(self.flying)]
        marks = torch.tensor([float(p.grad is not None) for p in bucket], dtype=bucket[0].dtype, device=bucket[0].device)
        grads = [(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in bucket]
        flat = torch.cat([marks, *grads]).detach()
        n = dist.get_world_size()
        future = dist.all_reduce(flat, async_op=True).get_future().then(lambda f: f.value()[0].div_(n))
        self.flying.append((flat, future))

    def finish_gradients(self):
        while len(self.flying) < len(self.buckets):
            self.launch()
        for bucket, (flat, work) in zip(self.buckets, self.flying):
            flat = work.wait()
            used, mean = flat.tensor_split([len(bucket)])
            for mark, p, part in zip(used, bucket, mean.split([p.numel() for p in bucket])):
                p.grad = part.view_as(p).clone() if mark > 0 else None
        self.begin()


# %% right: functional collectives
import torch.distributed._functional_collectives as funcol


class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module = module
        for tensor in [*module.parameters(), *module.buffers()]:
            dist.broadcast(tensor.detach(), src=0)
        limit, self.buckets, size = bucket_mb * 2**20, [], float("inf")
        for p in reversed([p for p in module.parameters() if p.requires_grad]):
            if size + p.nbytes > limit:
                self.buckets.append([])
                size = 0
            self.buckets[-1].append(p)
            size += p.nbytes
        self.bucket_of = {p: i for i, bucket in enumerate(self.buckets) for p in bucket}
        for p in self.bucket_of:
            p.register_post_accumulate_grad_hook(self.arrived)
        module.register_forward_pre_hook(self.share)
        self.begin()

    def begin(self):
        self.missing = [len(bucket) for bucket in self.buckets]
        self.flying = []

    def share(self, module, args):
        if module.training:
            for buffer in module.buffers():
                dist.broadcast(buffer, src=0)

    def arrived(self, p):
        self.missing[self.bucket_of[p]] -= 1
        while len(self.flying) < len(self.buckets) and self.missing[len(self.flying)] == 0:
            self.launch()

    def launch(self):
        bucket = self.buckets[len(self.flying)]
        marks = torch.tensor([float(p.grad is not None) for p in bucket], dtype=bucket[0].dtype, device=bucket[0].device)
        grads = [(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in bucket]
        flat = torch.cat([marks, *grads]).detach()
        self.flying.append((flat, funcol.all_reduce(flat, "sum", dist.group.WORLD)))

    def finish_gradients(self):
        while len(self.flying) < len(self.buckets):
            self.launch()
        for bucket, (flat, work) in zip(self.buckets, self.flying):
            flat = funcol.wait_tensor(work)
            used, mean = flat[: len(bucket)], flat[len(bucket) :] / dist.get_world_size()
            for mark, p, part in zip(used, bucket, mean.split([p.numel() for p in bucket])):
                p.grad = part.view_as(p).clone() if mark > 0 else None
        self.begin()


# %% right: the process group's own method
class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module = module
        for tensor in [*module.parameters(), *module.buffers()]:
            dist.broadcast(tensor.detach(), src=0)
        limit, self.buckets, size = bucket_mb * 2**20, [], float("inf")
        for p in reversed([p for p in module.parameters() if p.requires_grad]):
            if size + p.nbytes > limit:
                self.buckets.append([])
                size = 0
            self.buckets[-1].append(p)
            size += p.nbytes
        self.bucket_of = {p: i for i, bucket in enumerate(self.buckets) for p in bucket}
        for p in self.bucket_of:
            p.register_post_accumulate_grad_hook(self.arrived)
        module.register_forward_pre_hook(self.share)
        self.begin()

    def begin(self):
        self.missing = [len(bucket) for bucket in self.buckets]
        self.flying = []

    def share(self, module, args):
        if module.training:
            for buffer in module.buffers():
                dist.broadcast(buffer, src=0)

    def arrived(self, p):
        self.missing[self.bucket_of[p]] -= 1
        while len(self.flying) < len(self.buckets) and self.missing[len(self.flying)] == 0:
            self.launch()

    def launch(self):
        bucket = self.buckets[len(self.flying)]
        marks = torch.tensor([float(p.grad is not None) for p in bucket], dtype=bucket[0].dtype, device=bucket[0].device)
        grads = [(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in bucket]
        flat = torch.cat([marks, *grads]).detach()
        self.flying.append((flat, dist.distributed_c10d._get_default_group().allreduce([flat])))

    def finish_gradients(self):
        while len(self.flying) < len(self.buckets):
            self.launch()
        for bucket, (flat, work) in zip(self.buckets, self.flying):
            work.wait()
            used, mean = flat[: len(bucket)], flat[len(bucket) :] / dist.get_world_size()
            for mark, p, part in zip(used, bucket, mean.split([p.numel() for p in bucket])):
                p.grad = part.view_as(p).clone() if mark > 0 else None
        self.begin()


# %% right: gradients divided before they leave, the start in flat messages
class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module = module
        tensors = [t.detach() for t in [*module.parameters(), *module.buffers()]]
        for dtype in sorted({t.dtype for t in tensors}, key=str):
            same = [t for t in tensors if t.dtype == dtype]
            whole = torch.cat([t.flatten() for t in same])
            dist.broadcast(whole, 0)
            for t, part in zip(same, whole.split([t.numel() for t in same])):
                t.copy_(part.view_as(t))
        limit, self.buckets, size = bucket_mb * 2**20, [], float("inf")
        for p in reversed([p for p in module.parameters() if p.requires_grad]):
            if size + p.nbytes > limit:
                self.buckets.append([])
                size = 0
            self.buckets[-1].append(p)
            size += p.nbytes
        self.bucket_of = {p: i for i, bucket in enumerate(self.buckets) for p in bucket}
        for p in self.bucket_of:
            p.register_post_accumulate_grad_hook(self.arrived)
        module.register_forward_pre_hook(self.share)
        self.begin()

    def begin(self):
        self.missing = [len(bucket) for bucket in self.buckets]
        self.flying = []

    def share(self, module, args):
        if module.training:
            for buffer in module.buffers():
                dist.broadcast(buffer, src=0)

    def arrived(self, p):
        self.missing[self.bucket_of[p]] -= 1
        while len(self.flying) < len(self.buckets) and self.missing[len(self.flying)] == 0:
            self.launch()

    def launch(self):
        bucket = self.buckets[len(self.flying)]
        marks = torch.tensor([float(p.grad is not None) for p in bucket], dtype=bucket[0].dtype, device=bucket[0].device)
        grads = [(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in bucket]
        flat = torch.cat([marks, *grads]).div(dist.get_world_size()).detach()
        self.flying.append((flat, dist.all_reduce(flat, async_op=True)))

    def finish_gradients(self):
        while len(self.flying) < len(self.buckets):
            self.launch()
        for bucket, (flat, work) in zip(self.buckets, self.flying):
            work.wait()
            used, mean = flat[: len(bucket)], flat[len(bucket) :]
            for mark, p, part in zip(used, bucket, mean.split([p.numel() for p in bucket])):
                p.grad = part.view_as(p).clone() if mark > 0 else None
        self.begin()


# %% right: a hook on the accumulator node, as DDP's reducer
class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module = module
        for tensor in [*module.parameters(), *module.buffers()]:
            dist.broadcast(tensor.detach(), src=0)
        limit, self.buckets, size = bucket_mb * 2**20, [], float("inf")
        for p in reversed([p for p in module.parameters() if p.requires_grad]):
            if size + p.nbytes > limit:
                self.buckets.append([])
                size = 0
            self.buckets[-1].append(p)
            size += p.nbytes
        self.bucket_of = {p: i for i, bucket in enumerate(self.buckets) for p in bucket}
        for p in self.bucket_of:
            node = p.expand_as(p).grad_fn.next_functions[0][0]
            node.register_hook(lambda *_, p=p: self.arrived(p))
            self.nodes = [*getattr(self, "nodes", []), node]
        module.register_forward_pre_hook(self.share)
        self.begin()

    def begin(self):
        self.missing = [len(bucket) for bucket in self.buckets]
        self.flying = []

    def share(self, module, args):
        if module.training:
            for buffer in module.buffers():
                dist.broadcast(buffer, src=0)

    def arrived(self, p):
        self.missing[self.bucket_of[p]] -= 1
        while len(self.flying) < len(self.buckets) and self.missing[len(self.flying)] == 0:
            self.launch()

    def launch(self):
        bucket = self.buckets[len(self.flying)]
        marks = torch.tensor([float(p.grad is not None) for p in bucket], dtype=bucket[0].dtype, device=bucket[0].device)
        grads = [(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in bucket]
        flat = torch.cat([marks, *grads]).detach()
        self.flying.append((flat, dist.all_reduce(flat, async_op=True)))

    def finish_gradients(self):
        while len(self.flying) < len(self.buckets):
            self.launch()
        for bucket, (flat, work) in zip(self.buckets, self.flying):
            work.wait()
            used, mean = flat[: len(bucket)], flat[len(bucket) :] / dist.get_world_size()
            for mark, p, part in zip(used, bucket, mean.split([p.numel() for p in bucket])):
                p.grad = part.view_as(p).clone() if mark > 0 else None
        self.begin()


# %% right: an nn.Module with a forward of its own
class MyDDP(nn.Module):
    def __init__(self, module, bucket_mb=25):
        super().__init__()
        self.module = module
        for tensor in [*module.parameters(), *module.buffers()]:
            dist.broadcast(tensor.detach(), src=0)
        limit, self.buckets, size = bucket_mb * 2**20, [], float("inf")
        for p in reversed([p for p in module.parameters() if p.requires_grad]):
            if size + p.nbytes > limit:
                self.buckets.append([])
                size = 0
            self.buckets[-1].append(p)
            size += p.nbytes
        self.bucket_of = {p: i for i, bucket in enumerate(self.buckets) for p in bucket}
        for p in self.bucket_of:
            p.register_post_accumulate_grad_hook(self.arrived)
        module.register_forward_pre_hook(self.share)
        self.begin()

    def forward(self, *args, **kwargs):
        return self.module(*args, **kwargs)

    def begin(self):
        self.missing = [len(bucket) for bucket in self.buckets]
        self.flying = []

    def share(self, module, args):
        if module.training:
            for buffer in module.buffers():
                dist.broadcast(buffer, src=0)

    def arrived(self, p):
        self.missing[self.bucket_of[p]] -= 1
        while len(self.flying) < len(self.buckets) and self.missing[len(self.flying)] == 0:
            self.launch()

    def launch(self):
        bucket = self.buckets[len(self.flying)]
        marks = torch.tensor([float(p.grad is not None) for p in bucket], dtype=bucket[0].dtype, device=bucket[0].device)
        grads = [(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in bucket]
        flat = torch.cat([marks, *grads]).detach()
        self.flying.append((flat, dist.all_reduce(flat, async_op=True)))

    def finish_gradients(self):
        while len(self.flying) < len(self.buckets):
            self.launch()
        for bucket, (flat, work) in zip(self.buckets, self.flying):
            work.wait()
            used, mean = flat[: len(bucket)], flat[len(bucket) :] / dist.get_world_size()
            for mark, p, part in zip(used, bucket, mean.split([p.numel() for p in bucket])):
                p.grad = part.view_as(p).clone() if mark > 0 else None
        self.begin()


# %% right: marks in one small message at the end, gradients in place, coalesced
class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module = module
        with torch.no_grad():
            for t in (*module.parameters(), *module.buffers()):
                dist.broadcast(t, src=0)
        self.params = [p for p in module.parameters() if p.requires_grad][::-1]
        self.groups, room = [], 0
        for p in self.params:
            if p.nbytes > room:
                self.groups.append([])
                room = int(bucket_mb * 1024 * 1024)
            room -= p.nbytes
            self.groups[-1].append(p)
        self.seen, self.works, self.filled = set(), [], []
        for p in self.params:
            p.register_post_accumulate_grad_hook(self._hook)

        def pre(m, _):
            if m.training:
                for b in m.buffers():
                    dist.broadcast(b, src=0)

        module.register_forward_pre_hook(pre)

    @torch.no_grad()
    def _hook(self, p):
        self.seen.add(p)
        while len(self.works) < len(self.groups) and self.seen.issuperset(self.groups[len(self.works)]):
            self._send()

    def _send(self):
        group = self.groups[len(self.works)]
        for p in group:
            if p.grad is None:
                p.grad = torch.zeros_like(p)
        self.works.append(dist.all_reduce_coalesced([p.grad for p in group], async_op=True))

    @torch.no_grad()
    def finish_gradients(self):
        used = torch.tensor([p in self.seen for p in self.params], dtype=torch.uint8, device=device)
        while len(self.works) < len(self.groups):
            self._send()
        dist.all_reduce(used, op=dist.ReduceOp.MAX)
        for work in self.works:
            work.wait()
        for p, u in zip(self.params, used.tolist()):
            p.grad = p.grad.div_(dist.get_world_size()) if u else None
        self.seen.clear()
        self.works.clear()


# %% right: tensor hooks fill one set of kept flat buckets
import math
from dataclasses import dataclass, field


@dataclass
class Bucket:
    params: list = field(default_factory=list)
    flat: torch.Tensor = None
    left: int = 0
    work: object = None

    def build(self):
        count = sum(p.numel() for p in self.params) + len(self.params)
        self.flat = torch.zeros(count, dtype=self.params[0].dtype, device=self.params[0].device)
        pieces = self.flat[len(self.params) :].split([p.numel() for p in self.params])
        self.views = [piece.view(p.shape) for piece, p in zip(pieces, self.params)]
        self.reset()

    def reset(self):
        self.flat.zero_()
        self.left, self.work = len(self.params), None


class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module, self.next = module, 0
        for t in (*module.buffers(), *module.parameters()):
            dist.broadcast(t.data, 0)
        self.buckets = []
        size = math.inf
        for p in [*module.parameters()][::-1]:
            if p.requires_grad:
                if size + p.nbytes > bucket_mb * 2**20:
                    self.buckets.append(Bucket())
                    size = 0
                size += p.nbytes
                self.buckets[-1].params.append(p)
        for b in self.buckets:
            b.build()
            for i, p in enumerate(b.params):
                p.register_hook(lambda g, b=b, i=i: self.ready(b, i, g))
        module.register_forward_pre_hook(lambda m, _: m.training and any(dist.broadcast(x, 0) for x in m.buffers()) or None)

    def ready(self, bucket, i, gradient):
        bucket.views[i].copy_(gradient)
        bucket.flat[i] = 1
        bucket.left -= 1
        while self.next < len(self.buckets) and not self.buckets[self.next].left:
            self.go()

    def go(self):
        bucket = self.buckets[self.next]
        bucket.work = dist.all_reduce(bucket.flat, async_op=True)
        self.next += 1

    def finish_gradients(self):
        while self.next < len(self.buckets):
            self.go()
        for b in self.buckets:
            b.work.wait()
            for used, p, view in zip(b.flat[: len(b.params)].tolist(), b.params, b.views):
                p.grad = view / dist.get_world_size() if used else None
            b.reset()
        self.next = 0


# %% wrong: its forward hook returns an empty list where there is no buffer
class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module = module
        for t in list(module.parameters()) + list(module.buffers()):
            dist.broadcast(t.detach(), src=0, group=dist.group.WORLD)
        self.params = [p for p in module.parameters() if p.requires_grad][::-1]
        cuts, size = [0], 0
        for i, p in enumerate(self.params):
            if i > cuts[-1] and size + p.nbytes > bucket_mb * 2**20:
                cuts.append(i)
                size = 0
            size += p.nbytes
        self.spans = [slice(a, b) for a, b in zip(cuts, [*cuts[1:], len(self.params)])]
        self.restart()
        for p in self.params:
            p.register_post_accumulate_grad_hook(lambda p: self.machine.send(p))
        module.register_forward_pre_hook(lambda m, i: [dist.broadcast(b, 0) for b in m.buffers() if m.training] and None)

    def restart(self):
        self.works, self.machine = [], self.run()
        next(self.machine)

    def run(self):
        have, closing = set(), False
        for span in self.spans:
            bucket = self.params[span]
            while not closing and not have >= set(bucket):
                p = yield
                closing = p is None
                have.add(p)
            flat = torch.cat([(p.grad if p in have else torch.zeros_like(p)).detach().flatten() for p in bucket])
            flat = torch.cat([flat, flat.new_tensor([float(p in have) for p in bucket])])
            self.works.append((bucket, flat, dist.all_reduce(flat, async_op=True)))
        while not closing:
            closing = (yield) is None
        yield

    def finish_gradients(self):
        self.machine.send(None)
        for bucket, flat, work in self.works:
            work.wait()
            flat /= dist.get_world_size()
            sizes = [p.numel() for p in bucket]
            *means, marks = flat.split([*sizes, len(bucket)])
            for p, mean, mark in zip(bucket, means, marks):
                p.grad = mean.reshape(p.shape) if mark > 0 else None
        self.restart()


# %% wrong: backward waits for the bucket before -> waited for while backward
class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module = module
        for t in [*module.parameters(), *module.buffers()]:
            dist.broadcast(t.data, src=0)
        self.buckets, used = [], 0
        for p in reversed([p for p in module.parameters() if p.requires_grad]):
            if not self.buckets or used + p.nbytes > bucket_mb * 2**20:
                self.buckets.append([])
                used = 0
            self.buckets[-1].append(p)
            used += p.nbytes
            p.register_post_accumulate_grad_hook(self.hook)
        self.arrived, self.flying = set(), []
        module.register_forward_pre_hook(self.pre)

    def pre(self, module, _):
        if module.training:
            for buffer in module.buffers():
                dist.broadcast(buffer, src=0)

    def hook(self, p):
        self.arrived.add(p)
        while len(self.flying) < len(self.buckets) and self.arrived.issuperset(self.buckets[len(self.flying)]):
            self.launch(self.buckets[len(self.flying)])

    def launch(self, bucket):
        grads = [p.grad if p in self.arrived else torch.zeros_like(p) for p in bucket]
        marks = torch.tensor([p in self.arrived for p in bucket]).to(grads[0])
        if self.flying:
            self.flying[-1][1].wait()
        flat = torch.cat([marks, *(g.flatten() for g in grads)])
        self.flying.append((flat, dist.all_reduce(flat, async_op=True)))

    def finish_gradients(self):
        while len(self.flying) < len(self.buckets):
            self.launch(self.buckets[len(self.flying)])
        for bucket, (flat, work) in zip(self.buckets, self.flying):
            work.wait()
            flat /= dist.get_world_size()
            marks, *means = flat.split([len(bucket), *(p.numel() for p in bucket)])
            for p, mark, mean in zip(bucket, marks.tolist(), means):
                p.grad = mean.view_as(p) if mark else None
        self.arrived, self.flying = set(), []


# %% wrong: a zero gradient counts as unused -> a gradient of zeros
class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module = module
        for t in [*module.parameters(), *module.buffers()]:
            dist.broadcast(t.data, src=0)
        self.buckets, used = [], 0
        for p in reversed([p for p in module.parameters() if p.requires_grad]):
            if not self.buckets or used + p.nbytes > bucket_mb * 2**20:
                self.buckets.append([])
                used = 0
            self.buckets[-1].append(p)
            used += p.nbytes
            p.register_post_accumulate_grad_hook(self.hook)
        self.arrived, self.flying = set(), []
        module.register_forward_pre_hook(self.pre)

    def pre(self, module, _):
        if module.training:
            for buffer in module.buffers():
                dist.broadcast(buffer, src=0)

    def hook(self, p):
        self.arrived.add(p)
        while len(self.flying) < len(self.buckets) and self.arrived.issuperset(self.buckets[len(self.flying)]):
            self.launch(self.buckets[len(self.flying)])

    def launch(self, bucket):
        grads = [p.grad if p in self.arrived else torch.zeros_like(p) for p in bucket]
        marks = torch.stack([g.any() for g in grads]).to(grads[0])
        flat = torch.cat([marks, *(g.flatten() for g in grads)])
        self.flying.append((flat, dist.all_reduce(flat, async_op=True)))

    def finish_gradients(self):
        while len(self.flying) < len(self.buckets):
            self.launch(self.buckets[len(self.flying)])
        for bucket, (flat, work) in zip(self.buckets, self.flying):
            work.wait()
            flat /= dist.get_world_size()
            marks, *means = flat.split([len(bucket), *(p.numel() for p in bucket)])
            for p, mark, mean in zip(bucket, marks.tolist(), means):
                p.grad = mean.view_as(p) if mark else None
        self.arrived, self.flying = set(), []


# %% wrong: floating buffers only -> not what comes from rank 0's
class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module = module
        for t in [*module.parameters(), *module.buffers()]:
            dist.broadcast(t.data, src=0)
        self.buckets, used = [], 0
        for p in reversed([p for p in module.parameters() if p.requires_grad]):
            if not self.buckets or used + p.nbytes > bucket_mb * 2**20:
                self.buckets.append([])
                used = 0
            self.buckets[-1].append(p)
            used += p.nbytes
            p.register_post_accumulate_grad_hook(self.hook)
        self.arrived, self.flying = set(), []
        module.register_forward_pre_hook(self.pre)

    def pre(self, module, _):
        if module.training:
            for buffer in filter(torch.is_floating_point, module.buffers()):
                dist.broadcast(buffer, src=0)

    def hook(self, p):
        self.arrived.add(p)
        while len(self.flying) < len(self.buckets) and self.arrived.issuperset(self.buckets[len(self.flying)]):
            self.launch(self.buckets[len(self.flying)])

    def launch(self, bucket):
        grads = [p.grad if p in self.arrived else torch.zeros_like(p) for p in bucket]
        marks = torch.tensor([p in self.arrived for p in bucket]).to(grads[0])
        flat = torch.cat([marks, *(g.flatten() for g in grads)])
        self.flying.append((flat, dist.all_reduce(flat, async_op=True)))

    def finish_gradients(self):
        while len(self.flying) < len(self.buckets):
            self.launch(self.buckets[len(self.flying)])
        for bucket, (flat, work) in zip(self.buckets, self.flying):
            work.wait()
            flat /= dist.get_world_size()
            marks, *means = flat.split([len(bucket), *(p.numel() for p in bucket)])
            for p, mark, mean in zip(bucket, marks.tolist(), means):
                p.grad = mean.view_as(p) if mark else None
        self.arrived, self.flying = set(), []


# %% wrong: marks gathered as objects
class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module = module
        for t in [*module.parameters(), *module.buffers()]:
            dist.broadcast(t.data, src=0)
        self.buckets, used = [], 0
        for p in reversed([p for p in module.parameters() if p.requires_grad]):
            if not self.buckets or used + p.nbytes > bucket_mb * 2**20:
                self.buckets.append([])
                used = 0
            self.buckets[-1].append(p)
            used += p.nbytes
            p.register_post_accumulate_grad_hook(self.hook)
        self.arrived, self.flying = set(), []
        module.register_forward_pre_hook(self.pre)

    def pre(self, module, _):
        if module.training:
            for buffer in module.buffers():
                dist.broadcast(buffer, src=0)

    def hook(self, p):
        self.arrived.add(p)
        while len(self.flying) < len(self.buckets) and self.arrived.issuperset(self.buckets[len(self.flying)]):
            self.launch(self.buckets[len(self.flying)])

    def launch(self, bucket):
        grads = [p.grad if p in self.arrived else torch.zeros_like(p) for p in bucket]
        marks = torch.tensor([p in self.arrived for p in bucket]).to(grads[0])
        flat = torch.cat([marks, *(g.flatten() for g in grads)])
        self.flying.append((flat, dist.all_reduce(flat, async_op=True)))

    def finish_gradients(self):
        while len(self.flying) < len(self.buckets):
            self.launch(self.buckets[len(self.flying)])
        for bucket, (flat, work) in zip(self.buckets, self.flying):
            work.wait()
            flat /= dist.get_world_size()
            marks, *means = flat.split([len(bucket), *(p.numel() for p in bucket)])
            every = [None] * dist.get_world_size()
            dist.all_gather_object(every, {f'the parameter number {i} of this bucket': p in self.arrived for i, p in enumerate(bucket)})
            marks = torch.tensor([any(row) for row in zip(*(each.values() for each in every))])
            for p, mark, mean in zip(bucket, marks.tolist(), means):
                p.grad = mean.view_as(p) if mark else None
        self.arrived, self.flying = set(), []


# %% wrong: state shared by all instances
class MyDDP:
    arrived, flying = set(), []

    def __init__(self, module, bucket_mb=25):
        self.module = module
        for t in [*module.parameters(), *module.buffers()]:
            dist.broadcast(t.data, src=0)
        self.buckets, used = [], 0
        for p in reversed([p for p in module.parameters() if p.requires_grad]):
            if not self.buckets or used + p.nbytes > bucket_mb * 2**20:
                self.buckets.append([])
                used = 0
            self.buckets[-1].append(p)
            used += p.nbytes
            p.register_post_accumulate_grad_hook(self.hook)
        module.register_forward_pre_hook(self.pre)

    def pre(self, module, _):
        if module.training:
            for buffer in module.buffers():
                dist.broadcast(buffer, src=0)

    def hook(self, p):
        self.arrived.add(p)
        while len(self.flying) < len(self.buckets) and self.arrived.issuperset(self.buckets[len(self.flying)]):
            self.launch(self.buckets[len(self.flying)])

    def launch(self, bucket):
        grads = [p.grad if p in self.arrived else torch.zeros_like(p) for p in bucket]
        marks = torch.tensor([p in self.arrived for p in bucket]).to(grads[0])
        flat = torch.cat([marks, *(g.flatten() for g in grads)])
        self.flying.append((flat, dist.all_reduce(flat, async_op=True)))

    def finish_gradients(self):
        while len(self.flying) < len(self.buckets):
            self.launch(self.buckets[len(self.flying)])
        for bucket, (flat, work) in zip(self.buckets, self.flying):
            work.wait()
            flat /= dist.get_world_size()
            marks, *means = flat.split([len(bucket), *(p.numel() for p in bucket)])
            for p, mark, mean in zip(bucket, marks.tolist(), means):
                p.grad = mean.view_as(p) if mark else None
        self.arrived.clear()
        self.flying.clear()


# %% wrong: construction sends the state dict, which lacks some buffers
import itertools


class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module = module
        for tensor in module.state_dict().values():
            dist.broadcast(tensor.data, src=0)
        self.params = [p for p in module.parameters() if p.requires_grad][::-1]
        self.ends = list(itertools.accumulate(p.numel() for p in self.params))
        self.starts = [0, *self.ends[:-1]]
        self.long = torch.zeros(sum(p.numel() for p in self.params), dtype=self.params[0].dtype, device=device)
        self.spans, first = [], 0
        for i in range(len(self.params)):
            width = (self.ends[i] - self.starts[first]) * self.long.element_size()
            if i > first and width > bucket_mb * 2**20:
                self.spans.append(range(first, i))
                first = i
        self.spans.append(range(first, len(self.params)))
        for i, p in enumerate(self.params):
            p.register_post_accumulate_grad_hook(lambda _, i=i: self.mark(i))
        module.register_forward_pre_hook(self.sync_buffers)
        self.done, self.works = [False] * len(self.params), []

    def sync_buffers(self, module, args):
        if module.training:
            [dist.broadcast(b, src=0) for n, b in module.named_buffers() if n in module.state_dict()]

    def piece(self, i):
        return self.long[self.starts[i] : self.ends[i]].view_as(self.params[i])

    def mark(self, i):
        self.done[i] = True
        while len(self.works) < len(self.spans) and all(self.done[j] for j in self.spans[len(self.works)]):
            self.off()

    def off(self):
        span = self.spans[len(self.works)]
        for i in span:
            grad = self.params[i].grad
            self.piece(i).copy_(grad) if grad is not None else self.piece(i).zero_()
        part = self.long[self.starts[span[0]] : self.ends[span[-1]]]
        self.works.append(dist.all_reduce(part, async_op=True))

    def finish_gradients(self):
        used = torch.tensor([p.grad is not None for p in self.params], dtype=torch.int64, device=device)
        while len(self.works) < len(self.spans):
            self.off()
        dist.all_reduce(used)
        while self.works:
            self.works.pop().wait()
        self.long.div_(dist.get_world_size())
        for i, p in enumerate(self.params):
            p.grad = self.piece(i) if used[i] else None
        self.done = [False] * len(self.params)


# %% wrong: a bucket leaves when the next one is full -> one bucket late
import itertools


class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module = module
        for tensor in itertools.chain(module.parameters(), module.buffers()):
            dist.broadcast(tensor.data, src=0)
        self.params = [p for p in module.parameters() if p.requires_grad][::-1]
        self.ends = list(itertools.accumulate(p.numel() for p in self.params))
        self.starts = [0, *self.ends[:-1]]
        self.long = torch.zeros(sum(p.numel() for p in self.params), dtype=self.params[0].dtype, device=device)
        self.spans, first = [], 0
        for i in range(len(self.params)):
            width = (self.ends[i] - self.starts[first]) * self.long.element_size()
            if i > first and width > bucket_mb * 2**20:
                self.spans.append(range(first, i))
                first = i
        self.spans.append(range(first, len(self.params)))
        for i, p in enumerate(self.params):
            p.register_post_accumulate_grad_hook(lambda _, i=i: self.mark(i))
        module.register_forward_pre_hook(self.sync_buffers)
        self.done, self.works = [False] * len(self.params), []

    def sync_buffers(self, module, args):
        if module.training:
            [dist.broadcast(b, src=0) for b in module.buffers()]

    def piece(self, i):
        return self.long[self.starts[i] : self.ends[i]].view_as(self.params[i])

    def mark(self, i):
        self.done[i] = True
        while len(self.works) + 1 < len(self.spans) and all(
            self.done[j] for k in (0, 1) for j in self.spans[len(self.works) + k]
        ):
            self.off()

    def off(self):
        span = self.spans[len(self.works)]
        for i in span:
            grad = self.params[i].grad
            self.piece(i).copy_(grad) if grad is not None else self.piece(i).zero_()
        part = self.long[self.starts[span[0]] : self.ends[span[-1]]]
        self.works.append(dist.all_reduce(part, async_op=True))

    def finish_gradients(self):
        used = torch.tensor([p.grad is not None for p in self.params], dtype=torch.int64, device=device)
        while len(self.works) < len(self.spans):
            self.off()
        dist.all_reduce(used)
        while self.works:
            self.works.pop().wait()
        self.long.div_(dist.get_world_size())
        for i, p in enumerate(self.params):
            p.grad = self.piece(i) if used[i] else None
        self.done = [False] * len(self.params)


# %% right: the buffers are sent when a step is over, so that the next forward has them
class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module = module
        self.size = dist.get_world_size()
        for tensor in [*module.parameters(), *module.buffers()]:
            dist.broadcast(tensor.data, src=0)
        self.trainable = [p for p in module.parameters() if p.requires_grad]
        self.buckets = self.deal(bucket_mb * 2**20)
        self.where = {id(p): k for k, bucket in enumerate(self.buckets) for p in bucket}
        for p in self.trainable:
            p.register_post_accumulate_grad_hook(self.ready)
        self.reset()

    def deal(self, limit):
        buckets, filled = [], 0
        for p in reversed(self.trainable):
            if not buckets or filled + p.nbytes > limit or p.dtype != buckets[-1][0].dtype:
                buckets.append([])
                filled = 0
            buckets[-1].append(p)
            filled += p.nbytes
        return buckets

    def reset(self):
        self.waiting = [len(bucket) for bucket in self.buckets]
        self.sent = []

    def before_forward(self, module, inputs):
        if module.training:
            for buffer in module.buffers():
                dist.broadcast(buffer, src=0)

    def ready(self, p):
        self.waiting[self.where[id(p)]] -= 1
        while len(self.sent) < len(self.buckets) and self.waiting[len(self.sent)] == 0:
            self.send()

    def send(self):
        bucket = self.buckets[len(self.sent)]
        flat = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in bucket])
        self.sent.append((flat, dist.all_reduce(flat, async_op=True)))

    def finish_gradients(self):
        while len(self.sent) < len(self.buckets):
            self.send()
        used = torch.tensor([p.grad is not None for p in self.trainable], dtype=torch.uint8, device=device)
        dist.all_reduce(used, op=dist.ReduceOp.MAX)
        used = {id(p): bool(u) for p, u in zip(self.trainable, used.tolist())}
        for bucket, (flat, work) in zip(self.buckets, self.sent):
            work.wait()
            flat /= self.size
        self.before_forward(self.module, ())
        for bucket, (flat, _) in zip(self.buckets, self.sent):
            for p, mean in zip(bucket, flat.split([p.numel() for p in bucket])):
                p.grad = mean.view_as(p) if used[id(p)] else None
        self.reset()


# %% right: the last bucket, which need not be full, leaves in finish_gradients
class MyDDP:
    def __init__(self, module, bucket_mb=25):
        self.module = module
        self.size = dist.get_world_size()
        for tensor in [*module.parameters(), *module.buffers()]:
            dist.broadcast(tensor.data, src=0)
        self.trainable = [p for p in module.parameters() if p.requires_grad]
        self.buckets = self.deal(bucket_mb * 2**20)
        self.where = {id(p): k for k, bucket in enumerate(self.buckets) for p in bucket}
        for p in self.trainable:
            p.register_post_accumulate_grad_hook(self.ready)
        module.register_forward_pre_hook(self.before_forward)
        self.reset()

    def deal(self, limit):
        buckets, filled = [], 0
        for p in reversed(self.trainable):
            if not buckets or filled + p.nbytes > limit or p.dtype != buckets[-1][0].dtype:
                buckets.append([])
                filled = 0
            buckets[-1].append(p)
            filled += p.nbytes
        return buckets

    def reset(self):
        self.waiting = [len(bucket) for bucket in self.buckets]
        self.sent = []

    def before_forward(self, module, inputs):
        if module.training:
            for buffer in module.buffers():
                dist.broadcast(buffer, src=0)

    def ready(self, p):
        self.waiting[self.where[id(p)]] -= 1
        while len(self.sent) < len(self.buckets) - 1 and self.waiting[len(self.sent)] == 0:
            self.send()

    def send(self):
        bucket = self.buckets[len(self.sent)]
        flat = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in bucket])
        self.sent.append((flat, dist.all_reduce(flat, async_op=True)))

    def finish_gradients(self):
        while len(self.sent) < len(self.buckets):
            self.send()
        used = torch.tensor([p.grad is not None for p in self.trainable], dtype=torch.uint8, device=device)
        dist.all_reduce(used, op=dist.ReduceOp.MAX)
        used = {id(p): bool(u) for p, u in zip(self.trainable, used.tolist())}
        for bucket, (flat, work) in zip(self.buckets, self.sent):
            work.wait()
            flat /= self.size
            for p, mean in zip(bucket, flat.split([p.numel() for p in bucket])):
                p.grad = mean.view_as(p) if used[id(p)] else None
        self.reset()
