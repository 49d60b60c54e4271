"""Whom this host trusts to say who somebody is, for every TLS connection of ours."""

from __future__ import annotations

import ssl
from functools import cache

import httpx


@cache
def tls() -> ssl.SSLContext:
    """Certificates are read once: that takes as much CPU as carrying several rows."""
    return httpx.create_ssl_context(trust_env=False)
