"""The ways of serving, put together from what each rank measured."""

from mgpu_lab.course.serving.way_figures import way_figures, way_table


def costs(answers, seconds, sent=(), kv_bytes=8_000_000):
    return {
        "answers": answers,
        "seconds": seconds,
        "first_token_s": 0.5,
        "sent": dict(sent),
        "weights_bytes": 4_000_000,
        "kv_bytes": kv_bytes,
    }


ALONE = costs([["a"], ["b"], ["c"], ["d"]] * 8, {1: 13.2, 8: 16.0, 32: 64.0})
SHARES = [costs([["a"], ["c"]] * 8, {8: 10.0, 32: 32.0}), costs([["b"], ["d"]] * 8, {8: 8.0, 32: 64.0})]
SPLIT = costs(ALONE["answers"], {1: 25.9, 8: 16.0, 32: 128.0}, {"all_reduce": (6, 6144)}, 4_000_000)
BY_RANK = [{"single": ALONE, "replicas": SHARES[0], "TP": SPLIT}, {"replicas": SHARES[1], "TP": SPLIT}]


def test_a_run_lasts_until_its_slowest_rank_is_done():
    figures = way_figures(BY_RANK)
    assert figures["single"]["by_batch"] == {1: 128 / 13.2, 8: 64.0, 32: 64.0}
    assert figures["replicas"]["tokens_per_s"] == 64.0
    assert figures["replicas"]["by_batch"][8] == 128 * 8 / 10


def test_a_token_after_the_first_leaves_out_every_prompt_that_the_rank_has_run():
    figures = way_figures(BY_RANK)
    assert round(figures["single"]["token_s"], 9) == round((13.2 - 0.5) / 127, 9)
    assert figures["replicas"]["token_s"] is None  # 4 of 8 prompts on each rank: none was alone
    assert round(figures["TP"]["token_s"], 9) == round((25.9 - 0.5) / 127, 9)


def test_answers_of_replicas_come_back_in_the_order_of_the_prompts():
    figures = way_figures(BY_RANK)
    assert figures["replicas"]["answers"] == figures["single"]["answers"] == figures["TP"]["answers"]


def test_the_table_shows_equal_answers_each_ranks_bytes_and_what_a_step_sends():
    figures = way_figures(BY_RANK)
    table = way_table(figures, [*figures["single"]["answers"][:-1], ["other"]])
    single, replicas, split = repr(table).splitlines()[1:]
    assert single == "single; 31 of 32; 10 tokens/s; 64 tokens/s; 64 tokens/s; 500.0 ms; 100.0 ms; 4.0; 8.0; nothing"
    assert replicas.startswith("replicas; 31 of 32; -; 102 tokens/s; 64 tokens/s;")
    assert split.endswith("; 4.0 + 4.0; 4.0 + 4.0; 6 all_reduce, 6,144 bytes")
    assert table._repr_html_().count("<tr>") == 4
