"""Use cases: each prepared off the writer (pure), then applied in the writer's transaction."""
