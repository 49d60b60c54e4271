"""What each worker would import, read and collect anew is there before it is forked."""

from __future__ import annotations

import gc
import importlib

from integrations.emag.trust import tls

for module in ("anyio._backends._asyncio", "httpcore"):
    importlib.import_module(module)
tls()
gc.freeze()
