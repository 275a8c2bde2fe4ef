"""What `way_costs` measures of a way of serving, on real ranks (gloo)."""

import torch
import torch.distributed as dist
from gloo import on_ranks

from mgpu_lab.course.serving import way_costs as module
from mgpu_lab.course.serving.slots import Slots
from mgpu_lab.course.serving.way_costs import way_costs

PROMPTS = [[number, number] for number in range(32)]


class Adding(Slots):
    """Answers with the last token plus 1, after one all-reduce of 3 numbers; keeps a cache of its own."""

    def __init__(self):
        super().__init__(32, "cpu")
        self.model = torch.nn.Linear(4, 4, bias=False)
        self.keys, self.values = torch.zeros(32, 5, 4), torch.zeros(32, 5, 4)

    def next_tokens(self, first, tokens, positions):  # noqa: ARG002 - it only adds
        dist.all_reduce(torch.ones(3))
        return (tokens[:, -1] + 1).tolist()


def generate(way, prompts, new_tokens):
    answers = [[way.prefill(slot, prompt)] for slot, prompt in enumerate(prompts)]
    for _ in range(new_tokens - 1):
        for slot, token in way.step({slot: answer[-1] for slot, answer in enumerate(answers)}).items():
            answers[slot].append(token)
    return answers


def measured(replicas):
    module.NEW_TOKENS = 3
    return way_costs(Adding(), generate, PROMPTS, replicas)


def test_all_ranks_of_a_split_way_answer_all_prompts():
    for costs in on_ranks(2, measured, 1):
        assert costs["answers"] == [[number + 1, number + 2, number + 3] for number in range(32)]
        assert costs["sent"] == {"all_reduce": (1, 12)}
        assert (costs["weights_bytes"], costs["kv_bytes"]) == (64, 2 * 32 * 5 * 4 * 4)
        assert list(costs["seconds"]) == [1, 8, 32]
        assert min(costs["first_token_s"], *costs["seconds"].values()) > 0


def test_replicas_answer_every_other_prompt_each():
    both = on_ranks(2, measured, 2)
    asked = [[answer[0] - 1 for answer in costs["answers"]] for costs in both]
    assert asked == [list(range(0, 32, 2)), list(range(1, 32, 2))]
    assert [list(costs["seconds"]) for costs in both] == [[8, 32]] * 2
