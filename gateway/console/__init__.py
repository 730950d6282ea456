"""The engineers' console: web pages made on the API's own operations."""
