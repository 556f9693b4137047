"""A report as files: a page, Markdown, and tables for papers."""
