"""The command line: one file a verb. It knows every layer, and no layer knows it."""

__all__: list[str] = []
