"""Data that detection engineers review without reading Python: words, phrases, schemas, queries. No code."""
