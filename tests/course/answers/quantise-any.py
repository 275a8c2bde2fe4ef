# %% right: split, as in the solution
def by_split(weight, levels, block):
    pieces = weight.float().flatten().split(block)
    absmax = torch.stack([piece.abs().max() for piece in pieces])
    scaled = [piece / most if most else piece for piece, most in zip(pieces, absmax, strict=True)]
    return torch.bucketize(torch.cat(scaled), (levels[1:] + levels[:-1]) / 2).to(torch.uint8), absmax


# %% right: padded and cut, distances by argmin
def by_padding(weight, levels, block):
    flat = weight.reshape(-1).float()
    padded = torch.nn.functional.pad(flat, (0, -flat.numel() % block)).view(-1, block)
    absmax = padded.abs().amax(1)
    scaled = padded / torch.where(absmax == 0, torch.ones_like(absmax), absmax)[:, None]
    numbers = (scaled[..., None] - levels).abs().argmin(-1)
    return numbers.flatten()[: flat.numel()].to(torch.uint8), absmax


# %% right: a loop over blocks in numpy
import numpy as np


def in_numpy(weight, levels, block):
    flat, table = weight.float().numpy().ravel(), levels.numpy()
    numbers, absmax = np.zeros(flat.size, np.uint8), []
    for start in range(0, flat.size, block):
        piece = flat[start : start + block]
        most = np.abs(piece).max()
        absmax.append(most)
        scaled = piece / most if most > 0 else piece
        numbers[start : start + block] = np.abs(scaled[:, None] - table[None]).argmin(1)
    return torch.from_numpy(numbers), torch.tensor(np.array(absmax))


# %% right: fp64, clamp and searchsorted
def in_double(weight, levels, block):
    flat = weight.double().flatten()
    index = torch.arange(flat.numel()) // block
    absmax = torch.zeros(int(index[-1]) + 1, dtype=torch.float64).scatter_reduce(0, index, flat.abs(), "amax")
    scaled = flat / absmax.clamp(min=1e-300)[index]
    middles = (levels[1:].double() + levels[:-1].double()) / 2
    return torch.searchsorted(middles, scaled).to(torch.uint8), absmax.float()


# %% right: one weight at a time
def one_by_one(weight, levels, block):
    values, table = weight.float().flatten().tolist(), levels.tolist()
    absmax = [max(abs(v) for v in values[s : s + block]) for s in range(0, len(values), block)]
    numbers = []
    for position, value in enumerate(values):
        most = absmax[position // block]
        share = value / most if most else 0.0
        numbers.append(min(range(len(table)), key=lambda each: abs(table[each] - share)))
    return torch.tensor(numbers, dtype=torch.uint8), torch.tensor(absmax)


# %% right: nan_to_num, and absmax as a column
def with_nan(weight, levels, block):
    flat = weight.float().flatten()
    rest = -len(flat) % block
    blocks = torch.cat([flat, flat.new_zeros(rest)]).view(-1, block)
    absmax = blocks.abs().max(dim=1, keepdim=True).values
    numbers = torch.bucketize((blocks / absmax).nan_to_num(0.0), (levels[1:] + levels[:-1]) / 2).byte().flatten()
    return [numbers[: len(numbers) - rest], absmax.flatten()]


# %% wrong: numbers of the padding are kept -> for the padding
def padding_kept(weight, levels, block):
    flat = weight.float().flatten()
    blocks = torch.nn.functional.pad(flat, (0, -len(flat) % block)).view(-1, block)
    absmax = blocks.abs().amax(1)
    scaled = blocks / absmax.clamp(min=1e-30)[:, None]
    return torch.bucketize(scaled, (levels[1:] + levels[:-1]) / 2).to(torch.uint8).flatten(), absmax


# %% wrong: zeros become nan -> What is 0 / 0
def zero_over_zero(weight, levels, block):
    pieces = weight.float().flatten().split(block)
    absmax = torch.stack([piece.abs().max() for piece in pieces])
    scaled = torch.cat([piece / most for piece, most in zip(pieces, absmax, strict=True)])
    return torch.bucketize(scaled, (levels[1:] + levels[:-1]) / 2).to(torch.uint8), absmax


# %% wrong: absmax 1 for zeros -> is 1. Its largest
def ones_for_zeros(weight, levels, block):
    pieces = weight.float().flatten().split(block)
    absmax = torch.stack([piece.abs().max() for piece in pieces])
    absmax = torch.where(absmax == 0, torch.ones_like(absmax), absmax)
    scaled = torch.cat([piece / most for piece, most in zip(pieces, absmax, strict=True)])
    return torch.bucketize(scaled, (levels[1:] + levels[:-1]) / 2).to(torch.uint8), absmax


# %% wrong: the rest is dropped -> have no number
def rest_dropped(weight, levels, block):
    flat = weight.float().flatten()
    blocks = flat[: len(flat) // block * block].view(-1, block)
    absmax = blocks.abs().amax(1) if len(blocks) else torch.empty(0)
    scaled = blocks / absmax.clamp(min=1e-30)[:, None]
    return torch.bucketize(scaled, (levels[1:] + levels[:-1]) / 2).to(torch.uint8).flatten(), absmax


# %% wrong: one absmax -> one absmax for all
def one_absmax(weight, levels, block):
    flat = weight.float().flatten()
    absmax = flat.abs().max().clamp(min=1e-30)
    return torch.bucketize(flat / absmax, (levels[1:] + levels[:-1]) / 2).to(torch.uint8), absmax.view(1)


# %% wrong: rounds down -> takes the level below
def level_below(weight, levels, block):
    pieces = weight.float().flatten().split(block)
    absmax = torch.stack([piece.abs().max() for piece in pieces])
    scaled = torch.cat([piece / most if most else piece for piece, most in zip(pieces, absmax, strict=True)])
    return (torch.bucketize(scaled, levels, right=True) - 1).clamp(0).to(torch.uint8), absmax


# %% wrong: bucketize at the levels themselves -> takes the level above
def level_above(weight, levels, block):
    pieces = weight.float().flatten().split(block)
    absmax = torch.stack([piece.abs().max() for piece in pieces])
    scaled = torch.cat([piece / most if most else piece for piece, most in zip(pieces, absmax, strict=True)])
    return torch.bucketize(scaled, levels).clamp(max=len(levels) - 1).to(torch.uint8), absmax


# %% wrong: divides in bf16 -> In bf16
def in_bf16(weight, levels, block):
    pieces = weight.flatten().split(block)
    absmax = torch.stack([piece.abs().max() for piece in pieces])
    scaled = torch.cat([piece / most if most else piece for piece, most in zip(pieces, absmax, strict=True)]).float()
    return torch.bucketize(scaled, (levels[1:] + levels[:-1]) / 2).to(torch.uint8), absmax.float()


# %% wrong: 0 is always number 7 -> zeros must take the level 0
def always_seven(weight, levels, block):
    pieces = weight.float().flatten().split(block)
    absmax = torch.stack([piece.abs().max() for piece in pieces])
    numbers = []
    for piece, most in zip(pieces, absmax, strict=True):
        if most == 0:
            numbers.append(torch.full((len(piece),), min(7, len(levels) - 1)))
        else:
            numbers.append(torch.bucketize(piece / most, (levels[1:] + levels[:-1]) / 2))
    return torch.cat(numbers).to(torch.uint8), absmax


# %% wrong: int64 -> must be uint8
def as_int64(weight, levels, block):
    pieces = weight.float().flatten().split(block)
    absmax = torch.stack([piece.abs().max() for piece in pieces])
    scaled = torch.cat([piece / most if most else piece for piece, most in zip(pieces, absmax, strict=True)])
    return torch.bucketize(scaled, (levels[1:] + levels[:-1]) / 2), absmax


# %% wrong: the shape of the weight is kept -> must be flat
def not_flat(weight, levels, block):
    pieces = weight.float().flatten().split(block)
    absmax = torch.stack([piece.abs().max() for piece in pieces])
    scaled = torch.cat([piece / most if most else piece for piece, most in zip(pieces, absmax, strict=True)])
    return torch.bucketize(scaled, (levels[1:] + levels[:-1]) / 2).to(torch.uint8).view(weight.shape), absmax


# %% wrong: the sign is lost in absmax -> Largest in absolute value
def largest(weight, levels, block):
    pieces = weight.float().flatten().split(block)
    absmax = torch.stack([piece.max() for piece in pieces])
    scaled = torch.cat([piece / piece.abs().max().clamp(min=1e-30) for piece in pieces])
    return torch.bucketize(scaled, (levels[1:] + levels[:-1]) / 2).to(torch.uint8), absmax


# %% wrong: blocks are rows -> one for each row
def by_row(weight, levels, block):
    rows = weight.float() if weight.dim() > 1 else weight.float().view(1, -1)
    pieces = [piece for row in rows for piece in row.split(block)] if weight.dim() == 1 else list(rows)
    absmax = torch.stack([piece.abs().max() for piece in pieces])
    scaled = torch.cat([piece / most if most else piece for piece, most in zip(pieces, absmax, strict=True)])
    return torch.bucketize(scaled, (levels[1:] + levels[:-1]) / 2).to(torch.uint8), absmax


# %% wrong: no third argument -> Python says
def blocks_of_64(weight, levels):
    pieces = weight.float().flatten().split(64)
    absmax = torch.stack([piece.abs().max() for piece in pieces])
    scaled = torch.cat([piece / most if most else piece for piece, most in zip(pieces, absmax, strict=True)])
    return torch.bucketize(scaled, (levels[1:] + levels[:-1]) / 2).to(torch.uint8), absmax


# %% right: r5 pad and view
def quantise_any(weight, levels, block):
    flat = weight.detach().float().flatten()
    padded = torch.nn.functional.pad(flat, (0, -len(flat) % block)).view(-1, block)
    absmax = padded.abs().amax(1)
    safe = torch.where(absmax == 0, torch.ones_like(absmax), absmax)
    numbers = torch.bucketize(padded / safe[:, None], (levels[1:] + levels[:-1]) / 2)
    return numbers.flatten()[: len(flat)].to(torch.uint8), absmax


# %% right: r5 a loop over torch.split with argmin
def quantise_any(weight, levels, block):
    numbers, scales = [], []
    for piece in weight.reshape(-1).float().split(block):
        top = piece.abs().max()
        scales.append(top)
        quotient = piece / top if top > 0 else torch.zeros_like(piece)
        numbers.append((quotient[:, None] - levels).abs().argmin(dim=1).byte())
    return torch.cat(numbers), torch.stack(scales)


# %% right: r5 numpy
import numpy as np


def quantise_any(weight, levels, block):
    flat = weight.float().numpy().ravel()
    table = levels.numpy()
    starts = np.arange(0, flat.size, block)
    absmax = np.maximum.reduceat(np.abs(flat), starts)
    inverse = np.divide(1, absmax, out=np.zeros_like(absmax), where=absmax > 0)
    scaled = flat * np.repeat(inverse, block)[: flat.size]
    numbers = np.searchsorted((table[1:] + table[:-1]) / 2, scaled)
    return torch.from_numpy(numbers.astype(np.uint8)), torch.from_numpy(absmax)


# %% right: r5 scatter_reduce by block number
def quantise_any(w, table, size):
    w = w.flatten().to(torch.float32)
    owner = torch.arange(w.numel()) // size
    absmax = torch.zeros(int(owner[-1]) + 1).scatter_reduce(0, owner, w.abs(), "amax")
    quotient = (w / absmax[owner]).nan_to_num(0.0)
    return (quotient[:, None] > (table[1:] + table[:-1]) / 2).sum(1, dtype=torch.uint8), absmax


# %% right: r5 plain Python and bisect
import bisect


def quantise_any(weight, levels, block):
    values, table = weight.flatten().tolist(), levels.tolist()
    middles = [(a + b) / 2 for a, b in zip(table, table[1:])]
    numbers, scales = [], []
    for start in range(0, len(values), block):
        piece = values[start : start + block]
        top = max(map(abs, piece))
        scales.append(top)
        numbers += [bisect.bisect_left(middles, value / top if top else 0.0) for value in piece]
    return torch.tensor(numbers, dtype=torch.uint8), torch.tensor(scales, dtype=torch.float32)


# %% right: r5 whole blocks, then the tail by recursion
def quantise_any(weight, levels, block):
    flat = weight.reshape(-1).float()
    whole = flat.numel() // block * block
    if whole == 0:
        block, whole = flat.numel(), flat.numel()
    head, tail = flat[:whole].view(-1, block), flat[whole:]
    absmax = head.abs().max(dim=1).values
    quotient = head / absmax.clamp_min(torch.finfo(torch.float32).tiny)[:, None]
    numbers = torch.cdist(quotient.reshape(-1, 1), levels[:, None]).argmin(1).to(torch.uint8)
    if tail.numel():
        more, last = quantise_any(tail, levels, block)
        numbers, absmax = torch.cat([numbers, more]), torch.cat([absmax, last])
    return numbers, absmax


# %% right: r5 in float64
def quantise_any(weight, levels, block):
    flat = weight.double().flatten()
    rows = torch.zeros(-(-flat.numel() // block), block, dtype=torch.float64)
    rows.view(-1)[: flat.numel()] = flat
    absmax = torch.linalg.vector_norm(rows, ord=float("inf"), dim=1)
    quotient = torch.where(absmax[:, None] > 0, rows / absmax[:, None], 0.0)
    table = levels.double()
    numbers = torch.searchsorted((table[:-1] + table[1:]) / 2, quotient, right=True)
    return numbers.view(-1)[: flat.numel()].to(torch.uint8), absmax.float()


# %% right: r5 the nearest of the two neighbours
def quantise_any(weight, levels, block):
    flat = weight.float().flatten()
    absmax = torch.stack([part.abs().max() for part in flat.split(block)])
    quotient = flat / (absmax + (absmax == 0)).repeat_interleave(block)[: len(flat)]
    above = torch.searchsorted(levels, quotient).clamp(1, len(levels) - 1)
    lower = (quotient - levels[above - 1]) <= (levels[above] - quotient)
    return (above - lower.long()).to(torch.uint8), absmax


# %% right: r5 compares products, zeros treated apart
def quantise_any(weight, levels, block):
    flat = weight.float().view(-1)
    absmax = torch.cat([part.abs().max()[None] for part in torch.split(flat, block)])
    products = absmax.repeat_interleave(block)[: len(flat), None] * levels
    numbers = (flat[:, None] - products).abs().argmin(1)
    numbers[flat == 0] = int((levels == 0).nonzero())
    return numbers.to(torch.uint8), absmax


# %% wrong: r5 the lesson's quantise
def quantise_any(weight, levels, block):
    blocks = weight.float().reshape(-1, block)
    absmax = blocks.abs().max(dim=1).values
    numbers = torch.bucketize(blocks * (1 / absmax)[:, None], (levels[1:] + levels[:-1]) / 2)
    return numbers.to(torch.uint8).flatten(), absmax


# %% wrong: r5 leaves the padding in
def quantise_any(weight, levels, block):
    flat = weight.float().flatten()
    padded = torch.nn.functional.pad(flat, (0, -len(flat) % block)).view(-1, block)
    absmax = padded.abs().amax(1)
    safe = absmax.masked_fill(absmax == 0, 1)
    return torch.bucketize(padded / safe[:, None], (levels[1:] + levels[:-1]) / 2).flatten().to(torch.uint8), absmax


# %% wrong: r5 pads, but a block of zeros becomes NaN
def quantise_any(weight, levels, block):
    flat = weight.float().flatten()
    padded = torch.nn.functional.pad(flat, (0, -len(flat) % block)).view(-1, block)
    absmax = padded.abs().amax(1)
    numbers = torch.bucketize(padded / absmax[:, None], (levels[1:] + levels[:-1]) / 2)
    return numbers.flatten()[: len(flat)].to(torch.uint8), absmax


# %% wrong: r5 drops the short last block
def quantise_any(weight, levels, block):
    flat = weight.float().flatten()
    rows = flat[: len(flat) // block * block].view(-1, block)
    absmax = rows.abs().amax(1)
    safe = absmax.masked_fill(absmax == 0, 1)
    return torch.bucketize(rows / safe[:, None], (levels[1:] + levels[:-1]) / 2).flatten().to(torch.uint8), absmax


# %% wrong: r5 the tail's absmax is missing
def quantise_any(weight, levels, block):
    flat = weight.float().flatten()
    absmax = torch.stack([part.abs().max() for part in flat.split(block)])
    quotient = flat / (absmax + (absmax == 0)).repeat_interleave(block)[: len(flat)]
    numbers = torch.bucketize(quotient, (levels[1:] + levels[:-1]) / 2).to(torch.uint8)
    return numbers, absmax[: len(flat) // block]


# %% wrong: r5 absmax in the weight's type -> fp32 and flat
def quantise_any(weight, levels, block):
    flat = weight.flatten()
    absmax = torch.stack([part.abs().max() for part in flat.split(block)])
    quotient = flat.float() / (absmax + (absmax == 0)).float().repeat_interleave(block)[: len(flat)]
    return torch.bucketize(quotient, (levels[1:] + levels[:-1]) / 2).to(torch.uint8), absmax


# %% wrong: r5 divides in bf16
def quantise_any(weight, levels, block):
    flat = weight.flatten()
    absmax = torch.stack([part.abs().max() for part in flat.split(block)])
    quotient = (flat / (absmax + (absmax == 0)).repeat_interleave(block)[: len(flat)]).float()
    return torch.bucketize(quotient, (levels[1:] + levels[:-1]) / 2).to(torch.uint8), absmax.float()


# %% wrong: r5 numbers are int64
def quantise_any(weight, levels, block):
    flat = weight.float().flatten()
    absmax = torch.stack([part.abs().max() for part in flat.split(block)])
    quotient = flat / (absmax + (absmax == 0)).repeat_interleave(block)[: len(flat)]
    return torch.bucketize(quotient, (levels[1:] + levels[:-1]) / 2), absmax


# %% wrong: r5 numbers in the weight's shape
def quantise_any(weight, levels, block):
    flat = weight.float().flatten()
    absmax = torch.stack([part.abs().max() for part in flat.split(block)])
    quotient = flat / (absmax + (absmax == 0)).repeat_interleave(block)[: len(flat)]
    return torch.bucketize(quotient, (levels[1:] + levels[:-1]) / 2).to(torch.uint8).view(weight.shape), absmax


# %% wrong: r5 blocks of each row apart
def quantise_any(weight, levels, block):
    numbers, scales = [], []
    for row in weight.float().view(-1, weight.shape[-1]):
        for piece in row.split(block):
            top = piece.abs().max()
            scales.append(top)
            numbers.append(torch.bucketize(piece / (top if top > 0 else 1), (levels[1:] + levels[:-1]) / 2))
    return torch.cat(numbers).to(torch.uint8), torch.stack(scales)


# %% wrong: r5 max instead of absmax
def quantise_any(weight, levels, block):
    flat = weight.float().flatten()
    absmax = torch.stack([part.max() for part in flat.split(block)])
    quotient = flat / (absmax + (absmax == 0)).repeat_interleave(block)[: len(flat)]
    return torch.bucketize(quotient, (levels[1:] + levels[:-1]) / 2).to(torch.uint8), absmax


# %% wrong: r5 the level below instead of the nearest
def quantise_any(weight, levels, block):
    flat = weight.float().flatten()
    absmax = torch.stack([part.abs().max() for part in flat.split(block)])
    quotient = flat / (absmax + (absmax == 0)).repeat_interleave(block)[: len(flat)]
    return (torch.searchsorted(levels, quotient, right=True) - 1).clamp(0).to(torch.uint8), absmax


# %% wrong: r5 64 written in -> How long is a block
def quantise_any(weight, levels, block=64):
    block = 64
    flat = weight.float().flatten()
    absmax = torch.stack([part.abs().max() for part in flat.split(block)])
    quotient = flat / (absmax + (absmax == 0)).repeat_interleave(block)[: len(flat)]
    return torch.bucketize(quotient, (levels[1:] + levels[:-1]) / 2).to(torch.uint8), absmax


# %% wrong: r5 level 7 written in for zeros -> Which number has the level 0
def quantise_any(weight, levels, block):
    flat = weight.float().flatten()
    absmax = torch.stack([part.abs().max() for part in flat.split(block)])
    quotient = flat / (absmax + (absmax == 0)).repeat_interleave(block)[: len(flat)]
    numbers = torch.bucketize(quotient, (levels[1:] + levels[:-1]) / 2)
    return torch.where(flat == 0, 7, numbers).to(torch.uint8), absmax


# %% wrong: r5 a block of zeros takes number 0
def quantise_any(weight, levels, block):
    flat = weight.float().flatten()
    absmax = torch.stack([part.abs().max() for part in flat.split(block)])
    spread = absmax.repeat_interleave(block)[: len(flat)]
    numbers = torch.bucketize(flat / spread, (levels[1:] + levels[:-1]) / 2)
    return torch.where(spread == 0, 0, numbers).to(torch.uint8), absmax


# %% wrong: r5 a block of zeros gets absmax 1 -> is 1. Its
def quantise_any(weight, levels, block):
    flat = weight.float().flatten()
    absmax = torch.stack([part.abs().max() for part in flat.split(block)])
    absmax = absmax + (absmax == 0)
    quotient = flat / absmax.repeat_interleave(block)[: len(flat)]
    return torch.bucketize(quotient, (levels[1:] + levels[:-1]) / 2).to(torch.uint8), absmax


# %% wrong: r5 compares products, argmin takes the first of equals
def quantise_any(weight, levels, block):
    flat = weight.float().flatten()
    absmax = torch.stack([part.abs().max() for part in flat.split(block)])
    products = absmax.repeat_interleave(block)[: len(flat), None] * levels
    return (flat[:, None] - products).abs().argmin(1).to(torch.uint8), absmax


# %% wrong: r5 absmax never under 0.01
def quantise_any(weight, levels, block):
    flat = weight.float().flatten()
    absmax = torch.stack([part.abs().max() for part in flat.split(block)]).clamp_min(0.01)
    quotient = flat / absmax.repeat_interleave(block)[: len(flat)]
    return torch.bucketize(quotient, (levels[1:] + levels[:-1]) / 2).to(torch.uint8), absmax


# %% wrong: r5 eps of 0.001 added before the division
def quantise_any(weight, levels, block):
    flat = weight.float().flatten()
    absmax = torch.stack([part.abs().max() for part in flat.split(block)])
    quotient = flat / (absmax + 1e-3).repeat_interleave(block)[: len(flat)]
    return torch.bucketize(quotient, (levels[1:] + levels[:-1]) / 2).to(torch.uint8), absmax


# %% wrong: r5 pads with ones -> not the largest absolute value
def quantise_any(weight, levels, block):
    flat = weight.float().flatten()
    padded = torch.nn.functional.pad(flat, (0, -len(flat) % block), value=1.0).view(-1, block)
    absmax = padded.abs().amax(1)
    safe = absmax.masked_fill(absmax == 0, 1)
    numbers = torch.bucketize(padded / safe[:, None], (levels[1:] + levels[:-1]) / 2)
    return numbers.flatten()[: len(flat)].to(torch.uint8), absmax


# %% wrong: r5 the last block reaches back
def quantise_any(weight, levels, block):
    flat = weight.float().flatten()
    parts = list(flat.split(block))
    absmax = torch.stack([part.abs().max() for part in parts[:-1]] + [flat[-block:].abs().max()])
    quotient = flat / (absmax + (absmax == 0)).repeat_interleave(block)[: len(flat)]
    return torch.bucketize(quotient, (levels[1:] + levels[:-1]) / 2).to(torch.uint8), absmax


# %% wrong: r5 two numbers in a byte -> one byte for two weights
def quantise_any(weight, levels, block):
    flat = weight.float().flatten()
    absmax = torch.stack([part.abs().max() for part in flat.split(block)])
    quotient = flat / (absmax + (absmax == 0)).repeat_interleave(block)[: len(flat)]
    numbers = torch.bucketize(quotient, (levels[1:] + levels[:-1]) / 2).to(torch.uint8)
    numbers = torch.nn.functional.pad(numbers, (0, len(numbers) % 2))
    return (numbers[0::2] << 4) | numbers[1::2], absmax


# %% wrong: r5 column by column
def quantise_any(weight, levels, block):
    flat = weight.float().T.flatten() if weight.ndim == 2 else weight.float()
    absmax = torch.stack([part.abs().max() for part in flat.split(block)])
    quotient = flat / (absmax + (absmax == 0)).repeat_interleave(block)[: len(flat)]
    return torch.bucketize(quotient, (levels[1:] + levels[:-1]) / 2).to(torch.uint8), absmax


# %% wrong: r5 divides the caller's weight in place
def quantise_any(weight, levels, block):
    flat = weight.view(-1) if weight.dtype == torch.float32 else weight.float().view(-1)
    absmax = torch.stack([part.abs().max() for part in flat.split(block)])
    flat /= (absmax + (absmax == 0)).repeat_interleave(block)[: len(flat)]
    return torch.bucketize(flat, (levels[1:] + levels[:-1]) / 2).to(torch.uint8), absmax


# %% wrong: r5 absmax as a column -> fp32 and flat
def quantise_any(weight, levels, block):
    flat = weight.float().flatten()
    absmax = torch.stack([part.abs().max() for part in flat.split(block)])
    quotient = flat / (absmax + (absmax == 0)).repeat_interleave(block)[: len(flat)]
    return torch.bucketize(quotient, (levels[1:] + levels[:-1]) / 2).to(torch.uint8), absmax[:, None]


# %% wrong: r5 the two results swapped -> the other way round
def quantise_any(weight, levels, block):
    flat = weight.float().flatten()
    absmax = torch.stack([part.abs().max() for part in flat.split(block)])
    quotient = flat / (absmax + (absmax == 0)).repeat_interleave(block)[: len(flat)]
    return absmax, torch.bucketize(quotient, (levels[1:] + levels[:-1]) / 2).to(torch.uint8)


# %% wrong: r5 sixteen levels written in -> not at the level nearest
def quantise_any(weight, levels, block):
    levels = levels[:16]
    flat = weight.float().flatten()
    absmax = torch.stack([part.abs().max() for part in flat.split(block)])
    quotient = flat / (absmax + (absmax == 0)).repeat_interleave(block)[: len(flat)]
    return torch.bucketize(quotient, (levels[1:] + levels[:-1]) / 2).clamp(max=15).to(torch.uint8), absmax


# %% wrong: r5 the values instead of their numbers -> must be uint8
def quantise_any(weight, levels, block):
    flat = weight.float().flatten()
    absmax = torch.stack([part.abs().max() for part in flat.split(block)])
    quotient = flat / (absmax + (absmax == 0)).repeat_interleave(block)[: len(flat)]
    return levels[torch.bucketize(quotient, (levels[1:] + levels[:-1]) / 2)], absmax


# %% wrong: r5 inverse absmax returned
def quantise_any(weight, levels, block):
    flat = weight.float().flatten()
    absmax = torch.stack([part.abs().max() for part in flat.split(block)])
    inverse = 1 / (absmax + (absmax == 0))
    numbers = torch.bucketize(flat * inverse.repeat_interleave(block)[: len(flat)], (levels[1:] + levels[:-1]) / 2)
    return numbers.to(torch.uint8), inverse


# %% wrong: small weights are taken for zeros
def quantise_any(weight, levels, block):
    flat = weight.float().flatten()
    blocks = torch.nn.functional.pad(flat, (0, -len(flat) % block)).view(-1, block)
    absmax = blocks.abs().amax(1)
    numbers = torch.bucketize(blocks / absmax.clamp(min=1e-2)[:, None], (levels[1:] + levels[:-1]) / 2)
    return numbers.to(torch.uint8).flatten()[: len(flat)], absmax


# %% wrong: numpy arrays come back -> ndarray
def quantise_any(weight, levels, block):
    numbers, tops = [], []
    for piece in weight.float().flatten().split(block):
        top = piece.abs().max()
        tops.append(top)
        numbers.append(torch.bucketize(piece / (top if top else 1), (levels[1:] + levels[:-1]) / 2))
    return torch.cat(numbers).to(torch.uint8).numpy(), torch.stack(tops).numpy()


# %% wrong: zero block takes the middle number
def quantise_any(weight, levels, block):
    halfway = (levels[1:] + levels[:-1]) / 2
    w = weight.flatten().float()
    blocks = torch.nn.functional.pad(w, (0, -len(w) % block)).view(-1, block)
    top = blocks.abs().amax(1)
    numbers = torch.bucketize(blocks / top[:, None], halfway)
    numbers[top == 0] = len(levels) // 2
    return numbers.to(torch.uint8).flatten()[: len(w)], top


# %% wrong: absmax is clamped to 1e-8
def quantise_any(weight, levels, block):
    w = weight.flatten().float()
    blocks = torch.nn.functional.pad(w, (0, -len(w) % block)).view(-1, block)
    top = blocks.abs().amax(1).clamp(min=1e-8)
    return torch.bucketize(blocks / top[:, None], (levels[1:] + levels[:-1]) / 2).to(torch.uint8).flatten()[: len(w)], top
