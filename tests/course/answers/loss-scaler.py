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


# %% right: replaces the gradients, one flat look, counts by a modulus
class Replacing:
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
            p.grad = p.grad / self.s
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
