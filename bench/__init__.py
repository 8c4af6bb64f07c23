"""The bench: kumofs beside other file systems over S3, on the same server, in turns, in one run: docs/bench.md.

scripts/peers && .venv/bin/python -m bench run --quick
"""
