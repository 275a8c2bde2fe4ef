"""Checks of the lessons' exercises."""
