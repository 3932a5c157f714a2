"""Experiments too long for a page: each writes a small result file, which is committed."""
