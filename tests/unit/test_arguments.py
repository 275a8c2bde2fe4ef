"""What may be asked of the ranks, from Python and on a magic's line; all else is refused in one line."""

import re
from types import SimpleNamespace

import pytest

from mgpu_lab.engine import arguments
from mgpu_lab.notebook.magics import RanksMagics
from mgpu_lab.notebook.options import COMMANDS, make_parsers
from mgpu_lab.wire import given
from mgpu_lab.wire.errors import LabError, UsageError

NAN = float("nan")


@pytest.mark.parametrize(
    ("n", "device", "gpus", "chosen"),
    [
        (None, "cpu", 8, ("cpu", 2, "2 ranks on the CPU, gloo (as asked)")),
        (1, "cpu", 0, ("cpu", 1, "1 rank on the CPU, gloo (as asked)")),
        (None, "auto", 0, ("cpu", 2, "2 ranks on the CPU, gloo (no GPU here)")),
        (None, "auto", 1, ("cpu", 2, "2 ranks on the CPU, gloo (1 GPU here)")),
        (3, "auto", 2, ("cpu", 3, "3 ranks on the CPU, gloo (only 2 GPUs here)")),
        (None, "auto", 4, ("cuda", 4, "4 ranks on 4 of 4 GPUs, NCCL")),
        (2, "auto", 4, ("cuda", 2, "2 ranks on 2 of 4 GPUs, NCCL")),
        (None, "cuda", 1, ("cuda", 1, "1 ranks on GPUs, NCCL")),
    ],
)
def test_device_and_number_follow_from_the_gpus(n, device, gpus, chosen):
    assert arguments.choose(n, device, lambda: gpus) == chosen


@pytest.mark.parametrize(("gpus", "found"), [(0, "no GPU that torch can use"), (1, "1 GPU,"), (2, "2 GPUs,")])
def test_too_few_gpus(gpus, found):
    with pytest.raises(UsageError, match=f"{found}.*--device cpu"):
        arguments.choose(3, "cuda", lambda: gpus)


def test_ranks_share_a_gpu_where_nccl_is_told_that_they_may(monkeypatch):
    monkeypatch.setenv(arguments.SHARING, "1")
    assert arguments.choose(3, "cuda", lambda: 2) == ("cuda", 3, "3 ranks share 2 GPUs, NCCL")
    assert arguments.choose(2, "cuda", lambda: 2) == ("cuda", 2, "2 ranks on GPUs, NCCL")
    assert arguments.choose(2, "auto", lambda: 1)[0] == "cpu"
    with pytest.raises(UsageError, match="no GPU that torch can use"):
        arguments.choose(2, "cuda", int)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        *((lambda n=n: arguments.choose(n, "cpu", int), "from 1 to 64") for n in (0, -2, "two", 1.5, True, 65)),
        (lambda: arguments.choose(2, "tpu", int), "auto, cpu, cuda, not 'tpu'"),
        *((lambda on=on: arguments.rank_numbers(on), "for example on=") for on in (1, ["0"], [1.0], None)),
        *((lambda s=s: arguments.check_timeout(s), "positive number of sec") for s in (0, -1, "soon", True, NAN)),
        (lambda: arguments.check_source(123), "a cell is text, not 123"),
    ],
)
def test_bad_arguments_are_one_line(call, says):
    with pytest.raises(UsageError, match=says) as error:
        call()
    assert "\n" not in str(error.value)


def test_good_arguments():
    assert arguments.rank_numbers(iter([3, 1, 3])) == [1, 3]
    assert [arguments.check_timeout(each) for each in (None, 1, 0.5)] == [None] * 3
    assert arguments.check_source("x") is None


@pytest.mark.parametrize(
    ("command", "line", "options"),
    [
        ("", "", {"on": None, "timeout": None, "watch": False}),
        ("", "--on 0,2-3 --timeout 5 --watch", {"on": [0, 2, 3], "timeout": 5.0, "watch": True}),
        ("start", "-n 3 --device cpu --timeout 0.5", {"n": 3, "device": "cpu", "timeout": 0.5}),
        ("restart", "--on 1", {"on": [1]}),
        ("export", "train.py --force", {"path": "train.py", "force": True}),
    ],
)
def test_options_of_a_line(command, line, options):
    assert vars(make_parsers()[command].parse_args(line.split())) == options


def test_the_help_tells_all_commands_and_names():
    text = RanksMagics.ranks_magic.__doc__
    assert {f"%ranks {each}" for each in COMMANDS if each != "status"} <= set(re.findall(r"%ranks \w+", text))
    assert set(given.NAMES) <= set(re.findall(r"\w+", text))
    assert given.ANNOUNCEMENT.startswith("Every rank starts with these names: rank, ")


@pytest.fixture
def magics():
    """The magics of a notebook in which no ranks run, and none can be started."""
    return RanksMagics(SimpleNamespace(user_ns={}))


@pytest.mark.parametrize(
    ("line", "cell", "says"),
    [
        ("launch", None, "knows no 'launch'; it knows start.*begin a cell with %%ranks"),
        ("stauts", None, "did you mean `%ranks status`"),
        ("-n 2", None, "did you mean `%ranks start -n 2`"),
        ("--on 1", None, "knows no '--on'; did you mean `%ranks restart --on 1`"),
        ("start 'open", None, "cannot be read"),
        ("start -n two", None, "'two' is no whole number.*Usage: %ranks start"),
        ("start -n 0", None, "from 1 to 64"),
        ("start --device tpu", None, "auto.*cpu.*cuda"),
        ("start --timeout soon", None, "no positive number of seconds"),
        ("start --nodes 3", None, "unrecognized arguments: --nodes 3"),
        ("start --devise cpu", None, r"did you mean --device\?"),
        ("start --on 0", None, r"--on belongs to `%ranks restart` and `%%ranks`"),
        ("--time_out 3", "print(1)", r"did you mean --timeout\?"),
        ("-timeout=3", "print(1)", r"did you mean --timeout\?"),
        ("-n 4", "print(1)", r"-n belongs to `%ranks start`"),
        ("start -n 4", "print(1)", "a command is a line of its own, with one %: `%ranks start -n 4`"),
        ("export", None, "required"),
        ("--on one", "print(1)", "names no ranks; write for example 0 or 0,2-3"),
        ("--on", "print(1)", "expected one argument"),
        ("--on 1-0", "print(1)", "names no ranks: a range goes up"),
        ("--on 0-99999999999", "print(1)", "numbered from 0 to 63"),
        ("--fast", "print(1)", "unrecognized arguments: --fast"),
        ("--timeout 0", "print(1)", "no positive number of seconds"),
        ("--timeout nan", "print(1)", "no positive number of seconds"),
        ("", "   \n\n", "the cell is empty"),
        *((command, None, "no ranks run: start them") for command in ("", "status", "where", "restart")),
        ("export train.py", None, "no ranks run: start them"),
    ],
)
def test_a_bad_line_is_one_line(magics, line, cell, says):
    with pytest.raises(LabError, match=says) as error:
        magics.ranks_magic(line, cell)
    assert "\n" not in str(error.value)
    assert magics.ranks is None


def test_commands_are_handed_on(magics, capsys):
    calls = []

    class Fake:
        choice, journal, stopped = "2 ranks on the CPU, gloo (as asked)", [], False

        def __len__(self):
            return 2

        def ever_ran(self):
            return ["what ran"]

        def __getattr__(self, name):
            return lambda *args, **options: calls.append((name, *args, *options.values()))

    magics._ranks = Fake()
    with pytest.raises(UsageError, match="nothing to export yet"):
        magics.ranks_magic("export a.py --force")
    for line in ("where", "restart", "restart --on 1", "stop", "stop"):
        magics.ranks_magic(line)
    assert calls == [("where",), ("restart", None), ("restart", [1]), ("stop",)]
    assert capsys.readouterr().out.endswith("Stopped 2 ranks.\nNo ranks run.\n")
    assert magics.hints.lost == ["what ran"]
    assert set(COMMANDS) == set(make_parsers()) - {""}


def test_starting_ranks_that_run_is_fine_and_sets_the_time_limit(magics, capsys):
    asked = []
    magics._ranks = SimpleNamespace(stopped=False, timeout=None, suffice=lambda *args: asked.append(args) or "fine")
    magics.ranks_magic("start -n 2 --device cpu --timeout 5")
    assert (asked, magics._ranks.timeout, capsys.readouterr().out) == ([(2, "cpu")], 5.0, "fine\n")


def test_stop_pressed_during_a_command_is_one_line(magics):
    magics._ranks = SimpleNamespace(stopped=False, where=lambda: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(LabError, match="Stop was pressed during `%ranks where`"):
        magics.ranks_magic("where")


def test_ranks_that_a_cell_has_stopped_are_none(magics):
    magics._ranks = SimpleNamespace(stopped=True, ever_ran=lambda: ["what ran"])
    assert (magics.ranks, magics.hints.lost) == (None, ["what ran"])
    with pytest.raises(LabError, match="no ranks run: start them"):
        magics.ranks_magic("where")
