"""Pictures of clips and of confusions."""
