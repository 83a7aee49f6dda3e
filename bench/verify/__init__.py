"""Verification of an implementation against its reference implementation."""
