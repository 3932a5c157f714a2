"""What chapters and notebooks share: photographs, plot style, figures, explorables. No answers.

Import the part you need, for example ``from instnorm_lab import figures, photos, style``.
"""
