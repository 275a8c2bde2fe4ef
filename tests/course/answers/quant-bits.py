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


# %% right: r5 one expression
def bits_per_weight(block, scale_block=None):
    return 4 + (32 if scale_block is None else 8 + 32 / scale_block) / block


# %% right: r5 lambda with other names of arguments
bits = lambda b, s=None: 4 + 32 / b if s is None else 4 + 8 / b + 32 / b / s


# %% right: r5 fractions
from fractions import Fraction


def bits_per_weight(block, scale_block=None):
    total = Fraction(4) + Fraction(8 if scale_block else 32, block)
    return total + Fraction(32, block * scale_block) if scale_block else total


# %% right: r5 counts the bits of one whole group
def bits_per_weight(block, scale_block=None):
    if scale_block is None:
        return (4 * block + 32) / block
    weights = block * scale_block
    return (4 * weights + 8 * scale_block + 32) / weights


# %% right: r5 numpy sum
import numpy as np


def bits_per_weight(block, scale_block=None):
    parts = [4.0, 32 / block] if not scale_block else [4.0, 8 / block, 32 / (block * scale_block)]
    return np.sum(parts)


# %% right: r5 a class with __call__
class Bits:
    def __call__(self, block, scale_block=None):
        share = 1 / block
        return 4 + (share * 32 if scale_block is None else share * 8 + share / scale_block * 32)


bits_per_weight = Bits()


# %% right: r5 bytes times eight
def bits_per_weight(block, scale_block=None):
    nbytes = 0.5
    if scale_block is None:
        nbytes += 4 / block
    else:
        nbytes += 1 / block + 4 / (block * scale_block)
    return 8 * nbytes


# %% right: r5 recursion, the scales are numbers with scales too
import functools


def shared(own, *blocks):
    return own if not blocks else own + blocks[0]


def bits_per_weight(block, scale_block=None):
    ladder = [(32, block)] if scale_block is None else [(32, scale_block), (8, block)]
    return functools.reduce(lambda above, step: (above + step[0]) / step[1], ladder, 0) + 4


# %% wrong: r5 no weight bits
def bits_per_weight(block, scale_block=None):
    return 32 / block if scale_block is None else 8 / block + 32 / (block * scale_block)


# %% wrong: r5 bytes
def bits_per_weight(block, scale_block=None):
    return 0.5 + (4 / block if scale_block is None else 1 / block + 4 / (block * scale_block))


# %% wrong: r5 the second scale is not shared by the weights of a block
def bits_per_weight(block, scale_block=None):
    return 4 + 32 / block if scale_block is None else 4 + 8 / block + 32 / scale_block


# %% wrong: r5 keeps the 32 bits beside the 8
def bits_per_weight(block, scale_block=None):
    bits = 4 + 32 / block
    if scale_block is not None:
        bits += 8 / block + 32 / (block * scale_block)
    return bits


# %% wrong: r5 ignores scale_block
def bits_per_weight(block, scale_block=None):
    return 4 + 32 / block


# %% wrong: r5 forgets the scale of the scales
def bits_per_weight(block, scale_block=None):
    return 4 + (8 if scale_block else 32) / block


# %% wrong: r5 256 written in
def bits_per_weight(block, scale_block=None):
    return 4 + 32 / block if scale_block is None else 4 + 8 / block + 32 / (block * 256)


# %% wrong: r5 64 written in
def bits_per_weight(block, scale_block=None):
    return 4 + 32 / 64 if scale_block is None else 4 + 8 / 64 + 32 / (64 * scale_block)


# %% wrong: r5 whole division -> A whole division
def bits_per_weight(block, scale_block=None):
    return 4 + 32 // block if scale_block is None else 4 + 8 // block + 32 // (block * scale_block)


# %% wrong: r5 rounded to three digits -> rounded
def bits_per_weight(block, scale_block=None):
    return round(4 + (32 / block if scale_block is None else 8 / block + 32 / (block * scale_block)), 3)


# %% wrong: r5 scale_block defaults to 256
def bits_per_weight(block, scale_block=256):
    return 4 + 8 / block + 32 / (block * scale_block)


# %% wrong: r5 prints and returns nothing
def bits_per_weight(block, scale_block=None):
    print(4 + (32 / block if scale_block is None else 8 / block + 32 / (block * scale_block)))


# %% wrong: r5 a text
def bits_per_weight(block, scale_block=None):
    return f"{4 + (32 / block if scale_block is None else 8 / block + 32 / (block * scale_block)):.3f} bits"


# %% wrong: r5 fp16 scales
def bits_per_weight(block, scale_block=None):
    return 4 + (16 / block if scale_block is None else 8 / block + 16 / (block * scale_block))


# %% wrong: r5 the bits of a whole block
def bits_per_weight(block, scale_block=None):
    return 4 * block + (32 if scale_block is None else 8 + 32 / scale_block)


# %% wrong: r5 the second argument has no default -> bits_per_weight(64)
def bits_per_weight(block, scale_block):
    return 4 + (32 / block if scale_block is None else 8 / block + 32 / (block * scale_block))


# %% wrong: r5 adds one fp32 mean per scale block
def bits_per_weight(block, scale_block=None):
    return 4 + (32 / block if scale_block is None else 8 / block + 64 / (block * scale_block))


# %% wrong: scale_block of 1 taken for none -> ignores scale_block
def bits_per_weight(block, scale_block=None):
    if not scale_block or scale_block <= 1:
        return 4 + 32 / block
    return 4 + 8 / block + 32 / (block * scale_block)


# %% wrong: rounded to three digits, as the lesson prints it -> rounded
def bits_per_weight(block, scale_block=None):
    return round(4 + 32 / block if scale_block is None else 4 + 8 / block + 32 / (block * scale_block), 3)
