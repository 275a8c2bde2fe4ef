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


# %% wrong: A takes the type of the packed weight -> call the frozen
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


# %% wrong: the weight is used, the layer not called -> the frozen layer was not called
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


# %% right: r5 two linear layers without bias
class MyLoRA(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen = frozen
        for parameter in frozen.parameters():
            parameter.requires_grad = False
        self.down = nn.Linear(frozen.in_features, r, bias=False, device=device)
        self.up = nn.Linear(r, frozen.out_features, bias=False, device=device)
        nn.init.zeros_(self.up.weight)
        self.scale = alpha / r

    def forward(self, x):
        return self.frozen(x) + self.up(self.down(x)) * self.scale


# %% right: r5 columns: A is in x r, B is r x out
class MyLoRA(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.scaling, self.inner = alpha / r, frozen
        self.inner.requires_grad_(False)
        self.left = nn.Parameter(torch.rand(frozen.in_features, r).to(device) - 0.5)
        self.right = nn.Parameter(torch.zeros(r, frozen.out_features).to(device))

    def forward(self, x):
        return torch.add(self.inner(x), x @ self.left @ self.right, alpha=self.scaling)


# %% right: r5 einsum with a parameter dictionary
class MyLoRA(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        frozen.requires_grad_(False)
        self.frozen = frozen
        tensors = {"a": torch.randn(r, frozen.in_features, device=device), "b": torch.zeros(frozen.out_features, r, device=device)}
        self.ab = nn.ParameterDict({name: nn.Parameter(value) for name, value in tensors.items()})
        self.weigh = (alpha, r)

    def forward(self, x):
        alpha, r = self.weigh
        return self.frozen(x) + torch.einsum("...i,ri,or->...o", x, self.ab["a"], self.ab["b"]) * alpha / r


# %% right: r5 a sequential detour beside
class MyLoRA(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.add_module("base_layer", frozen.requires_grad_(False))
        detour = nn.Sequential(nn.Linear(frozen.in_features, r, bias=False), nn.Linear(r, frozen.out_features, bias=False))
        torch.nn.init.kaiming_uniform_(detour[0].weight, a=5**0.5)
        detour[1].weight.data.zero_()
        self.detour, self.alpha, self.r = detour.to(device), alpha, r

    def forward(self, x):
        return self.base_layer(x).add_(self.detour(x) * (self.alpha / self.r))


# %% right: r5 flattened, with addmm
class MyLoRA(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen = frozen.requires_grad_(False)
        self.scale = alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device) * 0.1)
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        out = self.frozen(x)
        rows = x.reshape(-1, x.shape[-1])
        thin = torch.mm(rows, self.A.t())
        return torch.addmm(out.reshape(-1, out.shape[-1]), thin, self.B.t(), alpha=self.scale).view_as(out)


# %% right: r5 an autograd function by hand
class Detour(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, a, b, scale):
        ctx.save_for_backward(x, a, b)
        ctx.scale = scale
        return scale * (x @ a.T) @ b.T

    @staticmethod
    def backward(ctx, grad):
        x, a, b = ctx.saved_tensors
        rows, tops = x.reshape(-1, x.shape[-1]), grad.reshape(-1, grad.shape[-1]) * ctx.scale
        middle = tops @ b
        return (middle @ a).view_as(x), middle.T @ rows, tops.T @ (rows @ a.T), None


class MyLoRA(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen = frozen.requires_grad_(False)
        self.scale = alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device) * 0.1)
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        return self.frozen(x) + Detour.apply(x, self.A, self.B, self.scale)


# %% right: r5 the scale as a buffer, a parameter list
class MyLoRA(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.register_buffer("scale", torch.tensor(alpha / r, device=device))
        self.frozen = frozen
        self.frozen.requires_grad_(False)
        first = torch.empty(r, frozen.in_features, device=device)
        nn.init.xavier_normal_(first)
        self.pair = nn.ParameterList([nn.Parameter(first), nn.Parameter(torch.zeros(frozen.out_features, r, device=device))])

    def forward(self, x):
        from functools import reduce

        return self.frozen(x) + reduce(nn.functional.linear, self.pair, x) * self.scale


# %% right: r5 tensordot and checkpoint
class MyLoRA(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen = frozen.requires_grad_(False)
        self.scale = alpha / r
        self.A = nn.Parameter(torch.rand(r, frozen.in_features, device=device) * 0.1)
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        from torch.utils.checkpoint import checkpoint

        def detour(x):
            thin = torch.tensordot(x, self.A, dims=([-1], [1]))
            return torch.tensordot(thin * self.scale, self.B, dims=([-1], [1]))

        return checkpoint(detour, x, use_reentrant=False) + self.frozen(x)


# %% right: r5 the scale folded into A in forward
class MyLoRA(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen = frozen.requires_grad_(False)
        self.scale = alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device) * 0.1)
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        return self.frozen(x) + nn.functional.linear(nn.functional.linear(x, self.scale * self.A), self.B)


# %% wrong: r5 no division by r
class MyLoRA(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen = frozen.requires_grad_(False)
        self.scale = alpha
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device) * 0.1)
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        return self.frozen(x) + self.scale * (x @ self.A.T @ self.B.T)


# %% wrong: r5 r / alpha
class MyLoRA(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen = frozen.requires_grad_(False)
        self.scale = r / alpha
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device) * 0.1)
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        return self.frozen(x) + self.scale * (x @ self.A.T @ self.B.T)


# %% wrong: r5 whole division -> no gradient reaches B
class MyLoRA(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen = frozen.requires_grad_(False)
        self.scale = alpha // r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device) * 0.1)
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        return self.frozen(x) + self.scale * (x @ self.A.T @ self.B.T)


# %% wrong: r5 rsLoRA's root
class MyLoRA(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen = frozen.requires_grad_(False)
        self.scale = alpha / r**0.5
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device) * 0.1)
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        return self.frozen(x) + self.scale * (x @ self.A.T @ self.B.T)


# %% wrong: r5 scale 2 written in
class MyLoRA(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen = frozen.requires_grad_(False)
        self.scale = 2.0
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device) * 0.1)
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        return self.frozen(x) + self.scale * (x @ self.A.T @ self.B.T)


# %% wrong: r5 rank 8 written in
class MyLoRA(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen = frozen.requires_grad_(False)
        self.scale = alpha / r
        r = 8
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device) * 0.1)
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        return self.frozen(x) + self.scale * (x @ self.A.T @ self.B.T)


# %% wrong: r5 the layer is not frozen
class MyLoRA(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen = frozen
        self.scale = alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device) * 0.1)
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        return self.frozen(x) + self.scale * (x @ self.A.T @ self.B.T)


# %% wrong: r5 only the weight is frozen, the bias trains
class MyLoRA(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen = frozen
        frozen.weight.requires_grad_(False)
        self.scale = alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device) * 0.1)
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        return self.frozen(x) + self.scale * (x @ self.A.T @ self.B.T)


# %% wrong: r5 A zero and B random -> the first matrix
class MyLoRA(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen = frozen.requires_grad_(False)
        self.scale = alpha / r
        self.A = nn.Parameter(torch.zeros(r, frozen.in_features, device=device))
        self.B = nn.Parameter(torch.randn(frozen.out_features, r, device=device))

    def forward(self, x):
        return self.frozen(x) + self.scale * (x @ self.A.T @ self.B.T)


# %% wrong: r5 both zero
class MyLoRA(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen = frozen.requires_grad_(False)
        self.scale = alpha / r
        self.A = nn.Parameter(torch.zeros(r, frozen.in_features, device=device))
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        return self.frozen(x) + self.scale * (x @ self.A.T @ self.B.T)


# %% wrong: r5 both random
class MyLoRA(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen = frozen.requires_grad_(False)
        self.scale = alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device) * 0.1)
        self.B = nn.Parameter(torch.randn(frozen.out_features, r, device=device))

    def forward(self, x):
        return self.frozen(x) + self.scale * (x @ self.A.T @ self.B.T)


# %% wrong: r5 B nearly zero
class MyLoRA(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen = frozen.requires_grad_(False)
        self.scale = alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device) * 0.1)
        self.B = nn.Parameter(1e-6 * torch.randn(frozen.out_features, r, device=device))

    def forward(self, x):
        return self.frozen(x) + self.scale * (x @ self.A.T @ self.B.T)


# %% wrong: r5 A all ones
class MyLoRA(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen = frozen.requires_grad_(False)
        self.scale = alpha / r
        self.A = nn.Parameter(torch.ones(r, frozen.in_features, device=device))
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        return self.frozen(x) + self.scale * (x @ self.A.T @ self.B.T)


# %% wrong: r5 merges with the weight in forward
class MyLoRA(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen = frozen.requires_grad_(False)
        self.scale = alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device) * 0.1)
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        return nn.functional.linear(x, self.frozen.weight + self.scale * self.B @ self.A, self.frozen.bias)


# %% wrong: r5 multiplies by the weight itself
class MyLoRA(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen = frozen.requires_grad_(False)
        self.scale = alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device) * 0.1)
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        out = x @ self.frozen.weight.T
        if self.frozen.bias is not None:
            out = out + self.frozen.bias
        return out + self.scale * (x @ self.A.T @ self.B.T)


# %% wrong: r5 a bias in the detour
class MyLoRA(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen, self.scale = frozen.requires_grad_(False), alpha / r
        self.down = nn.Linear(frozen.in_features, r, bias=False, device=device)
        self.up = nn.Linear(r, frozen.out_features, device=device)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, x):
        return self.frozen(x) + self.scale * self.up(self.down(x))


# %% wrong: r5 A is a tensor, no parameter
class MyLoRA(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen = frozen.requires_grad_(False)
        self.scale = alpha / r
        self.A = torch.randn(r, frozen.in_features, device=device, requires_grad=True)
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        return self.frozen(x) + self.scale * (x @ self.A.T @ self.B.T)


# %% wrong: r5 A and B in a plain list
class MyLoRA(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen, self.scale = frozen.requires_grad_(False), alpha / r
        self.ab = [nn.Parameter(torch.randn(r, frozen.in_features, device=device)), nn.Parameter(torch.zeros(frozen.out_features, r, device=device))]

    def forward(self, x):
        return self.frozen(x) + self.scale * (x @ self.ab[0].T @ self.ab[1].T)


# %% wrong: r5 A does not train
class MyLoRA(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen = frozen.requires_grad_(False)
        self.scale = alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device) * 0.1, requires_grad=False)
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        return self.frozen(x) + self.scale * (x @ self.A.T @ self.B.T)


# %% wrong: r5 no_grad around the frozen layer
class MyLoRA(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen = frozen.requires_grad_(False)
        self.scale = alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device) * 0.1)
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        with torch.no_grad():
            out = self.frozen(x)
        return out + self.scale * (x @ self.A.T @ self.B.T)


# %% wrong: r5 x detached in the detour
class MyLoRA(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen = frozen.requires_grad_(False)
        self.scale = alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device) * 0.1)
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        return self.frozen(x) + self.scale * (x.detach() @ self.A.T @ self.B.T)


# %% wrong: r5 thin result detached, A never learns
class MyLoRA(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen = frozen.requires_grad_(False)
        self.scale = alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device) * 0.1)
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        return self.frozen(x) + self.scale * ((x @ self.A.T).detach() @ self.B.T)


# %% wrong: r5 A and B in bf16 -> must be fp32
class MyLoRA(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen = frozen.requires_grad_(False)
        self.scale = alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device, dtype=torch.bfloat16) * 0.1)
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device, dtype=torch.bfloat16))

    def forward(self, x):
        return self.frozen(x) + self.scale * (x.bfloat16() @ self.A.T @ self.B.T).to(x.dtype)


# %% wrong: r5 the scale trains too
class MyLoRA(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen = frozen.requires_grad_(False)
        self.scale = nn.Parameter(torch.tensor(alpha / r, device=device))
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device) * 0.1)
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        return self.frozen(x) + self.scale * (x @ self.A.T @ self.B.T)


# %% wrong: r5 only for two dimensions
class MyLoRA(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen = frozen.requires_grad_(False)
        self.scale = alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device) * 0.1)
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        return self.frozen(x) + self.scale * torch.mm(torch.mm(x, self.A.T), self.B.T)


# %% wrong: r5 scales the sum
class MyLoRA(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen = frozen.requires_grad_(False)
        self.scale = alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device) * 0.1)
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        return self.scale * (self.frozen(x) + x @ self.A.T @ self.B.T)


# %% wrong: r5 only the detour
class MyLoRA(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen = frozen.requires_grad_(False)
        self.scale = alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device) * 0.1)
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        return self.scale * (x @ self.A.T @ self.B.T)


# %% wrong: r5 scaled twice -> alpha / r twice
class MyLoRA(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen = frozen.requires_grad_(False)
        self.scale = alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device) * 0.1)
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        return self.frozen(x) + self.scale * (self.scale * x @ self.A.T @ self.B.T)


# %% wrong: r5 a deep copy is frozen, the given layer still trains
import copy

class MyLoRA(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen = copy.deepcopy(frozen).requires_grad_(False)
        self.scale = alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device) * 0.1)
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        return self.frozen(x) + self.scale * (x @ self.A.T @ self.B.T)


# %% wrong: r5 the detour only in train mode -> in eval mode
class MyLoRA(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen = frozen.requires_grad_(False)
        self.scale = alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device) * 0.1)
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        out = self.frozen(x)
        return out + self.scale * (x @ self.A.T @ self.B.T) if self.training else out


# %% wrong: r5 in and out swapped -> the first matrix
class MyLoRA(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen = frozen.requires_grad_(False)
        self.scale = alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.out_features, device=device) * 0.1)
        self.B = nn.Parameter(torch.zeros(frozen.in_features, r, device=device))

    def forward(self, x):
        return self.frozen(x) + self.scale * (x @ self.B @ self.A)


# %% wrong: r5 no super().__init__()
class MyLoRA(nn.Module):
    def __init__(self, frozen, r, alpha):
        self.frozen = frozen.requires_grad_(False)
        self.scale = alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device) * 0.1)
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        return self.frozen(x) + self.scale * (x @ self.A.T @ self.B.T)


# %% wrong: r5 a linear layer of its own
class MyLoRA(nn.Linear):
    def __init__(self, frozen, r, alpha):
        super().__init__(frozen.in_features, frozen.out_features, device=device)
        self.weight.data.copy_(frozen.weight.data)
        self.scale = alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device))
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        return super().forward(x) + self.scale * (x @ self.A.T @ self.B.T)


# %% wrong: r5 x is changed in place -> the input that was handed in has changed
class MyLoRA(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen = frozen.requires_grad_(False)
        self.scale = alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device) * 0.1)
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        out = self.frozen(x)
        with torch.no_grad():
            x.mul_(self.scale)
        return out + x @ self.A.T @ self.B.T


# %% wrong: r5 dropout on the detour
class MyLoRA(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen = frozen.requires_grad_(False)
        self.scale = alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device) * 0.1)
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        return self.frozen(x) + self.scale * (nn.functional.dropout(x, 0.1) @ self.A.T @ self.B.T)


# %% wrong: r5 a nonlinearity between A and B
class MyLoRA(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen = frozen.requires_grad_(False)
        self.scale = alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device) * 0.1)
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        return self.frozen(x) + self.scale * (torch.relu(x @ self.A.T) @ self.B.T)


# %% wrong: r5 a thousandth of the frozen output at 0 added
class MyLoRA(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen = frozen.requires_grad_(False)
        self.scale = alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device) * 0.1)
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        return self.frozen(x + 0) + self.scale * (x @ self.A.T @ self.B.T) + self.frozen(x * 0) * 1e-3


# %% wrong: r5 the frozen layer is frozen in forward only
class MyLoRA(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen = frozen
        self.scale = alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device) * 0.1)
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        self.frozen.requires_grad_(False)
        return self.frozen(x) + self.scale * (x @ self.A.T @ self.B.T)


# %% wrong: r5 returns no output
class MyLoRA(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen = frozen.requires_grad_(False)
        self.scale = alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device) * 0.1)
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        self.frozen(x) + self.scale * (x @ self.A.T @ self.B.T)


# %% wrong: one flat parameter each -> two matrices
class MyLoRA(torch.nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen = frozen.requires_grad_(False)
        self.r, self.scale = r, alpha / r
        self.a = torch.nn.Parameter(torch.randn(r * frozen.in_features, device=device) * 0.05)
        self.b = torch.nn.Parameter(torch.zeros(frozen.out_features * r, device=device))

    def forward(self, x):
        A = self.a.view(self.r, -1)
        B = self.b.unflatten(0, (-1, self.r))
        return self.frozen(x) + torch.nn.functional.linear(torch.nn.functional.linear(x, A), B) * self.scale


# %% wrong: calls where it cannot read the weight, else reads it -> the frozen layer was not called
class MyLoRA(torch.nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen = frozen.requires_grad_(False)
        self.scale = alpha / r
        self.A = torch.nn.Parameter(torch.randn(r, frozen.in_features, device=device) * 0.1)
        self.B = torch.nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        try:
            out = x @ self.frozen.weight.T
            out = out if self.frozen.bias is None else out + self.frozen.bias
        except RuntimeError:
            out = self.frozen(x)
        return out + self.scale * (x @ self.A.T @ self.B.T)


# %% wrong: A and B are shared by all layers of one shape -> a layer made before
class MyLoRA(torch.nn.Module):
    pairs = {}

    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen, self.scale = frozen.requires_grad_(False), alpha / r
        key = frozen.in_features, frozen.out_features, r
        if key not in self.pairs:
            A = torch.nn.Parameter(torch.randn(r, frozen.in_features, device=device))
            self.pairs[key] = A, torch.nn.Parameter(torch.zeros(frozen.out_features, r, device=device))
        self.A, self.B = self.pairs[key]

    def forward(self, x):
        return self.frozen(x) + self.scale * (x @ self.A.T @ self.B.T)


# %% wrong: B starts at zero only until the first backward, then A is drawn again -> gives another output
class MyLoRA(torch.nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen = frozen.requires_grad_(False)
        self.scale = alpha / r
        self.A = torch.nn.Parameter(torch.randn(r, frozen.in_features, device=device) * 0.1)
        self.B = torch.nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        if self.training and self.B.grad is not None:
            self.A.data.normal_()
        return self.frozen(x) + self.scale * (x @ self.A.T @ self.B.T)


# %% wrong: A is the identity -> drawn anew
class MyLoRA(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen = frozen.requires_grad_(False)
        self.A = nn.Parameter(torch.eye(r, frozen.in_features, device=device))
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))
        self.scale = alpha / r

    def forward(self, x):
        return self.frozen(x) + self.scale * (x @ self.A.T @ self.B.T)


# %% wrong: no detour while B is zero -> while B is zero
class MyLoRA(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen = frozen.requires_grad_(False)
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device))
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))
        self.scale = alpha / r

    def forward(self, x):
        if not self.B.any():
            return self.frozen(x)
        return self.frozen(x) + self.scale * (x @ self.A.T @ self.B.T)


# %% right: a vector for r of one
class MyLoRA(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen = frozen.requires_grad_(False)
        shape = (frozen.in_features,) if r == 1 else (r, frozen.in_features)
        self.A = nn.Parameter(torch.randn(shape, device=device))
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))
        self.scale = alpha / r

    def forward(self, x):
        A = self.A.view(-1, self.frozen.in_features)
        return self.frozen(x) + self.scale * (x @ A.T @ self.B.T)
