"""Rent, buy, or both: USD over utilisation and months."""
