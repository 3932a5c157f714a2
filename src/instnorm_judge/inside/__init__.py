"""The files of ours that the sandbox shows: the kernel's program, the wire format, and a stub.

The folder is bound into the sandbox, read-only. Nothing in it is secret, and nothing in it is
trusted once a student's code has run next to it.
"""
