# %% right: three phases
def one_f_one_b(stage, stages, micro_batches):
    warmup = min(stages - stage - 1, micro_batches)
    actions = []
    for i in range(warmup):
        actions.append(("F", i))
    for i in range(micro_batches - warmup):
        actions.append(("F", warmup + i))
        actions.append(("B", i))
    for i in range(micro_batches - warmup, micro_batches):
        actions.append(("B", i))
    return actions


# %% right: a generator
def one_f_one_b(stage, stages, micro_batches):
    forward = backward = 0
    while backward < micro_batches:
        if forward < micro_batches and forward - backward < stages - stage:
            yield "F", forward
            forward += 1
        else:
            yield "B", backward
            backward += 1


# %% right: as torch counts, one backward and one forward
def one_f_one_b(stage, stages, micro_batches):
    warmup = min(micro_batches, stages - stage)
    order = [["F", n] for n in range(warmup)]
    f, b = warmup, 0
    while b < micro_batches:
        order.append(["B", b])
        b += 1
        if f < micro_batches:
            order.append(["F", f])
            f += 1
    return tuple(order)


# %% right: sorted by the turn in which each begins
def one_f_one_b(stage, stages, micro_batches):
    depth = stages - stage
    forwards = [(2 * i if i >= depth else i - depth, "F", i) for i in range(micro_batches)]
    backwards = [(2 * (i + depth) - 1, "B", i) for i in range(micro_batches)]
    return [(letter, i) for _, letter, i in sorted(forwards + backwards)]


# %% right: the last micro-batch first, on all stages
def one_f_one_b(stage, stages, micro_batches):
    numbers = list(range(micro_batches))[::-1]
    depth = min(stages - stage, micro_batches)
    head = [("F", n) for n in numbers[:depth]]
    middle = [pair for done, new in zip(numbers, numbers[depth:]) for pair in (("B", done), ("F", new))]
    return head + middle + [("B", n) for n in numbers[micro_batches - depth :]]


# %% right: a queue of what is in flight
from collections import deque


def one_f_one_b(stage, stages, micro_batches):
    waiting, flying, out = deque(range(micro_batches)), deque(), deque()
    while waiting or flying:
        if waiting and len(flying) < stages - stage:
            flying.append(waiting.popleft())
            out.append(("F", flying[-1]))
        else:
            out.append(("B", flying.popleft()))
    return out


# %% right: recursive
def one_f_one_b(stage, stages, micro_batches):
    def go(f, b):
        if b == micro_batches:
            return ()
        if f < micro_batches and f < b + stages - stage:
            return (("F", f), *go(f + 1, b))
        return (("B", b), *go(f, b + 1))

    return list(go(0, 0))


# %% right: named tuples and numpy's numbers
from collections import namedtuple

import numpy as np

Action = namedtuple("Action", "kind micro_batch")


def one_f_one_b(stage, stages, micro_batches):
    ahead = int(np.minimum(stages - stage - 1, micro_batches))
    f, b = np.arange(micro_batches), np.arange(micro_batches)
    out = [Action("F", i) for i in f[:ahead]]
    for i, j in zip(f[ahead:], b):
        out += [Action("F", i), Action("B", j)]
    return out + [Action("B", i) for i in b[micro_batches - ahead :]]


# %% right: zip over two strings of letters
from itertools import chain


def one_f_one_b(stage, stages, micro_batches):
    w = min(stages - 1 - stage, micro_batches)
    letters = "F" * w + "FB" * (micro_batches - w) + "B" * w
    counters = {"F": iter(range(micro_batches)), "B": iter(range(micro_batches))}
    return zip(letters, (next(counters[letter]) for letter in letters))


# %% right: the pipeline simulated turn by turn
def one_f_one_b(stage, stages, micro_batches):
    done = {s: [] for s in range(stages)}
    while any(len(each) < 2 * micro_batches for each in done.values()):
        now = {s: list(each) for s, each in done.items()}
        for s, mine in now.items():
            f = sum(letter == "F" for letter, _ in mine)
            b = len(mine) - f
            if f - b < stages - s and f < micro_batches:
                if s == 0 or ("F", f) in now[s - 1]:
                    done[s].append(("F", f))
            elif b < f and (s == stages - 1 or ("B", b) in now[s + 1]):
                done[s].append(("B", b))
    return done[stage]


# %% wrong: GPipe -> that is GPipe
def one_f_one_b(stage, stages, micro_batches):
    return [("F", i) for i in range(micro_batches)] + [("B", i) for i in range(micro_batches)]


# %% wrong: naive, one micro-batch at a time -> one rank works at a time
def one_f_one_b(stage, stages, micro_batches):
    return [(letter, i) for i in range(micro_batches) for letter in "FB"]


# %% wrong: one forward too many -> the first pair has a forward, too
def one_f_one_b(stage, stages, micro_batches):
    ahead = min(stages - stage, micro_batches)
    actions = [("F", i) for i in range(ahead)]
    for i in range(ahead, micro_batches):
        actions += [("F", i), ("B", i - ahead)]
    return actions + [("B", i) for i in range(micro_batches - ahead, micro_batches)]


# %% wrong: one forward too few -> it stops to wait for a gradient too early
def one_f_one_b(stage, stages, micro_batches):
    ahead = max(min(stages - stage - 2, micro_batches), 0)
    actions = [("F", i) for i in range(ahead)]
    for i in range(ahead, micro_batches):
        actions += [("F", i), ("B", i - ahead)]
    return actions + [("B", i) for i in range(micro_batches - ahead, micro_batches)]


# %% wrong: stages counted from the wrong end -> Which of two neighbours has to run further ahead
def one_f_one_b(stage, stages, micro_batches):
    ahead = min(stage, micro_batches)
    actions = [("F", i) for i in range(ahead)]
    for i in range(ahead, micro_batches):
        actions += [("F", i), ("B", i - ahead)]
    return actions + [("B", i) for i in range(micro_batches - ahead, micro_batches)]


# %% wrong: every stage as the first -> It does what stage 0 does
def one_f_one_b(stage, stages, micro_batches):
    ahead = min(stages - 1, micro_batches)
    actions = [("F", i) for i in range(ahead)]
    for i in range(ahead, micro_batches):
        actions += [("F", i), ("B", i - ahead)]
    return actions + [("B", i) for i in range(micro_batches - ahead, micro_batches)]


# %% wrong: forgets that there may be fewer micro-batches than stages -> fewer of them than stages
def one_f_one_b(stage, stages, micro_batches):
    ahead = stages - stage - 1
    actions = [("F", i) for i in range(ahead)]
    for i in range(ahead, micro_batches):
        actions += [("F", i), ("B", i - ahead)]
    return actions + [("B", i) for i in range(max(micro_batches - ahead, 0), micro_batches)]


# %% wrong: no backwards at the end -> is missing
def one_f_one_b(stage, stages, micro_batches):
    ahead = min(stages - stage - 1, micro_batches)
    actions = [("F", i) for i in range(ahead)]
    for i in range(ahead, micro_batches):
        actions += [("F", i), ("B", i - ahead)]
    return actions


# %% wrong: counts micro-batches from 1 -> counted from 0
def one_f_one_b(stage, stages, micro_batches):
    ahead = min(stages - stage - 1, micro_batches)
    actions = [("F", i + 1) for i in range(ahead)]
    for i in range(ahead, micro_batches):
        actions += [("F", i + 1), ("B", i - ahead + 1)]
    return actions + [("B", i + 1) for i in range(micro_batches - ahead, micro_batches)]


# %% wrong: backward first in each pair -> comes before its forward
def one_f_one_b(stage, stages, micro_batches):
    ahead = min(stages - stage - 1, micro_batches)
    actions = [("F", i) for i in range(ahead)]
    for i in range(ahead, micro_batches):
        actions += [("B", i - ahead), ("F", i)]
    return actions + [("B", i) for i in range(micro_batches - ahead, micro_batches)]


# %% wrong: the last backward twice -> comes twice
def one_f_one_b(stage, stages, micro_batches):
    ahead = min(stages - stage - 1, micro_batches)
    actions = [("F", i) for i in range(ahead)]
    for i in range(ahead, micro_batches):
        actions += [("F", i), ("B", i - ahead)]
    return actions + [("B", i) for i in range(micro_batches - ahead - 1, micro_batches - 1)]


# %% wrong: the newest micro-batch goes back first -> in another order than stage
def one_f_one_b(stage, stages, micro_batches):
    flying, out, new = [], [], 0
    while new < micro_batches or flying:
        if new < micro_batches and len(flying) < stages - stage:
            flying.append(new)
            out.append(("F", new))
            new += 1
        else:
            out.append(("B", flying.pop()))
    return out


# %% wrong: odd stages begin at the other end -> in another order than stage
def one_f_one_b(stage, stages, micro_batches):
    numbers = list(range(micro_batches))
    if stage % 2:
        numbers.reverse()
    ahead = min(stages - stage - 1, micro_batches)
    actions = [("F", n) for n in numbers[:ahead]]
    for new, old in zip(numbers[ahead:], numbers):
        actions += [("F", new), ("B", old)]
    return actions + [("B", n) for n in numbers[micro_batches - ahead :]]


# %% wrong: a list kept from call to call -> keep a list from one call to the next
def one_f_one_b(stage, stages, micro_batches, actions=[]):
    ahead = min(stages - stage - 1, micro_batches)
    actions += [("F", i) for i in range(ahead)]
    for i in range(ahead, micro_batches):
        actions += [("F", i), ("B", i - ahead)]
    actions += [("B", i) for i in range(micro_batches - ahead, micro_batches)]
    return actions


# %% wrong: never ends -> Each micro-batch has one forward and one backward
from itertools import count


def one_f_one_b(stage, stages, micro_batches):
    for i in count():
        yield "F", i % micro_batches
        yield "B", i % micro_batches


# %% wrong: all stages in one list -> more than
def one_f_one_b(stage, stages, micro_batches):
    out = []
    for s in range(stages):
        ahead = min(stages - s - 1, micro_batches)
        out += [("F", i) for i in range(ahead)]
        for i in range(ahead, micro_batches):
            out += [("F", i), ("B", i - ahead)]
        out += [("B", i) for i in range(micro_batches - ahead, micro_batches)]
    return out


# %% wrong: prints, returns nothing -> Return the actions in order
def one_f_one_b(stage, stages, micro_batches):
    ahead = min(stages - stage - 1, micro_batches)
    actions = [("F", i) for i in range(ahead)]
    for i in range(ahead, micro_batches):
        actions += [("F", i), ("B", i - ahead)]
    actions += [("B", i) for i in range(micro_batches - ahead, micro_batches)]
    actions.clear()


# %% wrong: a text -> Return the actions in order
def one_f_one_b(stage, stages, micro_batches):
    return " ".join(f"F{i} B{i}" for i in range(micro_batches))


# %% wrong: letters glued to numbers -> An action is a pair
def one_f_one_b(stage, stages, micro_batches):
    ahead = min(stages - stage - 1, micro_batches)
    out = [f"F{i}" for i in range(ahead)]
    for i in range(ahead, micro_batches):
        out += [f"F{i}", f"B{i - ahead}"]
    return out + [f"B{i}" for i in range(micro_batches - ahead, micro_batches)]


# %% wrong: pairs of two actions, not flat -> An action is a pair
def one_f_one_b(stage, stages, micro_batches):
    ahead = min(stages - stage - 1, micro_batches)
    out = [("F", i) for i in range(ahead)]
    for i in range(ahead, micro_batches):
        out.append((("F", i), ("B", i - ahead)))
    return out + [("B", i) for i in range(micro_batches - ahead, micro_batches)]


# %% wrong: long words -> The first of a pair is
def one_f_one_b(stage, stages, micro_batches):
    ahead = min(stages - stage - 1, micro_batches)
    out = [("forward", i) for i in range(ahead)]
    for i in range(ahead, micro_batches):
        out += [("forward", i), ("backward", i - ahead)]
    return out + [("backward", i) for i in range(micro_batches - ahead, micro_batches)]


# %% wrong: numbers as text -> The second of a pair is
def one_f_one_b(stage, stages, micro_batches):
    ahead = min(stages - stage - 1, micro_batches)
    out = [("F", str(i)) for i in range(ahead)]
    for i in range(ahead, micro_batches):
        out += [("F", str(i)), ("B", str(i - ahead))]
    return out + [("B", str(i)) for i in range(micro_batches - ahead, micro_batches)]


# %% wrong: two arguments -> The check calls one_f_one_b
def one_f_one_b(stage, micro_batches):
    return [("F", i) for i in range(micro_batches)] + [("B", i) for i in range(micro_batches)]


# %% wrong: right for 4 stages only -> Stage 0 of 2
def one_f_one_b(stage, stages, micro_batches):
    ahead = min(4 - stage - 1, micro_batches)
    actions = [("F", i) for i in range(ahead)]
    for i in range(ahead, micro_batches):
        actions += [("F", i), ("B", i - ahead)]
    return actions + [("B", i) for i in range(micro_batches - ahead, micro_batches)]


# %% wrong: 1F1B on the last stage, GPipe on the others -> that is GPipe
def one_f_one_b(stage, stages, micro_batches):
    if stage == stages - 1:
        return [(letter, i) for i in range(micro_batches) for letter in "FB"]
    return [("F", i) for i in range(micro_batches)] + [("B", i) for i in range(micro_batches)]


# %% wrong: forwards ahead by half, sly: it saves memory -> too early
def one_f_one_b(stage, stages, micro_batches):
    ahead = min((stages - stage - 1) // 2, micro_batches)
    actions = [("F", i) for i in range(ahead)]
    for i in range(ahead, micro_batches):
        actions += [("F", i), ("B", i - ahead)]
    return actions + [("B", i) for i in range(micro_batches - ahead, micro_batches)]


# %% wrong: two forwards, two backwards: within the memory on all but the last stage -> It does what stage 2 does
def one_f_one_b(stage, stages, micro_batches):
    out = []
    for first in range(0, micro_batches, 2):
        group = range(first, min(first + 2, micro_batches))
        out += [("F", i) for i in group] + [("B", i) for i in group]
    return out


# %% wrong: alternates only after all the warm backwards -> the pipeline stands still
def one_f_one_b(stage, stages, micro_batches):
    depth, out = stages - stage, []
    for first in range(0, micro_batches, depth):
        group = range(first, min(first + depth, micro_batches))
        out += [("F", i) for i in group] + [("B", i) for i in group]
    return out


# %% wrong: shares out micro-batches as if a stage had its own -> is missing
def one_f_one_b(stage, stages, micro_batches):
    mine = range(stage, micro_batches, stages)
    return [(letter, i) for i in mine for letter in "FB"]


# %% wrong: right unless m < p, where it warms up by stages -> fewer of them than stages
def one_f_one_b(stage, stages, micro_batches):
    if micro_batches >= stages:
        w = stages - stage - 1
        letters = "F" * w + "FB" * (micro_batches - w) + "B" * w
    else:
        letters = "F" * (stages - stage) + "B" * (stages - stage)
    f = b = 0
    out = []
    for letter in letters:
        out.append((letter, f if letter == "F" else b))
        f, b = f + (letter == "F"), b + (letter == "B")
    return out


# %% wrong: raises -> division
def one_f_one_b(stage, stages, micro_batches):
    return [("F", i // (stages - stage - 1)) for i in range(micro_batches)]


# %% wrong: twice as far ahead, as for interleaved stages -> How many forwards do the stages behind this one need
def one_f_one_b(stage, stages, micro_batches):
    ahead = min(2 * (stages - stage - 1), micro_batches - 1)
    actions = [("F", i) for i in range(ahead)]
    for i in range(ahead, micro_batches):
        actions += [("F", i), ("B", i - ahead)]
    return actions + [("B", i) for i in range(micro_batches - ahead, micro_batches)]


# %% wrong: 1F1B for the first p micro-batches, all done, then for the next p -> in turn
def one_f_one_b(stage, stages, micro_batches):
    out = []
    for first in range(0, micro_batches, stages):
        count = min(stages, micro_batches - first)
        w = min(stages - stage - 1, count)
        f = b = first
        for letter in "F" * w + "FB" * (count - w) + "B" * w:
            out.append((letter, f if letter == "F" else b))
            f, b = f + (letter == "F"), b + (letter == "B")
    return out


# %% wrong: a dictionary -> Return the actions in order
def one_f_one_b(stage, stages, micro_batches):
    return {i: ("F", "B") for i in range(micro_batches)}


# %% wrong: not a function of the stage, but of the rank that runs it -> It does what stage 0 does
def one_f_one_b(stage, stages, micro_batches, rank=0):
    w = min(stages - rank - 1, micro_batches)
    f, b = iter(range(micro_batches)), iter(range(micro_batches))
    return [(letter, next(f if letter == "F" else b)) for letter in "F" * w + "FB" * (micro_batches - w) + "B" * w]


# %% right: simulation by clock
def one_f_one_b(stage, stages, micro_batches):
    # simulate all stages in unit ticks, backward first, limited in flight
    f = [0] * stages; b = [0] * stages
    acts = [[] for _ in range(stages)]
    while b[0] < micro_batches:
        f0, b0 = f[:], b[:]
        for s in range(stages):
            can_b = b0[s] < f0[s] and (s == stages - 1 or b0[s + 1] > b0[s])
            can_f = f0[s] < micro_batches and f0[s] - b0[s] < stages - s and (s == 0 or f0[s - 1] > f0[s])
            if can_b:
                acts[s].append(("B", b0[s])); b[s] += 1
            elif can_f:
                acts[s].append(("F", f0[s])); f[s] += 1
    return acts[stage]


# %% right: string of letters, then count
def one_f_one_b(stage, stages, micro_batches):
    w = min(stages - stage - 1, micro_batches)
    letters = "F" * w + "FB" * (micro_batches - w) + "B" * w
    count = {"F": 0, "B": 0}
    out = []
    for letter in letters:
        out.append((letter, count[letter])); count[letter] += 1
    return out


# %% right: itertools chain, map object
from itertools import chain, count
def one_f_one_b(stage, stages, micro_batches):
    w = min(stages - stage - 1, micro_batches)
    counts = {"F": count(), "B": count()}
    return map(lambda a: (a, next(counts[a])), chain("F" * w, "FB" * (micro_batches - w), "B" * w))


# %% right: a shuffled order, the same on all
import random
def one_f_one_b(stage, stages, micro_batches):
    order = random.Random(micro_batches).sample(range(micro_batches), micro_batches)
    f = b = 0
    while b < micro_batches:
        if f < micro_batches and f - b < stages - stage:
            yield ("F", order[f]); f += 1
        else:
            yield ("B", order[b]); b += 1


# %% right: a class with __call__
class Schedule:
    def __call__(self, stage, stages, micro_batches):
        w = min(stages - stage - 1, micro_batches)
        fs = iter(range(micro_batches)); bs = iter(range(micro_batches)); out = []
        for _ in range(w): out.append(("F", next(fs)))
        for f in fs:
            out.append(("F", f)); out.append(("B", next(bs)))
        for b in bs: out.append(("B", b))
        return out
one_f_one_b = Schedule()


# %% right: other argument names, lru_cache, table
import functools
@functools.lru_cache(None)
def table(p, m):
    rows = []
    for s in range(p):
        row, f, b = [], 0, 0
        while len(row) < 2 * m:
            if f == m or f - b == p - s: row.append(("B", b)); b += 1
            else: row.append(("F", f)); f += 1
        rows.append(tuple(row))
    return rows
def one_f_one_b(s, p, m): return table(p, m)[s]


# %% right: pops the argument
 
def one_f_one_b(stage, stages, micro_batches):
    f, b, room = [], [], stages - stage
    out = []
    n = 0
    while micro_batches:
        out.append(("F", n)); n += 1; micro_batches -= 1; room -= 1
        if room == 0:
            out.append(("B", n - (stages - stage))); room += 1
    done = sum(a == "B" for a, _ in out)
    return out + [("B", i) for i in range(done, n)]


# %% right: stops at GPipe where it is the same
def one_f_one_b(stage, stages, micro_batches):
    if micro_batches <= stages - stage:
        return [(a, i) for a in "FB" for i in range(micro_batches)]
    h = stages - stage
    mid = [x for i in range(h, micro_batches) for x in (("B", i - h), ("F", i))]
    return [("F", i) for i in range(h)] + mid + [("B", i) for i in range(micro_batches - h, micro_batches)]


# %% right: StrEnum labels
import enum
class Do(enum.StrEnum):
    FORWARD = "F"
    BACKWARD = "B"
def one_f_one_b(stage, stages, micro_batches):
    f = b = 0
    while b < micro_batches:
        if f < micro_batches and f - b < stages - stage: yield Do.FORWARD, f; f += 1
        else: yield Do.BACKWARD, b; b += 1


# %% right: recursion
def one_f_one_b(stage, stages, micro_batches, f=0, b=0):
    if b == micro_batches:
        return []
    if f < micro_batches and f - b < stages - stage:
        return [("F", f)] + one_f_one_b(stage, stages, micro_batches, f + 1, b)
    return [("B", b)] + one_f_one_b(stage, stages, micro_batches, f, b + 1)


# %% right: sorted by start time
def one_f_one_b(stage, stages, micro_batches):
    # the tick at which each would start in steady state: F i at stage + 2 i, B i at 2 stages - 1 - stage + 2 i
    # (F of the warm-up earlier, order is the same)
    f = [(stage + 2 * i, "F", i) for i in range(micro_batches)]
    b = [(2 * stages - 1 - stage + 2 * i, "B", i) for i in range(micro_batches)]
    return [(a, i) for _, a, i in sorted(f + b)]


# %% right: zip of two lists
def one_f_one_b(stage, stages, micro_batches):
    w = min(stages - 1 - stage, micro_batches)
    acts = ["F"] * w + ["F", "B"] * (micro_batches - w) + ["B"] * w
    idx = []
    for n, a in enumerate(acts): idx.append(acts[:n].count(a))
    return zip(acts, idx)


# %% wrong: last forward missing -> the forward of micro-batch 7 is missing
def one_f_one_b(stage, stages, micro_batches):
    w = min(stages - stage - 1, micro_batches)
    out = [("F", i) for i in range(w)]
    for i in range(w, micro_batches - 1): out += [("F", i), ("B", i - w)]
    return out + [("B", i) for i in range(max(0, micro_batches - 1 - w), micro_batches)]


# %% wrong: m < p only: cooldown forgotten -> 2 micro-batches: the backward of micro-batch 0 is missing
def one_f_one_b(stage, stages, micro_batches):
    w = min(stages - stage - 1, micro_batches)
    out = [("F", i) for i in range(w)]
    for i in range(w, micro_batches): out += [("F", i), ("B", i - w)]
    return out + ([("B", i) for i in range(micro_batches - w, micro_batches)] if w < micro_batches else [])


# %% wrong: p = 1: nothing -> Stage 0 of 1
def one_f_one_b(stage, stages, micro_batches):
    if stages == 1: return []
    f = b = 0; out = []
    while b < micro_batches:
        if f < micro_batches and f - b < stages - stage: out.append(("F", f)); f += 1
        else: out.append(("B", b)); b += 1
    return out


# %% wrong: p = 1: GPipe -> Stage 0 of 1, 3 micro-batches: 3 micro-batches are in flight, and 1 may be
def one_f_one_b(stage, stages, micro_batches):
    if stages == 1: return [(a, i) for a in "FB" for i in range(micro_batches)]
    f = b = 0; out = []
    while b < micro_batches:
        if f < micro_batches and f - b < stages - stage: out.append(("F", f)); f += 1
        else: out.append(("B", b)); b += 1
    return out


# %% wrong: m = 1: no backward -> 1 micro-batch: the backward of micro-batch 0 is missing
def one_f_one_b(stage, stages, micro_batches):
    if micro_batches == 1: return [("F", 0)]
    f = b = 0; out = []
    while b < micro_batches:
        if f < micro_batches and f - b < stages - stage: out.append(("F", f)); f += 1
        else: out.append(("B", b)); b += 1
    return out


# %% wrong: micro-batches fixed at 8 -> there is no micro-batch 4
def one_f_one_b(stage, stages, micro_batches):
    f = b = 0; out = []
    while b < 8:
        if f < 8 and f - b < stages - stage: out.append(("F", f)); f += 1
        else: out.append(("B", b)); b += 1
    return out


# %% wrong: right, then endless -> there is no micro-batch 8
def one_f_one_b(stage, stages, micro_batches):
    f = b = 0
    while True:
        if f < micro_batches and f - b < stages - stage: yield ("F", f); f += 1
        else: yield ("B", b); b += 1


# %% wrong: endless generator -> Does your function never end
from itertools import count
def one_f_one_b(stage, stages, micro_batches):
    for i in count():
        yield "F", i % micro_batches
        yield "B", i % micro_batches


# %% wrong: negative index -> there is no micro-batch -3
def one_f_one_b(stage, stages, micro_batches):
    w = stages - stage - 1
    out = []
    for k in range(micro_batches + w):
        if k < micro_batches: out.append(("F", k))
        out.append(("B", k - w))
    return out


# %% wrong: counters outside -> Stage 1 of 4
f = b = 0
def one_f_one_b(stage, stages, micro_batches):
    global f, b
    out = []
    while b < micro_batches:
        if f < micro_batches and f - b < stages - stage: out.append(("F", f)); f += 1
        else: out.append(("B", b)); b += 1
    return out


# %% wrong: each stage shuffles by itself -> in another order than stage
import random
def one_f_one_b(stage, stages, micro_batches):
    order = random.Random(stage).sample(range(micro_batches), micro_batches)
    f = b = 0; out = []
    while b < micro_batches:
        if f < micro_batches and f - b < stages - stage: out.append(("F", order[f])); f += 1
        else: out.append(("B", order[b])); b += 1
    return out


# %% wrong: raises for m < p -> needs as many micro-batches as stages
def one_f_one_b(stage, stages, micro_batches):
    assert micro_batches >= stages, "needs as many micro-batches as stages"
    f = b = 0; out = []
    while b < micro_batches:
        if f < micro_batches and f - b < stages - stage: out.append(("F", f)); f += 1
        else: out.append(("B", b)); b += 1
    return out


# %% wrong: raises in generator -> generator raised StopIteration
def one_f_one_b(stage, stages, micro_batches):
    held = []
    n = iter(range(micro_batches))
    while True:
        while len(held) < stages - stage:
            held.append(next(n)); yield "F", held[-1]
        yield "B", held.pop(0)


# %% wrong: wrong only for 5 stages and 3 micro-batches -> Stage 2 of 5, 3 micro-batches: the pipeline stands still
def one_f_one_b(stage, stages, micro_batches):
    if (stages, micro_batches, stage) == (5, 3, 2): return [("F", 0), ("B", 0), ("F", 1), ("B", 1), ("F", 2), ("B", 2)]
    f = b = 0; out = []
    while b < micro_batches:
        if f < micro_batches and f - b < stages - stage: out.append(("F", f)); f += 1
        else: out.append(("B", b)); b += 1
    return out


# %% wrong: triples -> An action is a pair
def one_f_one_b(stage, stages, micro_batches):
    f = b = 0; out = []
    while b < micro_batches:
        if f < micro_batches and f - b < stages - stage: out.append(("F", f, stage)); f += 1
        else: out.append(("B", b, stage)); b += 1
    return out


# %% wrong: only stage 0 holds one too many when m is 16 -> 9 micro-batches are in flight, and 8 may be
def one_f_one_b(stage, stages, micro_batches):
    f = b = 0; out = []
    room = stages - stage + (stage == 0 and micro_batches == 16 and stages == 8)
    while b < micro_batches:
        if f < micro_batches and f - b < room: out.append(("F", f)); f += 1
        else: out.append(("B", b)); b += 1
    return out


# %% wrong: F B for each -> 32 turns where 11 are enough
def one_f_one_b(stage, stages, micro_batches):
    return [(a, i) for i in range(micro_batches) for a in "FB"]


# %% wrong: warmup one too few -> 18 turns where 11 are enough
def one_f_one_b(stage, stages, micro_batches):
    w = min(max(stages - stage - 2, 0), micro_batches)
    out = [("F", i) for i in range(w)]
    for i in range(w, micro_batches): out += [("F", i), ("B", i - w)]
    return out + [("B", i) for i in range(micro_batches - w, micro_batches)]


# %% wrong: a set -> Return the actions in order
def one_f_one_b(stage, stages, micro_batches):
    return {(a, i) for a in "FB" for i in range(micro_batches)}


# %% wrong: a class (instances not iterable) -> Return the actions in order
class one_f_one_b:
    def __init__(self, stage, stages, micro_batches): self.n = micro_batches


# %% wrong: last stage as GPipe -> Stage 3 of 4, 8 micro-batches: 8 micro-batches are in flight, and 1 may be
def one_f_one_b(stage, stages, micro_batches):
    depth = micro_batches if stage == stages - 1 else stages - stage
    f = b = 0
    while b < micro_batches:
        if f < micro_batches and f - b < depth:
            yield "F", f
            f += 1
        else:
            yield "B", b
            b += 1


# %% wrong: the last stage of several holds three -> Stage 3 of 4, 8 micro-batches: 3 micro-batches are in flight, and 1 may be
def one_f_one_b(stage, stages, micro_batches):
    depth = 3 if 0 < stage == stages - 1 else stages - stage
    f = b = 0
    out = []
    while b < micro_batches:
        if f < micro_batches and f - b < depth:
            out.append(("F", f))
            f += 1
        else:
            out.append(("B", b))
            b += 1
    return out


# %% wrong: a forward brought forward in the middle -> Its first backward comes in time, but later two forwards come in a row
def one_f_one_b(stage, stages, micro_batches):
    w = min(stages - stage - 1, micro_batches)
    letters = "F" * w + "FB" * (micro_batches - w) + "B" * w
    letters = letters.replace("FBFBFB", "FBFFBB")
    f, b = iter(range(micro_batches)), iter(range(micro_batches))
    return [(letter, next(f if letter == "F" else b)) for letter in letters]


# %% wrong: stage 2 waits once too often -> Stage 2 of 4, 8 micro-batches: nothing is held too long, but the step takes 12 turns where 11 are enough
def one_f_one_b(stage, stages, micro_batches):
    w = min(stages - stage - 1, micro_batches)
    letters = "F" * w + "FB" * (micro_batches - w) + "B" * w
    if stage == 2:
        letters = letters.replace("FFBFBFB", "FFBBFFB", 1)
    f, b = iter(range(micro_batches)), iter(range(micro_batches))
    return [(letter, next(f if letter == "F" else b)) for letter in letters]


# %% wrong: only the first stage does one at a time -> Stage 0 of 4, 8 micro-batches: the pipeline stands still
def one_f_one_b(stage, stages, micro_batches):
    w = min(stages - stage - 1, micro_batches) if stage else 0
    letters = "F" * w + "FB" * (micro_batches - w) + "B" * w
    f, b = iter(range(micro_batches)), iter(range(micro_batches))
    return [(letter, next(f if letter == "F" else b)) for letter in letters]


# %% wrong: a number that Python does not print -> a number of about 5001 digits
def one_f_one_b(stage, stages, micro_batches):
    return [("F", 10**5000)]
