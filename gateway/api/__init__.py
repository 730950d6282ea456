"""The HTTP API: routes, pages, problems, and the OpenAPI document made of them."""
