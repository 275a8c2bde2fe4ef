"""`plan_inference`: what one GPU holds when it serves a model, how soon the first token comes, how fast the next."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from mgpu_lab.planner.machines import Machine, machine
from mgpu_lab.planner.memory.inference_memory import kv_bytes_per_token, serving_memory
from mgpu_lab.planner.memory.planned import PlannedMemory
from mgpu_lab.planner.on_card import OnCard
from mgpu_lab.planner.options import refuse_count, refuse_unknown
from mgpu_lab.planner.serving import Cache, Serving, Weights, refuse_serving
from mgpu_lab.planner.shapes import ModelShape, model_shape
from mgpu_lab.planner.shown.shown_plan import ShownPlan
from mgpu_lab.planner.time.assumptions import YOURS, Assumed, Assumptions, assume, assumed_group, path_rows, rates
from mgpu_lab.planner.time.assumptions import assumptions as assumptions_of
from mgpu_lab.planner.time.generation_time import STARTS_S, STARTS_SOURCE, Pass, generating, prompting

CONTEXT = 4096
USABLE = 0.9  # vLLM's gpu_memory_utilization, by default (docs.vllm.ai, engine arguments, read 2026-11-28)


@dataclass(frozen=True, repr=False)
class InferencePlan(OnCard, ShownPlan):
    """The plan of serving a model, for one GPU (the fullest one) and one replica where nothing else is said.

    `memory` has the ledger's categories and `kv_cache`. `prompt_pass` and `token_pass` are the parts of a prompt's and
    of a generated token's time, None where the card's figures are not known; `assumed` says what they rest on.
    """

    shape: ModelShape
    machine: Machine
    serving: Serving
    memory: PlannedMemory
    prompt_pass: Pass | None
    token_pass: Pass | None
    assumed: tuple[tuple[str, float, str], ...] = ()  # what, how much, source

    @property
    def time_to_first_token_s(self) -> float | None:
        """Seconds until all requests of a replica, come at once, have their first tokens."""
        return None if self.prompt_pass is None else self.prompt_pass.total_s

    @property
    def tokens_per_s(self) -> float | None:
        """Tokens a second of one request, once it generates."""
        return None if self.token_pass is None else 1 / self.token_pass.total_s

    @property
    def throughput_tokens_per_s(self) -> float | None:
        """Tokens a second of all requests and all replicas, while they generate."""
        each = self.tokens_per_s
        return None if each is None else each * self.serving.batch * self.serving.replicas

    def request_s(self, new_tokens: int) -> float | None:
        """Return the seconds of a request that generates so many tokens, the first one included.

        Raises:
            UsageError: fewer than one token.
        """
        refuse_count("new_tokens", new_tokens)
        if self.prompt_pass is None or self.token_pass is None:
            return None
        return self.prompt_pass.total_s + (new_tokens - 1) * self.token_pass.total_s

    def requests_per_s(self, new_tokens: int) -> float | None:
        """Return how many requests of so many new tokens all replicas serve in a second, each always full.

        A replica's slots bring `batch` prompts and `batch` x `new_tokens` tokens in the time of one request: with a
        static batch, and with continuous batching, too, where prompts come one by one between the other requests'
        tokens. Waiting, scheduling and idle slots are not in it: a server reaches less. Let `context` be the mean
        while it generates: the prompt and half of the new tokens.

        Raises:
            UsageError: fewer than one token.
        """
        each = self.request_s(new_tokens)
        return None if each is None else self.serving.batch * self.serving.replicas / each

    def serving_tokens_per_s(self, new_tokens: int) -> float | None:
        """Return the generated tokens a second of all replicas that also read a prompt for each `new_tokens` tokens.

        It is what throughput benchmarks call output tokens a second; `throughput_tokens_per_s` leaves the prompts out.

        Raises:
            UsageError: fewer than one token.
        """
        rate = self.requests_per_s(new_tokens)
        return None if rate is None else rate * new_tokens

    @property
    def limits(self) -> str | None:
        """What a generated token waits for most: "compute", "network" or "memory bandwidth"."""
        return None if self.token_pass is None else self.token_pass.limits

    @property
    def max_tokens_in_cache(self) -> int | None:
        """Tokens of all requests of a replica that the KV cache can hold, as vLLM works it out: of 90% of the card what
        weights, a forward and the overhead leave. None where the card's memory is not known.
        """  # noqa: D205
        if self.capacity_bytes is None:
            return None
        left = USABLE * self.capacity_bytes - (self.peak_bytes - self.memory.kv_cache)
        return max(0, int(left // kv_bytes_per_token(self.shape, self.serving)))

    @property
    def watts(self) -> float | None:
        """What the cards may draw together, as their maker rates them."""
        return None if self.machine.card.watts is None else float(self.machine.card.watts * self.machine.count)


def plan_inference(  # noqa: PLR0913 - the ways to serve, by name
    model: Any,
    machine_or_name: str | Machine,
    *,
    tensor_parallel: int | None = None,
    pipeline_parallel: int = 1,
    replicas: int = 1,
    batch: int = 1,
    context: int | None = None,
    prompt: int | None = None,
    weights: Weights = "bf16",
    kv: Cache | None = None,
    assumptions: Assumptions | Mapping[str, float] | None = None,
    **unknown: Any,
) -> InferencePlan:
    """Plan serving `model` on a machine: pure arithmetic, no torch, a few milliseconds.

    Args:
        model: a preset ("llama-3.1-70b"), a folder with config.json, a dict, or a transformers config.
        machine_or_name: "2x RTX-4090", or a `Machine`; its cards are replicas x tensor_parallel x pipeline_parallel.
        tensor_parallel: ranks that share each layer; all that the other two leave.
        pipeline_parallel: stages that layers are cut into.
        replicas: copies of the model, each with requests of its own.
        batch: requests that each replica generates at once.
        context: tokens of each request in the cache; 4096, or all positions of a model that has fewer.
        prompt: of these, the tokens that a new request brings; all of them.
        weights: "bf16", "fp16", "fp32", "fp8", "int8", "nf4" or "int4": the layers' matrices.
        kv: "bf16", "fp16", "fp32" or "fp8": keys and values; as the weights where those are not packed, else "bf16".
        assumptions: what the times rest on, see `Assumptions`; a dict changes single fields.
        unknown: no other options; one of them is refused with the names of those that there are.

    Raises:
        UsageError: an unknown model, machine or option, a size below 1, ranks that do not divide.
    """
    refuse_unknown("plan_inference", unknown, [*Serving.__dataclass_fields__, "assumptions"])
    shape, where = model_shape(model), machine(machine_or_name)
    if context is None:
        context = min(CONTEXT, shape.context)
    how = Serving(
        tensor_parallel=_all_cards(where, replicas, pipeline_parallel) if tensor_parallel is None else tensor_parallel,
        pipeline_parallel=pipeline_parallel,
        replicas=replicas,
        batch=batch,
        context=context,
        prompt=context if prompt is None else prompt,
        weights=weights,
        kv=(weights if weights in ("fp16", "fp32") else "bf16") if kv is None else kv,
    )
    refuse_serving(shape, how, where)
    plan = InferencePlan(shape, where, how, serving_memory(shape, how), None, None)
    return _timed(plan, assumptions_of(assumptions))


def _all_cards(where: Machine, replicas: int, stages: int) -> int:
    for name, number in (("replicas", replicas), ("pipeline_parallel", stages)):
        refuse_count(name, number)
    return max(1, where.count // (replicas * stages))


def _timed(plan: InferencePlan, given: Assumptions) -> InferencePlan:
    how, where = plan.serving, plan.machine
    dtype = how.computes_in
    taken = assume(where, dtype, given)
    reached = rates(where, dtype, taken)
    if reached is None:
        return replace(plan, assumed=_stated(where, how, taken))
    return replace(
        plan,
        prompt_pass=prompting(plan.shape, how, where, reached, taken),
        token_pass=generating(plan.shape, how, where, reached, taken),
        assumed=_stated(where, how, taken),
    )


def _stated(where: Machine, how: Serving, taken: Assumed) -> tuple[tuple[str, float, str], ...]:
    starts = (STARTS_S, STARTS_SOURCE) if taken.layer_us is None else (taken.layer_us * 1e-6, YOURS)
    stated = (*taken.stated[:3], ("seconds of one layer's kernels besides their work", *starts))
    ranks = assumed_group(where, how.tensor_parallel * how.pipeline_parallel, 1, taken)
    stated += path_rows(ranks.inside) if ranks.together > 1 else ()
    return stated + (path_rows(ranks.between) if ranks.hosts > 1 else ())
