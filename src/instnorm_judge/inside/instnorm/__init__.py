"""Stands in for the package `instnorm` where student code is graded.

The reference kernels are not here, nor anywhere else that the student's code could look.
"""
