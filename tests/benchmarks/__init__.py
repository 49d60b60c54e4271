"""How good it is, measured: `python -m tests.benchmarks` (docs/benchmarks.md)."""
