"""The check of lesson 01's third exercise: an option of ``docker run`` that gives a container more /dev/shm.

Plain text judged in the notebook's kernel.
"""

from __future__ import annotations

import re
from typing import Any

from mgpu_lab.checks.core import Wrong

GIB = 1024**3
UNITS = {"": 1, "b": 1, "k": 1024, "m": 1024**2, "g": GIB, "t": 1024 * GIB}
AMOUNT = r"(\d+(?:\.\d+)?)(?i:([bkmgt]?)i?b?)"
FIELD = rf"{AMOUNT}(?![^\s,])"  # a mount's fields are parted by commas
SIZE = (  # the three ways in which `docker run` takes a size for /dev/shm
    rf"(?<!\S)--shm-size[= ]{AMOUNT}(?!\S)"
    rf"|(?<!\S)--tmpfs[= ]/dev/shm:(?:\S+,)?size={FIELD}"
    rf"|(?<!\S)--mount[= ](?=\S*type=tmpfs)(?=\S*(?:target|destination|dst)=/dev/shm(?![^\s,]))\S*tmpfs-size={FIELD}"
)
BOUND = (  # the host's own /dev/shm inside the container
    r"(?<!\S)(?:-v|--volume)[= ]/dev/shm:/dev/shm(?![^\s:])"
    r"|(?<!\S)--mount[= ](?=\S*type=bind)(?=\S*(?:source|src)=/dev/shm(?![^\s,]))"
    r"\S*(?:target|destination|dst)=/dev/shm(?![^\s,])"
)
NO_LIMIT = (  # a tmpfs there without a size
    r"(?<!\S)--tmpfs[= ]/dev/shm(?:\s|$|:(?!\S*size=))"
    r"|(?<!\S)--mount[= ](?=\S*type=tmpfs)(?=\S*(?:target|destination|dst)=/dev/shm(?![^\s,]))(?!\S*tmpfs-size)"
)
NEARLY = {  # what an option looks like -> the hint; the first that fits is given
    r"(?-i:--(?!shm-size|ipc))(?:shm-size|ipc)": "The right option, but Docker's options are in small letters.",
    r"^-{0,2}shm_size": "So Compose files and Python spell it. `docker run` wants two dashes in front and one inside.",
    r"^-?shm-?size": "The right word. An option of `docker run` begins with two dashes and has one inside.",
    r"--shmsize|--shm(?!-)": "Nearly the right option: `docker run --help` has its full name.",
    r"--shm-size": "The right option, but its value cannot be read. Docker wants a number and a unit.",
    r"--ipc": "The right idea: which word shares the host's shared memory?",
    r"(^| )(-m|--memory)\b": "The memory row is fine. /dev/shm is a file system in memory, with a limit of its own.",
    r"--ulimit": "That is about locked memory or open files. Here a file system is full: which one?",
    r"--(storage|tmpfs|mount|volume)|(^| )-v\b": "Which folder has 64 MiB? The disk and /tmp have room.",
    r"--(gpus|runtime)": "The GPUs are there. Which row is far too small?",
    r"--cpus": "That is the example's own option. Which row is far too small?",
}  # fmt: skip


def small_shm(answer: Any) -> str:
    """Return what the option for ``docker run`` does: ``--shm-size=8g``, ``--ipc=host`` and their kin."""
    option = option_text(answer)
    if re.search(r"(?<!\S)--ipc[= ]host(?!\S)", option):
        return "The container shares the host's /dev/shm."
    if re.search(BOUND, option):
        return "The container sees the host's /dev/shm."
    sizes = list(re.finditer(SIZE, option))
    if not sizes and re.search(NO_LIMIT, option):
        return "A tmpfs without a size may grow to half of the host's memory."
    if not sizes:
        raise Wrong(option_hint(option))
    number, unit = (each for each in sizes[-1].groups() if each is not None)  # of two, Docker takes the last
    count = float(number) * UNITS[unit.lower()]
    if not unit and 0 < count < GIB:
        raise Wrong(f"Without a unit, Docker reads bytes: {number} of them. 1 GiB has {GIB}. Write a unit: k, m or g.")
    if count < GIB:
        raise Wrong("The right option, and still too little: the exercise asks for 1 GiB or more.")
    return f"Shared memory gets {count / GIB:g} GiB; only what is used takes memory."


def option_text(answer: Any) -> str:
    """Return the option as one line of text, no remark; a list of words, as subprocess takes them, is one, too."""
    if isinstance(answer, (list, tuple)) and answer and all(isinstance(word, str) for word in answer):
        answer = " ".join(answer)
    if not isinstance(answer, str):
        raise Wrong('Write the option as text, between quotes: "--cpus=4".')
    text = " ".join(re.sub("[\"']", "", answer).replace("\\\n", " ").split())
    text = re.sub(r"(^| )#.*", "", text)
    return re.sub(r"^(sudo )?(docker|podman|nerdctl) (container )?run ", "", text)


def option_hint(option: str) -> str:
    """Return the hint for an option that gives /dev/shm no more room."""
    for spelling, hint in NEARLY.items():
        if re.search(spelling, option, re.IGNORECASE):
            return hint
    return "Look for the row that is far too small, and for the option of `docker run` that sets its size."
