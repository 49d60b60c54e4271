"""Whether requirements.lock is what pyproject.toml asks for.

The lock is compiled anew into a copy of itself, whose pins uv keeps where they still fit: any
difference means that pyproject.toml was changed without `uv pip compile`. Where no package
registry can be reached, that is said, and only the direct requirements are compared.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LOCK = Path("requirements.lock")
# A home folder may not be writable, where uv would keep its cache.
OUR_UV = {"UV_PYTHON_DOWNLOADS": "never", "UV_CACHE_DIR": str(Path(sys.prefix) / ".uv-cache")}
COMPILE = [
    *("uv", "pip", "compile", "pyproject.toml", "--extra", "dev", "--universal"),
    *("--generate-hashes", "--no-header", "--no-emit-index-url", "--python-version", "3.11"),
    *("--output-file", str(LOCK)),
]


def main() -> int:
    """Exit code 0 if nothing is known to be wrong with the lock, else 1."""
    try:
        print(f"requirements.lock {check()}")
    except ValueError as error:
        print(f"requirements.lock {error}; run: {' '.join(COMPILE)}", file=sys.stderr)
        return 1
    return 0


def check() -> str:
    """What was found to be well. Raises ValueError for what is wrong."""
    text = LOCK.read_text()
    require_hashes(text)
    compiled, complaint = compile_anew({})
    if compiled is None and unreachable(complaint):
        compiled, complaint = compile_anew(registry_of_pip())
    if compiled is None and unreachable(complaint):
        require_direct(text)
        return (
            "satisfies pyproject.toml; whether it is wholly up to date was not checked,"
            " since no package registry could be reached"
        )
    if compiled is None:
        raise ValueError(f"can't be compiled ({' '.join(complaint.split())[:400]})")
    if without_hashes(compiled) != without_hashes(text):
        raise ValueError("is not up to date")
    return "is up to date"


def compile_anew(environment: dict[str, str]) -> tuple[str | None, str]:
    """The lock as uv would write it today, or None, and what uv said."""
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder) / LOCK.name
        shutil.copy(LOCK, fresh)
        command = [str(Path(sys.executable).parent / "uv"), *COMPILE[1:-1], str(fresh)]
        command += ["--quiet", "--python", sys.executable]
        environment = {**OUR_UV, **os.environ, **environment}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        return (fresh.read_text() if done.returncode == 0 else None), done.stderr


def registry_of_pip() -> dict[str, str]:
    """pip's own registry in uv's words: uv reads none of pip's configuration."""
    names = {"index-url": "UV_DEFAULT_INDEX", "cert": "SSL_CERT_FILE"}
    listing = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True
    )
    found = re.findall(r"^\S+\.([a-z-]+)='(.*)'$", listing.stdout, re.MULTILINE)
    return {names[name]: value for name, value in found if name in names}


def unreachable(complaint: str) -> bool:
    """Whether uv failed for want of a registry rather than for the requirements' sake."""
    signs = r"failed to fetch|error sending request|request failed|network (connectivity )?(is|was)"
    return re.search(signs, complaint, re.IGNORECASE) is not None


def require_hashes(text: str) -> None:
    """Every pin is followed by a hash."""
    pinned = re.findall(r"^(\S+==\S+)([^\n]*)\n([^\n]*)", text, re.MULTILINE)
    unhashed = [pin for pin, _, following in pinned if not following.lstrip().startswith("--hash")]
    if unhashed:
        raise ValueError(f"has no hash for {', '.join(unhashed)}")


def pins(text: str) -> list[str]:
    """The lines' beginnings such as "httpx==0.28.1"."""
    return re.findall(r"^[A-Za-z0-9._\[\],-]+==[^\s;\\]+", text, re.MULTILINE)


def without_hashes(text: str) -> list[str]:
    """The pins with markers and origins: files of a version may be added at any time."""
    lines = (line.rstrip(" \\") for line in text.splitlines())
    return [line for line in lines if not line.lstrip().startswith("--hash")]


def require_direct(text: str) -> None:
    """Every direct requirement has a pin that satisfies it."""
    locked = dict(pin.split("==") for pin in pins(text))
    versions = {canonicalize_name(name.partition("[")[0]): each for name, each in locked.items()}
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    for line in project["dependencies"] + project["optional-dependencies"]["dev"]:
        requirement = Requirement(line)
        version = versions.get(canonicalize_name(requirement.name))
        if version is None or version not in requirement.specifier:
            raise ValueError(f"does not satisfy {line}")


if __name__ == "__main__":
    sys.exit(main())
