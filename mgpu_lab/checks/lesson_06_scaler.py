"""Check of lesson 06's first exercise: a loss scaler with the interface of ``torch.amp.GradScaler``."""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mgpu_lab.checks.calls import must_take
from mgpu_lab.checks.core import Wrong, is_stub, refuse
from mgpu_lab.checks.mistakes import close, fitting, number_of

if TYPE_CHECKING:
    import torch

from mgpu_lab.checks.lesson_06_stories import STORIES, Bad, Story

METHODS = {"scale": ("loss",), "step": ("optimizer",), "update": (), "get_scale": ()}
SHAPES = ((3,), (), (2, 3), (5,), (1, 2, 2), (5,))
CLOSE = 1e-3
STEP_HINT = "look at every number of every gradient, for inf, -inf and nan."
SCALE_RULE = "Half after a skip; double after growth_interval taken steps in a row, then count anew; else the same."


def loss_scaler(answer: Any) -> str:
    """``LossScaler(init_scale, growth_interval)`` with ``scale``, ``step``, ``update`` and ``get_scale``."""
    if isinstance(answer, type) and all(map(is_stub, filter(inspect.isfunction, vars(answer).values()))):
        raise NotImplementedError
    for story in STORIES:
        Trial(answer, story).run()
    return (
        f"{len(STORIES)} runs: scaled before backward, unscaled for the step, skipped as a whole, the scale halved and "
        "doubled in time."
    )


class Trial:
    """One run with one scaler."""

    def __init__(self, answer: Any, story: Story) -> None:
        import torch

        self.story, self.told = story, list[str]()
        self.scaler = made(answer, story)
        self.other = made(answer, replace(story, scale=3 * story.scale))  # two scalers know nothing of each other
        dice = torch.Generator().manual_seed(int(story.scale))
        self.factors = [story.size * torch.randint(1, 16, shape, generator=dice).float() for shape in SHAPES]
        # small, so that the loss of huge gradients is finite
        self.weights = [(torch.rand(shape, generator=dice) / 256).requires_grad_() for shape in SHAPES]
        self.unused = torch.ones(2, requires_grad=True)  # no loss depends on it
        groups = [
            {"params": [self.weights[0], self.unused, *self.weights[1:4]]},
            {"params": self.weights[4:], "lr": 0.25},
        ]
        self.optimizer: Any = getattr(torch.optim, story.optimizer)(groups, lr=0.5)
        self.stepped = list[list[torch.Tensor]]()  # the gradients of each optimizer.step()
        self.places = list[int]()  # where backward left them
        self.optimizer.register_step_post_hook(self.note)  # after: an answer may divide in a hook of its own
        self.scale, self.in_a_row = story.scale, 0

    @property
    def used(self) -> list[torch.Tensor]:
        """The weights that have a gradient in this step."""
        return self.weights[:-1] if self.story.late and not self.told else self.weights

    def note(self, *_: Any) -> None:
        self.stepped.append([w.grad.detach().clone() for w in self.weights if w.grad is not None])

    def run(self) -> None:
        """Go through the story; Wrong at the first step that is not as it should be."""
        self.compare_scale()
        for bad in self.story.steps:
            self.step(bad)
            self.told.append("taken" if bad is None else f"skipped ({bad})")
            called(self.scaler, "update")
            self.in_a_row = 0 if bad else self.in_a_row + 1
            self.scale /= 2 if bad else 1
            if self.in_a_row == self.story.interval:
                self.scale, self.in_a_row = 2 * self.scale, 0
            self.compare_scale()

    def step(self, bad: Bad | None) -> None:
        import torch

        self.backward()
        if bad is not None:
            gradient: Any = self.weights[bad.weight].grad
            gradient.view(-1)[bad.place] = bad.value
        before = [w.detach().clone() for w in self.weights]
        self.places = [w.grad.data_ptr() for w in self.weights if w.grad is not None]
        self.stepped.clear()
        called(self.scaler, "step", self.optimizer)
        if bad is None:
            refuse(self.taken_hint() or self.left_hint())
        elif self.stepped:
            raise Wrong(f"With {bad}, of {len(SHAPES)} gradients, optimizer.step() was called: {STEP_HINT}")
        elif not all(map(torch.equal, before, (w.detach() for w in self.weights))):
            raise Wrong(f"With {bad} the step is to be skipped, but the weights changed.")
        elif not any(w.grad is not None and w.grad.any() for w in self.weights):
            raise Wrong(f"With {bad} the step is skipped, and then all gradients were gone: zeroing is the caller's.")
        if self.unused.grad is not None:
            raise Wrong("A weight without a gradient (None) had one after step(): leave it as it is.")
        found = number_of(called(self.scaler, "get_scale"))
        if found is not None and not close(found, self.scale):
            raise Wrong(
                f"After step() get_scale() returned {found:g}, before it {self.scale:g}: the next scale is chosen by "
                "update(), not before."
            )

    def left_hint(self) -> str | None:
        """Say where the gradients after a right step are not those of before, in their places."""
        import torch

        left = [w.grad for w in self.weights if w.grad is not None]
        if len(left) != len(self.used) or not all(map(torch.equal, left, self.stepped[0])):
            return "After step() the gradients were not those that optimizer.step() saw: zeroing them is the caller's."
        if [each.data_ptr() for each in left] != self.places:
            return "The gradients were right, but in new tensors: divide in place."
        return None

    def backward(self) -> None:
        """Run backward on scaled losses."""
        import torch

        self.optimizer.zero_grad()
        for _ in range(self.story.losses):
            seen = [through_fp16(w) if self.story.fp16 else w for w in self.used]
            terms = [(w * f).sum() for w, f in zip(seen, self.factors, strict=False)]
            loss = torch.stack(terms).sum()
            value = loss.item()
            scaled = called(self.scaler, "scale", loss)
            refuse(scaled_hint(scaled, loss, value, self.scale))
            scaled.backward()
        if any(w.grad is None for w in self.used):
            raise Wrong("After scale(loss).backward() a weight has no gradient: keep the graph of the loss.")

    def taken_hint(self) -> str | None:
        import torch

        if len(self.stepped) != 1:
            return (
                f"All gradients were finite, and optimizer.step() was called {len(self.stepped)} times in step(): "
                "once is right."
            )
        wanted = [self.story.losses * factor for factor in self.factors[: len(self.used)]]
        found = self.stepped[0]

        def near(wrong: float) -> bool:
            return all(torch.allclose(f, w * wrong, rtol=CLOSE, atol=0.0) for f, w in zip(found, wanted, strict=True))

        if len(found) == len(wanted) and near(1.0):
            return None
        if len(found) != len(wanted):
            return "Some gradients were gone when optimizer.step() was called."
        mistakes = {
            "optimizer.step() saw gradients that are still multiplied by the scale.": self.scale,
            "optimizer.step() saw gradients divided by the scale twice.": 1 / self.scale,
            "optimizer.step() saw gradients multiplied by the scale once more.": self.scale**2,
        }
        if hint := fitting(mistakes, near):
            return hint
        pairs = enumerate(zip(found, wanted, strict=True))
        wrong = [number for number, (f, w) in pairs if not torch.allclose(f, w, rtol=CLOSE, atol=0.0)]
        if len(wrong) < len(wanted):
            return (
                f"Gradients {', '.join(map(str, wrong))} of 0 to {len(wanted) - 1} were wrong when optimizer.step() "
                "was called, the others right. Divide each gradient of all parameter groups, once."
            )
        return (
            f"No gradient was right when optimizer.step() was called, with a scale of {self.scale:g} and "
            f"{self.story.losses} losses. Divide by the scale that scale(loss) used."
        )

    def compare_scale(self) -> None:
        found = number_of(called(self.scaler, "get_scale"))
        if found is None:
            raise Wrong("get_scale() must return the scale, a number.")
        if close(found, self.scale):
            return
        if not self.told:
            raise Wrong(f"Made with init_scale={self.scale:g}, get_scale() returns {found:g} before the first step.")
        raise Wrong(
            f"With growth_interval={self.story.interval}, from a scale of {self.story.scale:g}, after these steps: "
            f"{', '.join(self.told)}, get_scale() returns {found:g}. {SCALE_RULE}"
        )


def made(answer: Any, story: Story) -> Any:
    """Make the scaler; Wrong where it does not take the arguments or lacks a method."""
    arguments = {"init_scale": story.scale, "growth_interval": story.interval}
    must_take(answer, "LossScaler(init_scale=..., growth_interval=...)", **arguments)
    scaler = answer(**arguments)
    for name, parameters in METHODS.items():
        method = getattr(scaler, name, None)
        if not callable(method):
            raise Wrong(f"There is no method {name}: the check calls {name}({', '.join(parameters)}).")
        must_take(method, f"{name}({', '.join(parameters)})", *parameters)
    return scaler


def called(scaler: Any, name: str, *arguments: Any) -> Any:
    return getattr(scaler, name)(*arguments)


def scaled_hint(scaled: Any, loss: torch.Tensor, value: float, scale: float) -> str | None:
    import torch

    if not isinstance(scaled, torch.Tensor):
        return f"scale(loss) must return the scaled loss, a tensor; it returned {type(scaled).__name__}."
    if not scaled.requires_grad:
        return "What scale(loss) returns has no graph: backward could not go through it. Multiply the tensor itself."
    if value and not close(loss.item() / value, 1.0):
        return "scale(loss) changed the loss itself, which the caller still logs. Return a new tensor."
    if scaled is loss:
        return "scale(loss) returned the loss itself. Return a new tensor, also where the scale is 1."
    ratio = scaled.item() / value if value else scale
    if close(ratio, scale, 1e-4):
        return None
    return f"get_scale() is {scale:g}, and scale(loss) returned the loss times {ratio:g}."


def through_fp16(weight: torch.Tensor) -> torch.Tensor:
    """Return the weight; its gradient is rounded to fp16 on the way back."""
    import torch

    class Rounded(torch.autograd.Function):
        @staticmethod
        def forward(_: Any, x: torch.Tensor) -> torch.Tensor:
            return x.clone()

        @staticmethod
        def backward(_: Any, *gradients: torch.Tensor) -> Any:
            return gradients[0].half().float()

    rounded: torch.Tensor = Rounded.apply(weight)  # type: ignore[no-untyped-call]
    return rounded
