"""What a plan's time rests on: numbers with a source, each of which you may replace."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace

from mgpu_lab.planner.machines import Machine
from mgpu_lab.planner.options import MOST, did_you_mean, refuse_amount
from mgpu_lab.planner.time.compute_time import Rates
from mgpu_lab.planner.time.efficiency import Share, attention_share, matmul_share, memory_share
from mgpu_lab.planner.time.link_time import Group, Path, group
from mgpu_lab.wire.errors import UsageError

FITTED = "fitted to this project's calibration runs (docs), which 0.5 to 0.9 fit as well; 2026-11-28"
YOURS = "your assumption"
SHARES = ("mfu", "overlap", "matmul", "attention", "memory", "link")
MAY_BE_NONE = ("overlap", "latency_us", "passes", "host_us", "layer_us")
LEAST = 1e-9  # of a share that work is divided by
OVERLAP = Share("communication that can hide, share that does", 0.7, FITTED)
HOST_US = Share(
    "microseconds of the CPU for each of PyTorch's calls",
    12.0,
    "jiahuanglin.xyz/all_lessons/gpu_kernel_serving/18_pytorch_to_kernel.html: 5 to 25; read 2026-11-28",
)
PASSES = Share("passes of activations through memory, times PyTorch's own", 1.0, "compute_time.py counts them")


@dataclass(frozen=True)
class Assumptions:
    """What a step's time rests on: every field may be replaced; None is the sourced number that `assumed` names.

    `mfu` replaces the roofline by one number: the share of the dense FLOP/s that forward and backward reach, recomputed
    work included. Else `matmul` and `attention` are shares of the dense FLOP/s, `memory` one of the rated bandwidth;
    `passes` is how often activations move through memory, over what PyTorch's own kernels need (about 0.3 where they
    are fused); `host_us` is what the CPU takes for each call of PyTorch (0 where a CUDA graph is replayed), `layer_us`
    what a layer takes in generating a token beside its bytes and operations: an engine's kernels start, plain PyTorch
    makes its calls. `link` is a share of the links' rates, `latency_us` a step's time, `overlap` the share of the
    communication that can hide that does. `host_adam` is how many parameters a second the cores of a host update.
    """

    mfu: float | None = None
    overlap: float | None = None
    matmul: float | None = None
    attention: float | None = None
    memory: float | None = None
    link: float | None = None
    latency_us: float | None = None
    passes: float | None = None
    host_us: float | None = None
    layer_us: float | None = None
    host_adam: float | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            if (value := getattr(self, field.name)) is None:
                continue
            refuse_amount(f"assumptions: {field.name}", value)
            if value < LEAST and field.name not in MAY_BE_NONE:
                raise UsageError(f"assumptions: {field.name}={value!r} would take forever.")
            if value > 1 and field.name in SHARES:
                raise UsageError(f"assumptions: {field.name}={value!r} is a share, 1 at most.")
            if value > MOST:
                raise UsageError(f"assumptions: {field.name} must be {MOST:,} at most.")


def assumptions(given: Assumptions | Mapping[str, float] | None) -> Assumptions:
    """Return assumptions from a dict that changes single fields.

    Raises:
        UsageError: there is no such field, or its number cannot be.
    """
    if isinstance(given, Assumptions):
        return given
    known = [field.name for field in fields(Assumptions)]
    if given is not None and not isinstance(given, Mapping):
        raise UsageError(f"assumptions are a dict or Assumptions, not {given!r}.")
    if unknown := sorted(str(name) for name in given or {} if name not in known):
        hint = did_you_mean(unknown[0], known, quoted=False)
        raise UsageError(f"assumptions have no {', '.join(unknown)}. There are {', '.join(known)}.{hint}")
    return Assumptions(**given or {})


@dataclass(frozen=True)
class Assumed:
    """The numbers that a plan takes, yours or sourced. `stated` are rows of what, how much, source."""

    matmul: Share
    attention: Share
    memory: Share
    overlap: Share
    passes: Share
    host_us: Share
    link: float | None
    latency_us: float | None
    layer_us: float | None

    @property
    def stated(self) -> tuple[tuple[str, float, str], ...]:
        return rows((self.matmul, self.attention, self.memory, self.passes, self.host_us, self.overlap))


def rows(shares: Iterable[Share]) -> tuple[tuple[str, float, str], ...]:
    return tuple((share.what, share.share, share.source) for share in shares)


def path_rows(path: Path | None) -> tuple[tuple[str, float, str], ...]:
    """State a link: 1e9 bytes a second that are reached, microseconds of a call and of each step of it."""
    if path is None:
        return ()
    return (
        (f"{path.name}, 1e9 bytes/s reached", path.rate / 1e9, path.source),
        (f"{path.name}, microseconds of a call", path.call_s[0] * 1e6, path.source),
        (f"{path.name}, microseconds of a step", path.step_s[0] * 1e6, path.source),
    )


def assume(where: Machine, dtype: str, given: Assumptions) -> Assumed:
    """Return the numbers for a machine and a dtype: those given, else the sourced ones."""
    return Assumed(
        matmul=_or(given.matmul, matmul_share(where.card, dtype)),
        attention=_or(given.attention, attention_share(where.card)),
        memory=_or(given.memory, memory_share(where.card)),
        overlap=_or(given.overlap, OVERLAP),
        passes=_or(given.passes, PASSES),
        host_us=_or(given.host_us, HOST_US),
        link=given.link,
        latency_us=given.latency_us,
        layer_us=given.layer_us,
    )


def _or(given: float | None, known: Share) -> Share:
    return known if given is None else Share(known.what, given, YOURS)


def assumed_group(where: Machine, size: int, stride: int, assumed: Assumed) -> Group:
    """Return the ranks of one mesh dimension, with your own links where you assumed any."""
    ranks = group(where, size, stride)
    inside = _yours(ranks.inside, where.link.rate_gbps, assumed)
    return replace(ranks, inside=inside, between=_yours(ranks.between, where.between_hosts.rate_gbps, assumed))


def _yours(known: Path | None, rated_gbps: float | None, assumed: Assumed) -> Path | None:
    if known is not None and assumed.link is not None and rated_gbps is not None:
        rate = assumed.link * rated_gbps * 1e9
        known = replace(known, rate=rate, all_reduce_rate=rate, source=YOURS)
    if known is not None and assumed.latency_us is not None:
        known = replace(known, step_s=(assumed.latency_us * 1e-6,) * 2, source=YOURS)
    return known


def dense_flops(where: Machine, dtype: str) -> float | None:
    """Return operations a second that the card is rated for; fp16's are bf16's where only those are known."""
    if where.tflops is not None:
        return where.tflops * 1e12
    known = where.card.tflops
    found = known.get(dtype) or known.get("bf16" if dtype == "fp16" else "")
    return None if found is None else found * 1e12


def memory_bytes_per_s(where: Machine) -> float | None:
    """Return the rated memory bandwidth, yours where the machine has one."""
    gbps = where.card.memory_gbps if where.memory_gbps is None else where.memory_gbps
    return None if gbps is None else gbps * 1e9


def rates(where: Machine, dtype: str, assumed: Assumed) -> Rates | None:
    """Return what kernels reach on one card; None where its figures are not known."""
    flops, memory = dense_flops(where, dtype), memory_bytes_per_s(where)
    if flops is None or memory is None:
        return None
    half = dense_flops(where, "bf16") if dtype in ("fp8", "int8") else flops  # attention stays in 16 bits
    return Rates(
        flops * assumed.matmul.share,
        (half or flops) * assumed.attention.share,
        memory * assumed.memory.share,
        assumed.passes.share,
    )
