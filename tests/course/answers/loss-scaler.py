# %% right: as in the lesson
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.factor, self.growth_interval, self.taken = init_scale, growth_interval, 0

    def scale(self, loss):
        return loss * self.factor

    def step(self, optimizer):
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        for gradient in gradients:
            gradient /= self.factor
        self.good = all(gradient.isfinite().all() for gradient in gradients)
        if self.good:
            optimizer.step()

    def update(self):
        self.taken = self.taken + 1 if self.good else 0
        if not self.good:
            self.factor /= 2
        elif self.taken == self.growth_interval:
            self.factor, self.taken = 2 * self.factor, 0

    def get_scale(self):
        return self.factor


answer = LossScaler


# %% right: torch's own
import functools

answer = functools.partial(torch.amp.GradScaler, "cpu")


# %% right: tensors all through, reciprocal, looks before it divides
class Tensors:
    def __init__(self, init_scale=2.0**16, growth_interval=2000):
        self._scale = torch.tensor(float(init_scale))
        self.since = 0
        self.interval = growth_interval

    def scale(self, loss):
        return torch.mul(self._scale.to(loss.device), loss)

    @torch.no_grad()
    def step(self, optimizer):
        self.found_inf = False
        grads = []
        for group in optimizer.param_groups:
            grads += [p.grad for p in group["params"] if p.grad is not None]
        bad = torch.stack([(~torch.isfinite(g)).sum() for g in grads]).sum()
        self.found_inf = bool(bad)
        if not self.found_inf:
            torch._foreach_mul_(grads, 1.0 / self._scale.item())
            optimizer.step()

    def update(self):
        if self.found_inf:
            self._scale *= 0.5
            self.since = 0
            return
        self.since += 1
        if self.since >= self.interval:
            self._scale *= 2
            self.since = 0

    def get_scale(self):
        return self._scale


# %% right: writes over the gradients, one flat look, counts by a modulus
class WritingOver:
    def __init__(self, init_scale=1.0, growth_interval=1):
        self.s = init_scale
        self.n = growth_interval
        self.streak = 0
        self.skipped = None

    def scale(self, loss):
        return self.s * loss

    def step(self, optimizer):
        params = [p for g in optimizer.param_groups for p in g["params"] if p.grad is not None]
        for p in params:
            p.grad.copy_(p.grad / self.s)
        flat = torch.cat([p.grad.reshape(-1) for p in params])
        self.skipped = bool(flat.isnan().any() or flat.isinf().any())
        return None if self.skipped else optimizer.step()

    def update(self):
        self.streak = 0 if self.skipped else self.streak + 1
        if self.skipped:
            self.s = self.s / 2
        elif self.streak % self.n == 0:
            self.s = self.s * 2

    def get_scale(self):
        return float(self.s)


# %% right: a factory of closures
def make(init_scale=65536.0, growth_interval=2000):
    import types

    state = {"scale": init_scale, "row": 0, "bad": False}

    def step(optimizer):
        total = 0.0
        for group in optimizer.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p.grad.mul_(1 / state["scale"])
                    total = total + p.grad.double().abs().sum()
        state["bad"] = not bool(torch.isfinite(torch.as_tensor(total)))
        if not state["bad"]:
            optimizer.step()

    def update():
        if state["bad"]:
            state.update(scale=state["scale"] * 0.5, row=0)
        else:
            state["row"] += 1
            if state["row"] == growth_interval:
                state.update(scale=state["scale"] * 2.0, row=0)

    return types.SimpleNamespace(
        scale=lambda loss: loss.mul(state["scale"]), step=step, update=update, get_scale=lambda: state["scale"]
    )


# %% right: a subclass of torch's
class Sub(torch.amp.GradScaler):
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        super().__init__("cpu", init_scale=init_scale, growth_interval=growth_interval)


# %% right: numpy looks
class Numpy:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.value, self.interval, self.history = init_scale, growth_interval, []

    def scale(self, loss):
        return loss * self.value

    def step(self, optimizer):
        import numpy as np

        arrays = [p.grad.numpy() for g in optimizer.param_groups for p in g["params"] if p.grad is not None]
        for array in arrays:
            np.divide(array, self.value, out=array)
        self.history.append(all(np.isfinite(array).all() for array in arrays))
        if self.history[-1]:
            optimizer.step()

    def update(self):
        if not self.history[-1]:
            self.value, self.history = self.value / 2, []
        elif len(self.history) == self.interval:
            self.value, self.history = self.value * 2, []

    def get_scale(self):
        return self.value


# ---- wrong


# %% wrong: the loss is not scaled -> times 1
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.factor, self.growth_interval, self.taken = init_scale, growth_interval, 0

    def scale(self, loss):
        return loss * self.factor

    def step(self, optimizer):
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        for gradient in gradients:
            gradient /= self.factor
        self.good = all(gradient.isfinite().all() for gradient in gradients)
        if self.good:
            optimizer.step()

    def update(self):
        self.taken = self.taken + 1 if self.good else 0
        if not self.good:
            self.factor /= 2
        elif self.taken == self.growth_interval:
            self.factor, self.taken = 2 * self.factor, 0

    def get_scale(self):
        return self.factor


class Base(LossScaler):
    def scale(self, loss):
        return loss * 1.0


# %% wrong: runs backward itself -> must return the scaled loss
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.factor, self.growth_interval, self.taken = init_scale, growth_interval, 0

    def scale(self, loss):
        return loss * self.factor

    def step(self, optimizer):
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        for gradient in gradients:
            gradient /= self.factor
        self.good = all(gradient.isfinite().all() for gradient in gradients)
        if self.good:
            optimizer.step()

    def update(self):
        self.taken = self.taken + 1 if self.good else 0
        if not self.good:
            self.factor /= 2
        elif self.taken == self.growth_interval:
            self.factor, self.taken = 2 * self.factor, 0

    def get_scale(self):
        return self.factor


class Base(LossScaler):
    def scale(self, loss):
        (loss * self.factor).backward()


# %% wrong: cuts the graph -> has no graph
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.factor, self.growth_interval, self.taken = init_scale, growth_interval, 0

    def scale(self, loss):
        return loss * self.factor

    def step(self, optimizer):
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        for gradient in gradients:
            gradient /= self.factor
        self.good = all(gradient.isfinite().all() for gradient in gradients)
        if self.good:
            optimizer.step()

    def update(self):
        self.taken = self.taken + 1 if self.good else 0
        if not self.good:
            self.factor /= 2
        elif self.taken == self.growth_interval:
            self.factor, self.taken = 2 * self.factor, 0

    def get_scale(self):
        return self.factor


class Base(LossScaler):
    def scale(self, loss):
        return torch.tensor(loss.item() * self.factor)


# %% wrong: in place -> changed the loss itself
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.factor, self.growth_interval, self.taken = init_scale, growth_interval, 0

    def scale(self, loss):
        return loss * self.factor

    def step(self, optimizer):
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        for gradient in gradients:
            gradient /= self.factor
        self.good = all(gradient.isfinite().all() for gradient in gradients)
        if self.good:
            optimizer.step()

    def update(self):
        self.taken = self.taken + 1 if self.good else 0
        if not self.good:
            self.factor /= 2
        elif self.taken == self.growth_interval:
            self.factor, self.taken = 2 * self.factor, 0

    def get_scale(self):
        return self.factor


class Base(LossScaler):
    def scale(self, loss):
        return loss.mul_(self.factor)


# %% wrong: never unscales -> still multiplied by the scale
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.factor, self.growth_interval, self.taken = init_scale, growth_interval, 0

    def scale(self, loss):
        return loss * self.factor

    def step(self, optimizer):
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        for gradient in gradients:
            gradient /= self.factor
        self.good = all(gradient.isfinite().all() for gradient in gradients)
        if self.good:
            optimizer.step()

    def update(self):
        self.taken = self.taken + 1 if self.good else 0
        if not self.good:
            self.factor /= 2
        elif self.taken == self.growth_interval:
            self.factor, self.taken = 2 * self.factor, 0

    def get_scale(self):
        return self.factor


class Base(LossScaler):
    def step(self, optimizer):
        self.good = all(p.grad.isfinite().all() for g in optimizer.param_groups for p in g["params"] if p.grad is not None)
        if self.good:
            optimizer.step()


# %% wrong: unscales the first group only -> Gradients 4, 5
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.factor, self.growth_interval, self.taken = init_scale, growth_interval, 0

    def scale(self, loss):
        return loss * self.factor

    def step(self, optimizer):
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        for gradient in gradients:
            gradient /= self.factor
        self.good = all(gradient.isfinite().all() for gradient in gradients)
        if self.good:
            optimizer.step()

    def update(self):
        self.taken = self.taken + 1 if self.good else 0
        if not self.good:
            self.factor /= 2
        elif self.taken == self.growth_interval:
            self.factor, self.taken = 2 * self.factor, 0

    def get_scale(self):
        return self.factor


class Base(LossScaler):
    def step(self, optimizer):
        everything = [p.grad for g in optimizer.param_groups for p in g["params"] if p.grad is not None]
        for p in optimizer.param_groups[0]["params"]:
            if p.grad is not None:
                p.grad /= self.factor
        self.good = all(g.isfinite().all() for g in everything)
        if self.good:
            optimizer.step()


# %% wrong: always steps -> optimizer.step() was called
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.factor, self.growth_interval, self.taken = init_scale, growth_interval, 0

    def scale(self, loss):
        return loss * self.factor

    def step(self, optimizer):
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        for gradient in gradients:
            gradient /= self.factor
        self.good = all(gradient.isfinite().all() for gradient in gradients)
        if self.good:
            optimizer.step()

    def update(self):
        self.taken = self.taken + 1 if self.good else 0
        if not self.good:
            self.factor /= 2
        elif self.taken == self.growth_interval:
            self.factor, self.taken = 2 * self.factor, 0

    def get_scale(self):
        return self.factor


class Base(LossScaler):
    def step(self, optimizer):
        super().step(optimizer)
        if not self.good:
            optimizer.step()


# %% wrong: never steps -> optimizer.step() was called 0 times
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.factor, self.growth_interval, self.taken = init_scale, growth_interval, 0

    def scale(self, loss):
        return loss * self.factor

    def step(self, optimizer):
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        for gradient in gradients:
            gradient /= self.factor
        self.good = all(gradient.isfinite().all() for gradient in gradients)
        if self.good:
            optimizer.step()

    def update(self):
        self.taken = self.taken + 1 if self.good else 0
        if not self.good:
            self.factor /= 2
        elif self.taken == self.growth_interval:
            self.factor, self.taken = 2 * self.factor, 0

    def get_scale(self):
        return self.factor


class Base(LossScaler):
    def step(self, optimizer):
        self.good = True


# %% wrong: looks for nan only -> an inf in gradient 5
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.factor, self.growth_interval, self.taken = init_scale, growth_interval, 0

    def scale(self, loss):
        return loss * self.factor

    def step(self, optimizer):
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        for gradient in gradients:
            gradient /= self.factor
        self.good = all(gradient.isfinite().all() for gradient in gradients)
        if self.good:
            optimizer.step()

    def update(self):
        self.taken = self.taken + 1 if self.good else 0
        if not self.good:
            self.factor /= 2
        elif self.taken == self.growth_interval:
            self.factor, self.taken = 2 * self.factor, 0

    def get_scale(self):
        return self.factor


class Base(LossScaler):
    def step(self, optimizer):
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        for gradient in gradients:
            gradient /= self.factor
        self.good = not any(gradient.isnan().any() for gradient in gradients)
        if self.good:
            optimizer.step()


# %% wrong: looks for +inf and nan only -> a -inf in gradient
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.factor, self.growth_interval, self.taken = init_scale, growth_interval, 0

    def scale(self, loss):
        return loss * self.factor

    def step(self, optimizer):
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        for gradient in gradients:
            gradient /= self.factor
        self.good = all(gradient.isfinite().all() for gradient in gradients)
        if self.good:
            optimizer.step()

    def update(self):
        self.taken = self.taken + 1 if self.good else 0
        if not self.good:
            self.factor /= 2
        elif self.taken == self.growth_interval:
            self.factor, self.taken = 2 * self.factor, 0

    def get_scale(self):
        return self.factor


class Base(LossScaler):
    def step(self, optimizer):
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        for gradient in gradients:
            gradient /= self.factor
        self.good = not any((g.isnan() | (g == float("inf"))).any() for g in gradients)
        if self.good:
            optimizer.step()


# %% wrong: looks at the last gradient only -> a nan in gradient 0
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.factor, self.growth_interval, self.taken = init_scale, growth_interval, 0

    def scale(self, loss):
        return loss * self.factor

    def step(self, optimizer):
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        for gradient in gradients:
            gradient /= self.factor
        self.good = all(gradient.isfinite().all() for gradient in gradients)
        if self.good:
            optimizer.step()

    def update(self):
        self.taken = self.taken + 1 if self.good else 0
        if not self.good:
            self.factor /= 2
        elif self.taken == self.growth_interval:
            self.factor, self.taken = 2 * self.factor, 0

    def get_scale(self):
        return self.factor


class Base(LossScaler):
    def step(self, optimizer):
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        for gradient in gradients:
            gradient /= self.factor
        self.good = bool(gradients[-1].isfinite().all())
        if self.good:
            optimizer.step()


# %% wrong: looks at the first number of each -> optimizer.step() was called
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.factor, self.growth_interval, self.taken = init_scale, growth_interval, 0

    def scale(self, loss):
        return loss * self.factor

    def step(self, optimizer):
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        for gradient in gradients:
            gradient /= self.factor
        self.good = all(gradient.isfinite().all() for gradient in gradients)
        if self.good:
            optimizer.step()

    def update(self):
        self.taken = self.taken + 1 if self.good else 0
        if not self.good:
            self.factor /= 2
        elif self.taken == self.growth_interval:
            self.factor, self.taken = 2 * self.factor, 0

    def get_scale(self):
        return self.factor


class Base(LossScaler):
    def step(self, optimizer):
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        for gradient in gradients:
            gradient /= self.factor
        self.good = all(bool(g.view(-1)[0].isfinite()) for g in gradients)
        if self.good:
            optimizer.step()


# %% wrong: leaves out the bad weights and steps with the others -> optimizer.step() was called
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.factor, self.growth_interval, self.taken = init_scale, growth_interval, 0

    def scale(self, loss):
        return loss * self.factor

    def step(self, optimizer):
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        for gradient in gradients:
            gradient /= self.factor
        self.good = all(gradient.isfinite().all() for gradient in gradients)
        if self.good:
            optimizer.step()

    def update(self):
        self.taken = self.taken + 1 if self.good else 0
        if not self.good:
            self.factor /= 2
        elif self.taken == self.growth_interval:
            self.factor, self.taken = 2 * self.factor, 0

    def get_scale(self):
        return self.factor


class Base(LossScaler):
    def step(self, optimizer):
        self.good = True
        for group in optimizer.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p.grad /= self.factor
                    if not p.grad.isfinite().all():
                        p.grad, self.good = None, False
        optimizer.step()


# %% wrong: never halves -> Half after a skip
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.factor, self.growth_interval, self.taken = init_scale, growth_interval, 0

    def scale(self, loss):
        return loss * self.factor

    def step(self, optimizer):
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        for gradient in gradients:
            gradient /= self.factor
        self.good = all(gradient.isfinite().all() for gradient in gradients)
        if self.good:
            optimizer.step()

    def update(self):
        self.taken = self.taken + 1 if self.good else 0
        if not self.good:
            self.factor /= 2
        elif self.taken == self.growth_interval:
            self.factor, self.taken = 2 * self.factor, 0

    def get_scale(self):
        return self.factor


class Base(LossScaler):
    def update(self):
        if self.good:
            super().update()


# %% wrong: never doubles -> double after growth_interval
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.factor, self.growth_interval, self.taken = init_scale, growth_interval, 0

    def scale(self, loss):
        return loss * self.factor

    def step(self, optimizer):
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        for gradient in gradients:
            gradient /= self.factor
        self.good = all(gradient.isfinite().all() for gradient in gradients)
        if self.good:
            optimizer.step()

    def update(self):
        self.taken = self.taken + 1 if self.good else 0
        if not self.good:
            self.factor /= 2
        elif self.taken == self.growth_interval:
            self.factor, self.taken = 2 * self.factor, 0

    def get_scale(self):
        return self.factor


class Base(LossScaler):
    def update(self):
        self.factor /= 1 if self.good else 2


# %% wrong: doubles at any taken step -> get_scale() returns 2048
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.factor, self.growth_interval, self.taken = init_scale, growth_interval, 0

    def scale(self, loss):
        return loss * self.factor

    def step(self, optimizer):
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        for gradient in gradients:
            gradient /= self.factor
        self.good = all(gradient.isfinite().all() for gradient in gradients)
        if self.good:
            optimizer.step()

    def update(self):
        self.taken = self.taken + 1 if self.good else 0
        if not self.good:
            self.factor /= 2
        elif self.taken == self.growth_interval:
            self.factor, self.taken = 2 * self.factor, 0

    def get_scale(self):
        return self.factor


class Base(LossScaler):
    def update(self):
        self.factor *= 2 if self.good else 0.5


# %% wrong: a skip does not break the row -> in a row
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.factor, self.growth_interval, self.taken = init_scale, growth_interval, 0

    def scale(self, loss):
        return loss * self.factor

    def step(self, optimizer):
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        for gradient in gradients:
            gradient /= self.factor
        self.good = all(gradient.isfinite().all() for gradient in gradients)
        if self.good:
            optimizer.step()

    def update(self):
        self.taken = self.taken + 1 if self.good else 0
        if not self.good:
            self.factor /= 2
        elif self.taken == self.growth_interval:
            self.factor, self.taken = 2 * self.factor, 0

    def get_scale(self):
        return self.factor


class Base(LossScaler):
    def update(self):
        if not self.good:
            self.factor /= 2
            return
        self.taken += 1
        if self.taken == self.growth_interval:
            self.factor, self.taken = 2 * self.factor, 0


# %% wrong: does not count anew -> then count anew
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.factor, self.growth_interval, self.taken = init_scale, growth_interval, 0

    def scale(self, loss):
        return loss * self.factor

    def step(self, optimizer):
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        for gradient in gradients:
            gradient /= self.factor
        self.good = all(gradient.isfinite().all() for gradient in gradients)
        if self.good:
            optimizer.step()

    def update(self):
        self.taken = self.taken + 1 if self.good else 0
        if not self.good:
            self.factor /= 2
        elif self.taken == self.growth_interval:
            self.factor, self.taken = 2 * self.factor, 0

    def get_scale(self):
        return self.factor


class Base(LossScaler):
    def update(self):
        self.taken = self.taken + 1 if self.good else 0
        if not self.good:
            self.factor /= 2
        elif self.taken >= self.growth_interval:
            self.factor *= 2


# %% wrong: one step late -> get_scale() returns
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.factor, self.growth_interval, self.taken = init_scale, growth_interval, 0

    def scale(self, loss):
        return loss * self.factor

    def step(self, optimizer):
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        for gradient in gradients:
            gradient /= self.factor
        self.good = all(gradient.isfinite().all() for gradient in gradients)
        if self.good:
            optimizer.step()

    def update(self):
        self.taken = self.taken + 1 if self.good else 0
        if not self.good:
            self.factor /= 2
        elif self.taken == self.growth_interval:
            self.factor, self.taken = 2 * self.factor, 0

    def get_scale(self):
        return self.factor


class Base(LossScaler):
    def update(self):
        self.taken = self.taken + 1 if self.good else 0
        if not self.good:
            self.factor /= 2
        elif self.taken > self.growth_interval:
            self.factor, self.taken = 2 * self.factor, 0


# %% wrong: grows fourfold -> get_scale() returns
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.factor, self.growth_interval, self.taken = init_scale, growth_interval, 0

    def scale(self, loss):
        return loss * self.factor

    def step(self, optimizer):
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        for gradient in gradients:
            gradient /= self.factor
        self.good = all(gradient.isfinite().all() for gradient in gradients)
        if self.good:
            optimizer.step()

    def update(self):
        self.taken = self.taken + 1 if self.good else 0
        if not self.good:
            self.factor /= 2
        elif self.taken == self.growth_interval:
            self.factor, self.taken = 2 * self.factor, 0

    def get_scale(self):
        return self.factor


class Base(LossScaler):
    def update(self):
        grows = self.good and self.taken + 1 == self.growth_interval
        super().update()
        self.factor *= 2 if grows else 1


# %% wrong: divides twice -> divided by the scale twice
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.factor, self.growth_interval, self.taken = init_scale, growth_interval, 0

    def scale(self, loss):
        return loss * self.factor

    def step(self, optimizer):
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        for gradient in gradients:
            gradient /= self.factor
        self.good = all(gradient.isfinite().all() for gradient in gradients)
        if self.good:
            optimizer.step()

    def update(self):
        self.taken = self.taken + 1 if self.good else 0
        if not self.good:
            self.factor /= 2
        elif self.taken == self.growth_interval:
            self.factor, self.taken = 2 * self.factor, 0

    def get_scale(self):
        return self.factor


class Base(LossScaler):
    def step(self, optimizer):
        for group in optimizer.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p.grad /= self.factor
        super().step(optimizer)


# %% wrong: divides by the first scale for ever -> when optimizer.step() was called
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.factor, self.growth_interval, self.taken = init_scale, growth_interval, 0

    def scale(self, loss):
        return loss * self.factor

    def step(self, optimizer):
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        for gradient in gradients:
            gradient /= self.factor
        self.good = all(gradient.isfinite().all() for gradient in gradients)
        if self.good:
            optimizer.step()

    def update(self):
        self.taken = self.taken + 1 if self.good else 0
        if not self.good:
            self.factor /= 2
        elif self.taken == self.growth_interval:
            self.factor, self.taken = 2 * self.factor, 0

    def get_scale(self):
        return self.factor


class Base(LossScaler):
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        super().__init__(init_scale, growth_interval)
        self.first = init_scale

    def step(self, optimizer):
        now, self.factor = self.factor, self.first
        super().step(optimizer)
        self.factor = now


# %% wrong: ignores init_scale -> Made with init_scale
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.factor, self.growth_interval, self.taken = init_scale, growth_interval, 0

    def scale(self, loss):
        return loss * self.factor

    def step(self, optimizer):
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        for gradient in gradients:
            gradient /= self.factor
        self.good = all(gradient.isfinite().all() for gradient in gradients)
        if self.good:
            optimizer.step()

    def update(self):
        self.taken = self.taken + 1 if self.good else 0
        if not self.good:
            self.factor /= 2
        elif self.taken == self.growth_interval:
            self.factor, self.taken = 2 * self.factor, 0

    def get_scale(self):
        return self.factor


class Base(LossScaler):
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        super().__init__(65536.0, growth_interval)


# %% wrong: no update -> no method update
class NoUpdate:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.factor = init_scale

    def scale(self, loss):
        return loss * self.factor

    def step(self, optimizer):
        optimizer.step()

    def get_scale(self):
        return self.factor


# %% wrong: other argument names -> does not take that
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.factor, self.growth_interval, self.taken = init_scale, growth_interval, 0

    def scale(self, loss):
        return loss * self.factor

    def step(self, optimizer):
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        for gradient in gradients:
            gradient /= self.factor
        self.good = all(gradient.isfinite().all() for gradient in gradients)
        if self.good:
            optimizer.step()

    def update(self):
        self.taken = self.taken + 1 if self.good else 0
        if not self.good:
            self.factor /= 2
        elif self.taken == self.growth_interval:
            self.factor, self.taken = 2 * self.factor, 0

    def get_scale(self):
        return self.factor


class Names(LossScaler):
    def __init__(self, scale=65536.0, interval=2000):
        super().__init__(scale, interval)


# %% wrong: get_scale returns nothing -> must return the scale
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.factor, self.growth_interval, self.taken = init_scale, growth_interval, 0

    def scale(self, loss):
        return loss * self.factor

    def step(self, optimizer):
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        for gradient in gradients:
            gradient /= self.factor
        self.good = all(gradient.isfinite().all() for gradient in gradients)
        if self.good:
            optimizer.step()

    def update(self):
        self.taken = self.taken + 1 if self.good else 0
        if not self.good:
            self.factor /= 2
        elif self.taken == self.growth_interval:
            self.factor, self.taken = 2 * self.factor, 0

    def get_scale(self):
        return self.factor


class Base(LossScaler):
    def get_scale(self):
        self.factor


# %% right: torch's own, with other names for the arguments
class LossScaler(torch.amp.GradScaler):
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        super().__init__("cpu", init_scale=init_scale, growth_interval=growth_interval)


# %% right: foreach and one flag
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self._s, self._every, self._run, self._ok = float(init_scale), growth_interval, 0, True

    def scale(self, loss):
        return self._s * loss

    @torch.no_grad()
    def step(self, optimizer):
        grads = [p.grad for g in optimizer.param_groups for p in g["params"] if p.grad is not None]
        if grads:
            torch._foreach_div_(grads, self._s)
        self._ok = not any(torch.isnan(g).any() or torch.isinf(g).any() for g in grads)
        if self._ok:
            optimizer.step()

    def update(self):
        if self._ok:
            self._run += 1
            if self._run >= self._every:
                self._s *= 2.0
                self._run = 0
        else:
            self._s *= 0.5
            self._run = 0

    def get_scale(self):
        return self._s


# %% right: the scale lives in a tensor
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.factor = torch.tensor(float(init_scale))
        self.left = self.interval = growth_interval
        self.bad = torch.tensor(0.0)

    def scale(self, loss):
        return loss.mul(self.factor)

    def step(self, optimizer):
        self.bad.zero_()
        for group in optimizer.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                p.grad.data /= self.factor
                self.bad += (~torch.isfinite(p.grad)).sum()
        if not self.bad.item():
            optimizer.step()

    def update(self):
        if self.bad:
            self.factor /= 2
            self.left = self.interval
            return
        self.left -= 1
        if self.left == 0:
            self.factor *= 2
            self.left = self.interval

    def get_scale(self):
        return self.factor.item()


# %% right: a dataclass with properties and a history
from dataclasses import dataclass, field


@dataclass
class LossScaler:
    init_scale: float = 65536.0
    growth_interval: int = 2000
    history: list = field(default_factory=list)
    now: float = 0.0

    def __post_init__(self):
        self.now = float(self.init_scale)

    def scale(self, loss):
        return torch.mul(loss, self.now)

    def step(self, optimizer):
        found = []
        for parameter in (p for group in optimizer.param_groups for p in group["params"]):
            if parameter.grad is not None:
                with torch.no_grad():
                    parameter.grad.copy_(parameter.grad / self.now)
                found.append(bool(parameter.grad.isfinite().all()))
        self.history.append(all(found))
        return optimizer.step() if self.history[-1] else None

    def update(self):
        if not self.history[-1]:
            self.now, self.history = self.now / 2, []
        elif len(self.history) == self.growth_interval:
            self.now, self.history = self.now * 2, []

    def get_scale(self):
        return self.now


# %% right: an exception for a bad gradient, an exponent for the scale
import math


class Overflow(Exception):
    pass


class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.mantissa, self.exponent = math.frexp(init_scale)
        self.interval, self.good = growth_interval, 0

    def get_scale(self):
        return math.ldexp(self.mantissa, self.exponent)

    def scale(self, loss):
        return loss * self.get_scale()

    def _check(self, optimizer):
        grads = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        for grad in grads:
            grad.mul_(1 / self.get_scale())
        for grad in grads:
            if not (grad.abs() < math.inf).all():
                raise Overflow

    def step(self, optimizer):
        try:
            self._check(optimizer)
            optimizer.step()
            self.good += 1
        except Overflow:
            self.good = -1

    def update(self):
        if self.good < 0:
            self.exponent -= 1
            self.good = 0
        elif self.good == self.interval:
            self.exponent += 1
            self.good = 0


# %% right: closures in a function that looks like a class
def LossScaler(init_scale=65536.0, growth_interval=2000):  # noqa: N802
    state = {"scale": init_scale, "good": 0, "skipped": False}

    class It:
        @staticmethod
        def scale(loss):
            return loss * state["scale"]

        @staticmethod
        def step(optimizer):
            bad = False
            for group in optimizer.param_groups:
                for p in group["params"]:
                    if p.grad is not None:
                        p.grad.div_(state["scale"])
                        bad = bad or not torch.isfinite(p.grad).all().item()
            state["skipped"] = bad
            if not bad:
                optimizer.step()

        @staticmethod
        def update():
            state["good"] = 0 if state["skipped"] else state["good"] + 1
            if state["skipped"]:
                state["scale"] /= 2
            if state["good"] and state["good"] % growth_interval == 0:
                state["scale"] *= 2

        @staticmethod
        def get_scale():
            return state["scale"]

    return It()


# %% right: flattens copies and asks numpy
import numpy as np


class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.value, self.growth_interval, self.streak, self.finite = init_scale, growth_interval, 0, True

    def scale(self, loss):
        return loss * torch.tensor(self.value, dtype=loss.dtype)

    def step(self, optimizer):
        params = [p for group in optimizer.param_groups for p in group["params"]]
        grads = [p.grad for p in params if p.grad is not None]
        for g in grads:
            torch.div(g, self.value, out=g)
        self.finite = bool(np.isfinite(np.concatenate([np.zeros(1), *(g.numpy().ravel() for g in grads)])).all())
        if self.finite:
            optimizer.step()

    def update(self):
        grow = self.finite and self.streak + 1 == self.growth_interval
        self.streak = self.streak + 1 if self.finite and not grow else 0
        self.value = self.value * (2 if grow else 1 if self.finite else 0.5)

    def get_scale(self):
        return float(self.value)


# %% right: decides before it divides, divides all the same
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.s, self.n, self.i = init_scale, growth_interval, 0

    def scale(self, loss):
        return loss * self.s

    def step(self, optimizer):
        grads = [p.grad for group in optimizer.param_groups for p in group["params"] if isinstance(p.grad, torch.Tensor)]
        self.skip = sum(int((g != g).any() or (g.abs() == torch.inf).any()) for g in grads) > 0
        for g in grads:
            g /= self.s
        if self.skip is False:
            optimizer.step()

    def update(self):
        match self.skip:
            case True:
                self.s, self.i = self.s / 2, 0
            case False:
                self.i += 1
                if self.i == self.n:
                    self.s, self.i = self.s * 2, 0

    def get_scale(self):
        return self.s


# %% wrong: weights the update itself, never the optimizer's step
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.s, self.n, self.i = init_scale, growth_interval, 0

    def scale(self, loss):
        return loss * self.s

    def step(self, optimizer):
        self.ok = True
        for group in optimizer.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p.grad.div_(self.s)
                    self.ok &= bool(p.grad.isfinite().all())
        if self.ok:
            for group in optimizer.param_groups:
                for p in group["params"]:
                    if p.grad is not None:
                        p.data -= group["lr"] * p.grad

    def update(self):
        self.i = self.i + 1 if self.ok else 0
        if not self.ok:
            self.s /= 2
        elif self.i == self.n:
            self.s, self.i = self.s * 2, 0

    def get_scale(self):
        return self.s


# %% wrong: no division -> still multiplied by the scale
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.s, self.n, self.i = init_scale, growth_interval, 0

    def scale(self, loss):
        return loss * self.s

    def step(self, optimizer):
        grads = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        for g in grads:
            g.div_(1.0)
        self.ok = all(bool(g.isfinite().all()) for g in grads)
        if self.ok:
            optimizer.step()

    def update(self):
        self.i = self.i + 1 if self.ok else 0
        if not self.ok:
            self.s /= 2
        elif self.i == self.n:
            self.s, self.i = self.s * 2, 0

    def get_scale(self):
        return self.s


# %% wrong: the first group only -> all parameter groups
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.s, self.n, self.i = init_scale, growth_interval, 0

    def scale(self, loss):
        return loss * self.s

    def step(self, optimizer):
        grads = [p.grad for p in optimizer.param_groups[0]["params"] if p.grad is not None]
        for g in grads:
            g.div_(self.s)
        self.ok = all(bool(g.isfinite().all()) for g in grads)
        if self.ok:
            optimizer.step()

    def update(self):
        self.i = self.i + 1 if self.ok else 0
        if not self.ok:
            self.s /= 2
        elif self.i == self.n:
            self.s, self.i = self.s * 2, 0

    def get_scale(self):
        return self.s


# %% wrong: nan is overlooked
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.s, self.n, self.i = init_scale, growth_interval, 0

    def scale(self, loss):
        return loss * self.s

    def step(self, optimizer):
        grads = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        for g in grads:
            g.div_(self.s)
        self.ok = all(not g.isinf().any() for g in grads)
        if self.ok:
            optimizer.step()

    def update(self):
        self.i = self.i + 1 if self.ok else 0
        if not self.ok:
            self.s /= 2
        elif self.i == self.n:
            self.s, self.i = self.s * 2, 0

    def get_scale(self):
        return self.s


# %% wrong: inf is overlooked
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.s, self.n, self.i = init_scale, growth_interval, 0

    def scale(self, loss):
        return loss * self.s

    def step(self, optimizer):
        grads = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        for g in grads:
            g.div_(self.s)
        self.ok = all(not g.isnan().any() for g in grads)
        if self.ok:
            optimizer.step()

    def update(self):
        self.i = self.i + 1 if self.ok else 0
        if not self.ok:
            self.s /= 2
        elif self.i == self.n:
            self.s, self.i = self.s * 2, 0

    def get_scale(self):
        return self.s


# %% wrong: minus inf is overlooked
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.s, self.n, self.i = init_scale, growth_interval, 0

    def scale(self, loss):
        return loss * self.s

    def step(self, optimizer):
        grads = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        for g in grads:
            g.div_(self.s)
        self.ok = all(bool((g < torch.inf).all()) for g in grads)
        if self.ok:
            optimizer.step()

    def update(self):
        self.i = self.i + 1 if self.ok else 0
        if not self.ok:
            self.s /= 2
        elif self.i == self.n:
            self.s, self.i = self.s * 2, 0

    def get_scale(self):
        return self.s


# %% wrong: looks at the last gradient only (a stranger's)
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.s, self.n, self.i = init_scale, growth_interval, 0

    def scale(self, loss):
        return loss * self.s

    def step(self, optimizer):
        grads = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        for g in grads:
            g.div_(self.s)
        self.ok = bool(grads[-1].isfinite().all())
        if self.ok:
            optimizer.step()

    def update(self):
        self.i = self.i + 1 if self.ok else 0
        if not self.ok:
            self.s /= 2
        elif self.i == self.n:
            self.s, self.i = self.s * 2, 0

    def get_scale(self):
        return self.s


# %% wrong: looks at the first number of each gradient
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.s, self.n, self.i = init_scale, growth_interval, 0

    def scale(self, loss):
        return loss * self.s

    def step(self, optimizer):
        grads = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        for g in grads:
            g.div_(self.s)
        self.ok = all(bool(g.flatten()[0].isfinite()) for g in grads)
        if self.ok:
            optimizer.step()

    def update(self):
        self.i = self.i + 1 if self.ok else 0
        if not self.ok:
            self.s /= 2
        elif self.i == self.n:
            self.s, self.i = self.s * 2, 0

    def get_scale(self):
        return self.s


# %% wrong: a gradient must be finite somewhere
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.s, self.n, self.i = init_scale, growth_interval, 0

    def scale(self, loss):
        return loss * self.s

    def step(self, optimizer):
        grads = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        for g in grads:
            g.div_(self.s)
        self.ok = all(bool(g.isfinite().any()) for g in grads)
        if self.ok:
            optimizer.step()

    def update(self):
        self.i = self.i + 1 if self.ok else 0
        if not self.ok:
            self.s /= 2
        elif self.i == self.n:
            self.s, self.i = self.s * 2, 0

    def get_scale(self):
        return self.s


# %% wrong: steps in any case
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.s, self.n, self.i = init_scale, growth_interval, 0

    def scale(self, loss):
        return loss * self.s

    def step(self, optimizer):
        grads = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        for g in grads:
            g.div_(self.s)
        self.ok = all(bool(g.isfinite().all()) for g in grads)
        optimizer.step()

    def update(self):
        self.i = self.i + 1 if self.ok else 0
        if not self.ok:
            self.s /= 2
        elif self.i == self.n:
            self.s, self.i = self.s * 2, 0

    def get_scale(self):
        return self.s


# %% wrong: doubles after every good step past the interval
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.s, self.n, self.i = init_scale, growth_interval, 0

    def scale(self, loss):
        return loss * self.s

    def step(self, optimizer):
        grads = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        for g in grads:
            g.div_(self.s)
        self.ok = all(bool(g.isfinite().all()) for g in grads)
        if self.ok:
            optimizer.step()

    def update(self):
        self.i = self.i + 1 if self.ok else 0
        if not self.ok:
            self.s /= 2
        elif self.i >= self.n:
            self.s *= 2

    def get_scale(self):
        return self.s


# %% wrong: never doubles twice, since the count goes on
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.s, self.n, self.i = init_scale, growth_interval, 0

    def scale(self, loss):
        return loss * self.s

    def step(self, optimizer):
        grads = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        for g in grads:
            g.div_(self.s)
        self.ok = all(bool(g.isfinite().all()) for g in grads)
        if self.ok:
            optimizer.step()

    def update(self):
        self.i = self.i + 1 if self.ok else 0
        if not self.ok:
            self.s /= 2
        elif self.i == self.n:
            self.s *= 2

    def get_scale(self):
        return self.s


# %% wrong: good steps need not be in a row
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.s, self.n, self.i = init_scale, growth_interval, 0

    def scale(self, loss):
        return loss * self.s

    def step(self, optimizer):
        grads = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        for g in grads:
            g.div_(self.s)
        self.ok = all(bool(g.isfinite().all()) for g in grads)
        if self.ok:
            optimizer.step()

    def update(self):
        self.i = self.i + 1 if self.ok else self.i
        if not self.ok:
            self.s /= 2
        elif self.i == self.n:
            self.s, self.i = self.s * 2, 0

    def get_scale(self):
        return self.s


# %% wrong: grows one step late
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.s, self.n, self.i = init_scale, growth_interval, 0

    def scale(self, loss):
        return loss * self.s

    def step(self, optimizer):
        grads = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        for g in grads:
            g.div_(self.s)
        self.ok = all(bool(g.isfinite().all()) for g in grads)
        if self.ok:
            optimizer.step()

    def update(self):
        self.i = self.i + 1 if self.ok else 0
        if not self.ok:
            self.s /= 2
        elif self.i > self.n:
            self.s, self.i = self.s * 2, 0

    def get_scale(self):
        return self.s


# %% wrong: grows one step early
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.s, self.n, self.i = init_scale, growth_interval, 0

    def scale(self, loss):
        return loss * self.s

    def step(self, optimizer):
        grads = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        for g in grads:
            g.div_(self.s)
        self.ok = all(bool(g.isfinite().all()) for g in grads)
        if self.ok:
            optimizer.step()

    def update(self):
        self.i = self.i + 1 if self.ok else 0
        if not self.ok:
            self.s /= 2
        elif self.i == self.n - 1:
            self.s, self.i = self.s * 2, 0

    def get_scale(self):
        return self.s


# %% wrong: counts the skipped steps, too
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.s, self.n, self.i = init_scale, growth_interval, 0

    def scale(self, loss):
        return loss * self.s

    def step(self, optimizer):
        grads = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        for g in grads:
            g.div_(self.s)
        self.ok = all(bool(g.isfinite().all()) for g in grads)
        if self.ok:
            optimizer.step()

    def update(self):
        self.i += 1
        if not self.ok:
            self.s /= 2
        if self.i == self.n:
            self.s, self.i = self.s * 2, 0

    def get_scale(self):
        return self.s


# %% wrong: the first scale is written in
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.s, self.n, self.i = 65536.0, growth_interval, 0

    def scale(self, loss):
        return loss * self.s

    def step(self, optimizer):
        grads = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        for g in grads:
            g.div_(self.s)
        self.ok = all(bool(g.isfinite().all()) for g in grads)
        if self.ok:
            optimizer.step()

    def update(self):
        self.i = self.i + 1 if self.ok else 0
        if not self.ok:
            self.s /= 2
        elif self.i == self.n:
            self.s, self.i = self.s * 2, 0

    def get_scale(self):
        return self.s


# %% wrong: the interval is written in
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.s, self.n, self.i = init_scale, 2000, 0

    def scale(self, loss):
        return loss * self.s

    def step(self, optimizer):
        grads = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        for g in grads:
            g.div_(self.s)
        self.ok = all(bool(g.isfinite().all()) for g in grads)
        if self.ok:
            optimizer.step()

    def update(self):
        self.i = self.i + 1 if self.ok else 0
        if not self.ok:
            self.s /= 2
        elif self.i == self.n:
            self.s, self.i = self.s * 2, 0

    def get_scale(self):
        return self.s


# %% wrong: multiplies the loss in place -> changed the loss itself
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.s, self.n, self.i = init_scale, growth_interval, 0

    def scale(self, loss):
        return loss.mul_(self.s)

    def step(self, optimizer):
        grads = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        for g in grads:
            g.div_(self.s)
        self.ok = all(bool(g.isfinite().all()) for g in grads)
        if self.ok:
            optimizer.step()

    def update(self):
        self.i = self.i + 1 if self.ok else 0
        if not self.ok:
            self.s /= 2
        elif self.i == self.n:
            self.s, self.i = self.s * 2, 0

    def get_scale(self):
        return self.s


# %% wrong: the scaled loss has lost its graph
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.s, self.n, self.i = init_scale, growth_interval, 0

    def scale(self, loss):
        return loss.detach() * self.s

    def step(self, optimizer):
        grads = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        for g in grads:
            g.div_(self.s)
        self.ok = all(bool(g.isfinite().all()) for g in grads)
        if self.ok:
            optimizer.step()

    def update(self):
        self.i = self.i + 1 if self.ok else 0
        if not self.ok:
            self.s /= 2
        elif self.i == self.n:
            self.s, self.i = self.s * 2, 0

    def get_scale(self):
        return self.s


# %% wrong: a number for a loss
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.s, self.n, self.i = init_scale, growth_interval, 0

    def scale(self, loss):
        return loss.item() * self.s

    def step(self, optimizer):
        grads = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        for g in grads:
            g.div_(self.s)
        self.ok = all(bool(g.isfinite().all()) for g in grads)
        if self.ok:
            optimizer.step()

    def update(self):
        self.i = self.i + 1 if self.ok else 0
        if not self.ok:
            self.s /= 2
        elif self.i == self.n:
            self.s, self.i = self.s * 2, 0

    def get_scale(self):
        return self.s


# %% wrong: calls backward itself
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.s, self.n, self.i = init_scale, growth_interval, 0

    def scale(self, loss):
        (loss * self.s).backward()

    def step(self, optimizer):
        grads = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        for g in grads:
            g.div_(self.s)
        self.ok = all(bool(g.isfinite().all()) for g in grads)
        if self.ok:
            optimizer.step()

    def update(self):
        self.i = self.i + 1 if self.ok else 0
        if not self.ok:
            self.s /= 2
        elif self.i == self.n:
            self.s, self.i = self.s * 2, 0

    def get_scale(self):
        return self.s


# %% wrong: new gradients in place of the old -> divide in place
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.s, self.n, self.i = init_scale, growth_interval, 0

    def scale(self, loss):
        return loss * self.s

    def step(self, optimizer):
        grads = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        for p in (p for group in optimizer.param_groups for p in group["params"] if p.grad is not None):
            p.grad = p.grad / self.s
        grads = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        self.ok = all(bool(g.isfinite().all()) for g in grads)
        if self.ok:
            optimizer.step()

    def update(self):
        self.i = self.i + 1 if self.ok else 0
        if not self.ok:
            self.s /= 2
        elif self.i == self.n:
            self.s, self.i = self.s * 2, 0

    def get_scale(self):
        return self.s


# %% wrong: a weight without a gradient is an error
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.s, self.n, self.i = init_scale, growth_interval, 0

    def scale(self, loss):
        return loss * self.s

    def step(self, optimizer):
        grads = [p.grad for group in optimizer.param_groups for p in group["params"]]
        for g in grads:
            g.div_(self.s)
        self.ok = all(bool(g.isfinite().all()) for g in grads)
        if self.ok:
            optimizer.step()

    def update(self):
        self.i = self.i + 1 if self.ok else 0
        if not self.ok:
            self.s /= 2
        elif self.i == self.n:
            self.s, self.i = self.s * 2, 0

    def get_scale(self):
        return self.s


# %% wrong: zeroes the gradients after the step -> zeroing them is the caller's
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.s, self.n, self.i = init_scale, growth_interval, 0

    def scale(self, loss):
        return loss * self.s

    def step(self, optimizer):
        grads = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        for g in grads:
            g.div_(self.s)
        self.ok = all(bool(g.isfinite().all()) for g in grads)
        if self.ok:
            optimizer.step()
            optimizer.zero_grad()

    def update(self):
        self.i = self.i + 1 if self.ok else 0
        if not self.ok:
            self.s /= 2
        elif self.i == self.n:
            self.s, self.i = self.s * 2, 0

    def get_scale(self):
        return self.s


# %% wrong: the scale changes in step -> chosen by update()
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.s, self.n, self.i = init_scale, growth_interval, 0

    def scale(self, loss):
        return loss * self.s

    def step(self, optimizer):
        grads = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        for g in grads:
            g.div_(self.s)
        self.ok = all(bool(g.isfinite().all()) for g in grads)
        if self.ok:
            optimizer.step()
        self.update_()

    def update(self):
        pass

    def update_(self):
        self.i = self.i + 1 if self.ok else 0
        if not self.ok:
            self.s /= 2
        elif self.i == self.n:
            self.s, self.i = self.s * 2, 0

    def get_scale(self):
        return self.s


# %% wrong: a quarter after a skip
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.s, self.n, self.i = init_scale, growth_interval, 0

    def scale(self, loss):
        return loss * self.s

    def step(self, optimizer):
        grads = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        for g in grads:
            g.div_(self.s)
        self.ok = all(bool(g.isfinite().all()) for g in grads)
        if self.ok:
            optimizer.step()

    def update(self):
        self.i = self.i + 1 if self.ok else 0
        if not self.ok:
            self.s /= 4
        elif self.i == self.n:
            self.s, self.i = self.s * 2, 0

    def get_scale(self):
        return self.s


# %% wrong: doubles after a skip
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.s, self.n, self.i = init_scale, growth_interval, 0

    def scale(self, loss):
        return loss * self.s

    def step(self, optimizer):
        grads = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        for g in grads:
            g.div_(self.s)
        self.ok = all(bool(g.isfinite().all()) for g in grads)
        if self.ok:
            optimizer.step()

    def update(self):
        self.i = self.i + 1 if self.ok else 0
        if not self.ok:
            self.s *= 2
        elif self.i == self.n:
            self.s, self.i = self.s * 2, 0

    def get_scale(self):
        return self.s


# %% wrong: the scale never falls below one -> Half after a skip
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.s, self.n, self.i = init_scale, growth_interval, 0

    def scale(self, loss):
        return loss * self.s

    def step(self, optimizer):
        grads = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        for g in grads:
            g.div_(self.s)
        self.ok = all(bool(g.isfinite().all()) for g in grads)
        if self.ok:
            optimizer.step()

    def update(self):
        self.i = self.i + 1 if self.ok else 0
        if not self.ok:
            self.s = max(self.s / 2, 1.0)
        elif self.i == self.n:
            self.s, self.i = self.s * 2, 0

    def get_scale(self):
        return self.s


# %% wrong: the scale never grows above the first
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.s, self.n, self.i = init_scale, growth_interval, 0

    def scale(self, loss):
        return loss * self.s

    def step(self, optimizer):
        grads = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        for g in grads:
            g.div_(self.s)
        self.ok = all(bool(g.isfinite().all()) for g in grads)
        if self.ok:
            optimizer.step()

    def update(self):
        self.i = self.i + 1 if self.ok else 0
        if not self.ok:
            self.s /= 2
        elif self.i == self.n:
            self.s, self.i = min(self.s * 2, 65536.0), 0

    def get_scale(self):
        return self.s


# %% wrong: divides by the square
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.s, self.n, self.i = init_scale, growth_interval, 0

    def scale(self, loss):
        return loss * self.s

    def step(self, optimizer):
        grads = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        for g in grads:
            g.div_(self.s).div_(self.s)
        self.ok = all(bool(g.isfinite().all()) for g in grads)
        if self.ok:
            optimizer.step()

    def update(self):
        self.i = self.i + 1 if self.ok else 0
        if not self.ok:
            self.s /= 2
        elif self.i == self.n:
            self.s, self.i = self.s * 2, 0

    def get_scale(self):
        return self.s


# %% wrong: divides by the number of losses as well
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.s, self.n, self.i, self.calls = init_scale, growth_interval, 0, 0

    def scale(self, loss):
        self.calls += 1
        return loss * self.s

    def step(self, optimizer):
        grads = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        for g in grads:
            g.div_(self.s * self.calls)
        self.calls = 0
        self.ok = all(bool(g.isfinite().all()) for g in grads)
        if self.ok:
            optimizer.step()

    def update(self):
        self.i = self.i + 1 if self.ok else 0
        if not self.ok:
            self.s /= 2
        elif self.i == self.n:
            self.s, self.i = self.s * 2, 0

    def get_scale(self):
        return self.s


# %% wrong: counts losses and not steps -> Half after a skip
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.s, self.n, self.i = init_scale, growth_interval, 0

    def scale(self, loss):
        self.i += 1
        return loss * self.s

    def step(self, optimizer):
        grads = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        for g in grads:
            g.div_(self.s)
        self.ok = all(bool(g.isfinite().all()) for g in grads)
        if self.ok:
            optimizer.step()

    def update(self):
        self.i = self.i if self.ok else 0
        if not self.ok:
            self.s /= 2
        elif self.i >= self.n:
            self.s, self.i = self.s * 2, 0

    def get_scale(self):
        return self.s


# %% wrong: replaces inf by zero and steps
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.s, self.n, self.i = init_scale, growth_interval, 0

    def scale(self, loss):
        return loss * self.s

    def step(self, optimizer):
        grads = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        for g in grads:
            g.div_(self.s)
        self.ok = all(bool(g.isfinite().all()) for g in grads)
        for g in grads:
            torch.nan_to_num_(g, 0.0, 0.0, 0.0)
        optimizer.step()

    def update(self):
        self.i = self.i + 1 if self.ok else 0
        if not self.ok:
            self.s /= 2
        elif self.i == self.n:
            self.s, self.i = self.s * 2, 0

    def get_scale(self):
        return self.s


# %% wrong: the norm overflows where no number does -> called 0 times
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.s, self.n, self.i = init_scale, growth_interval, 0

    def scale(self, loss):
        return loss * self.s

    def step(self, optimizer):
        grads = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        for g in grads:
            g.div_(self.s)
        self.ok = bool(sum(g.square().sum() for g in grads) < torch.inf)
        if self.ok:
            optimizer.step()

    def update(self):
        self.i = self.i + 1 if self.ok else 0
        if not self.ok:
            self.s /= 2
        elif self.i == self.n:
            self.s, self.i = self.s * 2, 0

    def get_scale(self):
        return self.s


# %% wrong: all scalers share one scale
class LossScaler:
    s = 65536.0
    i = 0

    def __init__(self, init_scale=65536.0, growth_interval=2000):
        LossScaler.s, self.n, LossScaler.i = init_scale, growth_interval, 0

    def scale(self, loss):
        return loss * self.s

    def step(self, optimizer):
        grads = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        for g in grads:
            g.div_(self.s)
        self.ok = all(bool(g.isfinite().all()) for g in grads)
        if self.ok:
            optimizer.step()

    def update(self):
        self.i = self.i + 1 if self.ok else 0
        if not self.ok:
            LossScaler.s /= 2
        elif self.i == self.n:
            LossScaler.s, LossScaler.i = self.s * 2, 0

    def get_scale(self):
        return self.s


# %% wrong: step without a closure but twice
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.s, self.n, self.i = init_scale, growth_interval, 0

    def scale(self, loss):
        return loss * self.s

    def step(self, optimizer):
        grads = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        for g in grads:
            g.div_(self.s)
        self.ok = all(bool(g.isfinite().all()) for g in grads)
        if self.ok:
            optimizer.step()
            optimizer.step()

    def update(self):
        self.i = self.i + 1 if self.ok else 0
        if not self.ok:
            self.s /= 2
        elif self.i == self.n:
            self.s, self.i = self.s * 2, 0

    def get_scale(self):
        return self.s


# %% wrong: get_scale returns the next power
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.s, self.n, self.i = init_scale, growth_interval, 0

    def scale(self, loss):
        return loss * self.s

    def step(self, optimizer):
        grads = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        for g in grads:
            g.div_(self.s)
        self.ok = all(bool(g.isfinite().all()) for g in grads)
        if self.ok:
            optimizer.step()

    def update(self):
        self.i = self.i + 1 if self.ok else 0
        if not self.ok:
            self.s /= 2
        elif self.i == self.n:
            self.s, self.i = self.s * 2, 0

    def get_scale(self):
        return self.s * 2


# %% wrong: get_scale returns nothing (a stranger's)
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.s, self.n, self.i = init_scale, growth_interval, 0

    def scale(self, loss):
        return loss * self.s

    def step(self, optimizer):
        grads = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        for g in grads:
            g.div_(self.s)
        self.ok = all(bool(g.isfinite().all()) for g in grads)
        if self.ok:
            optimizer.step()

    def update(self):
        self.i = self.i + 1 if self.ok else 0
        if not self.ok:
            self.s /= 2
        elif self.i == self.n:
            self.s, self.i = self.s * 2, 0

    def get_scale(self):
        print(self.s)


# %% wrong: the weights are scaled back in place of the gradients
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.s, self.n, self.i = init_scale, growth_interval, 0

    def scale(self, loss):
        return loss * self.s

    def step(self, optimizer):
        grads = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        for g in grads:
            pass
        self.ok = all(bool(g.isfinite().all()) for g in grads)
        if self.ok:
            for group in optimizer.param_groups:
                group["lr"] /= self.s
            optimizer.step()
            for group in optimizer.param_groups:
                group["lr"] *= self.s

    def update(self):
        self.i = self.i + 1 if self.ok else 0
        if not self.ok:
            self.s /= 2
        elif self.i == self.n:
            self.s, self.i = self.s * 2, 0

    def get_scale(self):
        return self.s


# %% right: a step pre-hook of the optimizer divides
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.factor = init_scale
        self.growth_interval = growth_interval
        self.taken = 0
        self.took = False

    def scale(self, loss):
        return loss * torch.full_like(loss, self.factor)

    def _unscale(self, optimizer, args, kwargs):
        self.handle.remove()
        for group in optimizer.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p.grad.div_(self.factor)

    def step(self, optimizer):
        self.took = all(
            torch.isfinite(p.grad).all() for group in optimizer.param_groups for p in group["params"] if p.grad is not None
        )
        if self.took:
            self.handle = optimizer.register_step_pre_hook(self._unscale)
            optimizer.step()

    def update(self):
        if self.took:
            self.taken += 1
            if self.taken == self.growth_interval:
                self.factor *= 2
                self.taken = 0
        else:
            self.factor /= 2
            self.taken = 0

    def get_scale(self):
        return self.factor


# %% wrong: sums before it divides, the sum overflows -> 0 times
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.factor, self.interval, self.taken, self.good = init_scale, growth_interval, 0, True

    def scale(self, loss):
        return loss * self.factor

    def step(self, optimizer):
        gradients = [p.grad for g in optimizer.param_groups for p in g["params"] if p.grad is not None]
        self.good = all(g.sum().isfinite() for g in gradients)
        for g in gradients:
            g.div_(self.factor)
        if self.good:
            optimizer.step()

    def update(self):
        self.taken = self.taken + 1 if self.good else 0
        if not self.good:
            self.factor /= 2
        elif self.taken == self.interval:
            self.factor, self.taken = self.factor * 2, 0

    def get_scale(self):
        return self.factor


# %% wrong: gives gradients of zero to weights that have none -> leave it as it is
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.factor, self.interval, self.taken, self.good = init_scale, growth_interval, 0, True

    def scale(self, loss):
        return loss * self.factor

    def step(self, optimizer):
        for g in optimizer.param_groups:
            for p in g["params"]:
                if p.grad is None:
                    p.grad = torch.zeros_like(p)
        gradients = [p.grad for g in optimizer.param_groups for p in g["params"] if p.grad is not None]
        for g in gradients:
            g.div_(self.factor)
        self.good = all(g.isfinite().all() for g in gradients)
        if self.good:
            optimizer.step()

    def update(self):
        self.taken = self.taken + 1 if self.good else 0
        if not self.good:
            self.factor /= 2
        elif self.taken == self.interval:
            self.factor, self.taken = self.factor * 2, 0

    def get_scale(self):
        return self.factor


# %% wrong: zeroes the gradients after a skip -> the caller's
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.factor, self.interval, self.taken, self.good = init_scale, growth_interval, 0, True

    def scale(self, loss):
        return loss * self.factor

    def step(self, optimizer):
        gradients = [p.grad for g in optimizer.param_groups for p in g["params"] if p.grad is not None]
        for g in gradients:
            g.div_(self.factor)
        self.good = all(g.isfinite().all() for g in gradients)
        if self.good:
            optimizer.step()
        else:
            optimizer.zero_grad()

    def update(self):
        self.taken = self.taken + 1 if self.good else 0
        if not self.good:
            self.factor /= 2
        elif self.taken == self.interval:
            self.factor, self.taken = self.factor * 2, 0

    def get_scale(self):
        return self.factor


# %% wrong: remembers the parameters of its first step
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.params = None
        self.factor, self.interval, self.taken, self.good = init_scale, growth_interval, 0, True

    def scale(self, loss):
        return loss * self.factor

    def step(self, optimizer):
        self.params = self.params or [p for g in optimizer.param_groups for p in g["params"] if p.grad is not None]
        gradients = [p.grad for p in self.params if p.grad is not None]
        for g in gradients:
            g.div_(self.factor)
        self.good = all(g.isfinite().all() for g in gradients)
        if self.good:
            optimizer.step()

    def update(self):
        self.taken = self.taken + 1 if self.good else 0
        if not self.good:
            self.factor /= 2
        elif self.taken == self.interval:
            self.factor, self.taken = self.factor * 2, 0

    def get_scale(self):
        return self.factor


# %% wrong: rounds the gradients to fp16 on the way
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.factor, self.interval, self.taken, self.good = init_scale, growth_interval, 0, True

    def scale(self, loss):
        return loss * self.factor

    def step(self, optimizer):
        gradients = [p.grad for g in optimizer.param_groups for p in g["params"] if p.grad is not None]
        for g in gradients:
            g.copy_((g.half().float()) / self.factor)
        self.good = all(g.isfinite().all() for g in gradients)
        if self.good:
            optimizer.step()

    def update(self):
        self.taken = self.taken + 1 if self.good else 0
        if not self.good:
            self.factor /= 2
        elif self.taken == self.interval:
            self.factor, self.taken = self.factor * 2, 0

    def get_scale(self):
        return self.factor


# %% wrong: the same tensor where the scale is 1
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.s, self.every, self.row, self.good = init_scale, growth_interval, 0, True

    def scale(self, loss):
        return loss if self.s == 1 else loss * self.s

    def step(self, optimizer):
        grads = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        for g in grads:
            g.div_(self.s)
        self.good = all(bool(g.isfinite().all()) for g in grads)
        if self.good:
            optimizer.step()

    def update(self):
        self.row = self.row + 1 if self.good else 0
        if not self.good:
            self.s /= 2
        elif self.row == self.every:
            self.s *= 2
            self.row = 0

    def get_scale(self):
        return self.s


# %% wrong: stops at the first None
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.s, self.every, self.row, self.good = init_scale, growth_interval, 0, True

    def scale(self, loss):
        return loss * self.s

    def step(self, optimizer):
        grads = []
        for group in optimizer.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    break
                grads.append(p.grad)
        for g in grads:
            g.div_(self.s)
        self.good = all(bool(g.isfinite().all()) for g in grads)
        if self.good:
            optimizer.step()

    def update(self):
        self.row = self.row + 1 if self.good else 0
        if not self.good:
            self.s /= 2
        elif self.row == self.every:
            self.s *= 2
            self.row = 0

    def get_scale(self):
        return self.s


# %% wrong: the state lives in the class
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        LossScaler.s, LossScaler.every, LossScaler.row, LossScaler.good = init_scale, growth_interval, 0, True

    def scale(self, loss):
        return loss * self.s

    def step(self, optimizer):
        grads = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        for g in grads:
            g.div_(self.s)
        self.good = all(bool(g.isfinite().all()) for g in grads)
        if self.good:
            optimizer.step()

    def update(self):
        self.row = self.row + 1 if self.good else 0
        if not self.good:
            LossScaler.s /= 2
        elif self.row == self.every:
            LossScaler.s *= 2
            self.row = 0

    def get_scale(self):
        return self.s


# %% wrong: equal shapes are divided once
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.s, self.every, self.row, self.good = init_scale, growth_interval, 0, True

    def scale(self, loss):
        return loss * self.s

    def step(self, optimizer):
        grads = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        for g in {g.shape: g for g in grads}.values():
            g.div_(self.s)
        self.good = all(bool(g.isfinite().all()) for g in grads)
        if self.good:
            optimizer.step()

    def update(self):
        self.row = self.row + 1 if self.good else 0
        if not self.good:
            self.s /= 2
        elif self.row == self.every:
            self.s *= 2
            self.row = 0

    def get_scale(self):
        return self.s


# %% wrong: no step where all gradients are zero
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.s, self.every, self.row, self.good = init_scale, growth_interval, 0, True

    def scale(self, loss):
        return loss * self.s

    def step(self, optimizer):
        grads = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        for g in grads:
            g.div_(self.s)
        self.good = all(bool(g.isfinite().all()) for g in grads) and any(bool(g.any()) for g in grads)
        if self.good:
            optimizer.step()

    def update(self):
        self.row = self.row + 1 if self.good else 0
        if not self.good:
            self.s /= 2
        elif self.row == self.every:
            self.s *= 2
            self.row = 0

    def get_scale(self):
        return self.s


# %% right: get_scale returns a tensor of one
class LossScaler:
    def __init__(self, init_scale=65536.0, growth_interval=2000):
        self.s, self.every, self.row, self.good = init_scale, growth_interval, 0, True

    def scale(self, loss):
        return loss * self.s

    def step(self, optimizer):
        grads = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        for g in grads:
            g.div_(self.s)
        self.good = all(bool(g.isfinite().all()) for g in grads)
        if self.good:
            optimizer.step()

    def update(self):
        self.row = self.row + 1 if self.good else 0
        if not self.good:
            self.s /= 2
        elif self.row == self.every:
            self.s *= 2
            self.row = 0

    def get_scale(self):
        return torch.tensor(self.s)
