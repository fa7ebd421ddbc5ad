"""Collections for API clients, made from the OpenAPI document: the same calls for Postman and for Insomnia."""
