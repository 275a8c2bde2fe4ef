"""Print memory ledgers of several ways to train, one row each, beside the first way."""

from collections.abc import Mapping
from typing import Any


def show_bytes(ledgers: Mapping[str, tuple[Any, Any]]) -> None:
    """Print MB of each way's ``(ledger between steps, ledger at the peak of a step)``, and the first way over each."""
    ways = list(ledgers)
    print(f"{'MB':20}{'weights':>9}{'gradients':>11}{'moments':>9}{'sum':>8}{'times less':>12}", end="")
    print(f" |{'activations':>13}{'peak':>7}{'times less':>12}")
    for name in ways:
        (steady, peak), (first, first_peak) = ledgers[name], ledgers[ways[0]]
        print(f"{name:20}{mb(steady.parameters):9.2f}{mb(steady.gradients):11.2f}", end="")
        print(f"{mb(steady.optimizer_state):9.2f}", end="")
        print(f"{mb(lasting(steady)):8.2f}{lasting(first) / lasting(steady):12.1f}", end="")
        print(f" |{mb(peak.activations):13.1f}{mb(peak.total):7.1f}{first_peak.total / peak.total:12.1f}")


def lasting(ledger: Any) -> int:
    """Return the bytes that stay from one step to the next: weights, gradients, moments."""
    return int(ledger.parameters + ledger.gradients + ledger.optimizer_state)


def mb(size: float) -> float:
    return size / 1e6
