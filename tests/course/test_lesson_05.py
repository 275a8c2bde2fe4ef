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
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": NOTEBOOKS}}).execute()
    printed = "\n".join(each.text for cell in notebook.cells for each in cell.get("outputs", []) if "text" in each)
    assert "2,098,944 parameters" not in printed  # the course's own model
    assert "base of the trained model, after writing, training and merging: True" in printed
