"""How much slower a step is while `timeline()` records it: some steps with and some without, in turn, in one cell.

Both sides are the same processes and the same model; only the steps are timed, not what comes before and after them.
Not covered: GPUs, where each kernel's launch is recorded, too.
"""

from __future__ import annotations

from measuring import Row, begin, show

from mgpu_lab import Ranks

PAIRS = 30
MODELS = {
    "a Llama of 0.6 M parameters, many small operators": """
from transformers import LlamaConfig, LlamaForCausalLM
config = LlamaConfig(vocab_size=256, hidden_size=128, intermediate_size=384, num_hidden_layers=4,
                     num_attention_heads=4, max_position_embeddings=128)
model = torch.nn.parallel.DistributedDataParallel(LlamaForCausalLM(config))
tokens = torch.randint(256, (4, 128), generator=torch.Generator().manual_seed(rank))
loss_of = lambda: model(input_ids=tokens, labels=tokens).loss
""",
    "6 linear layers of 1024 x 1024, few large operators": """
layers = [torch.nn.Linear(1024, 1024) for _ in range(6)]
model = torch.nn.parallel.DistributedDataParallel(torch.nn.Sequential(*layers))
rows = torch.randn(256, 1024)
loss_of = lambda: model(rows).square().mean()
""",
}
STEPS = """
import contextlib, json, time
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)

def some_steps(count=4):
    dist.barrier()
    began = time.perf_counter()
    for _ in range(count):
        loss_of().backward()
        optimizer.step()
        optimizer.zero_grad()
    return (time.perf_counter() - began) / count

spent_s = {True: [], False: []}
for turn in range(2 * PAIRS + 2):
    recorded = (turn + 1) // 2 % 2 == 0  # A B B A
    with timeline(steps=4) if recorded else contextlib.nullcontext():
        spent_s[recorded].append(some_steps())
""".replace("PAIRS", str(PAIRS))


def main() -> None:
    """Measure and print."""
    begin("A step while timeline() records it")
    for name, model in MODELS.items():
        with Ranks(2, "cpu") as ranks:
            for source in (model, STEPS):
                if not (result := ranks.run(source)).ok:
                    raise RuntimeError(result)
            recorded_s, plain_s = (ranks.pull("spent_s")[0][side][1:] for side in (True, False))
        print(name)
        show(Row("recorded", tuple(1e3 * each for each in recorded_s), "ms a step"))
        show(Row("not recorded", tuple(1e3 * each for each in plain_s), "ms a step"))
        ratios = tuple(a / b for a, b in zip(recorded_s, plain_s, strict=True))
        show(Row("  recorded / not recorded, pair by pair", ratios, "x", limit=1.5))


if __name__ == "__main__":
    main()
