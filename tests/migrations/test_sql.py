from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from migrations.run import upgrade
from tests.migrations import existing_erp


def _run(psql: str, url: str, script: Path) -> None:
    done = subprocess.run(
        [psql, "-X", "-q", "-d", url, "-f", str(script)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_script_makes_what_the_upgrade_makes(
    database_url: str, bare_database_url: str, psql: str, script: Path
) -> None:
    _run(psql, bare_database_url, script)
    assert existing_erp.catalog(bare_database_url) == existing_erp.catalog(database_url)


def test_the_script_fits_an_existing_erp_as_the_upgrade_does(
    existing_url: str, psql: str, script: Path
) -> None:
    _run(psql, existing_url, script)
    by_script = existing_erp.catalog(existing_url)

    existing_erp.reinstall(existing_url)
    upgrade(existing_url)

    assert by_script == existing_erp.catalog(existing_url)


@pytest.mark.parametrize("fixture", ["database_url", "existing_url"])
def test_the_script_may_be_run_again(
    request: pytest.FixtureRequest, fixture: str, psql: str, script: Path
) -> None:
    url: str = request.getfixturevalue(fixture)
    upgrade(url)
    before = existing_erp.catalog(url)

    _run(psql, url, script)
    _run(psql, url, script)

    assert existing_erp.catalog(url) == before
