"""Faults as JSON: in a file, over the admin routes, and what is said about mistakes."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from integrations.sandbox.fault_fields import FIELDS
from integrations.sandbox.fault_plan import read_plan
from integrations.sandbox.faults import KINDS, Fault, shown

from .conftest import ORDER, RETURN, Clock, Seller

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs" / "sandbox.md"


def plan(given: object) -> Any:
    return read_plan(json.dumps(given).encode())


class TestReading:
    def test_what_is_not_said_has_a_default(self) -> None:
        (fault,) = plan([{"kind": "cut_body"}]).faults
        assert fault == Fault("*", "after_effect", "cut_body", times=1, seconds=1.0)

    @pytest.mark.parametrize(
        "often", [{"probability": 0.5}, {"every": 2}, {"for_seconds": 60}, {"times": None}]
    )
    def test_what_says_how_often_has_no_end(self, often: dict[str, Any]) -> None:
        (fault,) = plan([{"kind": "reset", **often}]).faults
        assert fault.times is None

    @pytest.mark.parametrize(
        "given",
        [
            {"route": "*/save", "point": "before_effect", "kind": "slow", "times": 3}
            | {"seconds": 2.5, "probability": 0.5, "for_seconds": 60}
            | {"order_ids": [ORDER], "return_ids": [RETURN], "min_items": 2},
            {"route": "order/read", "point": "during_effect", "kind": "stale", "times": None}
            | {"effects": 2, "every": 4},
        ],
    )
    def test_every_field_is_taken(self, given: dict[str, Any]) -> None:
        (fault,) = plan({"faults": [given]}).faults
        assert shown(fault) == given

    @pytest.mark.parametrize("kind", KINDS)
    def test_what_is_shown_can_be_loaded_again(self, kind: str) -> None:
        (fault,) = plan({"kind": kind, "probability": 0.25, "times": 5}).faults
        assert plan([shown(fault)]).faults == (fault,)


# what is given, and what the only line must say
MISTAKES: list[tuple[object, list[str]]] = [
    ([{"route": "*"}], ["faults[0]", "needs a kind", "reset"]),
    ([{"kind": "reset"}, {"kind": "restet"}], ["faults[1]", "'restet'", "'reset'"]),
    ([{"kind": "meteor"}], ["faults[0]", "'meteor'", "reset, timeout"]),
    ([{"kind": 7}], ["faults[0]", "kind must be", "7"]),
    ([{"kind": "reset", "time": 1}], ["faults[0]", "'time'", "'times'"]),
    ([{"kind": "reset", "times": 0}], ["faults[0]", "times must be", "null for no end", "not 0"]),
    ([{"kind": "reset", "times": "2"}], ["faults[0]", "times must be", "'2'"]),
    ([{"kind": "reset", "times": True}], ["faults[0]", "times must be", "True"]),
    ([{"kind": "reset", "probability": 0}], ["faults[0]", "probability", "above 0"]),
    ([{"kind": "reset", "probability": 1.5}], ["faults[0]", "probability", "at most 1"]),
    ([{"kind": "reset", "every": 0}], ["faults[0]", "every must be"]),
    ([{"kind": "reset", "every": 2, "probability": 0.5}], ["faults[0]", "leave one of them out"]),
    ([{"kind": "forbidden", "for_seconds": 0}], ["faults[0]", "for_seconds", "above 0"]),
    ([{"kind": "forbidden", "seconds": 60}], ["faults[0]", "seconds", "for_seconds"]),
    ([{"kind": "slow", "seconds": -1}], ["faults[0]", "seconds must be", "0 to 3600"]),
    ([{"kind": "slow", "effects": 1}], ["faults[0]", "effects", "'stale'"]),
    ([{"kind": "stale", "effects": 1, "seconds": 1}], ["faults[0]", "leave one of them out"]),
    ([{"kind": "reset", "point": "after"}], ["faults[0]", "before_effect or after_effect"]),
    ([{"kind": "reset", "point": None}], ["faults[0]", "point"]),
    ([{"kind": "locked", "point": "after_effect"}], ["faults[0]", "must be before_effect"]),
    ([{"kind": "reset", "route": "order/saves"}], ["faults[0]", "'order/saves'", "'order/save'"]),
    ([{"kind": "reset", "route": ""}], ["faults[0]", "route must be"]),
    ([{"kind": "stale", "route": "order/save"}], ["faults[0]", "strikes only order/read"]),
    ([{"kind": "half_then_500", "route": "rma/read"}], ["faults[0]", "strikes only order/save"]),
    ([{"kind": "reset", "order_ids": ORDER}], ["faults[0]", "order_ids must be a list"]),
    ([{"kind": "reset", "return_ids": ["x"]}], ["faults[0]", "return_ids must be a list"]),
    ([{"kind": "reset", "min_items": 51}], ["faults[0]", "min_items", "1 to 50"]),
    ([{"kind": "stale", "min_items": 2}], ["faults[0]", "min_items is for saves"]),
    ([{"kind": "reset", "route": "rma/read", "min_items": 2}], ["faults[0]", "is for saves"]),
    (["reset"], ["faults[0]", "must be an object"]),
    ({"kind": "reset", "times": -1}, ["the fault", "times must be"]),
    ({"fault": []}, ["'fault'", "'faults'"]),
    ({"faults": {}}, ["faults must be a list"]),
    ({"switches": []}, ["switches must be an object"]),
    ({"switches": {"pageshift": True}}, ["switches", "'pageshift'", "'page_shift'"]),
    ({"switches": {"limits": "perhaps"}}, ["switches", "limits", "true or false"]),
    (7, ['write {"faults"']),
]


@pytest.mark.parametrize(("given", "words"), MISTAKES)
def test_a_mistake_is_one_line_with_its_remedy(given: object, words: list[str]) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        plan(given)
    text = str(caught.value)
    assert "\n" not in text
    assert [word for word in words if word not in text] == []


def test_what_is_no_json_is_said_with_its_place() -> None:
    with pytest.raises(ValueError, match=r"not JSON.*line 2 column 1"):
        read_plan(b'{"faults": [\n')


async def admin(seller: Seller, method: str, body: object = None) -> Any:
    answer = await seller.http.request(method, "/sandbox/faults", json=body, auth=("", ""))
    seller.status = answer.status_code
    return answer.json()


class TestAdminRoutes:
    async def test_add_read_and_clear(self, remote: Seller) -> None:
        (added,) = await admin(
            remote, "POST", {"route": "order/count", "kind": "throttle", "times": 2}
        )
        assert added == {
            "route": "order/count",
            "point": "before_effect",
            "kind": "throttle",
            "times": 2,
        }
        await remote.post("order/count")
        assert remote.status == 429
        assert [each["times"] for each in await admin(remote, "GET")] == [1]
        await admin(remote, "POST", [{"kind": "reset"}, {"kind": "slow", "seconds": 0}])
        kinds = [each["kind"] for each in await admin(remote, "GET")]
        assert kinds == ["throttle", "reset", "slow"]
        assert await admin(remote, "DELETE") == []
        assert await admin(remote, "GET") == []
        await remote.post("order/count")
        assert remote.status == 200

    async def test_replace_them_all(self, remote: Seller) -> None:
        remote.market.faults.add(kind="reset", times=None)
        plan = {"faults": [{"kind": "forbidden"}], "switches": {"count_strings": False}}
        assert [each["kind"] for each in await admin(remote, "PUT", plan)] == ["forbidden"]
        assert [each["kind"] for each in await admin(remote, "GET")] == ["forbidden"]
        await remote.post("order/count")
        assert remote.status == 403
        assert (await remote.post("order/count"))["results"]["noOfItems"] == 0

    async def test_what_is_left_can_be_put_back(self, seller: Seller, clock: Clock) -> None:
        seller.market.faults.add(kind="forbidden", for_seconds=60)
        seller.market.faults.add("order/count", kind="throttle_retry_after", seconds=5, times=9)
        clock.pass_time(seconds=20)
        left = await admin(seller, "GET")
        assert left[0]["for_seconds"] == 40
        assert await admin(seller, "PUT", left) == left

    @pytest.mark.parametrize("method", ["PUT", "POST"])
    async def test_a_mistake_changes_nothing(self, seller: Seller, method: str) -> None:
        seller.market.faults.add(kind="reset")
        switches = seller.market.switches
        given = {
            "faults": [{"kind": "forbidden"}, {"kind": "x"}],
            "switches": {"limits": True},
        }
        answer = await admin(seller, method, given)
        assert (seller.status, "faults[1]" in answer["error"]) == (400, True)
        assert [fault.kind for fault in seller.market.faults.waiting()] == ["reset"]
        assert seller.market.switches == switches

    async def test_what_is_no_json_is_refused(self, seller: Seller) -> None:
        answer = await seller.http.put("/sandbox/faults", content=b"{")
        assert (answer.status_code, "not JSON" in answer.json()["error"]) == (400, True)

    async def test_a_reset_takes_another_seed(self, seller: Seller) -> None:
        drawn = []
        for seed in (3, 3, 4):
            await seller.http.post("/sandbox/reset", json={"seed": seed})
            await admin(seller, "PUT", [{"kind": "reset", "probability": 0.5}])
            faults = seller.market.faults
            drawn.append([bool(faults.consult("before_effect", "r")) for _ in range(64)])
        assert drawn[0] == drawn[1] != drawn[2]


class TestTheFileOption:
    def test_from_a_terminal(self, tmp_path: Path) -> None:
        file = tmp_path / "faults.json"
        faults = [{"route": "order/count", "kind": "http_503_html"}]
        switches = {"count_strings": False, "page_shift": True}
        file.write_text(json.dumps({"faults": faults, "switches": switches}))
        program = (
            "import typer; from integrations.sandbox.command import sandbox_command;"
            "typer.run(sandbox_command)"
        )
        options = ["--orders", "20", "--faults", str(file), "--switch", "page_shift=false"]
        process = subprocess.Popen(
            [sys.executable, "-u", "-c", program, *options],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stdout is not None
            lines = [process.stdout.readline().split()[-1] for _ in range(5)]
            base_url, auth = lines[0], ("seller@example.com", lines[1])
            with httpx.Client(auth=auth, trust_env=False) as http:
                waiting = http.get(lines[4]).json()
                assert [each["kind"] for each in waiting] == ["http_503_html"]
                assert http.post(f"{base_url}/order/count").status_code == 503
                count = http.post(f"{base_url}/order/count").json()
                assert count["results"]["noOfItems"] == 20
                assert http.get(lines[3]).json()["page_shift"] is False
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=30) == 0
        finally:
            process.kill()
            process.communicate()

    @pytest.mark.parametrize("text", ['{"faults": [{"kind": "meteor"}]}', "{", "[\xff"])
    def test_a_mistake_names_file_and_entry(self, tmp_path: Path, text: str) -> None:
        from typer import Typer
        from typer.testing import CliRunner

        from integrations.sandbox.command import sandbox_command

        file = tmp_path / "f.json"
        file.write_bytes(text.encode("latin-1"))
        app = Typer()
        app.command()(sandbox_command)
        result = CliRunner().invoke(app, ["--faults", str(file)], env={"COLUMNS": "400"})
        assert result.exit_code == 2
        assert "f.json" in result.output
        assert "meteor" not in text or "faults[0]" in result.output
        assert "Traceback" not in result.output


class TestTheDocumentation:
    @pytest.mark.parametrize("name", [*FIELDS, *KINDS])
    def test_every_field_and_kind_is_there(self, name: str) -> None:
        assert f"`{name}`" in DOCS.read_text()

    def test_the_example_file_can_be_loaded(self) -> None:
        examples = re.findall(r"```json\n(.*?)```", DOCS.read_text(), re.DOTALL)
        (example,) = (text for text in examples if '"faults"' in text)
        found = read_plan(example.encode())
        assert len(found.faults) > 3
        assert found.switches
