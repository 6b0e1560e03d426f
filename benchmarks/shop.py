"""What both sides of the benchmark call: one method that returns a small model."""

from pydantic import BaseModel

from euryale import Euryale, mutation


class Product(BaseModel):
    """What a call returns."""

    id: str
    title: str
    status: str
    price: int
    tags: list[str]


class ProductService:
    """Stands for a service whose own work takes no time, so that what is left is the engine's."""

    @mutation
    async def update(self, product_id: str, *, status: str, price: int) -> Product:
        """Return the product as it would be after the change."""
        return Product(
            id=product_id, title="A shirt of linen", status=status, price=price, tags=["a", "b"]
        )


app = Euryale(name="euryale", services={"product": ProductService})
