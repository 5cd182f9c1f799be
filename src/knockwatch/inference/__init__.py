"""Door inference: from connections to doors, the secrets that open them, and who used them.

Plain Python and Polars over the few destinations that an engine left; it knows no sources and no cases.
"""
