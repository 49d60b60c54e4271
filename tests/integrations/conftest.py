"""How Hypothesis plays in these tests."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# Workers share busy cores, and the first draw of each reads all of our sources for their constants:
# how long anything takes says nothing here.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")
