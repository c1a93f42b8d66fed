"""A file of the user's own that nets.py imports."""


def scaled(x):
    return 2 * x
