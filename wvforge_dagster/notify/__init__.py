"""Telling people: where their addresses are read, and how notices are sent to them, through apprise."""
