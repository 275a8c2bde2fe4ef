"""Lesson 05 runs on another model, one with a tokenizer of its own, where MGPU_LAB_MODEL names its folder."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
SHAPE = {"hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 1, "num_attention_heads": 4}


@pytest.fixture
def model_folder(tmp_path):
    """Write a Llama of one layer with random weights, and a tokenizer trained on Python's reference."""
    from pydoc_data.topics import topics

    from tokenizers import ByteLevelBPETokenizer
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    pairs = ByteLevelBPETokenizer()
    pairs.train_from_iterator(list(topics.values())[:20], vocab_size=300, show_progress=False)
    PreTrainedTokenizerFast(tokenizer_object=pairs._tokenizer).save_pretrained(tmp_path)
    LlamaForCausalLM(LlamaConfig(vocab_size=pairs.get_vocab_size(), **SHAPE)).save_pretrained(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_the_lesson_runs_on_another_model(model_folder, monkeypatch):
    monkeypatch.setenv("MGPU_LAB_MODEL", str(model_folder))
    notebook = nbformat.read(NOTEBOOKS / "05_qlora.ipynb", as_version=4)
    shortened = [cell for cell in notebook.cells if "steps=30" in cell.source]
    assert shortened
    for cell in shortened:
        cell.source = cell.source.replace("steps=30", "steps=5")
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": NOTEBOOKS}}).execute()
    printed = "\n".join(each.text for cell in notebook.cells for each in cell.get("outputs", []) if "text" in each)
    assert "2,098,944 parameters" not in printed  # the course's own model
    assert "step 0 equals the quantised base: True" in printed
    assert "4 steps, loss equal to DDP's: True" in printed
    assert "output of the loaded adapter equal, bit for bit: True" in printed


def test_a_missing_folder_is_named(tmp_path, monkeypatch):
    from mgpu_lab.course.python_text import base_model
    from mgpu_lab.wire.errors import UsageError

    monkeypatch.setenv("MGPU_LAB_MODEL", str(tmp_path / "no-model"))
    with pytest.raises(UsageError, match="no such folder"):
        base_model("models/base-llama")


def test_a_model_that_the_lesson_cannot_take_apart_is_refused(tmp_path, monkeypatch):
    from transformers import GPT2Config

    from mgpu_lab.course.python_text import base_model
    from mgpu_lab.wire.errors import UsageError

    GPT2Config(n_layer=1, n_embd=32, n_head=2, architectures=["GPT2LMHeadModel"]).save_pretrained(tmp_path)
    monkeypatch.setenv("MGPU_LAB_MODEL", str(tmp_path))
    with pytest.raises(UsageError, match="Conv1D"):
        base_model("models/base-llama")


def test_the_courses_own_model_is_taken(monkeypatch):
    from mgpu_lab.course.python_text import base_model

    monkeypatch.delenv("MGPU_LAB_MODEL", raising=False)
    monkeypatch.chdir(NOTEBOOKS)
    assert base_model("models/base-llama") == "models/base-llama"
