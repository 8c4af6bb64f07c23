"""kumofs: your files as plain objects in a store, mounted as a real directory tree."""

__version__ = "0.1.0"
