# %% right: a loop
def schedule(waiting, running, slots, budget):
    decode = [request for request in running if not request.over]
    prefill, used = [], len(decode)
    for request in waiting:
        if request.cancelled:
            continue
        if len(decode) + len(prefill) == slots or used + request.prompt > budget:
            break
        prefill.append(request)
        used += request.prompt
    return prefill, decode


# %% right: pops from the waiting list
def schedule(waiting, running, slots, budget):
    decode = [r for r in running if r.made < r.new_tokens and not r.cancelled]
    waiting = [r for r in waiting if not r.cancelled]
    budget -= len(decode)
    prefill = []
    while waiting and len(prefill) + len(decode) < slots and waiting[0].prompt <= budget:
        budget -= waiting[0].prompt
        prefill.append(waiting.pop(0))
    return prefill, decode


# %% right: changes the lists that it gets
def schedule(waiting, running, slots, budget):
    for request in list(running):
        if request.over:
            running.remove(request)
    prefill = []
    left = budget - len(running)
    while waiting:
        request = waiting.pop(0)
        if request.cancelled:
            continue
        if len(running) + len(prefill) >= slots or request.prompt > left:
            break
        left -= request.prompt
        prefill.append(request)
    return prefill, running


# %% right: ids
def schedule(waiting, running, slots, budget):
    decode = [request.id for request in running if not request.over]
    prefill, used = [], len(decode)
    for request in waiting:
        if request.cancelled:
            continue
        if len(decode) + len(prefill) == slots or used + request.prompt > budget:
            break
        prefill.append(request.id)
        used += request.prompt
    return prefill, decode


# %% right: accumulate and takewhile
from itertools import accumulate, takewhile


def schedule(waiting, running, slots, budget):
    decode = tuple(filter(lambda r: not r.over, running))
    line = [r for r in waiting if not r.cancelled][: slots - len(decode)]
    sums = accumulate((r.prompt for r in line), initial=len(decode))
    next(sums)
    prefill = [r for r, _ in takewhile(lambda pair: pair[1] <= budget, zip(line, sums))]
    return prefill, decode


# %% right: a generator
def schedule(waiting, running, slots, budget):
    decode = [r for r in running if not (r.cancelled or r.made == r.new_tokens)]
    tokens, prefill = len(decode), []
    for r in (r for r in waiting if not r.cancelled):
        tokens += r.prompt
        if tokens > budget or len(prefill) == slots - len(decode):
            break
        prefill.append(r)
    yield prefill
    yield decode


# %% right: sets of requests
def schedule(waiting, running, slots, budget):
    decode = [request for request in running if not request.over]
    prefill, used = [], len(decode)
    for request in waiting:
        if request.cancelled:
            continue
        if len(decode) + len(prefill) == slots or used + request.prompt > budget:
            break
        prefill.append(request)
        used += request.prompt
    return set(prefill), frozenset(decode)


# %% right: a named tuple of generators
from collections import namedtuple

Plan = namedtuple("Plan", "prefill decode")


def schedule(waiting, running, slots, budget):
    alive = [r for r in running if not r.over]

    def admitted():
        used = len(alive)
        free = slots - len(alive)
        for r in waiting:
            if not r.cancelled:
                used += r.prompt
                free -= 1
                if used > budget or free < 0:
                    return
                yield r

    return Plan(prefill=admitted(), decode=(r for r in alive))


# %% right: a callable object
class Scheduler:
    def __call__(self, waiting, running, slots, budget):
        self.decode = {r.id: r for r in running if not r.over}
        self.room = slots - len(self.decode)
        self.tokens = budget - len(self.decode)
        return [r for r in waiting if not r.cancelled and self.admit(r)], list(self.decode)

    def admit(self, request):
        if self.room <= 0 or request.prompt > self.tokens:
            self.room = 0
            return False
        self.room -= 1
        self.tokens -= request.prompt
        return True


schedule = Scheduler()


# %% right: recursive
def schedule(waiting, running, slots, budget):
    decode = [r for r in running if not r.over]

    def admit(line, room, tokens):
        if not line or room == 0 or line[0].prompt > tokens:
            return []
        return [line[0]] + admit(line[1:], room - 1, tokens - line[0].prompt)

    return admit([r for r in waiting if not r.cancelled], slots - len(decode), budget - len(decode)), decode


# %% right: numpy's sums
import numpy as np


def schedule(waiting, running, slots, budget):
    decode = np.array([r.id for r in running if not r.over], dtype=int)
    line = [r for r in waiting if not r.cancelled]
    sums = np.cumsum([r.prompt for r in line]) + len(decode)
    count = min(int((sums <= budget).sum()), slots - len(decode))
    return np.array([r.id for r in line[:count]], dtype=int), decode


# %% right: in reverse
def schedule(waiting, running, slots, budget):
    decode = [request for request in running if not request.over]
    prefill, used = [], len(decode)
    for request in waiting:
        if request.cancelled:
            continue
        if len(decode) + len(prefill) == slots or used + request.prompt > budget:
            break
        prefill.append(request)
        used += request.prompt
    return prefill[::-1], decode[::-1]


# %% right: a named pair, and a deque for the line
from collections import deque, namedtuple

Pair = namedtuple("Pair", "prefill decode")


def schedule(waiting, running, slots, budget):
    decode = [each for each in running if not each.over]
    line, prefill = deque(each for each in waiting if not each.over), []
    left = budget - len(decode)
    while line and len(decode) + len(prefill) < slots and line[0].prompt <= left:
        left -= line[0].prompt
        prefill.append(line.popleft())
    return Pair(prefill, decode)


# %% wrong: a static batch -> would stay empty while request
def schedule(waiting, running, slots, budget):
    decode = [request for request in running if not request.over]
    prefill, used = [], len(decode)
    for request in waiting if not decode else []:
        if request.cancelled:
            continue
        if len(decode) + len(prefill) == slots or used + request.prompt > budget:
            break
        prefill.append(request)
        used += request.prompt
    return prefill, decode


# %% wrong: a static batch that waits for the longest -> and is still in decode
def schedule(waiting, running, slots, budget):
    decode = [] if all(request.over for request in running) else list(running)
    prefill, used = [], len(decode)
    for request in waiting if not decode else []:
        if request.cancelled:
            continue
        if len(decode) + len(prefill) == slots or used + request.prompt > budget:
            break
        prefill.append(request)
        used += request.prompt
    return prefill, decode


# %% wrong: finished ones stay -> and is still in decode
def schedule(waiting, running, slots, budget):
    decode = [request for request in running]
    prefill, used = [], len(decode)
    for request in waiting:
        if request.cancelled:
            continue
        if len(decode) + len(prefill) == slots or used + request.prompt > budget:
            break
        prefill.append(request)
        used += request.prompt
    return prefill, decode


# %% wrong: one token too many -> and is still in decode
def schedule(waiting, running, slots, budget):
    decode = [request for request in running if request.made <= request.new_tokens]
    prefill, used = [], len(decode)
    for request in waiting:
        if request.cancelled:
            continue
        if len(decode) + len(prefill) == slots or used + request.prompt > budget:
            break
        prefill.append(request)
        used += request.prompt
    return prefill, decode


# %% wrong: one token too few -> its next token is lost
def schedule(waiting, running, slots, budget):
    decode = [request for request in running if request.made < request.new_tokens - 1]
    prefill, used = [], len(decode)
    for request in waiting:
        if request.cancelled:
            continue
        if len(decode) + len(prefill) == slots or used + request.prompt > budget:
            break
        prefill.append(request)
        used += request.prompt
    return prefill, decode


# %% wrong: cancelled ones run on -> is cancelled, and is in decode
def schedule(waiting, running, slots, budget):
    decode = [request for request in running if request.made < request.new_tokens]
    prefill, used = [], len(decode)
    for request in waiting:
        if request.cancelled:
            continue
        if len(decode) + len(prefill) == slots or used + request.prompt > budget:
            break
        prefill.append(request)
        used += request.prompt
    return prefill, decode


# %% wrong: cancelled ones are read -> is cancelled, and is in prefill
def schedule(waiting, running, slots, budget):
    decode = [request for request in running if not request.over]
    prefill, used = [], len(decode)
    for request in waiting:
        if len(decode) + len(prefill) == slots or used + request.prompt > budget:
            break
        prefill.append(request)
        used += request.prompt
    return prefill, decode


# %% wrong: a cancelled one blocks the line -> would stay empty while request
def schedule(waiting, running, slots, budget):
    decode = [request for request in running if not request.over]
    prefill, used = [], len(decode)
    for request in waiting:
        if request.cancelled:
            break
        if len(decode) + len(prefill) == slots or used + request.prompt > budget:
            break
        prefill.append(request)
        used += request.prompt
    return prefill, decode


# %% wrong: short prompts overtake -> which came before it, is not
def schedule(waiting, running, slots, budget):
    decode = [request for request in running if not request.over]
    prefill, used = [], len(decode)
    for request in waiting:
        if request.cancelled:
            continue
        if len(decode) + len(prefill) == slots or used + request.prompt > budget:
            continue
        prefill.append(request)
        used += request.prompt
    return prefill, decode


# %% wrong: the shortest prompt first -> which came before it, is not
def schedule(waiting, running, slots, budget):
    decode = [request for request in running if not request.over]
    prefill, used = [], len(decode)
    for request in sorted(waiting, key=lambda r: r.prompt):
        if request.cancelled:
            continue
        if len(decode) + len(prefill) == slots or used + request.prompt > budget:
            break
        prefill.append(request)
        used += request.prompt
    return prefill, decode


# %% wrong: the shortest answer first -> which came before it, is not
def schedule(waiting, running, slots, budget):
    decode = [request for request in running if not request.over]
    prefill, used = [], len(decode)
    for request in sorted(waiting, key=lambda r: r.new_tokens):
        if request.cancelled:
            continue
        if len(decode) + len(prefill) == slots or used + request.prompt > budget:
            break
        prefill.append(request)
        used += request.prompt
    return prefill, decode


# %% wrong: last come, first served -> which came before it, is not
def schedule(waiting, running, slots, budget):
    decode = [request for request in running if not request.over]
    prefill, used = [], len(decode)
    for request in reversed(waiting):
        if request.cancelled:
            continue
        if len(decode) + len(prefill) == slots or used + request.prompt > budget:
            break
        prefill.append(request)
        used += request.prompt
    return prefill, decode


# %% wrong: by number -> which came before it, is not
def schedule(waiting, running, slots, budget):
    decode = [request for request in running if not request.over]
    prefill, used = [], len(decode)
    for request in sorted(waiting, key=lambda r: r.id):
        if request.cancelled:
            continue
        if len(decode) + len(prefill) == slots or used + request.prompt > budget:
            break
        prefill.append(request)
        used += request.prompt
    return prefill, decode


# %% wrong: one at a step -> would stay empty while request
def schedule(waiting, running, slots, budget):
    decode = [request for request in running if not request.over]
    prefill, used = [], len(decode)
    for request in waiting:
        if request.cancelled:
            continue
        if prefill or len(decode) == slots or used + request.prompt > budget:
            break
        prefill.append(request)
        used += request.prompt
    return prefill, decode


# %% wrong: one at a time -> would stay empty while request
def schedule(waiting, running, slots, budget):
    decode = [request for request in running if not request.over]
    prefill, used = [], len(decode)
    for request in waiting:
        if request.cancelled:
            continue
        if decode or prefill or used + request.prompt > budget:
            break
        prefill.append(request)
        used += request.prompt
    return prefill, decode


# %% wrong: slots without those that run -> requests, and there are
def schedule(waiting, running, slots, budget):
    decode = [request for request in running if not request.over]
    prefill, used = [], len(decode)
    for request in waiting:
        if request.cancelled:
            continue
        if len(prefill) == slots or used + request.prompt > budget:
            break
        prefill.append(request)
        used += request.prompt
    return prefill, decode


# %% wrong: slots of those that are over are not free -> would stay empty while request
def schedule(waiting, running, slots, budget):
    decode = [request for request in running if not request.over]
    prefill, used = [], len(decode)
    for request in waiting:
        if request.cancelled:
            continue
        if len(running) + len(prefill) >= slots or used + request.prompt > budget:
            break
        prefill.append(request)
        used += request.prompt
    return prefill, decode


# %% wrong: a slot is kept back -> would stay empty while request
def schedule(waiting, running, slots, budget):
    decode = [request for request in running if not request.over]
    prefill, used = [], len(decode)
    for request in waiting:
        if request.cancelled:
            continue
        if len(decode) + len(prefill) >= slots - 1 or used + request.prompt > budget:
            break
        prefill.append(request)
        used += request.prompt
    return prefill, decode


# %% wrong: one slot too many -> requests, and there
def schedule(waiting, running, slots, budget):
    decode = [request for request in running if not request.over]
    prefill, used = [], len(decode)
    for request in waiting:
        if request.cancelled:
            continue
        if len(decode) + len(prefill) > slots or used + request.prompt > budget:
            break
        prefill.append(request)
        used += request.prompt
    return prefill, decode


# %% wrong: no budget -> and the budget is
def schedule(waiting, running, slots, budget):
    decode = [request for request in running if not request.over]
    prefill, used = [], len(decode)
    for request in waiting:
        if request.cancelled:
            continue
        if len(decode) + len(prefill) == slots:
            break
        prefill.append(request)
        used += request.prompt
    return prefill, decode


# %% wrong: prompts only count -> and the budget is
def schedule(waiting, running, slots, budget):
    decode = [request for request in running if not request.over]
    prefill, used = [], 0
    for request in waiting:
        if request.cancelled:
            continue
        if len(decode) + len(prefill) == slots or used + request.prompt > budget:
            break
        prefill.append(request)
        used += request.prompt
    return prefill, decode


# %% wrong: the budget is never quite used -> would stay empty while request
def schedule(waiting, running, slots, budget):
    decode = [request for request in running if not request.over]
    prefill, used = [], len(decode)
    for request in waiting:
        if request.cancelled:
            continue
        if len(decode) + len(prefill) == slots or used + request.prompt > budget - 1:
            break
        prefill.append(request)
        used += request.prompt
    return prefill, decode


# %% wrong: each prompt by itself -> and the budget is
def schedule(waiting, running, slots, budget):
    decode = [request for request in running if not request.over]
    prefill, used = [], len(decode)
    for request in waiting:
        if request.cancelled:
            continue
        if len(decode) + len(prefill) == slots or used + request.prompt > budget:
            break
        prefill.append(request)
    return prefill, decode


# %% wrong: a prompt counts as one token -> and the budget is
def schedule(waiting, running, slots, budget):
    decode = [request for request in running if not request.over]
    prefill, used = [], len(decode)
    for request in waiting:
        if request.cancelled:
            continue
        if len(decode) + len(prefill) == slots or used + 1 > budget:
            break
        prefill.append(request)
        used += 1
    return prefill, decode


# %% wrong: prefill before decode -> its next token is lost
def schedule(waiting, running, slots, budget):
    decode = [request for request in running if not request.over]
    prefill, used = [], len(decode)
    for request in waiting:
        if request.cancelled:
            continue
        if len(decode) + len(prefill) == slots or used + request.prompt > budget:
            break
        prefill.append(request)
        used += request.prompt
    return (prefill, []) if prefill else ([], decode)


# %% wrong: decode in slots' turns -> its next token is lost
def schedule(waiting, running, slots, budget):
    decode = [request for request in running if not request.over]
    prefill, used = [], len(decode)
    for request in waiting:
        if request.cancelled:
            continue
        if len(decode) + len(prefill) == slots or used + request.prompt > budget:
            break
        prefill.append(request)
        used += request.prompt
    return prefill, decode[:2]


# %% wrong: the pair exchanged -> is in decode, and it waits: it has to be read first
def schedule(waiting, running, slots, budget):
    decode = [request for request in running if not request.over]
    prefill, used = [], len(decode)
    for request in waiting:
        if request.cancelled:
            continue
        if len(decode) + len(prefill) == slots or used + request.prompt > budget:
            break
        prefill.append(request)
        used += request.prompt
    return decode, prefill


# %% wrong: one list -> return a pair
def schedule(waiting, running, slots, budget):
    decode = [request for request in running if not request.over]
    prefill, used = [], len(decode)
    for request in waiting:
        if request.cancelled:
            continue
        if len(decode) + len(prefill) == slots or used + request.prompt > budget:
            break
        prefill.append(request)
        used += request.prompt
    return prefill + decode


# %% wrong: a dictionary -> return a pair
def schedule(waiting, running, slots, budget):
    decode = [request for request in running if not request.over]
    prefill, used = [], len(decode)
    for request in waiting:
        if request.cancelled:
            continue
        if len(decode) + len(prefill) == slots or used + request.prompt > budget:
            break
        prefill.append(request)
        used += request.prompt
    return {"prefill": prefill, "decode": decode}


# %% wrong: numbers of how many -> must be a list of requests, not
def schedule(waiting, running, slots, budget):
    decode = [request for request in running if not request.over]
    prefill, used = [], len(decode)
    for request in waiting:
        if request.cancelled:
            continue
        if len(decode) + len(prefill) == slots or used + request.prompt > budget:
            break
        prefill.append(request)
        used += request.prompt
    return len(prefill), len(decode)


# %% wrong: prompts in place of requests -> must hold requests (or their ids)
def schedule(waiting, running, slots, budget):
    decode = [request for request in running if not request.over]
    prefill, used = [], len(decode)
    for request in waiting:
        if request.cancelled:
            continue
        if len(decode) + len(prefill) == slots or used + request.prompt > budget:
            break
        prefill.append([request.prompt])
        used += request.prompt
    return prefill, decode


# %% wrong: prints -> return a pair, (prefill, decode), not None
def schedule(waiting, running, slots, budget):
    decode = [request for request in running if not request.over]
    prefill, used = [], len(decode)
    for request in waiting:
        if request.cancelled:
            continue
        if len(decode) + len(prefill) == slots or used + request.prompt > budget:
            break
        prefill.append(request)
        used += request.prompt
    plan = prefill, decode


# %% wrong: the newly read ones decode, too -> is in decode, and it waits: it has to be read first
def schedule(waiting, running, slots, budget):
    decode = [request for request in running if not request.over]
    prefill, used = [], len(decode)
    for request in waiting:
        if request.cancelled:
            continue
        if len(decode) + len(prefill) == slots or used + request.prompt > budget:
            break
        prefill.append(request)
        used += request.prompt
    return prefill, decode + prefill


# %% wrong: a list that is never emptied -> is in prefill, and it runs already
seen = []


def schedule(waiting, running, slots, budget):
    decode = [request for request in running if not request.over]
    prefill, used = seen, len(decode)
    for request in waiting:
        if request.cancelled:
            continue
        if len(decode) + len(prefill) == slots or used + request.prompt > budget:
            break
        prefill.append(request)
        used += request.prompt
    return prefill, decode


# %% wrong: remembers the requests of other loads -> which came before it, is not
known = {}


def schedule(waiting, running, slots, budget):
    decode = [request for request in running if not request.over]
    known.update({r.id: r for r in waiting})
    waiting = list(known.values())
    prefill, used = [], len(decode)
    for request in waiting:
        if request.cancelled:
            continue
        if len(decode) + len(prefill) == slots or used + request.prompt > budget:
            break
        prefill.append(known.pop(request.id))
        used += request.prompt
    return prefill, decode


# %% wrong: nothing at all -> would stay empty while request 0 waits
def schedule(waiting, running, slots, budget):
    return [], [] if slots else []


# %% wrong: everybody -> and is still in decode
def schedule(waiting, running, slots, budget):
    return waiting, running


# %% wrong: fails when nobody waits -> The check called schedule in this state
def schedule(waiting, running, slots, budget):
    decode = [request for request in running if not request.over]
    prefill, used = [], len(decode)
    for request in waiting:
        if request.cancelled:
            continue
        if len(decode) + len(prefill) == slots or used + request.prompt > budget:
            break
        prefill.append(request)
        used += request.prompt
    first = waiting[0]
    return prefill, decode


# %% wrong: loops while a slot is free -> Does it loop for ever?
def schedule(waiting, running, slots, budget):
    decode = [r for r in running if not r.over]
    prefill = []
    while len(prefill) + len(decode) < slots:
        if waiting and waiting[0].prompt + len(decode) <= budget:
            prefill.append(waiting.pop(0))
    return prefill, decode


# %% wrong: endless plans -> must hold requests (or their ids)
from itertools import repeat


def schedule(waiting, running, slots, budget):
    return repeat(waiting), running


# %% wrong: the same request for ever -> is in prefill twice
from itertools import cycle


def schedule(waiting, running, slots, budget):
    return cycle(waiting[:1]), [r for r in running if not r.over]


# %% wrong: without a budget's argument -> yours does not take that
def schedule(waiting, running, slots):
    decode = [request for request in running if not request.over]
    prefill, used = [], len(decode)
    for request in waiting:
        if request.cancelled:
            continue
        if len(decode) + len(prefill) == slots:
            break
        prefill.append(request)
        used += request.prompt
    return prefill, decode


# %% wrong: hard-coded for the first load -> would stay empty while request 1 waits
def schedule(waiting, running, slots, budget):
    return [r for r in waiting if r.id == 0], [r for r in running if r.made < 2]


# %% wrong: sleeps on a full batch -> its next token is lost
def schedule(waiting, running, slots, budget):
    decode = [request for request in running if not request.over]
    prefill, used = [], len(decode)
    for request in waiting:
        if request.cancelled:
            continue
        if len(decode) + len(prefill) == slots or used + request.prompt > budget:
            break
        prefill.append(request)
        used += request.prompt
    return (prefill, decode) if len(decode) < slots or slots == 1 else ([], [])


# %% wrong: long answers wait -> which came before it, is not
def schedule(waiting, running, slots, budget):
    decode = [request for request in running if not request.over]
    prefill, used = [], len(decode)
    for request in waiting:
        if request.cancelled or (request.new_tokens > 20 and decode):
            continue
        if len(decode) + len(prefill) == slots or used + request.prompt > budget:
            break
        prefill.append(request)
        used += request.prompt
    return prefill, decode


# %% wrong: removes cancelled ones from the list that it goes through -> is cancelled, and is in prefill
def schedule(waiting, running, slots, budget):
    for request in waiting:
        if request.cancelled:
            waiting.remove(request)
    decode = [request for request in running if not request.over]
    prefill, used = [], len(decode)
    for request in waiting:
        if len(decode) + len(prefill) == slots or used + request.prompt > budget:
            break
        prefill.append(request)
        used += request.prompt
    return prefill, decode


# %% wrong: drops one cancelled head -> is cancelled, and is in prefill
def schedule(waiting, running, slots, budget):
    decode = [request for request in running if not request.over]
    used, prefill = len(decode), []
    if waiting and waiting[0].cancelled:
        waiting.pop(0)
    while waiting and len(prefill) + len(decode) < slots and used + waiting[0].prompt <= budget:
        used += waiting[0].prompt
        prefill.append(waiting.pop(0))
        if waiting and waiting[0].cancelled:
            waiting.pop(0)
    return prefill, decode


# %% wrong: two cancelled ones stop the line -> would stay empty while request
def schedule(waiting, running, slots, budget):
    decode = [request for request in running if not request.over]
    prefill, used, skipped = [], len(decode), False
    for request in waiting:
        if request.cancelled and skipped:
            break
        skipped = request.cancelled
        if skipped:
            continue
        if len(decode) + len(prefill) == slots or used + request.prompt > budget:
            break
        prefill.append(request)
        used += request.prompt
    return prefill, decode


# %% wrong: removes cancelled ones while it goes through those that run -> is cancelled, and is in decode
def schedule(waiting, running, slots, budget):
    decode = [request for request in running if request.made < request.new_tokens]
    for request in decode:
        if request.cancelled:
            decode.remove(request)
    prefill, used = [], len(decode)
    for request in waiting:
        if request.cancelled:
            continue
        if len(decode) + len(prefill) == slots or used + request.prompt > budget:
            break
        prefill.append(request)
        used += request.prompt
    return prefill, decode


# %% wrong: cancelled ones that run cost a token -> would stay empty while request
def schedule(waiting, running, slots, budget):
    budget -= sum(request.cancelled for request in running)
    decode = [request for request in running if not request.over]
    prefill, used = [], len(decode)
    for request in waiting:
        if request.cancelled:
            continue
        if len(decode) + len(prefill) == slots or used + request.prompt > budget:
            break
        prefill.append(request)
        used += request.prompt
    return prefill, decode


# %% wrong: the first prompt must leave a token -> would stay empty while request
def schedule(waiting, running, slots, budget):
    decode = [request for request in running if not request.over]
    prefill, used = [], len(decode)
    for request in waiting:
        if request.cancelled:
            continue
        if len(decode) + len(prefill) == slots or used + request.prompt > budget - (not prefill):
            break
        prefill.append(request)
        used += request.prompt
    return prefill, decode


# %% wrong: the head must fit beside all slots -> would stay empty while request
def schedule(waiting, running, slots, budget):
    decode = [request for request in running if not request.over]
    prefill, used = [], len(decode)
    for request in waiting:
        if request.cancelled:
            continue
        if len(decode) + len(prefill) == slots or request.prompt > (budget - used if prefill else budget - slots):
            break
        prefill.append(request)
        used += request.prompt
    return prefill, decode


# %% wrong: cancels what is too long -> The check called schedule in this state: step 1, 1 slot, budget 8
def schedule(waiting, running, slots, budget):
    for request in waiting:
        if request.prompt > budget - sum(not each.over for each in running):
            request.cancelled = True
    decode = [request for request in running if not request.over]
    prefill, used = [], len(decode)
    for request in waiting:
        if request.cancelled:
            continue
        if len(decode) + len(prefill) == slots or used + request.prompt > budget:
            break
        prefill.append(request)
        used += request.prompt
    return prefill, decode


# %% wrong: eight decode -> its next token is lost
def schedule(waiting, running, slots, budget):
    decode = [request for request in running if not request.over][:8]
    prefill, used = [], len(decode)
    for request in waiting:
        if request.cancelled:
            continue
        if len(decode) + len(prefill) == slots or used + request.prompt > budget:
            break
        prefill.append(request)
        used += request.prompt
    return prefill, decode


# %% wrong: looks at eight of the line -> would stay empty while request
def schedule(waiting, running, slots, budget):
    decode = [request for request in running if not request.over]
    prefill, used = [], len(decode)
    for request in waiting[:8]:
        if request.cancelled:
            continue
        if len(decode) + len(prefill) == slots or used + request.prompt > budget:
            break
        prefill.append(request)
        used += request.prompt
    return prefill, decode


# %% wrong: makes the prompts fit -> and the budget is
def schedule(waiting, running, slots, budget):
    for request in waiting:
        object.__setattr__(request, "prompt", 0)
    decode = [request for request in running if not request.over]
    prefill, used = [], len(decode)
    for request in waiting:
        if request.cancelled:
            continue
        if len(decode) + len(prefill) == slots or used + request.prompt > budget:
            break
        prefill.append(request)
        used += request.prompt
    return prefill, decode


# %% wrong: says that all are over -> would stay empty while request
def schedule(waiting, running, slots, budget):
    for request in [*waiting, *running]:
        object.__setattr__(request, "cancelled", True)
    decode = [request for request in running if not request.over]
    prefill, used = [], len(decode)
    for request in waiting:
        if request.cancelled:
            continue
        if len(decode) + len(prefill) == slots or used + request.prompt > budget:
            break
        prefill.append(request)
        used += request.prompt
    return prefill, decode


# %% wrong: cancelled ones of the line in decode -> is cancelled, and is in decode
def schedule(waiting, running, slots, budget):
    decode = [request for request in running if not request.over]
    prefill, used = [], len(decode)
    for request in waiting:
        if request.cancelled:
            continue
        if len(decode) + len(prefill) == slots or used + request.prompt > budget:
            break
        prefill.append(request)
        used += request.prompt
    return prefill, decode + [request for request in waiting if request.cancelled]


# %% wrong: positions -> or return positions, not ids?
def schedule(waiting, running, slots, budget):
    decode = [request for request in running if not request.over]
    prefill, used = [], len(decode)
    for request in waiting:
        if request.cancelled:
            continue
        if len(decode) + len(prefill) == slots or used + request.prompt > budget:
            break
        prefill.append(request)
        used += request.prompt
    return [waiting.index(r) for r in prefill], [running.index(r) + 1000 for r in decode]
