"""The magics in a real Jupyter kernel: what a learner sees in the notebook."""

import re
import statistics
import time

import pytest
from cells import cell
from kernel import ANSI, STARTED, Kernel

from mgpu_lab.wire.transfer import WIDGET_MIME


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("notebook")


@pytest.fixture(scope="module")
def kernel(folder):
    with Kernel(folder) as kernel:
        assert kernel.run("%load_ext mgpu_lab").text == ""
        yield kernel


@pytest.fixture
def notebook(kernel):
    """The kernel with two ranks; ``kept`` is there before and after, on the same processes."""
    if "no ranks run" in kernel.run("%ranks").text:
        assert not kernel.run("%ranks start -n 2 --device cpu").error
    shown = kernel.ranks("""
        import os
        kept = rank + 0.5
        print(os.getpid())""")
    assert not shown.error, shown.error
    yield kernel
    after = kernel.ranks("""
        assert kept == rank + 0.5
        dist.barrier()
        print(os.getpid())""")
    assert after.text == shown.text


def test_kernel_stays_free_of_torch(notebook):
    assert notebook.ranks("print(torch.ones(1).item()); torch.ones(2)").text.count("1.") >= 2
    shown = notebook.run("""
        import sys
        print([name for name in ('torch', 'transformers', 'deepspeed') if name in sys.modules])""")
    assert shown.stdout == "[]\n"


def test_first_cell_starts_ranks_and_says_so(folder):
    with Kernel(folder) as kernel:
        kernel.run("%load_ext mgpu_lab")
        assert re.match(r"Started \d ranks on .*\n\[0\] 0\n\[1\] 1\n", kernel.ranks("print(rank)").stdout)
        assert [kernel.run("%ranks stop").stdout for _ in range(2)] == ["Stopped 2 ranks.\n", "No ranks run.\n"]


# ---- output


def test_output_is_tagged_in_rank_order_and_merged(notebook):
    shown = notebook.ranks("""
        import time
        time.sleep(0.3 * (1 - rank))
        for _ in range(2): print('rank', rank)""")
    assert shown.stdout == "[0] rank 0\n[0] rank 0\n[1] rank 1\n[1] rank 1\n"
    assert notebook.ranks("print('same'); 'value'").stdout == "[0-1] same\n[0-1] 'value'\n"
    shown = notebook.ranks("import sys; print('aside', file=sys.stderr)")
    assert (shown.stdout, shown.stderr) == ("", "[0-1] aside\n")


@pytest.mark.parametrize("seconds", [0, 0.6])
def test_nothing_is_shown_twice(notebook, seconds):
    shown = notebook.ranks(f"""
        import time
        from IPython.display import HTML, display
        print('one line', rank)
        display(HTML(f'<b>{{rank}}</b>'))
        time.sleep({seconds})
        raise ValueError(f'wrong on {{rank}}')""")
    everything = shown.text + "".join(str(bundle) for bundle in shown.bundles)
    for rank in (0, 1):
        assert everything.count(f"one line {rank}\n") == 1
        assert everything.count(f"<b>{rank}</b>") == 1
        assert everything.count(f"ValueError: wrong on {rank}") == 1
    assert WIDGET_MIME not in everything, "the live view is gone when the cell has ended"


def test_line_is_seen_while_the_cell_runs(notebook, folder):
    """The cell goes on only when its line has been seen; how late it came is printed, not judged."""
    seen = folder / "seen"
    source = f"""
        %%ranks
        import pathlib, time
        for i in range(5):
            print(f'line {{i}} of rank {{rank}} at {{time.time()}}')
            while not pathlib.Path('{seen}').exists() or pathlib.Path('{seen}').read_text() < str(i):
                time.sleep(0.01)"""
    request = notebook.client.execute(cell(source), allow_stdin=False)
    late_s = {}
    give_up = time.monotonic() + 60
    while True:
        assert time.monotonic() < give_up, f"only {list(late_s)} came while the cell ran"
        message = notebook.client.get_iopub_msg(timeout=30)
        kind, content = message["msg_type"], message["content"]
        if message["parent_header"].get("msg_id") != request:
            continue
        if kind == "status" and content["execution_state"] == "idle":
            break
        text = str(content["data"].get("state", {}).get("value", "")) if kind in ("comm_open", "comm_msg") else ""
        for line, rank, printed in re.findall(r"line (\d) of rank (\d) at ([\d.]+)", text):
            late_s.setdefault((line, rank), time.time() - float(printed))
            if {(line, "0"), (line, "1")} <= {*late_s}:
                seen.write_text(line)
    notebook.client.get_shell_msg(timeout=10)
    assert len(late_s) == 10
    late = late_s.values()
    print(f"lines came after {statistics.median(late):.3f} s (median), {max(late):.3f} s (latest)")


def test_live_view_merges_and_overwrites_progress_bars(notebook):
    shown = notebook.ranks(r"""
        import sys, time
        for i in range(20):
            sys.stderr.write(f'\r{i + 1}/20')
            sys.stderr.flush()
            time.sleep(0.05)""")
    assert shown.stderr == "[0-1] 20/20\n"
    assert max(text.count("/20") for _, text in shown.timeline) <= 2


def test_figures_of_each_rank(notebook):
    shown = notebook.ranks("""
        import matplotlib.pyplot as plt
        %matplotlib inline
        plt.plot([0, rank])
        plt.show()""")
    assert not shown.error, shown.error
    assert sum("image/png" in bundle for bundle in shown.bundles) == 2
    assert [line for line in shown.stdout.splitlines() if line] == ["[0]:", "[1]:"]


def test_late_output_of_a_thread_comes_with_the_next_cell(notebook):
    shown = notebook.ranks("""
        import threading
        if rank == 1: threading.Timer(0.3, print, ['from a thread']).start()
        print('ended')""")
    assert shown.stdout == "[0-1] ended\n"
    time.sleep(0.6)
    shown = notebook.ranks("print('next')")
    assert shown.stdout == "[0-1] next\n"
    assert "rank 1 printed after its last cell had ended:\nfrom a thread" in shown.stderr


def test_trailing_expression_semicolon_and_none(notebook):
    for line in ("None", "rank;", "x = 1"):
        assert notebook.ranks(f"{line}").text == ""


# ---- errors


def test_one_error_with_the_ranks_own_lines(notebook):
    notebook.ranks("""
        def inner(value):
            return 1 / value""")
    shown = notebook.ranks("""
        def outer():
            return inner(0)
        outer()""")
    assert shown.error.count("ZeroDivisionError: division by zero") == 1
    assert "[0-1] ranks 0-1 raised ZeroDivisionError" in shown.error
    assert "----> 3 outer()" in shown.error
    assert "return 1 / value" in shown.error
    assert not re.search(r"mgpu_lab/|IPython/|multiprocessing/|run_cell_magic", shown.error)
    assert shown.stdout == shown.stderr == ""


def test_error_of_a_library_keeps_the_librarys_lines(notebook):
    shown = notebook.ranks("""
        import json
        json.loads('{')""")
    assert re.search(r"(?s)----> 2 json.loads\('\{'\).*json/decoder.py", shown.error)


def test_chained_error_shows_both(notebook):
    shown = notebook.ranks("""
        try:
            {}[1]
        except KeyError as e:
            raise ValueError('second') from e""")
    assert re.search("(?s)KeyError: 1.*ValueError: second", shown.error)


def test_error_stops_run_all(notebook):
    """A front end runs no further cells after an error: the kernel answers with status error."""
    request = notebook.client.execute("%%ranks\n1 // rank")
    reply = notebook.client.get_shell_msg(timeout=30)
    while reply["parent_header"]["msg_id"] != request:
        reply = notebook.client.get_shell_msg(timeout=30)
    assert reply["content"]["status"] == "error"


def test_python_code_can_catch_the_error_and_read_the_result(notebook):
    shown = notebook.run("""
        from mgpu_lab import CellError
        try:
            get_ipython().run_cell_magic('ranks', '', 'print(rank); 1 // rank;')
        except CellError as error:
            print(error)
            print(error.result[1].stdout)""")
    assert shown.stdout == "[0] 0\n[1] 1\nrank 0: ZeroDivisionError: integer division or modulo by zero\n1\n\n"


# ---- bad input: one line, what to do, nothing touched

BAD_INPUT = {
    "%ranks start -n 3": "2 ranks already run on the CPU. For 3 on the CPU, run `%ranks stop` first",
    "%%ranks --wacth\n1": r"--wacth \(did you mean --watch\?\)",
    "%ranks strat -n 2": "knows no 'strat'; did you mean `%ranks start -n 2`",
    "%ranks restart --on 9": "no rank 9: 2 ranks run",
    "class Mine: pass\nranks.push(mine=Mine())": "ranks 0-1: they do not know a class.*'Mine'.*define it in a %%ranks",
    "%%ranks --on 7\nprint(1)": "no rank 7: 2 ranks run, numbered 0 to 1",
    "ranks.pull('nowhere')": "no variable 'nowhere'",
    "ranks.push(bad=lambda: 1)": "cannot be pickled",
}


@pytest.mark.parametrize("source", BAD_INPUT)
def test_bad_input_is_one_line(notebook, source):
    shown = notebook.run(source)
    assert re.search(BAD_INPUT[source], shown.error), shown.text
    assert len(shown.error.splitlines()) == 1, shown.error
    assert shown.ename in ("UsageError", "RanksError")
    assert shown.stdout == shown.stderr == ""


def test_cell_without_a_body_is_one_line(notebook):
    shown = notebook.ranks("")
    assert re.fullmatch("UsageError: .*body is empty.*%ranks.*\n", shown.stderr), shown.text


@pytest.mark.parametrize("line", ["-n 0", "--device cuda"])
def test_bad_start_is_one_line_and_starts_nothing(kernel, line):
    kernel.run("%ranks stop")
    if "cuda" in line and "CUDA" in kernel.run("!ls /dev | grep -c nvidiactl").text:
        pytest.skip("there is a GPU")
    shown = kernel.run(f"%ranks start {line}")
    assert (shown.ename, len(shown.error.splitlines())) == ("UsageError", 1), shown.error
    assert "no ranks run: start them with `%ranks start`" in kernel.run("%ranks").error


def test_syntax_error_is_shown_once_and_runs_nowhere(notebook):
    shown = notebook.ranks("""
        kept = 'overwritten'
        for""")
    assert shown.error.count("SyntaxError") <= 2
    assert "line 2" in shown.error
    assert not re.search("mgpu_lab/|IPython/", shown.error)


# ---- a learner's slips: the error says what to do next


def test_a_name_on_the_wrong_side(notebook):
    notebook.ranks("losses = [rank]\nif rank == 1: only = 1")
    notebook.run("rate = 0.1\ndef helper(): return losses")
    for source in ("losses", "helper()"):
        shown = notebook.run(source)
        assert shown.ename == "NameError"
        assert shown.stderr == (
            "`losses` exists on the ranks, not in the notebook: begin the cell with %%ranks, or take its values with "
            "ranks.pull('losses').\n"
        )
    assert "`world_size` exists on the ranks" in notebook.run("world_size").stderr
    assert notebook.run("nowhere").stderr == ""
    there = "exists in the notebook, not on the ranks:"
    assert notebook.ranks("rate").error.endswith(
        f"`rate` {there} ranks.push(rate=rate), or define it in a %%ranks cell."
    )
    assert notebook.ranks("helper()").error.endswith(f"`helper` {there} define it in a %%ranks cell.")
    assert "`only` exists on rank 1, not on rank 0" in notebook.ranks("only").error
    assert "exists" not in notebook.ranks("nowhere").error
    assert notebook.run("import sys; print('torch' in sys.modules)").stdout == "False\n"


def test_a_users_own_handler_of_errors_stays(notebook):
    notebook.run("""
        def mine(shell, kind, value, tb, tb_offset=None): print("mine:", value)
        get_ipython().set_custom_exc((NameError,), mine)""")
    shown = notebook.run("dist")
    assert (shown.stdout, shown.stderr[:23]) == ("mine: name 'dist' is not defined\n", "`dist` exists on the ra")
    notebook.run("get_ipython().set_custom_exc((), None)")


def test_a_name_that_a_restart_has_taken(folder):
    with Kernel(folder) as kernel:
        kernel.run(STARTED)
        kernel.ranks("early = 1")
        kernel.run("%ranks restart --on 1")
        again = "restarted: run the cell that defines it again."
        assert kernel.ranks("early").error.endswith(f"`early` was lost when rank 1 was {again}")
        kernel.run("%ranks restart")
        assert kernel.ranks("early").error.endswith(f"`early` was lost when the ranks were {again}")
        kernel.run("%ranks stop")
        assert kernel.ranks("early").error.endswith(f"`early` was lost when the ranks were {again}")
        assert not kernel.ranks("early = 2\nearly").error


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        ("%%rank\nprint(1)", "Did you mean %%ranks?"),
        ("%rnaks start", "Did you mean %ranks?"),
        ("# my cell\n%%ranks\nprint(1)", "%%ranks must be the first line of its cell"),
    ],
)
def test_a_misspelt_magic(notebook, cell, says):
    assert re.fullmatch(rf"UsageError: .* not found\.\n{re.escape(says)}.*\n", notebook.run(cell).stderr)


def test_ranks_that_run_are_not_started_again(notebook):
    for line in ("-n 2 --device cpu", "-n 2", ""):
        assert notebook.run(f"%ranks start {line}").stdout == "2 ranks already run; variables are kept.\n"


def test_an_answers_error_shows_the_answer_and_no_lines_of_the_check(notebook):
    shown = notebook.run("""
        from mgpu_lab import check
        def bytes_sent(parameters, world_size):
            return parameters.nothing
        check("ring-bytes", bytes_sent)""")
    assert re.search(
        r"(?s)check\(\"ring-bytes\".*return parameters.nothing.*'int' object has no attribute", shown.error
    )
    assert not re.search(r"mgpu_lab/|hidden", shown.error)


def test_a_time_limit_is_the_headline(notebook):
    shown = notebook.run("""
        try:
            get_ipython().run_cell_magic('ranks', '--timeout 0.5', 'while True: pass')
        except Exception as error:
            print(error)""")
    assert shown.stdout == "The time limit of 0.5 s (--timeout) was reached: ranks 0-1 were interrupted\n"


def test_export_says_what_is_missing(folder):
    with Kernel(folder) as kernel:
        kernel.run(STARTED)
        kernel.ranks("for i in range(3):\n    if i: 1 / 0")
        kernel.ranks("print(i)")
        kernel.ranks("from mgpu_lab import check\ndef bytes_sent(a, b): ...")
        kernel.ranks('check("ring-bytes", bytes_sent)')
        shown = kernel.run(f"%ranks export {folder / 'missing.py'}")
        assert "Wrote 2 cells (1 that failed and 1 exercise left out)" in shown.stdout
        assert "It is not complete: cell 2 needs `i`, which only cell 1 set" in shown.stdout


# ---- commands


def test_status_is_a_table(notebook):
    shown = notebook.run("%ranks")
    bundle = shown.bundles[-1]
    assert bundle["text/plain"].split("\n")[0].split() == ["rank", "pid", "device", "state", "memory", "last", "cell"]
    assert bundle["text/html"].count('<th scope="row"') == 2
    assert notebook.run("%ranks status").bundles[-1]["text/plain"].count("idle") == 2
    assert notebook.run("%ranks where").stdout == "ranks 0-1 are idle.\n"


def test_a_cell_that_calls_the_magic_keeps_its_own_output(notebook):
    shown = notebook.run("""
        print("before")
        for line in ("", "--watch"):
            get_ipython().run_cell_magic("ranks", line, "import time; print(rank); time.sleep(0.4)")
        print("after")""")
    assert not shown.error
    assert shown.stdout == "before\n" + 2 * "[0] 0\n[1] 1\n" + "after\n"
    assert [bundle["text/plain"].split("\n")[0] for bundle in shown.bundles] == ["Ranks, last figures"]


def test_restart_and_export(kernel, folder):
    kernel.run("%ranks stop")
    kernel.run("%ranks start -n 2 --device cpu")
    kernel.ranks("x = rank; print(x)")
    target = folder / "train.py"
    assert "torchrun --nproc_per_node=2" in kernel.run(f"%ranks export {target}").stdout
    compile(target.read_text(), "train.py", "exec")
    assert "Started" in kernel.run("%ranks restart").stdout
    assert "NameError" in kernel.ranks("x").error


def test_variable_ranks_drives_the_same_ranks(notebook):
    notebook.run("ranks.push(lr=0.5)")
    notebook.ranks("twice = 2 * lr")
    assert notebook.run("print(ranks.pull('twice'))").stdout == "[1.0, 1.0]\n"


def test_reloading_the_extension_stops_the_ranks_and_says_so(folder):
    with Kernel(folder) as kernel:
        kernel.run(STARTED)
        assert kernel.run("%reload_ext mgpu_lab").stdout == "Stopped 2 ranks.\n"
        assert "no ranks run" in kernel.run("%ranks where").error
        assert kernel.ranks("print(world_size)").stdout.endswith("[0-1] 2\n")


def test_start_time_limit_holds_for_all_cells(folder):
    with Kernel(folder) as kernel:
        kernel.run(f"{STARTED} --timeout 0.5")
        assert "time limit of 0.5 s (--timeout) was reached" in kernel.ranks("while True: pass").error
        assert not kernel.run("""
            %%ranks --timeout 20
            import time
            time.sleep(0.8)""").error


# ---- completion and help


def complete(kernel: Kernel, code: str) -> list[str]:
    return kernel.client.complete(code, reply=True, timeout=20)["content"]["matches"]


def test_completion_knows_the_ranks_names(notebook):
    notebook.ranks("only_on_ranks = {'a': 1}")
    notebook.run("only_in_notebook = 1")
    assert complete(notebook, "%%ranks\nonly_") == ["only_on_ranks"]
    assert "keys" in complete(notebook, "%%ranks --on 0\nx = 1\nonly_on_ranks.ke")[0]
    assert complete(notebook, "%%ranks\n'\U0001f642\u00e9'; only_") == ["only_on_ranks"], "wide characters before it"
    assert complete(notebook, "only_") == ["only_in_notebook"]
    assert "all_reduce" in complete(notebook, "%%ranks\ndist.all_red")[0]


def test_help_knows_the_ranks_names(notebook):
    notebook.run('%%ranks\ndef only_here(x):\n    """Say what it is for."""')
    code = "%%ranks\nonly_here"
    reply = notebook.client.inspect(code, len(code), reply=True, timeout=20)["content"]
    assert "Say what it is for." in ANSI.sub("", reply["data"]["text/plain"])
    assert not notebook.ranks("only_here?").error
