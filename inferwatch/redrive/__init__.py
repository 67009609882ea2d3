"""Rejected records sent again, so that each counts once, however often it is asked for."""
