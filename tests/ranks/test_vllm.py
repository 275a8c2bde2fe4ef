"""vLLM serves the course's model: on ranks, as a server with TP, PP and replicas, the greedy tokens are Transformers'.

Run where the extra is installed (`make lab EXTRA=serving`), skipped elsewhere.
"""

import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from cells import Ranks

from mgpu_lab.course.serving.engine import vllm_missing
from mgpu_lab.course.serving.model_folder import model_folder
from mgpu_lab.course.serving.said import ServingError
from mgpu_lab.course.serving.server import serve

pytestmark = [pytest.mark.slow, pytest.mark.skipif(vllm_missing() is not None, reason=vllm_missing() or "")]
ROOT = Path(__file__).resolve().parents[2]
PROMPTS, PROMPT_BYTES, NEW = 32, 32, 128
SHARED_MEMORY = Path("/dev/shm")

TRANSFORMERS = """
    from transformers import AutoModelForCausalLM
    from mgpu_lab.course.python_text import PythonText, quiet_libraries
    quiet_libraries()
    prompts = PythonText(folder).batch({prompts}, length={length})
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    options = dict(max_new_tokens={new}, min_new_tokens={new}, do_sample=False)
    found = model.generate(prompts, attention_mask=torch.ones_like(prompts), **options)[:, {length}:].tolist()
    prompts = prompts.tolist()"""
START = """
    from mgpu_lab.course.serving.engine import starting_vllm
    with starting_vllm() as said:
        from vllm import LLM, SamplingParams
        llm = LLM(
            model=folder, dtype="float32", max_model_len=1024, enforce_eager=True, kv_cache_memory_bytes=64 << 20,
            tensor_parallel_size={tensor_parallel}, distributed_executor_backend="external_launcher")"""
GENERATE = """
    greedy = SamplingParams(temperature=0, max_tokens={new}, ignore_eos=True)
    answers = llm.generate([{{"prompt_token_ids": prompt}} for prompt in prompts], greedy, use_tqdm=False)
    found = [list(answer.outputs[0].token_ids) for answer in answers]"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return model_folder(ROOT / "notebooks/models/base-llama", tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def two(folder):
    with Ranks(2, "cpu") as ranks:
        ranks.push(folder=folder)
        yield ranks


@pytest.fixture(scope="module")
def reference(two):
    """Prompts, and what Transformers makes of each, greedily in fp32."""
    assert two.run(TRANSFORMERS.format(prompts=PROMPTS, length=PROMPT_BYTES, new=NEW)).ok
    prompts, tokens = two.pull("prompts")[0], two.pull("found")[0]
    assert len({tuple(each) for each in tokens}) > PROMPTS // 2  # not all the same
    return prompts, tokens


def test_on_ranks_with_tp_2(two, folder, reference):
    before = set(SHARED_MEMORY.iterdir())
    stale = SHARED_MEMORY / "-tp:0-[0-1]-cpushm_0"  # what a killed start leaves: vLLM names it alike each time
    stale.touch()
    try:
        result = two.run(START.format(tensor_parallel=2))
        assert result.ok
        assert [each.stdout + each.stderr for each in result] == ["", ""]  # what it says is in the log
        assert two.run("said.find('KV cache size: [0-9,]+ tokens')", on=[0])[0].displays == (
            {"text/plain": "'KV cache size: 21,760 tokens'"},
        )
        assert set(SHARED_MEMORY.iterdir()) - before <= {stale}  # also while it runs: no name to leave behind
    finally:
        stale.unlink()
    prompts, tokens = reference
    two.push(prompts=prompts)
    result = two.run(GENERATE.format(new=NEW))
    assert [each.stderr for each in result] == ["", ""]
    assert two.pull("found") == [tokens, tokens]
    again = two.run(START.format(tensor_parallel=2))
    assert "%ranks restart" in str(again[0].error.traceback[-1])
    two.restart()
    two.push(folder=folder)
    assert two.run("t = torch.ones(1)\ndist.all_reduce(t)\nassert t.item() == 2").ok


def test_on_ranks_what_it_refuses_is_said(two):
    result = two.run(START.format(tensor_parallel=3))
    assert "vLLM did not start: ValidationError" in result[0].error.traceback[-1]
    assert "heads (4) must be divisible by tensor parallel size (3)" in result[0].error.traceback[-1]
    two.restart()


def processes():
    return {each.pid for each in psutil.Process().children(recursive=True)}


@pytest.mark.parametrize(
    "options", ["--tensor-parallel-size 2", "--pipeline-parallel-size 2", "--data-parallel-size 2"]
)
def test_a_server_with_two_workers(folder, reference, options):
    import openai

    prompts, tokens = reference
    before, names = processes(), set(SHARED_MEMORY.iterdir())

    def ask(prompt):
        more = {"ignore_eos": True, "return_token_ids": True}
        options = {"model": server.model, "max_tokens": NEW, "temperature": 0}
        return client.completions.create(prompt=prompt, extra_body=more, **options).choices[0]

    with serve(folder, options) as server:
        client = openai.OpenAI(base_url=server.url, api_key="none", max_retries=0)
        with ThreadPoolExecutor(PROMPTS) as pool:
            answers = list(pool.map(ask, prompts))
        assert [answer.token_ids for answer in answers] == tokens
        text = ask(bytes(prompts[0]).decode())  # a text is the same as its bytes
        assert text.text == bytes(tokens[0]).decode()
        assert server.alive()
    assert not server.alive()
    assert processes() <= before
    assert set(SHARED_MEMORY.iterdir()) <= names


def test_a_server_that_ends_says_why(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(ServingError, match=r"ended after .*heads \(4\) must be divisible by .*\(3\)"):
        serve(folder, "-tp 3")
    assert not list(tmp_path.iterdir())  # nor is its log left
