"""The contract: what each route takes and answers, as data, and the OpenAPI document made of it."""
