"""Commands of operators, by domain: each declares its fields, its command line and its routes."""
