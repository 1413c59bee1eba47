"""Forges that nobody runs here: their wire formats over a real repository."""
