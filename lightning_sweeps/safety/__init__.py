"""What a config, a checkpoint and a folder may do, and what nobody may read."""
