"""An eMAG without request limits."""

from __future__ import annotations

from dataclasses import replace

import pytest

from integrations.emag.routes import LIMITS, Bucket
from tests.end_to_end.conftest import Shop


@pytest.fixture
def swift(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """The shop at an eMAG that has no request limits."""
    monkeypatch.setitem(LIMITS, Bucket.OTHER, 500.0)
    shop.switch(limits=False)
    shop.channel = replace(shop.channel, account=replace(shop.channel.account, rates={}))
    return shop
