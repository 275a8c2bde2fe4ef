"""The ledger against exact counts and against the published formulas, on real ranks (gloo)."""

import pickle
import subprocess
import sys

import pytest
import torch
import torch.distributed as dist
from gloo import on_ranks
from torch import nn

from mgpu_lab import Ranks
from mgpu_lab.ledger import memory_ledger
from mgpu_lab.ledger.allocator import OUTSIDE
from mgpu_lab.ledger.facts import CATEGORIES, LedgerRow
from mgpu_lab.ledger.owners import BUCKETS
from mgpu_lab.ledger.snapshot import Snapshot, Tracked
from mgpu_lab.ledger.storages import Key
from mgpu_lab.wire.errors import UsageError

WIDTH, LAYERS = 256, 4
COUNT = LAYERS * WIDTH * WIDTH


def net(dtype=torch.float32):
    layers = [layer for _ in range(LAYERS) for layer in (nn.Linear(WIDTH, WIDTH, bias=False), nn.ReLU())]
    return nn.Sequential(*layers).to(dtype)


def backward(model, dtype=torch.float32, batch=2):
    model(torch.randn(batch, WIDTH, dtype=dtype)).square().mean().backward()


def close(measured, expected, tolerance=0.02):
    return abs(measured - expected) <= tolerance * expected


# ---- plain modules
def plain():
    model = nn.Sequential(nn.Linear(64, 128), nn.BatchNorm1d(128), nn.Linear(128, 8))
    optimizer = torch.optim.AdamW(model.parameters())
    batch = torch.randn(1000, 64)
    model(batch).sum().backward()
    optimizer.step()
    return memory_ledger(model, optimizer), memory_ledger(model)


def test_a_plain_module_is_counted_to_the_byte():
    [(ledger, without)] = on_ranks(1, plain)
    count = 64 * 128 + 128 + 2 * 128 + 128 * 8 + 8
    assert ledger.parameter_count == count
    assert (ledger.parameters, ledger.gradients) == (4 * count, 4 * count)
    assert ledger.optimizer_state == 8 * count + 4 * 6  # two moments, and a step counter for each of 6 tensors
    assert ledger.buffers == 2 * 4 * 128 + 8  # running mean and variance, the number of batches
    assert ledger.activations == 0
    assert LedgerRow("other", "float32 [1000, 64]", "cpu", 4 * 64_000) in ledger.details
    assert ledger.total == sum(getattr(ledger, name) for name in CATEGORIES)
    assert ledger.total == sum(row.size_bytes for row in ledger.details) == ledger.on("cpu")
    assert without.total == ledger.total  # what has no owner is still counted
    assert without.optimizer_state == 0


def tied():
    model = nn.Sequential(nn.Embedding(1000, 64), nn.Linear(64, 1000, bias=False))
    model[1].weight = model[0].weight
    views = [model[0].weight.detach()[row:] for row in range(10)]
    flat = torch.randn(200)
    model.register_buffer("first", flat[:50])
    model.register_buffer("second", flat[50:])
    return memory_ledger(model), len(views)


def test_tied_weights_and_views_count_once():
    [(ledger, _)] = on_ranks(1, tied)
    assert ledger.parameter_count == 64_000
    assert ledger.parameters == 4 * 64_000
    assert ledger.buffers == 4 * 200


def unusual():
    """Sparse buffers, layers whose weights are still to come, and a list of uneven tensors beside them."""
    model = nn.Sequential(nn.Linear(8, 8, bias=False), nn.LazyLinear(4))
    for name, sparse in (("rows", torch.sparse_csr_tensor), ("columns", torch.sparse_csc_tensor)):
        model.register_buffer(name, sparse(torch.arange(101), torch.arange(100), torch.ones(100)))
    uneven = torch.nested.nested_tensor([torch.ones(3), torch.ones(5)])
    first, second = torch.optim.AdamW(model[0].parameters()), torch.optim.SGD(model[0].parameters(), momentum=0.9)
    for optimizer in (first, second):
        model[0](torch.ones(1, 8)).sum().backward()
        optimizer.step()
    return memory_ledger(model, [first, second]), uneven.numel()


def test_sparse_lazy_and_nested_tensors_and_several_optimizers():
    [(ledger, _)] = on_ranks(1, unusual)
    assert (ledger.parameter_count, ledger.parameters, ledger.gradients) == (64, 256, 256)
    assert ledger.buffers == 2 * (101 * 8 + 100 * 8 + 100 * 4)
    assert ledger.optimizer_state == 256 + 256 + 4 + 256
    assert ledger.total == sum(getattr(ledger, name) for name in CATEGORIES)


def optimizers_of(model_dtype, made):
    model = nn.Linear(64, 64, bias=False).to(model_dtype)
    weights = {"another model": lambda: [*nn.Linear(64, 64, bias=False).parameters()]}
    weights["both models"] = lambda: [*model.parameters(), *weights["another model"]()]
    weights["copies"] = lambda: [each.detach().float().requires_grad_() for each in model.parameters()]
    optimizer = torch.optim.AdamW(weights[made]())
    for weight in optimizer.param_groups[0]["params"]:
        weight.grad = torch.ones_like(weight)
    optimizer.step()
    return memory_ledger(model, optimizer)


@pytest.mark.parametrize(
    ("dtype", "made", "masters"),
    [
        (torch.float32, "another model", False),
        (torch.float32, "both models", False),
        (torch.bfloat16, "copies", True),
    ],
)
def test_only_what_may_be_a_copy_of_the_models_weights_counts_as_master_weights(dtype, made, masters):
    [ledger] = on_ranks(1, optimizers_of, dtype, made)
    assert ledger.named("fp32 master weights") == (4 * 64 * 64 if masters else 0)
    assert ledger.named("weights not of this model") == (0 if masters else 2 * 4 * 64 * 64)  # with their gradients
    assert ledger.named("Adam moments") == (2 if made == "both models" else 1) * 2 * 4 * 64 * 64


LEFTOVERS = """
old = [torch.nn.Linear(100, 100), torch.nn.Linear(100, 100)]
old[0].weight.grad = torch.ones(100, 100)
_ = batch = torch.ones(150, 100)
class Trainer: pass
trainer = Trainer()
trainer.module = torch.nn.Linear(70, 100)
few = {"a": torch.ones(10)}
model = torch.nn.Linear(2, 2)
def look():
    local = torch.ones(10)
    return memory_ledger(model)
ledger = look()
"""


def leftovers():
    variables = {"__name__": "__main__", "torch": torch, "memory_ledger": memory_ledger}
    exec(LEFTOVERS, variables)  # noqa: S102 - a cell
    return variables["ledger"]


def test_what_belongs_to_neither_is_named_after_the_variable_that_holds_it():
    [ledger] = on_ranks(1, leftovers)
    rows = [(row.name, row.size_bytes) for row in ledger.details if row.category == "other"]
    assert rows[:3] == [
        ("old: 5 tensors", 4 * 3 * 100 * 100 + 2 * 4 * 100),
        ("batch: float32 [150, 100]", 4 * 150 * 100),
        ("trainer: 2 tensors", 4 * 71 * 100),
    ]
    assert dict(rows)["smaller tensors"] >= 80


def test_a_cell_on_the_ranks_has_its_variables_named():
    with Ranks(1, "cpu") as ranks:
        ranks.run("leftover = torch.ones(1000, 1000)")
        ranks.run("ledger = memory_ledger(torch.nn.Linear(2, 2))")
        [ledger] = ranks.pull("ledger")
    assert LedgerRow("other", "leftover: float32 [1000, 1000]", "cpu", 4_000_000) in ledger.details


def saved():
    model = nn.Sequential(nn.Linear(64, 256), nn.GELU(), nn.LayerNorm(256), nn.Linear(256, 8))
    batch, seen = torch.randn(500, 64), {}

    def pack(tensor):
        seen[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        out = model(batch)
    for parameter in model.parameters():
        seen.pop(parameter.data_ptr(), None)
    seen[out.data_ptr()] = out.nbytes
    hooked = memory_ledger(model)
    del out
    out = model(batch)
    before = memory_ledger(model)
    out.sum().backward()
    return sum(seen.values()), hooked, before, memory_ledger(model)


def test_activations_are_what_the_graph_keeps_for_backward():
    [(expected, hooked, before, after)] = on_ranks(1, saved)
    assert before.activations == hooked.activations == expected > 500 * (64 + 256 + 256)
    assert after.activations == 4 * 500 * 8  # the output alone, which its graph keeps no longer


def stale():
    model = net()
    rows = (torch.randn(3, 1000, requires_grad=True) * 1).unbind(0)
    with torch.no_grad():
        rows[0]._base.mul_(2)
    with pytest.raises(RuntimeError):
        rows[0].grad_fn  # noqa: B018
    return memory_ledger(model)


def test_a_view_that_autograd_has_given_up_is_no_obstacle():
    [ledger] = on_ranks(1, stale)
    assert close(ledger.activations, 4 * 3 * 1000)


def checkpointed():
    calls = []

    class Counted(nn.Linear):
        def forward(self, batch):
            calls.append(1)
            return super().forward(batch).relu()

    model = nn.Sequential(*[Counted(64, 64) for _ in range(8)])
    batch = torch.randn(100, 64, requires_grad=True)
    out = model(batch)
    full = memory_ledger(model).activations
    out = torch.utils.checkpoint.checkpoint(model, batch, use_reentrant=False)
    before = len(calls)
    short = memory_ledger(model).activations
    return full, short, len(calls) - before, out.shape


def test_looking_at_a_checkpoint_does_not_recompute_it():
    [(full, short, recomputed, _)] = on_ranks(1, checkpointed)
    assert recomputed == 0
    assert short <= full / 8


# ---- DeepSpeed
def engine_of(stage, **zero):
    import deepspeed

    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    config = {
        "train_micro_batch_size_per_gpu": 2,
        "optimizer": {"type": "AdamW", "params": {"torch_adam": True}},
        "zero_allow_untested_optimizer": True,
        "bf16": {"enabled": True},
        "zero_optimization": {"stage": stage, "reduce_bucket_size": COUNT // 8, **zero},
    }
    return deepspeed.initialize(model=net(torch.bfloat16), config=config)[0]


def deepspeed_step(engine, after_backward=None):
    engine.backward(engine(torch.randn(2, WIDTH, dtype=torch.bfloat16)).square().mean())
    if after_backward is not None:
        after_backward.append(memory_ledger(engine))
    engine.step()


STAGE_3 = {"stage3_prefetch_bucket_size": 0, "stage3_param_persistence_threshold": 0}
FREED = {"stage3_max_live_parameters": 0, "stage3_max_reuse_distance": 0}


def zero_bytes(zero_by_name):
    ledgers = {}
    for name, (stage, zero) in zero_by_name.items():
        engine = engine_of(stage, **zero)
        deepspeed_step(engine)
        after = []
        deepspeed_step(engine, after)
        ledgers[name] = (after[0], memory_ledger(engine), memory_ledger(engine.module, engine.optimizer))
        engine.destroy()
        del engine
    return ledgers


ZERO_KINDS = [
    {"0": (0, {}), "1": (1, {}), "2": (2, {}), "3": (3, {**STAGE_3, "contiguous_gradients": False})},
    {"3 contiguous": (3, {**STAGE_3, **FREED})},  # on its own: DeepSpeed never frees a stage 3 engine entirely
]


@pytest.mark.parametrize("ranks", [2, 4])
@pytest.mark.parametrize("kinds", ZERO_KINDS, ids=["stages 0 to 3", "stage 3 with its bucket"])
def test_zero_holds_what_the_formulas_say(ranks, kinds):
    for measured in on_ranks(ranks, zero_bytes, kinds):
        for name, (after, steady, by_optimizer) in measured.items():
            stage = int(name[0])
            wanted = {0: (16, 14), 3: (16 / ranks, 16 / ranks)}.get(stage, (2 + 14 / ranks, 2 + 12 / ranks))
            bucket = COUNT // 8 * 2 if name == "3 contiguous" else 0
            assert after.named("ZeRO-3 bucket") == bucket, name
            assert after.other - bucket < 1000, (name, after)
            assert close(after.total - bucket, wanted[0] * COUNT), (name, after)
            assert close(steady.total - bucket, wanted[1] * COUNT), (name, steady)
            shards = 1 if stage == 0 else ranks
            assert close(after.optimizer_state, 12 / shards * COUNT), (name, after)
            assert close(after.named("fp32 master weights"), 4 / shards * COUNT), name
            assert close(after.named("Adam moments"), 8 / shards * COUNT), name
            assert close(after.gradients, 2 / shards * COUNT), (name, after)
            assert after.parameters == 2 * COUNT // (ranks if stage == 3 else 1), name
            assert after.named("ZeRO-3 partition") == (after.parameters if stage == 3 else 0), name
            assert after.parameter_count == COUNT, name
            owned = ("parameters", "gradients", "optimizer_state", "buffers", "activations")
            assert [getattr(steady, each) for each in owned] == [getattr(by_optimizer, each) for each in owned], name
            assert abs(steady.other - by_optimizer.other) < 1000, name  # gloo's threads let go of a tensor later


def sums_let_go():
    """All-reduce tensors and drop them; the backend's thread cannot get the interpreter to drop its own hold."""
    sys.setswitchinterval(10)
    others = []
    for _ in range(60):
        tensor = torch.ones(COUNT)
        dist.all_reduce(tensor)
        del tensor
        others.append(memory_ledger(nn.Linear(2, 2)).other)
    return others


def test_a_tensor_that_only_the_backends_thread_still_holds_is_not_counted():
    for others in on_ranks(2, sums_let_go):
        assert max(others) < 1000


def received():
    """Let rank 0 drop a tensor that a message is still to be written into."""
    ledger = None
    if dist.get_rank() == 0:
        tensor = torch.zeros(COUNT)
        work = dist.irecv(tensor, 1)
        del tensor
        ledger = memory_ledger(nn.Linear(2, 2))
        dist.barrier()
        work.wait()
    else:
        dist.barrier()
        dist.send(torch.ones(COUNT), 0)
    return ledger


def test_a_tensor_that_a_message_under_way_will_fill_is_counted():
    assert close(on_ranks(2, received)[0].other, 4 * COUNT)


def test_offload_shows_its_staging_buffers():
    zero = {"offload_optimizer": {"device": "cpu"}}
    (after, _, _), _ = (one["2"] for one in on_ranks(2, zero_bytes, {"2": (2, zero)}))
    assert after.named("offload staging buffers") > COUNT
    assert close(after.optimizer_state, 6 * COUNT)


def zero_3_peaks(zero):
    engine = engine_of(3, **STAGE_3, **zero)
    for _ in range(2):
        deepspeed_step(engine)
    with memory_ledger(engine).peak() as peak:
        engine.backward(engine(torch.randn(2, WIDTH, dtype=torch.bfloat16)).square().mean())
    return peak


def test_the_peak_of_zero_3_holds_gathered_weights():
    peak = on_ranks(2, zero_3_peaks, {"contiguous_gradients": False})[0]
    assert peak.at_peak
    copies = peak.named("copies made in C++")  # gloo's reduce-scatter copies what it is given
    assert close(peak.total - copies, 10.5 * COUNT), peak
    assert peak.named("gathered weights") > 0


# ---- DDP
def ddp_ledgers(options):
    model = nn.parallel.DistributedDataParallel(net(), **options)
    optimizer = torch.optim.AdamW(model.parameters())
    ledgers, peaks = [], []
    for _ in range(4):
        with memory_ledger(model, optimizer).peak() as peak:
            optimizer.zero_grad()
            backward(model)
        peaks.append(peak)
        ledgers.append(memory_ledger(model, optimizer))
        optimizer.step()
    return ledgers[0], ledgers[-1], memory_ledger(net(), optimizer).rank, peaks


@pytest.mark.parametrize(("ranks", "options"), [(2, {}), (2, {"bucket_cap_mb": 0.3}), (4, {})])
def test_ddp_holds_sixteen_bytes_and_its_buckets(ranks, options):
    for rank, (first, last, own, peaks) in enumerate(on_ranks(ranks, ddp_ledgers, options)):
        assert own == last.rank == rank
        assert close(first.total, 12 * COUNT), first  # no moments yet
        assert close(last.total, 20 * COUNT), last
        assert (last.gradients, last.named("DDP buckets")) == (4 * COUNT, 4 * COUNT)
        assert [close(peak.named("DDP buckets"), 4 * COUNT, 0) for peak in peaks] == [True] * 4, peaks
        for peak, held in zip(peaks, [12, 20, 20, 20], strict=True):
            assert close(peak.total, held * COUNT, 0.15), peak


def ddp_never_followed():
    model = nn.parallel.DistributedDataParallel(net())
    optimizer = torch.optim.AdamW(model.parameters())
    for _ in range(3):
        optimizer.zero_grad()
        backward(model)
        optimizer.step()
    flat = torch.cat([parameter.grad.flatten() for parameter in model.parameters()])
    return memory_ledger(model, optimizer), flat.nbytes


def test_buckets_that_python_has_not_seen_are_counted_beside_a_tensor_of_the_same_size():
    ledger, flat = on_ranks(2, ddp_never_followed)[0]
    assert ledger.named("DDP buckets") == 4 * COUNT
    assert close(ledger.total, 20 * COUNT + flat)


def test_gradients_that_are_views_of_buckets_count_once():
    _, last, _, _ = on_ranks(2, ddp_ledgers, {"gradient_as_bucket_view": True})[0]
    assert close(last.total, 16 * COUNT)
    assert last.gradients == last.named("DDP buckets") == 4 * COUNT


# ---- FSDP2
def fsdp_ledgers():
    from torch.distributed.fsdp import fully_shard

    model = net()
    for layer in model:
        if isinstance(layer, nn.Linear):
            fully_shard(layer)
    fully_shard(model)
    optimizer = torch.optim.AdamW(model.parameters())
    for _ in range(2):
        optimizer.zero_grad()
        backward(model)
        optimizer.step()
    steady = memory_ledger(model, optimizer)
    with steady.peak() as peak, torch.no_grad():
        model(torch.randn(2, WIDTH))
    return steady, peak


@pytest.mark.parametrize("ranks", [2, 4])
def test_fsdp_holds_one_share(ranks):
    for steady, peak in on_ranks(ranks, fsdp_ledgers):
        assert steady.parameter_count == COUNT
        assert close(steady.total, 16 / ranks * COUNT), steady
        assert steady.parameters == steady.gradients == 4 * COUNT // ranks
        assert close(steady.named("shard"), 4 * COUNT // ranks, 0)
        assert peak.named("gathered weights") >= 4 * WIDTH * WIDTH, peak


# ---- tensor parallel, FSDP2 over it, FSDP2 on a mesh
def block_net():
    shapes = [(WIDTH, 4 * WIDTH), (4 * WIDTH, WIDTH)]
    return nn.Sequential(*[nn.Sequential(*[nn.Linear(*shape, bias=False) for shape in shapes]) for _ in range(LAYERS)])


BLOCKS = LAYERS * 8 * WIDTH * WIDTH  # parameters


def on_mesh(names, options):
    """A model on a mesh with these dimensions, after a step: between forward and backward, and after it."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard
    from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module

    ranks = dist.get_world_size()
    mesh = init_device_mesh("cpu", (ranks,) if len(names) == 1 else (2, ranks // 2), mesh_dim_names=names)
    model = block_net()
    for block in model if "tp" in names else ():
        parallelize_module(block, mesh["tp"], {"0": ColwiseParallel(), "1": RowwiseParallel()})
    sharding = tuple(name for name in names if name != "tp")
    for part in [*model, model] if sharding else ():
        fully_shard(part, mesh=mesh[sharding], **options)
    optimizer = torch.optim.AdamW(model.parameters())
    for _ in range(2):
        optimizer.zero_grad()
        loss = model(torch.randn(8, WIDTH)).square().mean()
        between = memory_ledger(model, optimizer)
        loss.backward()
        optimizer.step()
    return between, memory_ledger(model, optimizer)


MESHES = {  # dimensions, options -> shards of a weight, ranks that share its gathered copy (0: none is kept)
    "tp": (("tp",), {}, 2, 0),
    "fsdp x tp": (("fsdp", "tp"), {}, 4, 0),
    "fsdp x tp, not resharded": (("fsdp", "tp"), {"reshard_after_forward": False}, 4, 2),
    "hsdp": (("replicate", "shard"), {}, 2, 0),
    "fsdp, resharded over two": (("fsdp",), {"reshard_after_forward": 2}, 4, 2),
}


@pytest.mark.parametrize("name", MESHES)
def test_each_rank_of_a_mesh_holds_its_share(name):
    names, options, shards, sharing = MESHES[name]
    for between, after in on_ranks(2 if name == "tp" else 4, on_mesh, names, options):
        assert between.parameter_count == after.parameter_count == BLOCKS
        assert after.named("shard") == after.parameters == after.gradients == 4 * BLOCKS // shards, after
        assert after.named("Adam moments") == 8 * BLOCKS // shards
        assert between.named("gathered weights") == (4 * BLOCKS // sharing if sharing else 0), between
        assert between.named("shard") == 4 * BLOCKS // shards
        assert after.other < 20_000


# ---- pipelines
BATCH, CHUNKS = 64, 8
CHUNK = 4 * WIDTH * BATCH // CHUNKS  # bytes of an activation of one micro-batch


def pipelined(schedule):
    """One rank's ledgers at its first backward and after the step; the stage keeps four activations a micro-batch."""
    from torch.distributed import pipelining

    model = nn.Sequential(*[nn.Linear(WIDTH, WIDTH, bias=False), nn.ReLU()] * 2, nn.Linear(WIDTH, WIDTH, bias=False))
    rank, ledgers = dist.get_rank(), []
    stage = pipelining.PipelineStage(model, rank, 2, torch.device("cpu"))
    steps = getattr(pipelining, schedule)(stage, CHUNKS, loss_fn=lambda out, _: out.square().mean())
    backward_of = stage.backward_one_chunk

    def first_backward(*args, **kwargs):
        if not ledgers:
            ledgers.append(memory_ledger(model))
        return backward_of(*args, **kwargs)

    stage.backward_one_chunk = first_backward
    for _ in range(2):
        ledgers.clear()
        batch = torch.randn(BATCH, WIDTH)
        steps.step(*[batch] if rank == 0 else [], target=batch if rank else None)
    return ledgers[0], memory_ledger(model)


@pytest.mark.parametrize(("schedule", "in_flight"), [("ScheduleGPipe", (8, 8)), ("Schedule1F1B", (3, 1))])
def test_a_pipeline_stage_keeps_the_activations_of_the_micro_batches_in_flight(schedule, in_flight):
    for rank, (first, after) in enumerate(on_ranks(2, pipelined, schedule)):
        flying = in_flight[rank]
        assert close(first.activations, flying * 4 * CHUNK, 0.3), first
        assert after.activations == 0
        received = flying if rank else 0  # what has arrived and is kept for backward is an activation
        assert first.named("receive buffers") == (CHUNKS - received) * CHUNK, first
        assert after.named("receive buffers") == CHUNKS * CHUNK, after


def stashed():
    """A pipeline by hand: for two micro-batches, what was received and what was sent on, kept for backward."""
    model, stash = nn.Sequential(nn.GELU(), nn.Linear(WIDTH, WIDTH)), {}
    for number in range(2):
        received = torch.randn(BATCH, WIDTH).requires_grad_()
        stash[number] = received, model(received)
    before = memory_ledger(model)
    for received, sent in stash.values():
        sent.backward(torch.ones_like(sent))
        assert received.grad is not None
    stash.clear()
    del received, sent
    return before, memory_ledger(model)


def test_what_a_pipeline_by_hand_stashes_are_activations():
    [(before, after)] = on_ranks(1, stashed)
    assert before.activations == 2 * 3 * 4 * BATCH * WIDTH, before  # received, after GELU, sent
    assert (before.other, after.activations) == (0, 0), before


# ---- peft and bitsandbytes
def qlora():
    import bitsandbytes
    from peft import LoraConfig, get_peft_model

    model = nn.Sequential(nn.Linear(512, 1024, bias=False), nn.Linear(1024, 512, bias=False))
    for place, layer in enumerate(model):
        packed = bitsandbytes.nn.Linear4bit(
            layer.in_features, layer.out_features, bias=False, quant_type="nf4", compress_statistics=True
        )
        packed.load_state_dict(layer.state_dict())
        packed.support_avx512bf16_for_cpu = False
        model[place] = packed.to("cpu")
    model = get_peft_model(model, LoraConfig(r=4, target_modules=["0", "1"]))
    optimizer = torch.optim.AdamW([weight for weight in model.parameters() if weight.requires_grad])
    model(torch.randn(3, 512)).sum().backward()
    optimizer.step()
    return memory_ledger(model, optimizer)


def test_nf4_takes_half_a_byte_and_its_scales():
    [ledger] = on_ranks(1, qlora)
    packed, lora = 2 * 512 * 1024, 2 * 4 * (512 + 1024)
    assert ledger.quantised_count == packed
    assert ledger.parameter_count == packed + lora
    assert ledger.named("nf4 packed weights") == packed // 2
    scales = ledger.named("absmax")
    assert scales == packed // 64 + packed // 64 // 256 * 4
    assert close((packed / 2 + scales) / packed, 0.516, 0.001)
    assert ledger.named("LoRA") == ledger.gradients == 4 * lora
    assert close(ledger.optimizer_state, 8 * lora)
    assert close(ledger.parameters, 0.516 * packed + 4 * lora)


# ---- generation
def cached(kind):
    from transformers import DynamicCache, LlamaConfig, LlamaForCausalLM, StaticCache

    config = LlamaConfig(hidden_size=32, intermediate_size=48, num_attention_heads=4, num_key_value_heads=2)
    config.num_hidden_layers, config.vocab_size = 2, 64
    model = LlamaForCausalLM(config)
    cache = {"dynamic": DynamicCache(config=config), "static": StaticCache(config, max_cache_len=50)}[kind]
    with torch.no_grad():
        model(torch.ones(3, 10, dtype=torch.long), past_key_values=cache)
    ledger = memory_ledger(model)
    with torch.no_grad(), ledger.peak() as peak:
        model(torch.ones(3, 1, dtype=torch.long), past_key_values=cache)
    return ledger, peak


@pytest.mark.parametrize(("kind", "tokens"), [("dynamic", (10, 11 + 10 / 4)), ("static", (50, 50))])
def test_the_kv_cache_of_transformers_is_a_row_of_its_own(kind, tokens):
    [ledgers] = on_ranks(1, cached, kind)
    each = 2 * 2 * 3 * 2 * 8 * 4  # keys and values, layers, requests, KV heads, head size, bytes
    # A dynamic one is copied to grow, a tensor at a time: at the peak one of the four is there twice.
    assert [ledger.named("KV cache, fp32") for ledger in ledgers] == [each * count for count in tokens]
    assert [row.category for row in ledgers[0].details if row.name == "KV cache, fp32"] == ["other"]


class Kept:
    def __init__(self, keys, values):
        self.keys, self.values = keys, values


def kept_in_objects():
    model, weight = nn.Linear(8, 8), torch.ones(2, 3, 4, requires_grad=True)
    model.register_buffer("held", torch.zeros(2, 5, 4))
    cache = Kept([torch.zeros(2, 9, 2, 4, dtype=torch.bfloat16)], [torch.zeros(2, 9, 2, 4, dtype=torch.bfloat16)])
    paged = Kept(torch.zeros(6, 16, 4), torch.zeros(6, 16, 2))
    others = [
        Kept(weight.clone(), weight.clone()),  # of a graph
        Kept(model.held, model.weight.detach().view(2, 4, 8)),  # the model's own
        Kept(torch.zeros(10), torch.zeros(10)),  # two vectors
        Kept([torch.zeros(2, 3, 4)], [torch.zeros(2, 2, 4)]),  # they do not fit each other
        Kept({"a": 1}, ["b"]),
        {"keys": torch.zeros(2, 3, 4), "values": torch.zeros(2, 3, 4)},
    ]
    return memory_ledger(model), len(others), cache, paged


def test_a_cache_is_known_by_its_keys_and_values_and_takes_nothing_that_has_another_owner():
    [(ledger, *_)] = on_ranks(1, kept_in_objects)
    assert ledger.named("KV cache, bf16") == 2 * 2 * 9 * 2 * 4 * 2
    assert ledger.named("KV cache, fp32") == 6 * 16 * (4 + 2) * 4
    assert (ledger.buffers, ledger.activations, ledger.parameters) == (4 * 40, 2 * 4 * 24, 4 * 72)


# ---- peak
def follow_me(device="cpu"):
    model = nn.Sequential(nn.Linear(256, 512), nn.GELU(), nn.Linear(512, 512), nn.GELU(), nn.Linear(512, 64))
    return model.to(device), torch.optim.AdamW(model.parameters())


def step(model, optimizer, batch):
    optimizer.zero_grad()
    model(batch).square().mean().backward()
    optimizer.step()


def allocated_at_most():
    """The same step under torch's memory profiler: the most bytes above the start."""
    model, optimizer = follow_me()
    batch = torch.randn(2000, 256)
    step(model, optimizer, batch)
    optimizer.zero_grad()
    base = memory_ledger(model, optimizer)
    with base.peak() as peak:
        step(model, optimizer, batch)
    optimizer.zero_grad()
    with torch.profiler.profile(profile_memory=True) as profile:
        step(model, optimizer, batch)
    events = [one for one in profile.profiler.kineto_results.events() if one.name() == "[memory]"]
    now = most = 0
    for event in sorted(events, key=lambda one: one.start_ns()):
        now += event.nbytes()
        most = max(most, now)
    return base, peak, most


def test_the_peak_agrees_with_torchs_profiler():
    [(base, peak, most)] = on_ranks(1, allocated_at_most)
    assert close(peak.total - base.total, most), (peak, most)
    assert peak.parameters == base.parameters
    assert peak.optimizer_state == base.optimizer_state
    assert peak.activations > 0.9 * (peak.total - base.total)


def peak_of_step():
    model, optimizer = follow_me()
    batch = torch.randn(1, 256)
    step(model, optimizer, batch)
    with memory_ledger(model, optimizer).peak() as whole:
        step(model, optimizer, batch)
    optimizer.zero_grad()
    with memory_ledger(model, optimizer).peak() as half:
        model(batch).square().mean().backward()
        optimizer.zero_grad()
    return whole, half, memory_ledger(model, optimizer)


def test_a_gradient_counts_as_one_at_the_peak_though_it_is_gone_at_the_end():
    [(whole, half, end)] = on_ranks(1, peak_of_step)
    assert end.gradients == 0
    assert half.gradients == end.parameters
    assert whole.named("optimizer's step") > 0
    assert whole.total > half.total


def losses(how):
    torch.manual_seed(0)
    model = nn.parallel.DistributedDataParallel(net())
    optimizer = torch.optim.AdamW(model.parameters())
    seen = []

    def train():
        for _ in range(3):
            optimizer.zero_grad()
            loss = model(torch.randn(4, WIDTH)).square().mean()
            loss.backward()
            optimizer.step()
            seen.append(loss.item())

    if how == "followed":
        with memory_ledger(model, optimizer).peak():
            train()
    else:
        train()
    return seen


def test_following_a_block_changes_no_result():
    assert on_ranks(2, losses, "followed") == on_ranks(2, losses, "not")


def peak_too_early():
    model = net()
    with memory_ledger(model).peak() as peak:
        try:
            peak.total  # noqa: B018
        except UsageError as error:
            return str(error), repr(peak)


def test_a_peak_is_not_known_inside_its_block():
    [(error, text)] = on_ranks(1, peak_too_early)
    assert "has ended" in error
    assert "not ended" in text


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_the_peak_agrees_with_cudas():
    model, optimizer = follow_me("cuda")
    batch = torch.randn(20_000, 256, device="cuda")
    step(model, optimizer, batch)
    torch.cuda.reset_peak_memory_stats()
    with memory_ledger(model, optimizer).peak() as peak:
        step(model, optimizer, batch)
    assert peak.on("cuda") == torch.cuda.max_memory_allocated()


def test_what_cudas_allocator_has_beyond_the_rows_is_a_row_and_hidden_buckets_are_not_counted_twice():
    alive = [(Tracked(None, counts=True, fallback=("other", "x"), size_bytes=100), Key("cuda:0", 1), 100)]
    buckets = LedgerRow("other", BUCKETS, "cuda:0", 40)
    rows = Snapshot(alive, buckets, {"cuda:0": 150}).rows()
    assert [(row.name, row.size_bytes) for row in rows] == [("x", 100), (BUCKETS, 40), (OUTSIDE, 10)]
    rows = Snapshot(alive, buckets, {}).rows()
    assert [row.name for row in rows] == ["x", BUCKETS]


# ---- what is refused, and how a ledger travels
def test_a_model_is_needed():
    with pytest.raises(UsageError, match="a list"):
        memory_ledger([])


@pytest.mark.parametrize(
    "optimizer", [3, "adam", torch.optim.AdamW, nn.Linear(2, 2), torch.ones(2), {"a": 1}, len, [4]]
)
def test_what_cannot_be_an_optimizer_is_refused(optimizer):
    with pytest.raises(UsageError, match="an optimizer, or a list of some, not"):
        memory_ledger(nn.Linear(2, 2), optimizer)


def test_a_ledger_travels_to_a_process_without_torch():
    [sent] = on_ranks(1, plain)
    code = """
import pickle, sys
one = pickle.load(sys.stdin.buffer)
print(repr(one))
assert "torch" not in sys.modules
one.peak()
"""
    done = subprocess.run([sys.executable, "-c", code], input=pickle.dumps(sent[0]), capture_output=True, check=False)
    assert "Adam moments" in done.stdout.decode()
    assert "UsageError: This ledger has left its rank" in done.stderr.decode()
