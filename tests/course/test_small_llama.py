"""Lesson 08's small Llama: the logits of Transformers, with and without grouped heads, whole or token by token."""

from pathlib import Path

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from mgpu_lab.course.serving.slots import Slots
from mgpu_lab.course.serving.small_llama import SmallLlama, stage_of
from mgpu_lab.wire.errors import UsageError

BASE = Path(__file__).resolve().parents[2] / "notebooks" / "models" / "base-llama"
SIZES = {"vocab_size": 96, "hidden_size": 64, "intermediate_size": 112, "num_hidden_layers": 2}


def tokens(vocabulary):
    return torch.randint(vocabulary, (3, 40), generator=torch.Generator().manual_seed(0))


def assert_equal_logits(folder):
    theirs, ours = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32), SmallLlama.load(folder)
    x = tokens(theirs.config.vocab_size)
    with torch.inference_mode():
        torch.testing.assert_close(ours(x), theirs(x).logits, rtol=0, atol=1e-5)


def test_base_llama_has_the_logits_of_transformers():
    assert_equal_logits(BASE)


@pytest.mark.parametrize("other", [{"num_key_value_heads": 2}, {"num_key_value_heads": 1, "tie_word_embeddings": True}])
def test_grouped_heads_have_the_logits_of_transformers(tmp_path, other):
    torch.manual_seed(1)
    rope = {"rope_type": "default", "rope_theta": 500.0}
    config = LlamaConfig(**SIZES, num_attention_heads=4, rope_parameters=rope, initializer_range=0.2, **other)
    LlamaForCausalLM(config).save_pretrained(tmp_path)
    assert_equal_logits(tmp_path)


def test_new_tokens_attend_to_what_the_cache_returns():
    model, x = SmallLlama(width=64, layers=2, heads=4, kv_heads=2, seed=3), tokens(256)
    kept = {}

    def cache(layer, *new):
        old = kept.get(layer) or [each[:, :0] for each in new]
        kept[layer] = [torch.cat(pair, 1) for pair in zip(old, new, strict=True)]
        return kept[layer]

    with torch.inference_mode():
        whole, first = model(x), model(x[:, :30], cache=cache)
        places = torch.arange(30, 40).expand(3, 10)
        steps = [model(x[:, i : i + 1], places[:, i - 30 : i - 29], cache) for i in range(30, 40)]
    torch.testing.assert_close(torch.cat((first, *steps), 1), whole, rtol=0, atol=1e-5)
    assert [tuple(each.shape) for each in kept[1]] == [(3, 40, 2, 16)] * 2


def test_requests_in_one_pass_may_be_at_different_positions():
    model, x, lengths = SmallLlama(width=64, layers=2, heads=4, kv_heads=2, seed=3), tokens(256), (10, 39, 25)
    rooms = [[torch.full((3, 40, 2, 16), 1e3) for _ in "kv"] for _ in range(2)]  # what lies behind must not be seen

    def cache_of(rows, places):
        def cache(layer, *new):
            for room, each in zip(rooms[layer], new, strict=True):
                room[torch.tensor(rows)[:, None], places] = each
            return [room[rows] for room in rooms[layer]]

        return cache

    with torch.inference_mode():
        for row, length in enumerate(lengths):
            places = torch.arange(length)[None]
            model(x[row : row + 1, :length], places, cache_of([row], places))
        places = torch.tensor(lengths)[:, None]
        together = model(x.gather(1, places), places, cache_of([0, 1, 2], places))
        alone = [model(x[row : row + 1, : length + 1])[0, -1] for row, length in enumerate(lengths)]
    torch.testing.assert_close(together[:, 0], torch.stack(alone), rtol=0, atol=1e-5)


def test_random_weights_come_from_the_seed_and_leave_the_callers_random_numbers_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    one, same, other = (SmallLlama(width=32, seed=seed).head.weight for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert torch.equal(torch.rand(3), expected)


def test_what_is_no_plain_llama_is_refused(tmp_path):
    with pytest.raises(UsageError, match="There is no"):
        SmallLlama.load(tmp_path)
    scaled = {"rope_type": "linear", "factor": 2.0, "rope_theta": 10_000.0}
    LlamaForCausalLM(LlamaConfig(**SIZES, num_attention_heads=4, rope_parameters=scaled)).save_pretrained(tmp_path)
    with pytest.raises(UsageError, match="plain Llama"):
        SmallLlama.load(tmp_path)


def test_the_stages_of_a_pipeline_make_the_whole_model():
    x, sizes = tokens(256), {"width": 32, "layers": 5, "kv_heads": 2, "seed": 1}
    whole, stages = SmallLlama(**sizes), [stage_of(SmallLlama(**sizes), stage, 3) for stage in range(3)]
    assert [len(stage.blocks) for stage in stages] == [2, 2, 1]
    counts = [sum(each.numel() for each in stage.parameters()) for stage in stages]
    assert sum(counts) == sum(each.numel() for each in whole.parameters())
    with torch.inference_mode():
        out = x
        for stage in stages:
            out = stage(out)
        torch.testing.assert_close(out, whole(x), rtol=0, atol=0)


class Counting(Slots):
    """Answers each token with the next number, and notes what it was asked."""

    def next_tokens(self, first, tokens, positions):
        self.asked = (first, tokens.tolist(), positions.tolist())
        return (tokens[:, -1] + 1).tolist()


def test_slots_know_the_position_of_each_request():
    way = Counting(3, "cpu")
    assert way.prefill(2, [5, 6, 7]) == 8
    assert way.asked == (2, [[5, 6, 7]], [[0, 1, 2]])
    assert way.prefill(0, [1]) == 2
    assert way.step({0: 2, 2: 8}) == {0: 3, 2: 9}
    assert way.asked == (0, [[2], [0], [8]], [[1], [0], [3]])
    assert way.step({2: 9}) == {2: 10}
    assert way.asked == (0, [[0], [0], [9]], [[2], [0], [4]])  # slot 0 has not moved on
    way.free(2)
    way.prefill(2, [3])
    assert way.step({2: 4}) == {2: 5}
    assert way.asked[2][2] == [1]
