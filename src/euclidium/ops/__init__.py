"""euclidium.ops"""

__all__: list[str] = []
