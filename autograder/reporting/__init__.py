"""What a class came to, for people and for other programs."""
