"""Questions to a class, and the rooms that they are asked in."""
