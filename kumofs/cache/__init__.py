"""Clean bytes on this machine, which may be deleted at any moment: `reader` reads a file's committed content, `window` keeps
what comes from a store that is not local."""
