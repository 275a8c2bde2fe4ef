"""Helpers of the lessons: scaffolding that is not their subject. Lessons import from here."""
