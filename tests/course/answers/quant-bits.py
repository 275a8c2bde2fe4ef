# %% right: as in the solution
def bits_per_weight(block, scale_block=None):
    if scale_block is None:
        return 4 + 32 / block
    return 4 + 8 / block + 32 / (block * scale_block)


# %% right: a conditional expression
per_weight = lambda block, scale_block=None: 4 + (32 if scale_block is None else 8 + 32 / scale_block) / block


# %% right: exact fractions
from fractions import Fraction


def exact(block, scale_block=None):
    scale = Fraction(32) if not scale_block else 8 + Fraction(32, scale_block)
    return 4 + scale / block


# %% right: counts the bits of a whole group of blocks
def of_a_group(block, scale_block=None):
    blocks = scale_block or 1
    bits = 4 * block * blocks
    bits += 8 * blocks + 32 if scale_block else 32
    return bits / (block * blocks)


# %% right: a numpy scalar
import numpy as np


def with_numpy(block, scale_block=None):
    shares = [4.0, 32 / block] if scale_block is None else [4.0, 8 / block, 32 / block / scale_block]
    return np.float64(np.sum(shares))


# %% right: a tensor of one element
def as_tensor(block, scale_block=None):
    scales = torch.tensor(32.0, dtype=torch.float64)
    if scale_block:
        scales = 8 + scales / scale_block
    return 4 + scales / block


# %% wrong: the weight is forgotten -> The weight itself has 4 bits
def only_scales(block, scale_block=None):
    return 32 / block if scale_block is None else 8 / block + 32 / (block * scale_block)


# %% wrong: bytes -> asks for bits
def in_bytes(block, scale_block=None):
    return (4 + (32 / block if scale_block is None else 8 / block + 32 / (block * scale_block))) / 8


# %% wrong: the second absmax is not counted -> absmax of their own
def no_second(block, scale_block=None):
    return 4 + (32 if scale_block is None else 8) / block


# %% wrong: the second absmax is shared by scale_block weights -> How many weights
def too_few(block, scale_block=None):
    return 4 + 32 / block if scale_block is None else 4 + 8 / block + 32 / scale_block


# %% wrong: scale_block ignored -> ignores scale_block
def plain(block, scale_block=None):
    return 4 + 32 / block


# %% wrong: the fp32 absmax is still counted -> is gone
def both(block, scale_block=None):
    return 4 + 32 / block + (0 if scale_block is None else 8 / block + 32 / (block * scale_block))


# %% wrong: always 256 -> you have
def always_256(block, scale_block=None):
    return 4 + 32 / block if scale_block is None else 4 + 8 / block + 32 / (block * 256)


# %% wrong: always blocks of 64 -> you have
def always_64(block, scale_block=None):
    return 4.5 if scale_block is None else 4 + 8 / 64 + 32 / (64 * scale_block)


# %% wrong: integer division -> That is the weight alone
def whole(block, scale_block=None):
    return 4 + 32 // block if scale_block is None else 4 + 8 // block + 32 // (block * scale_block)


# %% wrong: 16 bits for an absmax -> It is fp32
def half(block, scale_block=None):
    return 4 + 16 / block if scale_block is None else 4 + 8 / block + 16 / (block * scale_block)


# %% wrong: takes one argument -> Python says
def one_argument(block):
    return 4 + 32 / block


# %% wrong: prints, returns nothing -> must return a number
def prints(block, scale_block=None):
    bits = 4 + (32 if scale_block is None else 8 + 32 / scale_block) / block
    f"{bits}"
