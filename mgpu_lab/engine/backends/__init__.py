"""Where rank processes come from and how bytes reach them."""
