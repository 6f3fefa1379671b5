"""Measures the service on public collections, through its public API."""
