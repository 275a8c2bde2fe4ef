"""Lesson 08's tools around vLLM, without vLLM: the byte tokenizer, what a log says, options, what is missing."""

import json

import pytest
from tokenizers import Tokenizer

from mgpu_lab.course.serving import engine
from mgpu_lab.course.serving.model_folder import byte_characters, model_folder
from mgpu_lab.course.serving.said import Said
from mgpu_lab.course.serving.server import AS_WRITTEN, TRACED, Server, arguments, serve
from mgpu_lab.wire.errors import UsageError

EVERY_LENGTH = "".join(map(chr, range(0x800))) + "中文\U0001f600\uffff\U0010ffff"  # UTF-8 of one to four bytes


@pytest.fixture
def folder(tmp_path):
    """A model folder with a config and weights that nobody loads."""
    source = tmp_path / "source"
    source.mkdir()
    for name in ("config.json", "model.safetensors", "training.log"):
        (source / name).write_text("{}")
    return model_folder(source, tmp_path / "served")


# --- The model folder


def test_a_token_is_a_byte(folder):
    tokenizer = Tokenizer.from_file(f"{folder}/tokenizer.json")
    assert tokenizer.get_vocab_size() == 256
    for text in (EVERY_LENGTH, " two  spaces\n\n\ttab", "</s><pad>"):
        assert tokenizer.encode(text).ids == list(text.encode())
        assert tokenizer.decode(list(text.encode())) == text


def test_every_byte_has_a_character_of_its_own():
    characters = byte_characters()
    assert sorted(characters) == list(range(256))
    assert len(set(characters.values())) == 256
    assert all(character.isprintable() and character != " " for character in characters.values())


@pytest.mark.usefixtures("folder")
def test_the_folder_has_what_a_server_loads(tmp_path):
    names = {path.name for path in (tmp_path / "served").iterdir()}
    assert names == {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}
    assert json.loads((tmp_path / "served/tokenizer_config.json").read_text())["tokenizer_class"]
    with pytest.raises(UsageError, match="no model folder"):
        model_folder(tmp_path / "nothing")


def test_a_model_in_memory_is_saved(tmp_path):
    class Model:
        def save_pretrained(self, folder):
            (folder / "config.json").write_text("{}")

    folder = model_folder(Model(), tmp_path)
    assert Tokenizer.from_file(f"{folder}/tokenizer.json").encode("A").ids == [65]


# --- What a log says

FAILED_WORKER = """\
(Worker_PP1 pid=9) ERROR 11-28 06:22:06 [multiproc_executor.py:1063]   File "gpu_model_runner.py", line 3174, in sync
(Worker_PP1 pid=9) ERROR 11-28 06:22:06 [multiproc_executor.py:1063]     assert self.intermediate_tensors is not None
(Worker_PP1 pid=9) ERROR 11-28 06:22:06 [multiproc_executor.py:1063]            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
(Worker_PP1 pid=9) ERROR 11-28 06:22:06 [multiproc_executor.py:1063] AssertionError
(APIServer pid=8) ERROR 11-28 06:22:06 [async_llm.py:906] vllm.v1.engine.exceptions.EngineDeadError: See stack trace
INFO:     127.0.0.1:47068 - "POST /v1/completions HTTP/1.1" 500 Internal Server Error
"""
FAILED_START = """\
(Worker pid=3) ERROR 11-28 06:22:06 [core.py:7] RuntimeError: create shm in SHMManager failed. errno: 17
Traceback (most recent call last):
RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}
resource_tracker.py:254: UserWarning: resource_tracker: There appear to be 2 leaked shared_memory objects
"""
REFUSED = """\
pydantic_core._pydantic_core.ValidationError: 1 validation error for VllmConfig
  Value error, Total number of attention heads (4) must be divisible by 3. [type=value_error, input_value={'a': 1}]
    For further information visit https://errors.pydantic.dev
"""
REFUSED_IN_A_LINE = (
    "pydantic_core._pydantic_core.ValidationError: 1 validation error for VllmConfig: "
    "Value error, Total number of attention heads (4) must be divisible by 3."
)


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        (FAILED_WORKER, "AssertionError at 'assert self.intermediate_tensors is not None'"),
        (FAILED_START, "RuntimeError: create shm in SHMManager failed. errno: 17"),
        (REFUSED, REFUSED_IN_A_LINE),
        ("usage: ...\nserver.py: error: unrecognized arguments: -x\n", "server.py: error: unrecognized arguments: -x"),
        ("INFO 11-28 06:22:06 [a.py:1] it starts\nKilled\n", "Killed"),
        ("", "(nothing)"),
    ],
)
def test_the_reason_is_the_error_that_is_no_echo(log, reason):
    assert Said(log).reason() == reason


def test_a_text_of_the_log_is_found():
    said = Said("(EngineCore pid=1) INFO [kv_cache_utils.py:2327] CPU KV cache size: 21,760 tokens, Maximum\n")
    assert said.find("KV cache size: [0-9,]+ tokens") == "KV cache size: 21,760 tokens"
    assert said.find("GPU KV") == "(nothing)"


# --- Options


def test_the_callers_options_come_last():
    words = arguments("-tp 2 --dtype bfloat16", cpu=True)
    assert AS_WRITTEN in words
    assert words[-4:] == ["-tp", "2", "--dtype", "bfloat16"]


@pytest.mark.parametrize("stages", ["-pp 2", "--pipeline-parallel-size 2", "--pipeline-parallel-size=2"])
def test_stages_are_traced_on_a_cpu_where_eager_ones_end_the_engine(stages):
    assert set(TRACED.split()) <= set(arguments(stages, cpu=True))
    assert AS_WRITTEN not in arguments(stages, cpu=True)
    assert AS_WRITTEN in arguments(stages, cpu=False)


@pytest.mark.parametrize("how", ["--enforce-eager", "-cc.mode=3", "-cc '{\"mode\": 3}'", "-O3"])
def test_who_says_how_the_model_runs_is_not_contradicted(how):
    words = arguments(f"-pp 2 {how}", cpu=True)
    assert words.count(AS_WRITTEN) == how.count(AS_WRITTEN)
    assert not set(TRACED.split()) & set(words)


# --- What is missing


def test_what_is_missing_is_said_in_one_line_with_the_command(monkeypatch, folder):
    monkeypatch.setattr(engine.importlib.util, "find_spec", lambda name: None if name == "vllm" else name)
    line = engine.vllm_missing()
    assert line == "not run here, vllm not installed: `make lab EXTRA=serving` adds vLLM (0.6 GB)"
    with pytest.raises(UsageError, match="EXTRA=serving"):
        serve(folder)
    with pytest.raises(UsageError, match="EXTRA=serving"), engine.starting_vllm():
        pass
    monkeypatch.setattr(engine.importlib.util, "find_spec", str)
    assert engine.vllm_missing() is None


def test_settings_keep_vllm_off_the_network_and_its_threads_unbound_on_a_cpu(monkeypatch):
    monkeypatch.setattr(engine, "is_cpu_build", lambda: True)
    assert engine.vllm_settings()["VLLM_CPU_OMP_THREADS_BIND"] == "nobind"
    monkeypatch.setattr(engine, "is_cpu_build", lambda: False)
    assert not [name for name in engine.vllm_settings() if "CPU" in name]
    assert engine.vllm_settings()["HF_HUB_OFFLINE"] == engine.vllm_settings()["VLLM_NO_USAGE_STATS"] == "1"


def test_a_server_tells_its_address():
    assert Server("python -m ...", None, 8123, None).url == "http://127.0.0.1:8123/v1"
