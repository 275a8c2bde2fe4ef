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


# %% wrong: absmax 1 for zeros -> not 0
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


# %% wrong: int64 -> fits into uint8
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
