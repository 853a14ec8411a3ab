"""Rooms on this server: the routes of phones, and what stands on the wall."""
