"""How plans look: tables, pictures, words, JSON."""
