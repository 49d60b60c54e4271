from __future__ import annotations

from pathlib import Path

from tests.rules.nursery import open_nursery


def test_after_a_run_that_was_ended_comes_another(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with open_nursery() as nursery:
        assert not nursery.run(["--version"], {}, tmp_path / "ended", seconds=0.0)
        assert nursery.run(["--version"], {}, log, seconds=60.0)
    assert log.read_text().startswith("pytest ")
