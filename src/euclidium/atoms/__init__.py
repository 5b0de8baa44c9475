"""euclidium.atoms"""

__all__: list[str] = []
