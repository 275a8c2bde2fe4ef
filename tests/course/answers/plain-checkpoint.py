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


# %% wrong: the values are lost -> is lost
def plain(state):
    return {key.removeprefix("module."): None for key in state}


# %% wrong: two arguments -> The check calls plain(state)
def plain(state, prefix):
    return {key.removeprefix(prefix): value for key, value in state.items()}
