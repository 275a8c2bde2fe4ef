"""A rank: the main thread runs cells, one at a time; the control thread answers at any moment.

Not covered: how a cell is run and rendered (``shell``), the process group (``group``), where the main thread
stands (``where``) and how a stuck collective is released (``release``).
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import os
import queue
import random
import signal
import sys
import threading
import traceback
from typing import TYPE_CHECKING, Any

from mgpu_lab.rank import release, stacks
from mgpu_lab.rank.group import Group
from mgpu_lab.rank.position import Lookout
from mgpu_lab.rank.sampler import Sampler
from mgpu_lab.rank.shell import RankShell
from mgpu_lab.rank.tracebacks import chain, own_frames
from mgpu_lab.wire import messages, transfer

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

RECEIPT_S = 2.0


class Rank:
    """The state of one rank and the two threads' loops over it."""

    def __init__(self, spec: messages.RankSpec, connection: Connection) -> None:
        """Build the shell and the namespace; the process group is joined by ``run``."""
        self.spec = spec
        self.connection = connection
        self.requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.sending = threading.Lock()
        self.receipts: dict[int, threading.Event] = {}
        self.numbers = itertools.count(1)
        self.in_cell = False
        self.cut_generation = 0
        self.group = Group(spec)
        self.shell = RankShell(self.show, self.group.namespace(), spec.directory)
        self.lookout = Lookout(threading.get_ident(), self.group, self.shell)
        self.sampler = Sampler(self.group, self.lookout)

    # ---- main thread

    def run(self) -> int:
        """Join the group, then serve until told to stop or the kernel has gone."""
        signal.signal(signal.SIGINT, self.on_interrupt)
        stacks.write_on_signal(self.spec.directory, self.spec.rank)
        os.register_at_fork(after_in_child=self.forget_kernel)
        control = threading.Thread(target=self.control, name="mgpu_lab-control", daemon=True)
        control.start()
        self.handle(self.spec.group)
        while True:
            try:
                request = self.requests.get()
                if isinstance(request, messages.Shutdown):
                    return 0
                self.handle(request)
            except KeyboardInterrupt:  # one that came between two requests
                continue
            except BaseException as error:  # noqa: BLE001 - a signal handler of the cell's own, say a forgotten alarm
                traceback.print_exception(error.with_traceback(chain(own_frames(error.__traceback__))))

    def on_interrupt(self, *_: Any) -> None:
        """Let Ctrl-C reach a cell and nothing else."""
        if self.in_cell:
            raise KeyboardInterrupt

    def handle(self, request: Any) -> None:
        """Carry out one request and answer it, whatever happens."""
        try:
            value, failure = self.perform(request)
        except BaseException as error:  # noqa: BLE001 - an answer must go out, also after SystemExit
            value, failure = None, self.shell.failure(error)
        with contextlib.suppress(Exception):
            self.shell.restore_streams()
        self.send(messages.Answer(request.request, value, failure, self.group.state()))

    def perform(self, request: Any) -> tuple[Any, messages.Failure | None]:
        """Carry out a request: a cell may fail, all others return a value or raise."""
        if isinstance(request, messages.Execute):
            return self.execute(request)
        self.in_cell = not isinstance(request, messages.JoinGroup)  # pickling, say, runs the learner's code
        try:
            return self.value_of(request), None
        finally:
            self.in_cell = False

    def value_of(self, request: Any) -> Any:
        """Dispatch on the kind of request."""
        value: Any = None
        match request:
            case messages.JoinGroup():
                value = self.group.join(request)
            case messages.Push():
                self.shell.user_ns.update(transfer.unpack_pushed(request.payload))
            case messages.Pull():
                value = transfer.pack(request.name, self.shell.user_ns, request.max_bytes)
            case messages.Complete():
                value = self.shell.completions(request.code, request.cursor)
            case messages.Inspect():
                value = self.shell.help(request.name, request.detail)
            case messages.Record():
                value = self.group.meter.record()
            case _:
                msg = f"a rank knows no request {type(request).__name__}"
                raise TypeError(msg)
        return value

    def execute(self, request: messages.Execute) -> tuple[Any, messages.Failure | None]:
        """Run a cell with the standard names in place and Ctrl-C let through."""
        for name, value in self.group.namespace().items():
            self.shell.user_ns.setdefault(name, value)
        self.group.meter.begin_cell()
        self.sampler.begin_cell()
        self.in_cell = True
        try:
            signal.signal(signal.SIGINT, self.on_interrupt)  # an earlier cell may have set one of its own
            self.group.collectives.failed = None
            error = self.shell.run(request.source, request.execution_count)
        except KeyboardInterrupt as interrupt:  # it fell between the cell's end and here
            error = interrupt
        finally:
            self.in_cell = False
            self.sampler.end_cell()
        if error is None:
            return None, None
        failure = self.shell.failure(error, released=self.cut_generation == self.group.generation)
        if failure.in_communication:
            failure = dataclasses.replace(failure, collective=self.group.collectives.failed)
        return None, failure

    def show(self, data: dict[str, Any], metadata: dict[str, Any], display_id: str | None, *, update: bool) -> None:
        """Send a rich display and wait until the kernel has taken it in, so that the order is kept."""
        number = next(self.numbers)
        event = self.receipts[number] = threading.Event()
        self.shell.flush()
        self.send(messages.Display(*transfer.plain_display(data, metadata), display_id, update, number))
        event.wait(RECEIPT_S)
        self.receipts.pop(number, None)

    # ---- control thread

    def control(self) -> None:
        """Hear the kernel; between messages flush half-written lines and take samples."""
        while True:
            try:
                news = self.connection.poll(self.sampler.look_s if self.in_cell else self.sampler.period_s)
                message = self.connection.recv() if news else None
            except (EOFError, OSError):
                self.kernel_has_gone()
                return
            with contextlib.suppress(Exception):  # what the cell did to the process must not make the rank deaf
                if news:
                    self.hear(message)
                self.tick()

    def hear(self, message: Any) -> None:
        """Answer at once what the control thread can; pass the rest to the main thread."""
        match message:
            case messages.Receipt():
                event = self.receipts.get(message.receipt)
                if event is not None:
                    event.set()
            case messages.Where():
                self.send(messages.Answer(message.request, self.lookout.position()))
            case messages.ListSockets():
                self.send(messages.Answer(message.request, release.connected_pairs()))
            case messages.CutSockets():
                self.cut_generation = message.generation
                cut = release.cut(message.pairs) if message.generation == self.group.generation else 0
                self.send(messages.Answer(message.request, cut))
            case messages.Sampling():
                self.sampler.switch(message.period_s)
                self.send(messages.Answer(message.request))
            case messages.Shutdown():
                self.requests.put(message)
                if self.in_cell:
                    os._exit(0)
            case _:
                self.requests.put(message)

    def tick(self) -> None:
        """Do what is due between messages."""
        if self.in_cell:
            with contextlib.suppress(Exception):
                self.shell.flush()
        sample = self.sampler.due()
        if sample is not None:
            self.send(sample)

    def kernel_has_gone(self) -> None:
        """End without delay: nobody is left to answer to."""
        if os.getpid() == self.pid:
            os._exit(0)

    # ---- both

    @property
    def pid(self) -> int:
        """The process this rank was made in; a fork of it (a DataLoader worker) must not speak for it."""
        return self.lookout.pid

    def send(self, message: Any) -> None:
        """Send to the kernel; end if it has gone."""
        if os.getpid() != self.pid:
            return
        try:
            with self.sending:
                self.connection.send(message)
        except OSError:
            os._exit(0)

    def forget_kernel(self) -> None:
        """In a child forked by the cell: close the kernel's pipe, so that this child cannot hold it open."""
        signal.signal(signal.SIGINT, signal.default_int_handler)
        with contextlib.suppress(OSError):
            os.close(self.connection.fileno())


def main(spec: messages.RankSpec, connection: Connection) -> int:
    """Become rank ``spec.rank``: environment, threads, random numbers; then serve."""
    os.environ.clear()
    os.environ.update(spec.environ)
    with contextlib.suppress(OSError):
        os.chdir(spec.cwd)
    sys.path[:] = spec.sys_path
    sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: PTH123, SIM115 - lives as long as the process
    reseed()
    import torch

    torch.set_num_threads(spec.threads)
    return Rank(spec, connection).run()


def reseed() -> None:
    """Give this fork random numbers of its own, as a separately started process would have."""
    random.seed()
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()
    import torch

    torch.seed()
