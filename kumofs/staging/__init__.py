"""Bytes acknowledged but not yet in the store: never lost, never cached away.

Read `area` (where they lie), `staged` (one file of them), `journal` (what survives the mount), then `commit` (how they get
into store and catalog), `begun` (what a kill leaves of an upload), `keys` (which key they get) and `reclaim` (how the bytes
of an unlinked file go).
"""
