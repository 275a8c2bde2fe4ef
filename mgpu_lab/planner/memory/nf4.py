"""NF4 with double quantisation: 4 bits for a weight, 8 for the scale of 64 weights, 32 for the scale of 256 scales.

Source: Dettmers et al. 2023, "QLoRA", section 3 (0.127 bits a weight for the scales); bitsandbytes 0.50.2,
`QuantState`, which keeps the tables of levels for each matrix.
"""

BLOCK = 64  # weights that share a scale
SCALE_BLOCK = 256  # scales that share a scale
TABLES_BYTES = 4 * (16 + 256 + 1)  # for each matrix: 16 levels, 256 levels of the scales, the mean of the scales


def packed_bytes(weights: int) -> int:
    """Return the bytes of the weights themselves."""
    return -(-weights // 2)


def scale_bytes(weights: int) -> int:
    """Return the bytes of the scales of one matrix, and of their scales."""
    scales = -(-weights // BLOCK)
    return scales + 4 * -(-scales // SCALE_BLOCK)


def nf4_bytes(weights: int) -> int:
    """Return the bytes of one matrix: 0.5 + 0.127 / 8 for a weight, and its tables.

    >>> (nf4_bytes(4096 * 4096) - TABLES_BYTES) * 8 / 4096**2
    4.126953125
    """
    return packed_bytes(weights) + scale_bytes(weights) + TABLES_BYTES
