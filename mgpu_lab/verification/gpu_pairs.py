"""Names sets of GPU pairs briefly: "among GPU 0-3, among GPU 4-7"."""

from collections.abc import Iterable
from itertools import combinations, product

from mgpu_lab.verification.findings import name_gpus

Pairs = set[tuple[int, int]]


def name_pairs(pairs: Iterable[tuple[int, int]]) -> str:
    """Name the pairs by the groups they form: all of one group, two groups across, or one by one."""
    rest = {(min(pair), max(pair)) for pair in pairs}
    groups = _connected(rest)
    return ", ".join(_name_connected(group, {pair for pair in rest if pair[0] in group}) for group in groups)


def _name_connected(members: list[int], pairs: Pairs) -> str:
    if len(members) == 2:  # noqa: PLR2004
        return f"GPU {members[0]} and {members[1]}"
    if pairs == set(combinations(members, 2)):
        return f"among {name_gpus(members)}"
    left = [gpu for gpu in members if (min(gpu, members[0]), max(gpu, members[0])) not in pairs]
    right = [gpu for gpu in members if gpu not in left]
    if pairs == {(min(pair), max(pair)) for pair in product(left, right)}:
        return f"between {name_gpus(left)} and {name_gpus(right)}"
    return "GPU " + ", ".join(f"{a} and {b}" for a, b in sorted(pairs))


def _connected(pairs: Pairs) -> list[list[int]]:
    """Split the GPUs into groups that the pairs join."""
    groups: list[set[int]] = []
    for pair in sorted(pairs):
        touched = [group for group in groups if group & set(pair)]
        groups = [group for group in groups if group not in touched] + [set(pair).union(*touched)]
    return sorted(sorted(group) for group in groups)
