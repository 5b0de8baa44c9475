"""euclidium.o3"""

__all__: list[str] = []
