"""The kernel's private temp directory: made, locked as long as the kernel lives, swept if it did not clean up."""

import contextlib
import fcntl
import os
import pathlib
import shutil
import tempfile

PREFIX = "mgpu_lab-"


def make_private_directory() -> str:
    """Make a directory only this user can enter, with a lock that says its kernel lives."""
    directory = tempfile.mkdtemp(prefix=PREFIX)
    lock = os.open(pathlib.Path(directory, "lock"), os.O_CREAT | os.O_RDWR, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)  # held until this process ends, however it ends
    return directory


def sweep_stale_directories() -> None:
    """Remove what a killed kernel of this user left behind."""
    for directory in pathlib.Path(tempfile.gettempdir()).glob(PREFIX + "*"):
        with contextlib.suppress(OSError):
            if directory.stat().st_uid != os.getuid():
                continue
            fd = os.open(directory / "lock", os.O_RDWR)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(directory, ignore_errors=True)
            finally:
                os.close(fd)


def working_directory() -> str:
    """Return the kernel's directory; the root where it has been removed."""
    try:
        return str(pathlib.Path.cwd())
    except OSError:
        return "/"
