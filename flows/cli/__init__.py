"""The command line `emag-flows`: an operator's way to run the flows and to look after them."""

from __future__ import annotations
