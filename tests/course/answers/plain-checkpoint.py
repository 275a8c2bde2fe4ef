# %% right: removeprefix in a loop
def bare(key):
    while key.startswith("module."):
        key = key.removeprefix("module.")
    return key


def plain(state):
    return {bare(key): tensor for key, tensor in state.items()}


# %% right: a regular expression
import re


def plain(state):
    return dict((re.sub(r"^(module\.)+", "", key), value) for key, value in state.items())


# %% right: the names between the dots
def plain(state):
    result = {}
    for key, value in state.items():
        names = key.split(".")
        while names[0] == "module":
            names.pop(0)
        result[".".join(names)] = value
    return result


# %% right: torch's own function, on a copy, as often as needed
from torch.nn.modules.utils import consume_prefix_in_state_dict_if_present


def plain(state):
    state = dict(state)
    while any(key.startswith("module.") for key in state):
        consume_prefix_in_state_dict_if_present(state, "module.")
    return state


# %% right: one layer of wrapping for each call
from collections import OrderedDict


def plain(state):
    if all(not key.startswith("module.") for key in state):
        return OrderedDict(state)
    return plain(OrderedDict((key[7:] if key.startswith("module.") else key, state[key]) for key in state))


# %% right: dropwhile
from itertools import dropwhile


def plain(state):
    return {".".join(dropwhile("module".__eq__, key.split("."))): value for key, value in state.items()}


# %% wrong: lstrip -> takes away letters
def plain(state):
    return {key.lstrip("module."): value for key, value in state.items()}


# %% wrong: replace everywhere -> a layer inside is called module
def plain(state):
    return {key.replace("module.", ""): value for key, value in state.items()}


# %% wrong: once -> wrapped twice
def plain(state):
    return {key.removeprefix("module."): value for key, value in state.items()}


# %% wrong: seven letters, whatever they are -> no wrapper's name
def plain(state):
    return {key[7:]: value for key, value in state.items()}


# %% wrong: the dot stays -> the dot belongs to the prefix
def plain(state):
    return {key.removeprefix("module"): value for key, value in state.items()}


# %% wrong: in place -> You changed the dictionary
def plain(state):
    for key in list(state):
        name = key
        while name.startswith("module."):
            name = name[7:]
        state[name] = state.pop(key)
    return state


# %% wrong: only the wrapped ones are kept -> is lost
def plain(state):
    return {key.split("module.", 1)[1]: value for key, value in state.items() if key.startswith("module.")}


# %% wrong: the last name only -> is lost
def plain(state):
    return {key.split("module.")[-1] if "module." in key else key.split(".")[-1]: value for key, value in state.items()}


# %% wrong: after the last module -> a layer inside is called module
def plain(state):
    return {key.split("module.")[-1]: value for key, value in state.items()}


# %% wrong: a list of pairs -> Return a dictionary
def plain(state):
    return [(key.removeprefix("module."), value) for key, value in state.items()]


# %% wrong: the plain file handed back as it is -> also where no key changes
def plain(state):
    if not any(key.startswith("module.") for key in state):
        return state
    return plain({key.removeprefix("module."): value for key, value in state.items()})


# %% wrong: nothing happens -> still in front
def plain(state):
    return dict(state)


# %% wrong: the values are lost -> what it stands for
def plain(state):
    return {key.removeprefix("module."): None for key in state}


# %% wrong: two arguments -> The check calls plain(state)
def plain(state, prefix):
    return {key.removeprefix(prefix): value for key, value in state.items()}


# %% right: as long as it begins so
def plain(state):
    out = {}
    for key, value in state.items():
        while key.startswith("module."):
            key = key[len("module.") :]
        out[key] = value
    return out


# %% right: a regular expression (a second one)
import re
def plain(state):
    return {re.sub(r"^(module\.)+", "", key): value for key, value in state.items()}


# %% right: a compiled one that matches the rest
import re
REST = re.compile(r"(?:module\.)*(.*)", re.DOTALL)
plain = lambda state: dict((REST.fullmatch(key)[1], state[key]) for key in state)


# %% right: itself, as long as all begin so
def plain(state):
    if state and all(key.startswith("module.") for key in state):
        return plain({key.removeprefix("module."): value for key, value in state.items()})
    return dict(state)


# %% right: names dropped from the front of a path
from itertools import dropwhile
def plain(state):
    return {".".join(dropwhile(lambda name: name == "module", key.split("."))): each for key, each in state.items()}


# %% right: partition, in an ordered dictionary
from collections import OrderedDict
def plain(checkpoint):
    result = OrderedDict()
    for key in checkpoint:
        bare = key
        while bare.partition(".")[0] == "module" and "." in bare:
            bare = bare.partition(".")[2]
        result[bare] = checkpoint[key]
    return result


# %% right: torch's own, on a copy, as often as needed
from torch.nn.modules.utils import consume_prefix_in_state_dict_if_present as consume
def plain(state):
    state = dict(state)
    while any(key.startswith("module.") for key in state):
        consume(state, "module.")
    return state


# %% right: counts the wrappers at the first key
def plain(state):
    depth = 0
    for key in state:
        names = key.split(".")
        while names[depth] == "module":
            depth += 1
        break
    return {key.split(".", depth)[-1]: value for key, value in state.items()}


# %% right: keys and values apart
def plain(state):
    def bare(key):
        return bare(key[7:]) if key[:7] == "module." else key
    return dict(zip(map(bare, state), state.values(), strict=True))


# %% right: functools, one removal for each time it could be there
from functools import reduce
def plain(state):
    def bare(key):
        return reduce(lambda k, _: k.removeprefix("module."), range(key.count("module.")), key)
    return {bare(key): state[key] for key in state}


# %% right: an object
class Plain:
    prefix = "module."
    def __call__(self, state):
        return {self.cut(k): v for k, v in state.items()}
    def cut(self, k):
        i = 0
        while k.startswith(self.prefix, i):
            i += len(self.prefix)
        return k[i:]
plain = Plain()


# %% right: works on a copy, from the old keys to the new
import copy
def plain(state):
    state = copy.copy(state)
    for key in list(state):
        new = key
        while new.startswith("module."):
            new = new.split(".", 1)[1]
        state[new] = state.pop(key)
    return state


# %% right: a match statement
def plain(state):
    def bare(names):
        match names:
            case ["module", *rest] if rest:
                return bare(rest)
            case _:
                return ".".join(names)
    return {bare(key.split(".")): value for key, value in state.items()}


# %% right: up to twice, which is all that the text names
def plain(state):
    return {key.removeprefix("module.").removeprefix("module."): value for key, value in state.items()}


# %% wrong: everywhere -> a layer inside
def plain(state):
    return {key.replace("module.", ""): value for key, value in state.items()}


# %% wrong: the first one, wherever it stands
def plain(state):
    return {key.replace("module.", "", 1): value for key, value in state.items()}


# %% wrong: the first two, wherever they stand
def plain(state):
    return {key.replace("module.", "", 2): value for key, value in state.items()}


# %% wrong: once (a second one) -> wrapped twice
def plain(state):
    return {key.removeprefix("module."): value for key, value in state.items()}


# %% wrong: only where it stands twice -> still in front
def plain(state):
    return {key.removeprefix("module.module."): value for key, value in state.items()}


# %% wrong: seven characters of every key -> stays as it is
def plain(state):
    return {key[7:]: value for key, value in state.items()}


# %% wrong: strips letters
def plain(state):
    return {key.lstrip("module."): value for key, value in state.items()}


# %% wrong: strips letters on both sides
def plain(state):
    return {key.strip("module."): value for key, value in state.items()}


# %% wrong: the last name only (a second one)
def plain(state):
    return {key.split(".")[-1]: value for key, value in state.items()}


# %% wrong: what follows the last one
def plain(state):
    return {key.split("module.")[-1]: value for key, value in state.items()}


# %% wrong: what follows the last one, by a regular expression
import re
def plain(state):
    return {re.sub(r".*module\.", "", key): value for key, value in state.items()}


# %% wrong: a dot that stands for any character
import re
def plain(state):
    return {re.sub(r"^(module.)+", "", key): value for key, value in state.items()}


# %% wrong: the point stays -> the dot belongs
def plain(state):
    return {key.removeprefix("module"): value for key, value in state.items()}


# %% wrong: looks for the name without its point
def plain(state):
    out = {}
    for key, value in state.items():
        while key.startswith("module"):
            key = key.split(".", 1)[1]
        out[key] = value
    return out


# %% wrong: in place, and returns nothing
def plain(state):
    for key in list(state):
        state[key.removeprefix("module.").removeprefix("module.")] = state.pop(key)


# %% wrong: in place, and returns the same
def plain(state):
    for key in list(state):
        state[key.removeprefix("module.").removeprefix("module.")] = state.pop(key)
    return state


# %% wrong: in place, while it walks
def plain(state):
    for key in state:
        state[key.removeprefix("module.").removeprefix("module.")] = state.pop(key)
    return state


# %% wrong: torch's own, once and in place
from torch.nn.modules.utils import consume_prefix_in_state_dict_if_present
def plain(state):
    return consume_prefix_in_state_dict_if_present(state, "module.")


# %% wrong: torch's own, on a copy, once
from torch.nn.modules.utils import consume_prefix_in_state_dict_if_present
def plain(state):
    state = dict(state)
    consume_prefix_in_state_dict_if_present(state, "module.")
    return state


# %% wrong: empties the old one -> You changed the dictionary
def plain(state):
    new = {}
    while state:
        key, value = state.popitem()
        new[key.removeprefix("module.").removeprefix("module.")] = value
    return new


# %% wrong: leaves out keys that do not begin so
def plain(state):
    return {key.removeprefix("module.").removeprefix("module."): state[key] for key in state if key.startswith("module.")}


# %% wrong: leaves out what is zero -> is lost
def plain(state):
    return {k.removeprefix("module.").removeprefix("module."): v for k, v in state.items() if v}


# %% wrong: a list of keys -> not list
def plain(state):
    return [key.removeprefix("module.").removeprefix("module.") for key in state]


# %% wrong: a list of pairs (a second one)
def plain(state):
    return [(key.removeprefix("module.").removeprefix("module."), value) for key, value in state.items()]


# %% wrong: a generator
def plain(state):
    return ((key.removeprefix("module.").removeprefix("module."), value) for key, value in state.items())


# %% wrong: values and keys exchanged
def plain(state):
    return {value: key.removeprefix("module.").removeprefix("module.") for key, value in state.items()}


# %% wrong: gives the same back where it is plain already
def plain(state):
    if not all(key.startswith("module.") for key in state):
        return state
    return {key.removeprefix("module.").removeprefix("module."): value for key, value in state.items()}


# %% wrong: a dictionary kept between calls -> tensors of an earlier call
def plain(state, out={}):
    for key, value in state.items():
        out[key.removeprefix("module.").removeprefix("module.")] = value
    return out


# %% wrong: adds the new and keeps the old -> 2 tensors went in, 4 keys came out
def plain(state):
    return state | {key.removeprefix("module.").removeprefix("module."): value for key, value in state.items()}


# %% wrong: removes layers that are called module, at any place -> a layer inside
def plain(state):
    return {".".join(n for n in key.split(".") if n != "module"): value for key, value in state.items()}


# %% wrong: returns from the loop -> is lost
def plain(state):
    for key, value in state.items():
        return {key.removeprefix("module.").removeprefix("module."): value}


# %% wrong: yields where nothing is left to do
def plain(state):
    if any(key.startswith("module.") for key in state):
        return plain({key.removeprefix("module."): value for key, value in state.items()})


# %% wrong: never ends -> calls itself without end
def plain(state):
    return plain({key.removeprefix("module."): value for key, value in state.items()})


# %% wrong: the tensors' methods on whole numbers
def plain(state):
    return {key.removeprefix("module.").removeprefix("module."): value.clone() for key, value in state.items()}


# %% wrong: the state of a module
def plain(state):
    return state.module.state_dict()


# %% wrong: the keys of this model
def plain(state):
    return {"weight": state["module.weight"], "bias": state["module.bias"]}


# %% wrong: a dictionary, no function
plain = {"weight": 1, "bias": 2}


# %% wrong: no argument
def plain():
    return {}


# %% wrong: values as texts -> what it stands for
def plain(state):
    return {key.removeprefix("module.").removeprefix("module."): str(value) for key, value in state.items()}


# %% wrong: small letters -> stays as it is
def plain(state):
    return {key.lower().removeprefix("module.").removeprefix("module."): value for key, value in state.items()}
