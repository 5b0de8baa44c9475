"""euclidium.models"""

__all__: list[str] = []
