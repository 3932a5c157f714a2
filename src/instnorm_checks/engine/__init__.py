"""How answers are examined: called by value, compared, diagnosed, marked and reported on.

Nothing here knows an exercise; the assignments beside this folder know nothing of each other.
"""
