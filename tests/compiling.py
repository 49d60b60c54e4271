"""Our modules and the tests, whose assertions pytest rewrites, are compiled once for all processes.

Every worker imports every test: compiled by each of them, they would cost a minute of CPU.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Sequence
from compileall import compile_file
from contextlib import suppress
from pathlib import Path

import pytest
from _pytest.assertion import rewrite

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("flows", "integrations", "migrations", "tasks", "tests")


def compile_all(config: pytest.Config) -> None:
    """Bring the bytecode of all modules up to date, on all cores.

    What can't be compiled or written is left to the process that imports it.
    """
    modules = sorted(path for each in FOLDERS for path in (ROOT / each).rglob("*.py"))
    cores = os.cpu_count() or 1
    forking = multiprocessing.get_context("fork")  # `config` can't be sent
    shares = [
        forking.Process(target=_compile, args=(config, modules[first::cores]))
        for first in range(cores)
    ]
    for share in shares:
        share.start()
    for share in shares:
        share.join()


def _compile(config: pytest.Config, modules: Sequence[Path]) -> None:
    rewritten = rewrite.assertstate_key in config.stash
    for module in modules:
        if rewritten and (module.name.startswith("test_") or module.name == "conftest.py"):
            with suppress(OSError, SyntaxError):
                _rewrite(config, module)
        else:
            compile_file(module, quiet=2)


def _rewrite(config: pytest.Config, module: Path) -> None:
    """As pytest does when it imports a test, where it has not done so already."""
    folder = rewrite.get_cache_dir(module)
    file = folder / f"{module.stem}{rewrite.PYC_TAIL}"
    if rewrite.try_makedirs(folder) and rewrite._read_pyc(module, file) is None:
        source, code = rewrite._rewrite_test(module, config)
        rewrite._write_pyc(config.stash[rewrite.assertstate_key], code, source, file)
