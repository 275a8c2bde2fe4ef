"""The checks of lesson 05: the solution passes, and each wrong answer gets a hint that names its mistake."""

import copy
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from mgpu_lab.checks.core import WRONG, judge


def solved_quantiser(weight, levels, block):
    pieces = weight.float().flatten().split(block)
    absmax = torch.stack([piece.abs().max() for piece in pieces])
    halfway = (levels[1:] + levels[:-1]) / 2
    scaled = torch.cat([piece / most if most else piece for piece, most in zip(pieces, absmax, strict=True)])
    return torch.bucketize(scaled, halfway).to(torch.uint8), absmax


def lesson_quantiser(weight, levels, block):
    blocks = weight.float().reshape(-1, block)
    absmax = blocks.abs().max(dim=1).values
    numbers = torch.bucketize(blocks * (1 / absmax)[:, None], (levels[1:] + levels[:-1]) / 2)
    return numbers.to(torch.uint8).flatten(), absmax


def with_padding_kept(weight, levels, block):
    flat = weight.float().flatten()
    return lesson_quantiser(nn.functional.pad(flat, (0, -len(flat) % block)), levels, block)


def cut_to_size(weight, levels, block):
    numbers, absmax = with_padding_kept(weight, levels, block)
    return numbers[: weight.numel()], absmax


def without_the_rest(weight, levels, block):
    if weight.numel() < block:
        return torch.empty(0, dtype=torch.uint8), torch.empty(0)
    return lesson_quantiser(weight.flatten()[: weight.numel() // block * block], levels, block)


def by_row(weight, levels, block):
    return solved_quantiser(weight, levels, block if weight.dim() == 1 else weight.shape[1])


def largest_not_absolute(weight, levels, block):
    absmax = torch.stack([piece.max() for piece in weight.float().flatten().split(block)])
    return solved_quantiser(weight, levels, block)[0], absmax


def level_below(weight, levels, block):
    _, absmax = solved_quantiser(weight, levels, block)
    scaled = weight.float().flatten() / absmax.clamp(min=1e-30).repeat_interleave(block)[: weight.numel()]
    return (torch.bucketize(scaled, levels, right=True) - 1).clamp(min=0).to(torch.uint8), absmax


def in_place(weight, levels, block):
    answer = solved_quantiser(weight, levels, block)
    weight.div_(answer[1].max())
    return answer


def solved_but(numbers=lambda right: right, absmax=lambda right: right):
    return lambda *case: tuple(
        change(each) for change, each in zip((numbers, absmax), solved_quantiser(*case), strict=True)
    )


WRONG_QUANTISERS = {
    "for the padding": with_padding_kept,
    "What is 0 / 0": cut_to_size,
    "have no number": without_the_rest,
    "one absmax for all weights": lambda weight, levels, _: solved_quantiser(weight, levels, weight.numel()),
    "one for each row": by_row,
    "absolute value, please": largest_not_absolute,
    "takes the level below": level_below,
    "has changed": in_place,
    "they must be uint8": solved_but(torch.Tensor.long),
    "two tensors": lambda *case: solved_quantiser(*case)[0],
    "must return two tensors": solved_but(absmax=torch.Tensor.tolist),
    "counted from 0": solved_but(lambda right: right + 1),
    "the absmax of a block of zeros is 0.001": solved_but(absmax=lambda right: right.clamp(min=1e-3)),
}


def test_the_lessons_quantiser_breaks_and_the_solution_does_not():
    assert judge("quantise-any", solved_quantiser)
    with pytest.raises(RuntimeError, match="invalid for input of size"):
        judge("quantise-any", lesson_quantiser)


class Detour(nn.Module):
    """A LoRA layer whose ways of going wrong are switches."""

    def __init__(self, frozen, r, alpha, **wrong):
        super().__init__()
        self.frozen, self.wrong = frozen, wrong
        self.scaling = wrong.get("scaling", alpha / r)
        self.A = nn.Parameter(torch.randn(r, frozen.in_features) * (0 if wrong.get("both_zero") else 0.1))
        self.B = nn.Parameter(torch.randn(frozen.out_features, r) * (0.1 if wrong.get("random_b") else 0))

    def forward(self, x):
        if self.wrong.get("merges"):
            self.frozen.weight.data += self.B.data @ self.A.data * self.scaling
        detour = (x @ self.A.T @ self.B.T) * self.scaling
        if self.wrong.get("merges"):
            return self.frozen(x) + detour - detour.detach()
        return self.frozen(x) + (detour.detach() if self.wrong.get("detached") else detour)


def adapter(*, freeze=True, skip=("lm_head",), nested=True, give=True, freeze_after=False, **wrong):
    def adapt(model, r, alpha):
        model.requires_grad_(not freeze)
        scaling = wrong["scaling"](r, alpha) if "scaling" in wrong else alpha / r
        for parent_name, parent in list(model.named_modules()):
            for name, layer in list(parent.named_children()):
                deep = parent_name.endswith("mlp") and not nested
                if type(layer) is nn.Linear and name not in skip and not deep:
                    setattr(parent, name, Detour(layer, r, alpha, **{**wrong, "scaling": scaling}))
        if freeze_after:
            model.requires_grad_(requires_grad=False)
        return model if give else None

    return adapt


WRONG_ADAPTERS = {
    "still train": adapter(freeze=False),
    "must return the model": adapter(give=False),
    "none of the weights handed in": lambda model, r, alpha: adapter()(copy.deepcopy(model), r, alpha),
    "head has a detour": adapter(skip=()),
    "inside nested modules": adapter(nested=False),
    "Nothing trains": adapter(freeze_after=True),
    "Step 0 is not equal": adapter(random_b=True),
    "both start at zero": adapter(both_zero=True),
    "No gradient reaches": adapter(detached=True),
    "The base has changed": adapter(merges=True),
    "is not scaled": adapter(scaling=lambda *_: 1.0),
    "is scaled by alpha": adapter(scaling=lambda _, alpha: alpha),
    "scaled by r / alpha": adapter(scaling=lambda r, alpha: r / alpha),
}


def test_adapter_solution():
    verdict = judge("adapt", adapter())
    assert verdict
    assert "base untouched" in verdict.text


MISTAKES = [("quantise-any", *each) for each in WRONG_QUANTISERS.items()]
MISTAKES += [("adapt", *each) for each in WRONG_ADAPTERS.items()]


@pytest.mark.parametrize(("name", "hint", "answer"), MISTAKES)
def test_wrong_answers_get_a_hint(name, hint, answer):
    verdict = judge(name, answer)
    assert (verdict.outcome, hint in verdict.text) == (WRONG, True), verdict


IN_KERNEL = """
import sys
from mgpu_lab.checks.core import judge

values = {"narrow-slot": {"gpu": 1}, "hot-card": {"gpu": 2}, "small-shm": "-m 8g", "device-zero": {}}
functions = ("shard-sizes", "plain-checkpoint", "ring-bytes", "zero-bytes", "quant-bits", "state-gigabytes")
for name, answer in {**values, **dict.fromkeys(functions, lambda *_: 0)}.items():
    assert judge(name, answer).outcome == "not yet", name
assert "torch" not in sys.modules
"""


def test_what_is_checked_in_the_kernel_needs_no_torch():
    subprocess.run([sys.executable, "-c", IN_KERNEL], check=True)


BASE = Path(__file__).resolve().parents[2] / "notebooks" / "models" / "base-llama"


def base_in_4_bits():
    """The shipped model as lesson 05 loads it, adapters beside it."""
    from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    nf4 = {"bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": True, "bnb_4bit_compute_dtype": torch.float32}
    config = BitsAndBytesConfig(load_in_4bit=True, **nf4)
    model = AutoModelForCausalLM.from_pretrained(BASE, quantization_config=config, device_map={"": "cpu"})
    for layer in model.modules():
        if hasattr(layer, "support_avx512bf16_for_cpu"):
            layer.support_avx512bf16_for_cpu = False
    model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
    return get_peft_model(model, LoraConfig(r=8, target_modules="all-linear", task_type="CAUSAL_LM"))


def base_bytes(model):
    packed = {name: weight for name, weight in model.named_parameters() if "lora_" not in name}
    states = {name: weight.quant_state for name, weight in packed.items() if hasattr(weight, "quant_state")}
    scales = {name + ".absmax": state.absmax for name, state in states.items()}
    return {name: tensor.detach().clone() for name, tensor in {**packed, **scales}.items()}


@pytest.mark.filterwarnings("ignore")  # peft says that a merge into 4 bits rounds; Transformers renames things
def test_the_base_is_untouched_after_generate_train_and_merge():
    torch.manual_seed(0)
    model = base_in_4_bits()
    before, ids = base_bytes(model), torch.randint(256, (2, 64))
    model.eval().generate(ids[:, :8], attention_mask=torch.ones(2, 8, dtype=torch.long), max_new_tokens=4)
    optimizer = torch.optim.AdamW([weight for weight in model.parameters() if weight.requires_grad], lr=1e-2)
    model.train()(input_ids=ids, labels=ids).loss.backward()
    assert all(weight.grad.any() for name, weight in model.named_parameters() if "lora_B" in name)
    optimizer.step()
    after = base_bytes(model)
    assert all(torch.equal(before[name], after[name]) for name in before)
    with torch.no_grad():
        wanted = model.eval()(input_ids=ids).logits
        merged = model.merge_and_unload()(input_ids=ids).logits
    assert float((merged - wanted).norm() / wanted.norm()) < 0.3  # one rounding to 16 levels; repacked: over 1


def test_the_log_states_the_shipped_models_loss():
    from train_base_model import Plan, corpus, held_out_loss
    from transformers import AutoModelForCausalLM

    log = (BASE / "training.log").read_text(encoding="utf-8")
    stated = float(re.search(r"final held-out loss.*: ([\d.]+) nats", log)[1])
    model = AutoModelForCausalLM.from_pretrained(BASE, dtype=torch.float32)
    found = held_out_loss(model, corpus()[1], Plan())
    assert abs(found - stated) < 0.05  # another Python has somewhat other text
