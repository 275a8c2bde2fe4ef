"""A rank: the main thread carries out requests, one at a time; the control thread answers at any moment.

Each has a channel of its own to the kernel, so that a request wakes one thread and no more.
"""

import contextlib
import dataclasses
import itertools
import os
import random
import signal
import sys
import threading
import time
import traceback
from multiprocessing.connection import Connection
from typing import Any

from mgpu_lab.listening import calls as listening
from mgpu_lab.rank import release
from mgpu_lab.rank.group import Group
from mgpu_lab.rank.ipython import shell_in, warm_up
from mgpu_lab.rank.position import Lookout, write_stacks_on_signal
from mgpu_lab.rank.sampler import Sampler
from mgpu_lab.rank.shell import RankShell
from mgpu_lab.rank.tracebacks import own_frames
from mgpu_lab.rank.voice import Voice
from mgpu_lab.wire import messages, transfer
from mgpu_lab.wire.frames import chain

ATTENDED_S = 10.0


class Rank:
    """The state of one rank and the two threads' loops over it."""

    def __init__(self, spec: messages.RankSpec, requests: Connection, control: Connection) -> None:
        """Build the shell and the namespace; the process group is joined by ``run``."""
        self.spec = spec
        self.requests, self.control = Voice(requests), Voice(control)
        self.displays = itertools.count(1)
        self.in_cell = False
        self.showing = self.postponed = False  # a display is being sent; Ctrl-C came meanwhile
        self.attend_until_s = 0.0
        self.cut_generation = 0
        self.told: messages.GroupState | None = None  # what the kernel knows of the group
        self.group = Group(spec)
        self.shell = RankShell(self.show, self.group.namespace, spec.scratch)
        self.group.variables = self.shell.user_ns
        self.lookout = Lookout(threading.get_ident(), self.group.collectives)
        self.sampler = Sampler(self.group, self.lookout)

    # ---- main thread

    def run(self) -> int:
        """Join the group, then serve until told to stop or the kernel has gone."""
        signal.signal(signal.SIGINT, self.on_interrupt)
        write_stacks_on_signal(self.spec.stack_file)
        os.register_at_fork(after_in_child=self.forget_kernel)
        threading.Thread(target=self.listen, name="mgpu_lab-control", daemon=True).start()
        self.handle(self.spec.group)
        while True:
            try:
                self.requests.wait()
                request = self.requests.hear()
                if isinstance(request, messages.Shutdown):
                    return 0
                self.handle(request)
            except KeyboardInterrupt:  # one that came between two requests
                continue
            except BaseException as error:  # noqa: BLE001 - a signal handler of the cell's own, say a forgotten alarm
                traceback.print_exception(error.with_traceback(chain(own_frames(error.__traceback__))))

    def on_interrupt(self, *_: Any) -> None:
        """Let Ctrl-C reach a cell and nothing else; a message under way goes out whole first."""
        if self.showing:
            self.postponed = True
        elif self.in_cell:
            raise KeyboardInterrupt

    def handle(self, request: Any) -> None:
        """Carry out one request and answer it, whatever happens."""
        try:
            value, failure = self.perform(request)
        except BaseException as error:  # noqa: BLE001 - an answer must go out, also after SystemExit
            value, failure = None, self.shell.failure(error)
        with contextlib.suppress(Exception):
            self.shell.restore_streams()
        state = self.group.state()
        told, self.told = self.told, state
        news = None if state == told else state
        nothing = value is None and failure is None and news is None
        self.requests.say(request.request if nothing else messages.Answer(request.request, value, failure, news))

    def perform(self, request: Any) -> tuple[Any, messages.Failure | None]:
        """Carry out a request: a cell may fail, all others return a value or raise."""
        if isinstance(request, messages.Execute):
            return None, self.execute(request)
        self.in_cell = not isinstance(request, messages.JoinGroup)  # pickling, say, runs the learner's code
        try:
            return self.value_of(request), None
        finally:
            self.in_cell = False

    def value_of(self, request: Any) -> Any:
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
            case messages.Kind():
                value = self.shell.kind(request.name)
            case messages.Inspect():
                value = self.shell.help(request.name, request.detail)
            case messages.Record():
                value = self.group.recorders[request.name].record()
            case _:
                msg = f"a rank knows no request {type(request).__name__}"
                raise TypeError(msg)
        return value

    def execute(self, request: messages.Execute) -> messages.Failure | None:
        """Run a cell with the standard names in place and Ctrl-C let through."""
        for name, value in self.group.namespace.items():
            self.shell.user_ns.setdefault(name, value)
        self.group.meter.begin_cell()
        self.sampler.begin_cell()
        self.in_cell, self.postponed = True, False
        try:
            signal.signal(signal.SIGINT, self.on_interrupt)  # an earlier cell may have set one of its own
            self.group.collectives.failed = None
            error = self.shell.run(request.source, request.execution_count)
        except KeyboardInterrupt as interrupt:  # it fell between the cell's end and here
            error = interrupt
        finally:
            self.in_cell = False
            self.sampler.end_cell()
            with contextlib.suppress(Exception):
                self.group.timeline.end_cell()
        if error is None:
            return None
        failure = self.shell.failure(error, released=self.cut_generation == self.group.generation)
        if failure.in_communication:
            failure = dataclasses.replace(failure, collective=self.group.collectives.failed)
        return failure

    def show(self, data: dict[str, Any], metadata: dict[str, Any], display_id: str | None, *, update: bool) -> None:
        """Send a rich display, and leave a mark in the printed text where its place is."""
        if os.getpid() != self.requests.pid:
            return  # a cell's fork: its mark would stand in the rank's text
        bundle, about = transfer.plain_display(data, metadata)
        number = 0 if update else next(self.displays)
        in_main = threading.current_thread() is threading.main_thread()
        self.showing |= in_main
        try:
            if not update:
                self.shell.write_mark(messages.mark(number))
            self.requests.say(messages.Display(bundle, about, display_id, update, number))
        finally:
            self.showing &= not in_main
        if in_main and self.postponed:
            self.postponed = False
            raise KeyboardInterrupt

    # ---- control thread

    def listen(self) -> None:
        """Hear the kernel; between messages flush half-written lines and take samples."""
        while True:
            message = self.control.hear() if self.control.wait(self.patience_s()) else None
            with contextlib.suppress(Exception):  # what the cell did to the process must not make the rank deaf
                if message is not None:
                    self.hear(message)
                self.tick()

    def patience_s(self) -> float | None:
        """Return how long to wait for a message: for ever where nothing is to be done meanwhile."""
        if self.in_cell or time.monotonic() < self.attend_until_s:
            return self.sampler.look_s
        return self.sampler.period_s if self.sampler.live else None

    def hear(self, message: Any) -> None:
        value: Any = None
        match message:
            case messages.Where():
                value = self.lookout.position()
            case messages.ListSockets():
                self.cut_generation = message.generation
                value = release.connected_pairs()
            case messages.CutSockets():
                value = release.cut(message.pairs) if message.generation == self.group.generation else 0
            case messages.Attend():
                self.attend_until_s = time.monotonic() + ATTENDED_S  # on a busy machine the cell may not have begun
            case messages.Sampling():
                self.sampler.switch(message.period_s)
            case messages.Shutdown():
                if self.in_cell:
                    os._exit(0)
        self.control.say(messages.Answer(message.request, value))

    def tick(self) -> None:
        if self.in_cell:
            with contextlib.suppress(Exception):
                self.shell.flush()
        sample = self.sampler.due()
        if sample is not None:
            self.control.say(sample)

    # ---- both

    def forget_kernel(self) -> None:
        """In a child forked by the cell: let go of the kernel."""
        signal.signal(signal.SIGINT, signal.default_int_handler)
        self.requests.forget()
        self.control.forget()


def main(spec: messages.RankSpec, requests: Connection, control: Connection) -> int:
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
    return Rank(spec, requests, control).run()


def prepare(directory: str) -> None:
    """In the template: do what every rank would do for itself, so that the ranks share its pages."""
    listening.install()
    shell_in(directory)


def rehearse(directory: str) -> None:
    """In the template: run cells and render an error, so that what this loads and remembers is there."""
    warm_up(shell_in(directory))


def reseed() -> None:
    """Give this fork random numbers of its own, as a separately started process would have."""
    random.seed()
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()
    import torch

    torch.seed()
