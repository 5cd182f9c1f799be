"""Speed and memory of knockwatch beside public tools in the same run: `python -m bench`; quality is `quality.py`."""
