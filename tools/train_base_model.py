"""Train the small base model of lesson 05: a Llama that reads bytes, on Python's own language reference.

`python tools/train_base_model.py` takes about seven minutes on one CPU core and writes the folder that the
lesson loads: weights in bf16, their config, and `training.log` with the losses. The text is the standard
library's `pydoc_data.topics`, so nothing is downloaded. The same seed gives another model on another
Python version (other text) or another processor (other rounding): the lesson counts on neither.
Do not expect a good language model: two million parameters and half a megabyte of text make words.
"""

from __future__ import annotations

import argparse
import math
import platform
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.utils import logging

FOLDER = Path(__file__).resolve().parent.parent / "notebooks" / "models" / "base-llama"
HELD_OUT_EVERY = 20  # one topic in so many is kept for the held-out loss
LOG_EVERY = 100


@dataclass(frozen=True)
class Plan:
    """How long and how fast to train; a step reads `sequences * length` bytes."""

    steps: int = 1600
    sequences: int = 4
    length: int = 256
    learning_rate: float = 3e-3
    warmup_steps: int = 80
    seed: int = 0


def main(folder: Path, plan: Plan) -> None:
    """Train, write weights and config, and write the log beside them."""
    torch.manual_seed(plan.seed)
    torch.set_num_threads(1)
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    train, held_out = corpus()
    model = LlamaForCausalLM(config())
    count = sum(weight.numel() for weight in model.parameters())
    log = Log()
    log.write(f"Python {platform.python_version()}, torch {torch.__version__}, one CPU thread, {plan}")
    log.write(f"{count:,} parameters; {len(train):,} bytes to train on, {len(held_out):,} held out")
    fit(model, train, plan, log)
    log.write(f"held-out loss in fp32: {held_out_loss(model, held_out, plan):.4f} nats per byte")
    for weight in model.parameters():
        weight.data = weight.data.bfloat16().float()
    final = held_out_loss(model, held_out, plan)
    log.write(f"final held-out loss, weights rounded to bf16: {final:.4f} nats, {final / math.log(2):.4f} bits")
    folder.mkdir(parents=True, exist_ok=True)
    model.bfloat16().save_pretrained(folder)
    (folder / "training.log").write_text(log.text, encoding="utf-8")


class Log:
    """Prints lines and keeps them."""

    def __init__(self) -> None:
        self.text = ""
        self.began_s = time.perf_counter()

    def write(self, line: str) -> None:
        """Add a line, with the seconds since the start."""
        stamped = f"[{time.perf_counter() - self.began_s:6.1f} s] {line}"
        print(stamped, flush=True)
        self.text += stamped + "\n"


def config() -> LlamaConfig:
    """Make the shape: two million parameters, a vocabulary of the 256 bytes, no special tokens."""
    return LlamaConfig(
        vocab_size=256,
        hidden_size=256,
        intermediate_size=512,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=1024,
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=None,
        pad_token_id=None,
    )


def corpus() -> tuple[torch.Tensor, torch.Tensor]:
    """Read the language reference as bytes: the text to train on, and every 20th topic apart."""
    from pydoc_data.topics import topics

    kept: list[str] = []
    apart: list[str] = []
    for number, name in enumerate(sorted(topics)):
        (apart if number % HELD_OUT_EVERY == 0 else kept).append(topics[name])
    return as_bytes("\n".join(kept)), as_bytes("\n".join(apart))


def as_bytes(text: str) -> torch.Tensor:
    """Turn text into one tensor of its UTF-8 bytes."""
    return torch.frombuffer(bytearray(text.encode()), dtype=torch.uint8).long()


def fit(model: LlamaForCausalLM, data: torch.Tensor, plan: Plan, log: Log) -> None:
    """Train with AdamW and a cosine; matrix products in bf16, weights in fp32."""
    optimizer = torch.optim.AdamW(model.parameters(), betas=(0.9, 0.98), weight_decay=0.05)
    seen = 0.0
    for step in range(plan.steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, plan)
        starts = torch.randint(len(data) - plan.length, (plan.sequences,))
        batch = torch.stack([data[start : start + plan.length] for start in starts])
        with torch.autocast("cpu", torch.bfloat16):
            loss = model(input_ids=batch, labels=batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        seen += loss.item()
        if (step + 1) % LOG_EVERY == 0:
            log.write(f"step {step + 1:5d}: mean training loss {seen / LOG_EVERY:.4f}")
            seen = 0.0


def learning_rate(step: int, plan: Plan) -> float:
    """Rise in a line over the warm-up, then fall along a cosine to a fiftieth."""
    if step < plan.warmup_steps:
        return plan.learning_rate * (step + 1) / plan.warmup_steps
    done = (step - plan.warmup_steps) / max(1, plan.steps - plan.warmup_steps)
    return plan.learning_rate * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done)))


@torch.no_grad()
def held_out_loss(model: LlamaForCausalLM, data: torch.Tensor, plan: Plan) -> float:
    """Mean nats per byte over the held-out text, in windows of the training length."""
    windows = data[: len(data) // plan.length * plan.length].view(-1, plan.length)
    losses = [float(model(input_ids=one, labels=one).loss) * len(one) for one in torch.split(windows, 16)]
    return sum(losses) / len(windows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Train the base model of lesson 05.")
    parser.add_argument("--out", type=Path, default=FOLDER)
    parser.add_argument("--steps", type=int, default=Plan.steps)
    arguments = parser.parse_args()
    main(arguments.out, Plan(steps=arguments.steps))
