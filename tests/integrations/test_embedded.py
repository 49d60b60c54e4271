"""The embedded PostgreSQL: shared by its users, gone with the last, whatever the folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from integrations.embedded import Embedded, EmbeddedError, embedded, start_embedded

NO_SYNC = {"fsync": "off"}


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "a folder's $name" / ("long" * 30)


def postmaster(url: str) -> int:
    """Process id of the server behind the URL."""
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT pg_read_file('postmaster.pid')").fetchone()
    assert row
    return int(row[0].splitlines()[0])


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_data_survive_a_restart_in_any_folder(data_dir: Path) -> None:
    with embedded(data_dir, **NO_SYNC) as url, psycopg.connect(url, autocommit=True) as first:
        first.execute("CREATE TABLE kept AS SELECT 'ș'::text AS letter")
    with embedded(data_dir, **NO_SYNC) as url, psycopg.connect(url) as second:
        assert second.execute("SELECT letter FROM kept").fetchone() == ("ș",)


def test_the_last_user_stops_it_and_removes_its_socket(data_dir: Path) -> None:
    first = start_embedded(data_dir, **NO_SYNC)
    second = start_embedded(data_dir)
    pid = postmaster(first.url)
    assert second.url == first.url

    first.stop()
    assert postmaster(second.url) == pid
    second.stop()
    second.stop()

    assert not alive(pid)
    assert not Path(str(conninfo_to_dict(first.url)["host"])).exists()


def test_a_socket_folder_that_was_asked_for_is_the_only_one(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with TemporaryDirectory(dir="/tmp") as short:
        wanted, temporary = Path(short) / "wanted", Path(short) / "temporary"
        wanted.mkdir()
        temporary.mkdir()
        for folder in (Path(short), wanted, temporary):
            folder.chmod(0o777)  # PostgreSQL does not run as root
        monkeypatch.setattr("tempfile.tempdir", str(temporary))

        with embedded(data_dir, **NO_SYNC, unix_socket_directories=f'"{wanted}"') as url:
            assert conninfo_to_dict(url)["host"] == str(wanted)
            assert postmaster(url) > 0

        assert list(temporary.iterdir()) == []
        assert wanted.exists()


def test_a_killed_user_counts_no_more(data_dir: Path) -> None:
    program = (
        "import os, sys; from pathlib import Path; from integrations.embedded import *;"
        "start_embedded(Path(sys.argv[1]), fsync='off'); os.kill(os.getpid(), 9)"
    )
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", program, str(data_dir)], cwd=root, check=False)

    survivor = start_embedded(data_dir)
    pid = postmaster(survivor.url)
    survivor.stop()

    assert not (data_dir / "postgres" / "postmaster.pid").exists()
    assert pid > 0


def end(server: Embedded, how: signal.Signals) -> None:
    """Have the server end, not by our doing."""
    pid = postmaster(server.url)
    os.kill(pid, how)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    for _ in range(1000):  # what it was just forking holds its socket for an instant longer
        if not server.is_running:
            break
        time.sleep(0.01)


def test_a_crashed_server_is_started_anew_where_its_users_know_it(data_dir: Path) -> None:
    crashed = start_embedded(data_dir, **NO_SYNC)
    end(crashed, signal.SIGKILL)

    with embedded(data_dir) as url:
        assert url == crashed.url
        assert postmaster(url) > 0
    crashed.stop()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_user_starts_it_again_with_all_that_was_in_it(
    data_dir: Path, how: signal.Signals
) -> None:
    server = start_embedded(data_dir, **NO_SYNC)
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS number")
    assert server.is_running
    end(server, how)
    assert not server.is_running

    server.start_again()

    assert server.is_running
    with psycopg.connect(server.url) as connection:
        assert connection.execute("SELECT number FROM kept").fetchone() == (1,)
    server.stop()
    assert not Path(str(conninfo_to_dict(server.url)["host"])).exists()


def test_one_that_cannot_be_started_again_says_why_in_one_line(data_dir: Path) -> None:
    server = start_embedded(data_dir, **NO_SYNC)
    end(server, signal.SIGINT)
    (data_dir / "postgres" / "global" / "pg_control").unlink()

    with pytest.raises(
        EmbeddedError, match=r"could not (find|open) .*; set DATABASE_URL"
    ) as caught:
        server.start_again()

    assert "\n" not in str(caught.value)
    server.stop()


def test_a_frozen_server_is_running(data_dir: Path) -> None:
    """However many have knocked meanwhile."""
    server = start_embedded(data_dir, max_connections="5", **NO_SYNC)
    pid = postmaster(server.url)
    os.kill(pid, signal.SIGSTOP)
    try:
        knocked = [server.is_running for _ in range(1000)]
    finally:
        os.kill(pid, signal.SIGCONT)

    assert all(knocked)
    server.stop()


def test_an_interrupted_creation_is_begun_anew(data_dir: Path) -> None:
    (data_dir / "postgres.new").mkdir(parents=True)
    (data_dir / "postgres.new" / "PG_VERSION").write_text("18\n")

    with embedded(data_dir, **NO_SYNC) as url:
        assert postmaster(url) > 0


def test_files_of_another_version_are_refused_in_one_line(data_dir: Path) -> None:
    (data_dir / "postgres").mkdir(parents=True)
    (data_dir / "postgres" / "PG_VERSION").write_text("16\n")

    with pytest.raises(EmbeddedError, match="belong to version 16") as caught:
        start_embedded(data_dir)

    assert "\n" not in str(caught.value)
    assert "set DATABASE_URL" in str(caught.value)


def test_a_server_that_does_not_start_says_why_in_one_line(data_dir: Path) -> None:
    with pytest.raises(EmbeddedError, match="shared_buffers") as caught:
        start_embedded(data_dir, shared_buffers="nonsense")

    assert "\n" not in str(caught.value)


def test_a_folder_that_cannot_be_made_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(EmbeddedError, match=r"set EMAG_DATA_DIR .*, or DATABASE_URL"):
        start_embedded(tmp_path / "file" / "emag")
