"""The fault matrix as data: what a learner's cell may do to the ranks, and what must come of it.

Each row is stated before it is run: how the cell ends, what the message says, on which ranks the variables set
before are lost (and why no better is possible), what brings back a full set of ranks. ``test_faults`` runs the rows.
The rank that misbehaves is rank 1. ``stamp()`` in a cell notes the moment from which the answer is awaited.
A cell is an indented block, or a tuple of blocks that follow each other.
"""

from dataclasses import dataclass
from textwrap import dedent

ITSELF, STOP, TIMEOUT = "by itself", "Stop", "--timeout"
ALL = (0, 1, 2, 3)
ONE_AGAIN = "%ranks restart --on 1"
ALL_AGAIN = "%ranks restart"
WAITING = r"{others} waiting in"  # "rank 0 was waiting in", "ranks 0, 2-3 were waiting in"
RENEWED = "process group was recreated; variables are kept"
UNHARMED = r"\[0-{last}\] ranks 0-{last} raised CollectiveMismatchError"  # all noticed it before they entered gloo
SETTLED = f"{RENEWED}|{UNHARMED}"
STOPPED = "Stop was pressed"
TIME_IS_UP = r"time limit of 0\.5 s \(--timeout\) was reached"
GONE = "the process has ended and its memory with it"
NOT_INTERRUPTIBLE = "C code does not return to Python, so that only SIGKILL ends it"


@dataclass(frozen=True)
class Row:
    """One fault. ``{others}`` in a phrase stands for all ranks but 1, with the verb."""

    name: str
    cell: str | tuple[str, ...]
    says: tuple[str, ...] = ()  # regular expressions found in what the cell shows
    ends: str = ITSELF
    before: str | tuple[str, ...] = ""  # a cell that is run first and must succeed
    lost: tuple[int, ...] = ()  # ranks whose variables are gone
    why: str = ""  # why no better is possible; given exactly where something is lost
    restart: str = ""  # what brings the missing ranks back
    never_says: tuple[str, ...] = ()
    fails: bool = True  # whether the cell ends in an error
    needs: str = ""  # a package that must be there
    after: str | tuple[str, ...] = ""  # one more cell that must succeed at the end
    slow: bool = False  # not in the default run
    line: str = "%%ranks"
    sizes: tuple[int, ...] = (2, 4)
    pause_s: float = 0.0  # between ``before`` and the cell

    def __post_init__(self) -> None:
        for name in ("cell", "before", "after"):
            object.__setattr__(self, name, code(getattr(self, name)))


def code(blocks: str | tuple[str, ...]) -> str:
    """The text of a cell."""
    return "\n".join(dedent(block).strip("\n") for block in ((blocks,) if isinstance(blocks, str) else blocks))


ONE_RAISES = """\
if rank == 1:
    stamp()
    raise ValueError("broken data on rank 1")
"""
RAISED = (r"rank 1 raised ValueError", r"ValueError: broken data on rank 1")
TINY = code(("net = torch.nn.Linear(8, 8)", "x = torch.randn(4, 8)"))
MESH = code("""
    from torch.distributed.device_mesh import init_device_mesh
    mesh = init_device_mesh('cpu', (world_size,))
""")
DDP = code((TINY, "ddp = torch.nn.parallel.DistributedDataParallel(net)", "ddp(x).sum().backward()"))
FSDP = code((TINY, "from torch.distributed.fsdp import fully_shard", "fully_shard(net)", "net(x).sum().backward()"))
# fmt: off
DEEPSPEED = code((TINY, """
    import deepspeed, logging
    logging.getLogger("DeepSpeed").setLevel(logging.ERROR)
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    engine, *_ = deepspeed.initialize(model=net, config={
        "train_micro_batch_size_per_gpu": 4, "zero_optimization": {"stage": STAGE},
        "zero_allow_untested_optimizer": True, "optimizer": {"type": "AdamW", "params": {"torch_adam": True}}})
    engine.backward(engine(x).pow(2).mean())
    engine.step()"""))
ENGINE_AGAIN = code(("%%ranks", DEEPSPEED, "print('step', engine.global_steps)"))

# ---- one rank raises while the others wait

WAITS = (
    Row("raise: others wait in all_reduce", (ONE_RAISES, "dist.all_reduce(torch.ones(4))"),
        (*RAISED, WAITING + r" all_reduce\(4 x float32\), line 4", RENEWED),
        never_says=("Connection closed", "RuntimeError")),
    Row("raise: others wait in a barrier", (ONE_RAISES, "dist.barrier()"), (*RAISED, WAITING + " barrier", RENEWED)),
    Row("raise: others wait for an object",
        (ONE_RAISES, "found = [None] * world_size; dist.all_gather_object(found, rank)"),
        (*RAISED, WAITING + " all_gather_object", RENEWED)),
    Row("raise: others wait in recv from it", (ONE_RAISES, "dist.recv(torch.ones(4), src=1)"),
        (*RAISED, WAITING + " recv", RENEWED)),
    Row("raise: others wait in work.wait()", (ONE_RAISES, """
        work = dist.all_reduce(torch.ones(4), async_op=True)
        work.wait()"""), (*RAISED, WAITING + r" `work\.wait\(\)`, line 5", RENEWED)),
    Row("raise: others wait in DDP's backward", ("loss = ddp(x).sum()", ONE_RAISES, "loss.backward()"),
        (*RAISED, WAITING + " .*backward.*, line 5", RENEWED), before=DDP, after=("%%ranks", DDP)),
    Row("raise: in a hook inside DDP's backward", """
        def hook(grad):
            if rank == 1:
                stamp()
                raise ValueError("broken data on rank 1")
        x = torch.randn(4, 8, requires_grad=True)
        y = ddp(x); y.register_hook(hook)
        y.sum().backward()""", (*RAISED, WAITING, RENEWED), before=DDP, after=("%%ranks", DDP)),
    Row("raise: others wait in FSDP2's backward", ("loss = net(x).sum()", ONE_RAISES, "loss.backward()"),
        (*RAISED, WAITING, RENEWED), before=FSDP, after=("%%ranks", FSDP)),
    Row("raise: others wait in a subgroup of new_group", ("part = dist.new_group([0, 1])", ONE_RAISES,
        "if rank == 0: dist.all_reduce(torch.ones(4), group=part)"),
        (*RAISED, r"rank 0 was waiting in all_reduce\(4 x float32\), line 5", RENEWED), after="""
        %%ranks
        part = dist.new_group([0, 1])
        if rank < 2: dist.all_reduce(torch.ones(4), group=part)"""),
    Row("raise: others wait in a DeviceMesh's group", (ONE_RAISES,
        "dist.all_reduce(torch.ones(4), group=mesh.get_group())"), (*RAISED, WAITING, RENEWED), before=MESH,
        after=("%%ranks", MESH, "dist.all_reduce(torch.ones(4), group=mesh.get_group())")),
    Row("raise: others redistribute a DTensor", ("""
        from torch.distributed.tensor import distribute_tensor, Replicate, Shard
        whole = distribute_tensor(torch.ones(8), mesh, [Shard(0)])""", ONE_RAISES, "print(whole.full_tensor())"),
        (*RAISED, WAITING, RENEWED), before=MESH),
    Row("raise: others make a new_group", (ONE_RAISES, "dist.new_group([0, 1]);"),
        (*RAISED, "rank 0 was waiting in new_group", RENEWED)),
    Row("raise: others wait for a key of the store", ("store = dist.distributed_c10d._get_default_store()", ONE_RAISES,
        "store.get('never')"), (*RAISED, WAITING, RENEWED)),
    Row("raise: in a DeepSpeed step, stage 2", ("loss = engine(x).pow(2).mean()", ONE_RAISES, """
        engine.backward(loss)
        engine.step()"""), (*RAISED, "waiting in .*line [45]", RENEWED), before=DEEPSPEED.replace("STAGE", "2"),
        after=ENGINE_AGAIN.replace("STAGE", "2"), needs="deepspeed"),
    Row("raise: in a DeepSpeed step, stage 3", (ONE_RAISES, """
        engine.backward(engine(x).pow(2).mean())
        engine.step()"""), (*RAISED, "waiting in .*line [45]", RENEWED), before=DEEPSPEED.replace("STAGE", "3"),
        after=ENGINE_AGAIN.replace("STAGE", "3"), needs="deepspeed"),
    Row("raise: others compute for a while first", """
        import time
        if rank == 1:
            raise ValueError('broken data on rank 1')
        end = time.time() + 0.7
        while time.time() < end: pass
        stamp()
        dist.all_reduce(torch.ones(4))""", (*RAISED, WAITING + " all_reduce", RENEWED)),
    Row("raise: others catch the error of the release", ("import time", ONE_RAISES, """
        try:
            dist.all_reduce(torch.ones(4))
        except Exception as error:
            caught = type(error).__name__"""), (*RAISED, WAITING, RENEWED)),
    Row("raise: others call again when released", (ONE_RAISES, """
        for _ in range(3):
            try:
                dist.all_reduce(torch.ones(4))
            except Exception:
                pass"""), (*RAISED, WAITING, RENEWED)),
    Row("raise: the same error everywhere", "stamp(); raise ValueError('the same')",
        (r"\[0-\d\] ranks 0-\d raised ValueError", "ValueError: the same")),
    Row("raise: different errors", "stamp(); raise (ValueError('one of them') if rank == 1 else KeyError('the other'))",
        ("rank 1 raised ValueError", "rank.* 0.* raised KeyError")),
)

# ---- Stop

LOCK_TWICE = """\
import ctypes
lock = (ctypes.c_char * 64)()
library = ctypes.{kind}(None)
library.pthread_mutex_lock(lock)
if rank == 1:
    library.pthread_mutex_lock(lock)
"""
LOADER = """\
import time
class Slow(torch.utils.data.Dataset):
    def __len__(self): return 100
    def __getitem__(self, i):
        time.sleep(30)
        return i
"""

STOPS = (
    Row("stop: Python loop", "while True: pass", (STOPPED, "ranks? 0"), STOP),
    Row("stop: time.sleep", "import time; time.sleep(1000)", (STOPPED,), STOP),
    Row("stop: await", "import asyncio; await asyncio.sleep(1000)", (STOPPED,), STOP),
    Row("stop: waiting for a queue", "import queue; queue.Queue().get()", (STOPPED,), STOP),
    Row("stop: thread that is joined", """
        import threading, time
        thread = threading.Thread(target=time.sleep, args=(3,))
        thread.start()
        thread.join()""", (STOPPED,), STOP),
    Row("stop: collective the others never make", """
        if rank != 1:
            dist.all_reduce(torch.ones(4))""", (STOPPED, WAITING + r" all_reduce\(4 x float32\), line 2", RENEWED),
        STOP),
    Row("stop: mismatched collectives (recv against all_reduce)", """
        if rank == 1:
            dist.recv(torch.ones(4), src=0)
        else:
            dist.all_reduce(torch.ones(4))""",
        (STOPPED, "rank 1 was waiting in recv.*line 2", WAITING + r" all_reduce\(4 x float32\), line 4", RENEWED),
        STOP),
    Row("stop: recv from any source", """
        if rank == 1:
            dist.recv(torch.ones(4))""", (STOPPED, "rank 1 .*killed"), STOP, lost=(1,),
        why="gloo offers no way out of a recv from any source"),
    Row("stop: new_group entered by one rank", """
        if rank == 1:
            dist.new_group([0, 1])""", (STOPPED, "rank 1 was waiting in new_group.*line 2", RENEWED), STOP),
    Row("stop: DeviceMesh made by one rank", """
        from torch.distributed.device_mesh import init_device_mesh
        if rank == 1:
            init_device_mesh('cpu', (2, world_size // 2))""", (STOPPED, "rank 1 was waiting in", RENEWED), STOP,
        sizes=(4,)),
    Row("stop: C call that never returns, interpreter free", LOCK_TWICE.format(kind="CDLL"),
        (STOPPED, "rank 1 .*killed.*variables are lost"), STOP, lost=(1,), why=NOT_INTERRUPTIBLE),
    Row("stop: C call that never returns, interpreter held", LOCK_TWICE.format(kind="PyDLL"),
        (STOPPED, "rank 1 .*killed.*variables are lost"), STOP, lost=(1,), why=NOT_INTERRUPTIBLE),
    Row("stop: C sleep, interpreter held", "import ctypes; ctypes.PyDLL(None).sleep(1000)", (STOPPED,), STOP),
    Row("stop: C sleep, interpreter free", "import ctypes; ctypes.CDLL(None).sleep(1000)", (STOPPED,), STOP),
    Row("stop: DataLoader with workers", (LOADER,
        "for batch in torch.utils.data.DataLoader(Slow(), num_workers=2): pass"), (STOPPED,), STOP),
    Row("stop: child process", "import subprocess; subprocess.run(['sleep', '1000'])", (STOPPED,), STOP),
    Row("stop: !command", "!sleep 1000", (STOPPED,), STOP, fails=False),
    Row("stop: os.system", """
        import os, time
        os.system('sleep 1000')
        print('went on')""", (STOPPED,), STOP, fails=False),
    Row("stop: child that ignores Ctrl-C", """
        import subprocess
        if rank == 1:
            subprocess.run(['sh', '-c', 'trap "" INT; sleep 1000; sleep 1000'])""", (STOPPED,), STOP),
    Row("stop: regular expression that never ends", """
        import re
        if rank == 1:
            re.match('(a+)+$', 'a' * 60 + 'b')""", (STOPPED,), STOP),
    Row("stop: loop that swallows KeyboardInterrupt", """
        import time
        while rank == 1:
            try:
                time.sleep(0.05)
            except KeyboardInterrupt:
                pass""", (STOPPED, "rank 1 .*killed.*variables are lost"), STOP, lost=(1,),
        why="the cell itself refuses every interrupt"),
    Row("stop: loop that ignores SIGINT", """
        import signal, time
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        while rank == 1:
            time.sleep(0.05)""", (STOPPED, "rank 1 .*killed.*variables are lost"), STOP, lost=(1,),
        why="the cell itself switched interrupts off"),
    Row("stop: swallows the first interrupt, then computes on", """
        import time
        try:
            time.sleep(1000)
        except KeyboardInterrupt:
            print('tidied up')""", (STOPPED, "tidied up"), STOP, fails=False),
    Row("stop: rank stopped by SIGSTOP", """
        import os, signal
        if rank == 1:
            os.kill(os.getpid(), signal.SIGSTOP)
        dist.barrier()""", (STOPPED, "rank 1 .*killed.*variables are lost", WAITING + " barrier"), STOP, lost=(1,),
        why="a stopped process answers nothing"),
    Row("stop: rank holds the interpreter while the others wait", (LOCK_TWICE.format(kind="PyDLL"), "dist.barrier()"),
        (STOPPED, "rank 1 .*killed.*variables are lost", WAITING + " barrier"), STOP, lost=(1,), why=NOT_INTERRUPTIBLE),
    Row("stop: 300 threads", """
        import threading, time
        end = threading.Event()
        threads = [threading.Thread(target=end.wait, daemon=True) for _ in range(300)]
        for thread in threads: thread.start()
        while True: time.sleep(1)""", (STOPPED,), STOP, after="""
        %%ranks
        end.set()
        for thread in threads: thread.join()"""),
    Row("stop: endless output", "while True: print('x' * 200)", (STOPPED, r"bytes of output cut here"), STOP),
    Row("timeout: Python loop", """
        stamp(0.5)
        while True: pass""", (TIME_IS_UP,), TIMEOUT, line="%%ranks --timeout 0.5"),
    Row("timeout: collective the others never make", """
        stamp(0.5)
        if rank != 1:
            dist.all_reduce(torch.ones(4))""", (TIME_IS_UP, WAITING + " all_reduce", RENEWED),
        TIMEOUT, line="%%ranks --timeout 0.5"),
)

# ---- a rank ends

OTHERS_WAIT = "dist.all_reduce(torch.ones(4))"


def death(name: str, how: str, *says: str, then: str = OTHERS_WAIT) -> Row:
    """Rank 1 ends by ``how`` while the others wait."""
    cell = (f"""
        import ctypes, os, signal, sys
        print('last words of', rank)
        if rank == 1:
            stamp()
            {how}""", then)
    return Row(f"death: {name}", cell, (*says, "rank 1 is gone"), lost=(1,), why=GONE, restart=ONE_AGAIN)


DEATHS = (
    death("SIGKILL", "os.kill(os.getpid(), signal.SIGKILL)", "SIGKILL", "last words of 1", WAITING + " all_reduce"),
    death("os._exit(3)", "os._exit(3)", "exited with code 3", "last words of 1", WAITING + " all_reduce"),
    death("os._exit(0)", "os._exit(0)", "exited with code 0", WAITING + " all_reduce"),
    death("segfault", "ctypes.string_at(0)", "SIGSEGV", WAITING + " all_reduce"),
    death("abort", "os.abort()", "SIGABRT", WAITING + " all_reduce"),
    death("SIGTERM", "os.kill(os.getpid(), signal.SIGTERM); signal.pause()", "SIGTERM", WAITING + " all_reduce"),
    death("its whole process group", "os.killpg(0, signal.SIGKILL)", "SIGKILL", WAITING + " all_reduce"),
    death("others have finished", "os._exit(3)", "exited with code 3", then=""),
    death("a thread ends it while it waits too", "import threading; threading.Timer(0.3, os._exit, [5]).start()",
        "exited with code 5", then="if rank != 0: dist.all_reduce(torch.ones(4))"),
    death("while the others compute", "os._exit(3)", "exited with code 3", then="""
        import time
        end = time.time() + 0.5
        while time.time() < end: pass
        stamp()"""),
    Row("death: all ranks", """
        import os
        stamp()
        os._exit(3)""", ("exited with code 3", r"ranks 0-\d are gone", "%ranks restart"), lost=ALL, why=GONE,
        restart=ALL_AGAIN),
    Row("death: the template is killed by a cell", """
        import os, signal
        if rank == 1:
            stamp()
            os.kill(os.getppid(), signal.SIGKILL)
        import time; time.sleep(5)""", ("gone", "%ranks restart"), lost=ALL,
        why="ranks end with the process they were forked from, so that none can be left behind", restart=ALL_AGAIN),
    Row("death: rank is gone when the next cell starts", "stamp(); print('never printed')",
        ("rank 1 is gone", "SIGKILL", "%ranks restart --on 1"), before="""
        import os, signal, threading
        if rank == 1: threading.Timer(0.2, os.kill, [os.getpid(), signal.SIGKILL]).start()
        import time""", lost=(1,), why=GONE, restart=ONE_AGAIN, never_says=("never printed",), pause_s=0.6),
    Row("exit: sys.exit()", """
        import sys
        stamp()
        sys.exit(2)""", ("sys.exit", "rank lives on")),
    Row("exit: sys.exit() while others wait", """
        import sys
        if rank == 1:
            stamp()
            sys.exit()
        dist.barrier()""", ("sys.exit", WAITING + " barrier", RENEWED)),
    Row("exit: exit()", "stamp(); exit()", ("exit ends nothing here", "%ranks stop")),
    Row("exit: raise KeyboardInterrupt", """
        stamp()
        if rank == 1: raise KeyboardInterrupt
        dist.barrier()""", ("rank 1.*KeyboardInterrupt", WAITING + " barrier", RENEWED)),
    Row("exit: input()", "stamp(); name = input('name? ')", ("no keyboard", "ranks.push")),
    Row("exit: breakpoint()", "stamp(); breakpoint()", ("no keyboard",)),
    Row("exit: %debug", """
        stamp()
        %debug""", (), fails=False),
)

# ---- mismatched calls

MISMATCHES = (
    Row("mismatch: sizes", """
        stamp()
        dist.all_reduce(torch.ones(8 if rank == 1 else 4))""",
        (r"CollectiveMismatchError", r"rank \d calls all_reduce\(\d x float32\), line 2", r"all_reduce\(4 x float32\)",
         r"all_reduce\(8 x float32\)", SETTLED)),
    Row("mismatch: smaller broadcast (gloo would mix the data up in silence)",
        "stamp(); dist.broadcast(torch.ones(4 if rank == 0 else 8), src=0)",
        ("CollectiveMismatchError", r"broadcast\(4 x float32, src=0\)", SETTLED)),
    Row("mismatch: dtypes",
        "stamp(); dist.all_reduce(torch.ones(4, dtype=torch.float64 if rank == 1 else torch.float32))",
        ("CollectiveMismatchError", "float32", "float64", SETTLED)),
    Row("mismatch: operations", """
        stamp()
        if rank == 1:
            dist.broadcast(torch.ones(4), src=0)
        else:
            dist.all_reduce(torch.ones(4))""",
        ("CollectiveMismatchError", "broadcast", "all_reduce", "line 3", "line 5", SETTLED)),
    Row("mismatch: reduce operation",
        "stamp(); dist.all_reduce(torch.ones(4), op=dist.ReduceOp.MAX if rank == 1 else dist.ReduceOp.SUM)",
        ("CollectiveMismatchError", "max", SETTLED)),
    Row("mismatch: root", "stamp(); dist.broadcast(torch.ones(4), src=int(rank == 1))",
        ("CollectiveMismatchError", "src=0", "src=1", SETTLED)),
    Row("mismatch: asynchronous", """
        stamp()
        work = dist.all_reduce(torch.ones(8 if rank == 1 else 4), async_op=True)
        work.wait()""", ("CollectiveMismatchError", r"all_reduce\(8 x float32\)", SETTLED)),
    Row("mismatch: object against tensor", """
        stamp()
        if rank == 1:
            dist.broadcast_object_list([1], src=0)
        else:
            dist.broadcast(torch.ones(4), src=0)""", ("CollectiveMismatchError", "broadcast_object_list", SETTLED)),
    Row("mismatch: a call too few, noticed at the end", """
        stamp()
        dist.all_reduce(torch.ones(1))
        if rank == 0:
            work = dist.all_reduce(torch.ones(4), async_op=True)""", ("did not make the same calls", "rank 0 made"),
        fails=False),
    Row("mismatch: send larger than recv", """
        if rank == 0:
            stamp()
            dist.send(torch.ones(8), dst=1)
        elif rank == 1:
            dist.recv(torch.ones(4), src=0)""", ("rank 1 is gone",), lost=(1,),
        why="gloo ends the receiving process; point-to-point calls are not compared beforehand", restart=ONE_AGAIN),
)

# ---- the cell damages what the rank needs

DAMAGES = (
    Row("damage: replaces sys.stdout", """
        import io, sys
        sys.stdout = io.StringIO()
        print('into the void')
        stamp()""", fails=False, never_says=("void",)),
    Row("damage: sys.stdout = None", """
        import sys
        sys.stdout = sys.stderr = None
        stamp()""", fails=False),
    Row("damage: closes sys.stdout", """
        import sys
        stamp()
        sys.stdout.close()""", fails=False),
    Row("damage: closes descriptor 1", """
        import os
        os.close(1)
        os.close(2)
        stamp()""", fails=False),
    Row("damage: deletes dist and rank", "stamp(); del dist, rank, world_size, torch", fails=False),
    Row("damage: %reset -f", "%reset -f", fails=False, lost=ALL, why="the cell deletes the variables itself"),
    Row("damage: destroys the process group", "stamp(); dist.destroy_process_group()", fails=False),
    Row("damage: one rank destroys the process group", """
        if rank == 1:
            stamp()
            dist.destroy_process_group()
        else:
            dist.barrier()""", ("rank 1 left the process group", "barrier")),
    Row("damage: second init_process_group", "stamp(); dist.init_process_group('gloo')",
        ("already have a process group",), fails=False),
    Row("damage: env:// init after destroy", """
        dist.destroy_process_group()
        dist.init_process_group('gloo', init_method='env://')
        t = torch.ones(1)
        dist.all_reduce(t)
        print('sum', t.item())
        stamp()""", (r"\[0-\d\] sum \d",), fails=False),
    Row("damage: env:// init, then one rank raises",
        ("dist.destroy_process_group(); dist.init_process_group('gloo')", ONE_RAISES, "dist.barrier()"),
        (*RAISED, WAITING + " barrier", RENEWED)),
    Row("damage: env:// init entered by one rank", """
        dist.destroy_process_group()
        if rank == 1:
            dist.init_process_group('gloo')""", (r"rank 1 was waiting in .*init_process_group", RENEWED),
        never_says=("frame #",)),
    Row("damage: deletes the store's file", """
        import pathlib
        for path in pathlib.Path(store_file).parent.glob('*-*'): path.unlink(missing_ok=True)
        stamp()""", before="""
        store_file = dist.distributed_c10d._get_default_store()
        while not hasattr(store_file, 'path'): store_file = store_file.underlying_store
        store_file = store_file.path""", fails=False),
    Row("damage: closes all descriptors", """
        import os
        if rank == 1:
            stamp()
            os.closerange(3, 1000)
        dist.barrier()""", ("rank 1", WAITING + " barrier"), lost=(1,),
        why="the pipe to the notebook is closed with the others", restart=ONE_AGAIN),
    Row("damage: changes directory", """
        import os
        os.chdir('/')
        stamp()""", fails=False, after="""
        %%ranks
        import os
        assert os.getcwd() == '/'"""),
    Row("damage: removes its directory", """
        import os, tempfile
        here = os.getcwd()
        folder = tempfile.mkdtemp()
        os.chdir(folder)
        os.rmdir(folder)
        stamp()""", fails=False, after="""
        %%ranks
        import os
        os.chdir('/')"""),
    Row("damage: clears the environment", """
        import os
        os.environ.clear()
        stamp()""", fails=False),
    Row("damage: deep recursion", """
        def f(n): return f(n + 1)
        stamp()
        f(0)""", ("RecursionError",)),
    Row("damage: error without words", """
        class Mute(Exception):
            def __str__(self): raise RuntimeError('no')
        stamp()
        raise Mute()""", ("Mute",)),
    Row("damage: DTensor made before the process group was recreated", "stamp(); whole.full_tensor()",
        ("StaleGroupError: this DeviceMesh was made before",), before=(MESH, """
        from torch.distributed.tensor import distribute_tensor, Shard
        whole = distribute_tensor(torch.ones(8), mesh, [Shard(0)])
        if rank == 1: dist.destroy_process_group()""")),
    Row("damage: error whose words are itself", """
        class Odd(BaseException):
            def __str__(self): raise self
        stamp()
        raise Odd()""", ("raised Odd",)),
    Row("damage: syntax error at no line", """
        stamp()
        odd = SyntaxError('odd')
        odd.lineno = 'x'
        raise odd""", ("raised SyntaxError", "odd")),
    Row("damage: alarm that goes off after the cell", "stamp(); print('lives on', len(name))", ("lives on",),
        fails=False, before="""
        import signal
        name = 'x'
        def late(*_): raise TimeoutError('late')
        signal.signal(signal.SIGALRM, late)
        signal.setitimer(signal.ITIMER_REAL, 0.3);""", pause_s=0.6),
    Row("damage: opens files until there are no more", """
        import resource
        resource.setrlimit(resource.RLIMIT_NOFILE, (200, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        files = []
        if rank == 1:
            stamp()
            while True: files.append(open('/dev/null'))
        dist.barrier()""", ("rank 1 raised OSError", WAITING + " barrier", RENEWED), after="""
        %%ranks
        del files
        resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)"""),
    Row("damage: error of 20 MB", "stamp(); raise ValueError('y' * 20_000_000)", ("ValueError",)),
    Row("damage: error with a lone surrogate", """
        stamp()
        raise ValueError('bad \\ud800 text')""", ("ValueError: bad",)),
    Row("damage: error group", "stamp(); raise ExceptionGroup('many', [ValueError('one'), KeyError('two')])",
        ("ExceptionGroup", "many")),
    Row("damage: error in a thread", """
        import threading
        def f(): raise ValueError('in a thread')
        thread = threading.Thread(target=f)
        thread.start()
        thread.join()
        stamp()""", ("in a thread",), fails=False),
    Row("damage: signal handler left behind", """
        import signal
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        stamp()""", fails=False, after="""
        %%ranks
        import signal
        assert signal.getsignal(signal.SIGINT) is not signal.SIG_DFL"""),
    Row("damage: os.fork", """
        import os
        read, write = os.pipe()
        pid = os.fork()
        print('after the fork', flush=True)
        if pid == 0: os.write(write, b'x')
        else: os.read(read, 1)  # the child has printed, too
        stamp()""", ("after the fork",), fails=False),
    Row("damage: fork bomb of DataLoader workers", """
        data = list(range(64))
        stamp()
        for batch in torch.utils.data.DataLoader(data, num_workers=32): pass
        stamp()""", fails=False),
    Row("damage: sys.modules loses torch", """
        import sys
        for name in [n for n in sys.modules if n.startswith('torch')]:
            del sys.modules[name]
        stamp()""", fails=False),
    Row("damage: replaces dist.all_reduce", "dist.all_reduce = lambda *a, **k: None; stamp()", fails=False, lost=ALL,
        why="a package that a cell has patched is only whole again in new processes", restart=ALL_AGAIN),
)

# ---- output

OUTPUTS = (
    Row("output: 100 MB", """
        import sys
        if rank == 1:
            print('first line')
            for _ in range(1000): print('z' * 100_000)
            print('last line')
            sys.stdout.flush()
        stamp()""", ("first line", r"[\d,]+ bytes of output cut here", "last line"), fails=False),
    Row("output: 100 MB on one line of stderr", """
        import os
        if rank == 1:
            for _ in range(1000): os.write(2, b'e' * 100_000)
        stamp()""", (r"bytes of output cut here",), fails=False),
    Row("output: 50 MB without a newline, with carriage returns", """
        import os
        if rank == 1:
            for i in range(500): os.write(1, b'\\r' + b'p' * 100_000)
            os.write(1, b'\\rdone\\n')
        stamp()""", ("done",), fails=False),
    Row("output: 1 GB", """
        import os
        if rank == 1:
            for _ in range(10_000): os.write(1, b'z' * 99_999 + b'\\n')
        stamp()""", (r"bytes of output cut here",), fails=False, slow=True),
    Row("output: binary and invalid UTF-8", """
        import os
        os.write(1, bytes(range(256)) + b'\\n')
        os.write(1, b'caf\\xe9\\n')
        print('fine: \\u00e9 \\ud800')
        stamp()""", (r"caf\\xe9", r"fine: é \\ud800"), fails=False),
    Row("output: C code and child processes", """
        import ctypes, os
        ctypes.CDLL(None).puts(b'from C')
        ctypes.CDLL(None).fflush(None)
        os.system('echo from a child')
        !echo from a shell
        stamp()""", ("from C", "from a child", "from a shell"), fails=False),
    Row("output: 5000 displays", """
        from IPython.display import display, HTML
        for i in range(5000): display(HTML(f'<b>{i}</b>'))
        stamp()""", (r"more displays cut here",), fails=False),
    Row("output: display that cannot be sent", """
        class Odd:
            def _repr_mimebundle_(self, **_): return {'application/json': lambda: 1}
        stamp()
        Odd()""", ("UsageError: this display cannot be sent.*holds a function",)),
    Row("output: display of an object of the cell's own class", """
        class Odd:
            def _repr_mimebundle_(self, **_): return {'application/json': Odd()}
        stamp()
        Odd()""", ("UsageError: this display cannot be sent.*holds a Odd",)),
    Row("output: widget", """
        import ipywidgets
        stamp()
        ipywidgets.IntSlider(3)""", (r"\[0-\d\] IntSlider",), fails=False, needs="ipywidgets"),
    Row("output: 20 MB figure", """
        from IPython.display import display
        stamp()
        display({'text/html': '<!--' + 'h' * 20_000_000 + '-->', 'text/plain': 'big'}, raw=True)""", fails=False),
)

ROWS = (*WAITS, *STOPS, *DEATHS, *MISMATCHES, *DAMAGES, *OUTPUTS)
