"""Members, and a cell seen through to its end, on a backend without processes."""

import re
import signal
import threading
from types import SimpleNamespace

import pytest
from fake_backend import FakeBackend

from mgpu_lab.engine import asking, decide
from mgpu_lab.engine import run as run_module
from mgpu_lab.engine.member import Asked
from mgpu_lab.engine.members import Members
from mgpu_lab.engine.ranks import Ranks
from mgpu_lab.engine.rescue import Rescue, mirrored
from mgpu_lab.engine.run import CellRun
from mgpu_lab.engine.sampling import Wishes
from mgpu_lab.wire import messages
from mgpu_lab.wire.errors import RanksError, UsageError
from mgpu_lab.wire.messages import Answer, Execute, Failure, GroupState, JoinGroup, Kind, Position, Pull, Where

BARRIER = Position(2, "dist.barrier()", "barrier", "barrier()", waiting=True, mark=(1,), cpu_s=0.0)
LOOP = Position(3, "while True: pass", "<module>", None, waiting=False, mark=(2,), cpu_s=0.0)
JOINED = GroupState(1, initialized=True, calls=())
OOPS = Failure("ValueError", "oops", ("tb",), 1)
ECHO = Failure("RuntimeError", "Connection closed", (), 2, in_communication=True, collective="barrier()")


@pytest.fixture
def backend():
    return FakeBackend()


@pytest.fixture
def members(backend):
    made = Members(backend, 2, "cpu")
    yield made
    made.stop()
    assert backend.meeting.closed


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Every patience is a fiftieth of what it is."""
    for name in (
        "TICK_S", "ALERT_TICK_S", "LOOK_S", "LOOK_PER_RANK_S", "STUCK_S", "RELEASE_AFTER_STOP_S", "INTERRUPT_AGAIN_S",
        "KILL_SILENT_AFTER_STOP_S", "KILL_AFTER_STOP_S", "ECHO_S", "KILL_AFTER_RELEASE_S",
    ):  # fmt: skip
        monkeypatch.setattr(decide, name, getattr(decide, name) / 50)
    monkeypatch.setattr("mgpu_lab.engine.rescue.ANSWER_S", 0.02)


def run(members, timeout_s=None, note_after_s=10.0, stop_after_s=None, progress=lambda _: None):
    cell = CellRun(members, list(members), timeout_s, note_after_s)
    if stop_after_s is not None:
        threading.Timer(stop_after_s, cell.stop, ["Stop was pressed"]).start()
    return cell.run("pass", 1, progress)


def raise_on_rank_1(backend, at):
    """Have rank 1 raise, and rank 0 stand ``at`` a position; return the list that will hold its request."""
    held = []

    def execute(process, request):
        return Answer(request.request, failure=OOPS, group=JOINED) if process.rank else held.append(request)

    backend.answers |= {Execute: execute, Where: lambda _, request: Answer(request.request, at)}
    return held


# ---- questions


def test_a_question_wakes_once_when_all_have_answered():
    woken = []
    asked = Asked(5, [0, 1], lambda: woken.append(True))
    asked.take(0, Answer(5, "a"))
    assert (woken, asked.complete.is_set()) == ([], False)
    asked.take(1, Answer(5, "b"))
    assert (len(woken), asked.wait(0)) == (1, {0: Answer(5, "a"), 1: Answer(5, "b")})


@pytest.mark.parametrize(
    "tell",
    [
        lambda asked: asked.take(0, Answer(5, failure=OOPS)),
        lambda asked: asked.take(0, Answer(5, group=GroupState(1, initialized=False, calls=()))),
        lambda asked: asked.lose(0),
    ],
)
def test_a_question_wakes_at_once_where_something_is_wrong(tell):
    woken = []
    tell(Asked(5, [0, 1], lambda: woken.append(True)))
    assert woken


def test_a_rank_that_is_gone_settles_every_question(members, backend):
    backend.answers[Pull] = lambda *_: None
    before = members.ask([0, 1], Pull, "x", 10)
    backend.of(1).die(-9)
    after = members.ask([0, 1], Pull, "x", 10)
    assert (before.gone, before.pending, after.gone) == ({1}, {0}, {1})
    assert (members.alive(), members.gone()) == ([0], [1])


# ---- the group's life


def test_one_rank_is_replaced_and_all_join_the_next_generation(members, backend):
    first = backend.of(0)
    members.replace([1])
    assert [type(each) for each in first.heard] == [JoinGroup]
    assert (backend.of(0) is first, len(backend.processes)) == (True, 3)
    assert (backend.meeting.generations, members.generation) == ([1, 2], 2)


def test_a_rank_that_does_not_come_up_is_named(backend):
    full = Failure("OSError", "no room", (), None)
    backend.answers[JoinGroup] = lambda process, join: Answer(join.request, failure=full if process.rank else None)
    with pytest.raises(RanksError, match=r"rank 1 did not come up: OSError: no room"):
        Members(backend, 2, "cpu")
    assert not any(process.alive() for process in backend.processes)


def test_samples_are_taken_as_often_as_the_most_impatient_reader_wants(members, backend):
    wishes = Wishes(lambda: members.set_sampling)
    slow, fast = wishes.add(1.0), wishes.add(0.25)
    with wishes.add(0.5):
        fast.close()
    slow.close()
    slow.close()
    periods = [each.period_s for each in backend.of(0).heard if isinstance(each, messages.Sampling)]
    assert periods == [1.0, 0.25, 0.5, 1.0, 0.0]


# ---- a cell


def test_a_cell_that_ends(members, backend):
    members[0].printed("stdout", b"hello\n")
    late = members[0].output.last_lines(1)
    result = run(members)
    assert (result.ok, late, result.notes) == (True, "hello", ("rank 0 printed after its last cell had ended:\nhello",))
    assert [each.last_cell for each in members.values()] == [1, 1]
    assert [type(each) for each in backend.of(1).heard] == [Execute]


def test_a_rank_raises_while_the_other_waits(members, backend):
    """The other is released, its error is an echo, and the group is renewed."""
    held = raise_on_rank_1(backend, at=BARRIER)

    def cut(process, request):
        process.listener.heard(Answer(held[0].request, failure=ECHO, group=JOINED))
        return Answer(request.request, 1)

    backend.answers[messages.CutSockets] = cut
    result = run(members)
    assert [each.error.kind for each in result] == ["released", "raised"]
    assert result.notes == (
        "rank 0 was waiting in barrier(), line 2: released.",
        "The process group was recreated; variables are kept.",
    )
    assert (backend.meeting.broken, members.generation) == (1, 2)


def test_a_rank_that_computes_is_left_alone_when_another_raises(members, backend):
    held = raise_on_rank_1(backend, at=LOOP)
    threading.Timer(0.1, lambda: members[0].heard(Answer(held[0].request))).start()
    result = run(members)
    assert (result[0].ok, result[1].error.ename, backend.meeting.broken) == (True, "ValueError", 0)


def test_stop_kills_what_nothing_else_ends(members, backend):
    backend.answers |= {Execute: lambda *_: None, Where: lambda _, request: Answer(request.request, LOOP)}
    first = backend.of(0)
    result = run(members, stop_after_s=0.02)
    assert first.signals.count(signal.SIGINT) == 2
    assert [each.error.kind for each in result] == ["killed", "killed"]
    assert result.notes[0] == "Stop was pressed: the cell was interrupted on ranks 0-1."
    assert "ranks 0-1 did not answer and were killed and started again: their variables are lost." in result.notes
    assert members.alive() == [0, 1]


def test_stop_interrupts(members, backend):
    running, stopped = {}, Failure("KeyboardInterrupt", "", (), 3)
    backend.answers[Execute] = lambda process, request: running.update({process.rank: request})
    backend.on_signal = lambda process, _: process.listener.heard(
        Answer(running[process.rank].request, failure=stopped)
    )
    result = run(members, timeout_s=0.02)
    assert [each.error.kind for each in result] == ["interrupted", "interrupted"]
    why = "The time limit of 0.02 s (--timeout) was reached"
    assert (result.stop_reason, result.notes) == (why, (f"{why}: the cell was interrupted on ranks 0-1.",))
    assert str(result[0].error) == f"rank 0: KeyboardInterrupt: {why}"


def test_a_death_is_told(members, backend):
    backend.answers[Execute] = lambda process, request: process.die(3) if process.rank else Answer(request.request)
    result = run(members)
    assert re.search("exited with code 3", result[1].error.evalue)
    assert result.notes[0].startswith("rank 1 is gone. rank 0 keeps its variables")


def test_a_rank_that_dies_while_another_is_buried_is_buried_too(members, backend, monkeypatch):
    backend.answers[Execute] = lambda process, _: None if process.rank else process.die(3)
    monkeypatch.setattr(type(backend.of(0)), "wait_ended", lambda *_: backend.of(1).alive() and backend.of(1).die(4))
    assert [each.error.kind for each in run(members)] == ["died", "died"]


def test_silence_is_noted(members, backend):
    running, notes = {}, []
    backend.answers[Execute] = lambda process, request: running.update({process.rank: request})
    backend.answers[Where] = lambda _, request: Answer(request.request, BARRIER)

    def progress(cell):
        notes.append(cell.note)
        if cell.note:
            for rank, request in running.items():
                members[rank].heard(Answer(request.request))

    run(members, note_after_s=0.05, progress=progress)
    assert notes[-1] == "ranks 0-1 wait in barrier(), line 2."


def test_a_wait_for_a_call_that_nobody_makes_is_noted_with_what_to_do(members, backend):
    held, notes = [], []
    backend.answers |= {
        Execute: lambda _, request: held.append(request),
        Where: lambda _, r: Answer(r.request, BARRIER),
    }

    def progress(cell):
        notes.append(cell.note)
        if cell.note and held:
            members[0].heard(Answer(held.pop().request))

    CellRun(members, [0], None, 0.05).run("pass", 1, progress)
    assert notes[-1].endswith(
        "it waits for a call the others never make. Press Stop to end the cell: variables are kept."
    )


# ---- rescue


def test_only_connections_between_ranks_are_cut():
    pairs = {
        0: frozenset({("a 1", "b 2"), ("a 3", "elsewhere 80")}),
        1: frozenset({("b 2", "a 1"), ("b 4", "b 5"), ("b 5", "b 4")}),  # the last two: to itself
    }
    assert mirrored(pairs) == {0: frozenset({("a 1", "b 2")}), 1: frozenset({("b 2", "a 1")})}


def test_a_rank_that_does_not_answer_is_silent_and_writes_its_stack(members, backend, monkeypatch):
    monkeypatch.setattr("mgpu_lab.engine.rescue.SILENT_S", 0.0)
    backend.answers[Where] = lambda *_: None
    rescue = Rescue(members)
    rescue.look([0])
    rescue.look([0])
    assert rescue.sight(0) == decide.Sight(silent=True)
    assert (rescue.position(0).line, rescue.position(0).function) == (7, "C code that holds the interpreter")


def test_a_thread_that_moves_or_computes_is_not_stuck(members, backend):
    positions = [BARRIER, BARRIER, Position(2, "", "barrier", "barrier()", waiting=True, mark=(9,), cpu_s=0.0)]
    backend.answers[Where] = lambda _, request: Answer(request.request, positions.pop(0))
    rescue, since = Rescue(members), []
    for _ in range(3):
        rescue.look([0])
        rescue.hear()
        since.append(rescue.sight(0).still_since_s)
    assert since[0] == since[1] < since[2]


# ---- Ranks


@pytest.fixture
def ranks(backend, monkeypatch):
    monkeypatch.setattr("mgpu_lab.engine.ranks.local_backend", lambda: backend)
    with Ranks(2, "cpu") as made:
        yield made


def test_ranks_that_have_run_nothing_start_again_once_all_is_imported(backend, monkeypatch):
    monkeypatch.setattr("mgpu_lab.engine.ranks.local_backend", lambda: backend)
    backend.is_warm = False
    with Ranks(2, "cpu") as cold:
        backend.is_warm = True
        assert cold.run("1").ok
        assert [each.pid for each in cold.status()] == [102, 103]
        assert cold.run("2").ok
        assert len(backend.processes) == 4
    backend.is_warm = False
    with Ranks(2, "cpu") as used:
        used.push(x=1)
        backend.is_warm = True
        used.run("x")
        assert len(backend.processes) == 6  # they have something to lose


def test_a_group_that_is_no_more_is_joined_again_before_a_cell(ranks, backend):
    ranks.members[0].group = GroupState(1, initialized=False, calls=())
    backend.answers[JoinGroup] = lambda _, request: Answer(request.request, group=JOINED)
    ranks.run("1")
    assert (ranks.members.generation, len(backend.processes)) == (2, 2)


def test_what_ranks_refuse_is_told_once_for_all_of_them(ranks, backend):
    refusal = Failure("UsageError", "no variable 'x' here.", (), None)
    backend.answers[Pull] = lambda _, request: Answer(request.request, failure=refusal)
    with pytest.raises(UsageError, match=r"^ranks 0-1: no variable 'x' here\.$"):
        ranks.pull("x")


def test_only_ranks_that_are_there_run_a_cell(ranks, backend):
    for on, says in ([2], "there is no rank 2: 2 ranks run"), ([], "name at least one rank"):
        with pytest.raises(UsageError, match=says):
            ranks.run("1", on=on)
    backend.of(1).die(-9)
    with pytest.raises(RanksError, match=r"rank 1 is gone .*SIGKILL.*`%ranks restart --on 1` only the missing"):
        ranks.run("1")
    assert ranks.run("1", on=[0]).ok
    assert [(each.alive, each.state[:4]) for each in ranks.status()] == [(True, "idle"), (False, "gone")]
    assert ranks.where() == "rank 0 is idle; rank 1 is gone."
    ranks.restart(on=[1])
    assert (repr(ranks), len(ranks.journal)) == ("<Ranks: 2 on cpu, ok>", 1)
    ranks.restart()
    assert ranks.journal == []


def test_what_ran_on_processes_that_are_no_more_is_remembered(ranks):
    ranks.run("a = 1")
    ranks.run("b = 1", on=[0])
    ranks.restart(on=[1])
    assert {rank: [step.source for step in steps] for rank, steps in ranks.lost.items()} == {1: ["a = 1"]}
    ranks.restart()
    ranks.restart()
    assert {rank: [step.source for step in steps] for rank, steps in ranks.lost.items()} == {
        0: ["a = 1", "b = 1"],
        1: ["a = 1"],
    }
    assert ranks.journal == []
    ranks.run("c = 1")
    assert [step.source for step in ranks.ever_ran()] == ["a = 1", "b = 1", "c = 1"]


def test_a_rank_that_was_killed_has_lost_what_ran_on_it(ranks, backend):
    ranks.run("a = 1")
    backend.answers |= {Execute: lambda process, request: Answer(request.request) if process.rank else None}
    backend.answers[Where] = lambda _, request: Answer(request.request, LOOP)
    ranks.run("while rank == 0: pass", timeout=0.02)
    assert {rank: len(steps) for rank, steps in ranks.lost.items()} == {0: 2}


def test_the_kinds_of_a_name_are_those_of_the_ranks_that_have_it(ranks, backend):
    backend.answers[Kind] = lambda process, r: Answer(r.request, "builtins.list" if process.rank else None)
    assert ranks.kinds("losses") == {1: "builtins.list"}
    backend.of(1).die(-9)
    assert ranks.kinds("losses") == {}
    ranks.stop()
    assert ranks.kinds("losses") == {}


@pytest.mark.parametrize(("n", "device"), [(2, "cpu"), (2, "auto"), (None, "auto")])
def test_ranks_that_run_suffice(ranks, n, device):
    assert ranks.suffice(n, device) == "2 ranks already run; variables are kept."


def test_ranks_that_run_do_not_suffice(ranks, backend):
    with pytest.raises(RanksError, match=r"2 ranks already run on the CPU\. For 3 on the CPU, run `%ranks stop` first"):
        ranks.suffice(3, "auto")
    monkey = backend.gpu_count
    backend.gpu_count = lambda: 2
    with pytest.raises(RanksError, match=r"For 2 on GPUs, run `%ranks stop` first"):
        ranks.suffice(2, "auto")
    backend.gpu_count = monkey
    with pytest.raises(UsageError, match="from 1 to 64"):
        ranks.suffice(0, "cpu")
    backend.of(1).die(-9)
    with pytest.raises(RanksError, match="2 ranks already run, but rank 1 is gone: `%ranks restart`"):
        ranks.suffice(2, "cpu")


def test_a_value_is_pushed_under_a_name(ranks, backend):
    for values in ((), (3.0,), ([0],)):
        with pytest.raises(UsageError, match=r"^nothing to push: give each value its name .* ranks\.push\(lr=lr\)"):
            ranks.push(*values)
    ranks.push([1], lr=1)
    assert [type(each).__name__ for each in backend.of(1).heard] == ["Push"]
    assert backend.of(0).heard == []


def test_names_that_ranks_did_not_find(ranks, backend):
    missing = Failure("NameError", "name 'loss' is not defined", ("tb",), 1)
    backend.answers[Execute] = lambda process, r: Answer(r.request, failure=missing if process.rank else OOPS)
    assert ranks.run("loss").missing_names() == {"loss": [1]}


def test_a_second_cell_meanwhile_is_refused(ranks, backend):
    refused = []

    def execute(_process, request):
        with pytest.raises(RanksError, match="busy with another cell") as error:
            ranks.run("2")
        refused.append(error)
        return Answer(request.request)

    backend.answers[Execute] = execute
    ranks.run("1")
    assert len(refused) == 2


def test_samples_of_all_ranks(ranks):
    sample = messages.Sample(1.0, busy=True, memory_bytes=5, peak_bytes=6, capacity_bytes=7)
    ranks.members[1].heard(sample)
    assert ranks.samples() == {0: (), 1: (sample,)}
    assert [each.memory_bytes for each in ranks.status()] == [None, 5]


def test_stopped_ranks_say_so(ranks):
    ranks.stop()
    ranks.stop()
    assert repr(ranks) == "<Ranks: stopped>"
    with pytest.raises(RanksError, match="no ranks run"):
        ranks.run("1")


def test_a_rank_that_does_not_answer_is_interrupted_and_named(members, backend, monkeypatch):
    monkeypatch.setattr(asking, "ANSWER_TIMEOUT_S", 0.01)
    backend.answers[Pull] = lambda process, request: Answer(request.request, "x") if process.rank else None
    with pytest.raises(RanksError, match=r"^rank 0 did not answer within"):
        asking.answers_of(members, [0, 1], Pull, "x", 10)
    assert [backend.of(rank).signals for rank in (0, 1)] == [[signal.SIGINT], []]
    backend.of(0).die(-9)
    assert asking.ask_first(members, Pull, "x", 10) == "x"


def test_one_press_costs_nothing_and_the_last_of_many_is_waited_out(monkeypatch):
    now, slept = [100.0], []
    clock = SimpleNamespace(monotonic=lambda: now[0], sleep=lambda s: (slept.append(s), now.__setitem__(0, now[0] + s)))
    monkeypatch.setattr(run_module, "time", clock)
    cell = object.__new__(CellRun)
    cell.presses = [100.0]
    cell.outlast_presses()
    assert slept == []
    cell.presses = [99.9, 100.0]
    cell.outlast_presses()
    assert now[0] - 100.0 >= run_module.PRESSED_AGAIN_S
