"""The filesystem: what a mount answers. pyfuse3 is imported only by `operations`, `attributes`, `boundary`, `invalidation`
and `session`; everything else is plain trio code over a `Drive`.

    operations (one short handler per FUSE call, inside `boundary`)
        names: naming          a create, unlink, rename happens here
        bytes: opening · reading · writing · saving
        the rest: listing · changing (chmod, chown, utimens, truncate) · xattrs · space
    tree                       what the mount remembers: nodes and loaded directories; `feed` and `freshness` keep it true
"""
