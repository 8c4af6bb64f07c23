"""Clean bytes on this machine, which may be deleted at any moment.

`reader` reads a file's committed content; where the store is not local, `window` keeps what comes from it in memory, `disk`
on disk, and `origin` asks for it.
"""
