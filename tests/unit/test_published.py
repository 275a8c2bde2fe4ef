"""Published runs: each says where it comes from and can be planned; docs/published.md is what the planner says now."""

import math
import re

import published as tool
import pytest

from mgpu_lab.course import published
from mgpu_lab.planner.machines import machine
from mgpu_lab.planner.memory.planned import PlannedMemory, PlannedRow
from mgpu_lab.planner.recipe import Recipe, refuse_mismatch
from mgpu_lab.planner.serving import Serving
from mgpu_lab.planner.shapes import model_shape
from mgpu_lab.wire.errors import UsageError

CALIBRATION, HOLDOUT = published.load(published.CALIBRATION), published.load(published.HOLDOUT)
SERVING = published.load(published.SERVING)
RUNS = [*CALIBRATION, *HOLDOUT, *SERVING]
WAYS = ("tensor_parallel", "pipeline_parallel", "replicas")
ENGINES = ("vLLM", "TensorRT-LLM", "llama.cpp", "MLPerf")
EVERY_RUN = pytest.mark.parametrize("run", RUNS, ids=lambda run: run.name)


def test_there_are_enough_runs_and_most_are_held_out():
    assert len(RUNS) >= 12
    assert len(HOLDOUT) >= 8
    assert len(HOLDOUT) > len(CALIBRATION)


@pytest.mark.parametrize("engine", ENGINES)
def test_serving_is_compared_with_several_engines(engine):
    assert sum(run.name.startswith(engine) for run in SERVING) >= 2


def test_serving_is_compared_on_several_cards_with_and_without_nvlink_for_one_request_and_for_many():
    assert {run.machine.split("x ")[0] for run in SERVING} >= {"2", "4", "8"}
    several = [run for run in SERVING if not run.machine.startswith("1x")]
    assert {machine(run.machine).card.nvlink_gbps is None for run in several} == {True, False}
    assert {run.options["batch"] == 1 for run in SERVING} == {True, False}


@EVERY_RUN
def test_new_tokens_are_said_where_prompts_are_part_of_the_time(run):
    assert (run.new_tokens > 0) == ("output_tokens_per_s" in run.published)
    if run.new_tokens:  # the context is the mean while they are generated
        assert run.options["context"] == run.options["prompt"] + run.new_tokens // 2


def test_no_run_is_twice_and_none_is_in_both_files():
    names = [run.name for run in RUNS]
    assert sorted(set(names)) == sorted(names)
    said = [(run.source, run.quote) for run in RUNS]
    assert len(set(said)) == len(said)


@EVERY_RUN
def test_every_run_says_where_it_comes_from_and_what_it_measured(run):
    assert re.match(r"[a-z][a-z.]+\.(com|co|io|dev)/\S+", run.source)
    assert run.date
    assert len(run.quote) > 20
    assert run.kind in ("training", "inference")
    assert run.memory_metric in ("allocated", "reserved", "not stated")
    assert run.published.keys() <= published.NUMBERS.keys()
    assert all(value > 0 for value in run.published.values())
    assert run.published
    assert run.reason.keys() <= run.published.keys()


def worked_out(text):
    """Return what "24 * 1000" comes to, from left to right."""
    first, *rest = text.split()
    value = float(first)
    for sign, number in zip(rest[::2], rest[1::2], strict=True):
        value = value * float(number) if sign == "*" else value / float(number)
    return value


@EVERY_RUN
def test_a_published_number_is_in_the_quote_or_worked_out_from_one_that_is(run):
    quoted = {float(found) for found in re.findall(r"\d+\.?\d*", re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", run.quote))}
    for number, value in run.published.items():
        if number in run.working:
            assert worked_out(run.working[number]) == pytest.approx(value, rel=1e-3)
            assert quoted & {float(part) for part in run.working[number].split() if part not in "*/"}
        else:
            assert value in quoted


@EVERY_RUN
def test_every_run_can_be_asked_of_the_planner(run):
    shape = model_shape(run.model)
    assert re.fullmatch(r"\d+x \S+", run.machine)
    count = int(run.machine.split("x ")[0])
    options = {key: None if value == "none" and key == "master" else value for key, value in run.options.items()}
    if run.kind == "training":
        refuse_mismatch(shape, Recipe(world_size=count, **options))
    else:
        assert {"tensor_parallel", "batch", "context", "weights"} <= options.keys()
        assert options.keys() <= Serving.__dataclass_fields__.keys()
        assert math.prod(options.get(way, 1) for way in WAYS) == count


@pytest.mark.parametrize("run", [run for run in RUNS if run.name.startswith("llm-foundry")], ids=lambda run: run.name)
def test_an_inline_shape_has_the_parameters_that_its_source_counts(run):
    assert model_shape(run.model).parameters == int(run.quote.split("|")[-1])


class Plan:
    """What a planner would say."""

    memory = PlannedMemory(
        "step",
        (PlannedRow("parameters", "weights", 10 << 30),),
        (
            PlannedRow("overhead", "CUDA context", 1 << 30),
            PlannedRow("overhead", "NCCL buffers", 2 << 30),
            PlannedRow("overhead", "allocator slack", 4 << 30),
        ),
    )
    tokens_per_s = 120.0
    step_s = None


def made(**changed):
    given = {"kind": "training", "model": "gpt2", "machine": "1x CPU", "options": {}, "notes": "", "date": "2024"}
    given |= {"published": {"tokens_per_s": 100.0}}
    return published.Run(name="a run", source="here", quote="so", **given | changed)


@pytest.mark.parametrize(("metric", "gib"), [("allocated", 10), ("reserved", 14), ("not stated", 17)])
def test_memory_counts_what_the_source_counted(metric, gib):
    assert published.memory_gib(Plan.memory, metric) == gib


def test_a_row_has_plan_ratio_and_reason(monkeypatch):
    monkeypatch.setattr(published, "plan_of", lambda _: Plan)
    far, near = made(reason={"tokens_per_s": "it | was compiled"}), made(published={"tokens_per_s": 118.0})
    unknown = made(published={"step_s": 0.5})
    text = tool.section("Runs", published.rows([far, near, unknown]))
    assert "| a run | here | tokens/s | 100 | 120 | 1.20 | it / was compiled |" in text
    assert "| a run | here | tokens/s | 118 | 120 | 1.02 |  |" in text
    assert "| a run | here | step, s | 0.500 | not known |  | not known |" in text
    assert "3 numbers; planned within 15%: 1 of 3 (tokens/s 1 of 2; step, s 0 of 1)." in text


def test_a_run_that_the_planner_refuses_says_why(monkeypatch):
    def refuse(_):
        raise UsageError("There is no card 'X'.")

    monkeypatch.setattr(published, "plan_of", refuse)
    (row,) = published.rows([made()])
    assert (row.plan, row.ratio, row.near, row.why) == (None, None, False, "no plan: There is no card 'X'.")


def test_an_old_page_is_noticed_and_written(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(published, "plan_of", lambda _: Plan)
    monkeypatch.setattr(published, "load", lambda _: (made(),))
    monkeypatch.setattr(tool, "PAGE", tmp_path / "published.md")
    assert tool.main(["--check"]) == 1
    assert "python tools/published.py" in capsys.readouterr().out
    assert tool.main() == 0
    assert tool.main(["--check"]) == 0
    tool.PAGE.write_text(tool.PAGE.read_text(encoding="utf-8").replace("1.20", "1.00"), encoding="utf-8")
    assert tool.main(["--check"]) == 1


def test_a_run_reaches_the_planner_with_its_machine(monkeypatch):
    asked = []
    monkeypatch.setattr(published, "plan_training", lambda *given, **options: asked.append((given, options)))
    published.plan_of(made(machine_fields={"network_gbps": 25.0}, options={"method": "fsdp", "master": "none"}))
    assert asked == [(("gpt2", machine("1x CPU").with_(network_gbps=25.0)), {"method": "fsdp", "master": None})]


def test_the_page_is_what_the_planner_says_now():
    assert tool.main(["--check"]) == 0


def test_the_summary_counts_the_held_out_numbers():
    far, near = (published.Row(made(), "tokens_per_s", 100.0, plan, "") for plan in (120.0, 110.0))
    text = repr(published.Published((far, near), (near,)))
    assert re.search(r"tokens/s +2 +1 +1\.15 +1\.10 +1\.20", text)
    assert re.search(r"step, s +0 +0", text)
