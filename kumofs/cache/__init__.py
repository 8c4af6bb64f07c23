"""Clean bytes on this machine: `reader` reads a file's committed content. What is here may be deleted at any moment."""
