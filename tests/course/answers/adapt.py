# %% right: wrappers, collected first
class LoRALinear(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen, self.scaling = frozen, alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device) / frozen.in_features**0.5)
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        return self.frozen(x) + (x @ self.A.T @ self.B.T) * self.scaling


def adapt(model, r, alpha):
    model.requires_grad_(False)
    for name, layer in list(model.named_modules()):
        if isinstance(layer, nn.Linear) and name.rpartition(".")[2] != "lm_head":
            parent, _, child = name.rpartition(".")
            setattr(model.get_submodule(parent), child, LoRALinear(layer, r, alpha))
    return model


# %% right: recursion over children
class Wrapped(nn.Module):
    def __init__(self, base, r, alpha):
        super().__init__()
        self.base = base
        self.down = nn.Linear(base.in_features, r, bias=False, device=base.weight.device)
        self.up = nn.Linear(r, base.out_features, bias=False, device=base.weight.device)
        nn.init.zeros_(self.up.weight)
        self.scale = alpha / r

    def forward(self, x):
        return self.base(x) + self.scale * self.up(self.down(x))


def recursive(model, r, alpha):
    for weight in model.parameters():
        weight.requires_grad = False

    def visit(module):
        for name, child in module.named_children():
            if isinstance(child, nn.Linear):
                if name != "lm_head":
                    module._modules[name] = Wrapped(child, r, alpha)
            else:
                visit(child)

    visit(model)
    return model


# %% right: parameters on the layer itself and a forward hook
def hooked(model, r, alpha):
    model.requires_grad_(False)
    for name, layer in model.named_modules():
        if isinstance(layer, nn.Linear) and name != "lm_head":
            layer.A = nn.Parameter(torch.randn(layer.in_features, r, device=layer.weight.device))
            layer.B = nn.Parameter(torch.zeros(r, layer.out_features, device=layer.weight.device))
            layer.register_forward_hook(lambda self, inputs, out: out + alpha / r * (inputs[0] @ self.A @ self.B))
    return model


# %% right: the forward replaced by a closure
def patched(model, r, alpha):
    for weight in model.parameters():
        weight.requires_grad_(False)

    def patch(layer):
        plain = layer.forward
        layer.lora = nn.ParameterList(
            [
                nn.Parameter(torch.randn(r, layer.in_features, device=layer.weight.device)),
                nn.Parameter(torch.zeros(layer.out_features, r, device=layer.weight.device)),
            ]
        )
        a, b = layer.lora
        layer.forward = lambda x: (
            plain(x) + torch.nn.functional.linear(torch.nn.functional.linear(x, a), b) * (alpha / r)
        )

    for name, layer in list(model.named_modules()):
        if type(layer) is nn.Linear and not name.endswith("lm_head"):
            patch(layer)
    return model


# %% right: a subclass of Linear that takes over the weight
class LoRA(nn.Linear):
    def __init__(self, layer, r, alpha):
        super().__init__(layer.in_features, layer.out_features, bias=layer.bias is not None, device="meta")
        self.weight, self.bias, self.factor = layer.weight, layer.bias, alpha / r
        self.A = nn.Parameter(torch.randn(r, self.in_features, device=layer.weight.device))
        self.B = nn.Parameter(torch.zeros(self.out_features, r, device=layer.weight.device))

    def forward(self, x):
        return super().forward(x) + torch.einsum("...i,ri,or->...o", x, self.A, self.B) * self.factor


def subclassed(model, r, alpha):
    model.requires_grad_(False)
    found = [
        (parent, name)
        for parent in model.modules()
        for name, child in parent.named_children()
        if isinstance(child, nn.Linear)
    ]
    for parent, name in found:
        if name != "lm_head":
            setattr(parent, name, LoRA(getattr(parent, name), r, alpha))
    return model


# %% right: torch's parametrization
from torch.nn.utils import parametrize


class Sum(nn.Module):
    def __init__(self, layer, r, alpha):
        super().__init__()
        self.s = alpha / r
        self.A = nn.Parameter(torch.randn(r, layer.in_features))
        self.B = nn.Parameter(torch.zeros(layer.out_features, r))

    def forward(self, weight):
        return weight + self.s * self.B @ self.A


def parametrized(model, r, alpha):
    model.requires_grad_(False)
    for name, layer in list(model.named_modules()):
        if isinstance(layer, nn.Linear) and name != "lm_head":
            parametrize.register_parametrization(layer, "weight", Sum(layer, r, alpha))
    return model


# %% wrong: replaced while walking -> RecursionError
class Detour(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen, self.s = frozen, alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features))
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r))

    def forward(self, x):
        return self.frozen(x) + self.s * (x @ self.A.T @ self.B.T)


def while_walking(model, r, alpha):
    model.requires_grad_(False)
    for module in model.modules():
        for name, child in module.named_children():
            if isinstance(child, nn.Linear) and name != "lm_head":
                setattr(module, name, Detour(child, r, alpha))
    return model


# %% wrong: alpha has a default and r is missing -> Python says
def one_argument(model):
    model.requires_grad_(False)
    return model


# %% wrong: the forward calls itself -> RecursionError
def endless(model, r, alpha):
    model.requires_grad_(False)
    for name, layer in list(model.named_modules()):
        if isinstance(layer, nn.Linear) and name != "lm_head":
            layer.A = nn.Parameter(torch.randn(r, layer.in_features))
            layer.B = nn.Parameter(torch.zeros(layer.out_features, r))
            layer.forward = lambda x, self=layer: self(x) + alpha / r * (x @ self.A.T @ self.B.T)
    return model


# %% wrong: always 2 -> It should be alpha / r
class Two(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen = frozen
        self.A = nn.Parameter(torch.randn(r, frozen.in_features))
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r))

    def forward(self, x):
        return self.frozen(x) + 2 * (x @ self.A.T @ self.B.T)


def always_two(model, r, alpha):
    model.requires_grad_(False)
    for name, layer in list(model.named_modules()):
        if isinstance(layer, nn.Linear) and name != "lm_head":
            parent, _, child = name.rpartition(".")
            setattr(model.get_submodule(parent), child, Two(layer, r, alpha))
    return model


# %% wrong: the frozen layer runs under no_grad -> pass back through the frozen layers
class Blind(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen, self.s = frozen, alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features))
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r))

    def forward(self, x):
        with torch.no_grad():
            fixed = self.frozen(x)
        return fixed + self.s * (x @ self.A.T @ self.B.T)


def no_grad(model, r, alpha):
    model.requires_grad_(False)
    for name, layer in list(model.named_modules()):
        if isinstance(layer, nn.Linear) and name != "lm_head":
            parent, _, child = name.rpartition(".")
            setattr(model.get_submodule(parent), child, Blind(layer, r, alpha))
    return model


# %% wrong: the detour sees a detached input -> The gradients are not right
class Detached(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen, self.s = frozen, alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features))
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r))

    def forward(self, x):
        return self.frozen(x) + self.s * (x.detach() @ self.A.T @ self.B.T)


def detached(model, r, alpha):
    model.requires_grad_(False)
    for name, layer in list(model.named_modules()):
        if isinstance(layer, nn.Linear) and name != "lm_head":
            parent, _, child = name.rpartition(".")
            setattr(model.get_submodule(parent), child, Detached(layer, r, alpha))
    return model


# %% wrong: biases are not frozen -> still train
class Layer(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        frozen.weight.requires_grad = False
        self.frozen, self.s = frozen, alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features))
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r))

    def forward(self, x):
        return self.frozen(x) + self.s * (x @ self.A.T @ self.B.T)


def weights_only(model, r, alpha):
    for name, layer in list(model.named_modules()):
        if isinstance(layer, nn.Linear) and name != "lm_head":
            parent, _, child = name.rpartition(".")
            setattr(model.get_submodule(parent), child, Layer(layer, r, alpha))
    return model


# %% wrong: the head is adapted -> lm_head
class Everywhere(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen, self.s = frozen, alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features))
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r))

    def forward(self, x):
        return self.frozen(x) + self.s * (x @ self.A.T @ self.B.T)


def with_head(model, r, alpha):
    model.requires_grad_(False)
    for name, layer in list(model.named_modules()):
        if isinstance(layer, nn.Linear):
            parent, _, child = name.rpartition(".")
            setattr(model.get_submodule(parent), child, Everywhere(layer, r, alpha))
    return model


# %% wrong: only the children of the root -> Nothing trains
class Top(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen, self.s = frozen, alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features))
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r))

    def forward(self, x):
        return self.frozen(x) + self.s * (x @ self.A.T @ self.B.T)


def children_only(model, r, alpha):
    model.requires_grad_(False)
    for name, layer in list(model.named_children()):
        if isinstance(layer, nn.Linear) and name != "lm_head":
            setattr(model, name, Top(layer, r, alpha))
    return model


# %% wrong: layers with a bias are forgotten -> numbers train
class NoBias(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen, self.s = frozen, alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features))
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r))

    def forward(self, x):
        return self.frozen(x) + self.s * (x @ self.A.T @ self.B.T)


def without_bias(model, r, alpha):
    model.requires_grad_(False)
    for name, layer in list(model.named_modules()):
        if isinstance(layer, nn.Linear) and layer.bias is None and name != "lm_head":
            parent, _, child = name.rpartition(".")
            setattr(model.get_submodule(parent), child, NoBias(layer, r, alpha))
    return model


# %% wrong: the layer's bias is lost -> Step 0
class Lost(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen, self.s = frozen, alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features))
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r))

    def forward(self, x):
        return x @ self.frozen.weight.T + self.s * (x @ self.A.T @ self.B.T)


def lost_bias(model, r, alpha):
    model.requires_grad_(False)
    for name, layer in list(model.named_modules()):
        if isinstance(layer, nn.Linear) and name != "lm_head":
            parent, _, child = name.rpartition(".")
            setattr(model.get_submodule(parent), child, Lost(layer, r, alpha))
    return model


# %% wrong: a copy of each weight is kept -> keep a copy
class Keeper(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen, self.s = frozen, alpha / r
        self.register_buffer("original", frozen.weight.detach().clone())
        self.A = nn.Parameter(torch.randn(r, frozen.in_features))
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r))

    def forward(self, x):
        return self.frozen(x) + self.s * (x @ self.A.T @ self.B.T)


def keeps(model, r, alpha):
    model.requires_grad_(False)
    for name, layer in list(model.named_modules()):
        if isinstance(layer, nn.Linear) and name != "lm_head":
            parent, _, child = name.rpartition(".")
            setattr(model.get_submodule(parent), child, Keeper(layer, r, alpha))
    return model


# %% wrong: one detour for all layers of a shape -> numbers train
class Pair(nn.Module):
    def __init__(self, frozen, a, b, s):
        super().__init__()
        self.frozen, self.a, self.b, self.s = frozen, a, b, s

    def forward(self, x):
        return self.frozen(x) + self.s * (x @ self.a.T @ self.b.T)


def shared(model, r, alpha):
    model.requires_grad_(False)
    made = {}
    for name, layer in list(model.named_modules()):
        if isinstance(layer, nn.Linear) and name != "lm_head":
            shape = layer.in_features, layer.out_features
            if shape not in made:
                made[shape] = nn.Parameter(torch.randn(r, shape[0])), nn.Parameter(torch.zeros(shape[1], r))
            parent, _, child = name.rpartition(".")
            setattr(model.get_submodule(parent), child, Pair(layer, *made[shape], alpha / r))
    return model


# %% wrong: nothing comes back -> must return the model
def silent(model, r, alpha):
    model.requires_grad_(False)
    for name, layer in list(model.named_modules()):
        if isinstance(layer, nn.Linear) and name != "lm_head":
            layer.A = nn.Parameter(torch.randn(layer.in_features, r))
            layer.B = nn.Parameter(torch.zeros(r, layer.out_features))
            layer.register_forward_hook(lambda self, inputs, out: out + alpha / r * (inputs[0] @ self.A @ self.B))
