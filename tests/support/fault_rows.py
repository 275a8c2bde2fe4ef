# ruff: noqa: E501 - a cell is one string
"""The fault matrix as data: what a learner's cell may do to the ranks, and what must come of it.

Each row is stated before it is run: how the cell ends, what the message says, on which ranks the variables set
before are lost (and why no better is possible), what brings back a full set of ranks. ``test_faults`` runs the rows.
The rank that misbehaves is rank 1. ``stamp()`` in a cell notes the moment from which the answer is awaited.
"""

from __future__ import annotations

from dataclasses import dataclass, field

ITSELF, STOP, TIMEOUT = "by itself", "Stop", "--timeout"
ALL = (0, 1, 2, 3)
ONE_AGAIN = "%ranks restart --on 1"
ALL_AGAIN = "%ranks restart"
WAITING = r"{others} waiting in"  # "rank 0 was waiting in", "ranks 0, 2-3 were waiting in"
RENEWED = "process group was made anew; variables are kept"
UNHARMED = r"\[0-{last}\] ranks 0-{last} raised CollectiveMismatchError"  # all noticed it before they entered gloo
SETTLED = f"{RENEWED}|{UNHARMED}"
STOPPED = "Stop was pressed"
GONE = "the process has ended and its memory with it"
NOT_INTERRUPTIBLE = "C code does not return to Python, so that only SIGKILL ends it"


@dataclass(frozen=True)
class Row:
    """One fault. ``{others}`` in a phrase stands for all ranks but 1, with the verb."""

    name: str
    cell: str
    says: tuple[str, ...] = ()  # regular expressions found in what the cell shows
    ends: str = ITSELF
    before: str = ""  # a cell that is run first and must succeed
    lost: tuple[int, ...] = ()  # ranks whose variables are gone
    why: str = ""  # why no better is possible; given exactly where something is lost
    restart: str = ""  # what brings the missing ranks back
    never_says: tuple[str, ...] = ()
    fails: bool = True  # whether the cell ends in an error
    needs: str = ""  # a package that must be there
    after: str = ""  # one more cell that must succeed at the end
    slow: bool = False  # not in the default run
    line: str = "%%ranks"
    sizes: tuple[int, ...] = (2, 4)
    pause_s: float = 0.0  # between ``before`` and the cell
    environ: dict[str, str] = field(default_factory=dict)  # needs a kernel of its own


ONE_RAISES = """\
if rank == 1:
    stamp()
    raise ValueError("broken data on rank 1")
"""
RAISED = (r"rank 1 raised ValueError", r"ValueError: broken data on rank 1")
TINY = "net = torch.nn.Linear(8, 8)\nx = torch.randn(4, 8)\n"
DDP = TINY + "ddp = torch.nn.parallel.DistributedDataParallel(net)\nddp(x).sum().backward()\n"
FSDP = TINY + "from torch.distributed.fsdp import fully_shard\nfully_shard(net)\nnet(x).sum().backward()\n"
DEEPSPEED = (
    TINY
    + """
import deepspeed, logging
logging.getLogger("DeepSpeed").setLevel(logging.ERROR)
deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
engine, *_ = deepspeed.initialize(model=net, config={
    "train_micro_batch_size_per_gpu": 4, "zero_optimization": {"stage": STAGE}, "zero_allow_untested_optimizer": True,
    "optimizer": {"type": "AdamW", "params": {"torch_adam": True}}})
engine.backward(engine(x).pow(2).mean())
engine.step()
"""
)
ENGINE_AGAIN = "%%ranks\n" + DEEPSPEED + "print('step', engine.global_steps)"

# ---- one rank raises while the others wait

WAITS = (
    Row(
        "raise: others wait in all_reduce",
        ONE_RAISES + "dist.all_reduce(torch.ones(4))",
        (*RAISED, WAITING + r" all_reduce\(4 x float32\), line 4", RENEWED),
        never_says=("Connection closed", "RuntimeError"),
    ),
    Row(
        "raise: others wait in a barrier",
        ONE_RAISES + "dist.barrier()",
        (*RAISED, WAITING + " barrier", RENEWED),
    ),
    Row(
        "raise: others wait for an object",
        ONE_RAISES + "found = [None] * world_size\ndist.all_gather_object(found, rank)",
        (*RAISED, WAITING + " all_gather_object", RENEWED),
    ),
    Row(
        "raise: others wait in recv from it",
        ONE_RAISES + "dist.recv(torch.ones(4), src=1)",
        (*RAISED, WAITING + " recv", RENEWED),
    ),
    Row(
        "raise: others wait in work.wait()",
        ONE_RAISES + "work = dist.all_reduce(torch.ones(4), async_op=True)\nwork.wait()",
        (*RAISED, WAITING + r" `work\.wait\(\)`, line 5", RENEWED),
    ),
    Row(
        "raise: others wait in DDP's backward",
        "loss = ddp(x).sum()\n" + ONE_RAISES + "loss.backward()",
        (*RAISED, WAITING + " .*backward.*, line 5", RENEWED),
        before=DDP,
        after="%%ranks\n" + DDP,
    ),
    Row(
        "raise: in a hook inside DDP's backward",
        """
def hook(grad):
    if rank == 1:
        stamp()
        raise ValueError("broken data on rank 1")
x = torch.randn(4, 8, requires_grad=True)
y = ddp(x); y.register_hook(hook)
y.sum().backward()
""",
        (*RAISED, WAITING, RENEWED),
        before=DDP,
        after="%%ranks\n" + DDP,
    ),
    Row(
        "raise: others wait in FSDP2's backward",
        "loss = net(x).sum()\n" + ONE_RAISES + "loss.backward()",
        (*RAISED, WAITING, RENEWED),
        before=FSDP,
        after="%%ranks\n" + FSDP,
    ),
    Row(
        "raise: others wait in a subgroup of new_group",
        "part = dist.new_group([0, 1])\n" + ONE_RAISES + "if rank == 0: dist.all_reduce(torch.ones(4), group=part)",
        (*RAISED, r"rank 0 was waiting in all_reduce\(4 x float32\), line 5", RENEWED),
        after="%%ranks\npart = dist.new_group([0, 1])\nif rank < 2: dist.all_reduce(torch.ones(4), group=part)",
    ),
    Row(
        "raise: others wait in a DeviceMesh's group",
        ONE_RAISES + "dist.all_reduce(torch.ones(4), group=mesh.get_group())",
        (*RAISED, WAITING, RENEWED),
        before="from torch.distributed.device_mesh import init_device_mesh\nmesh = init_device_mesh('cpu', (world_size,))",
        after="%%ranks\nfrom torch.distributed.device_mesh import init_device_mesh\n"
        "mesh = init_device_mesh('cpu', (world_size,))\ndist.all_reduce(torch.ones(4), group=mesh.get_group())",
    ),
    Row(
        "raise: others redistribute a DTensor",
        "from torch.distributed.tensor import distribute_tensor, Replicate, Shard\n"
        "whole = distribute_tensor(torch.ones(8), mesh, [Shard(0)])\n" + ONE_RAISES + "print(whole.full_tensor())",
        (*RAISED, WAITING, RENEWED),
        before="from torch.distributed.device_mesh import init_device_mesh\nmesh = init_device_mesh('cpu', (world_size,))",
    ),
    Row(
        "raise: others make a new_group",
        ONE_RAISES + "dist.new_group([0, 1]);",
        (*RAISED, "rank 0 was waiting in new_group", RENEWED),
    ),
    Row(
        "raise: others wait for a key of the store",
        "store = dist.distributed_c10d._get_default_store()\n" + ONE_RAISES + "store.get('never')",
        (*RAISED, WAITING, RENEWED),
    ),
    Row(
        "raise: in a DeepSpeed step, stage 2",
        "loss = engine(x).pow(2).mean()\n" + ONE_RAISES + "engine.backward(loss)\nengine.step()",
        (*RAISED, "waiting in .*line [45]", RENEWED),
        before=DEEPSPEED.replace("STAGE", "2"),
        after=ENGINE_AGAIN.replace("STAGE", "2"),
        needs="deepspeed",
    ),
    Row(
        "raise: in a DeepSpeed step, stage 3",
        ONE_RAISES + "engine.backward(engine(x).pow(2).mean())\nengine.step()",
        (*RAISED, "waiting in .*line [45]", RENEWED),
        before=DEEPSPEED.replace("STAGE", "3"),
        after=ENGINE_AGAIN.replace("STAGE", "3"),
        needs="deepspeed",
    ),
    Row(
        "raise: others compute for a while first",
        "import time\nif rank == 1:\n    raise ValueError('broken data on rank 1')\n"
        "end = time.time() + 0.7\nwhile time.time() < end: pass\nstamp()\ndist.all_reduce(torch.ones(4))",
        (*RAISED, WAITING + " all_reduce", RENEWED),
    ),
    Row(
        "raise: others catch the error of the release",
        "import time\n"
        + ONE_RAISES
        + "try:\n    dist.all_reduce(torch.ones(4))\nexcept Exception as error:\n    caught = type(error).__name__",
        (*RAISED, WAITING, RENEWED),
    ),
    Row(
        "raise: others call again when released",
        ONE_RAISES
        + "for _ in range(3):\n    try:\n        dist.all_reduce(torch.ones(4))\n    except Exception:\n        pass",
        (*RAISED, WAITING, RENEWED),
    ),
    Row(
        "raise: the same error everywhere",
        "stamp()\nraise ValueError('the same')",
        (r"\[0-\d\] ranks 0-\d raised ValueError", "ValueError: the same"),
    ),
    Row(
        "raise: different errors",
        "stamp()\nraise (ValueError('one of them') if rank == 1 else KeyError('the other'))",
        ("rank 1 raised ValueError", "rank.* 0.* raised KeyError"),
    ),
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
    Row("stop: time.sleep", "import time\ntime.sleep(1000)", (STOPPED,), STOP),
    Row("stop: await", "import asyncio\nawait asyncio.sleep(1000)", (STOPPED,), STOP),
    Row("stop: waiting for a queue", "import queue\nqueue.Queue().get()", (STOPPED,), STOP),
    Row(
        "stop: thread that is joined",
        "import threading, time\nthread = threading.Thread(target=time.sleep, args=(3,))\nthread.start()\nthread.join()",
        (STOPPED,),
        STOP,
    ),
    Row(
        "stop: collective the others never make",
        "if rank != 1:\n    dist.all_reduce(torch.ones(4))",
        (STOPPED, WAITING + r" all_reduce\(4 x float32\), line 2", RENEWED),
        STOP,
    ),
    Row(
        "stop: mismatched collectives (recv against all_reduce)",
        "if rank == 1:\n    dist.recv(torch.ones(4), src=0)\nelse:\n    dist.all_reduce(torch.ones(4))",
        (STOPPED, "rank 1 was waiting in recv.*line 2", WAITING + r" all_reduce\(4 x float32\), line 4", RENEWED),
        STOP,
    ),
    Row(
        "stop: recv from any source",
        "if rank == 1:\n    dist.recv(torch.ones(4))",
        (STOPPED, "rank 1 .*killed"),
        STOP,
        lost=(1,),
        why="gloo offers no way out of a recv from any source",
    ),
    Row(
        "stop: new_group entered by one rank",
        "if rank == 1:\n    dist.new_group([0, 1])",
        (STOPPED, "rank 1 was waiting in new_group.*line 2", RENEWED),
        STOP,
    ),
    Row(
        "stop: DeviceMesh made by one rank",
        "from torch.distributed.device_mesh import init_device_mesh\n"
        "if rank == 1:\n    init_device_mesh('cpu', (2, world_size // 2))",
        (STOPPED, "rank 1 was waiting in", RENEWED),
        STOP,
        sizes=(4,),  # on two ranks a mesh makes no groups
    ),
    Row(
        "stop: C call that never returns, interpreter free",
        LOCK_TWICE.format(kind="CDLL"),
        (STOPPED, "rank 1 .*killed.*variables are lost"),
        STOP,
        lost=(1,),
        why=NOT_INTERRUPTIBLE,
    ),
    Row(
        "stop: C call that never returns, interpreter held",
        LOCK_TWICE.format(kind="PyDLL"),
        (STOPPED, "rank 1 .*killed.*variables are lost"),
        STOP,
        lost=(1,),
        why=NOT_INTERRUPTIBLE,
    ),
    Row("stop: C sleep, interpreter held", "import ctypes\nctypes.PyDLL(None).sleep(1000)", (STOPPED,), STOP),
    Row("stop: C sleep, interpreter free", "import ctypes\nctypes.CDLL(None).sleep(1000)", (STOPPED,), STOP),
    Row(
        "stop: DataLoader with workers",
        LOADER + "for batch in torch.utils.data.DataLoader(Slow(), num_workers=2): pass",
        (STOPPED,),
        STOP,
    ),
    Row(
        "stop: child process",
        "import subprocess\nsubprocess.run(['sleep', '1000'])",
        (STOPPED,),
        STOP,
    ),
    Row("stop: !command", "!sleep 1000", (STOPPED,), STOP, fails=False),
    Row("stop: os.system", "import os, time\nos.system('sleep 1000')\nprint('went on')", (STOPPED,), STOP, fails=False),
    Row(
        "stop: child that ignores Ctrl-C",
        "import subprocess\nif rank == 1:\n    subprocess.run(['sh', '-c', 'trap \"\" INT; sleep 1000; sleep 1000'])",
        (STOPPED,),
        STOP,
    ),
    Row(
        "stop: regular expression that never ends",
        "import re\nif rank == 1:\n    re.match('(a+)+$', 'a' * 60 + 'b')",
        (STOPPED,),
        STOP,
    ),
    Row(
        "stop: loop that swallows KeyboardInterrupt",
        "import time\nwhile rank == 1:\n    try:\n        time.sleep(0.05)\n    except KeyboardInterrupt:\n        pass",
        (STOPPED, "rank 1 .*killed.*variables are lost"),
        STOP,
        lost=(1,),
        why="the cell itself refuses every interrupt",
    ),
    Row(
        "stop: loop that ignores SIGINT",
        "import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile rank == 1:\n    time.sleep(0.05)",
        (STOPPED, "rank 1 .*killed.*variables are lost"),
        STOP,
        lost=(1,),
        why="the cell itself switched interrupts off",
    ),
    Row(
        "stop: swallows the first interrupt, then computes on",
        "import time\ntry:\n    time.sleep(1000)\nexcept KeyboardInterrupt:\n    print('tidied up')",
        (STOPPED, "tidied up"),
        STOP,
        fails=False,
    ),
    Row(
        "stop: rank stopped by SIGSTOP",
        "import os, signal\nif rank == 1:\n    os.kill(os.getpid(), signal.SIGSTOP)\ndist.barrier()",
        (STOPPED, "rank 1 .*killed.*variables are lost", WAITING + " barrier"),
        STOP,
        lost=(1,),
        why="a stopped process answers nothing",
    ),
    Row(
        "stop: rank holds the interpreter while the others wait",
        LOCK_TWICE.format(kind="PyDLL") + "dist.barrier()",
        (STOPPED, "rank 1 .*killed.*variables are lost", WAITING + " barrier"),
        STOP,
        lost=(1,),
        why=NOT_INTERRUPTIBLE,
    ),
    Row(
        "stop: 300 threads",
        "import threading, time\nend = threading.Event()\n"
        "threads = [threading.Thread(target=end.wait, daemon=True) for _ in range(300)]\n"
        "for thread in threads: thread.start()\nwhile True: time.sleep(1)",
        (STOPPED,),
        STOP,
        after="%%ranks\nend.set()\nfor thread in threads: thread.join()",
    ),
    Row(
        "stop: endless output",
        "while True: print('x' * 200)",
        (STOPPED, r"bytes of output cut here"),
        STOP,
    ),
    Row(
        "timeout: Python loop",
        "stamp(0.5)\nwhile True: pass",
        (r"--timeout 0\.5 s has passed",),
        TIMEOUT,
        line="%%ranks --timeout 0.5",
    ),
    Row(
        "timeout: collective the others never make",
        "stamp(0.5)\nif rank != 1:\n    dist.all_reduce(torch.ones(4))",
        (r"--timeout 0\.5 s has passed", WAITING + " all_reduce", RENEWED),
        TIMEOUT,
        line="%%ranks --timeout 0.5",
    ),
)

# ---- a rank ends

OTHERS_WAIT = "dist.all_reduce(torch.ones(4))"


def death(name: str, how: str, *says: str, then: str = OTHERS_WAIT) -> Row:
    """Rank 1 ends by ``how`` while the others wait."""
    cell = (
        f"import ctypes, os, signal, sys\nprint('last words of', rank)\nif rank == 1:\n    stamp()\n    {how}\n{then}"
    )
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
    death(
        "a thread ends it while it waits too",
        "import threading; threading.Timer(0.3, os._exit, [5]).start()",
        "exited with code 5",
        then="if rank != 0: dist.all_reduce(torch.ones(4))",
    ),
    death(
        "while the others compute",
        "os._exit(3)",
        "exited with code 3",
        then="import time\nend = time.time() + 0.5\nwhile time.time() < end: pass\nstamp()",
    ),
    Row(
        "death: all ranks",
        "import os\nstamp()\nos._exit(3)",
        ("exited with code 3", r"ranks 0-\d are gone", "%ranks restart"),
        lost=ALL,
        why=GONE,
        restart=ALL_AGAIN,
    ),
    Row(
        "death: the template is killed by a cell",
        "import os, signal\nif rank == 1:\n    stamp()\n    os.kill(os.getppid(), signal.SIGKILL)\nimport time; time.sleep(5)",
        ("gone", "%ranks restart"),
        lost=ALL,
        why="ranks end with the process they were forked from, so that none can be left behind",
        restart=ALL_AGAIN,
    ),
    Row(
        "death: rank is gone when the next cell starts",
        "stamp()\nprint('never printed')",
        ("rank 1 is gone", "SIGKILL", "%ranks restart --on 1"),
        before="import os, signal, threading\n"
        "if rank == 1: threading.Timer(0.2, os.kill, [os.getpid(), signal.SIGKILL]).start()\nimport time",
        lost=(1,),
        why=GONE,
        restart=ONE_AGAIN,
        never_says=("never printed",),
        pause_s=0.6,
    ),
    Row("exit: sys.exit()", "import sys\nstamp()\nsys.exit(2)", ("sys.exit", "rank lives on")),
    Row("exit: sys.exit() while others wait", "import sys\nif rank == 1:\n    stamp()\n    sys.exit()\ndist.barrier()",
        ("sys.exit", WAITING + " barrier", RENEWED)),
    Row("exit: exit()", "stamp()\nexit()", ("exit ends nothing here", "%ranks stop")),
    Row("exit: raise KeyboardInterrupt", "stamp()\nif rank == 1: raise KeyboardInterrupt\ndist.barrier()",
        ("rank 1.*KeyboardInterrupt", WAITING + " barrier", RENEWED)),
    Row("exit: input()", "stamp()\nname = input('name? ')", ("no keyboard", "ranks.push")),
    Row("exit: breakpoint()", "stamp()\nbreakpoint()", ("no keyboard",)),
    Row("exit: %debug", "stamp()\n%debug", (), fails=False),
)  # fmt: skip

# ---- mismatched calls

MISMATCHES = (
    Row(
        "mismatch: sizes",
        "stamp()\ndist.all_reduce(torch.ones(8 if rank == 1 else 4))",
        (
            r"CollectiveMismatchError",
            r"rank \d calls all_reduce\(\d x float32\), line 2",
            r"all_reduce\(4 x float32\)",
            r"all_reduce\(8 x float32\)",
            SETTLED,
        ),
    ),
    Row(
        "mismatch: smaller broadcast (gloo would mix the data up in silence)",
        "stamp()\ndist.broadcast(torch.ones(4 if rank == 0 else 8), src=0)",
        ("CollectiveMismatchError", r"broadcast\(4 x float32, src=0\)", SETTLED),
    ),
    Row(
        "mismatch: dtypes",
        "stamp()\ndist.all_reduce(torch.ones(4, dtype=torch.float64 if rank == 1 else torch.float32))",
        ("CollectiveMismatchError", "float32", "float64", SETTLED),
    ),
    Row(
        "mismatch: operations",
        "stamp()\nif rank == 1:\n    dist.broadcast(torch.ones(4), src=0)\nelse:\n    dist.all_reduce(torch.ones(4))",
        ("CollectiveMismatchError", "broadcast", "all_reduce", "line 3", "line 5", SETTLED),
    ),
    Row(
        "mismatch: reduce operation",
        "stamp()\ndist.all_reduce(torch.ones(4), op=dist.ReduceOp.MAX if rank == 1 else dist.ReduceOp.SUM)",
        ("CollectiveMismatchError", "max", SETTLED),
    ),
    Row(
        "mismatch: root",
        "stamp()\ndist.broadcast(torch.ones(4), src=int(rank == 1))",
        ("CollectiveMismatchError", "src=0", "src=1", SETTLED),
    ),
    Row(
        "mismatch: asynchronous",
        "stamp()\nwork = dist.all_reduce(torch.ones(8 if rank == 1 else 4), async_op=True)\nwork.wait()",
        ("CollectiveMismatchError", r"all_reduce\(8 x float32\)", SETTLED),
    ),
    Row(
        "mismatch: object against tensor",
        "stamp()\nif rank == 1:\n    dist.broadcast_object_list([1], src=0)\nelse:\n    dist.broadcast(torch.ones(4), src=0)",
        ("CollectiveMismatchError", "broadcast_object_list", SETTLED),
    ),
    Row(
        "mismatch: a call too few, noticed at the end",
        "stamp()\ndist.all_reduce(torch.ones(1))\nif rank == 0:\n    work = dist.all_reduce(torch.ones(4), async_op=True)",
        ("did not make the same calls", "rank 0 made"),
        fails=False,
    ),
    Row(
        "mismatch: send larger than recv",
        "if rank == 0:\n    stamp()\n    dist.send(torch.ones(8), dst=1)\nelif rank == 1:\n"
        "    dist.recv(torch.ones(4), src=0)",
        ("rank 1 is gone",),
        lost=(1,),
        why="gloo ends the receiving process; point-to-point calls are not compared beforehand",
        restart=ONE_AGAIN,
    ),
)

# ---- the cell damages what the rank needs

DAMAGES = (
    Row("damage: replaces sys.stdout", "import io, sys\nsys.stdout = io.StringIO()\nprint('into the void')\nstamp()",
        fails=False, never_says=("void",)),
    Row("damage: sys.stdout = None", "import sys\nsys.stdout = sys.stderr = None\nstamp()", fails=False),
    Row("damage: closes sys.stdout", "import sys\nstamp()\nsys.stdout.close()", fails=False),
    Row("damage: closes descriptor 1", "import os\nos.close(1)\nos.close(2)\nstamp()", fails=False),
    Row("damage: deletes dist and rank", "stamp()\ndel dist, rank, world_size, torch", fails=False),
    Row("damage: %reset -f", "%reset -f", fails=False, lost=ALL, why="the cell deletes the variables itself"),
    Row("damage: destroys the process group", "stamp()\ndist.destroy_process_group()", fails=False),
    Row("damage: one rank destroys the process group",
        "if rank == 1:\n    stamp()\n    dist.destroy_process_group()\nelse:\n    dist.barrier()",
        ("rank 1 left the process group", "barrier")),
    Row("damage: second init_process_group", "stamp()\ndist.init_process_group('gloo')",
        ("already have a process group",), fails=False),
    Row("damage: env:// init after destroy",
        "dist.destroy_process_group()\ndist.init_process_group('gloo', init_method='env://')\n"
        "t = torch.ones(1)\ndist.all_reduce(t)\nprint('sum', t.item())\nstamp()",
        (r"\[0-\d\] sum \d",), fails=False),
    Row("damage: env:// init, then one rank raises",
        "dist.destroy_process_group()\ndist.init_process_group('gloo')\n" + ONE_RAISES + "dist.barrier()",
        (*RAISED, WAITING + " barrier", RENEWED)),
    Row("damage: env:// init entered by one rank",
        "dist.destroy_process_group()\nif rank == 1:\n    dist.init_process_group('gloo')",
        (r"rank 1 was waiting in .*init_process_group", RENEWED), never_says=("frame #",)),
    Row("damage: deletes the store's file",
        "import pathlib\nfor path in pathlib.Path(store_file).parent.glob('*-*'): path.unlink(missing_ok=True)\nstamp()",
        before="store_file = dist.distributed_c10d._get_default_store()\n"
        "while not hasattr(store_file, 'path'): store_file = store_file.underlying_store\nstore_file = store_file.path",
        fails=False),
    Row("damage: closes all descriptors", "import os\nif rank == 1:\n    stamp()\n    os.closerange(3, 1000)\ndist.barrier()",
        ("rank 1", WAITING + " barrier"), lost=(1,),
        why="the pipe to the notebook is closed with the others", restart=ONE_AGAIN),
    Row("damage: changes directory", "import os\nos.chdir('/')\nstamp()", fails=False,
        after="%%ranks\nimport os\nassert os.getcwd() == '/'"),
    Row("damage: removes its directory",
        "import os, tempfile\nhere = os.getcwd()\nfolder = tempfile.mkdtemp()\nos.chdir(folder)\nos.rmdir(folder)\nstamp()",
        fails=False, after="%%ranks\nimport os\nos.chdir('/')"),
    Row("damage: clears the environment", "import os\nos.environ.clear()\nstamp()", fails=False),
    Row("damage: deep recursion", "def f(n): return f(n + 1)\nstamp()\nf(0)", ("RecursionError",)),
    Row("damage: error without words",
        "class Mute(Exception):\n    def __str__(self): raise RuntimeError('no')\nstamp()\nraise Mute()", ("Mute",)),
    Row("damage: DTensor made before the process group was made anew", "stamp()\nwhole.full_tensor()",
        ("StaleGroupError: this DeviceMesh was made before",),
        before="from torch.distributed.device_mesh import init_device_mesh\n"
        "from torch.distributed.tensor import distribute_tensor, Shard\nmesh = init_device_mesh('cpu', (world_size,))\n"
        "whole = distribute_tensor(torch.ones(8), mesh, [Shard(0)])\nif rank == 1: dist.destroy_process_group()"),
    Row("damage: error whose words are itself",
        "class Odd(BaseException):\n    def __str__(self): raise self\nstamp()\nraise Odd()", ("raised Odd",)),
    Row("damage: syntax error at no line", "stamp()\nodd = SyntaxError('odd')\nodd.lineno = 'x'\nraise odd",
        ("raised SyntaxError", "odd")),
    Row("damage: alarm that goes off after the cell", "stamp()\nprint('lives on', len(name))", ("lives on",), fails=False,
        before="import signal\nname = 'x'\ndef late(*_): raise TimeoutError('late')\n"
        "signal.signal(signal.SIGALRM, late)\nsignal.setitimer(signal.ITIMER_REAL, 0.3);", pause_s=0.6),
    Row("damage: opens files until there are no more",
        "import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (200, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))\n"
        "files = []\nif rank == 1:\n    stamp()\n    while True: files.append(open('/dev/null'))\ndist.barrier()",
        ("rank 1 raised OSError", WAITING + " barrier", RENEWED), after="%%ranks\ndel files\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)"),
    Row("damage: error of 20 MB", "stamp()\nraise ValueError('y' * 20_000_000)", ("ValueError",)),
    Row("damage: error with a lone surrogate", "stamp()\nraise ValueError('bad \\ud800 text')", ("ValueError: bad",)),
    Row("damage: error group", "stamp()\nraise ExceptionGroup('many', [ValueError('one'), KeyError('two')])",
        ("ExceptionGroup", "many")),
    Row("damage: error in a thread", "import threading\ndef f(): raise ValueError('in a thread')\n"
        "thread = threading.Thread(target=f)\nthread.start()\nthread.join()\nstamp()", ("in a thread",), fails=False),
    Row("damage: signal handler left behind",
        "import signal\nsignal.signal(signal.SIGINT, signal.SIG_DFL)\nstamp()", fails=False,
        after="%%ranks\nimport signal\nassert signal.getsignal(signal.SIGINT) is not signal.SIG_DFL"),
    Row("damage: os.fork", "import os\nread, write = os.pipe()\npid = os.fork()\nprint('after the fork', flush=True)\n"
        "if pid == 0: os.write(write, b'x')\nelse: os.read(read, 1)  # the child has printed, too\nstamp()",
        ("after the fork",), fails=False),
    Row("damage: fork bomb of DataLoader workers",
        "data = list(range(64))\nstamp()\nfor batch in torch.utils.data.DataLoader(data, num_workers=32): pass\nstamp()",
        fails=False),
    Row("damage: sys.modules loses torch", "import sys\nfor name in [n for n in sys.modules if n.startswith('torch')]:\n"
        "    del sys.modules[name]\nstamp()", fails=False),
    Row("damage: replaces dist.all_reduce", "dist.all_reduce = lambda *a, **k: None\nstamp()", fails=False, lost=ALL,
        why="a package that a cell has patched is only whole again in new processes", restart=ALL_AGAIN),
)  # fmt: skip

# ---- output

OUTPUTS = (
    Row("output: 100 MB", "import sys\nif rank == 1:\n    print('first line')\n    for _ in range(1000): print('z' * 100_000)\n"
        "    print('last line')\n    sys.stdout.flush()\nstamp()",
        ("first line", r"[\d,]+ bytes of output cut here", "last line"), fails=False),
    Row("output: 100 MB on one line of stderr", "import os\nif rank == 1:\n    for _ in range(1000): os.write(2, b'e' * 100_000)\n"
        "stamp()", (r"bytes of output cut here",), fails=False),
    Row("output: 50 MB without a newline, with carriage returns",
        "import os\nif rank == 1:\n    for i in range(500): os.write(1, b'\\r' + b'p' * 100_000)\n    os.write(1, b'\\rdone\\n')\n"
        "stamp()", ("done",), fails=False),
    Row("output: 1 GB", "import os\nif rank == 1:\n    for _ in range(10_000): os.write(1, b'z' * 99_999 + b'\\n')\nstamp()",
        (r"bytes of output cut here",), fails=False, slow=True),
    Row("output: binary and invalid UTF-8",
        "import os\nos.write(1, bytes(range(256)) + b'\\n')\nos.write(1, b'caf\\xe9\\n')\nprint('fine: \\u00e9 \\ud800')\nstamp()",
        (r"caf\\xe9", r"fine: é \\ud800"), fails=False),
    Row("output: C code and child processes",
        "import ctypes, os\nctypes.CDLL(None).puts(b'from C')\nctypes.CDLL(None).fflush(None)\nos.system('echo from a child')\n"
        "!echo from a shell\nstamp()", ("from C", "from a child", "from a shell"), fails=False),
    Row("output: 5000 displays", "from IPython.display import display, HTML\nfor i in range(5000): display(HTML(f'<b>{i}</b>'))\n"
        "stamp()", (r"more displays cut here",), fails=False),
    Row("output: display that cannot be sent",
        "class Odd:\n    def _repr_mimebundle_(self, **_): return {'application/json': lambda: 1}\nstamp()\nOdd()",
        ("UsageError: this display cannot be sent.*holds a function",)),
    Row("output: display of an object of the cell's own class",
        "class Odd:\n    def _repr_mimebundle_(self, **_): return {'application/json': Odd()}\nstamp()\nOdd()",
        ("UsageError: this display cannot be sent.*holds a Odd",)),
    Row("output: widget", "import ipywidgets\nstamp()\nipywidgets.IntSlider(3)", (r"\[0-\d\] IntSlider",), fails=False,
        needs="ipywidgets"),
    Row("output: 20 MB figure", "from IPython.display import display\nstamp()\n"
        "display({'text/html': '<!--' + 'h' * 20_000_000 + '-->', 'text/plain': 'big'}, raw=True)", fails=False),
)  # fmt: skip

ROWS = (*WAITS, *STOPS, *DEATHS, *MISMATCHES, *DAMAGES, *OUTPUTS)
