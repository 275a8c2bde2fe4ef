"""The check of lesson 08's exercise on tensor parallel attention with fewer KV heads than ranks.

On the ranks at hand the outputs are compared with one process; then each rank plays all ranks of larger worlds in turn
(``pretend``), where some ranks share a KV head and others do not.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

from mgpu_lab.checks.calls import ask, must_take
from mgpu_lab.checks.core import Wrong, refuse
from mgpu_lab.checks.lesson_08_attention import Served, serve
from mgpu_lab.checks.lesson_08_plain import CASES, Case, Requests
from mgpu_lab.checks.on_ranks import off, on_each_size, sizes_text
from mgpu_lab.checks.pretend import pretended
from mgpu_lab.checks.spy import of_waits

LARGER = (Case("", 8, 2, ranks=4), Case("", 16, 2, ranks=8), Case("", 8, 4, ranks=8), Case("", 12, 1, ranks=6))
UNDIVIDED = ((2, 6, 3), (3, 6, 2), (4, 12, 6), (4, 6, 2), (6, 24, 4))  # ranks, query heads, KV heads
SHOWN = "SplitAttention(attention, group)"


def few_kv_heads(answer: Any) -> str:
    """``SplitAttention(attention, group=None)``: one process's output, and as few KV heads on a rank as can be."""
    if all(getattr(answer, name, None) is getattr(nn.Module, name) for name in ("__init__", "forward")):
        raise NotImplementedError
    must_take(answer, SHOWN, nn.Linear(1, 1), None)
    try:
        on_all_sizes(answer)
    except NotImplementedError as error:
        if (ranks := ranks_done(answer)) is None:
            raise
        where = next(iter(getattr(error, "__notes__", [])), "Other heads or ranks")
        text = f"{where}: NotImplementedError was raised, and with {ranks} rank{'s' * (ranks > 1)} it is not."
        raise Wrong(f"{text} The layer must take any number of ranks.") from None
    return (
        f"{sizes_text().capitalize()}, and the shares of 4, 6 and 8 ranks: one process's output, one all-reduce, and "
        "no more keys and values on a rank than its query heads use."
    )


def on_all_sizes(answer: Any) -> None:
    for case in CASES:
        on_each_size(lambda size, case=case: on_ranks(answer, case, size), f"the attention ({case.what})")  # type: ignore[misc]
    for case in LARGER:
        refuse(as_all_ranks(answer, case))
    for ranks, heads, kv_heads in UNDIVIDED:
        refuse(of_refusal(answer, ranks, heads, kv_heads))


def ranks_done(answer: Any) -> int | None:
    """Return a number of ranks for which the answer is written, right or wrong; None where it is for none."""
    for ranks in (1, 2, 4):
        case = CASES[0].on(ranks)
        try:
            with pretended(0, ranks):
                serve(answer, case.attention(), Requests(case), 0)
        except NotImplementedError:
            continue
        except Exception:  # noqa: BLE001, S110 - something is there
            pass
        return ranks
    return None


@contextlib.contextmanager
def group_of(case: Case, size: int) -> Iterator[Any]:
    """Yield the group to split over: None, or this rank's of two, that of the even ranks and that of the odd ones."""
    if not case.grouped:
        yield None
        return
    groups = [dist.new_group(list(part)) for part in (range(0, size, 2), range(1, size, 2)) if part]
    yield groups[dist.get_rank() % 2]


def on_ranks(answer: Any, case: Case, size: int) -> str | None:
    """Serve two requests on the first ranks; return a hint."""
    with group_of(case, size) as group:
        parts, rank = dist.get_world_size(group), dist.get_rank(group)
        sized = case.on(parts)
        whole, requests = sized.attention(), Requests(sized)
        served = serve(answer, whole, requests, rank, (group,) if case.grouped else ())
        refuse(of_whole(served, whole, sized))
        refuse(of_waits(served.making, *(call.spy for call in served.calls)))
        for number, call in enumerate(served.calls):
            if off(call.output, requests.outputs[number]) > sized.tolerance:
                return of_values(served, requests, sized, rank, number)
    return None


def as_all_ranks(answer: Any, case: Case) -> str | None:
    """Play each rank in turn; their outputs, which nobody has added up, must have the one process's sum."""
    whole, requests, parts = case.attention(), Requests(case), []
    for rank in range(case.ranks):
        with pretended(rank, case.ranks):
            parts.append(serve(answer, whole, requests, rank))
    for number, wanted in enumerate(requests.outputs):
        total = torch.stack([served.calls[number].output for served in parts]).sum(dim=0)
        if off(total, wanted) > case.tolerance:
            hints = (of_values(each, requests, case, rank, number) for rank, each in enumerate(parts))
            return next((hint for hint in hints if "instead" in hint), of_sum(case, number))
    return None


def of_whole(served: Served, whole: nn.Module, case: Case) -> str | None:
    if any(
        not torch.equal(new, old) for new, old in zip(whole.parameters(), case.attention().parameters(), strict=True)
    ):
        return "The attention that was handed over has changed; other ranks' heads are still to be cut from it."
    if served.making.events:
        return f"The constructor calls {served.making.events[0].name}. Every rank has all weights: cut this rank's."
    return None


def of_values(served: Served, requests: Requests, case: Case, rank: int, number: int) -> str:
    """Say what may be behind another output: the KV heads that this rank keeps, or something else."""
    start = f"{case.text}, rank {rank}: "
    kept = requests.heads_kept(served.calls[number].k, number)
    wanted = list(case.kv_heads_of(rank))
    if kept is not None and kept != wanted:
        mine = case.query_heads_of(rank)
        text = f"it keeps KV head {named(kept)} instead of {named(wanted)}, which its query heads {named(mine)} use"
        return f"{start}{text} where query heads are dealt in the order of the ranks."
    if number > 0 and not served.wrong_from_the_start(requests):
        return f"{start}the first pass over a prompt is right, and the output of {requests.told[number]} is another."
    return f"{start}the output is not that of one process. {case.advice}"


def of_sum(case: Case, number: int) -> str:
    del number
    return f"{case.text}: the ranks' parts do not add up to the output of one process. {case.advice}"


def named(numbers: Any) -> str:
    return ", ".join(map(str, numbers))


def of_refusal(answer: Any, ranks: int, heads: int, kv_heads: int) -> str | None:
    """Hint where heads that cannot be dealt evenly are not refused."""
    case = Case("", heads, kv_heads, ranks=ranks)
    try:
        with pretended(0, ranks):
            ask(answer, case.attention(), shown="SplitAttention(attention)")
    except ValueError:
        return None
    except Wrong:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, it is not the one asked for
        return f"{case.text}: the constructor raised {type(error).__name__}, not ValueError."
    what = "query heads" if heads % ranks else "KV heads"
    return f"{case.text}: the {what} cannot be dealt evenly, and the constructor raised no ValueError."
