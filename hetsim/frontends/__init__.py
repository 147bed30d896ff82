"""Frontends: outside formats become graphs. One module a format."""
