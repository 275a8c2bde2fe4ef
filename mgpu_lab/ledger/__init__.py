"""Where the bytes of a rank are."""
