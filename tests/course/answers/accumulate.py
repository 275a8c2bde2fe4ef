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


# %% wrong: one argument too few -> The check called my_accumulate
def my_accumulate(ddp, batches):
    for batch in batches:
        ddp(batch).backward()
