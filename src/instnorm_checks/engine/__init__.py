"""How answers are examined: called by value, compared, diagnosed, marked and reported on.

Nothing here depends on a particular exercise, and no assignment depends on another.
"""
