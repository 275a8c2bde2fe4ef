# %% right: the lesson's layer
class LoRALinear(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen, self.scaling = frozen.requires_grad_(False), alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device) / frozen.in_features**0.5)
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        return self.frozen(x) + (x @ self.A.T @ self.B.T) * self.scaling


# %% right: two Linear modules without bias, as in peft
class Adapter(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.base = frozen
        for weight in frozen.parameters():
            weight.requires_grad = False
        self.down = nn.Linear(frozen.in_features, r, bias=False, device=device)
        self.up = nn.Linear(r, frozen.out_features, bias=False, device=device)
        nn.init.zeros_(self.up.weight)
        self.r, self.alpha = r, alpha

    def forward(self, x):
        return self.base(x) + self.up(self.down(x)).mul(self.alpha).div(self.r)


# %% right: in x r and r x out, einsum, the scale in the forward
class Einsum(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        frozen.requires_grad_(False)
        self.layer = frozen
        self.register_buffer("scale", torch.tensor(alpha / r))
        self.to_r = nn.Parameter(torch.empty(frozen.in_features, r).uniform_(-1, 1))
        self.to_out = nn.Parameter(torch.zeros(r, frozen.out_features))

    def forward(self, x):
        return self.layer(x) + self.scale * torch.einsum("...i,ir,ro->...o", x, self.to_r, self.to_out)


# %% right: a function that makes a subclass of Sequential
class Detour(nn.Sequential):
    def __init__(self, *layers, factor):
        super().__init__(*layers)
        self.factor = factor

    def forward(self, x):
        return super().forward(x) * self.factor


class Both(nn.Module):
    def __init__(self, one, other):
        super().__init__()
        self.paths = nn.ModuleList([one, other])

    def forward(self, x):
        return sum(path(x) for path in self.paths)


def make(frozen, r, alpha):
    a = nn.Linear(frozen.in_features, r, bias=False)
    b = nn.Linear(r, frozen.out_features, bias=False)
    b.weight.data.zero_()
    for name, parameter in frozen.named_parameters():
        parameter.requires_grad_(False)
    return Both(frozen, Detour(a, b, factor=alpha / r))


# %% right: a ParameterDict, functional linear, scaled input
from torch.nn.functional import linear


class Functional(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen = frozen
        self.frozen.requires_grad_(False)
        self.lora = nn.ParameterDict(
            {"A": torch.randn(r, frozen.in_features), "B": torch.zeros(frozen.out_features, r)}
        )
        self.s = float(alpha) / float(r)

    def forward(self, x):
        detour = linear(linear(self.s * x, self.lora["A"]), self.lora["B"])
        return torch.add(self.frozen(x), detour)


# %% right: a custom autograd function for the detour
class DetourFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, a, b, scale):
        ctx.save_for_backward(x, a, b)
        ctx.scale = scale
        return scale * (x @ a.T) @ b.T

    @staticmethod
    def backward(ctx, grad):
        x, a, b = ctx.saved_tensors
        grad, flat = grad * ctx.scale, x.reshape(-1, x.shape[-1])
        rows = grad.reshape(-1, grad.shape[-1])
        return grad @ b @ a, (rows @ b).T @ flat, rows.T @ (flat @ a.T), None


class ByHand(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen, self.scale = frozen.requires_grad_(False), alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features))
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r))

    def forward(self, x):
        return self.frozen(x) + DetourFunction.apply(x, self.A, self.B, self.scale)


# %% right: calls forward by name, kept from the start
class ForwardByName(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen, self.plain, self.s = frozen.requires_grad_(False), frozen.forward, alpha / r
        self.ab = nn.ParameterList([torch.randn(r, frozen.in_features), torch.zeros(frozen.out_features, r)])

    def forward(self, x):
        a, b = self.ab
        return self.plain(x) + (x @ a.mT @ b.mT) * self.s


# %% wrong: A takes the type of the packed weight -> call the frozen layer
class TypeOfWeight(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen, self.s = frozen.requires_grad_(False), alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, dtype=frozen.weight.dtype))
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, dtype=frozen.weight.dtype))

    def forward(self, x):
        return self.frozen(x) + (x @ self.A.T @ self.B.T) * self.s


# %% wrong: nothing scales -> no scaling
class NoScale(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen = frozen.requires_grad_(False)
        self.A = nn.Parameter(torch.randn(r, frozen.in_features))
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r))

    def forward(self, x):
        return self.frozen(x) + x @ self.A.T @ self.B.T


# %% wrong: always 2 -> alpha / r is
class AlwaysTwo(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen = frozen.requires_grad_(False)
        self.A = nn.Parameter(torch.randn(r, frozen.in_features))
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r))

    def forward(self, x):
        return self.frozen(x) + 2 * (x @ self.A.T @ self.B.T)


# %% wrong: rsLoRA's scale -> rsLoRA
class Root(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen, self.scale = frozen.requires_grad_(False), alpha / r**0.5
        self.A = nn.Parameter(torch.randn(r, frozen.in_features))
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r))

    def forward(self, x):
        return self.frozen(x) + self.scale * (x @ self.A.T @ self.B.T)


# %% wrong: the scale lies in the class and the last layer made wins -> alpha / r is
class Shared(nn.Module):
    scale = 1.0

    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen = frozen.requires_grad_(False)
        Shared.scale = alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features))
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r))

    def forward(self, x):
        return self.frozen(x) + Shared.scale * (x @ self.A.T @ self.B.T)


# %% wrong: the frozen layer under no_grad -> through the detour alone
class NoGrad(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen, self.scale = frozen.requires_grad_(False), alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features))
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r))

    def forward(self, x):
        with torch.no_grad():
            fixed = self.frozen(x)
        return fixed + self.scale * (x @ self.A.T @ self.B.T)


# %% wrong: the detour sees a detached input -> the gradient of the input is not right
class DetachedInput(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen, self.scale = frozen.requires_grad_(False), alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features))
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r))

    def forward(self, x):
        return self.frozen(x) + self.scale * (x.detach() @ self.A.T @ self.B.T)


# %% wrong: not frozen -> still trains
class Loose(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen, self.scale = frozen, alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features))
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r))

    def forward(self, x):
        return self.frozen(x) + self.scale * (x @ self.A.T @ self.B.T)


# %% wrong: only the weight is frozen, the bias trains -> still trains
class LooseBias(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        frozen.weight.requires_grad = False
        self.frozen, self.scale = frozen, alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features))
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r))

    def forward(self, x):
        return self.frozen(x) + self.scale * (x @ self.A.T @ self.B.T)


# %% wrong: the frozen layer is frozen in the forward, and the detour with it -> nothing trains
class AllFrozen(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen, self.scale = frozen, alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features))
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r))
        self.requires_grad_(False)

    def forward(self, x):
        return self.frozen(x) + self.scale * (x @ self.A.T @ self.B.T)


# %% wrong: both zero -> both zero
class BothZero(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen, self.scale = frozen.requires_grad_(False), alpha / r
        self.A = nn.Parameter(torch.zeros(r, frozen.in_features))
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r))

    def forward(self, x):
        return self.frozen(x) + self.scale * (x @ self.A.T @ self.B.T)


# %% wrong: both random -> step 0
class BothRandom(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen, self.scale = frozen.requires_grad_(False), alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features))
        self.B = nn.Parameter(torch.randn(frozen.out_features, r))

    def forward(self, x):
        return self.frozen(x) + self.scale * (x @ self.A.T @ self.B.T)


# %% wrong: A of ones -> rank 1
class Ones(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen, self.scale = frozen.requires_grad_(False), alpha / r
        self.A = nn.Parameter(torch.ones(r, frozen.in_features))
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r))

    def forward(self, x):
        return self.frozen(x) + self.scale * (x @ self.A.T @ self.B.T)


# %% wrong: the weight is used, the layer not called -> call the frozen layer
class Merged(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen, self.scale = frozen.requires_grad_(False), alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features))
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r))

    def forward(self, x):
        return nn.functional.linear(x, self.frozen.weight + self.scale * self.B @ self.A, self.frozen.bias)


# %% wrong: a copy of the layer -> no copy
import copy


class Copied(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen, self.scale = copy.deepcopy(frozen).requires_grad_(False), alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features))
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r))

    def forward(self, x):
        return self.frozen(x) + self.scale * (x @ self.A.T @ self.B.T)


# %% wrong: the detour has biases -> have a bias
class Biased(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen, self.scale = frozen.requires_grad_(False), alpha / r
        self.a, self.b = nn.Linear(frozen.in_features, r), nn.Linear(r, frozen.out_features)
        nn.init.zeros_(self.b.weight)
        nn.init.zeros_(self.b.bias)

    def forward(self, x):
        return self.frozen(x) + self.scale * self.b(self.a(x))


# %% wrong: a nonlinearity between A and B -> does not add alpha / r times B A x
class Bent(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen, self.scale = frozen.requires_grad_(False), alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features))
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r))

    def forward(self, x):
        return self.frozen(x) + self.scale * (torch.relu(x @ self.A.T) @ self.B.T)


# %% wrong: one argument is missing -> Python says
class TwoArguments(nn.Module):
    def __init__(self, frozen, r):
        super().__init__()
        self.frozen = frozen.requires_grad_(False)
        self.A = nn.Parameter(torch.randn(r, frozen.in_features))
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r))

    def forward(self, x):
        return self.frozen(x) + x @ self.A.T @ self.B.T


# %% wrong: a plain function of tensors -> must make a torch.nn.Module
def apply(frozen, r, alpha):
    a, b = torch.randn(r, frozen.in_features), torch.zeros(frozen.out_features, r)
    return lambda x: frozen(x) + alpha / r * (x @ a.T @ b.T)
