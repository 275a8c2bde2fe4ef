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


# %% right: r5 list of named modules and setattr
class Detour(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen, self.scale = frozen.requires_grad_(False), alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device) * 0.1)
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        return self.frozen(x) + self.scale * (x @ self.A.T @ self.B.T)


def adapt(model, r, alpha):
    model.requires_grad_(False)
    for name, layer in list(model.named_modules()):
        parent, _, last = name.rpartition(".")
        if isinstance(layer, nn.Linear) and last != "lm_head":
            setattr(model.get_submodule(parent), last, Detour(layer, r, alpha))
    return model


# %% right: r5 recursion
class Detour(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen, self.scale = frozen.requires_grad_(False), alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device) * 0.1)
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        return self.frozen(x) + self.scale * (x @ self.A.T @ self.B.T)


def adapt(model, r, alpha):
    model.requires_grad_(False)
    for name, child in model.named_children():
        if not isinstance(child, nn.Linear):
            adapt(child, r, alpha)
        elif name != "lm_head":
            setattr(model, name, Detour(child, r, alpha))
    return model


# %% right: r5 forward hooks, A and B on the layer itself
def adapt(model, r, alpha):
    for parameter in model.parameters():
        parameter.requires_grad = False

    def detour(layer, inputs, output):
        return output + (inputs[0] @ layer.lora_a @ layer.lora_b) * alpha / r

    for name, layer in model.named_modules():
        if isinstance(layer, nn.Linear) and name.split(".")[-1] != "lm_head":
            layer.lora_a = nn.Parameter(torch.randn(layer.in_features, r, device=device))
            layer.lora_b = nn.Parameter(torch.zeros(r, layer.out_features, device=device))
            layer.register_forward_hook(detour)
    return model


# %% right: r5 the layer's class exchanged
class Adapted(nn.Linear):
    def forward(self, input):
        return super().forward(input) + nn.functional.linear(nn.functional.linear(input, self.a), self.b) * self.scale


def adapt(model, r, alpha):
    model.requires_grad_(False)
    for name, layer in model.named_modules():
        if isinstance(layer, nn.Linear) and not name.endswith("lm_head"):
            layer.__class__ = Adapted
            layer.a = nn.Parameter(torch.randn(r, layer.in_features, device=device))
            layer.b = nn.Parameter(torch.zeros(layer.out_features, r, device=device))
            layer.scale = alpha / r
    return model


# %% right: r5 the layer's forward exchanged
import types


def adapt(model, r, alpha):
    model.requires_grad_(False)
    for name, layer in model.named_modules():
        if not isinstance(layer, nn.Linear) or name.rpartition(".")[2] == "lm_head":
            continue
        layer.register_parameter("A", nn.Parameter(torch.randn(r, layer.in_features, device=device)))
        layer.register_parameter("B", nn.Parameter(torch.zeros(layer.out_features, r, device=device)))
        plain = layer.forward
        layer.forward = types.MethodType(lambda self, x, plain=plain: plain(x) + alpha / r * (x @ self.A.T @ self.B.T), layer)
    return model


# %% right: r5 a linear layer of layers, via _modules and a stack
class Beside(nn.Module):
    def __init__(self, first, second, factor):
        super().__init__()
        self.first, self.second, self.factor = first, second, factor

    def forward(self, x):
        return torch.add(self.first(x), self.second(x), alpha=self.factor)


def adapt(model, r, alpha):
    [parameter.requires_grad_(False) for parameter in model.parameters()]
    stack = [model]
    while stack:
        top = stack.pop()
        for name in list(top._modules):
            child = top._modules[name]
            if isinstance(child, nn.Linear) and name != "lm_head":
                down = nn.Linear(child.in_features, r, bias=False, device=device)
                up = nn.Linear(r, child.out_features, bias=False, device=device)
                nn.init.zeros_(up.weight)
                top._modules[name] = Beside(child, nn.Sequential(down, up), alpha / r)
            elif child is not None:
                stack.append(child)
    return model


# %% right: r5 model.apply from the leaves up
class Detour(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen, self.scale = frozen.requires_grad_(False), alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device) * 0.1)
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        return self.frozen(x) + self.scale * (x @ self.A.T @ self.B.T)


def adapt(model, r, alpha):
    model.requires_grad_(False)

    def visit(parent):
        if isinstance(parent, Detour):
            return
        for name, child in parent.named_children():
            if isinstance(child, nn.Linear) and name != "lm_head":
                setattr(parent, name, Detour(child, r, alpha))

    return model.apply(visit)


# %% right: r5 peft's inject_adapter_in_model
from peft import LoraConfig, inject_adapter_in_model


def adapt(model, r, alpha):
    names = [name for name, layer in model.named_modules() if isinstance(layer, nn.Linear)]
    names = [name for name in names if name.split(".")[-1] != "lm_head"]
    inject_adapter_in_model(LoraConfig(r=r, lora_alpha=alpha, target_modules=names), model)
    return model


# %% right: r5 set_submodule by dictionary
class Detour(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen, self.scale = frozen.requires_grad_(False), alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device) * 0.1)
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        return self.frozen(x) + self.scale * (x @ self.A.T @ self.B.T)


def adapt(model, r, alpha):
    model.requires_grad_(False)
    found = {name: layer for name, layer in model.named_modules() if type(layer) is nn.Linear}
    for name, layer in found.items():
        if "lm_head" not in name.split("."):
            model.set_submodule(name, Detour(layer, r, alpha))
    return model


# %% right: r5 wraps everything, then freezes all but A and B
class Detour(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen, self.scale = frozen.requires_grad_(False), alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device) * 0.1)
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        return self.frozen(x) + self.scale * (x @ self.A.T @ self.B.T)


def adapt(model, r, alpha):
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Linear) and name != "lm_head":
                setattr(parent, name, Detour(child, r, alpha))
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.rpartition(".")[2] in ("A", "B"))
    return model


# %% wrong: r5 only the direct children
class Detour(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen, self.scale = frozen.requires_grad_(False), alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device) * 0.1)
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        return self.frozen(x) + self.scale * (x @ self.A.T @ self.B.T)


def adapt(model, r, alpha):
    model.requires_grad_(False)
    for name, layer in list(model.named_children()):
        if isinstance(layer, nn.Linear) and name != "lm_head":
            setattr(model, name, Detour(layer, r, alpha))
    return model


# %% wrong: r5 two levels only -> no parameter that it did not have
class Detour(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen, self.scale = frozen.requires_grad_(False), alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device) * 0.1)
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        return self.frozen(x) + self.scale * (x @ self.A.T @ self.B.T)


def adapt(model, r, alpha):
    model.requires_grad_(False)
    for parent in [model, *model.children()]:
        for name, layer in list(parent.named_children()):
            if isinstance(layer, nn.Linear) and name != "lm_head":
                setattr(parent, name, Detour(layer, r, alpha))
    return model


# %% wrong: r5 lm_head too
class Detour(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen, self.scale = frozen.requires_grad_(False), alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device) * 0.1)
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        return self.frozen(x) + self.scale * (x @ self.A.T @ self.B.T)


def adapt(model, r, alpha):
    model.requires_grad_(False)
    for name, layer in list(model.named_modules()):
        parent, _, last = name.rpartition(".")
        if isinstance(layer, nn.Linear):
            setattr(model.get_submodule(parent), last, Detour(layer, r, alpha))
    return model


# %% wrong: r5 nothing else is frozen
class Detour(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen, self.scale = frozen.requires_grad_(False), alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device) * 0.1)
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        return self.frozen(x) + self.scale * (x @ self.A.T @ self.B.T)


def adapt(model, r, alpha):
    for name, layer in list(model.named_modules()):
        parent, _, last = name.rpartition(".")
        if isinstance(layer, nn.Linear) and last != "lm_head":
            setattr(model.get_submodule(parent), last, Detour(layer, r, alpha))
    return model


# %% wrong: r5 frozen after the detours -> the detours are frozen, too
class Detour(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen, self.scale = frozen.requires_grad_(False), alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device) * 0.1)
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        return self.frozen(x) + self.scale * (x @ self.A.T @ self.B.T)


def adapt(model, r, alpha):
    for name, layer in list(model.named_modules()):
        parent, _, last = name.rpartition(".")
        if isinstance(layer, nn.Linear) and last != "lm_head":
            setattr(model.get_submodule(parent), last, Detour(layer, r, alpha))
    model.requires_grad_(False)
    return model


# %% wrong: r5 lm_head still trains
class Detour(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen, self.scale = frozen.requires_grad_(False), alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device) * 0.1)
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        return self.frozen(x) + self.scale * (x @ self.A.T @ self.B.T)


def adapt(model, r, alpha):
    model.requires_grad_(False)
    for name, layer in list(model.named_modules()):
        parent, _, last = name.rpartition(".")
        if isinstance(layer, nn.Linear) and last != "lm_head":
            setattr(model.get_submodule(parent), last, Detour(layer, r, alpha))
    for name, layer in model.named_modules():
        if name.endswith("lm_head"):
            layer.requires_grad_(True)
    return model


# %% wrong: r5 the biases still train
class Detour(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen, self.scale = frozen.requires_grad_(False), alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device) * 0.1)
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        return self.frozen(x) + self.scale * (x @ self.A.T @ self.B.T)


def adapt(model, r, alpha):
    model.requires_grad_(False)
    for name, layer in list(model.named_modules()):
        parent, _, last = name.rpartition(".")
        if isinstance(layer, nn.Linear) and last != "lm_head":
            setattr(model.get_submodule(parent), last, Detour(layer, r, alpha))
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            parameter.requires_grad_(True)
    return model


# %% wrong: r5 the norms still train
class Detour(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen, self.scale = frozen.requires_grad_(False), alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device) * 0.1)
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        return self.frozen(x) + self.scale * (x @ self.A.T @ self.B.T)


def adapt(model, r, alpha):
    model.requires_grad_(False)
    for name, layer in list(model.named_modules()):
        parent, _, last = name.rpartition(".")
        if isinstance(layer, nn.Linear) and last != "lm_head":
            setattr(model.get_submodule(parent), last, Detour(layer, r, alpha))
    for layer in model.modules():
        if isinstance(layer, nn.LayerNorm):
            layer.requires_grad_(True)
    return model


# %% wrong: r5 returns a deep copy
class Detour(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen, self.scale = frozen.requires_grad_(False), alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device) * 0.1)
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        return self.frozen(x) + self.scale * (x @ self.A.T @ self.B.T)


import copy


def adapt(model, r, alpha):
    model = copy.deepcopy(model)
    model.requires_grad_(False)
    for name, layer in list(model.named_modules()):
        parent, _, last = name.rpartition(".")
        if isinstance(layer, nn.Linear) and last != "lm_head":
            setattr(model.get_submodule(parent), last, Detour(layer, r, alpha))
    return model


# %% wrong: r5 returns nothing
class Detour(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen, self.scale = frozen.requires_grad_(False), alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device) * 0.1)
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        return self.frozen(x) + self.scale * (x @ self.A.T @ self.B.T)


def adapt(model, r, alpha):
    model.requires_grad_(False)
    for name, layer in list(model.named_modules()):
        parent, _, last = name.rpartition(".")
        if isinstance(layer, nn.Linear) and last != "lm_head":
            setattr(model.get_submodule(parent), last, Detour(layer, r, alpha))


# %% wrong: r5 one detour for all layers of a shape
class Detour(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen, self.scale = frozen.requires_grad_(False), alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device) * 0.1)
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        return self.frozen(x) + self.scale * (x @ self.A.T @ self.B.T)


def adapt(model, r, alpha):
    model.requires_grad_(False)
    made = {}
    for name, layer in list(model.named_modules()):
        parent, _, last = name.rpartition(".")
        if isinstance(layer, nn.Linear) and last != "lm_head":
            detour = Detour(layer, r, alpha)
            pair = made.setdefault(layer.weight.shape, (detour.A, detour.B))
            detour.A, detour.B = pair
            setattr(model.get_submodule(parent), last, detour)
    return model


# %% right: r5 replaces each layer when the walk has come to it
class Detour(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen, self.scale = frozen.requires_grad_(False), alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device) * 0.1)
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        return self.frozen(x) + self.scale * (x @ self.A.T @ self.B.T)


def adapt(model, r, alpha):
    model.requires_grad_(False)
    for name, layer in model.named_modules():
        parent, _, last = name.rpartition(".")
        if isinstance(layer, nn.Linear) and last != "lm_head":
            setattr(model.get_submodule(parent), last, Detour(layer, r, alpha))
    return model


# %% wrong: r5 skips every name with head in it -> its name is like the head's
class Detour(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen, self.scale = frozen.requires_grad_(False), alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device) * 0.1)
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        return self.frozen(x) + self.scale * (x @ self.A.T @ self.B.T)


def adapt(model, r, alpha):
    model.requires_grad_(False)
    for name, layer in list(model.named_modules()):
        parent, _, last = name.rpartition(".")
        if isinstance(layer, nn.Linear) and "head" not in name:
            setattr(model.get_submodule(parent), last, Detour(layer, r, alpha))
    return model


# %% wrong: r5 skips the last linear layer whatever its name -> nothing trains
class Detour(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen, self.scale = frozen.requires_grad_(False), alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device) * 0.1)
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        return self.frozen(x) + self.scale * (x @ self.A.T @ self.B.T)


def adapt(model, r, alpha):
    model.requires_grad_(False)
    found = [name for name, layer in model.named_modules() if isinstance(layer, nn.Linear)]
    for name in found[:-1]:
        parent, _, last = name.rpartition(".")
        setattr(model.get_submodule(parent), last, Detour(model.get_submodule(name), r, alpha))
    return model


# %% wrong: r5 only layers without bias
class Detour(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen, self.scale = frozen.requires_grad_(False), alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device) * 0.1)
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        return self.frozen(x) + self.scale * (x @ self.A.T @ self.B.T)


def adapt(model, r, alpha):
    model.requires_grad_(False)
    for name, layer in list(model.named_modules()):
        parent, _, last = name.rpartition(".")
        if isinstance(layer, nn.Linear) and layer.bias is None and last != "lm_head":
            setattr(model.get_submodule(parent), last, Detour(layer, r, alpha))
    return model


# %% wrong: r5 only layers with bias
class Detour(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen, self.scale = frozen.requires_grad_(False), alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device) * 0.1)
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        return self.frozen(x) + self.scale * (x @ self.A.T @ self.B.T)


def adapt(model, r, alpha):
    model.requires_grad_(False)
    for name, layer in list(model.named_modules()):
        parent, _, last = name.rpartition(".")
        if isinstance(layer, nn.Linear) and layer.bias is not None and last != "lm_head":
            setattr(model.get_submodule(parent), last, Detour(layer, r, alpha))
    return model


# %% wrong: r5 the bias gets lost
class Detour(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen, self.scale = frozen.requires_grad_(False), alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device) * 0.1)
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        return x @ self.frozen.weight.T + self.scale * (x @ self.A.T @ self.B.T)


def adapt(model, r, alpha):
    model.requires_grad_(False)
    for name, layer in list(model.named_modules()):
        parent, _, last = name.rpartition(".")
        if isinstance(layer, nn.Linear) and last != "lm_head":
            setattr(model.get_submodule(parent), last, Detour(layer, r, alpha))
    return model


# %% wrong: r5 no division by r
class Detour(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen, self.scale = frozen.requires_grad_(False), alpha
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device) * 0.1)
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        return self.frozen(x) + self.scale * (x @ self.A.T @ self.B.T)


def adapt(model, r, alpha):
    model.requires_grad_(False)
    for name, layer in list(model.named_modules()):
        parent, _, last = name.rpartition(".")
        if isinstance(layer, nn.Linear) and last != "lm_head":
            setattr(model.get_submodule(parent), last, Detour(layer, r, alpha))
    return model


# %% wrong: r5 rank 8 written in
class Detour(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen, self.scale = frozen.requires_grad_(False), alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device) * 0.1)
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        return self.frozen(x) + self.scale * (x @ self.A.T @ self.B.T)


def adapt(model, r, alpha):
    model.requires_grad_(False)
    for name, layer in list(model.named_modules()):
        parent, _, last = name.rpartition(".")
        if isinstance(layer, nn.Linear) and last != "lm_head":
            setattr(model.get_submodule(parent), last, Detour(layer, 8, alpha))
    return model


# %% wrong: r5 alpha 16 written in -> is scaled by 4
class Detour(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen, self.scale = frozen.requires_grad_(False), alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device) * 0.1)
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        return self.frozen(x) + self.scale * (x @ self.A.T @ self.B.T)


def adapt(model, r, alpha):
    model.requires_grad_(False)
    for name, layer in list(model.named_modules()):
        parent, _, last = name.rpartition(".")
        if isinstance(layer, nn.Linear) and last != "lm_head":
            setattr(model.get_submodule(parent), last, Detour(layer, r, 16))
    return model


# %% wrong: r5 r and alpha swapped
class Detour(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen, self.scale = frozen.requires_grad_(False), alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device) * 0.1)
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        return self.frozen(x) + self.scale * (x @ self.A.T @ self.B.T)


def adapt(model, r, alpha):
    model.requires_grad_(False)
    for name, layer in list(model.named_modules()):
        parent, _, last = name.rpartition(".")
        if isinstance(layer, nn.Linear) and last != "lm_head":
            setattr(model.get_submodule(parent), last, Detour(layer, alpha, r))
    return model


# %% wrong: r5 B is random
class Detour(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen, self.scale = frozen.requires_grad_(False), alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device) * 0.1)
        self.B = nn.Parameter(torch.randn(frozen.out_features, r, device=device))

    def forward(self, x):
        return self.frozen(x) + self.scale * (x @ self.A.T @ self.B.T)


def adapt(model, r, alpha):
    model.requires_grad_(False)
    for name, layer in list(model.named_modules()):
        parent, _, last = name.rpartition(".")
        if isinstance(layer, nn.Linear) and last != "lm_head":
            setattr(model.get_submodule(parent), last, Detour(layer, r, alpha))
    return model


# %% wrong: r5 A is zero as well
class Detour(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen, self.scale = frozen.requires_grad_(False), alpha / r
        self.A = nn.Parameter(torch.zeros(r, frozen.in_features, device=device) * 0.1)
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        return self.frozen(x) + self.scale * (x @ self.A.T @ self.B.T)


def adapt(model, r, alpha):
    model.requires_grad_(False)
    for name, layer in list(model.named_modules()):
        parent, _, last = name.rpartition(".")
        if isinstance(layer, nn.Linear) and last != "lm_head":
            setattr(model.get_submodule(parent), last, Detour(layer, r, alpha))
    return model


# %% wrong: r5 a new linear layer inside -> no longer holds
class Detour(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen, self.scale = frozen.requires_grad_(False), alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device) * 0.1)
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        return self.frozen(x) + self.scale * (x @ self.A.T @ self.B.T)


def adapt(model, r, alpha):
    model.requires_grad_(False)
    for name, layer in list(model.named_modules()):
        parent, _, last = name.rpartition(".")
        if isinstance(layer, nn.Linear) and last != "lm_head":
            setattr(model.get_submodule(parent), last, Detour(nn.Linear(layer.in_features, layer.out_features, bias=layer.bias is not None, device=device), r, alpha))
    return model


# %% wrong: r5 the base is rounded through bf16 -> The base has changed
class Detour(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen, self.scale = frozen.requires_grad_(False), alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device) * 0.1)
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        return self.frozen(x) + self.scale * (x @ self.A.T @ self.B.T)


def adapt(model, r, alpha):
    model.requires_grad_(False)
    for name, layer in list(model.named_modules()):
        parent, _, last = name.rpartition(".")
        if isinstance(layer, nn.Linear) and last != "lm_head":
            layer.weight.data = layer.weight.data.bfloat16().float()
            setattr(model.get_submodule(parent), last, Detour(layer, r, alpha))
    return model


# %% wrong: r5 only q_proj and v_proj
class Detour(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen, self.scale = frozen.requires_grad_(False), alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device) * 0.1)
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        return self.frozen(x) + self.scale * (x @ self.A.T @ self.B.T)


def adapt(model, r, alpha):
    model.requires_grad_(False)
    for name, layer in list(model.named_modules()):
        parent, _, last = name.rpartition(".")
        if isinstance(layer, nn.Linear) and last in ("q_proj", "v_proj"):
            setattr(model.get_submodule(parent), last, Detour(layer, r, alpha))
    return model


# %% wrong: r5 detours in a plain list
class Loose(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen, self.scale = frozen, alpha / r
        self.ab = [nn.Parameter(torch.randn(r, frozen.in_features, device=device))]
        self.ab.append(nn.Parameter(torch.zeros(frozen.out_features, r, device=device)))

    def forward(self, x):
        return self.frozen(x) + self.scale * (x @ self.ab[0].T @ self.ab[1].T)


def adapt(model, r, alpha):
    model.requires_grad_(False)
    for name, layer in list(model.named_modules()):
        parent, _, last = name.rpartition(".")
        if isinstance(layer, nn.Linear) and last != "lm_head":
            setattr(model.get_submodule(parent), last, Loose(layer, r, alpha))
    return model


# %% wrong: r5 stops after the first of each parent
class Detour(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen, self.scale = frozen.requires_grad_(False), alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device) * 0.1)
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        return self.frozen(x) + self.scale * (x @ self.A.T @ self.B.T)


def adapt(model, r, alpha):
    model.requires_grad_(False)
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Linear) and name != "lm_head":
                setattr(parent, name, Detour(child, r, alpha))
                break
    return model


# %% wrong: r5 only inside nn.Sequential
class Detour(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen, self.scale = frozen.requires_grad_(False), alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device) * 0.1)
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        return self.frozen(x) + self.scale * (x @ self.A.T @ self.B.T)


def adapt(model, r, alpha):
    model.requires_grad_(False)
    for parent in list(model.modules()):
        if isinstance(parent, nn.Sequential):
            for i in range(len(parent)):
                if isinstance(parent[i], nn.Linear):
                    parent[i] = Detour(parent[i], r, alpha)
    return model


# %% wrong: r5 every layer twice
class Detour(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen, self.scale = frozen.requires_grad_(False), alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device) * 0.1)
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        return self.frozen(x) + self.scale * (x @ self.A.T @ self.B.T)


def twice(layer, r, alpha):
    outer = Detour(layer, r, alpha)
    outer.frozen = Detour(layer, r, alpha)
    return outer


def adapt(model, r, alpha):
    model.requires_grad_(False)
    for name, layer in list(model.named_modules()):
        parent, _, last = name.rpartition(".")
        if isinstance(layer, nn.Linear) and last != "lm_head":
            setattr(model.get_submodule(parent), last, twice(layer, r, alpha))
    return model


# %% wrong: r5 the input is detached from the layers before
class Detour(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen, self.scale = frozen.requires_grad_(False), alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device) * 0.1)
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        return self.frozen(x.detach()) + self.scale * (x.detach() @ self.A.T @ self.B.T)


def adapt(model, r, alpha):
    model.requires_grad_(False)
    for name, layer in list(model.named_modules()):
        parent, _, last = name.rpartition(".")
        if isinstance(layer, nn.Linear) and last != "lm_head":
            setattr(model.get_submodule(parent), last, Detour(layer, r, alpha))
    return model


# %% wrong: r5 square layers only -> numbers train
class Detour(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen, self.scale = frozen.requires_grad_(False), alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device) * 0.1)
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        return self.frozen(x) + self.scale * (x @ self.A.T @ self.B.T)


def adapt(model, r, alpha):
    model.requires_grad_(False)
    for name, layer in list(model.named_modules()):
        parent, _, last = name.rpartition(".")
        if isinstance(layer, nn.Linear) and layer.in_features == layer.out_features and last != "lm_head":
            setattr(model.get_submodule(parent), last, Detour(layer, r, alpha))
    return model


# %% wrong: r5 skips all names that begin with l
class Detour(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen, self.scale = frozen.requires_grad_(False), alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device) * 0.1)
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        return self.frozen(x) + self.scale * (x @ self.A.T @ self.B.T)


def adapt(model, r, alpha):
    model.requires_grad_(False)
    for name, layer in list(model.named_modules()):
        parent, _, last = name.rpartition(".")
        if isinstance(layer, nn.Linear) and not last.startswith("l"):
            setattr(model.get_submodule(parent), last, Detour(layer, r, alpha))
    return model


# %% wrong: r5 no detour, the linear weights train
class Detour(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen, self.scale = frozen.requires_grad_(False), alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device) * 0.1)
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        return self.frozen(x) + self.scale * (x @ self.A.T @ self.B.T)


def adapt(model, r, alpha):
    for name, layer in model.named_modules():
        layer.requires_grad_(isinstance(layer, nn.Linear) and not name.endswith("lm_head"))
    return model


# %% wrong: r5 A and B are buffers
class Detour(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen, self.scale = frozen, alpha / r
        self.register_buffer("A", torch.randn(r, frozen.in_features, device=device).requires_grad_())
        self.register_buffer("B", torch.zeros(frozen.out_features, r, device=device).requires_grad_())

    def forward(self, x):
        return self.frozen(x) + self.scale * (x @ self.A.T @ self.B.T)


def adapt(model, r, alpha):
    model.requires_grad_(False)
    for name, layer in list(model.named_modules()):
        parent, _, last = name.rpartition(".")
        if isinstance(layer, nn.Linear) and last != "lm_head":
            setattr(model.get_submodule(parent), last, Detour(layer, r, alpha))
    return model


# %% wrong: r5 frozen by no_grad, the inner layers get no gradient
class Detour(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen, self.scale = frozen.requires_grad_(False), alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device) * 0.1)
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        with torch.no_grad():
            out = self.frozen(x)
        return out + self.scale * (x @ self.A.T @ self.B.T)


def adapt(model, r, alpha):
    model.requires_grad_(False)
    for name, layer in list(model.named_modules()):
        parent, _, last = name.rpartition(".")
        if isinstance(layer, nn.Linear) and last != "lm_head":
            setattr(model.get_submodule(parent), last, Detour(layer, r, alpha))
    return model


# %% wrong: r5 the detours only in train mode -> In eval mode
class Detour(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen, self.scale = frozen.requires_grad_(False), alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device) * 0.1)
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        out = self.frozen(x)
        return out + self.scale * (x @ self.A.T @ self.B.T) if self.training else out


def adapt(model, r, alpha):
    model.requires_grad_(False)
    for name, layer in list(model.named_modules()):
        parent, _, last = name.rpartition(".")
        if isinstance(layer, nn.Linear) and last != "lm_head":
            setattr(model.get_submodule(parent), last, Detour(layer, r, alpha))
    return model


# %% wrong: r5 wraps the children while it walks, without end -> Collect the layers first
class Detour(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen, self.scale = frozen.requires_grad_(False), alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device) * 0.1)
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        return self.frozen(x) + self.scale * (x @ self.A.T @ self.B.T)


def adapt(model, r, alpha):
    model.requires_grad_(False)
    for parent in model.modules():
        for name, child in parent.named_children():
            if isinstance(child, nn.Linear) and name != "lm_head":
                setattr(parent, name, Detour(child, r, alpha))
    return model


# %% wrong: a wrapper comes back -> Return the model itself
class Beside(torch.nn.Module):
    def __init__(self, layer, r, alpha):
        super().__init__()
        self.layer, self.by, where = layer, alpha / r, layer.weight.device
        self.A = torch.nn.Parameter(torch.randn(r, layer.in_features, device=where) * 0.1)
        self.B = torch.nn.Parameter(torch.zeros(layer.out_features, r, device=where))

    def forward(self, x):
        return self.layer(x) + self.by * (x @ self.A.T @ self.B.T)


def adapt(model, r, alpha):
    model.requires_grad_(False)
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, torch.nn.Linear) and name != "lm_head":
                setattr(parent, name, Beside(child, r, alpha))
    return torch.nn.Sequential(model)


# %% wrong: peft's wrapper comes back -> Return the model itself
from peft import LoraConfig, get_peft_model


def adapt(model, r, alpha):
    names = [n for n, m in model.named_modules() if isinstance(m, torch.nn.Linear) and n.split(".")[-1] != "lm_head"]
    return get_peft_model(model, LoraConfig(r=r, lora_alpha=alpha, target_modules=names))


# %% wrong: names with lm_head in them are left out
class Lora(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen, self.scaling = frozen, alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device))
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        return self.frozen(x) + (x @ self.A.T @ self.B.T) * self.scaling

def adapt(model, r, alpha):
    model.requires_grad_(False)
    pass
    def walk(parent):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Linear) and "lm_head" not in name:
                setattr(parent, name, Lora(child, r, alpha))
            else:
                walk(child)
    walk(model)
    pass
    return model


# %% wrong: names that begin with lm are left out
class Lora(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen, self.scaling = frozen, alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device))
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        return self.frozen(x) + (x @ self.A.T @ self.B.T) * self.scaling

def adapt(model, r, alpha):
    model.requires_grad_(False)
    pass
    def walk(parent):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Linear) and not name.startswith("lm_"):
                setattr(parent, name, Lora(child, r, alpha))
            else:
                walk(child)
    walk(model)
    pass
    return model


# %% wrong: parameters named weight and bias only
class Lora(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen, self.scaling = frozen, alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device))
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        return self.frozen(x) + (x @ self.A.T @ self.B.T) * self.scaling

def adapt(model, r, alpha):
    for n, p in model.named_parameters():
        if n.endswith(("weight", "bias")):
            p.requires_grad_(False)
    pass
    def walk(parent):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Linear) and name != "lm_head":
                setattr(parent, name, Lora(child, r, alpha))
            else:
                walk(child)
    walk(model)
    pass
    return model


# %% wrong: narrow layers are left out
class Lora(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen, self.scaling = frozen, alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device))
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        return self.frozen(x) + (x @ self.A.T @ self.B.T) * self.scaling

def adapt(model, r, alpha):
    model.requires_grad_(False)
    pass
    def walk(parent):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Linear) and name != "lm_head" and r < min(child.in_features, child.out_features):
                setattr(parent, name, Lora(child, r, alpha))
            else:
                walk(child)
    walk(model)
    pass
    return model


# %% wrong: rank limited by the narrow side
class Lora(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen, self.scaling = frozen, alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device))
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        return self.frozen(x) + (x @ self.A.T @ self.B.T) * self.scaling

def adapt(model, r, alpha):
    model.requires_grad_(False)
    pass
    def walk(parent):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Linear) and name != "lm_head":
                setattr(parent, name, Lora(child, max(1, min(r, child.in_features // 2)), alpha))
            else:
                walk(child)
    walk(model)
    pass
    return model


# %% wrong: layers of the size of the head are left out
class Lora(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen, self.scaling = frozen, alpha / r
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device))
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))

    def forward(self, x):
        return self.frozen(x) + (x @ self.A.T @ self.B.T) * self.scaling

def adapt(model, r, alpha):
    model.requires_grad_(False)
    head = getattr(model, "lm_head", None)
    skip = getattr(getattr(head, "weight", None), "shape", None)
    for name, layer in [(n, m) for n, m in model.named_modules() if isinstance(m, nn.Linear)]:
        if layer.weight.shape != skip and name.split(".")[-1] != "lm_head":
            parent, _, last = name.rpartition(".")
            setattr(model.get_submodule(parent), last, Lora(layer, r, alpha))
    return model


# %% wrong: factor left in a global
class Lora(nn.Module):
    def __init__(self, frozen, r, alpha):
        super().__init__()
        self.frozen = frozen
        self.A = nn.Parameter(torch.randn(r, frozen.in_features, device=device))
        self.B = nn.Parameter(torch.zeros(frozen.out_features, r, device=device))
        pass

    def forward(self, x):
        return self.frozen(x) + (x @ self.A.T @ self.B.T) * gain

gain = 1.0

def adapt(model, r, alpha):
    model.requires_grad_(False)
    global gain; gain = alpha / r
    def walk(parent):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Linear) and name != "lm_head":
                setattr(parent, name, Lora(child, r, alpha))
            else:
                walk(child)
    walk(model)
    pass
    return model
