"""euclidium.simulate"""

__all__: list[str] = []
