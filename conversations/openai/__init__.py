"""OpenAI's dialect: bodies in, JSON and chunks out. No database, no clock."""
