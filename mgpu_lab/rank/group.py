"""A rank's process group: joined, left and joined again after a release, and torchrun's environment."""

import contextlib
import datetime as dt
import functools
import gc
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

from mgpu_lab.metering.meter import Meter
from mgpu_lab.metering.timeline import Clock, Timeline
from mgpu_lab.rank.collectives import Collectives
from mgpu_lab.rank.rendezvous import Rendezvous, meet
from mgpu_lab.wire.errors import StaleGroupError
from mgpu_lab.wire.messages import GroupState, JoinGroup, RankSpec, Retired

JOIN_TIMEOUT = dt.timedelta(seconds=60)
TWO = 2  # init_process_group(backend, init_method, ...): a second positional argument is an init_method
GROUPS_NUMBERED = 10_000  # more than one init_process_group ever makes
STALE_METHODS = ("forward", "backward", "step", "get_group")


class Group:
    """The process group of one rank, one generation after another."""

    def __init__(self, spec: RankSpec) -> None:
        """Set the environment as torchrun would; nothing is joined yet."""
        import torch
        import torch.distributed as dist

        from mgpu_lab.ledger import memory_ledger

        self.memory_ledger = memory_ledger
        self.spec = spec
        self.generation = self.attempts = 0
        self.rendezvous: Rendezvous | None = None
        self.torch, self.dist = torch, dist
        self.collectives = Collectives()
        self.collectives.install()
        self.meter = Meter(rank=spec.rank)
        self.timeline = Timeline(rank=spec.rank)
        # what the kernel may ask the records of, by name
        self.recorders: dict[str, Any] = {"meter": self.meter, "timeline": self.timeline, "clock": Clock()}
        self.device = torch.device(spec.device_name)
        self.variables: dict[str, Any] = {}  # the cells' own
        self.excepthook = sys.excepthook
        self.set_environment()
        self.join_torch = dist.init_process_group
        self.leave_torch = dist.destroy_process_group
        self.watch_initialization()

    def set_environment(self) -> None:
        spec = self.spec
        os.environ.update(
            RANK=str(spec.rank),
            LOCAL_RANK=str(spec.gpu if spec.device == "cuda" else spec.local_rank),  # DeepSpeed takes it for the GPU's
            WORLD_SIZE=str(spec.world_size),
            LOCAL_WORLD_SIZE=str(spec.local_world_size),
            GROUP_RANK=str(spec.machine),
            OMP_NUM_THREADS=str(spec.threads),
        )
        if spec.device == "cpu":
            os.environ["ACCELERATE_USE_CPU"] = "true"
            os.environ.setdefault("DS_ACCELERATOR", "cpu")
        else:  # a group is aborted to release its ranks: no watchdog must end the process for that
            os.environ.setdefault("TORCH_NCCL_ASYNC_ERROR_HANDLING", "0")
        if spec.interface:  # gloo would listen on the address of the host's name
            os.environ["GLOO_SOCKET_IFNAME"] = spec.interface

    @functools.cached_property
    def namespace(self) -> dict[str, Any]:
        """The names every rank starts with."""
        return {
            "rank": self.spec.rank,
            "world_size": self.spec.world_size,
            "local_rank": int(os.environ["LOCAL_RANK"]),
            "device": self.device,
            "torch": self.torch,
            "dist": self.dist,
            "meter": self.meter,
            "timeline": self.timeline,
            "memory_ledger": self.memory_ledger,
        }

    def join(self, request: JoinGroup) -> tuple[Retired, ...]:
        """Leave the old generation, if any, and join the one named; return what died with the old."""
        retired = self.retire() if self.generation else ()
        self.generation = request.generation
        self.rendezvous = meet(request.meeting, self.spec.rank, self.spec.world_size)
        os.environ.update(self.rendezvous.environ())
        self.begin_attempt(0)
        if self.spec.device == "cuda":
            self.torch.cuda.set_device(self.device)
        self.join_torch(timeout=JOIN_TIMEOUT, **self.backend(), **self.meeting_point())
        self.set_timeout()
        return retired

    def backend(self) -> dict[str, Any]:
        """Return the backend, and for NCCL the GPU: so its communicator is made here, where all ranks are.

        Made at the first collective, a rank that comes alone waits for the others inside NCCL, and no abort reaches it
        there (seen with torch 2.11, NCCL 2.30).
        """
        if self.spec.device == "cpu":
            return {"backend": "gloo"}
        return {"backend": "cpu:gloo,cuda:nccl", "device_id": self.device}

    def begin_attempt(self, number: int) -> None:
        """Compare calls in a new log; number groups from the same number on all ranks, one that no earlier group had.

        A failed init leaves torch's count uneven over ranks. A DTensor finds its group by this number: with one that is
        given out again, a DTensor of the old group would quietly communicate on another.
        """
        self.attempts = number
        rendezvous = self.rendezvous
        self.collectives.begin_generation(lambda group: rendezvous.call_log(number, group) if rendezvous else None)
        first = (self.generation * GROUPS_NUMBERED + number) * GROUPS_NUMBERED
        self.collectives.c10d._world.group_count = first  # noqa: SLF001 - torch's tests set it, too

    def meeting_point(self) -> dict[str, Any]:
        """Return what makes a group meet where this generation does: torch's own store would listen to the network."""
        store = self.rendezvous.store(self.attempts) if self.rendezvous is not None else None
        return {"store": store, "rank": self.spec.rank, "world_size": self.spec.world_size}

    def set_timeout(self) -> None:
        """Give collectives torch's usual 30 minutes: a short limit would fire inside a slow step."""
        c10d = self.collectives.c10d
        pg = c10d._get_default_group()  # noqa: SLF001 - torch's own tests set a timeout this way
        with contextlib.suppress(Exception):
            c10d._set_pg_timeout(c10d.default_pg_timeout, pg)  # noqa: SLF001

    def retire(self) -> tuple[Retired, ...]:
        """Leave the group; what was made on it says so when it is used again. Return what that is."""
        retired = self.mark_stale()
        with contextlib.suppress(Exception):
            self.leave_torch()
        sys.excepthook = self.excepthook  # init_process_group wraps it, once more each time
        self.forget()
        gc.collect()  # an error's frames hold the old group in a cycle, and with it gloo's threads and sockets
        return retired

    def forget(self) -> None:
        """Reset what torch and DeepSpeed remember of a group that is gone."""
        if (comm := sys.modules.get("deepspeed.comm.comm")) is not None:
            vars(comm)["cdb"] = None
        groups = sys.modules.get("deepspeed.utils.groups")
        for name in vars(groups) if groups is not None else ():
            if name.startswith("_") and name.isupper() and name.endswith(("_GROUP", "_MESH")):
                setattr(groups, name, None)
        if groups is not None and hasattr(groups, "mesh_device"):
            vars(groups)["mesh_device"] = None

    def mark_stale(self) -> tuple[Retired, ...]:
        """Make modules, engines and meshes of the old group raise one clear sentence; return what they are."""
        fsdp = sys.modules.get("torch.distributed.fsdp")
        mesh = sys.modules.get("torch.distributed.device_mesh")
        deepspeed = sys.modules.get("deepspeed.runtime.engine")
        kinds: tuple[type, ...] = (self.torch.nn.parallel.DistributedDataParallel,)
        kinds += (fsdp.FSDPModule,) if fsdp is not None else ()
        kinds += (mesh.DeviceMesh,) if mesh is not None else ()
        kinds += (deepspeed.DeepSpeedEngine,) if deepspeed is not None else ()
        retired, names = set(), names_by_id(self.variables)
        for found in gc.get_objects():
            if issubclass(type(found), kinds):  # isinstance() would run properties of strangers' classes
                with contextlib.suppress(Exception):
                    kind = retire_object(found)
                    retired |= {Retired(kind, name) for name in names.get(id(found), ("",))}
        return tuple(retired)

    def watch_initialization(self) -> None:
        """Answer a pasted script's ``init_process_group`` kindly when the group is already there."""
        dist, c10d = self.dist, self.collectives.c10d

        @functools.wraps(self.join_torch)
        def init_process_group(*args: Any, **kwargs: Any) -> None:
            if dist.is_initialized():
                print(
                    f"These ranks already have a process group ({dist.get_backend()}, {dist.get_world_size()} ranks): "
                    "init_process_group is not needed here and was left out."
                )
                return
            self.begin_attempt(self.attempts + 1)
            if kwargs.get("store") is None and (kwargs.get("init_method") or "env://") == "env://" and len(args) < TWO:
                kwargs |= {"init_method": None, **self.meeting_point()}
            self.join_torch(*args, **kwargs)

        for module in (dist, c10d):
            vars(module)["init_process_group"] = init_process_group

    def state(self) -> GroupState:
        group = self.collectives.c10d._world.default_pg  # noqa: SLF001 - without the checks of the public way
        counts = dict(self.collectives.counts)
        if group is not None:
            with contextlib.suppress(Exception):
                native = group._get_sequence_number_for_group()  # noqa: SLF001 - counts what C++ calls, too
                counts["native"] = native - self.collectives.point_to_point.get(str(group.group_name), 0)
        return GroupState(self.generation, group is not None, tuple(sorted(counts.items())))


def retire_object(made: Any) -> str:
    """Replace the methods that would use the dead group by a clear refusal; return the object's kind."""
    kind = next((c.__name__ for c in type(made).__mro__ if not c.__name__.startswith("FSDP")), type(made).__name__)
    refuse = refusal(kind)
    for name in STALE_METHODS:
        if callable(getattr(made, name, None)):
            made.__dict__[name] = refuse
    if "_dim_group_names" in vars(made):  # how a DTensor finds the groups of its mesh
        vars(made)["_dim_group_names"] = RefusedNames(refuse)
    if (hook := getattr(made, "register_forward_pre_hook", None)) is not None:
        hook(refuse, prepend=True)
    return kind


def names_by_id(variables: Mapping[str, Any]) -> dict[int, list[str]]:
    """Return the names by which a learner knows each object: ``ddp``, or ``trainer.ddp`` one step further in."""
    names: dict[int, list[str]] = {}
    for name, value in variables.items():
        if name.startswith("_"):
            continue
        names.setdefault(id(value), []).append(name)
        if type(value).__module__ == "__main__":  # of a class that a cell has made
            for part, inner in getattr(value, "__dict__", {}).items():
                names.setdefault(id(inner), []).append(f"{name}.{part}")
    return names


class RefusedNames(list[str]):
    """The group names of a mesh whose groups are gone."""

    def __init__(self, refuse: Callable[..., Any]) -> None:
        super().__init__()
        self.refuse = refuse

    def __getitem__(self, _: Any) -> Any:
        self.refuse()


def refusal(kind: str) -> Callable[..., Any]:
    """Return a function that only says why ``kind`` cannot be used."""

    def refuse(*_: Any, **__: Any) -> Any:
        __tracebackhide__ = True
        raise StaleGroupError(
            f"this {kind} was made before the ranks' connection was renewed and cannot communicate any more. "
            "Its parameters are intact: wrap the model again (run the cell that made it), then go on."
        )

    return refuse
