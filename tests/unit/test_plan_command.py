"""`python -m mgpu_lab plan`: what it prints, its exit status, and that it knows every field of a recipe."""

import json
from dataclasses import fields

import pytest
from stub_plans import CALLS, GIB, replace_arithmetic

from mgpu_lab.__main__ import main
from mgpu_lab.planner.recipe import Recipe


@pytest.fixture(autouse=True)
def arithmetic(monkeypatch):
    replace_arithmetic(monkeypatch)


def run(capsys, *words):
    status = main(["plan", *words])
    return status, *capsys.readouterr()


@pytest.mark.parametrize(
    ("words", "status", "fits"),
    [
        (["8x H100-SXM-80GB"], 0, "yes"),
        (["8x H100-SXM-80GB", "--micro-batch", "16"], 1, "no"),
        (["2x CPU"], 1, "unknown"),
    ],
)
def test_exit_status(capsys, words, status, fits):
    found, out, err = run(capsys, "llama-3.1-8b", *words)
    assert (found, err) == (status, "")
    assert out.split("\n")[3].split() == ["fits", fits]


def test_price_and_sources(capsys):
    words = ("--usd-per-gpu-hour", "2", "--tokens", "2e9", "--sources")
    _, out, _ = run(capsys, "llama-3.1-8b", "8x H100-SXM-80GB", *words)
    assert "cost of 2 billion tokens" in out
    assert "https://example.org/mfu" in out
    _, out, _ = run(capsys, "llama-3.1-8b", "8x H100-SXM-80GB")
    assert "cost" not in out
    assert "https://" not in out


def test_json_holds_bytes_and_null_for_unknown(capsys):
    _, out, _ = run(
        capsys, "llama-3.1-8b", "8x H100-SXM-80GB", "--json", "--adapter", "lora", "--usd-per-gpu-hour", "2"
    )
    data = json.loads(out)
    assert data["memory"]["by_category"]["optimizer_state"] == 8 * GIB
    assert data["memory"]["peak_bytes"] == sum(row["size_bytes"] for row in data["memory"]["rows"])
    assert (data["fits"], data["settings"]["adapter"], data["machine"]["count"]) == (True, "lora", 8)
    assert data["traffic"][0]["size_bytes"] == CALLS[0].size_bytes
    assert data["usd"]["usd"] == pytest.approx(1e9 / data["tokens_per_s"] / 3600 * 2)
    _, out, _ = run(capsys, "llama-3.1-8b", "CPU", "--json")
    data = json.loads(out)
    assert (data["fits"], data["memory"]["capacity_bytes"], data["watts"], data["usd"]) == (None, None, None, None)


SETTINGS = {
    "method": "zero3", "adapter": "lora", "micro_batch": 2, "seq_len": 1024, "accumulation": 4, "dtype": "fp16",
    "master": None, "checkpointing": "full", "optimizer": "sgd", "lora_rank": 8, "tensor_parallel": 1,
    "pipeline_parallel": 1, "offload": "cpu", "deepspeed": {"overlap_comm": False},
}  # fmt: skip


def test_every_setting_of_a_recipe_can_be_given(capsys):
    assert {*SETTINGS, "world_size"} == {field.name for field in fields(Recipe)}
    texts = {name: json.dumps(value) if name == "deepspeed" else str(value).lower() for name, value in SETTINGS.items()}
    words = [word for name, text in texts.items() for word in (f"--{name.replace('_', '-')}", text)]
    _, out, _ = run(capsys, "llama-3.1-8b", "8x H100-SXM-80GB", "--json", *words)
    assert json.loads(out)["settings"] == {"world_size": 8, **SETTINGS}
    _, out, _ = run(capsys, "gpt2", "8x H100-SXM-80GB", "--json", "--tensor-parallel", "2", "--pipeline-parallel", "2")
    cut = json.loads(out)["settings"]
    assert (cut["tensor_parallel"], cut["pipeline_parallel"]) == (2, 2)


def test_inference_has_settings_of_its_own(capsys):
    words = (
        "--batch",
        "4",
        "--context",
        "1024",
        "--weights",
        "nf4",
        "--replicas",
        "2",
        "--kv",
        "fp8",
        "--prompt",
        "512",
        "--tensor-parallel",
        "1",
        "--pipeline-parallel",
        "1",
    )
    status, out, _ = run(capsys, "llama-3.1-8b", "2x RTX-4090", "--inference", *words)
    assert status == 0
    assert out.startswith(
        "plan: llama-3.1-8b on 2x RTX-4090, batch=4, context=1024, weights=nf4, "
        "tensor_parallel=1, prompt=512, kv=fp8, replicas=2\n"
    )
    _, out, _ = run(capsys, "llama-3.1-8b", "2x RTX-4090", "--inference", *words, "--json")
    assert json.loads(out)["throughput_tokens_per_s"] == 80.0


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["llama-3.1-8", "RTX-4090"], "There is no model 'llama-3.1-8'. Did you mean 'llama-3.1-8b'?"),
        (["llama-3.1-8b", "RTX-4091"], "There is no card 'RTX-4091' in the hardware table. Did you mean 'RTX-4090'?"),
        (["llama-3.1-8b", "8x RTX-4090", "--micro-batch", "-1"], "micro_batch=-1 must be a whole number, 1 or more."),
        (["llama-3.1-8b", "8x RTX-4090", "--method", "ddpp"], "method='ddpp' is not one of 'ddp',"),
        (["llama-3.1-8b", "3x RTX-4090", "--tensor-parallel", "3"], "tensor_parallel=3 does not divide the 32 heads"),
        (["llama-3.1-8b", "8x RTX-4090", "--weights", "nf4"], "a plan of training has no --weights. It has"),
        (["llama-3.1-8b", "RTX-4090", "--inference", "--method", "ddp"], "a plan of inference has no --method. It has"),
    ],
)
def test_what_is_not_understood_is_one_line_and_status_2(capsys, words, sentence):
    status, out, err = run(capsys, *words)
    assert (status, out) == (2, "")
    assert err.startswith(f"mgpu_lab plan: {sentence}")
    assert err.count("\n") == 1


def test_what_argparse_refuses_ends_with_2_too():
    with pytest.raises(SystemExit, match="2"):
        main(["plan", "llama-3.1-8b"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["8x", "H100-SXM-80GB"], 'The machine is one word: "8x H100-SXM-80GB", with the quotes.'),
        (["8", "H100-SXM-80GB"], 'The machine is one word: "8 H100-SXM-80GB", with the quotes.'),
        (["CPU", "CPU"], "'CPU' is one word too many."),
        (["CPU", "--methd", "fsdp"], "there is no option --methd. Did you mean --method?"),
        (["CPU", "--seq_len=4096"], "there is no option --seq_len. Did you mean --seq-len?"),
        (["CPU", "--source"], ""),  # argparse takes a beginning for the whole
        (["CPU", "--qqq"], "there is no option --qqq. --help lists all."),
    ],
)
def test_what_is_left_of_a_command_is_refused_in_one_line(capsys, words, said):
    status, _, err = run(capsys, "llama-3.1-8b", *words)
    assert said in err
    assert (status, err.count("\n")) == ((2, 1) if said else (1, 0))


def test_what_is_left_of_another_command_is_an_error_too(capsys):
    with pytest.raises(SystemExit) as info:
        main(["verify", "--qqq"])
    assert info.value.code == 2
    assert "unrecognized arguments: --qqq" in capsys.readouterr().err
