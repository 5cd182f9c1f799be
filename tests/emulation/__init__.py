"""Tests of emulated evidence."""
