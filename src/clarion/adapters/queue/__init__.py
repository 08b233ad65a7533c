"""How processes wake each other. One module a technique; it carries no facts."""
