"""euclidium.plot"""

__all__: list[str] = []
