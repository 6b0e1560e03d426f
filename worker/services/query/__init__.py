"""Medusa's `query.graph`: reading across the shop's entities with filters and relations."""

from worker.services.query.pagination import Pagination
from worker.services.query.service import GraphMetadata, GraphResult, QueryService

__all__ = ["GraphMetadata", "GraphResult", "Pagination", "QueryService"]
