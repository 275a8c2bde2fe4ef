# %% right: no_sync around all but the last
def my_accumulate(ddp, batches, loss_of):
    with ddp.no_sync():
        for batch in batches[:-1]:
            (loss_of(ddp, batch) / len(batches)).backward()
    (loss_of(ddp, batches[-1]) / len(batches)).backward()


# %% right: nullcontext in one loop
import contextlib


def my_accumulate(ddp, batches, loss_of):
    last = len(batches) - 1
    for i, batch in enumerate(batches):
        with contextlib.nullcontext() if i == last else ddp.no_sync():
            loss_of(ddp, batch).div(len(batches)).backward()


# %% right: the flag by hand
def my_accumulate(ddp, batches, loss_of):
    for i, batch in enumerate(batches):
        ddp.require_backward_grad_sync = i == len(batches) - 1
        loss_of(ddp, batch).backward(torch.tensor(1 / len(batches), dtype=torch.float64, device=device))


# %% right: summed, the gradient divided in the end
def my_accumulate(ddp, batches, loss_of):
    *first, last = batches
    with ddp.no_sync():
        for batch in first:
            loss_of(ddp, batch).backward()
    loss_of(ddp, last).backward()
    for p in ddp.parameters():
        p.grad /= len(batches)


# %% right: everything local, then averaged by hand
def my_accumulate(ddp, batches, loss_of):
    with ddp.no_sync():
        for batch in batches:
            (loss_of(ddp, batch) / len(batches)).backward()
    for p in ddp.module.parameters():
        dist.all_reduce(p.grad)
        p.grad /= dist.get_world_size()


# %% right: an ExitStack, losses kept as numbers
from contextlib import ExitStack


def my_accumulate(ddp, batches, loss_of):
    losses = []
    with ExitStack() as stack:
        stack.enter_context(ddp.no_sync())
        for number, batch in enumerate(batches, 1):
            if number == len(batches):
                stack.close()
            loss = loss_of(ddp, batch) / len(batches)
            loss.backward()
            losses.append(loss.item())
    return sum(losses)


# %% wrong: synchronised every time -> no_sync() holds them back
def my_accumulate(ddp, batches, loss_of):
    for batch in batches:
        (loss_of(ddp, batch) / len(batches)).backward()


# %% wrong: no_sync around backward alone -> when the forward runs
def my_accumulate(ddp, batches, loss_of):
    for i, batch in enumerate(batches):
        loss = loss_of(ddp, batch) / len(batches)
        if i < len(batches) - 1:
            with ddp.no_sync():
                loss.backward()
        else:
            loss.backward()


# %% wrong: never synchronised -> outside no_sync
def my_accumulate(ddp, batches, loss_of):
    with ddp.no_sync():
        for batch in batches:
            (loss_of(ddp, batch) / len(batches)).backward()


# %% wrong: always divided by four -> same weight
def my_accumulate(ddp, batches, loss_of):
    with ddp.no_sync():
        for batch in batches[:-1]:
            (loss_of(ddp, batch) / 4).backward()
    (loss_of(ddp, batches[-1]) / 4).backward()


# %% wrong: not divided -> times too large
def my_accumulate(ddp, batches, loss_of):
    with ddp.no_sync():
        for batch in batches[:-1]:
            loss_of(ddp, batch).backward()
    loss_of(ddp, batches[-1]).backward()


# %% wrong: all graphs alive until one backward -> in memory at once
def my_accumulate(ddp, batches, loss_of):
    with ddp.no_sync():
        losses = [loss_of(ddp, batch) for batch in batches[:-1]]
    losses.append(loss_of(ddp, batches[-1]))
    (sum(losses) / len(losses)).backward()


# %% wrong: graphs retained -> in memory at once
def my_accumulate(ddp, batches, loss_of):
    kept = []
    with ddp.no_sync():
        for batch in batches[:-1]:
            kept.append(loss_of(ddp, batch) / len(batches))
            kept[-1].backward(retain_graph=True)
    (loss_of(ddp, batches[-1]) / len(batches)).backward()


# %% wrong: only the last one -> asked for 1 times
def my_accumulate(ddp, batches, loss_of):
    loss_of(ddp, batches[-1]).backward()


# %% wrong: the first one synchronised -> last micro-batch is the one
def my_accumulate(ddp, batches, loss_of):
    (loss_of(ddp, batches[0]) / len(batches)).backward()
    with ddp.no_sync():
        for batch in batches[1:]:
            (loss_of(ddp, batch) / len(batches)).backward()


# %% wrong: gradients thrown away in between -> stay in .grad
def my_accumulate(ddp, batches, loss_of):
    with ddp.no_sync():
        for batch in batches[:-1]:
            ddp.zero_grad()
            (loss_of(ddp, batch) / len(batches)).backward()
    (loss_of(ddp, batches[-1]) / len(batches)).backward()


# %% wrong: the module inside, never DDP -> Nothing was synchronised
def my_accumulate(ddp, batches, loss_of):
    for batch in batches:
        (loss_of(ddp.module, batch) / len(batches)).backward()


# %% wrong: one argument too few -> The check calls my_accumulate
def my_accumulate(ddp, batches):
    for batch in batches:
        ddp(batch).backward()


# %% wrong: synchronises every time
def my_accumulate(ddp, batches, loss_of):
    for batch in batches:
        (loss_of(ddp, batch) / len(batches)).backward()


# %% wrong: no_sync around backward alone, once more
def my_accumulate(ddp, batches, loss_of):
    for i, batch in enumerate(batches):
        loss = loss_of(ddp, batch) / len(batches)
        if i < len(batches) - 1:
            with ddp.no_sync():
                loss.backward()
        else:
            loss.backward()


# %% wrong: does not divide
def my_accumulate(ddp, batches, loss_of):
    with ddp.no_sync():
        for batch in batches[:-1]:
            loss_of(ddp, batch).backward()
    loss_of(ddp, batches[-1]).backward()


# %% wrong: divides by the number of ranks
def my_accumulate(ddp, batches, loss_of):
    with ddp.no_sync():
        for batch in batches[:-1]:
            (loss_of(ddp, batch) / dist.get_world_size()).backward()
    (loss_of(ddp, batches[-1]) / dist.get_world_size()).backward()


# %% wrong: the last one in no_sync, too
def my_accumulate(ddp, batches, loss_of):
    with ddp.no_sync():
        for batch in batches:
            (loss_of(ddp, batch) / len(batches)).backward()


# %% wrong: one backward of the sum of losses
def my_accumulate(ddp, batches, loss_of):
    sum(loss_of(ddp, batch) for batch in batches).div(len(batches)).backward()


# %% wrong: all losses first in no_sync, then backward, the last outside
def my_accumulate(ddp, batches, loss_of):
    with ddp.no_sync():
        losses = [loss_of(ddp, batch) / len(batches) for batch in batches[:-1]]
        for loss in losses:
            loss.backward()
    (loss_of(ddp, batches[-1]) / len(batches)).backward()


# %% wrong: leaves out the last batch
def my_accumulate(ddp, batches, loss_of):
    n = len(batches)
    for i in range(n - 1):
        if i < n - 2:
            with ddp.no_sync():
                (loss_of(ddp, batches[i]) / n).backward()
        else:
            (loss_of(ddp, batches[i]) / n).backward()


# %% wrong: one large batch -> asked for 1 times
def my_accumulate(ddp, batches, loss_of):
    whole = tuple(map(torch.cat, zip(*batches))) if isinstance(batches[0], tuple) else torch.cat(batches)
    loss_of(ddp, whole).backward()


# %% wrong: keeps every graph with retain_graph
def my_accumulate(ddp, batches, loss_of):
    losses = []
    with ddp.no_sync():
        for batch in batches[:-1]:
            losses.append(loss_of(ddp, batch) / len(batches))
            losses[-1].backward(retain_graph=True)
    losses.append(loss_of(ddp, batches[-1]) / len(batches))
    losses[-1].backward(retain_graph=True)


# %% wrong: zero_grad before each micro-batch
def my_accumulate(ddp, batches, loss_of):
    for i, batch in enumerate(batches):
        ddp.zero_grad()
        if i + 1 < len(batches):
            with ddp.no_sync():
                (loss_of(ddp, batch) / len(batches)).backward()
        else:
            (loss_of(ddp, batch) / len(batches)).backward()


# %% wrong: divides the last loss only
def my_accumulate(ddp, batches, loss_of):
    with ddp.no_sync():
        for batch in batches[:-1]:
            loss_of(ddp, batch).backward()
    (loss_of(ddp, batches[-1]) / len(batches)).backward()


# %% wrong: synchronises the first and not the last
def my_accumulate(ddp, batches, loss_of):
    (loss_of(ddp, batches[0]) / len(batches)).backward()
    with ddp.no_sync():
        for batch in batches[1:]:
            (loss_of(ddp, batch) / len(batches)).backward()


# %% wrong: off by one, the last two synchronise -> 2 of 4 forwards ran outside
def my_accumulate(ddp, batches, loss_of):
    from contextlib import nullcontext

    for i, batch in enumerate(batches, 1):
        with ddp.no_sync() if i < len(batches) - 1 else nullcontext():
            (loss_of(ddp, batch) / len(batches)).backward()


# %% wrong: four micro-batches, always
def my_accumulate(ddp, batches, loss_of):
    with ddp.no_sync():
        for batch in batches[:-1]:
            (loss_of(ddp, batch) / 4).backward()
    (loss_of(ddp, batches[-1]) / 4).backward()


# %% wrong: the module under DDP -> went past DDP
def my_accumulate(ddp, batches, loss_of):
    for batch in batches:
        (loss_of(ddp.module, batch) / len(batches)).backward()


# %% wrong: never switches synchronisation on again
def my_accumulate(ddp, batches, loss_of):
    ddp.require_backward_grad_sync = False
    for batch in batches:
        (loss_of(ddp, batch) / len(batches)).backward()


# %% wrong: divides the loss and the gradient
def my_accumulate(ddp, batches, loss_of):
    *first, last = batches
    with ddp.no_sync():
        for batch in first:
            (loss_of(ddp, batch) / len(batches)).backward()
    (loss_of(ddp, last) / len(batches)).backward()
    for p in ddp.parameters():
        p.grad /= len(batches)


# %% wrong: an extra average after the synchronisation -> averaged again
def my_accumulate(ddp, batches, loss_of):
    *first, last = batches
    with ddp.no_sync():
        for batch in first:
            (loss_of(ddp, batch) / len(batches)).backward()
    (loss_of(ddp, last) / len(batches)).backward()
    for p in ddp.parameters():
        dist.all_reduce(p.grad)
        p.grad /= dist.get_world_size()


# %% wrong: looks at the first batch twice
def my_accumulate(ddp, batches, loss_of):
    n = len(batches)
    with ddp.no_sync():
        for i in range(n - 1):
            (loss_of(ddp, batches[i]) / n).backward()
    (loss_of(ddp, batches[0]) / n).backward()


# %% wrong: one batch less in the divisor
def my_accumulate(ddp, batches, loss_of):
    n = max(1, len(batches) - 1)
    with ddp.no_sync():
        for batch in batches[:-1]:
            (loss_of(ddp, batch) / n).backward()
    (loss_of(ddp, batches[-1]) / n).backward()


# %% wrong: cannot do with a single micro-batch
def my_accumulate(ddp, batches, loss_of):
    first, *middle, last = batches
    with ddp.no_sync():
        for batch in [first, *middle]:
            (loss_of(ddp, batch) / len(batches)).backward()
    (loss_of(ddp, last) / len(batches)).backward()


# %% wrong: returns the loss and empties .grad
def my_accumulate(ddp, batches, loss_of):
    total = 0.0
    with ddp.no_sync():
        for batch in batches[:-1]:
            loss = loss_of(ddp, batch) / len(batches)
            loss.backward()
            total += loss.item()
    (loss_of(ddp, batches[-1]) / len(batches)).backward()
    ddp.zero_grad()
    return total


# %% right: all but the last inside
def my_accumulate(ddp, batches, loss_of):
    with ddp.no_sync():
        for batch in batches[:-1]:
            (loss_of(ddp, batch) / len(batches)).backward()
    (loss_of(ddp, batches[-1]) / len(batches)).backward()


# %% right: nullcontext in a loop
from contextlib import nullcontext


def my_accumulate(model, parts, f):
    for i, part in enumerate(parts):
        last = i == len(parts) - 1
        with nullcontext() if last else model.no_sync():
            loss = f(model, part)
            loss.mul(1 / len(parts)).backward()


# %% right: divides the gradients at the end
def my_accumulate(ddp, batches, loss_of):
    *head, tail = batches
    with ddp.no_sync():
        for batch in head:
            loss_of(ddp, batch).backward()
    loss_of(ddp, tail).backward()
    for p in ddp.parameters():
        if p.grad is not None:
            p.grad /= len(batches)


# %% right: the flag by hand, once more
def my_accumulate(ddp, batches, loss_of):
    todo = len(batches)
    for batch in batches:
        todo -= 1
        ddp.require_backward_grad_sync = todo == 0
        (loss_of(ddp, batch) / len(batches)).backward()


# %% right: ExitStack closed before the last
from contextlib import ExitStack


def my_accumulate(ddp, batches, loss_of):
    with ExitStack() as stack:
        stack.enter_context(ddp.no_sync())
        for i, batch in enumerate(batches):
            if i == len(batches) - 1:
                stack.close()
            (loss_of(ddp, batch) / len(batches)).backward()


# %% right: recursion
def my_accumulate(ddp, batches, loss_of, n=None):
    n = n or len(batches)
    if len(batches) == 1:
        (loss_of(ddp, batches[0]) / n).backward()
        return
    with ddp.no_sync():
        (loss_of(ddp, batches[0]) / n).backward()
    my_accumulate(ddp, batches[1:], loss_of, n)


# %% right: all in no_sync, then one flat all-reduce by hand
def my_accumulate(ddp, batches, loss_of):
    with ddp.no_sync():
        for batch in batches:
            (loss_of(ddp, batch) / len(batches)).backward()
    grads = [p.grad for p in ddp.parameters() if p.grad is not None]
    flat = torch.cat([g.flatten() for g in grads]) / dist.get_world_size()
    dist.all_reduce(flat)
    for g, part in zip(grads, flat.split([g.numel() for g in grads])):
        g.copy_(part.view_as(g))


# %% right: all in no_sync, then one all-reduce for each parameter
def my_accumulate(ddp, batches, loss_of):
    with ddp.no_sync():
        for batch in batches:
            (loss_of(ddp, batch) / len(batches)).backward()
    for p in ddp.module.parameters():
        if p.grad is not None:
            dist.all_reduce(p.grad)
            p.grad /= dist.get_world_size()


# %% right: backward from 1/n
def my_accumulate(ddp, batches, loss_of):
    def one(batch):
        loss = loss_of(ddp, batch)
        loss.backward(gradient=torch.full_like(loss, 1 / len(batches)))
        return loss.detach()

    with ddp.no_sync():
        values = [one(batch) for batch in batches[:-1]]
    return (sum(values) + one(batches[-1])) / len(batches)


# %% right: a class and an iterator that looks ahead
class Accumulator:
    def __call__(self, ddp, batches, loss_of):
        queue, n = iter(batches), len(batches)
        batch = next(queue)
        for following in queue:
            with ddp.no_sync():
                (loss_of(ddp, batch) / n).backward()
            batch = following
        (loss_of(ddp, batch) / n).backward()


my_accumulate = Accumulator()


# %% right: a tensor hook on the loss, from the last batch to the first
def my_accumulate(ddp, batches, loss_of):
    order = list(reversed(batches))
    while order:
        batch = order.pop(0)
        sync = not order
        context = torch.enable_grad() if sync else ddp.no_sync()
        with context:
            loss = loss_of(ddp, batch)
            loss.register_hook(lambda g: g / len(batches))
            loss.backward()


# %% wrong: the flag is left down -> left without synchronisation
def my_accumulate(ddp, batches, loss_of):
    for i, batch in enumerate(batches):
        ddp.require_backward_grad_sync = i == len(batches) - 1
        (loss_of(ddp, batch) / len(batches)).backward()
    ddp.require_backward_grad_sync = False


# %% wrong: scaling hooks on the parameters stay behind
def my_accumulate(ddp, batches, loss_of):
    n = len(batches)
    for p in ddp.parameters():
        p.register_hook(lambda g: g / n)
    with ddp.no_sync():
        for batch in batches[:-1]:
            loss_of(ddp, batch).backward()
    loss_of(ddp, batches[-1]).backward()


# %% wrong: a communication hook that divides by n stays with DDP
def divide_too(n, bucket):
    flat = bucket.buffer().div_(n * dist.get_world_size())
    return dist.all_reduce(flat, async_op=True).get_future().then(lambda f: f.value()[0])


def my_accumulate(ddp, batches, loss_of):
    ddp.register_comm_hook(len(batches), divide_too)
    with ddp.no_sync():
        for batch in batches[:-1]:
            loss_of(ddp, batch).backward()
    loss_of(ddp, batches[-1]).backward()
