# %% right: a list of unused blocks
class BlockTables:
    def __init__(self, blocks, block_size):
        self.size = block_size
        self.unused = list(range(blocks))
        self.tables, self.tokens = {}, {}

    def grow(self, request, tokens):
        total = self.tokens.get(request, 0) + tokens
        table = self.tables.get(request, [])
        more = -(-total // self.size) - len(table)
        if more > len(self.unused):
            return False
        self.tables[request] = table + [self.unused.pop() for _ in range(more)]
        self.tokens[request] = total
        return True

    def table(self, request):
        return self.tables.get(request, [])

    def free(self, request):
        self.unused += self.tables.pop(request, [])
        self.tokens.pop(request, None)


# %% right: a set of unused blocks and math.ceil
import math


class BlockTables:
    def __init__(self, blocks, block_size):
        self.blocks, self.block_size = blocks, block_size
        self.free_blocks = set(range(blocks))
        self.requests = {}

    def grow(self, request, tokens):
        length, table = self.requests.get(request, (0, []))
        needed = math.ceil((length + tokens) / self.block_size)
        extra = max(needed - len(table), 0)
        if len(self.free_blocks) < extra:
            return False
        new = [self.free_blocks.pop() for _ in range(extra)]
        self.requests[request] = (length + tokens, table + new)
        return True

    def table(self, request):
        return list(self.requests.get(request, (0, []))[1])

    def free(self, request):
        _, table = self.requests.pop(request, (0, []))
        self.free_blocks.update(table)


# %% right: an array of owners
class BlockTables:
    def __init__(self, blocks, block_size):
        self.owner = [None] * blocks
        self.place = [0] * blocks
        self.count = {}
        self.bs = block_size

    def grow(self, request, tokens):
        have = self.count.get(request, 0)
        now = (have + self.bs - 1) // self.bs
        then = (have + tokens + self.bs - 1) // self.bs
        empty = [i for i, o in enumerate(self.owner) if o is None]
        if then - now > len(empty):
            return False
        for number, block in zip(range(now, then), empty):
            self.owner[block], self.place[block] = (request,), number
        self.count[request] = have + tokens
        return True

    def table(self, request):
        mine = [i for i, o in enumerate(self.owner) if o == (request,)]
        return sorted(mine, key=lambda i: self.place[i])

    def free(self, request):
        self.owner = [None if o == (request,) else o for o in self.owner]
        self.count.pop(request, None)


# %% right: token by token, with a rollback
class BlockTables:
    def __init__(self, blocks, block_size):
        self.free_list = list(range(blocks))
        self.block_size = block_size
        self.slots = {}

    def grow(self, request, tokens):
        added, taken = 0, []
        entry = self.slots.setdefault(request, {"length": 0, "table": []})
        for _ in range(tokens):
            if entry["length"] % self.block_size == 0:
                if not self.free_list:
                    entry["length"] -= added
                    for block in taken:
                        entry["table"].remove(block)
                    self.free_list.extend(taken)
                    if not entry["table"]:
                        del self.slots[request]
                    return False
                block = self.free_list.pop(0)
                taken.append(block)
                entry["table"].append(block)
            entry["length"] += 1
            added += 1
        return True

    def table(self, request):
        return self.slots[request]["table"] if request in self.slots else []

    def free(self, request):
        if request in self.slots:
            self.free_list.extend(self.slots.pop(request)["table"])


# %% right: a deque and a request class
from collections import deque
from dataclasses import dataclass, field


@dataclass
class Sequence:
    length: int = 0
    blocks: list = field(default_factory=list)


class BlockTables:
    def __init__(self, blocks: int, block_size: int):
        self._free = deque(range(blocks))
        self._size = block_size
        self._live: dict = {}

    def grow(self, request, tokens: int) -> bool:
        sequence = self._live.get(request) or Sequence()
        room = len(sequence.blocks) * self._size - sequence.length
        wanted = 0 if tokens <= room else (tokens - room - 1) // self._size + 1
        if wanted > len(self._free):
            return False
        sequence.blocks.extend(self._free.popleft() for _ in range(wanted))
        sequence.length += tokens
        self._live[request] = sequence
        return True

    def table(self, request):
        return tuple(self._live[request].blocks) if request in self._live else ()

    def free(self, request):
        if (sequence := self._live.pop(request, None)) is not None:
            self._free.extend(sequence.blocks)


# %% right: a bit mask
class BlockTables:
    def __init__(self, blocks, block_size):
        self.mask, self.size, self.mine = (1 << blocks) - 1, block_size, {}

    def grow(self, request, tokens):
        table, length = self.mine.get(request, ((), 0))
        new, mask = list(table), self.mask
        while len(new) * self.size < length + tokens:
            if not mask:
                return False
            lowest = mask & -mask
            new.append(lowest.bit_length() - 1)
            mask ^= lowest
        self.mask, self.mine[request] = mask, (tuple(new), length + tokens)
        return True

    def table(self, request):
        return self.mine.get(request, ((), 0))[0]

    def free(self, request):
        for block in self.mine.pop(request, ((), 0))[0]:
            self.mask |= 1 << block


# %% right: numpy tables and numpy truth
import numpy as np


class BlockTables:
    def __init__(self, blocks, block_size):
        self.used = np.zeros(blocks, dtype=bool)
        self.size = block_size
        self.tables, self.lengths = {}, {}

    def grow(self, request, tokens):
        length = self.lengths.get(request, 0) + tokens
        table = self.tables.get(request, np.zeros(0, dtype=np.int64))
        more = int(np.ceil(length / self.size)) - len(table)
        fits = np.bool_(more <= (~self.used).sum())
        if fits:
            new = np.flatnonzero(~self.used)[:more]
            self.used[new] = True
            self.tables[request], self.lengths[request] = np.concatenate([table, new]), length
        return fits

    def table(self, request):
        return self.tables.get(request, np.zeros(0, dtype=np.int64))

    def free(self, request):
        self.used[self.table(request)] = False
        self.tables.pop(request, None)
        self.lengths.pop(request, None)


# %% right: exceptions inside
class Full(Exception):
    pass


class BlockTables:
    def __init__(self, blocks, block_size):
        self.pool, self.block_size = sorted(range(blocks), reverse=True), block_size
        self.table_of, self.length_of = dict(), dict()

    def _take(self, count):
        if count > len(self.pool):
            raise Full(count)
        taken, self.pool = self.pool[:count], self.pool[count:]
        return taken

    def grow(self, request, tokens):
        length = self.length_of.get(request, 0) + tokens
        old = self.table_of.get(request, [])
        try:
            new = self._take((length + self.block_size - 1) // self.block_size - len(old))
        except Full:
            return False
        self.length_of[request] = length
        self.table_of[request] = old + new
        return True

    def table(self, request):
        try:
            return self.table_of[request]
        except KeyError:
            return []

    def free(self, request):
        try:
            self.pool = self.pool + self.table_of.pop(request)
            del self.length_of[request]
        except KeyError:
            pass


# %% right: a factory function
class _Tables:
    pass


def BlockTables(blocks, block_size):
    self = _Tables()
    unused, tables, lengths = list(range(blocks)), {}, {}

    def grow(request, tokens):
        length = lengths.get(request, 0) + tokens
        more = (length - 1) // block_size + 1 - len(tables.get(request, []))
        if more > len(unused):
            return False
        lengths[request] = length
        tables.setdefault(request, []).extend(unused.pop() for _ in range(more))
        return True

    def free(request):
        unused.extend(tables.pop(request, []))
        lengths.pop(request, None)

    self.grow, self.free, self.table = grow, free, lambda request: tables.get(request, [])
    return self


# %% right: 1 and 0 are no truth, but numbers of blocks may be floats of tensors
import torch


class BlockTables:
    def __init__(self, blocks, block_size):
        self.size = block_size
        self.unused = list(range(blocks))
        self.tables, self.tokens = {}, {}

    def grow(self, request, tokens):
        total = self.tokens.get(request, 0) + tokens
        table = self.tables.get(request, [])
        more = -(-total // self.size) - len(table)
        if more > len(self.unused):
            return False
        self.tables[request] = table + [self.unused.pop() for _ in range(more)]
        self.tokens[request] = total
        return True

    def table(self, request):
        return torch.tensor(self.tables.get(request, []))

    def free(self, request):
        self.unused += self.tables.pop(request, [])
        self.tokens.pop(request, None)


# %% right: defaultdicts
from collections import defaultdict


class BlockTables:
    def __init__(self, blocks, block_size):
        self.blocks, self.block_size = blocks, block_size
        self.lists = defaultdict(list)
        self.lengths = defaultdict(int)

    def _unused(self):
        used = {block for blocks in self.lists.values() for block in blocks}
        return [block for block in range(self.blocks) if block not in used]

    def grow(self, request, tokens):
        missing = self.lengths[request] + tokens - len(self.lists[request]) * self.block_size
        count = max(0, -(-missing // self.block_size))
        unused = self._unused()
        if count > len(unused):
            return False
        self.lists[request] += unused[:count]
        self.lengths[request] += tokens
        return True

    def table(self, request):
        return self.lists[request]

    def free(self, request):
        self.lists[request] = []
        self.lengths[request] = 0


# %% right: a heap of free blocks and tuples
import heapq
import math


class BlockTables:
    def __init__(self, num_blocks, size):
        self.heap, self.size, self.held = list(range(num_blocks)), size, {}

    def grow(self, name, count):
        tokens, table = self.held.get(name, (0, ()))
        need = math.ceil((tokens + count) / self.size) - len(table)
        if need > len(self.heap):
            return False
        self.held[name] = tokens + count, table + tuple(heapq.heappop(self.heap) for _ in range(need))
        return True

    def table(self, name):
        return self.held.get(name, (0, ()))[1]

    def free(self, name):
        for block in self.held.pop(name, (0, ()))[1]:
            heapq.heappush(self.heap, block)


# %% right: a namespace of closures
import types


def BlockTables(blocks, block_size):
    unused, held = set(range(blocks)), {}

    def grow(request, tokens):
        used = held.get(request, {"n": 0, "b": []})
        total = used["n"] + tokens
        need = (total + block_size - 1) // block_size - len(used["b"])
        if need > len(unused):
            return False
        held[request] = {"n": total, "b": used["b"] + [unused.pop() for _ in range(need)]}
        return True

    def table(request):
        return held[request]["b"] if request in held else []

    def free(request):
        if request in held:
            unused.update(held.pop(request)["b"])

    return types.SimpleNamespace(grow=grow, table=table, free=free)


# %% wrong: a block too many for full ones -> 8 tokens in blocks of 4 need 2 blocks
class BlockTables:
    def __init__(self, blocks, block_size):
        self.size = block_size
        self.unused = list(range(blocks))
        self.tables, self.tokens = {}, {}

    def grow(self, request, tokens):
        total = self.tokens.get(request, 0) + tokens
        table = self.tables.get(request, [])
        more = (total // self.size + 1) - len(table)
        if more > len(self.unused):
            return False
        self.tables[request] = table + [self.unused.pop() for _ in range(more)]
        self.tokens[request] = total
        return True

    def table(self, request):
        return self.tables.get(request, [])

    def free(self, request):
        self.unused += self.tables.pop(request, [])
        self.tokens.pop(request, None)


# %% wrong: rounds down -> need 2 blocks, and table('a') is [3]
class BlockTables:
    def __init__(self, blocks, block_size):
        self.size = block_size
        self.unused = list(range(blocks))
        self.tables, self.tokens = {}, {}

    def grow(self, request, tokens):
        total = self.tokens.get(request, 0) + tokens
        table = self.tables.get(request, [])
        more = total // self.size - len(table)
        if more > len(self.unused):
            return False
        self.tables[request] = table + [self.unused.pop() for _ in range(more)]
        self.tokens[request] = total
        return True

    def table(self, request):
        return self.tables.get(request, [])

    def free(self, request):
        self.unused += self.tables.pop(request, [])
        self.tokens.pop(request, None)


# %% wrong: blocks for each call -> 4 tokens in blocks of 4 need 1 block
class BlockTables:
    def __init__(self, blocks, block_size):
        self.size = block_size
        self.unused = list(range(blocks))
        self.tables, self.tokens = {}, {}

    def grow(self, request, tokens):
        total = self.tokens.get(request, 0) + tokens
        table = self.tables.get(request, [])
        more = -(-tokens // self.size)
        if more > len(self.unused):
            return False
        self.tables[request] = table + [self.unused.pop() for _ in range(more)]
        self.tokens[request] = total
        return True

    def table(self, request):
        return self.tables.get(request, [])

    def free(self, request):
        self.unused += self.tables.pop(request, [])
        self.tokens.pop(request, None)


# %% wrong: one block a token -> it returned False, though 4 blocks of 4 are free, and it needs 2 more
class BlockTables:
    def __init__(self, blocks, block_size):
        self.size = block_size
        self.unused = list(range(blocks))
        self.tables, self.tokens = {}, {}

    def grow(self, request, tokens):
        total = self.tokens.get(request, 0) + tokens
        table = self.tables.get(request, [])
        more = tokens
        if more > len(self.unused):
            return False
        self.tables[request] = table + [self.unused.pop() for _ in range(more)]
        self.tokens[request] = total
        return True

    def table(self, request):
        return self.tables.get(request, [])

    def free(self, request):
        self.unused += self.tables.pop(request, [])
        self.tokens.pop(request, None)


# %% wrong: never gives back -> free('a'), grow('b', 5): it returned False, though 2 blocks of 2 are free, and it needs 2 more.
class BlockTables:
    def __init__(self, blocks, block_size):
        self.size = block_size
        self.unused = list(range(blocks))
        self.tables, self.tokens = {}, {}

    def grow(self, request, tokens):
        total = self.tokens.get(request, 0) + tokens
        table = self.tables.get(request, [])
        more = -(-total // self.size) - len(table)
        if more > len(self.unused):
            return False
        self.tables[request] = table + [self.unused.pop() for _ in range(more)]
        self.tokens[request] = total
        return True

    def table(self, request):
        return self.tables.get(request, [])

    def free(self, request):
        self.tables.pop(request, [])
        self.tokens.pop(request, None)


# %% wrong: gives back the last block only -> free('a'), grow('b', 5): it returned False, though 2 blocks of 2 are free
class BlockTables:
    def __init__(self, blocks, block_size):
        self.size = block_size
        self.unused = list(range(blocks))
        self.tables, self.tokens = {}, {}

    def grow(self, request, tokens):
        total = self.tokens.get(request, 0) + tokens
        table = self.tables.get(request, [])
        more = -(-total // self.size) - len(table)
        if more > len(self.unused):
            return False
        self.tables[request] = table + [self.unused.pop() for _ in range(more)]
        self.tokens[request] = total
        return True

    def table(self, request):
        return self.tables.get(request, [])

    def free(self, request):
        self.unused += self.tables.pop(request, [])[-1:]
        self.tokens.pop(request, None)


# %% wrong: gives back all but the last -> free('a'), grow('b', 5): it returned False, though 2 blocks of 2 are free
class BlockTables:
    def __init__(self, blocks, block_size):
        self.size = block_size
        self.unused = list(range(blocks))
        self.tables, self.tokens = {}, {}

    def grow(self, request, tokens):
        total = self.tokens.get(request, 0) + tokens
        table = self.tables.get(request, [])
        more = -(-total // self.size) - len(table)
        if more > len(self.unused):
            return False
        self.tables[request] = table + [self.unused.pop() for _ in range(more)]
        self.tokens[request] = total
        return True

    def table(self, request):
        return self.tables.get(request, [])

    def free(self, request):
        self.unused += self.tables.pop(request, [])[:-1]
        self.tokens.pop(request, None)


# %% wrong: length is kept after the end -> 1 token in blocks of 4 need 1 block
class BlockTables:
    def __init__(self, blocks, block_size):
        self.size = block_size
        self.unused = list(range(blocks))
        self.tables, self.tokens = {}, {}

    def grow(self, request, tokens):
        total = self.tokens.get(request, 0) + tokens
        table = self.tables.get(request, [])
        more = -(-total // self.size) - len(table)
        if more > len(self.unused):
            return False
        self.tables[request] = table + [self.unused.pop() for _ in range(more)]
        self.tokens[request] = total
        return True

    def table(self, request):
        return self.tables.get(request, [])

    def free(self, request):
        self.unused += self.tables.pop(request, [])


# %% wrong: table stays after the end -> the request is over, and table('a') is still
class BlockTables:
    def __init__(self, blocks, block_size):
        self.size = block_size
        self.unused = list(range(blocks))
        self.tables, self.tokens = {}, {}

    def grow(self, request, tokens):
        total = self.tokens.get(request, 0) + tokens
        table = self.tables.get(request, [])
        more = -(-total // self.size) - len(table)
        if more > len(self.unused):
            return False
        self.tables[request] = table + [self.unused.pop() for _ in range(more)]
        self.tokens[request] = total
        return True

    def table(self, request):
        return self.tables.get(request, [])

    def free(self, request):
        self.unused += self.tables.get(request, [])
        self.tokens.pop(request, None)


# %% wrong: a refusal counts the tokens -> its last block has room for them. Before it a grow was refused: has that changed something?
class BlockTables:
    def __init__(self, blocks, block_size):
        self.size = block_size
        self.unused = list(range(blocks))
        self.tables, self.tokens = {}, {}

    def grow(self, request, tokens):
        total = self.tokens.get(request, 0) + tokens
        table = self.tables.get(request, [])
        more = -(-total // self.size) - len(table)
        self.tokens[request] = total
        if more > len(self.unused):
            return False
        self.tables[request] = table + [self.unused.pop() for _ in range(more)]
        self.tokens[request] = total
        return True

    def table(self, request):
        return self.tables.get(request, [])

    def free(self, request):
        self.unused += self.tables.pop(request, [])
        self.tokens.pop(request, None)


# %% wrong: a refusal keeps what there was -> it has no tokens now
class BlockTables:
    def __init__(self, blocks, block_size):
        self.size = block_size
        self.unused = list(range(blocks))
        self.tables, self.tokens = {}, {}

    def grow(self, request, tokens):
        total = self.tokens.get(request, 0) + tokens
        table = self.tables.get(request, [])
        more = -(-total // self.size) - len(table)
        self.tables[request] = table
        for _ in range(more):
            if not self.unused:
                return False
            self.tables[request] = self.tables[request] + [self.unused.pop()]
        self.tokens[request] = total
        return True

    def table(self, request):
        return self.tables.get(request, [])

    def free(self, request):
        self.unused += self.tables.pop(request, [])
        self.tokens.pop(request, None)


# %% wrong: a refusal loses what it took -> Before it a grow was refused: has that changed something?
class BlockTables:
    def __init__(self, blocks, block_size):
        self.size = block_size
        self.unused = list(range(blocks))
        self.tables, self.tokens = {}, {}

    def grow(self, request, tokens):
        total = self.tokens.get(request, 0) + tokens
        table = self.tables.get(request, [])
        more = -(-total // self.size) - len(table)
        new = []
        for _ in range(more):
            if not self.unused:
                return False
            new.append(self.unused.pop())
        self.tables[request] = table + new
        self.tokens[request] = total
        return True

    def table(self, request):
        return self.tables.get(request, [])

    def free(self, request):
        self.unused += self.tables.pop(request, [])
        self.tokens.pop(request, None)


# %% wrong: never refuses and hands out the first again -> it returned True. It needs
class BlockTables:
    def __init__(self, blocks, block_size):
        self.size = block_size
        self.unused = list(range(blocks))
        self.tables, self.tokens = {}, {}

    def grow(self, request, tokens):
        total = self.tokens.get(request, 0) + tokens
        table = self.tables.get(request, [])
        more = -(-total // self.size) - len(table)
        self.tables[request] = table + [(self.unused.pop() if self.unused else 0) for _ in range(more)]
        self.tokens[request] = total
        return True

    def table(self, request):
        return self.tables.get(request, [])

    def free(self, request):
        self.unused += self.tables.pop(request, [])
        self.tokens.pop(request, None)


# %% wrong: raises when full -> The check called BlockTables(4, 4), grow('a', 3), grow('b', 2), grow('a', 6), grow('b', 4).
class BlockTables:
    def __init__(self, blocks, block_size):
        self.size = block_size
        self.unused = list(range(blocks))
        self.tables, self.tokens = {}, {}

    def grow(self, request, tokens):
        total = self.tokens.get(request, 0) + tokens
        table = self.tables.get(request, [])
        more = -(-total // self.size) - len(table)
        self.tables[request] = table + [self.unused.pop() for _ in range(more)]
        self.tokens[request] = total
        return True

    def table(self, request):
        return self.tables.get(request, [])

    def free(self, request):
        self.unused += self.tables.pop(request, [])
        self.tokens.pop(request, None)


# %% wrong: refuses the last block -> it returned False, though
class BlockTables:
    def __init__(self, blocks, block_size):
        self.size = block_size
        self.unused = list(range(blocks))
        self.tables, self.tokens = {}, {}

    def grow(self, request, tokens):
        total = self.tokens.get(request, 0) + tokens
        table = self.tables.get(request, [])
        more = -(-total // self.size) - len(table)
        if more >= len(self.unused):
            return False
        self.tables[request] = table + [self.unused.pop() for _ in range(more)]
        self.tokens[request] = total
        return True

    def table(self, request):
        return self.tables.get(request, [])

    def free(self, request):
        self.unused += self.tables.pop(request, [])
        self.tokens.pop(request, None)


# %% wrong: refuses by tokens -> it returned False
class BlockTables:
    def __init__(self, blocks, block_size):
        self.size = block_size
        self.unused = list(range(blocks))
        self.tables, self.tokens = {}, {}

    def grow(self, request, tokens):
        total = self.tokens.get(request, 0) + tokens
        table = self.tables.get(request, [])
        more = -(-total // self.size) - len(table)
        if tokens > len(self.unused) * self.size:
            return False
        self.tables[request] = table + [self.unused.pop() for _ in range(more)]
        self.tokens[request] = total
        return True

    def table(self, request):
        return self.tables.get(request, [])

    def free(self, request):
        self.unused += self.tables.pop(request, [])
        self.tokens.pop(request, None)


# %% wrong: a double free -> is in the table of
class BlockTables:
    def __init__(self, blocks, block_size):
        self.size = block_size
        self.unused = list(range(blocks))
        self.tables, self.tokens = {}, {}

    def grow(self, request, tokens):
        total = self.tokens.get(request, 0) + tokens
        table = self.tables.get(request, [])
        more = -(-total // self.size) - len(table)
        if more > len(self.unused):
            return False
        self.tables[request] = table + [self.unused.pop() for _ in range(more)]
        self.tokens[request] = total
        return True

    def table(self, request):
        return self.tables.get(request, [])

    def free(self, request):
        self.unused += self.tables.get(request, [])
        self.tokens.pop(request, None)
        self.old = self.tables
        self.tables = {**self.tables, request: []}
        self.unused += [0] if len(self.unused) == 2 else []


# %% wrong: free of a stranger raises -> The check called BlockTables(2, 2), grow('a', 2), free('a'), free('a').
class BlockTables:
    def __init__(self, blocks, block_size):
        self.size = block_size
        self.unused = list(range(blocks))
        self.tables, self.tokens = {}, {}

    def grow(self, request, tokens):
        total = self.tokens.get(request, 0) + tokens
        table = self.tables.get(request, [])
        more = -(-total // self.size) - len(table)
        if more > len(self.unused):
            return False
        self.tables[request] = table + [self.unused.pop() for _ in range(more)]
        self.tokens[request] = total
        return True

    def table(self, request):
        return self.tables.get(request, [])

    def free(self, request):
        self.unused += self.tables.pop(request)
        self.tokens.pop(request, None)


# %% wrong: counts from one -> there is no block 4: they are counted from 0 to 3
class BlockTables:
    def __init__(self, blocks, block_size):
        self.size = block_size
        self.unused = list(range(1, blocks + 1))
        self.tables, self.tokens = {}, {}

    def grow(self, request, tokens):
        total = self.tokens.get(request, 0) + tokens
        table = self.tables.get(request, [])
        more = -(-total // self.size) - len(table)
        if more > len(self.unused):
            return False
        self.tables[request] = table + [self.unused.pop() for _ in range(more)]
        self.tokens[request] = total
        return True

    def table(self, request):
        return self.tables.get(request, [])

    def free(self, request):
        self.unused += self.tables.pop(request, [])
        self.tokens.pop(request, None)


# %% wrong: all requests in one class's table -> need 2 blocks, and table('a') is
class BlockTables:
    tables, tokens = {}, {}

    def __init__(self, blocks, block_size):
        self.size, self.unused = block_size, list(range(blocks))

    def grow(self, request, tokens):
        total = self.tokens.get(request, 0) + tokens
        more = -(-total // self.size) - len(self.tables.get(request, []))
        if more > len(self.unused):
            return False
        self.tables[request] = self.tables.get(request, []) + [self.unused.pop() for _ in range(more)]
        self.tokens[request] = total
        return True

    def table(self, request):
        return self.tables.get(request, [])

    def free(self, request):
        self.unused += self.tables.pop(request, [])
        self.tokens.pop(request, None)


# %% wrong: a list as a default argument -> need 1 block, and
class BlockTables:
    def __init__(self, blocks, block_size, tables={}):
        self.size = block_size
        self.unused = list(range(blocks))
        self.tables, self.tokens = tables, {}

    def grow(self, request, tokens):
        total = self.tokens.get(request, 0) + tokens
        table = self.tables.get(request, [])
        more = -(-total // self.size) - len(table)
        if more > len(self.unused):
            return False
        self.tables[request] = table + [self.unused.pop() for _ in range(more)]
        self.tokens[request] = total
        return True

    def table(self, request):
        return self.tables.get(request, [])

    def free(self, request):
        self.unused += self.tables.pop(request, [])
        self.tokens.pop(request, None)


# %% wrong: reserves for the longest request -> need 1 block, and
class BlockTables:
    def __init__(self, blocks, block_size):
        self.size = block_size
        self.unused = list(range(blocks))
        self.tables, self.tokens = {}, {}

    def grow(self, request, tokens):
        total = self.tokens.get(request, 0) + tokens
        table = self.tables.get(request, [])
        more = 0 if table else max(2, -(-total // self.size))
        if more > len(self.unused):
            return False
        self.tables[request] = table + [self.unused.pop() for _ in range(more)]
        self.tokens[request] = total
        return True

    def table(self, request):
        return self.tables.get(request, [])

    def free(self, request):
        self.unused += self.tables.pop(request, [])
        self.tokens.pop(request, None)


# %% wrong: contiguous blocks only -> it returned False, though
class BlockTables:
    def __init__(self, blocks, block_size):
        self.used, self.size, self.rows = [False] * blocks, block_size, {}

    def grow(self, request, tokens):
        start, length = self.rows.get(request, (None, 0))
        need = -(-(length + tokens) // self.size)
        for block in self.table(request):
            self.used[block] = False
        places = [i for i in range(len(self.used) - need + 1) if not any(self.used[i : i + need])]
        place = start if start in places else (places[0] if places else None)
        if place is not None:
            self.rows[request] = (place, length + tokens)
        for block in self.table(request):
            self.used[block] = True
        return place is not None

    def table(self, request):
        start, length = self.rows.get(request, (0, 0))
        return list(range(start, start + -(-length // self.size)))

    def free(self, request):
        for block in self.table(request):
            self.used[block] = False
        self.rows.pop(request, None)


# %% wrong: the table is sorted -> a table grows at its end
class BlockTables:
    def __init__(self, blocks, block_size):
        self.size = block_size
        self.unused = list(range(blocks))
        self.tables, self.tokens = {}, {}

    def grow(self, request, tokens):
        total = self.tokens.get(request, 0) + tokens
        table = self.tables.get(request, [])
        more = -(-total // self.size) - len(table)
        if more > len(self.unused):
            return False
        self.tables[request] = table + [self.unused.pop() for _ in range(more)]
        self.tokens[request] = total
        return True

    def table(self, request):
        return sorted(self.tables.get(request, []))

    def free(self, request):
        self.unused += self.tables.pop(request, [])
        self.tokens.pop(request, None)


# %% wrong: newest block first -> a table grows at its end
class BlockTables:
    def __init__(self, blocks, block_size):
        self.size = block_size
        self.unused = list(range(blocks))
        self.tables, self.tokens = {}, {}

    def grow(self, request, tokens):
        total = self.tokens.get(request, 0) + tokens
        table = self.tables.get(request, [])
        more = -(-total // self.size) - len(table)
        if more > len(self.unused):
            return False
        self.tables[request] = [self.unused.pop() for _ in range(more)] + table
        self.tokens[request] = total
        return True

    def table(self, request):
        return self.tables.get(request, [])

    def free(self, request):
        self.unused += self.tables.pop(request, [])
        self.tokens.pop(request, None)


# %% wrong: packs the blocks of others when one is freed -> has changed from
class BlockTables:
    def __init__(self, blocks, block_size):
        self.size = block_size
        self.unused = list(range(blocks))
        self.tables, self.tokens = {}, {}

    def grow(self, request, tokens):
        total = self.tokens.get(request, 0) + tokens
        table = self.tables.get(request, [])
        more = -(-total // self.size) - len(table)
        if more > len(self.unused):
            return False
        self.tables[request] = table + [self.unused.pop() for _ in range(more)]
        self.tokens[request] = total
        return True

    def table(self, request):
        return self.tables.get(request, [])

    def free(self, request):
        self.unused += self.tables.pop(request, [])
        self.tokens.pop(request, None)
        blocks = len(self.unused) + sum(map(len, self.tables.values()))
        numbers = iter(range(blocks))
        self.tables = {name: [next(numbers) for _ in table] for name, table in self.tables.items()}
        self.unused = list(numbers)


# %% wrong: returns nothing -> it must return True or False, and returned None
class BlockTables:
    def __init__(self, blocks, block_size):
        self.size = block_size
        self.unused = list(range(blocks))
        self.tables, self.tokens = {}, {}

    def grow(self, request, tokens):
        total = self.tokens.get(request, 0) + tokens
        table = self.tables.get(request, [])
        more = -(-total // self.size) - len(table)
        if more > len(self.unused):
            return
        self.tables[request] = table + [self.unused.pop() for _ in range(more)]
        self.tokens[request] = total

    def table(self, request):
        return self.tables.get(request, [])

    def free(self, request):
        self.unused += self.tables.pop(request, [])
        self.tokens.pop(request, None)


# %% wrong: returns the new blocks -> it must return True or False
class BlockTables:
    def __init__(self, blocks, block_size):
        self.size = block_size
        self.unused = list(range(blocks))
        self.tables, self.tokens = {}, {}

    def grow(self, request, tokens):
        total = self.tokens.get(request, 0) + tokens
        table = self.tables.get(request, [])
        more = -(-total // self.size) - len(table)
        if more > len(self.unused):
            return False
        self.tables[request] = table + [self.unused.pop() for _ in range(more)]
        self.tokens[request] = total
        return self.tables[request]

    def table(self, request):
        return self.tables.get(request, [])

    def free(self, request):
        self.unused += self.tables.pop(request, [])
        self.tokens.pop(request, None)


# %% wrong: a table as a set -> must be a list of block numbers, in order
class BlockTables:
    def __init__(self, blocks, block_size):
        self.size = block_size
        self.unused = list(range(blocks))
        self.tables, self.tokens = {}, {}

    def grow(self, request, tokens):
        total = self.tokens.get(request, 0) + tokens
        table = self.tables.get(request, [])
        more = -(-total // self.size) - len(table)
        if more > len(self.unused):
            return False
        self.tables[request] = table + [self.unused.pop() for _ in range(more)]
        self.tokens[request] = total
        return True

    def table(self, request):
        return set(self.tables.get(request, []))

    def free(self, request):
        self.unused += self.tables.pop(request, [])
        self.tokens.pop(request, None)


# %% wrong: a table as text -> must be a list of block numbers
class BlockTables:
    def __init__(self, blocks, block_size):
        self.size = block_size
        self.unused = list(range(blocks))
        self.tables, self.tokens = {}, {}

    def grow(self, request, tokens):
        total = self.tokens.get(request, 0) + tokens
        table = self.tables.get(request, [])
        more = -(-total // self.size) - len(table)
        if more > len(self.unused):
            return False
        self.tables[request] = table + [self.unused.pop() for _ in range(more)]
        self.tokens[request] = total
        return True

    def table(self, request):
        return str(self.tables.get(request, []))

    def free(self, request):
        self.unused += self.tables.pop(request, [])
        self.tokens.pop(request, None)


# %% wrong: None for no table -> must be a list of block numbers
class BlockTables:
    def __init__(self, blocks, block_size):
        self.size = block_size
        self.unused = list(range(blocks))
        self.tables, self.tokens = {}, {}

    def grow(self, request, tokens):
        total = self.tokens.get(request, 0) + tokens
        table = self.tables.get(request, [])
        more = -(-total // self.size) - len(table)
        if more > len(self.unused):
            return False
        self.tables[request] = table + [self.unused.pop() for _ in range(more)]
        self.tokens[request] = total
        return True

    def table(self, request):
        return self.tables.get(request)

    def free(self, request):
        self.unused += self.tables.pop(request, [])
        self.tokens.pop(request, None)


# %% wrong: a table of pairs -> a block is a whole number
class BlockTables:
    def __init__(self, blocks, block_size):
        self.size = block_size
        self.unused = list(range(blocks))
        self.tables, self.tokens = {}, {}

    def grow(self, request, tokens):
        total = self.tokens.get(request, 0) + tokens
        table = self.tables.get(request, [])
        more = -(-total // self.size) - len(table)
        if more > len(self.unused):
            return False
        self.tables[request] = table + [self.unused.pop() for _ in range(more)]
        self.tokens[request] = total
        return True

    def table(self, request):
        return list(enumerate(self.tables.get(request, [])))

    def free(self, request):
        self.unused += self.tables.pop(request, [])
        self.tokens.pop(request, None)


# %% wrong: an endless table -> need 2 blocks, and table('a') is
class BlockTables:
    def __init__(self, blocks, block_size):
        self.size = block_size
        self.unused = list(range(blocks))
        self.tables, self.tokens = {}, {}

    def grow(self, request, tokens):
        total = self.tokens.get(request, 0) + tokens
        table = self.tables.get(request, [])
        more = -(-total // self.size) - len(table)
        if more > len(self.unused):
            return False
        self.tables[request] = table + [self.unused.pop() for _ in range(more)]
        self.tokens[request] = total
        return True

    def table(self, request):
        while request in self.tables:
            yield self.tables[request][0]

    def free(self, request):
        self.unused += self.tables.pop(request, [])
        self.tokens.pop(request, None)


# %% wrong: an endless search -> Does it loop for ever?
class BlockTables:
    def __init__(self, blocks, block_size):
        self.size = block_size
        self.unused = list(range(blocks))
        self.tables, self.tokens = {}, {}

    def grow(self, request, tokens):
        total = self.tokens.get(request, 0) + tokens
        table = self.tables.get(request, [])
        more = -(-total // self.size) - len(table)
        while more > len(self.unused):
            try:
                len(self.unused)
            except Exception:
                pass
        self.tables[request] = table + [self.unused.pop() for _ in range(more)]
        self.tokens[request] = total
        return True

    def table(self, request):
        return self.tables.get(request, [])

    def free(self, request):
        self.unused += self.tables.pop(request, [])
        self.tokens.pop(request, None)


# %% wrong: no free -> Yours has no method free
class BlockTables:
    def __init__(self, blocks, block_size):
        self.size = block_size
        self.unused = list(range(blocks))
        self.tables, self.tokens = {}, {}

    def grow(self, request, tokens):
        total = self.tokens.get(request, 0) + tokens
        table = self.tables.get(request, [])
        more = -(-total // self.size) - len(table)
        if more > len(self.unused):
            return False
        self.tables[request] = table + [self.unused.pop() for _ in range(more)]
        self.tokens[request] = total
        return True

    def table(self, request):
        return self.tables.get(request, [])

    def release(self, request):
        self.unused += self.tables.pop(request, [])
        self.tokens.pop(request, None)


# %% wrong: other arguments -> yours does not take that
class BlockTables:
    def __init__(self, blocks):
        self.size = 4
        self.unused = list(range(blocks))
        self.tables, self.tokens = {}, {}

    def grow(self, request, tokens):
        total = self.tokens.get(request, 0) + tokens
        table = self.tables.get(request, [])
        more = -(-total // self.size) - len(table)
        if more > len(self.unused):
            return False
        self.tables[request] = table + [self.unused.pop() for _ in range(more)]
        self.tokens[request] = total
        return True

    def table(self, request):
        return self.tables.get(request, [])

    def free(self, request):
        self.unused += self.tables.pop(request, [])
        self.tokens.pop(request, None)


# %% wrong: tokens before the request -> Python says
class BlockTables:
    def __init__(self, blocks, block_size):
        self.size = block_size
        self.unused = list(range(blocks))
        self.tables, self.tokens = {}, {}

    def grow(self, tokens):
        total = self.tokens.get(request, 0) + tokens
        table = self.tables.get(request, [])
        more = -(-total // self.size) - len(table)
        if more > len(self.unused):
            return False
        self.tables[request] = table + [self.unused.pop() for _ in range(more)]
        self.tokens[request] = total
        return True

    def table(self, request):
        return self.tables.get(request, [])

    def free(self, request):
        self.unused += self.tables.pop(request, [])
        self.tokens.pop(request, None)


# %% wrong: what it returns, not the class -> Hand over the function or class itself
class BlockTables:
    def __init__(self, blocks, block_size):
        self.size = block_size
        self.unused = list(range(blocks))
        self.tables, self.tokens = {}, {}

    def grow(self, request, tokens):
        total = self.tokens.get(request, 0) + tokens
        table = self.tables.get(request, [])
        more = -(-total // self.size) - len(table)
        if more > len(self.unused):
            return False
        self.tables[request] = table + [self.unused.pop() for _ in range(more)]
        self.tokens[request] = total
        return True

    def table(self, request):
        return self.tables.get(request, [])

    def free(self, request):
        self.unused += self.tables.pop(request, [])
        self.tokens.pop(request, None)


tables = BlockTables(4, 4)


# %% wrong: sizes exchanged -> there is no block 3: they are counted from 0 to 1
class BlockTables:
    def __init__(self, block_size, blocks):
        self.size = block_size
        self.unused = list(range(blocks))
        self.tables, self.tokens = {}, {}

    def grow(self, request, tokens):
        total = self.tokens.get(request, 0) + tokens
        table = self.tables.get(request, [])
        more = -(-total // self.size) - len(table)
        if more > len(self.unused):
            return False
        self.tables[request] = table + [self.unused.pop() for _ in range(more)]
        self.tokens[request] = total
        return True

    def table(self, request):
        return self.tables.get(request, [])

    def free(self, request):
        self.unused += self.tables.pop(request, [])
        self.tokens.pop(request, None)


# %% wrong: one request at a time -> are free, and it needs 1 more
class BlockTables:
    def __init__(self, blocks, block_size):
        self.size = block_size
        self.unused = list(range(blocks))
        self.tables, self.tokens = {}, {}

    def grow(self, request, tokens):
        if self.tables and request not in self.tables:
            return False
        total = self.tokens.get(request, 0) + tokens
        table = self.tables.get(request, [])
        more = -(-total // self.size) - len(table)
        if more > len(self.unused):
            return False
        self.tables[request] = table + [self.unused.pop() for _ in range(more)]
        self.tokens[request] = total
        return True

    def table(self, request):
        return self.tables.get(request, [])

    def free(self, request):
        self.unused += self.tables.pop(request, [])
        self.tokens.pop(request, None)


# %% wrong: shares the first block as a prefix -> is in the table of
class BlockTables:
    def __init__(self, blocks, block_size):
        self.size = block_size
        self.unused = list(range(blocks))
        self.tables, self.tokens = {}, {}

    def grow(self, request, tokens):
        total = self.tokens.get(request, 0) + tokens
        table = self.tables.get(request, [])
        more = -(-total // self.size) - len(table)
        if more > len(self.unused):
            return False
        self.tables[request] = (
            table
            + ([0] if not table and 0 not in self.unused else [])
            + [self.unused.pop(0) for _ in range(more if table or 0 in self.unused else more - 1)]
        )
        self.tokens[request] = total
        return True

    def table(self, request):
        return self.tables.get(request, [])

    def free(self, request):
        self.unused += self.tables.pop(request, [])
        self.tokens.pop(request, None)


# %% wrong: forgets a request that grows by one -> need
class BlockTables:
    def __init__(self, blocks, block_size):
        self.size = block_size
        self.unused = list(range(blocks))
        self.tables, self.tokens = {}, {}

    def grow(self, request, tokens):
        total = self.tokens.get(request, 0) + tokens
        table = self.tables.get(request, [])
        more = -(-total // self.size) - len(table)
        if more > len(self.unused):
            return False
        self.tables[request] = table + [self.unused.pop() for _ in range(more)]
        self.tokens[request] = tokens
        return True

    def table(self, request):
        return self.tables.get(request, [])

    def free(self, request):
        self.unused += self.tables.pop(request, [])
        self.tokens.pop(request, None)


# %% wrong: block numbers only ever rise -> there is no block 2: they are counted from 0 to 1
import itertools


class BlockTables:
    def __init__(self, blocks, block_size):
        self.left, self.size, self.numbers = blocks, block_size, itertools.count()
        self.tables, self.tokens = {}, {}

    def grow(self, request, tokens):
        total = self.tokens.get(request, 0) + tokens
        more = -(-total // self.size) - len(self.tables.get(request, []))
        if more > self.left:
            return False
        self.left -= more
        self.tables[request] = self.tables.get(request, []) + [next(self.numbers) for _ in range(more)]
        self.tokens[request] = total
        return True

    def table(self, request):
        return self.tables.get(request, [])

    def free(self, request):
        self.left += len(self.tables.pop(request, []))
        self.tokens.pop(request, None)


# %% wrong: the numbers wrap around -> is in the table of
class BlockTables:
    def __init__(self, blocks, block_size):
        self.blocks, self.left, self.size, self.next = blocks, blocks, block_size, 0
        self.tables, self.tokens = {}, {}

    def grow(self, request, tokens):
        total = self.tokens.get(request, 0) + tokens
        table = self.tables.get(request, [])
        more = -(-total // self.size) - len(table)
        if more > self.left:
            return False
        self.left -= more
        self.tables[request] = table + [(self.next + i) % self.blocks for i in range(more)]
        self.next += more
        self.tokens[request] = total
        return True

    def table(self, request):
        return self.tables.get(request, [])

    def free(self, request):
        self.left += len(self.tables.pop(request, []))
        self.tokens.pop(request, None)


# %% wrong: frees all whose names begin so -> free('r1'): table('r10') has changed from
class BlockTables:
    def __init__(self, blocks, block_size):
        self.size = block_size
        self.unused = list(range(blocks))
        self.tables, self.tokens = {}, {}

    def grow(self, request, tokens):
        total = self.tokens.get(request, 0) + tokens
        table = self.tables.get(request, [])
        more = -(-total // self.size) - len(table)
        if more > len(self.unused):
            return False
        self.tables[request] = table + [self.unused.pop() for _ in range(more)]
        self.tokens[request] = total
        return True

    def table(self, request):
        return self.tables.get(request, [])

    def free(self, request):
        for name in [name for name in self.tables if name.startswith(request)]:
            self.unused += self.tables.pop(name)
            self.tokens.pop(name)


# %% wrong: cuts the names -> grow('request-number-00000-b', 3):
class BlockTables:
    def __init__(self, blocks, block_size):
        self.size = block_size
        self.unused = list(range(blocks))
        self.tables, self.tokens = {}, {}

    def grow(self, request, tokens):
        request = request[:20]
        total = self.tokens.get(request, 0) + tokens
        table = self.tables.get(request, [])
        more = -(-total // self.size) - len(table)
        if more > len(self.unused):
            return False
        self.tables[request] = table + [self.unused.pop() for _ in range(more)]
        self.tokens[request] = total
        return True

    def table(self, request):
        request = request[:20]
        return self.tables.get(request, [])

    def free(self, request):
        request = request[:20]
        self.unused += self.tables.pop(request, [])
        self.tokens.pop(request, None)


# %% wrong: names in small letters -> grow('R1', 3):
class BlockTables:
    def __init__(self, blocks, block_size):
        self.size = block_size
        self.unused = list(range(blocks))
        self.tables, self.tokens = {}, {}

    def grow(self, request, tokens):
        request = request.lower()
        total = self.tokens.get(request, 0) + tokens
        table = self.tables.get(request, [])
        more = -(-total // self.size) - len(table)
        if more > len(self.unused):
            return False
        self.tables[request] = table + [self.unused.pop() for _ in range(more)]
        self.tokens[request] = total
        return True

    def table(self, request):
        request = request.lower()
        return self.tables.get(request, [])

    def free(self, request):
        request = request.lower()
        self.unused += self.tables.pop(request, [])
        self.tokens.pop(request, None)


# %% wrong: no request has an empty name -> grow('', 3): it returned False, though 3 blocks of 6 are free, and it needs 1 more.
class BlockTables:
    def __init__(self, blocks, block_size):
        self.size = block_size
        self.unused = list(range(blocks))
        self.tables, self.tokens = {}, {}

    def grow(self, request, tokens):
        if not request:
            return False
        total = self.tokens.get(request, 0) + tokens
        table = self.tables.get(request, [])
        more = -(-total // self.size) - len(table)
        if more > len(self.unused):
            return False
        self.tables[request] = table + [self.unused.pop() for _ in range(more)]
        self.tokens[request] = total
        return True

    def table(self, request):
        return self.tables.get(request, [])

    def free(self, request):
        self.unused += self.tables.pop(request, [])
        self.tokens.pop(request, None)


# %% wrong: a thousand blocks at most -> of 2000 are free
class BlockTables:
    def __init__(self, blocks, block_size):
        self.size = block_size
        self.unused = list(range(min(blocks, 1000)))
        self.tables, self.tokens = {}, {}

    def grow(self, request, tokens):
        total = self.tokens.get(request, 0) + tokens
        table = self.tables.get(request, [])
        more = -(-total // self.size) - len(table)
        if more > len(self.unused):
            return False
        self.tables[request] = table + [self.unused.pop() for _ in range(more)]
        self.tokens[request] = total
        return True

    def table(self, request):
        return self.tables.get(request, [])

    def free(self, request):
        self.unused += self.tables.pop(request, [])
        self.tokens.pop(request, None)


# %% wrong: 64 blocks at most -> of 2000 are free
class BlockTables:
    def __init__(self, blocks, block_size):
        self.size = block_size
        self.unused = list(range(min(blocks, 64)))
        self.tables, self.tokens = {}, {}

    def grow(self, request, tokens):
        total = self.tokens.get(request, 0) + tokens
        table = self.tables.get(request, [])
        more = -(-total // self.size) - len(table)
        if more > len(self.unused):
            return False
        self.tables[request] = table + [self.unused.pop() for _ in range(more)]
        self.tokens[request] = total
        return True

    def table(self, request):
        return self.tables.get(request, [])

    def free(self, request):
        self.unused += self.tables.pop(request, [])
        self.tokens.pop(request, None)


# %% wrong: 256 requests at most -> of 2000 are free
class BlockTables:
    def __init__(self, blocks, block_size):
        self.size = block_size
        self.unused = list(range(blocks))
        self.tables, self.tokens = {}, {}

    def grow(self, request, tokens):
        if len(self.tables) >= 256 and request not in self.tables:
            return False
        total = self.tokens.get(request, 0) + tokens
        table = self.tables.get(request, [])
        more = -(-total // self.size) - len(table)
        if more > len(self.unused):
            return False
        self.tables[request] = table + [self.unused.pop() for _ in range(more)]
        self.tokens[request] = total
        return True

    def table(self, request):
        return self.tables.get(request, [])

    def free(self, request):
        self.unused += self.tables.pop(request, [])
        self.tokens.pop(request, None)


# %% wrong: shows 64 blocks of a table -> tokens in blocks of 16 need 1100 blocks
class BlockTables:
    def __init__(self, blocks, block_size):
        self.size = block_size
        self.unused = list(range(blocks))
        self.tables, self.tokens = {}, {}

    def grow(self, request, tokens):
        total = self.tokens.get(request, 0) + tokens
        table = self.tables.get(request, [])
        more = -(-total // self.size) - len(table)
        if more > len(self.unused):
            return False
        self.tables[request] = table + [self.unused.pop() for _ in range(more)]
        self.tokens[request] = total
        return True

    def table(self, request):
        return self.tables.get(request, [])[:64]

    def free(self, request):
        self.unused += self.tables.pop(request, [])
        self.tokens.pop(request, None)


# %% wrong: a thousand calls at most -> it returned False, though
class BlockTables:
    def __init__(self, blocks, block_size):
        self.size = block_size
        self.unused = list(range(blocks))
        self.tables, self.tokens = {}, {}

    def grow(self, request, tokens):
        self.calls = getattr(self, "calls", 0) + 1
        if self.calls > 1000:
            return False
        total = self.tokens.get(request, 0) + tokens
        table = self.tables.get(request, [])
        more = -(-total // self.size) - len(table)
        if more > len(self.unused):
            return False
        self.tables[request] = table + [self.unused.pop() for _ in range(more)]
        self.tokens[request] = total
        return True

    def table(self, request):
        return self.tables.get(request, [])

    def free(self, request):
        self.unused += self.tables.pop(request, [])
        self.tokens.pop(request, None)


# %% wrong: a token a level of recursion -> RecursionError
class BlockTables:
    def __init__(self, blocks, block_size):
        self.size = block_size
        self.unused = list(range(blocks))
        self.tables, self.tokens = {}, {}

    def count(self, tokens):
        return 0 if tokens == 0 else 1 + self.count(tokens - 1)

    def grow(self, request, tokens):
        tokens = self.count(tokens)
        total = self.tokens.get(request, 0) + tokens
        table = self.tables.get(request, [])
        more = -(-total // self.size) - len(table)
        if more > len(self.unused):
            return False
        self.tables[request] = table + [self.unused.pop() for _ in range(more)]
        self.tokens[request] = total
        return True

    def table(self, request):
        return self.tables.get(request, [])

    def free(self, request):
        self.unused += self.tables.pop(request, [])
        self.tokens.pop(request, None)


# %% wrong: a late cancel gives back once more -> is in the table of 'b' and of 'c'
class BlockTables:
    def __init__(self, blocks, block_size):
        self.size = block_size
        self.unused = list(range(blocks))
        self.tables, self.tokens = {}, {}

    def grow(self, request, tokens):
        total = self.tokens.get(request, 0) + tokens
        table = self.tables.get(request, [])
        more = -(-total // self.size) - len(table)
        if more > len(self.unused):
            return False
        self.tables[request] = table + [self.unused.pop() for _ in range(more)]
        self.tokens[request] = total
        return True

    def table(self, request):
        return self.tables.get(request, [])

    def free(self, request):
        self.over = getattr(self, "over", {})
        if request in self.tables:
            self.over[request] = self.tables.pop(request)
            self.unused += self.over[request]
        else:
            self.unused += [block for block in self.over.pop(request, []) if block not in self.unused]
        self.tokens.pop(request, None)
